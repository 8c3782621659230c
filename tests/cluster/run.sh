#!/usr/bin/env bash
# The stories on a real Kubernetes: brings the bed up, makes our images, runs `tests/cluster`,
# installs the chart, takes the bed down.
#
#   tests/cluster/run.sh [STORY]     all of it, or only the stories whose names hold STORY
#   tests/cluster/run.sh bench       takes the figures of docs/PERFORMANCE.md, and prints them
#
# With KUBECONFIG set, that cluster is used and left alone; then set what tests/cluster/place.rs names as well.
# Without: root on Linux and the Debian packages below, which are installed. Binaries of Kubernetes, base images and
# the like stay in KTB_DIR (default: $XDG_CACHE_HOME/ktb), so that a second run is fast.
# A machine where the bed cannot run is told so; with CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=(containerd runc containernetworking-plugins buildah docker-registry catatonit mmdebstrap iptables conntrack
    socat ethtool iproute2 openssl curl python3 musl-tools)
target=x86_64-unknown-linux-musl

cannot() {
    printf 'NOT RUN: the stories on a cluster: %s\n' "$1" >&2
    [ "${CI:-}" != true ] || exit 1
    exit 0
}

install() {
    local missing=()
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
    # Debian starts some of them; the bed brings its own, on the same port.
    for service in containerd docker-registry; do
        if command -v systemctl >/dev/null; then systemctl stop "$service" 2>/dev/null || true; fi
    done
}

# How long a part took: what is slow is seen in what CI prints.
took() { printf '%s: %s s\n' "$1" "$((SECONDS - began))"; began=$SECONDS; }
began=$SECONDS

# The digest that the registry has of an image.
digest() {
    curl -fsSI -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
        "http://$registry/v2/$1/manifests/$2" | tr -d '\r' | sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: //p'
}

# The images of the bot and of its agent, from static binaries.
images() {
    rustup target add "$target" >/dev/null
    # A program of the dev profile reads its templates where they lie, and in a pod they do not. Nobody debugs it there.
    CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 cargo build -q --workspace --bins --features rust-embed/debug-embed --target "$target" --target-dir target/musl
    local dir one
    dir=$(mktemp -d)
    for one in bowsprit bowsprit-agent; do strip -o "$dir/$one" "target/musl/$target/debug/$one"; done
    for one in bot agent; do
        "$bed/images" build "bowsprit/$one:test" "$dir" -f "$PWD/helm/Dockerfile" --target "$one" --build-arg BINARIES=built >/dev/null
    done
    rm -r "$dir"
}

if [ -z "${KUBECONFIG:-}" ]; then
    bed=tests/cluster/bed
    [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] || cannot 'the bed needs root on Linux; set KUBECONFIG to use another cluster'
    command -v apt-get >/dev/null || cannot 'the bed needs packages of Debian'
    PATH=$PATH:/usr/local/go/bin
    install
    command -v go >/dev/null || cannot 'the bed needs Go 1.24 or newer, from https://go.dev/dl'
    if [ "${KTB_KEEP:-}" != 1 ]; then trap '"$bed/down" --wipe' EXIT; fi
    took 'packages of Debian'
    env=$("$bed/up")
    eval "$env"
    took 'Kubernetes'
    "$bed/images" base
    took 'base images'
    # shellcheck source=bed/lib.sh
    registry=$(. "$bed/lib.sh" && printf '%s' "$REGISTRY")
    # shellcheck source=bed/lib.sh
    BOWSPRIT_TEST_HOST=$(. "$bed/lib.sh" && printf '%s' "$KTB_HOST_IP")
    # shellcheck source=bed/lib.sh
    BOWSPRIT_TEST_API_SERVER=$(. "$bed/lib.sh" && printf '%s' "$RUN/apiserver.pid")
    images
    took 'static programs and their images'
    "$bed/images" build bowsprit/builder helm/builder >/dev/null
    took 'the image of builds'
    python=$(digest library/python 3.11-slim)
    agent=$(digest bowsprit/agent test)
    tools=$(digest library/debian bookworm-slim)
    export BOWSPRIT_TEST_HOST BOWSPRIT_TEST_API_SERVER
    export BOWSPRIT_TEST_PYTHON_IMAGE=$registry/library/python@$python
    export BOWSPRIT_TEST_AGENT_IMAGE=$registry/bowsprit/agent@$agent
    export BOWSPRIT_TEST_TOOLS_IMAGE=$registry/library/debian@$tools
fi
if [ "${1:-}" = bench ]; then
    export BOWSPRIT_TEST_BENCH=1
    set -- bench::bench --nocapture
fi
# Charts of repositories are rendered by helm.
if ! command -v helm >/dev/null; then
    # shellcheck source=../helm/tools.sh
    . tests/helm/tools.sh
    tools
fi
took 'what they need'
# Two at once, since they wait most of the time; one that stops what all need is played alone.
cargo test --workspace --test cluster -- --test-threads=2 "$@"
took 'stories'
if [ $# = 0 ] && [ -n "${bed:-}" ]; then
    # shellcheck source=bed/lib.sh
    AUDIT_LOG=$(. "$bed/lib.sh" && printf '%s' "$AUDIT") HOST_ADDRESS=$BOWSPRIT_TEST_HOST \
        tests/helm/install.sh "$PWD/target/musl/$target/debug/bowsprit" "$registry/bowsprit/bot:test" \
        "$BOWSPRIT_TEST_AGENT_IMAGE" "$BOWSPRIT_TEST_HOST:${registry##*:}/library/python@$python" \
        "$BOWSPRIT_TEST_HOST:${registry##*:}/bowsprit/builder@$(digest bowsprit/builder latest)"
    took 'the installed chart'
fi
