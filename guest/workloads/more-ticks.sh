#!/bin/sh
# more-ticks.sh COUNT SECONDS WHO FILE [WHO FILE]...
# Waits until each named counter has told COUNT more ticks than when this began. When one has not after SECONDS,
# says which, and exits with status 1.

if [ $# -lt 4 ] || [ $(($# % 2)) -ne 0 ]; then
	echo "usage: more-ticks.sh COUNT SECONDS WHO FILE [WHO FILE]..." >&2
	exit 2
fi

ticks() { # WHO FILE
	told=$(grep -c "who=$1 n=" "$2" 2>/dev/null)
	echo "${told:-0}"
}

now() {
	read -r up _ </proc/uptime
	echo "${up%.*}"
}

count=$1
seconds=$2
shift 2
deadline=$(($(now) + seconds))

# From WHO FILE … to WHO FILE GOAL …: each pair is taken off the front and put back at the end with its goal.
pairs=$(($# / 2))
while [ "$pairs" -gt 0 ]; do
	set -- "$@" "$1" "$2" $(($(ticks "$1" "$2") + count))
	shift 2
	pairs=$((pairs - 1))
done

while :; do
	late=
	counters=$(($# / 3))
	while [ "$counters" -gt 0 ]; do
		told=$(ticks "$1" "$2")
		if [ "$told" -lt "$3" ]; then
			late="$late; $1 told $((told + count - $3)) of $count more ticks in $2"
		fi
		set -- "$@" "$1" "$2" "$3"
		shift 3
		counters=$((counters - 1))
	done
	[ -z "$late" ] && exit 0
	if [ "$(now)" -gt "$deadline" ]; then
		echo "after $seconds s${late}" >&2
		exit 1
	fi
	sleep 0.05
done
