#!/bin/sh
# A series of checkpoints, of which each has its name only when it is whole and on the disk.
#
# periodic.sh run NAME LINE WHO FILE [WHO FILE]...	checkpoint every second, for ever; LINE dumps into $to
# periodic.sh amid NAME WHO FILE [WHO FILE]...		hold a dump in its middle, and write out what there is of it
# periodic.sh newest NAME				images/NAME is the newest whole one from here on
# periodic.sh half NAME					images/NAME is the newest that is not whole
#
# The checkpoints are images/NAME.1 and so on; the last three stay. In each is `point`: what every counter had told
# when the dump began, and when it had ended.

verb=$1
name=$2
shift 2

# WORD WHO FILE [WHO FILE]...: a line `WORD WHO COUNT` for each counter.
point() {
	word=$1
	shift
	while [ $# -gt 1 ]; do
		echo "$word $1 $(tail -c 1000 "$2" | grep -o "who=$1 n=[0-9]* " | tail -n 1 | grep -o '[0-9]* $')"
		shift 2
	done
}

run() {
	line=$1
	shift
	n=0
	while :; do
		n=$((n + 1))
		to=images/$name.$n.new
		mkdir -p "$to"
		point before "$@" >"$to/point"
		export to
		sh -c "$line" || exit 1
		point after "$@" >>"$to/point"
		# First what it holds, then its name, then that it has it.
		sync -f "$to"
		mv "$to" "images/$name.$n"
		sync -f images
		rm -rf "images/$name.$((n - 3))"
		sleep 1
	done
}

# Between the first page and the inventory, which CRIU writes last. Who wins the race is looked at once CRIU is held.
# Nothing is forked before that: a dump is over in the time of a few.
amid() {
	read -r up _ </proc/uptime
	deadline=$((${up%.*} + 60))
	while [ "${up%.*}" -le "$deadline" ]; do
		read -r up _ </proc/uptime
		for pages in images/"$name".*.new/pages-1.img; do
			[ -e "$pages" ] || continue
			held=
			for comm in /proc/[0-9]*/comm; do
				read -r program 2>/dev/null <"$comm" || continue
				[ "$program" = criu ] || continue
				comm=${comm#/proc/}
				held="$held ${comm%/comm}"
			done
			[ -n "$held" ] && kill -STOP $held 2>/dev/null
			if [ -e "$pages" ] && ! [ -e "${pages%/*}/inventory.img" ]; then
				sync
				echo "held ${pages%/*}"
				point told "$@"
				exit 0
			fi
			[ -n "$held" ] && kill -CONT $held 2>/dev/null
		done
	done
	echo "no dump was met in its middle for 60 s" >&2
	exit 1
}

# ENDING: the newest of the series with it.
use() {
	last=$(ls images | sed -n "s/^$name\.\([0-9]*\)$1\$/\1/p" | sort -n | tail -n 1)
	[ -n "$last" ] || { echo "no checkpoint $name.N$1 in $(ls images | xargs)" >&2; exit 1; }
	ln -sfn "$name.$last$1" "images/$name"
	echo "newest $name.$last$1 of $(ls images | xargs)"
	cat "images/$name/point"
}

case $verb in
run) run "$@" ;;
amid) amid "$@" ;;
newest) use "" ;;
half) use .new ;;
esac
