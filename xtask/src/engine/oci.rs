//! What runc and crun have in common: bundles, and the command line that the one took over from the other.

use super::lowering::{
    Engine, Look, PATIENCE, PROOF, Refusal, Scene, WORK_FOLDER, file, here, more_ticks, quoted, refuse, run,
    stands_still, sync,
};
use super::series;
use crate::model::{Action, Command, Expectation, Role, Settings, Step, Verb, View, Workload};

/// The container that a story begins with, as in everybody's first checkpoint.
pub(super) const FIRST: &str = "looper";

/// The container's name.
pub(super) fn name(container: Option<&str>) -> &str {
    container.unwrap_or(FIRST)
}

/// Makes `rootfs` of the userland's busybox, its libc and every workload.
pub(super) fn root_file_system() -> Command {
    Command::new("sh ./make-rootfs.sh rootfs").within(120)
}

/// Options of CRIU that the runtime has itself.
const OPTS: &[&str] = &["--tcp-established", "--ext-unix-sk", "--shell-job", "--file-locks"];

/// A runtime by its program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runtime(pub(super) &'static str);

impl Runtime {
    pub(super) fn lower(
        self,
        engine: &dyn Engine,
        step: &Step,
        scene: &Scene<'_>,
    ) -> Result<Vec<Action>, Refusal> {
        if step.by.is_some() || step.cpuinfo {
            return refuse(engine, "has no word for CRIU's page server, lazy pages or cpuinfo");
        }
        let Self(program) = self;
        let (on, workload) = (step.on, scene.workload);
        let name = name(step.container.as_deref());
        let opts = self.opts(engine, step)?;
        let ticks = |more, seconds| {
            run(on, more_ticks(workload, more, seconds, &|file| here(&output(name, workload, file))))
        };
        let dump = format!(
            "{program} checkpoint --leave-running --image-path \"$PWD/$to\" --work-path \"$PWD/$to\"{opts} {name}"
        );
        if let Some(actions) =
            series::lower(&step.verb, on, workload, &dump, &|file| here(&output(name, workload, file)))
        {
            return Ok(actions);
        }
        Ok(match &step.verb {
            Verb::Start => {
                let mut actions = self.bundle(engine, on, name, scene)?;
                actions.extend([run(on, self.start(name, workload)), ticks(1, PATIENCE)]);
                actions
            }
            Verb::Ticks(more) => vec![ticks(*more, PATIENCE + u64::from(*more))],
            Verb::PreDump { to, parent } => {
                vec![run(on, self.checkpoint(name, to, parent.as_deref(), " --pre-dump", &opts))]
            }
            Verb::Dump { to, parent, leave_running, .. } => {
                let stays = if *leave_running { " --leave-running" } else { "" };
                vec![run(on, self.checkpoint(name, to, parent.as_deref(), stays, &opts))]
            }
            Verb::Restore { from, fresh, .. } => {
                let mut actions = if *fresh { self.bundle(engine, on, name, scene)? } else { Vec::new() };
                actions.push(run(on, self.restore(name, from, workload, &opts)));
                actions
            }
            Verb::Kill => vec![run(on, self.end(name))],
            Verb::Stop => vec![run(on, self.stop(name))],
            Verb::StartAgain => {
                // Such a runtime starts no container twice: it is made anew, of the same bundle.
                let delete = run(on, Command::new(format!("{program} delete {name}")));
                vec![delete, run(on, self.start(name, workload)), ticks(1, PATIENCE)]
            }
            Verb::Pause => vec![run(on, Command::new(format!("{program} pause {name}")))],
            Verb::Unpause => vec![run(on, Command::new(format!("{program} resume {name}")))],
            Verb::Remove { force: false } => vec![run(on, Command::new(format!("{program} delete {name}")))],
            Verb::Remove { force: true } => {
                vec![run(on, Command::new(format!("{program} delete --force {name}")))]
            }
            Verb::Connect { .. } | Verb::Reach => {
                return refuse(engine, "has no network of its own: it publishes no port");
            }
            Verb::Exec(line) => {
                // crun 1.28 begins in / and not where the container's own process does.
                let line = quoted(line);
                vec![run(on, Command::new(format!("{program} exec --cwd /work {name} sh -c {line}")))]
            }
            Verb::Transfer { checkpoint } => transfer(workload, checkpoint),
            Verb::Sync => sync(on),
            Verb::Expect(Expectation::Running | Expectation::Continues | Expectation::Fresh) => {
                vec![ticks(PROOF, PATIENCE)]
            }
            Verb::Expect(Expectation::Paused) => {
                vec![run(on, stands_still(workload, &|file| here(&output(name, workload, file))))]
            }
            Verb::Expect(_) => Vec::new(),
            Verb::PowerCut { .. } | Verb::Periodic { .. } | Verb::Newest(_) => {
                return refuse(engine, "has no such notion");
            }
            Verb::StopDaemon(_) => return refuse(engine, "has no daemon"),
            Verb::Forget(_) | Verb::Checkpoints(_) => return refuse(engine, "keeps no list of checkpoints"),
        })
    }

    pub(super) fn afresh(self, step: &Step, scene: &Scene<'_>) -> Vec<Action> {
        vec![run(step.on, self.start(name(step.container.as_deref()), scene.workload))]
    }

    pub(super) fn root(self, container: Option<&str>) -> String {
        format!("$({} state {} | {PID})", self.0, name(container))
    }

    pub(super) fn look(self, container: Option<&str>, scene: &Scene<'_>) -> Look {
        let (Self(program), name) = (self, name(container));
        let read = |name_of: &str| (name_of.to_owned(), file(&output(name, scene.workload, name_of), true));
        // Whether it is there is asked of the list: `state` fails for more than one reason. A runtime that has never
        // run has no folder, and some then have no list either.
        let root = format!(
            "[ -e /run/{program} ] || exit 0; list=$({program} list --quiet) && if echo \"$list\" | grep -qx {name}; then \
             state=$({program} state {name}) && echo \"$state\" | {STATUS} && echo \"$state\" | {PID}; fi"
        );
        Look {
            outputs: scene.workload.outputs().into_iter().map(read).collect(),
            root: View::of(Command::new(root)),
            contained: true,
        }
    }

    /// A bundle of its own, from the runtime's own example.
    fn bundle(
        self,
        engine: &dyn Engine,
        on: Role,
        name: &str,
        scene: &Scene<'_>,
    ) -> Result<Vec<Action>, Refusal> {
        let edits = edits(scene.workload, scene.settings).or_else(|words| refuse(engine, words))?;
        let line = format!(
            "mkdir {name} && cp -a rootfs {name}/ && (cd {name} && {} spec && sed -i {} config.json)",
            self.0,
            edits.iter().map(|edit| format!("-e {}", quoted(edit))).collect::<Vec<_>>().join(" ")
        );
        let mut actions = folders(on, scene);
        actions.push(run(on, Command::new(line)));
        Ok(actions)
    }

    /// Its output goes to a pipe that outlives this shell, as under an engine's shim.
    fn start(self, name: &str, workload: &Workload) -> Command {
        Command::new(format!(
            "sh ./detached.sh {name}.{} {} run -d --bundle {name} {name}",
            workload.output, self.0
        ))
    }

    fn checkpoint(self, name: &str, to: &str, parent: Option<&str>, words: &str, opts: &str) -> Command {
        let images = format!("\"$PWD/images/{to}\"");
        let mut line = format!(
            "mkdir -p images && {} checkpoint{words} --image-path {images} --work-path {images}",
            self.0
        );
        if let Some(parent) = parent {
            line.push_str(&format!(" --parent-path ../{parent}"));
        }
        line.push_str(&format!("{opts} {name}"));
        if parent.is_some() {
            line.push_str(&format!(" && test -e images/{to}/parent"));
        }
        Command::new(line).within(120).keeping(format!("images/{to}/dump.log"))
    }

    fn restore(self, name: &str, from: &str, workload: &Workload, opts: &str) -> Command {
        let images = format!("\"$PWD/images/{from}\"");
        let line = format!(
            "sh ./detached.sh {name}.{} {} restore -d --bundle {name} --image-path {images} --work-path {images}{opts} {name}",
            workload.output, self.0
        );
        Command::new(line).within(120).keeping(format!("images/{from}/restore.log"))
    }

    /// Ends it, waits for its end, and takes it out of the list, which holds its name otherwise.
    fn end(self, name: &str) -> Command {
        let (Self(program), stopped) = (self, self.stopped(name));
        Command::new(format!(
            "{program} kill {name} KILL && tries=200 && until {stopped} || [ $tries = 0 ]; do \
             tries=$((tries - 1)); sleep 0.1; done && {program} delete {name}"
        ))
    }

    /// As engines do: SIGTERM, which a process 1 without a handler never gets, and SIGKILL two seconds later. It stays in
    /// the list.
    fn stop(self, name: &str) -> Command {
        let (Self(program), stopped) = (self, self.stopped(name));
        Command::new(format!(
            "{program} kill {name} TERM; tries=20; until {stopped} || [ $tries = 0 ]; do tries=$((tries - 1)); \
             sleep 0.1; done; {stopped} || {program} kill {name} KILL; tries=200; \
             until {stopped} || [ $tries = 0 ]; do tries=$((tries - 1)); sleep 0.1; done; {stopped}"
        ))
    }

    fn stopped(self, name: &str) -> String {
        format!("{} state {name} | grep -q '\"status\": *\"stopped\"'", self.0)
    }

    fn opts(self, engine: &dyn Engine, step: &Step) -> Result<String, Refusal> {
        match step.opts.iter().find(|opt| !OPTS.contains(&opt.as_str())) {
            Some(opt) => refuse(engine, format!("hands no {opt} to CRIU")),
            None => Ok(step.opts.iter().map(|opt| format!(" {opt}")).collect()),
        }
    }
}

/// Print the status and the process id in what `state` prints.
const STATUS: &str = "sed -n 's/.*\"status\": *\"\\([a-z]*\\)\".*/\\1/p'";
const PID: &str = "sed -n 's/.*\"pid\": *\\([1-9][0-9]*\\).*/\\1/p'";

/// Where an output of a container is found.
fn output(name: &str, workload: &Workload, file: &str) -> String {
    if workload.own_files { format!("work/{file}") } else { format!("{name}.{file}") }
}

/// Makes the folders that a container shares with its host, where it has any.
pub(super) fn folders(on: Role, scene: &Scene<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    if scene.workload.own_files {
        let line = format!("mkdir -p work && cp {} work/", scene.workload.files.join(" "));
        actions.push(run(on, Command::new(line)));
    }
    if scene.settings.bind.is_some() {
        actions.push(run(on, Command::new("mkdir -p shared")));
    }
    actions
}

/// What is changed in the runtime's example of a configuration.
fn edits(workload: &Workload, settings: &Settings) -> Result<Vec<String>, &'static str> {
    // A runtime has no init of its own: the userland's is in the container's root.
    let init: &[&str] = if settings.init { &["tini", "--"] } else { &[] };
    let words = init.iter().copied().chain(workload.command.split(' '));
    let words: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
    let mut edits = vec![
        "s/\"terminal\": true/\"terminal\": false/".to_owned(),
        "s/\"readonly\": true/\"readonly\": false/".to_owned(),
        "s|\"cwd\": \"/\"|\"cwd\": \"/work\"|".to_owned(),
        format!("s|^\\([[:space:]]*\\)\"sh\"$|\\1{}|", words.join(", ")),
    ];
    let mut mount = |source: &str, at: &str| {
        edits.push(format!(
            "s|\"mounts\": \\[|&{{\"destination\": \"{at}\", \"type\": \"bind\", \"source\": \"{WORK_FOLDER}/{source}\", \"options\": [\"bind\", \"rw\"]}},|"
        ));
    };
    if workload.own_files {
        mount("work", "/work");
    }
    if let Some(at) = &settings.bind {
        mount("shared", at);
    }
    if settings.unconfined {
        return Err("confines nothing by seccomp unless its bundle says so");
    }
    if settings.publish.is_some() {
        return Err("has no network of its own: it publishes no port");
    }
    let mut limits = String::new();
    if let Some(mib) = settings.memory_mib {
        limits.push_str(&format!("\"memory\": {{\"limit\": {}}}, ", u64::from(mib) << 20));
    }
    if let Some(pids) = settings.pids {
        limits.push_str(&format!("\"pids\": {{\"limit\": {pids}}}, "));
    }
    if let Some(percent) = settings.cpu_percent {
        let quota = u64::from(percent) * 1000;
        limits.push_str(&format!("\"cpu\": {{\"quota\": {quota}, \"period\": 100000}}, "));
    }
    if !limits.is_empty() {
        edits.push(format!("s|\"resources\": {{|&{limits}|"));
    }
    if let Some(hostname) = &settings.hostname {
        edits.push(format!("s|\"hostname\": \"[a-z]*\"|\"hostname\": \"{hostname}\"|"));
    }
    if let Some((user, group)) = settings.user {
        edits.push(format!("s|\"uid\": 0|\"uid\": {user}|"));
        edits.push(format!("s|\"gid\": 0|\"gid\": {group}|"));
    }
    // The examples grant three; the named one is not among the last of a list.
    if let Some(cap) = &settings.cap_drop {
        edits.push(format!("/\"CAP_{cap}\",/d"));
    }
    Ok(edits)
}

/// The images, the bundle with whatever was written in it, and the output.
fn transfer(workload: &Workload, checkpoint: &str) -> Vec<Action> {
    let mut still = format!("images/{checkpoint} {FIRST}");
    if workload.own_files {
        still.push_str(" work");
    }
    let pack = format!("tar -cf carry.tar {still}");
    vec![
        run(Role::Source, Command::new(pack).within(120)),
        Action::Carry("carry.tar".to_owned()),
        run(Role::Destination, Command::new("tar -xpf carry.tar").within(120)),
    ]
}
