#!/bin/busybox sh
# Process 1 of an initrd for a guest whose root is a folder of the machine around it, by 9p: the modules that this
# takes and no others, the mount, and whatever `init=` on the kernel's command line says.
export PATH=/bin
/bin/busybox mkdir -p /proc /dev /root-of-all /bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev 2>/dev/null
for module in $(grep -E '/(virtio|virtio_ring|virtio_pci.*|virtio_console|fscache|netfs|9p.*)\.ko$' /modules.order); do
	insmod "$module"
done
word() {
	sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline
}
mount -t 9p -o "version=9p2000.L,$(word rootflags)" /dev/root /root-of-all || poweroff -f
init=$(word init)
umount /proc
exec switch_root /root-of-all "$init"
