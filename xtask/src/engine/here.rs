//! A container engine on this machine, for the tests of what is said to one: private to one command, and gone with it.
//!
//! Nothing is installed for it: it is the image that guests get, mounted where its programs look for their libraries.
//! Its mounts, processes and network devices are in namespaces of its own, its files in memory, so that a SIGKILL
//! leaves none of them behind. Only empty cgroups stay: [`CGROUPS_AWAY`].

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The engine, as an axis would ask for it.
pub const HERE: &str = "docker@26.1.5";

/// A line of `sh` that succeeds where an engine of this machine answers.
pub const ANSWERS: &str = "timeout 20 docker version";

/// A line of `sh` that takes away the cgroups of engines that have ended; those of one that runs are not empty.
pub const CGROUPS_AWAY: &str = "find /sys/fs/cgroup -depth -type d -path '*/criu-matrix-test*' \
                                -exec rmdir --ignore-fail-on-non-empty {} +";

/// Runs in namespaces of its own, as root: IMAGE COMMAND [WORD]… The command finds the engine as it would find any.
///
/// The tmpfs at /run holds all that the engine writes, and keeps it from the sockets of an engine that is installed.
/// /opt stays what it is, with one folder more. Without AppArmor's files no profile is loaded, which would stay.
const SCRIPT: &str = r#"set -e
image=$1
shift
mount -t tmpfs -o mode=755 criu-matrix /run
mkdir /run/opt /run/work
mount -t overlay -o lowerdir=/opt,upperdir=/run/opt,workdir=/run/work criu-matrix /opt
mkdir -p /opt/engine
mount -o loop,ro "$image" /opt/engine
[ ! -d /sys/kernel/security/apparmor ] || mount -t tmpfs criu-matrix /sys/kernel/security
export PATH="/opt/engine/root/usr/sbin:/opt/engine/root/usr/bin:$PATH" DOCKER_HOST=unix:///run/docker.sock
echo '{}' >/run/daemon.json
dockerd --config-file /run/daemon.json --data-root /run/data --exec-root /run/docker --pidfile /run/docker.pid \
	--host "$DOCKER_HOST" --bridge none --iptables=false --ip6tables=false \
	--exec-opt native.cgroupdriver=cgroupfs --cgroup-parent /criu-matrix-test >/run/dockerd.log 2>&1 &
deadline=$(($(cut -d. -f1 /proc/uptime) + 60))
until docker version >/run/version 2>&1; do
	kill -0 $! && [ "$(cut -d. -f1 /proc/uptime)" -lt $deadline ] || {
		tail -n 5 /run/version /run/dockerd.log >&2
		exit 1
	}
	sleep 0.1
done
"$@"
exit
"#;

/// The arguments of `unshare` that run a command of this machine beside an engine of its own. It wants root.
pub fn beside_one(image: &Path, words: &[&str]) -> Vec<OsString> {
    "--mount --net --ipc --pid --fork --kill-child --mount-proc sh -c"
        .split(' ')
        .chain([SCRIPT, "engine"])
        .map(OsString::from)
        .chain([image.into()])
        .chain(words.iter().map(|word| OsStr::new(word).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_of_this_machine_has_packages() {
        assert!(crate::engine::recipe(HERE).is_some());
    }

    #[test]
    fn what_runs_beside_it_comes_last() {
        let words = beside_one(Path::new("/cache/engine.ext4"), &["cargo", "test"]);
        assert_eq!(words[words.len() - 4..], ["engine", "/cache/engine.ext4", "cargo", "test"]);
    }
}
