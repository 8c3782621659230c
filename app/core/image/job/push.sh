# shellcheck shell=sh
# Says the digest as its last word.
set -eu
skopeo --tmpdir /tmp copy --quiet $AUTH --dest-tls-verify="$TARGET_TLS" --digestfile /tmp/digest oci-archive:/build/out/image.tar "docker://$TARGET"
cat /tmp/digest >/dev/termination-log
