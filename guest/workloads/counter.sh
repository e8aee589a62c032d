#!/bin/sh
# The loop of everybody's first checkpoint. One tick a line on standard output; the nonce lives in a shell
# variable only, so a loop that was started afresh cannot know it.
# INTERVAL: seconds between ticks, 0.01 unless told otherwise.

read -r nonce </proc/sys/kernel/random/uuid
read -r start _ </proc/uptime

n=0
while :; do
	n=$((n + 1))
	echo "who=counter n=$n pid=$$ start=$start nonce=$nonce"
	sleep "${INTERVAL:-0.01}"
done
