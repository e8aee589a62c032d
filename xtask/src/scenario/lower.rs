//! From a scenario as written to a story as played: once, in one direction, with a caret at whatever is wrong.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use super::Story;
use super::file::{ScenarioFile, StepTable};
use super::words::{Lowered, features, verbs};
use crate::model::{Expectation, Role, Step, Verb};
use crate::toml_file::{FileError, Source};

/// Lowers a file. `workloads` are the names that `start` may give.
///
/// # Errors
/// At the first step that is unclear, out of order, or proves nothing.
pub(super) fn lower(name: &str, source: &Source, file: &ScenarioFile, workloads: &[&str]) -> Lowered<Story> {
    let summary = file.summary.get_ref().trim();
    if summary.is_empty() || summary.contains('\n') {
        return Err(source.wrong(file.summary.span(), "the summary must be one sentence on one line"));
    }
    let features = features(source, &file.feature)?;
    let mut scene = Scene::new(source, workloads);
    let mut steps = Vec::new();
    for table in &file.step {
        steps.push(scene.step(table)?);
    }
    scene.end()?;
    Ok(Story {
        name: name.to_owned(),
        summary: summary.to_owned(),
        workload: scene.workload.unwrap_or_default(),
        features,
        steps,
    })
}

/// What is known at a point of the story.
struct Scene<'a> {
    source: &'a Source,
    workloads: &'a [&'a str],
    workload: Option<String>,
    checkpoints: BTreeMap<String, Checkpoint>,
    /// Whether there is a second host: the first transfer makes one.
    moved: bool,
    /// The last restore that nobody has looked at, and where it happened.
    unseen: Option<(Range<usize>, Role)>,
    looked: bool,
}

/// What is known of a checkpoint.
struct Checkpoint {
    /// A pre-dump cannot be restored.
    restorable: bool,
    /// The hosts that have its images.
    on: Vec<Role>,
}

impl<'a> Scene<'a> {
    fn new(source: &'a Source, workloads: &'a [&'a str]) -> Self {
        Self {
            source,
            workloads,
            workload: None,
            checkpoints: BTreeMap::new(),
            moved: false,
            unseen: None,
            looked: false,
        }
    }

    fn step(&mut self, table: &Spanned<StepTable>) -> Lowered<Step> {
        let step = table.get_ref();
        self.one_verb(table)?;
        self.only_fitting_words(step)?;
        let on = step.on.as_ref().map_or(Role::Source, |on| *on.get_ref());
        if on == Role::Destination && !self.moved {
            let span = step.on.as_ref().map_or(0..0, Spanned::span);
            return Err(self
                .source
                .wrong(span, "there is no second host yet")
                .help("put a `transfer` before it"));
        }
        let verb = self.verb(step, on)?;
        if self.workload.is_none() {
            let span = table.span();
            return Err(self
                .source
                .wrong(span, "nothing runs yet")
                .help("let the first step be `start = \"…\"`"));
        }
        Ok(Step { verb, on, opts: self.opts(step)? })
    }

    fn one_verb(&self, table: &Spanned<StepTable>) -> Lowered<()> {
        let verbs = verbs(table.get_ref());
        let legal = "one of `start`, `ticks`, `pre-dump`, `dump`, `restore`, `kill`, `transfer`, `expect`";
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

    fn only_fitting_words(&self, step: &StepTable) -> Lowered<()> {
        let dumps = step.pre_dump.is_some() || step.dump.is_some();
        let stays = step.start.is_some() || step.transfer.is_some();
        let misplaced = [
            (step.on.as_ref().map(Spanned::span), !stays, "on", "any verb but `start` and `transfer`"),
            (step.parent.as_ref().map(Spanned::span), dumps, "parent", "`pre-dump` and `dump`"),
            (step.leave_running.as_ref().map(Spanned::span), step.dump.is_some(), "leave-running", "`dump`"),
            (
                step.opts.as_ref().map(Spanned::span),
                dumps || step.restore.is_some(),
                "opts",
                "`pre-dump`, `dump` and `restore`",
            ),
        ];
        for (span, fits, word, verbs) in misplaced {
            if let (Some(span), false) = (span, fits) {
                return Err(self.source.wrong(span, format!("`{word}` goes with {verbs} only")));
            }
        }
        Ok(())
    }

    fn verb(&mut self, step: &StepTable, on: Role) -> Lowered<Verb> {
        if let Some(start) = &step.start {
            return self.start(start);
        }
        if let Some(ticks) = &step.ticks {
            return Ok(Verb::Ticks(*ticks.get_ref()));
        }
        if let Some(name) = &step.pre_dump {
            let parent = self.parent(step)?;
            return Ok(Verb::PreDump { to: self.new_checkpoint(name, false, on)?, parent });
        }
        if let Some(name) = &step.dump {
            let parent = self.parent(step)?;
            let leave_running = step.leave_running.as_ref().is_some_and(|leave| *leave.get_ref());
            return Ok(Verb::Dump { to: self.new_checkpoint(name, true, on)?, parent, leave_running });
        }
        if let Some(name) = &step.restore {
            return self.restore(name, on);
        }
        if let Some(name) = &step.kill {
            self.same_workload(name)?;
            return Ok(Verb::Kill);
        }
        if let Some(name) = &step.transfer {
            return self.transfer(name);
        }
        let expectation = step.expect.as_ref().map_or(Expectation::Gone, |expect| *expect.get_ref());
        if expectation != Expectation::Gone {
            self.looked = true;
        }
        if expectation == Expectation::Continues {
            self.continues(step.expect.as_ref().map_or(0..0, Spanned::span), on)?;
        }
        Ok(Verb::Expect(expectation))
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

    fn transfer(&mut self, name: &Spanned<String>) -> Lowered<Verb> {
        let checkpoint = self.restorable(name, Role::Source)?;
        self.moved = true;
        if let Some(known) = self.checkpoints.get_mut(&checkpoint) {
            known.on.push(Role::Destination);
        }
        Ok(Verb::Transfer { checkpoint })
    }

    fn restore(&mut self, name: &Spanned<String>, on: Role) -> Lowered<Verb> {
        let from = self.restorable(name, on)?;
        if let Some((unseen, _)) = self.unseen.replace((name.span(), on)) {
            return Err(self.unproven(unseen));
        }
        Ok(Verb::Restore { from })
    }

    fn new_checkpoint(&mut self, name: &Spanned<String>, restorable: bool, on: Role) -> Lowered<String> {
        let word = name.get_ref();
        if word.is_empty() || !word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(self
                .source
                .wrong(name.span(), "a checkpoint's name is made of letters, digits and `-`"));
        }
        if self.checkpoints.insert(word.clone(), Checkpoint { restorable, on: vec![on] }).is_some() {
            return Err(self.source.wrong(name.span(), format!("there is a checkpoint `{word}` already")));
        }
        Ok(word.clone())
    }

    fn parent(&self, step: &StepTable) -> Lowered<Option<String>> {
        let Some(parent) = &step.parent else { return Ok(None) };
        match self.checkpoints.get(parent.get_ref()) {
            Some(Checkpoint { restorable: false, .. }) => Ok(Some(parent.get_ref().clone())),
            Some(_) => Err(self.source.wrong(parent.span(), "a dump is no parent: only a pre-dump is")),
            None => Err(self.no_checkpoint(parent, false)),
        }
    }

    /// The checkpoint of that name, where its images are on that host.
    fn restorable(&self, name: &Spanned<String>, on: Role) -> Lowered<String> {
        let word = name.get_ref();
        match self.checkpoints.get(word) {
            Some(checkpoint) if !checkpoint.restorable => {
                Err(self.source.wrong(name.span(), "a pre-dump cannot be restored: dump first"))
            }
            Some(checkpoint) if checkpoint.on.contains(&on) => Ok(word.clone()),
            Some(_) => {
                let error =
                    self.source.wrong(name.span(), format!("`{word}` is not on the {} yet", on.name()));
                Err(match on {
                    Role::Destination => error.help(format!("put `transfer = \"{word}\"` before it")),
                    Role::Source => {
                        error.help("checkpoints are carried from the source to the destination only")
                    }
                })
            }
            None => Err(self.no_checkpoint(name, true)),
        }
    }

    fn no_checkpoint(&self, name: &Spanned<String>, restorable: bool) -> Box<FileError> {
        let fitting: Vec<_> = self
            .checkpoints
            .iter()
            .filter(|(_, it)| it.restorable == restorable)
            .map(|(name, _)| name)
            .collect();
        let error =
            self.source.wrong(name.span(), format!("no checkpoint `{}` at this point", name.get_ref()));
        if fitting.is_empty() { error } else { error.help(format!("there is {}", quoted(fitting.iter()))) }
    }

    fn opts(&self, step: &StepTable) -> Lowered<Vec<String>> {
        let Some(opts) = &step.opts else { return Ok(Vec::new()) };
        shlex::split(opts.get_ref())
            .ok_or_else(|| self.source.wrong(opts.span(), "a quotation mark is not closed"))
    }

    fn end(&self) -> Lowered<()> {
        if let Some((unseen, _)) = &self.unseen {
            return Err(self.unproven(unseen.clone()));
        }
        if !self.looked {
            let end = self.source.text.len();
            return Err(self
                .source
                .wrong(end.saturating_sub(1)..end, "the story proves nothing: no step looks at the program")
                .help("end it with `expect = \"continues\"`"));
        }
        Ok(())
    }

    fn unproven(&self, restore: Range<usize>) -> Box<FileError> {
        self.source
            .wrong(restore, "nobody looks at what this restore brought back")
            .help("put `expect = \"continues\"` after it, before the next restore or the end")
    }
}

fn quoted(words: impl Iterator<Item = impl AsRef<str>>) -> String {
    words.map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}
