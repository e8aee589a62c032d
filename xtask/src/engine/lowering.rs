//! The seam between a story and whoever drives CRIU in it.

use super::form::Form;
use crate::model::{
    Action, Command, PEER, Recipe, Role, Settings, Shortcut, Source, Step, Stream, View, Wait, Workload,
};

/// The folder of the guest in which every command runs.
pub const WORK_FOLDER: &str = "/root/cell";

/// How many ticks prove that a program goes on.
pub(super) const PROOF: u32 = 5;
/// How long a program may take to tell them, in seconds. A tick comes every 10 to 150 ms.
pub(super) const PATIENCE: u64 = 30;

/// What a step is lowered for.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The story's program.
    pub workload: &'a Workload,
    /// What its containers are started with.
    pub settings: &'a Settings,
}

/// Lowers steps to commands.
pub trait Engine: Sync + Send {
    /// Its name on the axis.
    fn name(&self) -> &str;

    /// The Debian packages that it is made of; `None` where CRIU's own are all that it takes.
    fn recipe(&self) -> Option<Recipe> {
        None
    }

    /// How its daemon is configured, started and waited for, once in a guest, before any story.
    fn daemon(&self) -> Vec<Command> {
        Vec::new()
    }

    /// How the image of every container is made. The workloads' files are in the work folder.
    fn image(&self) -> Vec<Command> {
        Vec::new()
    }

    /// A line of `sh` that prints `name=value` for everything of the engine that has a version or a choice.
    fn questions(&self) -> String {
        ":".to_owned()
    }

    /// What is asked of every guest before the first step.
    fn probes(&self, features: &[String]) -> Vec<Probe> {
        criu_probes(features)
    }

    /// The commands of one step, in order.
    ///
    /// # Errors
    /// When the engine has not the notion: the cell is skipped with its words.
    fn lower(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal>;

    /// The commands that would start the program anew where a restore was asked for: what a checker must catch.
    ///
    /// # Errors
    /// When there is no such thing.
    fn afresh(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal>;

    /// What `sh` expands to the process id, as the guest counts, of the workload's root.
    fn root(&self, container: Option<&str>) -> String;

    /// The commands that show the workload as it is now.
    fn look(&self, container: Option<&str>, scene: &Scene<'_>) -> Look;

    /// What is looked at when a command hangs.
    fn daemons(&self) -> Daemons {
        Daemons::default()
    }

    /// How its developers want a failure to be reported.
    fn form(&self) -> Form {
        Form::CRIU
    }

    /// What is kept with every cell, by the file's name.
    fn evidence(&self) -> Vec<(&'static str, View)> {
        Vec::new()
    }
}

/// What an engine has running, and where it keeps what it knows. No word holds a blank or a quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Daemons {
    /// The names of its processes, as `/proc/PID/comm` has them: 15 characters at the most.
    pub names: &'static [&'static str],
    /// Those that dump their goroutines at SIGUSR1, with a pattern of the file that they do it into.
    pub dumps: &'static [(&'static str, &'static str)],
    /// Its logs.
    pub logs: &'static [&'static str],
    /// The folders of its state, without images and root file systems.
    pub folders: &'static [&'static str],
}

/// One look at a workload. Each output is read whole and by itself, so that a half line of one never meets the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Each output by name.
    pub outputs: Vec<(String, View)>,
    /// The engine's word for the container's state, if there is a container, and the root's process id, if there is
    /// one.
    pub root: View,
    /// Whether there is a state.
    pub contained: bool,
}

/// A file of the work folder. One that `may_lack` is as good as an empty one.
pub fn file(name: &str, may_lack: bool) -> View {
    let line = if may_lack { format!("[ ! -e {name} ] || cat {name}") } else { format!("cat {name}") };
    let path = format!("{WORK_FOLDER}/{name}");
    View::of(Command::new(line)).or(Shortcut::File { path, may_lack })
}

/// A question to a guest, and what its answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Without it no story can be played: its failure fails the cell at `check`.
    Needed(Command),
    /// Kept as evidence, whatever it says.
    Evidence(Command),
    /// A feature that the story needs: the cell is skipped without it, but only when CRIU works at all, which
    /// the first command tells.
    Feature {
        /// Succeeds where CRIU can be asked.
        works: Command,
        /// Succeeds where the feature is there.
        has: Command,
        /// Its name.
        name: String,
    },
}

/// What CRIU is, and what it says that the kernel can: a stack's answer is one, and is asked for when the guest is
/// prepared.
pub fn criu_itself() -> [Command; 3] {
    [
        Command::new("criu --version").beforehand("criu-version"),
        Command::new("criu check --all").beforehand_or_failed("criu-check"),
        Command::new("criu check").beforehand("criu-check-plain"),
    ]
}

/// CRIU starts and says what it can.
pub(super) fn criu_probes(features: &[String]) -> Vec<Probe> {
    let [version, all, plain] = criu_itself();
    let mut probes = vec![Probe::Needed(version), Probe::Evidence(all)];
    probes.extend(features.iter().map(|name| Probe::Feature {
        works: plain.clone(),
        has: Command::new(format!("criu check --feature {name}")),
        name: name.clone(),
    }));
    probes
}

/// Why an engine cannot play a step, in words for a skipped cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{engine} {words}")]
pub struct Refusal {
    /// The engine.
    pub engine: String,
    /// `has no pre-dump`, …
    pub words: String,
}

/// A refusal.
pub(super) fn refuse<T>(engine: &dyn Engine, words: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { engine: engine.name().to_owned(), words: words.into() })
}

/// Runs a command in a guest.
pub(super) fn run(on: Role, command: Command) -> Action {
    Action::Run(on, command)
}

/// Waits until every stream has told `more` ticks from now on, for at most `seconds`. `place` says where an output is.
pub(super) fn more_ticks(
    workload: &Workload,
    more: u32,
    seconds: u64,
    place: &dyn Fn(&str) -> Source,
) -> Command {
    ticks_of(workload.streams, more, seconds, place)
}

fn ticks_of(streams: &[Stream], more: u32, seconds: u64, place: &dyn Fn(&str) -> Source) -> Command {
    let counters = streams.iter().map(|stream| (stream.who.to_owned(), place(stream.file))).collect();
    Wait { more, seconds, counters }.command()
}

/// An output in the work folder, under its own name.
pub(super) fn here(file: &str) -> Source {
    Source::File(file.to_owned())
}

/// The network of the world outside of the host, of RFC 5737's addresses for documentation: the host's own first.
const OUTSIDE: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

/// Connects a peer to the published port, and waits for its first ticks. It has a network namespace of its own, joined
/// to the host by a pair of interfaces, as another machine would be: what it sends is forwarded, and goes through NAT
/// where the engine has it.
pub(super) fn connect(on: Role, talks_on: bool, scene: &Scene<'_>) -> Vec<Action> {
    let host = OUTSIDE[0];
    let port = scene.settings.publish.unwrap_or_default();
    let peer = if talks_on { "--talking-peer" } else { "--peer" };
    let talk = format!(
        "ip netns exec outside setsid ./talker {peer} {host} {port} </dev/null >>{} 2>>workload.err &",
        PEER.file
    );
    vec![run(on, outside()), run(on, Command::new(talk)), run(on, ticks_of(&[PEER], PROOF, PATIENCE, &here))]
}

/// The world outside of the host, where it is not there yet.
fn outside() -> Command {
    let [host, peer] = OUTSIDE;
    Command::new(format!(
        "[ -e /run/netns/outside ] || {{ ip netns add outside && ip link add outside0 type veth peer name uplink netns outside && \
         ip address add {host}/24 dev outside0 && ip link set outside0 up && \
         ip -n outside address add {peer}/24 dev uplink && ip -n outside link set uplink up; }}"
    ))
}

/// Asks a service once from outside, and looks for the nonce of its answer in its ticks: `log` is where those are.
/// The address is the host's; on the destination it is the one that the source had.
/// Where it must be refused, any answer at all is one.
pub(super) fn reach(on: Role, refused: bool, scene: &Scene<'_>, log: &str) -> Vec<Action> {
    let port = scene.settings.publish.unwrap_or_default();
    let ask = format!("$(ip netns exec outside busybox nc -w 10 {} {port} </dev/null)", OUTSIDE[0]);
    let ask = if refused {
        format!("answer={ask}; echo \"$answer\"; [ -n \"$answer\" ]")
    } else {
        format!(
            "answer={ask} && echo \"$answer\" && \
             nonce=$(echo \"$answer\" | grep -o 'nonce=[0-9a-f]*') && grep -qF \"$nonce\" {log}"
        )
    };
    vec![run(on, outside()), run(on, Command::new(ask))]
}

/// Waits for the proof that the program goes on, and for its peer's, where it has one.
pub(super) fn proof(on: Role, ticks: Action, scene: &Scene<'_>) -> Vec<Action> {
    let mut actions = vec![ticks];
    if scene.settings.publish.is_some() && scene.workload.peer {
        actions.push(run(on, ticks_of(&[PEER], PROOF, PATIENCE, &here)));
    }
    actions
}

/// Waits for a second in which no stream tells a tick.
pub(super) fn stands_still(workload: &Workload, place: &dyn Fn(&str) -> Source) -> Command {
    let Command { line, .. } = more_ticks(workload, 1, 1, place);
    // Status 1 is that word of the script; any other end is no answer.
    Command::new(format!("status=0; {line} || status=$?; [ $status = 1 ]"))
}

/// What is not on the disk at a power cut is lost.
pub(super) fn sync(on: Role) -> Vec<Action> {
    vec![run(on, Command::new("sync"))]
}

/// One word of `sh`.
pub(super) fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::plain;
    use super::*;
    use crate::model::Verb;

    /// All commands of a step in a container that publishes a port, or why there are none.
    fn lowered(engine: &str, verb: Verb) -> String {
        let workload = Workload::named("talker").unwrap();
        let settings = Settings { publish: Some(7000), ..Settings::default() };
        match plain(engine).unwrap().lower(&Step::plain(verb), &Scene { workload, settings: &settings }) {
            Ok(actions) => actions
                .iter()
                .map(|action| match action {
                    Action::Run(_, command) => format!("{}\n", command.line),
                    Action::Carry(file) => format!("carry {file}\n"),
                })
                .collect(),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[rstest]
    #[case("docker", " --publish 7000:7000 ")]
    #[case("podman", " --publish 7000:7000 ")]
    #[case("runc", "runc has no network of its own: it publishes no port")]
    #[case("crun", "crun has no network of its own: it publishes no port")]
    #[case("criu", "criu has no containers")]
    fn a_published_port(#[case] engine: &str, #[case] expected: &str) {
        let lines = lowered(engine, Verb::Start);
        assert!(lines.contains(expected), "{lines}");
    }

    #[rstest]
    #[case("docker", "answer=$(ip netns exec outside busybox nc -w 10 192.0.2.1 7000 </dev/null)")]
    #[case(
        "podman",
        "grep -qF \"$nonce\" \"$(podman inspect --format '{{.HostConfig.LogConfig.Path}}' looper)\""
    )]
    #[case("runc", "runc has no network of its own: it publishes no port")]
    #[case("criu", "criu has no containers")]
    fn a_service_is_reached_from_outside(#[case] engine: &str, #[case] expected: &str) {
        let lines = lowered(engine, Verb::Reach);
        assert!(lines.contains(expected), "{lines}");
    }

    #[test]
    fn a_peer_talks_from_outside_of_the_host() {
        let lines = lowered("docker", Verb::Connect { talks_on: false });
        let talk = "ip netns exec outside setsid ./talker --peer 192.0.2.1 7000 </dev/null >>peer.ticks";
        assert!(lines.contains(talk), "{lines}");
        assert!(lines.ends_with("sh ./more-ticks.sh 5 30 peer peer.ticks\n"), "{lines}");
    }
}
