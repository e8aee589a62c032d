#!/bin/sh
# Boots the kernel, the distribution and the CRIU of the report in a virtual machine, and runs reproduce.sh in it. It
# needs qemu-system-x86_64 and zstd, no root and no network. Prints the last line of reproduce.sh, and ends with its
# exit status; 2 also where there is no machine to boot, 130 where it was interrupted.
# ACCEL: QEMU's accelerator. LIMIT: how long it may take, in seconds. CONSOLE: a file for all that the machine says.
# VALUES

here=$(cd "$(dirname "$0")" && pwd) || exit 2
if [ ! -d "$here/vm" ]; then
	cat "$here/packages.txt" >&2
	exit 2
fi
for program in qemu-system-x86_64 zstd; do
	command -v "$program" >/dev/null || {
		echo "FAILED OTHERWISE: there is no $program: install it"
		exit 2
	}
done

# QEMU's -drive takes no blank and no comma, which TMPDIR may hold.
work=$(mktemp -d /tmp/criu-matrix.XXXXXX) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
for part in "$here"/vm/*.zst; do
	name=${part##*/}
	zstd -dq "$part" -o "$work/${name%.zst}" || exit 2
done
(cd "$here" && tar -cf "$work/bundle" reproduce.sh story.sh bin in-vm.sh $DAEMON) || exit 2
console=${CONSOLE:-$work/console}

accel=${ACCEL:-$RAN_ON}
append="console=ttyS0 panic=-1 loglevel=6 no_timer_check disks=$DISKS"
case $accel in
tcg*)
	# Under emulation a busy machine misleads the guest about the rate of its clock: it is told.
	khz=$(sed -n 's/^cpu MHz[^:]*: *\([0-9]*\)\.\([0-9][0-9][0-9]\).*/\1\2/p' /proc/cpuinfo | head -n 1)
	nominal=$(sed -n 's/^model name.*@ *\([0-9]\)\.\([0-9][0-9]\)GHz.*/\1\20000/p' /proc/cpuinfo | head -n 1)
	khz=${nominal:-$khz}
	append="$append${khz:+ tsc_early_khz=$khz}"
	accel=tcg,thread=multi
	;;
esac

drive() { # SERIAL FORMAT
	[ ! -e "$work/$1" ] || printf ' -drive file=%s,id=%s,if=none,cache=unsafe,format=raw,%s -device virtio-blk-pci,drive=%s,serial=%s' \
		"$work/$1" "$1" "$2" "$1" "$1"
}

# The words of drive are split on purpose. In the background: timeout makes a process group of its own, which Ctrl-C
# does not reach.
TMPDIR=$work timeout "${LIMIT:-1800}" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
	-machine q35,usb=off,vmport=off,smbus=off -accel "$accel" -cpu "$CPU" -smp "$CPUS" -m "${MEMORY}M" \
	-device virtio-rng-pci -kernel "$work/kernel" -initrd "$work/initrd" -append "$append" \
	$(drive root snapshot=on) $(drive criu read-only=on) $(drive engine read-only=on) \
	$(drive modules read-only=on) $(drive bundle read-only=on) \
	-chardev file,id=console,path="$console" -serial chardev:console &
machine=$!
trap 'kill "$machine"; wait "$machine"; exit 130' INT TERM
wait "$machine"
status=$?
case $status in
0) ;;
124) echo "FAILED OTHERWISE: the virtual machine was still running after ${LIMIT:-1800} s" ;;
*) echo "FAILED OTHERWISE: the virtual machine did not run: QEMU ended with status $status" ;;
esac
[ $status = 0 ] || exit 2

said=$(tr -d '\r' <"$console" | sed -n 's/.*reproduce: says //p' | tail -n 1)
status=$(tr -d '\r' <"$console" | sed -n 's/.*reproduce: exit //p' | tail -n 1)
if [ -z "$status" ]; then
	tail -n 20 "$console"
	echo "FAILED OTHERWISE: the virtual machine ended before reproduce.sh did"
	exit 2
fi
echo "$said"
exit "$status"
