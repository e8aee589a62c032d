#!/bin/sh
# make-rootfs.sh FOLDER
# The root of every container: the userland's busybox, and in /work every workload, with the libraries of the
# userland that the compiled ones need. Nothing is fetched.

set -eu
root=$1
mkdir -p "$root/bin" "$root/work" "$root/tmp" "$root/etc" "$root/proc" "$root/sys" "$root/dev"
# Whoever the program runs as may write where it runs.
chmod 1777 "$root/work" "$root/tmp"
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"

cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $(busybox --list); do
	[ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
done

for file in *; do
	[ -f "$file" ] && [ -x "$file" ] || continue
	cp "$file" "$root/work/"
	for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ ]*'); do
		mkdir -p "$root$(dirname "$library")"
		[ -e "$root$library" ] || cp -L "$library" "$root$library"
	done
done
