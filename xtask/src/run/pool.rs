//! Cells side by side, while the stacks of others are still being built.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::schedule::{Room, Schedule, Task};
use crate::interrupt;

/// How often whoever waits looks for an interruption, which wakes nobody.
const LOOK: Duration = Duration::from_millis(100);

/// Plays `count` cells, at most `jobs` at a time, in order. `play` gets a cell's index and says whether to go on.
/// Each cell is played on one thread from its beginning to its end: its guests die with that thread.
pub fn play_all(count: usize, jobs: usize, play: &(dyn Fn(usize) -> ControlFlow<()> + Sync)) {
    let task = |_| Task { stack: (), takes: Room::NONE, seconds: None };
    let schedule = Schedule::new((0..count).map(task).collect(), Room::ENDLESS);
    play_scheduled(schedule.all_ready(), jobs, |()| {}, play);
}

/// Plays all cells of a schedule, at most `jobs` at a time, each on one thread. `build` makes the stacks that are not
/// ready, one after another on a thread of its own, and is called no more after a break or an interruption. A cell
/// is begun once its stack was built, whatever came of that.
pub fn play_scheduled<S: PartialEq + Clone + Send>(
    schedule: Schedule<S>,
    jobs: usize,
    mut build: impl FnMut(&S) + Send,
    play: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
) {
    let workers = jobs.clamp(1, schedule.count().max(1));
    let pool = Pool::new(schedule);
    thread::scope(|scope| {
        scope.spawn(|| {
            while let Some(stack) = pool.build() {
                // The panic's message is on standard error. Its cells find nothing, and break for it.
                let _ = catch_unwind(AssertUnwindSafe(|| build(&stack)));
                pool.change(|state| state.schedule.built());
            }
        });
        for _ in 0..workers {
            scope.spawn(|| {
                let mut last = None;
                while let Some(cell) = pool.begin(last) {
                    let _ends = Ends { pool: &pool, cell };
                    if play(cell).is_break() {
                        pool.change(|state| state.stopped = true);
                    }
                    last = Some(cell);
                }
            });
        }
    });
}

/// A schedule that threads share.
struct Pool<S> {
    state: Mutex<State<S>>,
    /// A cell has ended, a stack is built, or nothing more is to be begun.
    changed: Condvar,
}

struct State<S> {
    schedule: Schedule<S>,
    /// No further cell is to be begun.
    stopped: bool,
}

/// Gives back what a cell takes, even if its playing panics.
struct Ends<'a, S: PartialEq> {
    pool: &'a Pool<S>,
    cell: usize,
}

impl<S: PartialEq> Drop for Ends<'_, S> {
    fn drop(&mut self) {
        self.pool.change(|state| state.schedule.end(self.cell));
    }
}

impl<S: PartialEq> Pool<S> {
    fn new(schedule: Schedule<S>) -> Self {
        Self { state: Mutex::new(State { schedule, stopped: false }), changed: Condvar::new() }
    }

    /// Waits for the next cell that can be begun; `None` where there will be none.
    fn begin(&self, last: Option<usize>) -> Option<usize> {
        let mut state = self.lock();
        while !state.is_over() {
            if let Some(cell) = state.schedule.begin(last) {
                return Some(cell);
            }
            if state.schedule.is_all_begun() {
                break;
            }
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn build(&self) -> Option<S>
    where
        S: Clone,
    {
        let mut state = self.lock();
        if state.is_over() { None } else { state.schedule.build() }
    }

    fn change(&self, change: impl FnOnce(&mut State<S>)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> State<S> {
    fn is_over(&self) -> bool {
        self.stopped || interrupt::happened()
    }
}

/// `MemAvailable` of this machine, MiB; where it cannot be read, enough for one guest.
pub fn available_mib() -> u64 {
    let kib = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    kib.map_or(1024, |kib| kib >> 10)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::mpsc;

    use super::*;

    /// Far more than anything here takes; only a test that fails waits for so long.
    const LONG: Duration = Duration::from_secs(20);

    /// One cell a letter, on the stack of that name.
    fn schedule(stacks: &str, seconds: &[f64]) -> Schedule<char> {
        let takes = Room { memory_mib: 1, cores: 1 };
        let task = |(stack, seconds): (char, &f64)| Task { stack, takes, seconds: Some(*seconds) };
        Schedule::new(stacks.chars().zip(seconds).map(task).collect(), Room::ENDLESS)
    }

    #[test]
    fn every_cell_once_and_none_after_a_break() {
        let played = Mutex::new(Vec::new());
        play_all(20, 3, &|index| {
            played.lock().unwrap().push(index);
            ControlFlow::Continue(())
        });
        let mut all = played.into_inner().unwrap();
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<_>>());

        let played = Mutex::new(Vec::new());
        play_all(20, 1, &|index| {
            played.lock().unwrap().push(index);
            if index == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(played.into_inner().unwrap(), [0, 1, 2, 3]);
    }

    #[test]
    fn cells_are_played_while_other_stacks_are_built() {
        // Of each stack after the first, building ends when a cell of the one before has ended: built in the order of
        // their work, which is not the plan's.
        let (ended, end) = mpsc::channel();
        let (mut built, played) = (Vec::new(), Mutex::new(Vec::new()));
        let list = &mut built;
        let build = move |stack: &char| {
            if !list.is_empty() {
                end.recv_timeout(LONG).unwrap();
            }
            list.push(*stack);
        };
        play_scheduled(schedule("abcb", &[3.0, 4.0, 9.0, 4.0]), 2, build, &|cell| {
            played.lock().unwrap().push(cell);
            ended.send(()).unwrap();
            ControlFlow::Continue(())
        });
        assert_eq!(built, ['c', 'b', 'a']);
        let played = played.into_inner().unwrap();
        assert_eq!(played[0], 2);
        assert_eq!(played.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2, 3]));
    }

    #[test]
    fn after_a_break_nothing_more_is_built_or_begun() {
        let pool = Pool::new(schedule("ab", &[2.0, 1.0]));
        assert_eq!(pool.build(), Some('a'));
        pool.change(|state| state.schedule.built());
        pool.change(|state| state.stopped = true);
        assert_eq!(pool.build(), None);
        assert_eq!(pool.begin(None), None);
    }

    #[test]
    fn a_builder_that_panics_holds_no_cell_up() {
        let played = Mutex::new(BTreeSet::new());
        let build = |stack: &char| assert_ne!(*stack, 'a', "on purpose");
        play_scheduled(schedule("ab", &[1.0, 1.0]), 1, build, &|cell| {
            played.lock().unwrap().insert(cell);
            ControlFlow::Continue(())
        });
        assert_eq!(played.into_inner().unwrap(), BTreeSet::from([0, 1]));
    }
}
