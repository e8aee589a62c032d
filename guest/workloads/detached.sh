#!/bin/sh
# detached.sh FILE COMMAND [WORD]...
# Runs a command that leaves a container behind. The container's output comes through a pipe into FILE for as long as
# anybody holds the other end, and its complaints into workload.err: an engine's shim does no more. A file would not
# do: CRIU refuses one that is open from outside of the container's own mounts.
# Ends with the command's own status; what the command said is on standard error.

out=$1
shift
rm -f detached.status
: >>workload.err
complaints=$(wc -c <workload.err)

{
	{
		{
			"$@"
			echo $? >detached.status.new && mv detached.status.new detached.status
		} 2>&1 >&3 3>&- </dev/null | cat >>workload.err
	} 3>&1 | cat >>"$out"
} >/dev/null 2>&1 &

until [ -s detached.status ]; do sleep 0.02; done
status=$(cat detached.status)
[ "$status" = 0 ] || tail -c +$((complaints + 1)) workload.err >&2
exit "$status"
