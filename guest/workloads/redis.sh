#!/bin/sh
# redis.sh [SECONDS]: the userland's redis-server, which is ready after ten seconds, unless told otherwise: it is filled
# over and over until then, as a cache that is warmed. It answers at redis.sock and, in a network of its own, at port 6379.
#
# Each tick is told by Redis: its count, the nonce and the start are nowhere but in its memory, and it saves nothing to
# disk. `items` are the keys that it was filled with; one that is missing, or has another length, is `lost`.

seconds=${1:-10}
redis-server --bind 0.0.0.0 --protected-mode no --unixsocket redis.sock --save '' --appendonly no --daemonize no \
	</dev/null >/dev/null 2>&1 &
pid=$!

ask() {
	redis-cli -s redis.sock "$@"
}

read -r up _ </proc/uptime
ready=$((${up%.*} + seconds))
until [ "$(ask ping 2>/dev/null)" = PONG ]; do
	kill -0 $pid || { echo 'redis-server ended before it was ready' >&2; exit 1; }
	sleep 0.1
done
while read -r up _ </proc/uptime && [ "${up%.*}" -lt "$ready" ]; do
	ask eval "for i = 1, 2000 do redis.call('SET', 'key:' .. i, string.rep('x', 500 + i)) end" 0 >/dev/null
done
nonce=$(od -An -N8 -tx1 </dev/urandom | tr -d ' \n')
ask mset nonce "$nonce" start "$(cut -d' ' -f22 /proc/$pid/stat)" >/dev/null

tick="
local lost = ''
for i = redis.call('GET', 'n') % 20 + 1, 2000, 20 do
	if redis.call('STRLEN', 'key:' .. i) ~= 500 + i then lost = ' lost=keys' end
end
return 'who=redis n=' .. redis.call('INCR', 'n') .. ' pid=$pid start=' .. redis.call('GET', 'start')
	.. ' nonce=' .. redis.call('GET', 'nonce') .. ' items=keys' .. lost"
ask set n 0 >/dev/null
# What Redis does not tell is no tick, and none is told without it.
while line=$(ask eval "$tick" 0) && [ -n "$line" ]; do
	echo "$line"
	sleep 0.1
done
