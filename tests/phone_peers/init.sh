#!/bin/sh
# Makes a root folder like a phone's and becomes adbd in it: init.sh FOLDER SYSTEM ADBD QEMU DATA_OPTIONS COMMAND...
# Runs in user, mount and network namespaces of its own (unshare -Urnm), where it is root over nothing else.
set -eu
root=$1 system=$2 adbd=$3 qemu=$4 options=$5
shift 5

ip link set lo up
mount -t tmpfs phone "$root"
for name in usr etc dev sys proc; do
  mkdir "$root/$name"
  mount --rbind "/$name" "$root/$name"
done
for name in bin sbin lib lib32 lib64 libx32; do
  [ ! -L "/$name" ] || cp -P "/$name" "$root/$name"
done
mkdir -p "$root/system" "$root/data/local/tmp" "$root/tmp" "$root$adbd" "$root/binfmt"
mount --bind "$system" "$root/system"
mount --bind "$adbd" "$root$adbd"
mount -t tmpfs -o "$options" data "$root/data/local/tmp"
mount --bind "$system/cpuinfo" "$root/proc/cpuinfo"

# arm64 programs run under qemu-user: Linux 6.7 and newer have one binfmt_misc for each user namespace.
# F: the interpreter is opened now, and need not be in the root folder.
mount -t binfmt_misc none "$root/binfmt"
head='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":qemu-aarch64:M::$head:$mask:$qemu:OCF" >"$root/binfmt/register"

exec chroot "$root" "$@"
