#!/bin/busybox sh
# Process 1 of a box's initrd: modules, the root disk, then the box's own init. The box has no boot loader: whoever
# starts it gives the kernel.
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /newroot /bin
/bin/busybox --install -s /bin
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid devtmpfs /dev 2>/dev/null

while read -r module; do insmod "$module"; done </modules.order

# The root disk is the first one, and must come within 30 seconds.
tries=300
until [ -b /dev/vda ] || [ $tries -eq 0 ]; do
	tries=$((tries - 1))
	sleep 0.1
done
mount -t ext4 /dev/vda /newroot || {
	echo 'box: no root on /dev/vda' >/dev/console
	poweroff -f
}
for folder in dev proc sys; do mount --move "/$folder" "/newroot/$folder"; done
exec switch_root /newroot /sbin/init
