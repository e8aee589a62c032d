//! In which order a run's cells are played, how many at a time, and how long that is expected to take.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::durations::Durations;
use crate::cli::stacks::Builder;
use crate::interrupt;
use crate::model::HostAsk;
use crate::plan::{Plan, PlannedCell};
use crate::report::Expected;
use crate::run::{self, Room, Schedule, Task};

/// The cells of a run that are to be played.
pub(super) struct Order<'a> {
    schedule: Schedule<Vec<&'a HostAsk>>,
    jobs: usize,
    expected: Expected,
}

impl<'a> Order<'a> {
    /// `jobs` is what the user asks for. Memory always bounds; cores do where nobody names a number of cells.
    pub(super) fn new(
        plan: &Plan,
        cells: &[&'a PlannedCell],
        jobs: Option<usize>,
        durations: &Durations,
    ) -> Self {
        let task = |cell: &&'a PlannedCell| {
            let guests = plan.story(cell).map_or(1, |story| story.roles().len());
            Task {
                stack: cell.hosts().collect(),
                takes: Room::of_guests(guests, plan.memory_mib, plan.cpus),
                seconds: durations.of(plan, cell),
            }
        };
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let memory_mib = run::available_mib();
        let (room, jobs) = match jobs {
            // A machine that is taken as it is is one, and its cells would see each other.
            _ if plan.provider != "qemu" => (Room::ENDLESS, 1),
            Some(jobs) => (Room { memory_mib, cores: usize::MAX }, jobs),
            None => (Room { memory_mib, cores: processors }, processors),
        };
        let schedule = Schedule::new(cells.iter().map(task).collect(), room);
        let known = cells.iter().filter_map(|cell| Some((cell.id.clone(), durations.of(plan, cell)?)));
        let expected = Expected { seconds: known.collect(), at_a_time: jobs.min(schedule.at_a_time()) };
        Self { schedule, jobs, expected }
    }

    /// How long that is expected to take.
    pub(super) fn expected(&self) -> Expected {
        self.expected.clone()
    }

    /// Its hosts, the one that is needed first at the beginning.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &'a HostAsk> {
        self.schedule.wanted().into_iter().flatten().copied()
    }

    /// Plays them all, while the builder, where there is one, makes their stacks, and what it needs next is fetched.
    /// `play` gets the index of a cell.
    pub(super) fn play(self, builder: Option<Builder<'_>>, play: &(dyn Fn(usize) -> ControlFlow<()> + Sync)) {
        let ahead = builder.as_ref().map(|builder| builder.ahead(self.hosts()));
        let Self { schedule, jobs, .. } = self;
        match builder.zip(ahead) {
            Some((mut builder, ahead)) => {
                let playing = AtomicBool::new(true);
                let goes_on = || playing.load(Ordering::Relaxed) && !interrupt::happened();
                let build = |stack: &Vec<&HostAsk>| builder.build(stack.iter().copied());
                thread::scope(|scope| {
                    scope.spawn(|| ahead.fetch(&goes_on));
                    run::play_scheduled(schedule, jobs, build, play);
                    playing.store(false, Ordering::Relaxed);
                });
            }
            None => run::play_scheduled(schedule.all_ready(), jobs, |_| {}, play),
        }
    }
}
