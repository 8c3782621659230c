# shellcheck shell=sh
# A base with credentials is copied here, where no code of users ever runs.
set -eu
skopeo --tmpdir /tmp copy --quiet $AUTH --src-tls-verify="$BASE_TLS" "docker://$BASE" oci-archive:/build/base/image.tar
