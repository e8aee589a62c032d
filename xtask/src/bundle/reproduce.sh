#!/bin/sh
# Plays story.sh as root, and says whether it fails as in the report:
#   REPRODUCED         exit status 0
#   NOT REPRODUCED     1: the story went through
#   FAILED OTHERWISE   2: at another step, or without the words of the report in any log
# Any machine with the versions of versions.txt will do; better one that nobody needs: /root/cell is made anew, and
# containers called looper are made. LIMIT: how long the story may take, in seconds.
# VALUES

here=$(cd "$(dirname "$0")" && pwd) || exit 2
export BIN="$here/bin"
log=$here/reproduce.log

otherwise() {
	echo "FAILED OTHERWISE: $*"
	exit 2
}

# Whether anything that the story left says it.
told() {
	grep -qF -e "$1" "$log" && return
	find /root/cell \( -name '*.log' -o -name '*.err' \) -type f -exec grep -lF -e "$1" {} + 2>/dev/null |
		grep -q . && return
	dmesg 2>/dev/null | grep -qF -e "$1"
}

[ "$(id -u)" = 0 ] || otherwise "it must be run as root"
timeout "${LIMIT:-900}" sh "$here/story.sh" >"$log" 2>&1 </dev/null
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
[ -z "$TEXT" ] || told "$TEXT" || otherwise "step $reached fails, and nothing says \"$TEXT\""
number=${reached%% *}
echo "REPRODUCED: step $number (${reached#* }) fails as in the report"
