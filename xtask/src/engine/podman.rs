//! podman, as its manual uses it: `podman container checkpoint`, `podman container restore`.

use super::flags::{self, Client, IMAGE};
use super::form::Form;
use super::lowering::{Daemons, Engine, Look, PATIENCE, Refusal, Scene, refuse, run};
use super::oci::{self, name};
use crate::model::{Action, Command, Recipe, Role, Step, Verb, View};

/// Options of CRIU that podman has itself.
const OPTS: &[&str] = &["--tcp-established", "--file-locks", "--ignore-rootfs", "--ignore-volumes"];

/// What it is made of. bullseye has CNI's plugins in place of netavark, and has no libcriu.
pub(super) const RECIPE: Recipe = Recipe {
    package: "podman",
    with: &[
        "conmon",
        "crun",
        "runc",
        "netavark|containernetworking-plugins",
        "aardvark-dns",
        "golang-github-containers-common",
        "golang-github-containers-image",
        "catatonit",
        "iptables",
        "nftables",
        "libcriu2",
    ],
    opened: &["libcriu.so.2"],
};

/// The engine `podman`, with the runtime that it chooses, or with another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Podman {
    /// Whether it is told to take runc.
    pub(super) on_runc: bool,
}

impl Engine for Podman {
    fn name(&self) -> &str {
        if self.on_runc { "podman-runc" } else { "podman" }
    }

    fn recipe(&self) -> Option<Recipe> {
        Some(RECIPE)
    }

    fn image(&self) -> Vec<Command> {
        vec![oci::root_file_system(), Command::new(flags::import(self.program())).within(120)]
    }

    fn questions(&self) -> String {
        self.program().to_owned()
            + " info --format 'engine={{.Version.Version}}
conmon={{.Host.Conmon.Version}}
runtime={{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Version}}
storage_driver={{.Store.GraphDriverName}}
cgroup_version={{.Host.CgroupsVersion}}
cgroup_driver={{.Host.CgroupManager}}
security=seccomp {{.Host.Security.SECCOMPEnabled}}, apparmor {{.Host.Security.AppArmorEnabled}}, selinux {{.Host.Security.SELinuxEnabled}}' \
         | sed -e 's/ version / /' -e '/^\\(commit\\|rundir\\|spec\\|+\\|go\\|libseccomp\\)/d'"
    }

    fn lower(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        if step.by.is_some() || step.cpuinfo {
            return refuse(self, "has no word for CRIU's page server, lazy pages or cpuinfo");
        }
        let (on, name, client) = (step.on, name(step.container.as_deref()), self.client());
        if let Some(opt) = step.opts.iter().find(|opt| !OPTS.contains(&opt.as_str())) {
            return refuse(self, format!("hands no {opt} to CRIU"));
        }
        Ok(match &step.verb {
            Verb::Start => {
                let mut actions = self.make(on, name, scene);
                actions.push(client.ticks(step, scene, 1, PATIENCE));
                actions
            }
            Verb::PreDump { .. } | Verb::Dump { parent: Some(_), .. } => {
                return refuse(self, "has its pre-checkpoints for one export only, not by name");
            }
            Verb::Dump { dir: true, .. } | Verb::Restore { dir: true, .. } => {
                return refuse(self, "has no folder of checkpoints: it exports one as an archive");
            }
            Verb::Dump { to, leave_running, carried, .. } => {
                vec![run(on, self.checkpoint(name, to, *leave_running, *carried, &step.opts))]
            }
            Verb::Restore { from, fresh, .. } => {
                vec![run(on, self.restore(name, from, *fresh || on == Role::Destination, step, scene))]
            }
            Verb::Kill => vec![client.on(step, "kill"), client.on(step, "wait")],
            Verb::Stop => vec![client.on(step, "stop --time 2"), client.on(step, "wait")],
            Verb::Remove { force: true } => vec![client.on(step, "rm --force --time 2")],
            Verb::Transfer { checkpoint } => self.transfer(checkpoint, scene),
            Verb::StopDaemon(_) => return refuse(self, "has no daemon"),
            Verb::Forget(_) | Verb::Checkpoints(_) => return refuse(self, "keeps no list of checkpoints"),
            _ => return client.lower(self, step, scene),
        })
    }

    fn afresh(&self, step: &Step, _scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        Ok(vec![self.client().on(step, "start")])
    }

    fn root(&self, container: Option<&str>) -> String {
        self.client().root(container)
    }

    fn look(&self, container: Option<&str>, scene: &Scene<'_>) -> Look {
        self.client().look(container, scene)
    }

    fn daemons(&self) -> Daemons {
        Daemons {
            names: &["conmon", "runc", "crun", "criu"],
            folders: &["/run/containers", "/run/crun", "/run/runc"],
            ..Daemons::default()
        }
    }

    fn form(&self) -> Form {
        Form {
            description: "Issue Description",
            steps: "Steps to reproduce the issue",
            received: "Describe the results you received",
            expected: "Describe the results you expected",
            additional: "Additional information",
            asks: &["podman version", "podman info"],
        }
    }

    fn evidence(&self) -> Vec<(&'static str, View)> {
        vec![("podman-info", View::of(Command::new("podman info")))]
    }
}

impl Podman {
    fn client(self) -> Client {
        Client { program: self.program(), log: "{{.HostConfig.LogConfig.Path}}", socket: None }
    }

    fn program(self) -> &'static str {
        if self.on_runc { "podman --runtime runc" } else { "podman" }
    }

    /// The log is a file whatever the userland's own choice is: there is no journal in a guest.
    fn make(self, on: Role, name: &str, scene: &Scene<'_>) -> Vec<Action> {
        let mut actions = oci::folders(on, scene);
        let line = flags::made("run -d --log-driver k8s-file", name, scene);
        actions.push(run(on, Command::new(format!("{} {line}", self.program())).within(120)));
        actions
    }

    /// `--keep` leaves the checkpoint where a second restore finds it.
    fn checkpoint(self, name: &str, to: &str, stays: bool, carried: bool, opts: &[String]) -> Command {
        let mut line = format!("{} container checkpoint --keep", self.program());
        if stays {
            line.push_str(" --leave-running");
        }
        if carried {
            line.push_str(&format!(" --export \"$PWD/{to}.tar.gz\""));
        }
        Self::keeping(format!("{line}{} {name}", words(opts)), "dump")
    }

    fn restore(self, name: &str, from: &str, import: bool, step: &Step, scene: &Scene<'_>) -> Command {
        let podman = self.program();
        let opts = words(&step.opts);
        if !import {
            return Self::keeping(format!("{podman} container restore --keep{opts} {name}"), "restore");
        }
        let volumes = if scene.workload.own_files { "mkdir -p work && " } else { "" };
        Self::keeping(
            format!(
                "{volumes}{podman} container restore --import \"$PWD/{from}.tar.gz\" --name {name}{opts}"
            ),
            "restore",
        )
    }

    /// The image goes along: a restore wants the very one that the container was made of, by its id, and one that was
    /// imported on the other host has another.
    fn transfer(self, checkpoint: &str, scene: &Scene<'_>) -> Vec<Action> {
        let (podman, archive) = (self.program(), format!("{checkpoint}.tar.gz"));
        let save = format!("{podman} save --quiet --format oci-archive --output image.oci {IMAGE}");
        let mut actions = vec![
            run(Role::Source, Command::new(save).within(120)),
            Action::Carry("image.oci".to_owned()),
            run(
                Role::Destination,
                Command::new(format!("{podman} load --quiet --input image.oci")).within(120),
            ),
            Action::Carry(archive),
        ];
        if scene.workload.own_files {
            actions.extend([
                run(Role::Source, Command::new("tar -cf carry.tar work").within(120)),
                Action::Carry("carry.tar".to_owned()),
                run(Role::Destination, Command::new("tar -xpf carry.tar").within(120)),
            ]);
        }
        actions
    }

    fn keeping(line: String, what: &str) -> Command {
        // Only what this command wrote: the stamp is of the end of the one before.
        let find = format!(
            "find /var/lib/containers/storage/overlay-containers -name {what}.log -newer logs/stamp -printf '%T@ %p\\n'"
        );
        Command::new(line)
            .within(120)
            .then(format!(
                "mkdir -p logs; [ -e logs/stamp ] || touch -d @0 logs/stamp; rm -f logs/{what}.log; \
                 log=$({find} | sort -n | tail -n 1 | cut -d' ' -f2-); [ -z \"$log\" ] || cp \"$log\" logs/{what}.log; \
                 touch logs/stamp"
            ))
            .keeping(format!("logs/{what}.log"))
    }
}

fn words(opts: &[String]) -> String {
    opts.iter().map(|opt| format!(" {opt}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::table::table;

    #[test]
    fn lowers() {
        insta::assert_snapshot!(table(&Podman { on_runc: false }), @r#"
        start
            source $ podman run -d --log-driver k8s-file --name looper --memory 64m looper-image ./ticker
            source $ sh ./more-ticks.sh 1 30 ticker "$(podman inspect --format '{{.HostConfig.LogConfig.Path}}' looper)"
        dump
            source $ podman container checkpoint --keep --export "$PWD/one.tar.gz" looper
        dump, leave running
            source $ podman container checkpoint --keep --leave-running --export "$PWD/one.tar.gz" looper
        restore
            source $ podman container restore --keep looper
        kill
            source $ podman kill looper
            source $ podman wait looper
        stop
            source $ podman stop --time 2 looper
            source $ podman wait looper
        pause
            source $ podman pause looper
        remove by force
            source $ podman rm --force --time 2 looper
        exec
            source $ podman exec looper sh -c 'id -u'
        transfer
            source $ podman save --quiet --format oci-archive --output image.oci looper-image
            carry image.oci
            destination $ podman load --quiet --input image.oci
            carry one.tar.gz
        checkpoints
            - podman keeps no list of checkpoints
        expect paused
            source $ status=0; sh ./more-ticks.sh 1 1 ticker "$(podman inspect --format '{{.HostConfig.LogConfig.Path}}' looper)" || status=$?; [ $status = 1 ]
        restore in another container
            source $ podman container restore --import "$PWD/one.tar.gz" --name clone
        restore on the destination
            destination $ podman container restore --import "$PWD/one.tar.gz" --name looper
        look
            podman inspect --format '{{.State.Status}}
        {{if .State.Pid}}{{.State.Pid}}{{end}}' looper 2>look.err || grep -qiE 'no such (container|object)|no container with name' look.err
        "#);
    }
}
