//! From a scenario as written to a story as played: once, in one direction, with a caret at whatever is wrong.

use std::ops::Range;

use toml::Spanned;

use super::Story;
use super::checkpoints::Checkpoints;
use super::file::{ScenarioFile, StepTable};
use super::fitting::only_fitting_words;
use super::hanging::Hanging;
use super::whole::{flavored, tell_by_which_way, tell_what_is_carried};
use super::words::{Lowered, features, quoted, unproven, verbs};
use crate::known_bug::KnownBugTable;
use crate::model::{Expectation, Role, Step, Verb};
use crate::toml_file::Source;

/// Lowers a file. `workloads` are the names that `start` may give.
///
/// # Errors
/// At the first step that is unclear, out of order, or proves nothing.
pub(super) fn lower(
    name: &str,
    source: &Source,
    file: &ScenarioFile,
    workloads: &[&str],
) -> Lowered<Vec<Story>> {
    let summary = file.summary.get_ref().trim();
    if summary.is_empty() || summary.contains('\n') {
        return Err(source.wrong(file.summary.span(), "the summary must be one sentence on one line"));
    }
    let features = features(source, &file.feature)?;
    let known_bugs = KnownBugTable::of_scenario(source, &file.known_bug)?;
    let publishes = file.container.as_ref().is_some_and(|settings| settings.publish.is_some());
    let mut scene = Scene::new(source, workloads, publishes);
    let mut steps = Vec::new();
    for table in &file.step {
        steps.push(scene.step(table)?);
    }
    scene.end()?;
    tell_what_is_carried(&mut steps);
    tell_by_which_way(source, &file.step, &mut steps)?;
    let story = Story {
        name: name.to_owned(),
        summary: summary.to_owned(),
        workload: scene.workload.unwrap_or_default(),
        features,
        settings: file.container.clone().unwrap_or_default(),
        only: file.only.clone(),
        known_bugs,
        steps,
    };
    if file.flavor.is_empty() {
        return Ok(vec![story]);
    }
    Ok(file.flavor.iter().map(|flavor| flavored(&story, *flavor.get_ref())).collect())
}

/// What is known at a point of the story.
struct Scene<'a> {
    source: &'a Source,
    workloads: &'a [&'a str],
    workload: Option<String>,
    checkpoints: Checkpoints<'a>,
    /// Whether there is a second host: the first transfer makes one.
    moved: bool,
    /// The last restore that nobody has looked at, and where it happened.
    unseen: Option<(Range<usize>, Role)>,
    looked: bool,
    /// The containers that restores have made, by host.
    made: Vec<(String, Role)>,
    hanging: Hanging,
    /// Whether the container publishes a port.
    publishes: bool,
    /// Whether somebody has connected to it.
    connected: bool,
}

impl<'a> Scene<'a> {
    fn new(source: &'a Source, workloads: &'a [&'a str], publishes: bool) -> Self {
        Self {
            source,
            workloads,
            workload: None,
            checkpoints: Checkpoints::new(source),
            moved: false,
            unseen: None,
            looked: false,
            made: Vec::new(),
            hanging: Hanging::default(),
            publishes,
            connected: false,
        }
    }

    fn step(&mut self, table: &Spanned<StepTable>) -> Lowered<Step> {
        let step = table.get_ref();
        self.one_verb(table)?;
        only_fitting_words(self.source, step)?;
        let place = step.on.as_ref().or(step.power_cut.as_ref());
        let on = place.map_or(Role::Source, |on| *on.get_ref());
        if on == Role::Destination && !self.moved {
            let span = place.map_or(0..0, Spanned::span);
            return Err(self
                .source
                .wrong(span, "there is no second host yet")
                .help("put a `transfer` before it"));
        }
        let refused = step.refused.as_ref().is_some_and(|refused| *refused.get_ref());
        let hangs = self.hanging.step(self.source, table)?;
        self.looked |= hangs;
        let container = self.container(step, on)?;
        let verb = self.verb(step, on, refused || hangs)?;
        if self.workload.is_none() {
            let span = table.span();
            return Err(self
                .source
                .wrong(span, "nothing runs yet")
                .help("let the first step be `start = \"…\"`"));
        }
        let deadline = step.deadline.as_ref().map(|deadline| *deadline.get_ref());
        Ok(Step {
            verb,
            on,
            container,
            refused,
            hangs,
            deadline,
            by: step.by.as_ref().map(|by| *by.get_ref()),
            cpuinfo: step.cpuinfo.as_ref().is_some_and(|it| *it.get_ref()),
            opts: self.opts(step)?,
        })
    }

    fn one_verb(&self, table: &Spanned<StepTable>) -> Lowered<()> {
        let verbs = verbs(table.get_ref());
        let legal = "one of `start`, `ticks`, `pre-dump`, `dump`, `restore`, `kill`, `pause`, `unpause`, `stop`, \
                     `start-again`, `remove`, `connect`, `reach`, `exec`, `forget`, `checkpoints`, `stop-daemon`, \
                     `transfer`, `sync`, `periodic`, `newest`, `power-cut`, `expect`";
        match verbs.as_slice() {
            [_] => Ok(()),
            [] => {
                Err(self.source.wrong(table.span(), "this step has no verb").help(format!("give it {legal}")))
            }
            [(first, _), (second, span), ..] => Err(self
                .source
                .wrong(span.clone(), format!("`{first}` and `{second}` in one step"))
                .help("a step has one verb: begin another [[step]]")),
        }
    }

    fn verb(&mut self, step: &StepTable, on: Role, refused: bool) -> Lowered<Verb> {
        let yes = |word: &Option<Spanned<bool>>| word.as_ref().is_some_and(|word| *word.get_ref());
        if let Some(start) = &step.start {
            return self.start(start);
        }
        if let Some(ticks) = &step.ticks {
            return Ok(Verb::Ticks(*ticks.get_ref()));
        }
        if let Some(name) = &step.pre_dump {
            let parent = self.checkpoints.parent(step.parent.as_ref())?;
            return Ok(Verb::PreDump { to: self.checkpoints.add(name, false, on)?, parent });
        }
        if let Some(name) = &step.dump {
            let parent = self.checkpoints.parent(step.parent.as_ref())?;
            let to = if refused { name.get_ref().clone() } else { self.checkpoints.add(name, true, on)? };
            let (leave_running, dir) = (yes(&step.leave_running), yes(&step.dir));
            return Ok(Verb::Dump { to, parent, leave_running, dir, carried: false });
        }
        if let Some(name) = &step.restore {
            return self.restore(name, step, on, refused);
        }
        for (name, verb) in [
            (&step.kill, Verb::Kill),
            (&step.pause, Verb::Pause),
            (&step.unpause, Verb::Unpause),
            (&step.stop, Verb::Stop),
            (&step.start_again, Verb::StartAgain),
            (&step.remove, Verb::Remove { force: yes(&step.force) }),
        ] {
            if let Some(name) = name {
                self.same_workload(name)?;
                return Ok(verb);
            }
        }
        if let Some(name) = &step.connect {
            return self.connect(name, yes(&step.talks_on));
        }
        if let Some(name) = &step.reach {
            self.published(name)?;
            self.connected = true;
            return Ok(Verb::Reach);
        }
        if let Some(line) = &step.exec {
            return Ok(Verb::Exec(line.get_ref().clone()));
        }
        if let Some(name) = &step.forget {
            return self.checkpoints.forget(name, on).map(Verb::Forget);
        }
        if let Some(names) = &step.checkpoints {
            self.looked = true;
            return Ok(Verb::Checkpoints(names.get_ref().clone()));
        }
        if let Some(which) = &step.stop_daemon {
            return Ok(Verb::StopDaemon(*which.get_ref()));
        }
        if let Some(name) = &step.transfer {
            let checkpoint = self.checkpoints.transfer(name)?;
            self.moved = true;
            return Ok(Verb::Transfer { checkpoint });
        }
        if let Some(sync) = &step.sync {
            return if *sync.get_ref() {
                Ok(Verb::Sync)
            } else {
                Err(self.source.wrong(sync.span(), "a step that does nothing").help("write `sync = true`"))
            };
        }
        if let Some(name) = &step.periodic {
            return Ok(Verb::Periodic { to: self.checkpoints.add(name, true, on)? });
        }
        if let Some(series) = &step.newest {
            return self.checkpoints.restorable(series, on).map(Verb::Newest);
        }
        if step.power_cut.is_some() {
            if let Some((unseen, _)) = self.unseen.take() {
                return Err(unproven(self.source, unseen));
            }
            let amid =
                step.amid.as_ref().map(|series| self.checkpoints.restorable(series, on)).transpose()?;
            return Ok(Verb::PowerCut { amid });
        }
        let expectation = step.expect.as_ref().map_or(Expectation::Gone, |expect| *expect.get_ref());
        if expectation != Expectation::Gone {
            self.looked = true;
        }
        if matches!(expectation, Expectation::Running | Expectation::Continues)
            && self.publishes
            && !self.connected
        {
            let span = step.expect.as_ref().map_or(0..0, Spanned::span);
            let error = self.source.wrong(span, "nobody has connected to the published port");
            return Err(error.help("put a `connect` or a `reach` before it"));
        }
        if expectation == Expectation::Continues {
            self.continues(step.expect.as_ref().map_or(0..0, Spanned::span), on)?;
        }
        Ok(Verb::Expect(expectation))
    }

    /// A container is there once a restore has made it.
    fn container(&self, step: &StepTable, on: Role) -> Lowered<Option<String>> {
        let Some(name) = &step.container else { return Ok(None) };
        let word = name.get_ref();
        if word.is_empty() || !word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        {
            let error = "a container's name is made of small letters, digits and `-`";
            return Err(self.source.wrong(name.span(), error));
        }
        if step.restore.is_none() && !self.made.contains(&(word.clone(), on)) {
            let error = self.source.wrong(name.span(), format!("there is no container `{word}` yet"));
            return Err(error.help("a `restore` into it makes it"));
        }
        Ok(Some(word.clone()))
    }

    fn start(&mut self, name: &Spanned<String>) -> Lowered<Verb> {
        if self.workload.is_some() {
            return Err(self
                .source
                .wrong(name.span(), "a story has one workload, and it was started already"));
        }
        if !self.workloads.contains(&name.get_ref().as_str()) {
            return Err(self
                .source
                .wrong(name.span(), format!("no workload `{}`", name.get_ref()))
                .help(format!("the workloads are {}", quoted(self.workloads.iter()))));
        }
        self.workload = Some(name.get_ref().clone());
        Ok(Verb::Start)
    }

    fn same_workload(&self, name: &Spanned<String>) -> Lowered<()> {
        match &self.workload {
            Some(workload) if workload == name.get_ref() => Ok(()),
            Some(workload) => {
                Err(self.source.wrong(name.span(), format!("only `{workload}` runs in this story")))
            }
            None => Ok(()),
        }
    }

    fn published(&self, name: &Spanned<String>) -> Lowered<()> {
        self.same_workload(name)?;
        if self.publishes {
            return Ok(());
        }
        let error = self.source.wrong(name.span(), "the container publishes no port");
        Err(error.help("give the story a `[container]` with `publish = 7000`"))
    }

    fn connect(&mut self, name: &Spanned<String>, talks_on: bool) -> Lowered<Verb> {
        self.published(name)?;
        if self.connected {
            return Err(self.source.wrong(name.span(), "a story has one peer, and it has connected already"));
        }
        self.connected = true;
        Ok(Verb::Connect { talks_on })
    }

    fn continues(&mut self, span: Range<usize>, on: Role) -> Lowered<()> {
        match self.unseen.take() {
            Some((_, restored_on)) if restored_on == on => Ok(()),
            Some((_, restored_on)) => Err(self
                .source
                .wrong(span, format!("the last restore was on the {}", restored_on.name()))
                .help(format!("write `on = \"{}\"` beside it", restored_on.name()))),
            None => Err(self
                .source
                .wrong(span, "nothing was restored that could continue")
                .help("write `expect = \"running\"` for a program that was never stopped")),
        }
    }

    fn restore(
        &mut self,
        name: &Spanned<String>,
        step: &StepTable,
        on: Role,
        refused: bool,
    ) -> Lowered<Verb> {
        let from = self.checkpoints.restorable(name, on)?;
        let dir = step.dir.as_ref().is_some_and(|dir| *dir.get_ref());
        let mut fresh = false;
        if let Some(container) = &step.container {
            let container = (container.get_ref().clone(), on);
            fresh = !self.made.contains(&container);
            if fresh {
                self.made.push(container);
            }
        }
        if refused {
            self.looked = true;
        } else if let Some((unseen, _)) = self.unseen.replace((name.span(), on)) {
            return Err(unproven(self.source, unseen));
        }
        Ok(Verb::Restore { from, dir, fresh })
    }

    fn opts(&self, step: &StepTable) -> Lowered<Vec<String>> {
        let Some(opts) = &step.opts else { return Ok(Vec::new()) };
        shlex::split(opts.get_ref())
            .ok_or_else(|| self.source.wrong(opts.span(), "a quotation mark is not closed"))
    }

    fn end(&self) -> Lowered<()> {
        if let Some((unseen, _)) = &self.unseen {
            return Err(unproven(self.source, unseen.clone()));
        }
        self.hanging.end(self.source)?;
        if !self.looked {
            let end = self.source.text.len();
            return Err(self
                .source
                .wrong(end.saturating_sub(1)..end, "the story proves nothing: no step looks at the program")
                .help("end it with `expect = \"continues\"`"));
        }
        Ok(())
    }
}
