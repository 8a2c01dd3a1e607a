#!/bin/sh
# Run a command in a folder that holds an image, as a container engine would: contain.sh ROOT UID NAME=VALUE... COMMAND
#
# Its file system is read-only but for an empty /tmp; it is process 1 of its own process space, has the user id and no
# rights beyond it, and of this machine's variables none. The network is this machine's.
set -eu
root=$1 user=$2
shift 2

cd "$root"
mount --rbind "$root" "$root" # what is mounted can be made read-only, and only here
cd "$root"
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec tmpfs tmp
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero random urandom; do
  : >"dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mount -o remount,ro,bind dev
mount -o remount,ro,bind .
# The signal that unshare --kill-child asks for is forgotten with the change of user: it is asked for again.
exec env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin chroot . setpriv --reuid "$user" --regid "$user" \
  --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs --pdeathsig KILL env -i "$@"
