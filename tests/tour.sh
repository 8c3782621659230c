#!/usr/bin/env bash
# Plays the demo's tour as a person would see it, then lets tests/tour_check.py re-derive every station from
# the repositories and the served endpoints. Usage: tests/tour.sh [path of the bowsprit executable]
set -euo pipefail
cd "$(dirname "$0")/.."
bowsprit=${1:-target/debug/bowsprit}
state=$(mktemp -d)
stations=$state/stations.jsonl
touch "$stations"
"$bowsprit" demo --tour --json --stay --state "$state/demo" >"$stations" 2>"$state/log" &
demo=$!
finish() {
  kill -INT "$demo" 2>/dev/null || true
  wait "$demo" 2>/dev/null || true
  rm -rf "$state"
}
trap finish EXIT
# The tour has a time limit of its own for every station, so this loop ends.
while kill -0 "$demo" 2>/dev/null && ! grep -q '"name":"traffic"' "$stations"; do
  sleep 0.5
done
cat "$stations"
if ! grep -q '"name":"traffic"' "$stations"; then
  echo "the tour did not reach its end; the log says:" >&2
  tail -n 40 "$state/log" >&2
  exit 1
fi
brief() { python3 -c 'import json,sys; b=json.load(open(sys.argv[1])); print(eval("b"+sys.argv[2]))' "$state/demo/brief.json" "$1"; }
bot() { python3 -c 'import json,sys,urllib.request as u; print(json.load(u.urlopen(u.Request(sys.argv[1], headers={"authorization": "Bearer "+sys.argv[2]})))[sys.argv[3]])' "$@"; }
api="$(brief "['bot']")/api/v1/environments/ada/digits-service"
token=$(brief "['bot_token']")
python3 tests/tour_check.py --stations "$stations" --hub-state "$state/demo/hub" --hub "$(brief "['hub']")" \
  --token "$(brief "['people']['ada']")" --production "$(bot "$api/production" "$token" url)" \
  --staging "$(bot "$api/staging" "$token" url)" --key "$(bot "$api/production/keys" "$token" primary)" \
  --staging-key "$(bot "$api/staging/keys" "$token" primary)"
