# shellcheck shell=sh
# The last lines of this are the reason that a person reads.
set -eu
cd /build/context
STORE="--root /build/storage --runroot /tmp/run"
[ ! -f /etc/bowsprit/registries.conf ] || export CONTAINERS_REGISTRIES_CONF=/etc/bowsprit/registries.conf
set -- --isolation chroot --network host --layers=false
for pair in pip.conf:/etc/pip.conf ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt sources.list:/etc/apt/sources.list apt.conf:/etc/apt/apt.conf.d/99build; do
  [ ! -f "/etc/bowsprit/${pair%%:*}" ] || set -- "$@" --volume "/etc/bowsprit/${pair%%:*}:${pair#*:}:ro"
done
if [ -f /build/base/image.tar ]; then
  id=$(buildah $STORE pull --quiet oci-archive:/build/base/image.tar)
  buildah $STORE tag "$id" localhost/base
  rm /build/base/image.tar
fi
if [ -f Containerfile.first ]; then
  buildah $STORE build "$@" --file Containerfile.first --tag localhost/first code || exit 42
fi
buildah $STORE build "$@" ${BASE:+--from localhost/base} --pull-never --file Containerfile --tag localhost/made . || exit 42
if [ -f Containerfile.test ]; then
  buildah $STORE build "$@" --pull-never --file Containerfile.test --tag localhost/tested . || exit 43
fi
buildah $STORE push --quiet localhost/made oci-archive:/build/out/image.tar
