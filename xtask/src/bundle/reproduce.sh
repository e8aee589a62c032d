#!/bin/sh
# Plays story.sh as root, and says whether it fails as in the report:
#   REPRODUCED         exit status 0
#   NOT REPRODUCED     1: the story went through
#   FAILED OTHERWISE   2: at another step, or without the words of the report in any log
# 130: it was interrupted.
# Any machine with the versions of versions.txt will do; better one that nobody needs: /root/cell is made anew, and
# containers called looper are made. LIMIT: how long the story may take, in seconds.
# VALUES

here=$(cd "$(dirname "$0")" && pwd) || exit 2
export BIN="$here/bin"
log=$here/reproduce.log
daemon=/root/cell/dockerd.log

otherwise() {
	echo "FAILED OTHERWISE: $*"
	exit 2
}

# How much the daemon has told: it has its log open, so that stays.
told() { wc -c 2>/dev/null <"$daemon" || echo 0; }

# All that was told since the story began.
new_words() {
	cat "$log"
	find /root/cell \( -name '*.log' -o -name '*.err' \) -type f ! -path "$daemon" -exec cat {} + 2>/dev/null
	[ "$(told)" -ge "$before" ] || before=0
	tail -c +$((before + 1)) "$daemon" 2>/dev/null
	at=$(dmesg 2>/dev/null | grep -nxF -e "$last" | tail -n 1)
	at=${at%%:*}
	dmesg 2>/dev/null | tail -n +$((${at:-0} + 1))
}

[ "$(id -u)" = 0 ] || otherwise "it must be run as root"
# The words of an earlier run are not this one's.
find /root/cell -mindepth 1 -maxdepth 1 ! -path "$daemon" ! -name logs -exec rm -rf {} + 2>/dev/null
rm -f /root/cell/logs/*.log
before=$(told)
last=$(dmesg 2>/dev/null | tail -n 1)

# In the background: timeout makes a process group of its own, which Ctrl-C does not reach.
timeout "${LIMIT:-900}" sh "$here/story.sh" >"$log" 2>&1 </dev/null &
story=$!
trap 'kill "$story"; exit 130' INT TERM
wait "$story"
status=$?
cat "$log"
[ $status != 0 ] || {
	echo "NOT REPRODUCED: the story went through"
	exit 1
}
reached=$(sed -n 's/^== //p' "$log" | tail -n 1)
[ "$reached" = "$STEP" ] ||
	otherwise "at step ${reached:-none} with status $status, where the report has step $STEP"
if [ "$HANGS" = yes ]; then
	[ $status = 124 ] || otherwise "step $reached ends with status $status, where it hangs in the report"
elif [ $status = 124 ]; then
	otherwise "step $reached hangs"
fi
[ -z "$TEXT" ] || new_words | grep -qF -e "$TEXT" || otherwise "step $reached fails, and nothing says \"$TEXT\""
number=${reached%% *}
echo "REPRODUCED: step $number (${reached#* }) fails as in the report"
