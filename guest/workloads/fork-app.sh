#!/bin/sh
# A program that forks, and the script that started it: three counters, two files.
# The program and its child tell fork-app.ticks, this script fork-app-script.ticks, complaints go to workload.err.
# Four kinds of process: this shell, parent, child, and the shells that system(3) starts.

exec </dev/null >>fork-app-script.ticks 2>>workload.err

./fork-app &

read -r nonce </proc/sys/kernel/random/uuid
read -r start _ </proc/uptime

n=0
while :; do
	n=$((n + 1))
	echo "who=script n=$n pid=$$ start=$start nonce=$nonce"
	sleep 0.1
done
