#!/bin/sh
# hang.sh PID [DAEMONS [DUMPS [LOGS [FOLDERS]]]]
# What an expert would want to have of a command that hangs, collected into ./hang while it does. PID is the command's.
# DAEMONS: names of the engine's processes. DUMPS: NAME=GLOB, a daemon that dumps its goroutines into such a file at
# SIGUSR1. LOGS: its logs. FOLDERS: where it keeps its state. All of them are words with blanks between.
# Whatever may hang itself has a time-out, and what is told first is what is surest to be had.

pid=$1 daemons=$2 dumps=$3 logs=$4 folders=$5
rm -rf hang && mkdir -p hang/processes || exit 1

told() {
	read -r up _ </proc/uptime
	echo "$up $*" >>hang/steps
}
name_of() { tr ' /' '__' <"/proc/$1/comm"; }

# Every process: PID PARENT SESSION STATE NAME.
told begun
cat /proc/[0-9]*/stat 2>/dev/null |
	sed -n 's/^\([0-9]*\) (\(.*\)) \(.\) \([0-9]*\) [0-9]* \([0-9]*\) .*/\1 \4 \5 \3 \2/p' >hang/table

# The command's own tree and the engine's processes: own|engine NAME PID STATE leaf|node. And a tree to look at.
awk -v root="$pid" -v daemons=" $daemons " '
	{ parent[$1] = $2; session[$1] = $3; state[$1] = $4; order[NR] = $1
	  $1 = $2 = $3 = $4 = ""; sub(/^ +/, ""); gsub(/ /, "_"); name[order[NR]] = $0 }
	function show(p, indent,   i) {
		printf "%s%s %s %s\n", indent, p, state[p], name[p] >"hang/tree"
		for (i = 1; i <= NR; i++) if (parent[order[i]] == p) show(order[i], indent "  ")
	}
	END {
		own[root] = 1
		for (more = 1; more; ) {
			more = 0
			for (i = 1; i <= NR; i++) {
				p = order[i]
				if (!(p in own) && (parent[p] in own || session[p] == root)) { own[p] = 1; more = 1 }
			}
		}
		for (p in own) if (parent[p] in own) node[parent[p]] = 1
		for (i = 1; i <= NR; i++) {
			p = order[i]
			if (p in own) print "own", name[p], p, state[p], (p in node ? "node" : "leaf")
			else if (index(daemons, " " name[p] " ")) print "engine", name[p], p, state[p], "leaf"
		}
		for (i = 1; i <= NR; i++) if (parent[order[i]] == 0) show(order[i], "")
	}' hang/table >hang/chosen
rm hang/table

# The other ends of unix sockets: the names of processes, or `nobody` where a connection was not accepted.
timeout -k 1 3 ss -xpn >hang/sockets 2>&1
peers() {
	awk -v me="pid=$1," '
		{ if (match($0, /\(\("[^"]*"/)) { who[$6] = substr($0, RSTART + 3, RLENGTH - 4) } }
		index($0, me) { asked[$8] = 1; if ($2 == "ESTAB" && $8 == 0) who[0] = "nobody" }
		END { for (inode in asked) if (who[inode] != "" && !seen[who[inode]]++) { printf "%s%s", comma, who[inode]; comma = "," } }
	' hang/sockets
}
while read -r kind name p state node; do
	[ "$node" = leaf ] && [ -d "/proc/$p" ] || continue
	wchan= syscall= peer=
	read -r wchan <"/proc/$p/wchan"
	read -r syscall _ <"/proc/$p/syscall"
	[ "$kind" = own ] && peer=$(peers "$p")
	echo "$kind $name $p $state ${wchan:--} ${syscall:--} ${peer:--}" >>hang/where
done <hang/chosen 2>/dev/null
told "who waits, and where"

# Each process, thread by thread. What takes the memory's lock comes last: it may wait for ever.
while read -r kind name p state node; do
	[ -d "/proc/$p" ] || continue
	{
		timeout -k 1 2 cat "/proc/$p/status"
		echo "== threads: comm, wchan, syscall and kernel stack"
		set --
		for thread in "/proc/$p/task"/*; do
			set -- "$@" "$thread/comm" "$thread/wchan" "$thread/syscall" "$thread/stack"
		done
		timeout -k 1 3 grep -s '' "$@" | sed "s|^/proc/$p/task/||"
		echo "== cgroup"
		cat "/proc/$p/cgroup"
		echo "== fd"
		timeout -k 1 2 ls -l "/proc/$p/fd"
		echo "== cmdline"
		timeout -k 1 1 tr '\0' ' ' <"/proc/$p/cmdline"
		echo
	} >"hang/processes/$name-$p" 2>&1
done <hang/chosen
timeout -k 1 2 grep -rs --include=cgroup.events --include=freezer.state -e 'frozen 1' -e 'FROZEN' /sys/fs/cgroup >hang/frozen
told "processes"

# Goroutines. A daemon that is stopped, or that is not yet up, gives none.
: >hang/stamp
for dump in $dumps; do
	grep " ${dump%%=*} " hang/chosen
done | while read -r kind name p state node; do kill -USR1 "$p"; done
for dump in $dumps; do
	grep " ${dump%%=*} " hang/chosen | while read -r kind name p state node; do
		read -r up _ </proc/uptime
		begun=${up%.*} found=
		while [ -z "$found" ] && [ $((${up%.*} - begun)) -le 3 ]; do
			sleep 0.2
			found=$(find ${dump#*=} -newer hang/stamp -size +0 2>/dev/null | head -n 1)
			read -r up _ </proc/uptime
		done
		if [ -n "$found" ]; then
			sleep 0.2
			cp "$found" "hang/goroutines-$name-$p"
		else
			echo "$name (pid $p, state $state) gave no goroutine dump within 3 s of SIGUSR1" >"hang/goroutines-$name-$p"
		fi
	done
done
rm hang/stamp
told "goroutines"

for log in $logs; do
	tail -n 500 "$log" >"hang/tail-of-${log##*/}" 2>&1
done
if [ -n "$folders" ]; then
	timeout -k 1 3 find $folders -xdev -printf '%M %s %TF %TT %p\n' 2>&1 | head -n 5000 >hang/state-folders
	# CRIU's images may hold what the program had in memory.
	timeout -k 1 3 find $folders -xdev -type f -size -256k ! -name '*.img' 2>/dev/null | head -n 500 |
		timeout -k 1 3 tar -czf hang/state-folders.tar.gz -T - 2>/dev/null
fi
told "logs and folders"

# What they are in, and what they call from now on. One strace for all: it is the dearest of what is done here.
if command -v strace >/dev/null; then
	mkdir -p hang/strace hang/threads
	set --
	while read -r kind name p state node; do
		[ "$node" = leaf ] && set -- "$@" -p "$p"
	done <hang/chosen
	timeout -k 1 -s INT 3 strace -ff -tt -y -s 128 -o hang/threads/of "$@" >/dev/null 2>hang/strace/said
	while read -r kind name p state node; do
		set --
		for thread in "/proc/$p/task"/*; do
			[ -s "hang/threads/of.${thread##*/}" ] && set -- "$@" "hang/threads/of.${thread##*/}"
		done
		[ $# = 0 ] || tail -v -n +1 "$@" | sed "s|hang/threads/of.|thread |" >"hang/strace/$name-$p"
	done <hang/chosen
	rm -r hang/threads
else
	echo "strace is not in this userland" >hang/strace
fi
told "strace"
