#!/bin/sh
# container-items.sh PID
# What the container of a process is, one item a line: NAME VALUE. Read from outside, so that two looks can be compared
# whatever the process ids and the inodes of its namespaces are by then.

pid=$1
p=/proc/$pid
# An engine may still name the process of a container that has just been dumped: it is nothing any more.
[ -d "$p" ] || exit 0

# Not the time namespace: CRIU makes one, so that the clocks of a restored program go on.
for ns in pid mnt uts ipc net cgroup user; do
	mine=$(readlink /proc/1/ns/$ns) || continue
	theirs=$(readlink $p/ns/$ns)
	[ "$mine" = "$theirs" ] && echo "namespace-$ns the host's" || echo "namespace-$ns its own"
done

for field in Uid Gid Groups CapBnd CapEff CapPrm CapInh CapAmb NoNewPrivs Seccomp; do
	echo "$field $(sed -n "s/^$field:[[:space:]]*//p" $p/status | tr -s '\t ' ' ')"
done
echo "seccomp-filters $(sed -n 's/^Seccomp_filters:[[:space:]]*//p' $p/status)"
echo "uid-map $(tr -s ' ' <$p/uid_map | tr '\n' ';')"
echo "gid-map $(tr -s ' ' <$p/gid_map | tr '\n' ';')"
echo "oom-score-adj $(cat $p/oom_score_adj)"
echo "nofile $(sed -n 's/^Max open files *//p' $p/limits | tr -s ' ')"

cgroup=$(sed -n 's/^0:://p' $p/cgroup)
echo "cgroup $cgroup"
for limit in memory.max memory.swap.max pids.max cpu.max cpu.weight; do
	[ -e "/sys/fs/cgroup$cgroup/$limit" ] && echo "$limit $(cat "/sys/fs/cgroup$cgroup/$limit")"
done

# Each mount by its place, kind and options; devices and ids are another's business.
n=0
while read -r _ _ _ root place options rest; do
	n=$((n + 1))
	kind=${rest#*- }
	kind=${kind%% *}
	case $kind in overlay) root=/ ;; esac
	# A file that is hidden behind a null device is hidden, whichever null device it is.
	case $root in /null) kind=hidden options= ;; esac
	echo "mount-$place $kind $root $options"
done <$p/mountinfo
echo "mounts $n"

# The first process as it is seen from inside: its name and its own id.
own() { sed -n 's/^NSpid:.*[[:space:]]\([0-9]*\)$/\1/p' "$1/status" 2>/dev/null; }
echo "init $(cat $p/comm) $(own $p)"

nsenter=$(command -v nsenter) || exit 0
echo "hostname $("$nsenter" --target "$pid" --uts hostname)"
ip=$(command -v ip) || exit 0
"$nsenter" --target "$pid" --net "$ip" -o address show 2>/dev/null |
	while read -r _ device family address _; do echo "address-$device-$family $address"; done
"$nsenter" --target "$pid" --net "$ip" -o link show 2>/dev/null |
	sed -n 's|^[0-9]*: \([^:@]*\)[:@].* mtu \([0-9]*\) .*link/\([a-z0-9]* [0-9a-f:]*\).*|link-\1 \3 mtu \2|p'
"$nsenter" --target "$pid" --net "$ip" route show 2>/dev/null |
	while read -r to route; do echo "route-$to $route"; done
exit 0
