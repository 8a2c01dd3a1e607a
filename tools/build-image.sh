#!/usr/bin/env bash
# Build the Dockerfile without a Docker engine and without Docker Hub: tools/build-image.sh [gateway|prm]
#
# buildah runs the steps in a chroot; what Docker Hub would give, a base with Python, is made from Debian's packages.
# As root, on a machine where tools/install-system.sh was run. The first build takes one to two minutes, a later
# one after a change of the code some seconds.
#
#   BASE                  what to build from instead, e.g. python:3.12-slim-bookworm where Docker Hub can be reached
#   DEBIAN_SUITE          what the base is made from: bookworm, with Python 3.11
#   COGITATE_IMAGE_CACHE  the folder of the images, which can be removed at any time: ~/.cache/cogitate/images
#
# `tools/build-image.sh buildah ARGUMENTS...` is buildah on that folder: images, inspect, run, push.
set -euo pipefail
fail() { echo "build-image: $*" >&2 && exit 1; }

target=${1:-gateway}
suite=${DEBIAN_SUITE:-bookworm}
cache=${COGITATE_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cogitate/images}
certificates=/etc/ssl/certs/ca-certificates.crt
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v buildah >/dev/null || fail "no buildah here: tools/install-system.sh installs it"
[ "$(id -u)" = 0 ] || fail "run it as root: a chroot needs that"
mkdir -p "$cache"

store() { buildah --storage-driver "$1" --root "$cache/$1" --runroot "$cache/$1-run" "${@:2}"; }
# Where overlays cannot be mounted every layer is a copy of all below it: then none are kept between builds.
driver=overlay
store overlay info >/dev/null 2>&1 || driver=vfs
images() { store "$driver" "$@"; }
if [ "$target" = buildah ]; then
  images "${@:2}"
  exit
fi
layers=(--layers)
[ "$driver" = overlay ] || layers=()

exec 9>"$cache/lock"
flock 9 # one build at a time

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What the official slim image is made of too, Debian's smallest installation; but with the Python of Debian.
make_base() {
  command -v mmdebstrap >/dev/null || fail "no mmdebstrap here: tools/install-system.sh installs it"
  echo "Making a base of Debian $suite with Python"
  mmdebstrap --quiet --variant=minbase --include=python3-venv,ca-certificates \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    "$suite" "$scratch/base.tar" || fail "Debian's packages could not be fetched"
  printf 'FROM scratch\nADD base.tar /\nCMD ["python3"]\n' >"$scratch/Containerfile"
  images bud --quiet --isolation chroot --tag "$1" --file "$scratch/Containerfile" "$scratch" >/dev/null
}
base=${BASE:-localhost/cogitate-base:$suite}
if [ -z "${BASE:-}" ] && [ -z "$(images images --quiet --filter "reference=$base")" ]; then
  make_base "$base"
fi

# The index that pip uses here, and the authorities that this machine trusts, are lent to the steps and kept in no
# layer. Folders of this machine are no index there.
settings() {
  printf '[global]\ncert = %s\n' "$certificates"
  python3 -m pip config list 2>/dev/null |
    sed -nE "s/^[^.]*\.\.?(index-url|extra-index-url|trusted-host|proxy)='(.*)'$/\1 \2/p" |
    while read -r name value; do
      for word in $value; do [ "${word#file:}" != "$word" ] || echo "$name $word"; done
    done |
    awk '{ values[$1] = values[$1] " " $2 } END { for (name in values) print name " =" values[name] }'
}
settings >"$scratch/pip.conf"
lent=(--secret "id=pip,src=$scratch/pip.conf")
[ ! -e "$certificates" ] || lent+=(--volume "$certificates:$certificates:ro")

echo "Building the image's target $target"
images bud --isolation chroot --format docker "${layers[@]}" "${lent[@]}" --build-arg "BASE=$base" --target "$target" \
  --tag "localhost/cogitate-$target" . >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; fail "the build stopped"; }
images images --format '{{.Name}} {{.Size}}' --filter "reference=localhost/cogitate-$target"
