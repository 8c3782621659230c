#!/usr/bin/env bash
# Plays the tour as a person would see it, then lets tests/tour_check.py re-derive every station from the repositories
# and the served endpoints: once within the demo, once against `hub` and `server` as processes of their own.
# Usage: tests/tour.sh [path of the bowsprit executable]
set -euo pipefail
cd "$(dirname "$0")/.."
bowsprit=${1:-target/debug/bowsprit}
state=$(mktemp -d)
started=()
finish() {
  stop || true
  end_gateways || true
  rm -rf "$state"
}
trap finish EXIT

# Ends what was started, in the order of starting.
stop() {
  for process in "${started[@]}"; do
    kill -INT "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  started=()
}

# Ends the gateways, which outlive a server: each ends when `stop` lies beside its documents, within 30 s.
end_gateways() {
  local pid
  for pid in "$state"/apart/bot/environments/*/*/gateway.pid; do
    [ ! -e "$pid" ] || touch "$(dirname "$pid")/stop"
  done
  for _ in $(seq 300); do
    compgen -G "$state/apart/bot/environments/*/*/gateway.pid" >/dev/null || return 0
    sleep 0.1
  done
}

# A value of the brief: the addresses and tokens that a tour is given.
brief() { python3 -c 'import json,sys; b=json.load(open(sys.argv[1])); print(eval("b"+sys.argv[2]))' "$world/brief.json" "$1"; }

# One field of an answer of the bot's API.
bot() { python3 -c 'import json,sys,urllib.request as u; print(json.load(u.urlopen(u.Request(sys.argv[1], headers={"authorization": "Bearer "+sys.argv[2]})))[sys.argv[3]])' "$@"; }

# Holds the stations that were told against the world as it now is.
check() {
  cat "$stations"
  if ! grep -q '"name":"traffic"' "$stations"; then
    echo "the tour did not reach its end; the logs say:" >&2
    tail -n 40 "$world"/*.log >&2
    exit 1
  fi
  local api token
  api="$(brief "['bot']")/api/v1/environments/ada/digits-service"
  token=$(brief "['bot_token']")
  python3 tests/tour_check.py --stations "$stations" --hub-state "$world/hub" --hub "$(brief "['hub']")" \
    --token "$(brief "['people']['ada']")" --production "$(bot "$api/production" "$token" url)" \
    --staging "$(bot "$api/staging" "$token" url)" --key "$(bot "$api/production/keys" "$token" primary)" \
    --staging-key "$(bot "$api/staging/keys" "$token" primary)"
}

# Chooses the folder of the next world.
settle_in() {
  world=$state/$1
  stations=$world/stations.jsonl
  mkdir -p "$world"
  touch "$stations"
}

# Waits for an address to answer, for at most 30 s.
await() {
  for _ in $(seq 300); do
    python3 -c 'import sys,urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' "$1" 2>/dev/null && return
    sleep 0.1
  done
  echo "nothing answers at $1" >&2
  exit 1
}

echo '--- within the demo'
settle_in demo
"$bowsprit" demo --tour --json --stay --state "$world" >"$stations" 2>"$world/demo.log" &
started=($!)
# The tour has a time limit of its own for every station, so this loop ends.
while kill -0 "${started[0]}" 2>/dev/null && ! grep -q '"name":"traffic"' "$stations"; do
  sleep 0.5
done
check
stop

echo '--- hub and server apart'
runtimes=$world/bot/runtimes
settle_in apart
"$bowsprit" demo --write-config --state "$world"
# The packages were installed above; installing them again would show nothing new.
ln -s "$runtimes" "$world/bot/runtimes"
"$bowsprit" hub --config "$world/hub.json" 2>"$world/hub.log" &
hub=$!
started=("$hub")
await "$(brief "['hub']")/_hub/ready"
"$bowsprit" server --config "$world/bowsprit.toml" 2>"$world/server.log" &
started=($! "$hub")
await "$(brief "['bot']")/readyz"
"$bowsprit" tour --json --brief "$world/brief.json" >"$stations" || true
check
