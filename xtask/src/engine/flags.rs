//! What docker and podman have in common: the words of `run`, and where a container's output is.

use super::lowering::{Scene, WORK_FOLDER};
use crate::model::Workload;

/// The image that every container is made of.
pub(super) const IMAGE: &str = "looper-image";

/// Makes the image of `rootfs`: no registry is asked.
pub(super) fn import(program: &str) -> String {
    format!("tar -C rootfs -c . | {program} import --change 'WORKDIR /work' - {IMAGE}")
}

/// `run -d --name NAME … IMAGE COMMAND`, without the program before it.
pub(super) fn made(verb: &str, name: &str, scene: &Scene<'_>) -> String {
    let settings = scene.settings;
    let mut line = format!("{verb} --name {name}");
    let mut say = |words: String| {
        line.push(' ');
        line.push_str(&words);
    };
    if settings.unconfined {
        say("--security-opt seccomp=unconfined".to_owned());
    }
    if settings.init {
        say("--init".to_owned());
    }
    if let Some(mib) = settings.memory_mib {
        say(format!("--memory {mib}m"));
    }
    if let Some(pids) = settings.pids {
        say(format!("--pids-limit {pids}"));
    }
    if let Some(percent) = settings.cpu_percent {
        say(format!("--cpus {}.{:02}", percent / 100, percent % 100));
    }
    if let Some(hostname) = &settings.hostname {
        say(format!("--hostname {hostname}"));
    }
    if let Some((user, group)) = settings.user {
        say(format!("--user {user}:{group}"));
    }
    if let Some(cap) = &settings.cap_drop {
        say(format!("--cap-drop {cap}"));
    }
    if let Some(port) = settings.publish {
        say(format!("--publish {port}:{port}"));
    }
    if scene.workload.own_files {
        say(format!("--volume {WORK_FOLDER}/work:/work"));
    }
    if let Some(at) = &settings.bind {
        say(format!("--volume {WORK_FOLDER}/shared:{at}"));
    }
    say(format!("{IMAGE} {}", scene.workload.command));
    line
}

/// Where a stream is found: a file that the container shares with its host, or the log that the engine keeps.
pub(super) fn stream(workload: &Workload, file: &str, log: &str) -> String {
    if workload.own_files { format!("work/{file}") } else { log.to_owned() }
}

/// A look at a container that may not be there: only the engine's own word for that is taken for it.
pub(super) fn if_there(line: &str) -> String {
    format!("{line} 2>look.err || grep -qiE 'no such (container|object)|no container with name' look.err")
}
