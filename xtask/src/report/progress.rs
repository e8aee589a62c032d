//! What is seen while a run goes on: a bar on a terminal, plain lines elsewhere. It tells what it is told, and
//! decides nothing: verdicts are handed to it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};

use super::Style;
use super::bar::{bar, words};
use super::estimate::{Estimate, Expected};
use super::style::printable;
use crate::judge::{Kind, Verdict};
use crate::model::{CellId, Event, Telling};

/// Less is not worth a line.
const SHORT: Duration = Duration::from_secs(10);

/// Shows a run on standard error.
pub struct Progress {
    style: Style,
    total: usize,
    state: Mutex<State>,
}

struct State {
    running: Vec<CellId>,
    /// How many cells have each verdict so far, by [`Kind::ALL`].
    counts: [usize; Kind::ALL.len()],
    screen: Screen,
    /// While something else has the terminal: the lines that wait.
    waiting: Option<Vec<String>>,
    /// The bar, which draws itself, looks at it too.
    estimate: Arc<Mutex<Estimate>>,
    /// The time left that was printed last.
    told: Option<Duration>,
}

enum Screen {
    Bar(ProgressBar),
    Lines(Box<dyn Write + Send>),
}

impl Progress {
    /// For a run of `total` cells: those that are still to be played. A bar where the style is live.
    pub fn new(total: usize, expected: Expected, style: Style) -> Self {
        let estimate = Arc::new(Mutex::new(Estimate::new(total, expected)));
        let screen = if style.live {
            Screen::Bar(bar(total, &style, ProgressDrawTarget::stderr(), &estimate))
        } else {
            Screen::Lines(Box::new(io::stderr()))
        };
        Self::on(screen, total, estimate, style)
    }

    fn on(screen: Screen, total: usize, estimate: Arc<Mutex<Estimate>>, style: Style) -> Self {
        let (running, counts) = (Vec::new(), [0; Kind::ALL.len()]);
        let state = State { running, counts, screen, waiting: None, estimate, told: None };
        Self { style, total, state: Mutex::new(state) }
    }

    /// A cell has its verdict. Once for each of the `total` cells, after its last event; it counts as done from here.
    pub fn judged(&self, cell: &CellId, verdict: &Verdict) {
        let mut state = self.lock();
        let kind = verdict.kind;
        if let Some(at) = Kind::ALL.iter().position(|it| *it == kind) {
            state.counts[at] += 1;
        }
        let done: usize = state.counts.iter().sum();
        if let Screen::Bar(bar) = &state.screen {
            bar.set_position(done as u64);
        }
        // A bar shows that cells pass; only what needs a look stays on the screen.
        if matches!(state.screen, Screen::Lines(_)) || !kind.is_expected() {
            let line = self.line(done, cell, verdict);
            state.print(&line);
        }
        state.estimate().ended(cell);
        state.tell_left();
        state.draw();
    }

    /// Leaves the terminal to something else for a while. What is to be said meanwhile is said afterwards; nobody
    /// waits.
    pub fn pause(&self, meanwhile: impl FnOnce()) {
        self.lock().pause(true);
        meanwhile();
        self.lock().pause(false);
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        if let Screen::Bar(bar) = &self.lock().screen {
            bar.finish_and_clear();
        }
    }

    /// `[ 12/280] fail at restore  clone@…  6.5 s  criu restore: exit status 1`.
    fn line(&self, done: usize, cell: &CellId, verdict: &Verdict) -> String {
        let Verdict { kind, stage, seconds, .. } = verdict;
        let width = self.total.to_string().len();
        let stage = stage.map_or(String::new(), |stage| format!(" at {stage}"));
        let outcome = format!("{} {kind}{stage}", self.style.mark(*kind));
        let mut line = format!("[{done:width$}/{}] {}  {cell}", self.total, self.style.ink(*kind, &outcome));
        if let Some(seconds) = seconds {
            let _ = write!(line, "  {seconds:.1} s");
        }
        let sentence = printable(&verdict.sentence());
        if !sentence.is_empty() {
            let _ = write!(line, "  {sentence}");
        }
        if let Some(known) = &verdict.known {
            let _ = write!(line, "  known: {known}");
        }
        line
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Telling for Progress {
    fn tell(&self, event: Event) {
        let mut state = self.lock();
        match event {
            Event::Note { text } => state.print(&format!("note: {}", printable(&text))),
            Event::CellStarted { cell, .. } => {
                state.estimate().started(cell.clone(), Instant::now());
                state.tell_left();
                state.running.push(cell);
            }
            Event::CellEnded { cell, .. } => state.running.retain(|running| *running != cell),
            _ => return,
        }
        state.draw();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl State {
    fn pause(&mut self, pause: bool) {
        if let Screen::Bar(bar) = &self.screen {
            bar.set_draw_target(if pause {
                ProgressDrawTarget::hidden()
            } else {
                ProgressDrawTarget::stderr()
            });
        }
        let waiting = if pause { self.waiting.replace(Vec::new()) } else { self.waiting.take() };
        for line in waiting.into_iter().flatten() {
            self.print(&line);
        }
    }

    fn print(&mut self, line: &str) {
        if let Some(waiting) = &mut self.waiting {
            waiting.push(line.to_owned());
            return;
        }
        match &mut self.screen {
            Screen::Bar(bar) => bar.println(line),
            // Nobody is there to be told that standard error is closed.
            Screen::Lines(out) => drop(writeln!(out, "{line}")),
        }
    }

    fn estimate(&self) -> MutexGuard<'_, Estimate> {
        self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Among lines, the time left is told when it is known first, and each time that it has halved.
    fn tell_left(&mut self) {
        let Some(left) = self.estimate().left(Instant::now()) else { return };
        let news = self.told.is_none_or(|told| left * 2 <= told);
        if news && left >= SHORT && matches!(self.screen, Screen::Lines(_)) {
            self.told = Some(left);
            self.print(&format!("about {}", words(left)));
        }
    }

    /// Behind the bar: what needs a look, and which cells are running.
    fn draw(&self) {
        let Screen::Bar(bar) = &self.screen else { return };
        let counts =
            Kind::ALL.iter().zip(self.counts).filter(|(kind, count)| *count > 0 && !kind.is_expected());
        let mut message: String = counts.map(|(kind, count)| format!(", {count} {kind}")).collect();
        if !self.running.is_empty() {
            let running: Vec<&str> = self.running.iter().map(CellId::as_str).collect();
            let _ = write!(message, " | {}", running.join(", "));
        }
        bar.set_message(message);
    }
}

#[cfg(test)]
mod tests {
    use indicatif::TermLike;

    use super::*;
    use crate::model::Stage;
    use crate::report::sample;

    /// Keeps all that is written.
    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl TermLike for Kept {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            writeln!(self.clone(), "{text}")
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.clone().write_all(text.as_bytes())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.clone().write_all(b"\r")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn estimate(total: usize, expected: Expected) -> Arc<Mutex<Estimate>> {
        Arc::new(Mutex::new(Estimate::new(total, expected)))
    }

    fn lines(total: usize, expected: Expected) -> (Kept, Progress) {
        let kept = Kept::default();
        let screen = Screen::Lines(Box::new(kept.clone()));
        (kept, Progress::on(screen, total, estimate(total, expected), Style::FILE))
    }

    /// A bar that is not drawn on a terminal.
    fn on_bar(total: usize, expected: Expected, target: ProgressDrawTarget) -> Progress {
        let estimate = estimate(total, expected);
        let style = Style { live: true, ..Style::FILE };
        Progress::on(Screen::Bar(bar(total, &style, target, &estimate)), total, estimate, style)
    }

    fn passed(seconds: f64) -> Verdict {
        Verdict {
            kind: Kind::Pass,
            stage: None,
            step: None,
            reason: String::new(),
            first_error: None,
            known: None,
            copies: None,
            samples: crate::judge::Samples::new(),
            seconds: Some(seconds),
        }
    }

    /// Two cells side by side: one passes, one fails.
    fn play(progress: &Progress) {
        let (one, two) = (sample::any_cell().id, sample::cell("clone", "6.1", "trixie", "4.3").id);
        progress.tell(Event::Note { text: "no \u{1b}[31mKVM".into() });
        for cell in [&one, &two] {
            progress.tell(Event::CellStarted { cell: cell.clone(), at: String::new() });
        }
        let mut verdict = passed(6.54);
        progress.tell(Event::CellEnded { cell: one.clone(), seconds: 6.54 });
        progress.judged(&one, &verdict);
        verdict.kind = Kind::Fail;
        verdict.stage = Some(Stage::Restore);
        verdict.reason = "criu restore: exit status 1".into();
        verdict.first_error = Some("Error (criu/cr-restore.c:1480): 321 killed by signal 11".into());
        progress.tell(Event::CellEnded { cell: two.clone(), seconds: 7.0 });
        progress.judged(&two, &verdict);
        verdict.kind = Kind::KnownBug;
        verdict.known = Some(sample::known());
        progress.judged(&sample::cell("counter", "6.1", "trixie", "4.3").id, &verdict);
    }

    #[test]
    fn plain_lines() {
        let (kept, progress) = lines(140, Expected::default());
        play(&progress);
        insta::assert_snapshot!(kept.text(), @r#"
        note: no [31mKVM
        [  1/140] ✓ pass  counter@k6.12@trixie@c4.1.1@criu@max  6.5 s
        [  2/140] ✗ fail at restore  clone@k6.1@trixie@c4.3@criu@max  6.5 s  criu restore: exit status 1: Error (criu/cr-restore.c:1480): 321 killed by signal 11
        [  3/140] k known-bug at restore  counter@k6.1@trixie@c4.3@criu@max  6.5 s  criu restore: exit status 1: Error (criu/cr-restore.c:1480): 321 killed by signal 11  known: https://github.com/checkpoint-restore/criu/issues/1234
        "#);
    }

    #[test]
    fn a_bar_names_what_runs_and_keeps_what_failed() {
        let kept = Kept::default();
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(kept.clone()), 255);
        let progress = on_bar(140, Expected::default(), target);
        play(&progress);
        let Screen::Bar(bar) = &progress.lock().screen else { panic!("no bar") };
        bar.force_draw();
        assert_eq!((bar.position(), bar.message().as_str()), (3, ", 1 fail"));
        let text = kept.text();
        assert!(text.contains("note: no [31mKVM"), "{text}");
        assert!(text.contains("[  2/140] ✗ fail at restore  clone@k6.1"), "{text}");
        assert!(!text.contains("✓ pass"), "{text}");
        assert!(text.contains(" 3/140, "), "{text}");
    }

    #[test]
    fn while_cells_run_they_are_named() {
        let target = ProgressDrawTarget::term_like(Box::new(Kept::default()));
        let progress = on_bar(2, Expected::default(), target);
        progress.tell(Event::CellStarted { cell: sample::any_cell().id, at: String::new() });
        let Screen::Bar(bar) = &progress.lock().screen else { panic!("no bar") };
        assert_eq!(bar.message(), " | counter@k6.12@trixie@c4.1.1@criu@max");
    }

    /// Each of three cells takes ten minutes, and they are played one at a time.
    fn expected() -> Expected {
        let ids = ["6.1", "6.12", "7.0"].map(|kernel| sample::cell("counter", kernel, "trixie", "4.3").id);
        Expected { seconds: ids.into_iter().map(|id| (id, 600.0)).collect(), at_a_time: 1 }
    }

    fn judge(progress: &Progress, cell: &CellId) {
        progress.tell(Event::CellStarted { cell: cell.clone(), at: String::new() });
        progress.judged(cell, &passed(6.54));
    }

    #[test]
    fn among_lines_the_time_left_is_told_now_and_then() {
        let (kept, progress) = lines(3, expected());
        expected().seconds.keys().for_each(|cell| judge(&progress, cell));
        insta::assert_snapshot!(kept.text(), @r"
        about 30 min left
        [1/3] ✓ pass  counter@k6.12@trixie@c4.3@criu@max  6.5 s
        [2/3] ✓ pass  counter@k6.1@trixie@c4.3@criu@max  6.5 s
        about 10 min left
        [3/3] ✓ pass  counter@k7.0@trixie@c4.3@criu@max  6.5 s
        ");
    }

    #[test]
    fn a_bar_shows_the_time_left_before_a_cell_has_ended() {
        let kept = Kept::default();
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(kept.clone()), 255);
        let progress = on_bar(3, expected(), target);
        let Screen::Bar(bar) = &progress.lock().screen else { panic!("no bar") };
        bar.force_draw();
        assert!(kept.text().contains("0/3, 30 min left"), "{}", kept.text());
    }

    #[test]
    fn nothing_is_told_where_too_little_is_known() {
        let mut expected = expected();
        expected.seconds.pop_last();
        let (kept, progress) = lines(5, expected.clone());
        judge(&progress, &sample::cell("clone", "5.10", "trixie", "4.3").id);
        assert!(
            kept.text().contains("[1/5]") && kept.text().contains("about 40 min left"),
            "{}",
            kept.text()
        );
        let (kept, progress) = lines(6, expected);
        judge(&progress, &sample::cell("clone", "5.10", "trixie", "4.3").id);
        assert!(kept.text().contains("[1/6]") && !kept.text().contains("left"), "{}", kept.text());
    }
}
