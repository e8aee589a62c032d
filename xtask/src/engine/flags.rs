//! What docker and podman have in common: the words of `run`, and a client that most verbs are alike for.

use super::api;
use super::lowering::{
    Engine, Look, PATIENCE, PROOF, Refusal, Scene, WORK_FOLDER, connect, file, more_ticks, proof, quoted,
    reach, refuse, run, stands_still, sync,
};
use super::oci::name;
use crate::model::{Action, Answer, Command, Expectation, Source, Step, Verb, View};

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

/// A look at a container that may not be there: only the engine's own word for that is taken for it.
fn if_there(line: &str) -> String {
    format!("{line} 2>look.err || grep -qiE 'no such (container|object)|no container with name' look.err")
}

/// A command line that lists, inspects and drives containers: docker's, and podman's, which took it over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    /// As it is called, with the words that come before any other.
    pub(super) program: &'static str,
    /// What `inspect --format` takes for the path of a container's log.
    pub(super) log: &'static str,
    /// Where its daemon listens, if it has one.
    pub(super) socket: Option<&'static str>,
}

impl Client {
    /// One command with the step's container behind it.
    pub(super) fn on(self, step: &Step, words: &str) -> Action {
        run(step.on, Command::new(format!("{} {words} {}", self.program, name(step.container.as_deref()))))
    }

    /// Waits for ticks of the step's container.
    pub(super) fn ticks(self, step: &Step, scene: &Scene<'_>, more: u32, seconds: u64) -> Action {
        run(step.on, more_ticks(scene.workload, more, seconds, &|file| self.stream(step, scene, file)))
    }

    /// The verbs that both lower alike; what is none of them is refused.
    pub(super) fn lower(
        self,
        engine: &dyn Engine,
        step: &Step,
        scene: &Scene<'_>,
    ) -> Result<Vec<Action>, Refusal> {
        let on = step.on;
        Ok(match &step.verb {
            Verb::Ticks(more) => vec![self.ticks(step, scene, *more, PATIENCE + u64::from(*more))],
            Verb::StartAgain => vec![self.on(step, "start"), self.ticks(step, scene, 1, PATIENCE)],
            Verb::Pause => vec![self.on(step, "pause")],
            Verb::Unpause => vec![self.on(step, "unpause")],
            Verb::Remove { force: false } => vec![self.on(step, "rm")],
            Verb::Connect { talks_on } => connect(on, *talks_on, scene),
            Verb::Reach => {
                reach(on, step.refused, scene, &self.stream(step, scene, scene.workload.output).word())
            }
            Verb::Exec(line) => {
                let name = name(step.container.as_deref());
                vec![run(on, Command::new(format!("{} exec {name} sh -c {}", self.program, quoted(line))))]
            }
            Verb::Sync => sync(on),
            // The machine's, and not the engine's.
            Verb::PowerCut { amid: None } => Vec::new(),
            Verb::PowerCut { .. } | Verb::Periodic { .. } | Verb::Newest(_) => {
                return refuse(engine, "gives a checkpoint its name before it is whole");
            }
            Verb::Expect(Expectation::Running | Expectation::Continues | Expectation::Fresh) => {
                proof(on, self.ticks(step, scene, PROOF, PATIENCE), scene)
            }
            Verb::Expect(Expectation::Paused) => {
                vec![run(on, stands_still(scene.workload, &|file| self.stream(step, scene, file)))]
            }
            Verb::Expect(_) => Vec::new(),
            _ => return refuse(engine, "has no such notion"),
        })
    }

    /// What `sh` expands to the process id of the container's root.
    pub(super) fn root(self, container: Option<&str>) -> String {
        format!("$({} inspect --format '{{{{.State.Pid}}}}' {})", self.program, name(container))
    }

    /// The commands that show a container as it is now.
    pub(super) fn look(self, container: Option<&str>, scene: &Scene<'_>) -> Look {
        let (Self { program, .. }, name) = (self, name(container));
        let read = |output: &str| {
            let view = if scene.workload.own_files {
                file(&format!("work/{output}"), true)
            } else {
                self.view(if_there(&format!("{program} logs {name}")), name, Answer::Log)
            };
            (output.to_owned(), view)
        };
        let state = format!(
            "{program} inspect --format '{{{{.State.Status}}}}
{{{{if .State.Pid}}}}{{{{.State.Pid}}}}{{{{end}}}}' {name}"
        );
        Look {
            outputs: scene.workload.outputs().into_iter().map(read).collect(),
            root: self.view(if_there(&state), name, Answer::State),
            contained: true,
        }
    }

    /// Where a stream is found: a file that the container shares with its host, or the log that the engine keeps.
    fn stream(self, step: &Step, scene: &Scene<'_>, file: &str) -> Source {
        if scene.workload.own_files {
            return Source::File(format!("work/{file}"));
        }
        let name = name(step.container.as_deref());
        let line = format!("{} inspect --format '{}' {name}", self.program, self.log);
        Source::Shown(self.view(line, name, Answer::LogPath))
    }

    /// What a line shows of a container, and what its daemon, which the line would ask, says of it to whoever asks
    /// it without a client.
    fn view(self, line: String, name: &str, answer: Answer) -> View {
        let view = View::of(Command::new(line));
        match self.socket {
            Some(socket) => view.or(api::question(socket, name, answer)),
            None => view,
        }
    }
}
