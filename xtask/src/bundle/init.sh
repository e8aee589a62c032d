#!/bin/busybox sh
# Process 1 of the virtual machine's initrd: modules, disks, then reproduce.sh in the root disk. Nothing of it is the
# harness's agent; what is mounted where is the same.
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /newroot /bin
/bin/busybox --install -s /bin
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid devtmpfs /dev 2>/dev/null

die() {
	echo "reproduce: says FAILED OTHERWISE: the virtual machine did not come up: $*" >/dev/console
	echo "reproduce: exit 2" >/dev/console
	poweroff -f
}

while read -r module; do insmod "$module"; done </modules.order

# The device of the disk with that serial, once it is there; it must come within 30 seconds.
disk() {
	tries=300
	while [ $tries -gt 0 ]; do
		for serial in /sys/block/*/serial; do
			[ "$(cat "$serial" 2>/dev/null)" = "$1" ] || continue
			name=${serial%/serial}
			echo "/dev/${name##*/}"
			return
		done
		tries=$((tries - 1))
		sleep 0.1
	done
}

root=$(disk root)
[ -b "$root" ] && mount -t ext4 "$root" /newroot || die "no root disk"
for place in $(sed -n 's/.*disks=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' '); do
	serial=${place%%:*}
	device=$(disk "$serial")
	mkdir -p "/newroot/${place#*:}"
	mount -t ext4 -o ro,noatime "$device" "/newroot/${place#*:}" || die "no disk $serial"
done
mkdir -p /newroot/root/bundle /newroot/dev /newroot/proc /newroot/sys /newroot/run
tar -xf "$(disk bundle)" -C /newroot/root/bundle || die "no bundle"
for folder in dev proc sys; do mount --move "/$folder" "/newroot/$folder"; done
mkdir -p /newroot/dev/pts /newroot/dev/shm
mount -t devpts -o nosuid,noexec,ptmxmode=666,mode=620,gid=5,newinstance devpts /newroot/dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /newroot/dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /newroot/run
! grep -q 'cgroup2$' /newroot/proc/filesystems ||
	mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /newroot/sys/fs/cgroup
ln -sf pts/ptmx /newroot/dev/ptmx
for link in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2; do
	ln -sfn "${link#*:}" "/newroot/dev/${link%%:*}"
done
ifconfig lo 127.0.0.1 up
hostname guest
mount --make-rshared /newroot 2>/dev/null
exec switch_root /newroot /bin/sh /root/bundle/in-vm.sh </newroot/dev/console >/newroot/dev/console 2>&1
