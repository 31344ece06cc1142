#!/bin/sh
# The first process of the lab's machine. Its root is the host's, read-only; all that is written goes to memory and is gone at the end, but
# for what is in $SEALCAST_OUT. From the kernel's command line: SEALCAST_OUT, SEALCAST_MODULES, SEALCAST_ROOT (the checkout),
# SEALCAST_NODE. Runs inside.mjs with the list in $SEALCAST_OUT/files; its exit code goes to $SEALCAST_OUT/code.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

version=${SEALCAST_MODULES##*/}
mount -t proc none /proc
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
busybox insmod "$(busybox find "$SEALCAST_MODULES" -name overlay.ko)"
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/root
cd /mnt/root
busybox pivot_root . mnt
cd /

mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /run
# A checkout below /tmp would be hidden: what is written there goes to memory all the same.
case $SEALCAST_ROOT in
/tmp/*) ;;
*) mount -t tmpfs none /tmp ;;
esac
mkdir -p /dev/pts /dev/shm /dev/net /run/lock
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
ln -sf /proc/self/fd /dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -sf "/proc/self/fd/${stream%:*}" "/dev/${stream#*:}"; done
mkdir -p "$SEALCAST_OUT"
mount -t hostfs -o "$SEALCAST_OUT" none "$SEALCAST_OUT"

# The kernel loads what is asked of it by this program.
mkdir -p /lib/modules
ln -sfn "$SEALCAST_MODULES" "/lib/modules/$version"
ln -sf "$(command -v busybox)" /sbin/modprobe
# Which nothing asks for.
modprobe ipv6
ip link set lo up

# Of the two consoles this one is the tests' alone, and has no discipline of a terminal.
busybox stty -F /dev/ttyS0 raw -echo
cd "$SEALCAST_ROOT"
code=0
"$SEALCAST_NODE" scripts/vm/inside.mjs "$SEALCAST_OUT/files" >/dev/ttyS0 2>&1 </dev/null || code=$?
echo "$code" >"$SEALCAST_OUT/code"
busybox poweroff -f
