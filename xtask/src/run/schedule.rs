//! Which cell is begun next: the longest work first, one stack after another, within memory and cores.
//! Values only: no thread, no clock, no file. Durations are handed in by whoever has recorded them.

/// Memory that a guest's machine needs besides the guest's own, MiB: QEMU's code cache and buffers, as measured.
const OVERHEAD_MIB: u64 = 256;
/// What a cell is taken to last where no cell has a recorded duration. Only its being more than nothing matters.
const ASSUMED_SECONDS: f64 = 60.0;

/// Memory and cores: what a cell takes, or what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Cores; a guest's processor counts as one.
    pub cores: usize,
}

impl Room {
    /// Bounds nothing.
    pub const ENDLESS: Self = Self { memory_mib: u64::MAX, cores: usize::MAX };
    /// What is taken by nothing.
    pub const NONE: Self = Self { memory_mib: 0, cores: 0 };

    /// What so many guests take that play one cell. The guests of a move take turns: while one computes, the other
    /// waits for its memory or is done. So memory counts for each, cores for one.
    pub fn of_guests(guests: usize, memory_mib: u32, cpus: u32) -> Self {
        Self {
            memory_mib: (u64::from(memory_mib) + OVERHEAD_MIB) * guests.max(1) as u64,
            cores: usize::try_from(cpus).unwrap_or(usize::MAX),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
            cores: self.cores.saturating_add(other.cores),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            memory_mib: self.memory_mib.saturating_sub(other.memory_mib),
            cores: self.cores.saturating_sub(other.cores),
        }
    }

    fn is_within(self, all: Self) -> bool {
        self.memory_mib <= all.memory_mib && self.cores <= all.cores
    }
}

/// A cell, as the schedule sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task<S> {
    /// What it is played on. Cells of one stack share files, and the state that their guests are woken from.
    pub stack: S,
    /// What it takes while it is played.
    pub takes: Room,
    /// How long it is expected to last, where that was recorded.
    pub seconds: Option<f64>,
}

/// The cells of a run that are not begun yet, and what the others take.
pub struct Schedule<S> {
    cells: Vec<Cell>,
    stacks: Vec<Stack<S>>,
    room: Room,
    /// By the cells that are being played.
    taken: Room,
    playing: usize,
    /// The stack that is being built.
    building: Option<usize>,
}

struct Cell {
    stack: usize,
    takes: Room,
    seconds: f64,
}

struct Stack<S> {
    key: S,
    ready: bool,
    /// Whether a cell of it was played in an earlier run.
    played: bool,
    /// Whether a cell of it was begun: its state is in the page cache.
    begun: bool,
    /// Its cells that are not begun yet, the longest first.
    left: Vec<usize>,
    /// Seconds that these are expected to last.
    seconds: f64,
}

impl<S: PartialEq> Schedule<S> {
    /// For these cells and that room. No stack is ready yet.
    /// A cell of unknown duration counts as the longest that is known, so that it is begun early: begun last, it could
    /// keep everybody waiting.
    pub fn new(tasks: Vec<Task<S>>, room: Room) -> Self {
        let unknown =
            tasks.iter().filter_map(|task| task.seconds).reduce(f64::max).unwrap_or(ASSUMED_SECONDS);
        let (mut cells, mut stacks) = (Vec::new(), Vec::<Stack<S>>::new());
        for (index, task) in tasks.into_iter().enumerate() {
            let Task { stack: key, takes, seconds } = task;
            let (played, seconds) = (seconds.is_some(), seconds.unwrap_or(unknown));
            let stack = stacks.iter().position(|stack| stack.key == key).unwrap_or_else(|| {
                stacks.push(Stack::new(key));
                stacks.len() - 1
            });
            stacks[stack].played |= played;
            stacks[stack].left.push(index);
            stacks[stack].seconds += seconds;
            cells.push(Cell { stack, takes, seconds });
        }
        for stack in &mut stacks {
            // Stable: what lasts as long keeps the plan's order.
            stack.left.sort_by(|a, b| cells[*b].seconds.total_cmp(&cells[*a].seconds));
        }
        Self { cells, stacks, room, taken: Room::NONE, playing: 0, building: None }
    }

    /// Nothing has to be built: every cell can be begun.
    #[must_use]
    pub fn all_ready(mut self) -> Self {
        self.stacks.iter_mut().for_each(|stack| stack.ready = true);
        self
    }

    /// How many cells there are, begun or not.
    pub fn count(&self) -> usize {
        self.cells.len()
    }

    /// How many cells the room has place for at a time, by what they take on average; one at least.
    pub fn at_a_time(&self) -> usize {
        let all = self.cells.iter().fold(Room::NONE, |sum, cell| sum.plus(cell.takes));
        let count = self.cells.len() as u64;
        let by = |room: u64, all: u64| room.saturating_mul(count).checked_div(all).unwrap_or(u64::MAX);
        let fit = by(self.room.memory_mib, all.memory_mib).min(by(self.room.cores as u64, all.cores as u64));
        usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, self.cells.len().max(1))
    }

    /// The stacks in the order in which they are built: the most work first, but before all others those that were
    /// played in an earlier run. Their files are likely to be there, and cells of theirs can be played while what is
    /// new is made.
    pub fn wanted(&self) -> Vec<&S> {
        self.build_order().into_iter().map(|at| &self.stacks[at].key).collect()
    }

    fn build_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.stacks.len()).filter(|at| !self.stacks[*at].ready).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&self.stacks[*a], &self.stacks[*b]);
            b.played.cmp(&a.played).then(b.seconds.total_cmp(&a.seconds))
        });
        order
    }

    /// Whether every cell was begun.
    pub(super) fn is_all_begun(&self) -> bool {
        self.stacks.iter().all(|stack| stack.left.is_empty())
    }

    /// The stack to be built next, which is being built from here on until [`Schedule::built`].
    pub(super) fn build(&mut self) -> Option<S>
    where
        S: Clone,
    {
        let at = *self.build_order().first()?;
        self.building = Some(at);
        Some(self.stacks[at].key.clone())
    }

    /// Cells of the stack that was being built can be begun.
    pub(super) fn built(&mut self) {
        if let Some(at) = self.building.take() {
            self.stacks[at].ready = true;
        }
    }

    /// Begins the next cell, for a worker that has just played the cell `last`. `None`: nothing can be begun now.
    ///
    /// The worker stays with its stack, or joins one that was begun, while that has a cell which fits; else it begins
    /// the stack with the most work. A cell that does not fit lets others pass, and has its turn when nothing else is
    /// played: so one that is larger than all there is is played alone.
    pub(super) fn begin(&mut self, last: Option<usize>) -> Option<usize> {
        let building = Room { memory_mib: 0, cores: usize::from(self.building.is_some()) };
        let alone = self.playing == 0;
        // What is built takes a core; but a single core is not left to it.
        let free = self.room.minus(self.taken).minus(building);
        let last = last.map(|cell| self.cells[cell].stack);
        let rank = |stack: usize| match (Some(stack) == last, self.stacks[stack].begun) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        };
        let mut order: Vec<usize> = (0..self.stacks.len()).filter(|at| self.stacks[*at].ready).collect();
        order.sort_by(|a, b| {
            rank(*a).cmp(&rank(*b)).then(self.stacks[*b].seconds.total_cmp(&self.stacks[*a].seconds))
        });
        let (stack, at) = order.into_iter().find_map(|stack| {
            let fits = |cell: &usize| alone || self.cells[*cell].takes.is_within(free);
            Some((stack, self.stacks[stack].left.iter().position(fits)?))
        })?;
        let stack = &mut self.stacks[stack];
        let cell = stack.left.remove(at);
        stack.begun = true;
        stack.seconds -= self.cells[cell].seconds;
        self.taken = self.taken.plus(self.cells[cell].takes);
        self.playing += 1;
        Some(cell)
    }

    /// A cell that was begun has ended.
    pub(super) fn end(&mut self, cell: usize) {
        self.taken = self.taken.minus(self.cells[cell].takes);
        self.playing -= 1;
    }
}

impl<S> Stack<S> {
    fn new(key: S) -> Self {
        Self { key, ready: false, played: false, begun: false, left: Vec::new(), seconds: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn room(memory_mib: u64, cores: usize) -> Room {
        Room { memory_mib, cores }
    }

    /// `a9`: a cell on stack a of nine seconds; `b`: one on b, nobody knows how long.
    fn tasks(cells: &str) -> Vec<Task<char>> {
        let task = |word: &str| Task {
            stack: word.chars().next().unwrap(),
            takes: room(1, 1),
            seconds: word[1..].parse().ok(),
        };
        cells.split(' ').map(task).collect()
    }

    /// The order in which so many workers begin cells, each of which takes its time.
    fn begun(schedule: &mut Schedule<char>, workers: usize) -> Vec<usize> {
        let mut order = Vec::new();
        // The last cell of each idle worker; when each busy one's cell ends.
        let mut idle: Vec<Option<usize>> = vec![None; workers];
        let mut busy: Vec<(f64, usize)> = Vec::new();
        let mut now = 0.0;
        loop {
            idle.retain(|last| {
                let Some(cell) = schedule.begin(*last) else { return true };
                order.push(cell);
                busy.push((now + schedule.cells[cell].seconds, cell));
                false
            });
            busy.sort_by(|a, b| b.0.total_cmp(&a.0));
            let Some((end, cell)) = busy.pop() else { break };
            now = end;
            schedule.end(cell);
            idle.insert(0, Some(cell));
        }
        assert!(schedule.is_all_begun(), "left lying: {order:?} of {}", schedule.count());
        order
    }

    #[rstest]
    #[case::nothing_is_known_so_the_plan_decides("a a b b", 1, &[0, 1, 2, 3])]
    #[case::more_cells_are_more_work("a b b", 1, &[1, 2, 0])]
    #[case::the_stack_with_the_most_work_first("a3 b2 b2 b2", 1, &[1, 2, 3, 0])]
    #[case::the_longest_of_a_stack_first("a1 a3 a2", 1, &[1, 2, 0])]
    #[case::unknown_counts_as_the_longest("a2 a9 a", 1, &[1, 2, 0])]
    #[case::a_stack_of_unknown_cells_counts_as_well("a9 b1 b", 1, &[2, 1, 0])]
    #[case::one_stack_after_another("a5 b4 a1 b1", 1, &[0, 2, 1, 3])]
    #[case::a_second_worker_joins("a9 b9 a9 b8", 2, &[0, 2, 1, 3])]
    #[case::and_begins_a_stack_of_its_own_when_none_is_left("a9 b2 b2 b2 a1", 3, &[0, 4, 1, 2, 3])]
    #[case::each_worker_stays_with_its_stack("a9 b4 b2 b2 b1 a1 a1", 2, &[0, 5, 6, 1, 2, 3, 4])]
    fn order(#[case] cells: &str, #[case] workers: usize, #[case] due: &[usize]) {
        let mut schedule = Schedule::new(tasks(cells), Room::ENDLESS).all_ready();
        assert_eq!(begun(&mut schedule, workers), due);
    }

    #[test]
    fn a_worker_goes_on_with_its_own_stack_though_another_has_more_work_left() {
        let mut schedule = Schedule::new(tasks("a9 b5 b5 b5 a1"), Room::ENDLESS).all_ready();
        let b = schedule.begin(None).unwrap();
        assert_eq!(b, 1);
        // Two of b are left; a was begun as well, by another worker.
        schedule.stacks[0].begun = true;
        assert_eq!(schedule.begin(Some(0)), Some(0));
        assert_eq!(schedule.begin(None), Some(2), "the begun stack with the most work");
    }

    #[rstest]
    #[case::memory_bounds(room(4, 9), 2, 2)]
    #[case::cores_bound(room(9, 3), 3, 3)]
    #[case::one_is_always_begun(room(0, 0), 1, 1)]
    fn room_bounds(#[case] all: Room, #[case] due: usize, #[case] at_a_time: usize) {
        let takes = if all.memory_mib == 4 { room(2, 1) } else { room(1, 1) };
        let task = |_| Task { stack: 'a', takes, seconds: None };
        let mut schedule = Schedule::new((0..8).map(task).collect(), all).all_ready();
        assert_eq!(schedule.at_a_time(), at_a_time);
        let begun: Vec<usize> = std::iter::from_fn(|| schedule.begin(None)).collect();
        assert_eq!(begun.len(), due);
        schedule.end(begun[0]);
        assert!(schedule.begin(Some(begun[0])).is_some());
        assert!(schedule.begin(None).is_none());
    }

    #[test]
    fn a_cell_that_does_not_fit_lets_others_pass_and_is_played_alone() {
        let mut all = tasks("a9 a8 a7 a6");
        all[1].takes = room(100, 1);
        let mut schedule = Schedule::new(all, room(8, 8)).all_ready();
        assert_eq!([schedule.begin(None), schedule.begin(None)], [Some(0), Some(2)]);
        schedule.end(0);
        assert_eq!(schedule.begin(Some(0)), Some(3));
        schedule.end(2);
        assert_eq!(schedule.begin(Some(2)), None, "beside the last small one there is no room for it");
        schedule.end(3);
        assert_eq!(schedule.begin(Some(3)), Some(1));
        assert!(schedule.is_all_begun());
    }

    #[test]
    fn beside_one_that_is_too_large_nothing_is_begun() {
        let mut all = tasks("a9 a1");
        all[0].takes = room(100, 1);
        let mut schedule = Schedule::new(all, room(8, 8)).all_ready();
        assert_eq!([schedule.begin(None), schedule.begin(None)], [Some(0), None]);
        schedule.end(0);
        assert_eq!(schedule.begin(None), Some(1));
    }

    #[test]
    fn only_cells_of_ready_stacks_are_begun() {
        let mut schedule = Schedule::new(tasks("a1 b9 c5"), Room::ENDLESS);
        assert_eq!(schedule.begin(None), None);
        assert_eq!(schedule.build(), Some('b'));
        assert_eq!(schedule.begin(None), None);
        schedule.built();
        assert_eq!(schedule.build(), Some('c'));
        assert_eq!([schedule.begin(None), schedule.begin(None)], [Some(1), None]);
        schedule.built();
        assert_eq!(schedule.build(), Some('a'));
        schedule.built();
        assert_eq!(schedule.build(), None);
        assert_eq!([schedule.begin(None), schedule.begin(None)], [Some(2), Some(0)]);
    }

    #[rstest]
    #[case::the_most_work_first("a1 b9 c5", &['b', 'c', 'a'])]
    #[case::what_was_played_before_what_is_new("a b b c2 d9", &['d', 'c', 'b', 'a'])]
    #[case::one_of_its_cells_will_do("a a b2 b", &['b', 'a'])]
    fn build_order(#[case] cells: &str, #[case] due: &[char]) {
        let mut schedule = Schedule::new(tasks(cells), Room::ENDLESS);
        assert_eq!(schedule.wanted(), due.iter().collect::<Vec<_>>());
        let mut built = Vec::new();
        while let Some(stack) = schedule.build() {
            built.push(stack);
            schedule.built();
        }
        assert_eq!(built, due);
    }

    #[test]
    fn what_is_being_built_takes_a_core_but_not_the_last_one() {
        let mut schedule = Schedule::new(tasks("a9 a9 a9 b1"), room(9, 2));
        schedule.build();
        schedule.built();
        assert_eq!(schedule.build(), Some('b'));
        assert_eq!([schedule.begin(None), schedule.begin(None)], [Some(0), None]);
        schedule.built();
        assert_eq!([schedule.begin(None), schedule.begin(None)], [Some(1), None]);
    }

    #[test]
    fn the_guests_of_a_move_take_memory_each_and_turns_at_the_cores() {
        assert_eq!(Room::of_guests(2, 512, 1), room(1536, 1));
        assert_eq!(Room::of_guests(1, 512, 2), room(768, 2));
    }
}
