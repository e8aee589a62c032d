#!/bin/sh
# same-ticks.sh VERB CHECKPOINT PLACE WHO... <OUTPUT
# Holds ticks to what they should be: of the same program, which has lost nothing, and no number left out.
# PLACE is a host or a container, CHECKPOINT a name, or - for none. The verbs:
#   past       remembers how many ticks there are before a restore
#   dumped     remembers what was dumped, and its last number
#   continues  what came after `past` is of the program that was dumped, and goes on from its last number
#   goes-back  the same, but numbers may be told again: the program ran on after its dump
#   running    the program's ticks have no gap from its first on; it is the dumped one, where CHECKPOINT names one
# What is wrong is told on standard error, with status 1. The sums over memory are not computed anew.

if [ $# -lt 4 ]; then
	echo "usage: same-ticks.sh past|dumped|continues|goes-back|running CHECKPOINT PLACE WHO... <OUTPUT" >&2
	exit 2
fi
verb=$1
checkpoint=$2
place=$3
shift 3
seen=ticks.seen
mkdir -p "$seen" && cat >"$seen/now" || exit 2

wrong() {
	echo "$who $*" >&2
	exit 1
}

# The fields of a tick, into variables of their names; empty where it has none.
fields() {
	n='' pid='' start='' nonce='' items='' lost=''
	for word in $1; do
		case $word in
		n=*) n=${word#*=} ;;
		pid=*) pid=${word#*=} ;;
		start=*) start=${word#*=} ;;
		nonce=*) nonce=${word#*=} ;;
		items=*) items=${word#*=} ;;
		lost=*) lost=${word#*=} ;;
		esac
	done
}

# One tick against the program that it should be of, and the number before it.
hold() {
	fields "$1"
	[ "$start $nonce" = "$its_start $its_nonce" ] ||
		wrong "is another program: at tick $n its nonce is $nonce, where $its_nonce was due"
	[ "$pid" = "$its_pid" ] || wrong "changed its pid: tick $n has $pid, where $its_pid was due"
	[ "$items" = "$its_items" ] || wrong "changed its items: at tick $n they are $items, where $its_items was due"
	[ -z "$lost" ] || wrong "lost items: at tick $n it no longer holds $lost"
	if [ -n "$before" ]; then
		[ "$n" -le $((before + 1)) ] || wrong "lost ticks: $((before + 1)) was due, $n came"
		[ "$n" -gt "$before" ] || [ "$verb" = goes-back ] ||
			wrong "told ticks again: $((before + 1)) was due, $n came"
	fi
	before=$n
}

# The program that a tick is of is the one that all are held to.
is_it() {
	fields "$1"
	its_pid=$pid its_start=$start its_nonce=$nonce its_items=$items
}

for who; do
	# A last line without its end is not yet written.
	while read -r line; do
		case $line in *"who=$who n="*) echo "$line" ;; esac
	done <"$seen/now" >"$seen/ticks"
	before=
	case $verb in
	past)
		grep -c . "$seen/ticks" >"$seen/past.$place.$who"
		continue
		;;
	dumped)
		[ -s "$seen/ticks" ] || wrong "never ticked before the dump"
		tail -n 1 "$seen/ticks" >"$seen/dumped.$checkpoint.$who"
		continue
		;;
	running)
		[ -s "$seen/ticks" ] || wrong "never ticked"
		if [ "$checkpoint" = - ]; then
			is_it "$(tail -n 1 "$seen/ticks")"
			# An earlier life, before a start that was asked for, is not looked at.
			grep -F "nonce=$its_nonce" "$seen/ticks" >"$seen/life"
		else
			is_it "$(cat "$seen/dumped.$checkpoint.$who")" || exit 2
			cp "$seen/ticks" "$seen/life"
		fi
		;;
	continues | goes-back)
		is_it "$(cat "$seen/dumped.$checkpoint.$who")"
		last=$n
		past=$(cat "$seen/past.$place.$who" 2>/dev/null)
		tail -n +$((${past:-0} + 1)) "$seen/ticks" >"$seen/life"
		[ -s "$seen/life" ] || wrong "told no tick after the restore"
		# An output that was there goes on; one that the restore has made may begin with the original's ticks.
		[ "${past:-0}" = 0 ] || [ "$verb" = goes-back ] || before=$last
		fields "$(head -n 1 "$seen/life")"
		[ "$n" -le $((last + 1)) ] || wrong "went on too far: $((last + 1)) was due, $n came"
		;;
	*)
		echo "same-ticks.sh: there is no $verb" >&2
		exit 2
		;;
	esac
	while read -r line; do
		hold "$line"
	done <"$seen/life"
	[ "$verb" != continues ] || [ "$before" -gt "$last" ] ||
		wrong "does not go on: its last tick is $before, and $last was dumped"
done
