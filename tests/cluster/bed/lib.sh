# shellcheck shell=bash
# Shared settings and helpers for up, down, images, check and soak. Sourced, never run.
# shellcheck disable=SC2034  # many settings are used by the sourcing scripts only

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# ---- settings (environment variables override) ------------------------------------------------
KTB_DIR=${KTB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ktb}   # everything lives under here
KTB_BIN=${KTB_BIN:-$KTB_DIR/bin}                          # built binaries (may be shared / cached)
KTB_TIMEOUT=${KTB_TIMEOUT:-120}                           # seconds to wait for each readiness check
KTB_NODE=${KTB_NODE:-ktb}                                 # node name
KTB_IF=${KTB_IF:-ktb0}                                    # port-less bridge that carries KTB_HOST_IP
KTB_HOST_IP=${KTB_HOST_IP:-10.87.255.1}                   # this machine, as pods see it; not reachable from outside
KTB_POD_CIDR=${KTB_POD_CIDR:-10.87.0.0/24}
KTB_SERVICE_NET=${KTB_SERVICE_NET:-10.86}                 # Services: first two octets of a /16
KTB_REGISTRY_PORT=${KTB_REGISTRY_PORT:-5000}              # on 127.0.0.1 and on KTB_HOST_IP
KTB_DNS_PORT=${KTB_DNS_PORT:-53}                          # on KTB_HOST_IP
KTB_PORT_BASE=${KTB_PORT_BASE:-12000}                     # all other ports: see PORT_* below
KTB_SNAPSHOTTER=${KTB_SNAPSHOTTER:-overlayfs}             # "native" where KTB_DIR is itself on overlayfs
KTB_EGRESS=${KTB_EGRESS:-1}                               # 0: pods cannot reach anything outside
KTB_AUDIT_MB=${KTB_AUDIT_MB:-64}                          # size at which the audit log is rotated; two old ones are kept

K8S_VERSION=v1.34.4                                       # keep in step with go.mod

PORT_API=$((KTB_PORT_BASE + 443))                                      # on KTB_HOST_IP
PORT_KUBELET=$((KTB_PORT_BASE + 250))                                  # on KTB_HOST_IP
PORT_ETCD=$((KTB_PORT_BASE + 379))                                     # this and the following on 127.0.0.1
PORT_ETCD_PEER=$((KTB_PORT_BASE + 380))
PORT_KUBELET_HEALTH=$((KTB_PORT_BASE + 248))
PORT_PROXY_METRICS=$((KTB_PORT_BASE + 249))
PORT_PROXY_HEALTH=$((KTB_PORT_BASE + 256))
PORT_KCM=$((KTB_PORT_BASE + 257))
PORT_SCHEDULER=$((KTB_PORT_BASE + 259))
PORT_DNS_READY=$((KTB_PORT_BASE + 153))

IMG=$KTB_DIR/images       # buildah and registry storage: survives down --wipe
STATE=$KTB_DIR/state      # etcd, certificates, containerd, kubelet: removed by down --wipe
RUN=$KTB_DIR/run          # pid files, logs, generated configuration: removed by down --wipe
SOCK=$RUN/containerd.sock
AUDIT=$RUN/audit.log                                     # one line of JSON per request that people and Bowsprit made
REGISTRY=127.0.0.1:$KTB_REGISTRY_PORT
KUBECONFIG_FILE=$RUN/admin.kubeconfig
export PATH="$KTB_BIN:/usr/sbin:/sbin:$PATH"
export no_proxy="${no_proxy:+$no_proxy,}127.0.0.1,localhost,$KTB_HOST_IP,$KTB_POD_CIDR,$KTB_SERVICE_NET.0.0/16"
export NO_PROXY=$no_proxy

# ---- helpers -----------------------------------------------------------------------------------
say() { printf 'ktb: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "must run as root (network, mounts, cgroups)"; }

need_cmds() {
  local c absent=
  for c in "$@"; do command -v "$c" >/dev/null || absent+=" $c"; done
  [ -z "$absent" ] || die "missing commands:$absent (Debian packages: see README.md)"
}

lock() { # one up/down/images at a time
  mkdir -p "$KTB_DIR"
  exec 9>"$KTB_DIR/.lock"
  flock -w "$KTB_TIMEOUT" 9 || die "another ktb command holds $KTB_DIR/.lock"
}

conf() { # conf FILE: write stdin there, but leave an unchanged file alone (kube-proxy exits when its file is touched)
  cat >"$1.new"
  if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

wait_for() { # wait_for WHAT COMMAND...; gives up early if one of our processes has exited
  local what=$1 end=$((SECONDS + KTB_TIMEOUT)) f
  shift
  until "$@" >/dev/null 2>&1; do
    for f in "$RUN"/*.pid; do
      f=$(basename "$f" .pid)
      alive "$f" || die "$f has exited; see $RUN/$f.log"
    done
    [ "$SECONDS" -lt "$end" ] || die "$what not ready after ${KTB_TIMEOUT}s; see $RUN/*.log"
    sleep 0.2
  done
}

forget_dead() { # remove pid files of processes that are gone, so that they are started again
  local f
  for f in "$RUN"/*.pid; do
    if [ -e "$f" ] && ! alive "$(basename "$f" .pid)"; then rm "$f"; fi
  done
}

# A pid file holds "PID STARTTIME"; the start time makes sure that a reused pid is never taken for ours.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

alive() { # alive NAME: is the process that we started still there?
  local pid t
  read -r pid t 2>/dev/null <"$RUN/$1.pid" || return 1
  [ -n "$pid" ] && [ "$(start_time "$pid")" = "$t" ]
}

start() { # start NAME COMMAND...: in the background, unless it runs already
  local name=$1 pid
  shift
  if alive "$name"; then return; fi
  setsid "$@" </dev/null >>"$RUN/$name.log" 2>&1 9>&- &
  pid=$!
  echo "$pid $(start_time "$pid")" >"$RUN/$name.pid"
}

stop() { # stop NAME...: TERM to all, KILL to those still there after 10 s
  local name pid end=$((SECONDS + 10))
  for name in "$@"; do
    if alive "$name"; then read -r pid _ <"$RUN/$name.pid" && kill "$pid"; fi
  done 2>/dev/null
  for name in "$@"; do
    while alive "$name" && [ $SECONDS -lt $end ]; do sleep 0.1; done
    if alive "$name"; then read -r pid _ <"$RUN/$name.pid" && kill -9 "$pid" 2>/dev/null; fi
    rm -f "$RUN/$name.pid"
  done
}

ctr_() { ctr -a "$SOCK" -n k8s.io "$@"; }
buildah_() { # buildah with its own storage and configuration
  mkdir -p "$IMG"
  printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$IMG/buildah" "$RUN/buildah" >"$IMG/storage.conf"
  printf 'unqualified-search-registries = ["docker.io"]\n[[registry]]\nlocation = "%s"\ninsecure = true\n' "$REGISTRY" >"$IMG/registries.conf"
  CONTAINERS_STORAGE_CONF=$IMG/storage.conf CONTAINERS_REGISTRIES_CONF=$IMG/registries.conf buildah "$@"
}
