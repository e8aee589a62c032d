#!/bin/sh
# Makes a Vagrant box of a Debian root: what Vagrant asks of any box, and nothing more. $1 is the root, $2 the folder of
# this file. It is run once, when the root is made.
set -eu
root=$1

# Vagrant logs in as vagrant, by a key that everybody has, and becomes root without being asked.
chroot "$root" useradd --create-home --shell /bin/bash --user-group vagrant
home=$root/home/vagrant
mkdir -m 700 "$home/.ssh"
cp "$2/vagrant.pub" "$home/.ssh/authorized_keys"
chmod 600 "$home/.ssh/authorized_keys"
chroot "$root" chown -R vagrant:vagrant /home/vagrant/.ssh
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
chmod 440 "$root/etc/sudoers.d/vagrant"

# The first interface asks the virtual network for its address; Vagrant adds the others.
cat >"$root/etc/network/interfaces" <<'END'
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

auto eth0
iface eth0 inet dhcp
END
echo 'UseDNS no' >>"$root/etc/ssh/sshd_config"

# Each machine has a machine-id and host keys of its own; nothing wakes up by itself while something is measured.
: >"$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_*_key* "$root"/etc/systemd/system/timers.target.wants/*
cat >"$root/etc/systemd/system/ssh-host-keys.service" <<'END'
[Unit]
Description=Host keys of ssh
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
END
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../ssh-host-keys.service "$root/etc/systemd/system/multi-user.target.wants/"
echo box >"$root/etc/hostname"
