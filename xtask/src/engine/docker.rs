//! Docker, as its tutorials use it: `docker checkpoint create`, `docker start --checkpoint`.

use super::flags::{self, Client};
use super::form::Form;
use super::lowering::{Daemons, Engine, Look, PATIENCE, Refusal, Scene, file, quoted, refuse, run};
use super::oci::{self, name};
use crate::model::{Action, Command, Recipe, Role, Step, Stopped, Verb, View};

/// Docker keeps a container and its checkpoints here.
const CONTAINERS: &str = "/var/lib/docker/containers";

/// Where its daemon listens.
const SOCKET: &str = "/run/docker.sock";

/// What runc hands to CRIU, beside its own settings.
const CRIU_CONF: &str = "/etc/criu/runc.conf";

/// What it is made of. `docker-cli` is a package of its own from trixie on, `tini-static` since forky.
pub(super) const RECIPE: Recipe = Recipe {
    package: "docker.io",
    with: &["docker-cli", "containerd", "runc", "tini-static|tini", "iptables"],
    opened: &[],
};

/// Its client.
const CLIENT: Client = Client { program: "docker", log: "{{.LogPath}}", socket: Some(SOCKET) };

/// The engine `docker`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Docker;

impl Engine for Docker {
    fn name(&self) -> &str {
        "docker"
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(RECIPE)
    }

    fn image(&self) -> Vec<Command> {
        vec![oci::root_file_system(), Command::new(flags::import("docker")).within(120)]
    }

    fn daemon(&self) -> Vec<Command> {
        vec![
            Command::new(
                "mkdir -p /etc/docker && echo '{\"experimental\": true, \"debug\": true}' >/etc/docker/daemon.json",
            ),
            Command::new(format!(
                "mkdir -p logs /etc/criu && echo \"log-file $PWD/logs/criu.log\" >{CRIU_CONF}"
            )),
            Command::new("setsid dockerd </dev/null >dockerd.log 2>&1 &"),
            // Its socket first: each try of the client takes time from a daemon that is still starting.
            Command::new(format!(
                "deadline=$(($(cut -d. -f1 /proc/uptime) + 90)); until [ -S {SOCKET} ] && docker info >docker-info 2>&1; \
                 do [ \"$(cut -d. -f1 /proc/uptime)\" -lt $deadline ] || {{ tail -n 5 dockerd.log >&2; exit 1; }}; \
                 sleep 0.1; done"
            ))
            .within(120),
        ]
    }

    fn questions(&self) -> String {
        "docker version --format 'engine={{.Server.Version}}
{{range .Server.Components}}{{.Name}}={{.Version}}
{{end}}' | grep -v '^Engine='; \
         docker info --format 'storage_driver={{.Driver}}
cgroup_version={{.CgroupVersion}}
cgroup_driver={{.CgroupDriver}}
security={{.SecurityOptions}}'"
            .to_owned()
    }

    fn lower(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        if step.by.is_some() || step.cpuinfo {
            return refuse(self, "has no word for CRIU's page server, lazy pages or cpuinfo");
        }
        let (on, name) = (step.on, name(step.container.as_deref()));
        Ok(match &step.verb {
            Verb::Start => {
                let mut actions = make(on, "run -d", name, scene);
                actions.push(CLIENT.ticks(step, scene, 1, PATIENCE));
                actions
            }
            Verb::PreDump { .. } => return refuse(self, "has no pre-dump"),
            Verb::Dump { parent: Some(_), .. } => return refuse(self, "has no pre-dump"),
            Verb::Dump { to, leave_running, dir, .. } => {
                let mut actions = configure(on, &step.opts);
                actions.push(run(on, checkpoint(name, to, *leave_running, *dir)));
                actions
            }
            Verb::Restore { from, dir, fresh } => {
                let mut actions = configure(on, &step.opts);
                if *fresh {
                    actions.extend(make(on, "create", name, scene));
                    actions.push(run(on, adopt(from, name)));
                }
                actions.push(run(on, restore(name, from, *dir)));
                actions
            }
            Verb::Kill => vec![run(on, ended("kill", name))],
            Verb::Stop => vec![run(on, ended("stop --time 2", name))],
            Verb::Remove { force: true } => vec![CLIENT.on(step, "rm --force")],
            Verb::Forget(checkpoint) => {
                vec![run(on, Command::new(format!("docker checkpoint rm {name} {checkpoint}")))]
            }
            Verb::Checkpoints(names) => vec![run(on, listed(name, names))],
            Verb::StopDaemon(which) => vec![run(on, stop_daemon(*which))],
            Verb::Transfer { checkpoint } => transfer(name, checkpoint, scene),
            _ => return CLIENT.lower(self, step, scene),
        })
    }

    fn afresh(&self, step: &Step, _scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        Ok(vec![CLIENT.on(step, "start")])
    }

    fn root(&self, container: Option<&str>) -> String {
        CLIENT.root(container)
    }

    fn look(&self, container: Option<&str>, scene: &Scene<'_>) -> Look {
        CLIENT.look(container, scene)
    }

    fn daemons(&self) -> Daemons {
        Daemons {
            names: &["dockerd", "containerd", "containerd-shim", "runc", "criu"],
            dumps: &[
                ("dockerd", "/run/docker/goroutine-stacks-*.log"),
                ("containerd", "/tmp/containerd.*.stacks.log"),
            ],
            logs: &["dockerd.log"],
            folders: &["/run/docker", "/run/containerd", CONTAINERS],
        }
    }

    /// Moby's.
    fn form(&self) -> Form {
        Form {
            description: "Description",
            steps: "Reproduce",
            received: "What happens",
            expected: "Expected behavior",
            additional: "Additional Info",
            asks: &["docker version", "docker info", "runc --version", "containerd --version"],
        }
    }

    fn evidence(&self) -> Vec<(&'static str, View)> {
        ["dockerd.log", "docker-info"].map(|name| (name, file(name, true))).into()
    }
}

fn make(on: Role, verb: &str, name: &str, scene: &Scene<'_>) -> Vec<Action> {
    let mut actions = oci::folders(on, scene);
    actions.push(run(on, Command::new(format!("docker {}", flags::made(verb, name, scene))).within(120)));
    actions
}

/// Docker has no command for it: what people do is copy the checkpoint's folder into a container that was made there.
fn transfer(name: &str, checkpoint: &str, scene: &Scene<'_>) -> Vec<Action> {
    let work = if scene.workload.own_files { " -C \"$PWD\" work" } else { "" };
    let pack = format!("{} && tar -cf carry.tar -C \"$from\" {checkpoint}{work}", folder("from", name));
    let mut unpack =
        format!("{} && mkdir -p \"$to\" && tar -xpf carry.tar -C \"$to\" {checkpoint}", folder("to", name));
    if scene.workload.own_files {
        unpack.push_str(" && tar -xpf carry.tar work");
    }
    let mut actions =
        vec![run(Role::Source, Command::new(pack).within(120)), Action::Carry("carry.tar".to_owned())];
    actions.extend(make(Role::Destination, "create", name, scene));
    actions.push(run(Role::Destination, Command::new(unpack).within(120)));
    actions
}

/// The folder of a container's checkpoints.
fn folder(variable: &str, name: &str) -> String {
    format!("{variable}={CONTAINERS}/$(docker inspect --format '{{{{.Id}}}}' {name})/checkpoints")
}

/// A checkpoint of the first container, copied into another's folder.
fn adopt(from: &str, name: &str) -> Command {
    let (source, target) = (folder("from", oci::FIRST), folder("to", name));
    Command::new(format!("{source} && {target} && mkdir -p \"$to\" && cp -a \"$from/{from}\" \"$to/\""))
}

fn checkpoint(name: &str, to: &str, leave_running: bool, dir: bool) -> Command {
    let mut line = "docker checkpoint create".to_owned();
    if leave_running {
        line.push_str(" --leave-running");
    }
    if dir {
        line.push_str(" --checkpoint-dir \"$PWD/checkpoints\"");
    }
    line.push_str(&format!(" {name} {to}"));
    if !leave_running {
        // The daemon hears of the end later than the client; what is started before that meets a half-ended container.
        line.push_str(&format!(" && docker wait {name}"));
    }
    keeping(line, "dump")
}

fn restore(name: &str, from: &str, dir: bool) -> Command {
    let dir = if dir { " --checkpoint-dir \"$PWD/checkpoints\"" } else { "" };
    let start = format!("docker start --checkpoint {from}{dir} {name}");
    // The daemon may still hold what it made of the checkpoint before: each retry is told, and the error is the last
    // one's.
    keeping(
        format!(
            "try=1; until {start} 2>start.err; do grep -q 'content .* already exists' start.err && [ $try -lt 10 ] || \
             {{ cat start.err >&2; exit 1; }}; echo \"retry $try\"; try=$((try + 1)); sleep 0.5; done"
        ),
        "restore",
    )
}

/// Where CRIU writes its log is said in its configuration: containerd throws a failed restore's log away with its task.
fn keeping(line: String, what: &str) -> Command {
    Command::new(line)
        .within(120)
        .then(format!("rm -f logs/{what}.log; mv logs/criu.log logs/{what}.log"))
        .keeping(format!("logs/{what}.log"))
}

/// Docker has no options for CRIU: runc reads them from a file.
fn configure(on: Role, opts: &[String]) -> Vec<Action> {
    if opts.is_empty() {
        return Vec::new();
    }
    // A word that is no option belongs to the one before it.
    let mut lines: Vec<String> = Vec::new();
    for opt in opts {
        match (opt.strip_prefix("--"), lines.last_mut()) {
            (None, Some(last)) => last.push_str(&format!(" {opt}")),
            (name, _) => lines.push(name.unwrap_or(opt).to_owned()),
        }
    }
    let lines: Vec<_> = lines.iter().map(|line| quoted(line)).collect();
    let line = format!(
        "mkdir -p /etc/criu && {{ grep -s ^log-file {CRIU_CONF}; printf '%s\\n' {}; }} >runc.conf && mv runc.conf {CRIU_CONF}",
        lines.join(" ")
    );
    vec![run(on, Command::new(line))]
}

fn ended(verb: &str, name: &str) -> Command {
    Command::new(format!("docker {verb} {name} && docker wait {name}"))
}

fn listed(name: &str, names: &[String]) -> Command {
    let mut sorted = names.to_vec();
    sorted.sort();
    Command::new(format!(
        "all=$(docker checkpoint ls {name}) && list=$(echo \"$all\" | tail -n +2 | sort | xargs) && echo \"$list\" && \
         [ \"$list\" = \"{}\" ]",
        sorted.join(" ")
    ))
}

/// Stops a daemon by SIGSTOP and not before it stands still; `stopped.pid` is for whoever wants it to go on.
fn stop_daemon(which: Stopped) -> Command {
    let daemon = match which {
        Stopped::Engine => "dockerd",
        Stopped::Below => "containerd",
    };
    Command::new(format!(
        "pid=$(pidof -s {daemon}) && echo \"$pid\" >stopped.pid && kill -STOP \"$pid\" && \
         until grep -q '^State:.T' \"/proc/$pid/status\"; do sleep 0.05; done"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::table::table;

    #[test]
    fn lowers() {
        insta::assert_snapshot!(table(&Docker), @r#"
        start
            source $ docker run -d --name looper --memory 64m looper-image ./ticker
            source $ sh ./more-ticks.sh 1 30 ticker "$(docker inspect --format '{{.LogPath}}' looper)"
        dump
            source $ docker checkpoint create looper one && docker wait looper
        dump, leave running
            source $ docker checkpoint create --leave-running looper one
        restore
            source $ try=1; until docker start --checkpoint one looper 2>start.err; do grep -q 'content .* already exists' start.err && [ $try -lt 10 ] || { cat start.err >&2; exit 1; }; echo "retry $try"; try=$((try + 1)); sleep 0.5; done
        kill
            source $ docker kill looper && docker wait looper
        stop
            source $ docker stop --time 2 looper && docker wait looper
        pause
            source $ docker pause looper
        remove by force
            source $ docker rm --force looper
        exec
            source $ docker exec looper sh -c 'id -u'
        transfer
            source $ from=/var/lib/docker/containers/$(docker inspect --format '{{.Id}}' looper)/checkpoints && tar -cf carry.tar -C "$from" one
            carry carry.tar
            destination $ docker create --name looper --memory 64m looper-image ./ticker
            destination $ to=/var/lib/docker/containers/$(docker inspect --format '{{.Id}}' looper)/checkpoints && mkdir -p "$to" && tar -xpf carry.tar -C "$to" one
        checkpoints
            source $ all=$(docker checkpoint ls looper) && list=$(echo "$all" | tail -n +2 | sort | xargs) && echo "$list" && [ "$list" = "one two" ]
        expect paused
            source $ status=0; sh ./more-ticks.sh 1 1 ticker "$(docker inspect --format '{{.LogPath}}' looper)" || status=$?; [ $status = 1 ]
        restore in another container
            source $ docker create --name clone --memory 64m looper-image ./ticker
            source $ from=/var/lib/docker/containers/$(docker inspect --format '{{.Id}}' looper)/checkpoints && to=/var/lib/docker/containers/$(docker inspect --format '{{.Id}}' clone)/checkpoints && mkdir -p "$to" && cp -a "$from/one" "$to/"
            source $ try=1; until docker start --checkpoint one clone 2>start.err; do grep -q 'content .* already exists' start.err && [ $try -lt 10 ] || { cat start.err >&2; exit 1; }; echo "retry $try"; try=$((try + 1)); sleep 0.5; done
        restore on the destination
            destination $ try=1; until docker start --checkpoint one looper 2>start.err; do grep -q 'content .* already exists' start.err && [ $try -lt 10 ] || { cat start.err >&2; exit 1; }; echo "retry $try"; try=$((try + 1)); sleep 0.5; done
        look
            docker inspect --format '{{.State.Status}}
        {{if .State.Pid}}{{.State.Pid}}{{end}}' looper 2>look.err || grep -qiE 'no such (container|object)|no container with name' look.err
        "#);
    }
}
