#!/usr/bin/env bash
# Install with apt-get what the operational tests run beside the server, where it is missing: tools/install-system.sh
#
# Nothing is started, neither now nor at the next boot: each test starts what it needs on a port of its own and stops it
# again. Debian 12 and newer, Ubuntu 24.04 and newer; as root, or through sudo. Done at once where nothing is missing.
set -euo pipefail

# package:proof, a command or a file that is there when the package is, from wherever it came
needed=(
  prometheus:prometheus redis-server:redis-server nginx-light:nginx haproxy:haproxy # tests/operations
  buildah:buildah mmdebstrap:mmdebstrap                                             # tests/deploy: tools/build-image.sh
  debian-archive-keyring:/usr/share/keyrings/debian-archive-keyring.gpg             # which mmdebstrap checks Debian by
)

fail() { echo "install-system: $*" >&2 && exit 1; }
PATH=$PATH:/usr/sbin:/sbin

missing=()
for entry in "${needed[@]}"; do
  command -v "${entry#*:}" >/dev/null || [ -e "${entry#*:}" ] || missing+=("${entry%:*}")
done
[ "${#missing[@]}" = 0 ] && exit 0

command -v apt-get >/dev/null ||
  fail "no apt-get here; install these yourself, under the names your system has: ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "neither root nor sudo; run as root: apt-get install ${missing[*]}"
  as_root=(sudo)
fi

# Debian starts a service when its package is installed, unless this file says no. A file that is there already is kept.
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
  trap '[ -z "$made" ] || "${as_root[@]}" rm -f "$policy"' EXIT
  made=yes
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi

echo "Installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 -o DPkg::Lock::Timeout=300)
"${apt[@]}" update || fail "the lists of packages could not be fetched"
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null || fail "not installed: ${missing[*]}"

if [ -d /run/systemd/system ]; then
  for package in "${missing[@]}"; do # the package's files turn its service on for the next boot
    "${as_root[@]}" systemctl disable --quiet "${package%-light}" 2>/dev/null || true # most have none
  done
fi
