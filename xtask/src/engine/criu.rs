//! Plain `criu`, as its own manual uses it: a session of its own, `dump -t PID`, `restore -d`.

use super::lowering::{
    Engine, Look, PATIENCE, PROOF, Refusal, Scene, file, here, more_ticks, quoted, refuse, run, sync,
};
use super::{carry, series};
use crate::model::{Action, Command, Expectation, Role, Step, Verb, Way, Workload};

/// The engine `criu`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Criu;

impl Engine for Criu {
    fn name(&self) -> &str {
        "criu"
    }

    fn lower(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        if step.container.is_some() || !scene.settings.is_default() {
            return refuse(self, "has no containers");
        }
        let (on, workload) = (step.on, scene.workload);
        let ticks = |more, seconds| run(on, more_ticks(workload, more, seconds, &here));
        let snapshot = "criu dump -t \"$(cat workload.pid)\" -D \"$to\" -o dump.log -v4 --leave-running";
        if let Some(actions) = series::lower(&step.verb, on, workload, snapshot, &here) {
            return Ok(actions);
        }
        Ok(match &step.verb {
            Verb::Start => vec![run(on, start(workload)), ticks(1, PATIENCE)],
            Verb::Ticks(more) => vec![ticks(*more, PATIENCE + u64::from(*more))],
            Verb::PreDump { to, parent } => {
                vec![run(on, dump("pre-dump", to, parent.as_deref(), &["--track-mem"], &step.opts))]
            }
            Verb::Dump { to, parent, leave_running, dir: false, .. } => {
                let mut words = Vec::new();
                if parent.is_some() {
                    words.push("--track-mem");
                }
                if *leave_running {
                    words.push("--leave-running");
                }
                let plain = dump("dump", to, parent.as_deref(), &words, &step.opts);
                let mut actions = if step.cpuinfo { cpuinfo() } else { Vec::new() };
                actions.extend(match step.by {
                    None => vec![run(on, plain)],
                    Some(Way::PageServer) => {
                        let line = format!("{}{}", plain.line, carry::to_page_server());
                        vec![carry::page_server(to), run(on, Command { line, ..plain })]
                    }
                    Some(Way::LazyPages) => {
                        vec![run(on, Command { line: carry::lazily(&plain.line), ..plain })]
                    }
                });
                actions
            }
            Verb::Restore { from, dir: false, .. } if step.by == Some(Way::LazyPages) => {
                let plain = restore(from, &step.opts);
                let line = format!("{} --lazy-pages && {}", plain.line, carry::until_all_is_there(from));
                let plain = Command { line, ..plain }.keeping(format!("images/{from}/lazy-pages.log"));
                vec![carry::lazy_pages(from), run(on, plain)]
            }
            Verb::Restore { from, dir: false, .. } => vec![run(on, restore(from, &step.opts))],
            Verb::Kill => vec![run(on, kill())],
            Verb::Transfer { checkpoint } => transfer(workload, checkpoint),
            Verb::Sync => sync(on),
            Verb::Expect(Expectation::Gone) => Vec::new(),
            Verb::Expect(Expectation::Running | Expectation::Continues) => vec![ticks(PROOF, PATIENCE)],
            Verb::Dump { .. } | Verb::Restore { .. } => {
                return refuse(self, "has no folder of checkpoints but the one that is named");
            }
            Verb::StopDaemon(_) => return refuse(self, "has no daemon"),
            _ => return refuse(self, "has no containers"),
        })
    }

    fn afresh(&self, step: &Step, scene: &Scene<'_>) -> Result<Vec<Action>, Refusal> {
        Ok(vec![run(step.on, start(scene.workload))])
    }

    fn root(&self, _container: Option<&str>) -> String {
        "$(cat workload.pid)".to_owned()
    }

    fn look(&self, _container: Option<&str>, scene: &Scene<'_>) -> Look {
        let output = |name: &str| (name.to_owned(), file(name, false));
        Look {
            outputs: scene.workload.outputs().into_iter().map(output).collect(),
            root: file("workload.pid", false),
            contained: false,
        }
    }
}

/// A session without a terminal, so that the dump needs no `--shell-job`.
/// The output is opened with `>>`: CRIU does not compare the size of a file that is only appended to.
/// The leader tells its own pid: in a shell with job control setsid(1) forks, and `$!` is nobody.
fn start(workload: &Workload) -> Command {
    Command::new(format!(
        "setsid sh -c 'echo $$ >workload.pid; exec {}' </dev/null >>{} 2>>workload.err &",
        workload.command, workload.output
    ))
}

fn dump(verb: &str, to: &str, parent: Option<&str>, words: &[&str], opts: &[String]) -> Command {
    let mut line = format!(
        "mkdir -p images/{to} && criu {verb} -t \"$(cat workload.pid)\" -D images/{to} -o {verb}.log -v4"
    );
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    if let Some(parent) = parent {
        line.push_str(&format!(" --prev-images-dir ../{parent}"));
    }
    push_opts(&mut line, opts);
    if parent.is_some() {
        // CRIU's link to the images before: without it everything was saved once more.
        line.push_str(&format!(" && test -e images/{to}/parent"));
    }
    Command::new(line).within(120).keeping(format!("images/{to}/{verb}.log"))
}

fn restore(from: &str, opts: &[String]) -> Command {
    let mut line = format!("criu restore -d -D images/{from} -o restore.log -v4");
    push_opts(&mut line, opts);
    Command::new(line).within(120).keeping(format!("images/{from}/restore.log"))
}

/// The whole session, which is one process group, and not before it is gone.
fn kill() -> Command {
    Command::new(
        "kill -KILL -\"$(cat workload.pid)\"; \
         while kill -0 -\"$(cat workload.pid)\" 2>/dev/null; do sleep 0.05; done",
    )
}

/// The source's processor, written down there and held against the destination's.
fn cpuinfo() -> Vec<Action> {
    let dump = "rm -rf cpu && mkdir cpu && criu cpuinfo dump -D cpu && tar -cf cpu.tar cpu";
    let check = "tar -xpf cpu.tar && criu cpuinfo check -D cpu -o check.log -v4";
    vec![
        run(Role::Source, Command::new(dump)),
        Action::Carry("cpu.tar".to_owned()),
        run(Role::Destination, Command::new(check).keeping("cpu/check.log")),
    ]
}

/// Everything that the program has open or was started from, with the images that were not carried before. The destination
/// tells how many KiB the images of the checkpoint are.
fn transfer(workload: &Workload, checkpoint: &str) -> Vec<Action> {
    let mut still = vec!["workload.pid"];
    still.extend(workload.files);
    let mut growing = vec!["workload.err"];
    growing.extend(workload.outputs());
    // A program that was left running goes on writing, and tar wants files that stand still.
    let (still, growing) = (still.join(" "), growing.join(" "));
    let pack = format!(
        "for images in images/*; do [ -e \"$images/carried\" ] || echo \"$images\"; done >carry.list && \
         rm -rf carry && mkdir carry && cp -p {growing} carry/ && \
         tar -cf carry.tar -T carry.list {still} -C carry {growing} && \
         while read -r images; do touch \"$images/carried\"; done <carry.list"
    );
    let unpack = format!("tar -xpf carry.tar && du -sk images/{checkpoint}");
    vec![
        run(Role::Source, Command::new(pack).within(120)),
        Action::Carry("carry.tar".to_owned()),
        run(Role::Destination, Command::new(unpack).within(120)),
    ]
}

fn push_opts(line: &mut String, opts: &[String]) {
    for opt in opts {
        line.push(' ');
        line.push_str(&quoted(opt));
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::model::Settings;

    fn lines(verb: Verb, opts: &[&str]) -> Vec<String> {
        let opts = opts.iter().map(|&opt| opt.to_owned()).collect();
        let workload = Workload::named("ticker").unwrap();
        let scene = Scene { workload, settings: &Settings::default() };
        let actions = Criu.lower(&Step { opts, ..Step::plain(verb) }, &scene).unwrap();
        actions
            .into_iter()
            .map(|action| match action {
                Action::Run(role, command) => format!("{}: {}", role.name(), command.line),
                Action::Carry(file) => format!("carry {file}"),
            })
            .collect()
    }

    fn name(text: &str) -> String {
        text.to_owned()
    }

    #[rstest]
    #[case::start(
        Verb::Start,
        "source: setsid sh -c 'echo $$ >workload.pid; exec ./ticker' </dev/null >>ticker.ticks 2>>workload.err &"
    )]
    #[case::pre_dump(
        Verb::PreDump { to: name("b"), parent: Some(name("a")) },
        "source: mkdir -p images/b && criu pre-dump -t \"$(cat workload.pid)\" -D images/b -o pre-dump.log -v4 \
         --track-mem --prev-images-dir ../a --tcp-established && test -e images/b/parent"
    )]
    #[case::dump(
        Verb::Dump { to: name("c"), parent: None, leave_running: true, dir: false, carried: false },
        "source: mkdir -p images/c && criu dump -t \"$(cat workload.pid)\" -D images/c -o dump.log -v4 \
         --leave-running --tcp-established"
    )]
    #[case::restore(
        Verb::Restore { from: name("c"), dir: false, fresh: false },
        "source: criu restore -d -D images/c -o restore.log -v4 --tcp-established"
    )]
    fn first_commands(#[case] verb: Verb, #[case] expected: &str) {
        assert_eq!(lines(verb, &["--tcp-established"])[0], expected);
    }

    #[test]
    fn a_transfer_packs_carries_and_unpacks() {
        let lines = lines(Verb::Transfer { checkpoint: name("c") }, &[]);
        assert_eq!(
            lines,
            [
                "source: for images in images/*; do [ -e \"$images/carried\" ] || echo \"$images\"; done \
                 >carry.list && rm -rf carry && mkdir carry && cp -p workload.err ticker.ticks carry/ && \
                 tar -cf carry.tar -T carry.list workload.pid ticker -C carry workload.err ticker.ticks && \
                 while read -r images; do touch \"$images/carried\"; done <carry.list",
                "carry carry.tar",
                "destination: tar -xpf carry.tar && du -sk images/c",
            ]
        );
    }

    #[test]
    fn memory_goes_by_the_network() {
        let workload = Workload::named("ticker").unwrap();
        let settings = Settings::default();
        let scene = Scene { workload, settings: &settings };
        let lines = |verb: Verb, way, on| {
            let step = Step { by: Some(way), on, ..Step::plain(verb) };
            let actions = Criu.lower(&step, &scene).unwrap();
            let line = |action: Action| match action {
                Action::Run(role, command) => format!("{}: {}", role.name(), command.line),
                Action::Carry(file) => format!("carry {file}"),
            };
            actions.into_iter().map(line).collect::<Vec<_>>().join("\n")
        };
        let dump =
            || Verb::Dump { to: name("c"), parent: None, leave_running: false, dir: false, carried: true };
        let restore = Verb::Restore { from: name("c"), dir: false, fresh: false };
        let all = [
            lines(dump(), Way::PageServer, Role::Source),
            lines(dump(), Way::LazyPages, Role::Source),
            lines(restore, Way::LazyPages, Role::Destination),
        ];
        insta::assert_snapshot!(all.join("\n\n"), @r#"
        destination: mkdir -p images/c && criu page-server --daemon -D images/c -o page-server.log -v4 --port 27000
        source: mkdir -p images/c && criu dump -t "$(cat workload.pid)" -D images/c -o dump.log -v4 --page-server --address "$(cat peer)" --port 27000

        source: rm -f ready && mkfifo ready && { mkdir -p images/c && criu dump -t "$(cat workload.pid)" -D images/c -o dump.log -v4 --lazy-pages --port 27000 --status-fd 3 3>ready </dev/null >/dev/null 2>&1 & } && if [ "$(head -c 1 ready | wc -c)" = 0 ]; then wait $!; exit 1; fi

        destination: criu lazy-pages --daemon --pidfile lazy-pages.pid -D images/c -o lazy-pages.log -v4 --page-server --address "$(cat peer)" --port 27000
        destination: criu restore -d -D images/c -o restore.log -v4 --lazy-pages && while kill -0 "$(cat images/c/lazy-pages.pid)" 2>/dev/null; do sleep 0.05; done
        "#);
    }

    #[test]
    fn an_option_with_a_blank_stays_one_word() {
        let restore = &lines(
            Verb::Restore { from: name("c"), dir: false, fresh: false },
            &["--action-script", "echo hi"],
        )[0];
        assert!(restore.ends_with("--action-script 'echo hi'"), "{restore}");
    }
}
