#!/bin/sh
# Holds the hub and the bot against GitHub's official description: plays the stories with the hub recording, then checks every
# call, answer and delivery of the record; and lets the bot read every webhook payload that GitHub publishes as an example.
#
# check.sh [RECORDS]: RECORDS is a folder that `BOWSPRIT_RECORD_DIR=RECORDS cargo test` has filled; it was empty before.
# BOWSPRIT_OPENAPI_CACHE: folder for what is fetched (default target/openapi); with it filled, nothing is fetched.
# Needs node, npm, and what the tests need. A story or a test that fails, fails this.
set -eu
records=${1:+$(cd "$1" && pwd)}
cd "$(dirname "$0")/../.."
here=tests/openapi
cache=${BOWSPRIT_OPENAPI_CACHE:-${CARGO_TARGET_DIR:-target}/openapi}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# Checksums of the files inside the packages: what is checked against must not change unseen.
description=829b4bebb19a53133289f7b0bc819f4f1118115821db2ca9f25e9ee995a7da2a
examples=09d8f0c617876ae9dad22e26fea5510bfcaad50ee7e602659f6db25b87b25815

# fetch PACKAGE FILE-IN-IT NAME SHA256
fetch() {
    if [ ! -f "$cache/$3" ]; then
        echo "fetching $1"
        packed=$(mktemp -d "$cache/fetch.XXXXXX")
        tarball=$(cd "$packed" && npm pack --silent "$1")
        # The first is large; only the one file is unpacked.
        tar -xzOf "$packed/$tarball" "package/$2" > "$packed/file"
        mv "$packed/file" "$cache/$3"
        rm -r "$packed"
    fi
    echo "$4  $cache/$3" | sha256sum --check --quiet
}

fetch @octokit/openapi@23.0.2 generated/api.github.com.json api.github.com.json "$description"
fetch @octokit/webhooks-examples@7.6.1 api.github.com/index.json webhook-examples.json "$examples"
if ! cmp -s "$here/package-lock.json" "$cache/package-lock.json" || [ ! -d "$cache/node_modules" ]; then
    cp "$here/.npmrc" "$here/package.json" "$here/package-lock.json" "$cache"
    (cd "$cache" && npm ci --silent) || { rm -f "$cache/package-lock.json"; exit 1; }
fi

# it FOLDER [WORDS]: the integration tests of the crate there, as those of the whole workspace are built; built alone, it would
# have other features of what it depends on, and all of that would be compiled again.
it() {
    program=$(cargo test --quiet --workspace --test it --no-run --message-format=json | python3 -c '
import json, os, sys
for line in sys.stdin:
    made = json.loads(line)
    is_it = made.get("executable") and made["target"]["name"] == "it"
    if is_it and os.path.samefile(os.path.dirname(made["manifest_path"]), sys.argv[1]):
        print(made["executable"])' "$1" | tail -n 1)
    folder=$1
    shift
    (cd "$folder" && "$program" --quiet "$@")
}

BOWSPRIT_WEBHOOK_EXAMPLES=$cache/webhook-examples.json
export BOWSPRIT_WEBHOOK_EXAMPLES
said=$(it . --exact --ignored --nocapture webhooks::every_published_example_is_understood)
echo "$said"
case $said in *" are understood"*) ;; *) echo "the test of the examples did not run" >&2; exit 1 ;; esac

# A folder given is one where stories have recorded already; without one, the stories that reach every call are played here.
if [ -z "$records" ]; then
    records=$(mktemp -d "$cache/records.XXXXXX")
    trap 'rm -rf "$records"' EXIT
    BOWSPRIT_RECORD_DIR=$records
    export BOWSPRIT_RECORD_DIR
    it app/hub
    it . contexts:: promotion:: threads:: comments:: queue::
fi
node "$here/check.mjs" "$cache" "$records" app/github/calls.rs
