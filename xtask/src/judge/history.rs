//! What a checker may look at: the story, and everything that was seen, by step.

use std::collections::BTreeMap;

use ::guest::witness::Expected;

use crate::model::{
    Listed, Observation, Place, Process, Role, Step, Tick, Verb, Workload, parse_inside, parse_processes,
    parse_ticks,
};
use crate::record::{CellRecord, CommandRecord};
use crate::scenario::Story;

/// Why an expectation does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unsound {
    /// The program is not what it should be: a fail.
    Fails(String),
    /// What is needed to tell was not seen: broken.
    Unasked(String),
}

/// An expectation that holds, or why it does not.
pub(super) type Finding = Result<(), Unsound>;

pub(super) fn fails<T>(reason: String) -> Result<T, Unsound> {
    Err(Unsound::Fails(reason))
}

pub(super) fn unasked(reason: impl Into<String>) -> Unsound {
    Unsound::Unasked(reason.into())
}

/// The ticks of each counter, in order.
pub(super) type Streams = BTreeMap<String, Vec<Tick>>;

/// One cell's past. Step numbers are the story's, from 0.
pub(super) struct History<'a> {
    pub(super) story: &'a Story,
    pub(super) workload: &'a Workload,
    record: &'a CellRecord,
}

/// What makes a counter the same program, and what that held from its first tick on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pid: i32,
    start: String,
    nonce: String,
    items: Option<String>,
}

impl<'a> History<'a> {
    pub(super) fn new(story: &'a Story, workload: &'a Workload, record: &'a CellRecord) -> Self {
        Self { story, workload, record }
    }

    /// The last look at a workload in a step.
    pub(super) fn look(&self, place: &Place, step: usize) -> Result<&'a Observation, Unsound> {
        let missing = || unasked(format!("nothing was seen of the {place} in step {}", step + 1));
        self.looks(place, step).last().ok_or_else(missing)
    }

    /// The last look at a workload before a step.
    pub(super) fn look_before(&self, place: &Place, step: usize) -> Result<&'a Observation, Unsound> {
        let missing = || unasked(format!("nothing was seen of the {place} before step {}", step + 1));
        self.last_look_before(place, step).ok_or_else(missing)
    }

    /// The same, where there may be none: a container that is made by the step was never seen before.
    pub(super) fn last_look_before(&self, place: &Place, step: usize) -> Option<&'a Observation> {
        (0..step).rev().find_map(|step| self.looks(place, step).last())
    }

    /// The looks at a workload in one step. In the record, number 0 is the check before the story.
    fn looks<'b>(&'b self, place: &'b Place, step: usize) -> impl Iterator<Item = &'a Observation> + 'b {
        self.seen(step).filter(move |look| look.place() == *place)
    }

    /// Everything that was seen in a step.
    fn seen(&self, step: usize) -> impl Iterator<Item = &'a Observation> + use<'a> {
        let record: &'a CellRecord = self.record;
        record
            .steps
            .iter()
            .filter(move |record| record.index == step + 1)
            .flat_map(|record| &record.observations)
    }

    /// What the first command of a step printed.
    pub(super) fn printed(&self, step: usize) -> Option<&'a str> {
        Some(self.commands(step).next()?.finished.stdout.as_str())
    }

    /// How long each command of a step took, in milliseconds.
    pub(super) fn millis(&self, step: usize) -> Vec<u64> {
        self.commands(step).map(|command| command.finished.millis).collect()
    }

    /// The lines that the commands of a step printed.
    pub(super) fn printed_lines(&self, step: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        self.commands(step).flat_map(|command| command.finished.stdout.lines())
    }

    fn commands(&self, step: usize) -> impl Iterator<Item = &'a CommandRecord> + use<'a> {
        let record: &'a CellRecord = self.record;
        record.steps.iter().filter(move |record| record.index == step + 1).flat_map(|record| &record.commands)
    }

    /// The nearest step before this one that is such a step.
    pub(super) fn step_before(&self, step: usize, wanted: impl Fn(&Step) -> bool) -> Option<usize> {
        (0..step).rev().find(|&step| wanted(&self.story.steps[step]))
    }

    /// The ticks of each counter in a look.
    pub(super) fn ticks(&self, look: &Observation) -> Result<Streams, Unsound> {
        self.ticks_after(look, None)
    }

    /// The ticks of each counter that came after an earlier look at the same guest.
    pub(super) fn ticks_after(
        &self,
        look: &Observation,
        earlier: Option<&Observation>,
    ) -> Result<Streams, Unsound> {
        let mut streams: Streams =
            self.workload.streams.iter().map(|stream| (stream.who.to_owned(), Vec::new())).collect();
        for file in self.workload.outputs() {
            let text = look.outputs.get(file).map_or("", String::as_str);
            let before = earlier.and_then(|earlier| earlier.outputs.get(file)).map_or("", String::as_str);
            if !text.starts_with(before) {
                return fails(format!(
                    "{file} does not begin with what was in it: it was cut or written over"
                ));
            }
            let untorn = self.untorn(look, file, text, before.rfind('\n').map_or(0, |end| end + 1));
            let ticks = parse_ticks(&untorn)
                .map_err(|line| Unsound::Fails(format!("a line in {file} is no tick: {line:?}")))?;
            for tick in ticks {
                match streams.get_mut(&tick.who) {
                    Some(stream) => stream.push(tick),
                    None => return fails(format!("{file} has a tick of `{}`, which nobody knows", tick.who)),
                }
            }
        }
        Ok(streams)
    }

    /// What an output holds from `begin` on, without the half lines that power cuts have left in it: of a line that was
    /// being written out, the disk has what fits its blocks, and nobody ever ends it.
    fn untorn(&self, look: &Observation, file: &str, text: &str, begin: usize) -> String {
        let place = look.place();
        let steps = self.story.steps.len();
        let now = (0..steps).find(|&step| self.seen(step).any(|seen| std::ptr::eq(seen, look)));
        let is_cut = |step: &usize| matches!(self.story.steps[*step].verb, Verb::PowerCut { .. });
        let cuts = (0..now.map_or(0, |now| now + 1)).filter(is_cut);
        let (mut whole, mut rest) = (String::new(), begin);
        for survived in cuts.filter_map(|step| self.looks(&place, step).last()?.outputs.get(file)) {
            let half = survived.rfind('\n').map_or(0, |end| end + 1);
            if survived.len() > half && half >= rest && text.starts_with(survived.as_str()) {
                whole.push_str(&text[rest..half]);
                rest = survived.len();
            }
        }
        whole + &text[rest..]
    }

    /// The ticks of each counter since the program was last started in a place, as they were seen in a step.
    pub(super) fn life(&self, place: &Place, step: usize) -> Result<Streams, Unsound> {
        let again = (0..=step).rev().find(|&it| {
            let it = &self.story.steps[it];
            it.place() == *place && it.verb == Verb::StartAgain
        });
        self.ticks_after(self.look(place, step)?, again.and_then(|again| self.last_look_before(place, again)))
    }

    /// Who each counter is: what its first tick on the source says, since it was last started.
    pub(super) fn identities(&self, step: usize) -> Result<BTreeMap<String, Identity>, Unsound> {
        let ticks = self.life(&Place::host(Role::Source), step)?;
        Ok(ticks
            .iter()
            .filter_map(|(who, ticks)| Some((who.clone(), Identity::of(ticks.first()?))))
            .collect())
    }

    /// The living processes of the workload in a look: those of the session that its root leads, or those below the
    /// container's root.
    pub(super) fn processes(&self, look: &Observation, step: usize) -> Result<Vec<Process>, Unsound> {
        let all = parse_processes(&look.stat);
        if all.is_empty() {
            return Err(unasked("the guest's processes were not seen"));
        }
        let alive: Vec<Process> = all.into_iter().filter(Process::is_alive).collect();
        if look.inside.is_none() {
            let root =
                look.pid.ok_or_else(|| unasked("the process id of the workload's root is not known"))?;
            return Ok(alive.into_iter().filter(|process| process.session == root).collect());
        }
        // Every kernel in reach tells it of every process.
        if look.inside.as_deref().is_some_and(|inside| !inside.contains("NSpid:")) {
            return Err(unasked("the guest's pid namespaces were not seen"));
        }
        Ok(self.contained(look, step, alive))
    }

    /// The processes of a container: its root and what is below it, and whatever is in a pid namespace of its own and
    /// below no other container's root.
    fn contained(&self, look: &Observation, step: usize, alive: Vec<Process>) -> Vec<Process> {
        let inside = parse_inside(look.inside.as_deref().unwrap_or_default());
        let parents: BTreeMap<i32, i32> = alive.iter().map(|process| (process.pid, process.parent)).collect();
        let below = |pid: i32, root: i32| {
            std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).any(|pid| pid == root)
        };
        let others: Vec<i32> = self
            .seen(step)
            .filter(|other| other.role == look.role && other.container != look.container)
            .filter_map(|other| other.pid)
            .collect();
        alive
            .into_iter()
            .filter(|process| inside.contains_key(&process.pid))
            .filter(|process| {
                look.pid.is_some_and(|root| below(process.pid, root))
                    || !others.iter().any(|&root| below(process.pid, root))
            })
            .collect()
    }

    /// Whether the pids that the ticks of a look tell are those of living processes of the workload.
    pub(super) fn lives(&self, look: &Observation, step: usize) -> Finding {
        let inside = look.inside.as_deref().map(parse_inside);
        let own = |pid: i32| match &inside {
            Some(inside) => inside.get(&pid).copied(),
            None => Some(pid),
        };
        let alive: Vec<Option<i32>> =
            self.processes(look, step)?.iter().map(|process| own(process.pid)).collect();
        for (who, ticks) in self.ticks(look)? {
            let Some(last) = ticks.last() else { continue };
            if !alive.contains(&Some(last.pid)) {
                return fails(format!(
                    "`{who}` says that it is process {}, and no such process lives",
                    last.pid
                ));
            }
        }
        Ok(())
    }
}

/// Whether the engine's list says so, where there is one.
pub(super) fn listed(look: &Observation, wanted: impl Fn(Listed) -> bool, due: &str) -> Finding {
    match look.listed() {
        Some(state) if !wanted(state) => {
            let word = look.listed.as_deref().filter(|word| !word.is_empty()).unwrap_or("nothing");
            fails(format!("{due}, and the engine's list says {word}"))
        }
        _ => Ok(()),
    }
}

impl Identity {
    pub(super) fn of(tick: &Tick) -> Self {
        Self {
            pid: tick.pid,
            start: tick.start.clone(),
            nonce: tick.nonce.clone(),
            items: tick.items.clone(),
        }
    }

    /// Whether a tick is of the same program.
    pub(super) fn is_of(&self, tick: &Tick) -> bool {
        self.nonce == tick.nonce && self.start == tick.start
    }

    /// Whether a tick is this counter's.
    pub(super) fn check(&self, tick: &Tick) -> Finding {
        let Tick { who, n, pid, start, nonce, .. } = tick;
        if *nonce != self.nonce || *start != self.start {
            return fails(format!(
                "`{who}` is another program: at tick {n} its nonce is {nonce} and its start {start}, \
                 where {} and {} were dumped",
                self.nonce, self.start
            ));
        }
        if *pid != self.pid {
            return fails(format!("`{who}` changed its pid: {} was dumped, tick {n} has {pid}", self.pid));
        }
        Ok(())
    }
}

/// Whether ticks count on one by one from `first`, by the same counter.
pub(super) fn consecutive(ticks: &[Tick], first: u64, identity: &Identity) -> Finding {
    for (due, tick) in (first..).zip(ticks) {
        identity.check(tick)?;
        if tick.n > due {
            return fails(format!("`{}` lost ticks: {due} was due, {} came", tick.who, tick.n));
        }
        if tick.n < due {
            return fails(format!("`{}` told ticks again: {due} was due, {} came", tick.who, tick.n));
        }
    }
    Ok(())
}

/// Whether the checksums are those of an untouched memory. Ticks in ascending order, of one nonce.
pub(super) fn memory(workload: &Workload, ticks: &[Tick]) -> Finding {
    let (true, Some(first)) = (workload.witness, ticks.first()) else { return Ok(()) };
    let nonce = u64::from_str_radix(&first.nonce, 16)
        .map_err(|_| Unsound::Fails(format!("`{}` is no nonce of 64 bits", first.nonce)))?;
    let mut expected = Expected::new(nonce);
    for Tick { who, n, sum, .. } in ticks {
        let due = expected.advance_to(*n);
        match sum {
            Some(sum) if *sum == due => {}
            Some(sum) => {
                return fails(format!(
                    "`{who}` lost memory: at tick {n} its sum is {sum:016x}, {due:016x} was due"
                ));
            }
            None => return fails(format!("`{who}` told tick {n} without the sum over its memory")),
        }
    }
    Ok(())
}

/// Whether a program still holds all that it held at its first tick.
pub(super) fn items(workload: &Workload, ticks: &[Tick], identity: &Identity) -> Finding {
    if !workload.items {
        return Ok(());
    }
    for Tick { who, n, items, lost, .. } in ticks {
        let Some(items) = items else { return fails(format!("`{who}` told tick {n} without its items")) };
        if let Some(first) = identity.items.as_ref().filter(|first| *first != items) {
            return fails(format!("`{who}` changed its items: first they were {first}, at tick {n} {items}"));
        }
        if let Some(lost) = lost {
            return fails(format!("`{who}` lost items: at tick {n} it no longer holds {lost}"));
        }
    }
    Ok(())
}
