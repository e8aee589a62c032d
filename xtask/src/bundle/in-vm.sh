#!/bin/sh
# Process 1 of the virtual machine once its root disk is the root: what comes before reproduce.sh, then that.
export PATH=/opt/criu/sbin:/opt/criu/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8
mount --make-rshared /
ulimit -Sn 1024
ulimit -Hn 524288
[ ! -d /opt/engine/root ] || cp -rs --remove-destination /opt/engine/root/. /
[ -e /usr/sbin/criu ] || ln -s /opt/criu/sbin/criu /usr/sbin/criu
touch /etc/hosts
cd /root/bundle || exit
[ ! -e daemon.sh ] || setsid sh ./daemon.sh >daemon.out 2>&1 </dev/null || cat daemon.out
setsid sh ./reproduce.sh >said 2>&1 </dev/null
status=$?
cat said
echo "reproduce: says $(tail -n 1 said)"
echo "reproduce: exit $status"
sync
echo o >/proc/sysrq-trigger
# Process 1 must not end before the machine does.
while :; do sleep 1; done
