#!/bin/sh
# make-rootfs.sh FOLDER
# The root of every container: the user's own image where there is one (image.tar), with what of the
# userland's busybox it lacks; the userland's services, and in /work every workload, with the libraries of the userland that the
# compiled ones need and the image has not. Nothing is fetched.

set -eu
root=$1
mkdir -p "$root"
[ ! -e image.tar ] || tar -xpf image.tar -C "$root"
mkdir -p "$root/bin" "$root/work" "$root/tmp" "$root/etc" "$root/proc" "$root/sys" "$root/dev"
# Whoever the program runs as may write where it runs.
chmod 1777 "$root/work" "$root/tmp"
[ -e "$root/etc/passwd" ] || echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"

# The applets that it lacks; an image of the user's own keeps its own shell.
# A link of the image's may lead nowhere from here, and is there all the same.
there() {
	[ -e "$root/$1" ] || [ -L "$root/$1" ]
}
box=busybox
! there bin/busybox || box=busybox-of-the-userland
cp "$(command -v busybox)" "$root/bin/$box"
for applet in $(busybox --list); do
	there "bin/$applet" || there "usr/bin/$applet" || ln -s "$box" "$root/bin/$applet"
done

# FILE: the libraries that it needs, where they are not there.
libraries() {
	for library in $(ldd "$1" 2>/dev/null | sed -n 's,^[^/]*\(/[^ :]*\) (0x.*,\1,p'); do
		mkdir -p "$root$(dirname "$library")"
		[ -e "$root$library" ] || cp -L "$library" "$root$library"
	done
}

# Services of the userland's, where it has them and the image has not.
for program in redis-server redis-cli python3 tini; do
	path=$(command -v "$program") || continue
	[ ! -e "$root/usr/bin/$program" ] && [ ! -e "$root/bin/$program" ] || continue
	cp -L "$path" "$root/bin/$program"
	libraries "$path"
	[ "$program" = python3 ] || continue
	for library in /usr/lib/python3 /usr/lib/python3.*; do
		[ ! -d "$library" ] || { mkdir -p "$root/usr/lib" && cp -a "$library" "$root/usr/lib/"; }
	done
done

for file in *; do
	[ -f "$file" ] && [ -x "$file" ] && [ "$file" != image.tar ] || continue
	cp "$file" "$root/work/"
	libraries "$file"
done

[ ! -e image.tar ] || echo "made of image.tar: $(ls "$root" | xargs)"
