//! What a checker may look at: the story, and everything that was seen, by step.

use std::collections::BTreeMap;

use ::guest::witness::Expected;

use crate::model::{Observation, Process, Role, Tick, Verb, Workload, parse_processes, parse_ticks};
use crate::record::CellRecord;
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

    /// The last look at a guest in a step.
    pub(super) fn look(&self, role: Role, step: usize) -> Result<&'a Observation, Unsound> {
        let missing = || unasked(format!("nothing was seen of the {} in step {}", role.name(), step + 1));
        self.looks(role, step).last().ok_or_else(missing)
    }

    /// The last look at a guest before a step.
    pub(super) fn look_before(&self, role: Role, step: usize) -> Result<&'a Observation, Unsound> {
        let missing = || unasked(format!("nothing was seen of the {} before step {}", role.name(), step + 1));
        (0..step).rev().find_map(|step| self.looks(role, step).last()).ok_or_else(missing)
    }

    /// The looks at a guest in one step. In the record, number 0 is the check before the story.
    fn looks(&self, role: Role, step: usize) -> impl Iterator<Item = &'a Observation> {
        self.record
            .steps
            .iter()
            .filter(move |record| record.index == step + 1)
            .flat_map(|record| &record.observations)
            .filter(move |look| look.role == role)
    }

    /// The nearest step before this one with such a verb.
    pub(super) fn step_before(&self, step: usize, wanted: impl Fn(&Verb, Role) -> bool) -> Option<usize> {
        (0..step).rev().find(|&step| wanted(&self.story.steps[step].verb, self.story.steps[step].on))
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
            let whole_lines = before.rfind('\n').map_or(0, |end| end + 1);
            let ticks = parse_ticks(&text[whole_lines..])
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

    /// Who each counter is: what its first tick on the source says.
    pub(super) fn identities(&self, step: usize) -> Result<BTreeMap<String, Identity>, Unsound> {
        let ticks = self.ticks(self.look(Role::Source, step)?)?;
        Ok(ticks
            .iter()
            .filter_map(|(who, ticks)| Some((who.clone(), Identity::of(ticks.first()?))))
            .collect())
    }

    /// The living processes of the workload: those of the session that its root leads.
    pub(super) fn processes(look: &Observation) -> Result<Vec<Process>, Unsound> {
        let root = look.pid.ok_or_else(|| unasked("the process id of the workload's root is not known"))?;
        let all = parse_processes(&look.stat);
        if all.is_empty() {
            return Err(unasked("the guest's processes were not seen"));
        }
        Ok(all.into_iter().filter(|process| process.session == root && process.is_alive()).collect())
    }

    /// Whether the pids that the ticks of a look tell are those of living processes, in the workload's session.
    pub(super) fn lives(&self, look: &Observation) -> Finding {
        let alive = Self::processes(look)?;
        for (who, ticks) in self.ticks(look)? {
            let Some(last) = ticks.last() else { continue };
            if !alive.iter().any(|process| process.pid == last.pid) {
                return fails(format!(
                    "`{who}` says that it is process {}, and no such process lives",
                    last.pid
                ));
            }
        }
        Ok(())
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
