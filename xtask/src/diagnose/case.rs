//! The logs that belong to one failure, cut into lines and into CRIU's single runs.

use super::line::{self, Kind};

/// A text with a name.
#[derive(Clone, Debug)]
pub struct Log {
    /// How it is called in evidence: a path, or `-`.
    pub name: String,
    /// What it holds. Bytes that are no UTF-8 were replaced.
    pub text: String,
}

/// All logs of one failure, the most telling first.
#[derive(Clone, Debug)]
pub struct Case {
    logs: Vec<Log>,
    lines: Vec<Line>,
    /// For each single run of CRIU that left lines: how it ended.
    runs: Vec<Ended>,
}

/// Where a line is, and what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    log: u32,
    /// From 1.
    pub(super) number: u32,
    start: usize,
    end: usize,
    pub(super) kind: Kind,
    /// The run of CRIU that wrote it.
    pub(super) run: Option<usize>,
}

impl Line {
    /// Its place, which no other line of the case has: places are in the order of the case.
    pub(super) fn at(self) -> (u32, u32) {
        (self.log, self.number)
    }
}

/// How a run of CRIU ended, as its log says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ended {
    /// It says that it finished.
    Well,
    /// It tells of an error and not that it finished.
    Badly,
    /// It tells of neither.
    #[default]
    Somehow,
}

/// How far a clock may go back within one run: CRIU's processes write side by side.
const JITTER: u64 = 500_000;

/// What CRIU says when it is through.
const FINISHED: [&str; 5] = [
    "Dumping finished successfully",
    "Pre-dumping finished successfully",
    "Restore finished successfully",
    "Looks good.",
    "Looks good but some kernel features are missing",
];

impl Case {
    /// A case of these logs.
    pub fn new(mut logs: Vec<Log>) -> Self {
        logs.iter_mut().filter(|log| log.text.contains('\x1b')).for_each(|log| log.text = plain(&log.text));
        let mut case = Self { logs: Vec::new(), lines: Vec::new(), runs: Vec::new() };
        for (index, log) in logs.iter().enumerate() {
            case.add(u32::try_from(index).unwrap_or(u32::MAX), &log.text);
        }
        case.logs = logs;
        case
    }

    /// A case of one text.
    pub fn of_text(name: &str, text: &str) -> Self {
        Self::new(vec![Log { name: name.to_owned(), text: text.to_owned() }])
    }

    fn add(&mut self, log: u32, text: &str) {
        let first = self.lines.len();
        let mut run = None;
        let mut last = 0;
        let mut start = 0;
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            let end = start + line.trim_end().len();
            let line_text = &text[start..end];
            let (kind, clock) = line::kind(line_text);
            if kind != Kind::Words {
                let again = clock.is_some_and(|clock| clock.saturating_add(JITTER) < last)
                    || (line_text.contains("Version: ") && line_text.contains("(gitid"));
                last = if again { 0 } else { last }.max(clock.unwrap_or(0));
                if again || run.is_none() {
                    self.runs.push(Ended::default());
                    run = Some(self.runs.len() - 1);
                }
                if let Some(ended) = run.and_then(|run| self.runs.get_mut(run)) {
                    match kind {
                        _ if says_finished(line_text) => *ended = Ended::Well,
                        Kind::Error if *ended == Ended::Somehow => *ended = Ended::Badly,
                        _ => {}
                    }
                }
            }
            let of_run = run.filter(|_| kind != Kind::Words);
            self.lines.push(Line { log, number, start, end, kind, run: of_run });
            // Whatever comes after that is not of a run that went well.
            if of_run.is_some() && says_finished(line_text) {
                run = None;
                last = 0;
            }
            start += line.len();
        }
        self.words_of_runs(first);
    }

    /// Words between two lines of one run are what a program said that CRIU called: they are of that run.
    fn words_of_runs(&mut self, first: usize) {
        let mut before = None;
        let mut pending = first;
        for at in first..self.lines.len() {
            let Some(run) = self.lines[at].run else { continue };
            if before == Some(run) {
                self.lines[pending..at].iter_mut().for_each(|line| line.run = Some(run));
            }
            before = Some(run);
            pending = at + 1;
        }
    }

    /// Whether nothing comes after that line in its log.
    pub(super) fn is_last(&self, line: Line) -> bool {
        !self
            .lines
            .iter()
            .any(|other| other.log == line.log && other.number > line.number && other.end > other.start)
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The log that a line is of.
    pub(super) fn log(&self, line: Line) -> &Log {
        &self.logs[line.log as usize]
    }

    pub(super) fn text(&self, line: Line) -> &str {
        &self.log(line).text[line.start..line.end]
    }

    /// Whether the run that wrote a line says that it finished.
    pub(super) fn finished(&self, line: Line) -> bool {
        line.run.is_some_and(|run| self.runs[run] == Ended::Well)
    }

    /// Whether a line is the one in which CRIU says so.
    pub(super) fn says_finished(&self, line: Line) -> bool {
        says_finished(self.text(line))
    }

    /// Whether CRIU ran, a run of it finished, and none tells of an error otherwise.
    pub(super) fn all_finished(&self) -> bool {
        self.runs.contains(&Ended::Well) && !self.runs.contains(&Ended::Badly)
    }
}

/// A text without the escape sequences of a terminal: colours, titles, links.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next != '\x1b' {
            plain.push(next);
            continue;
        }
        match rest.next() {
            // CSI: up to its final letter. OSC: up to BEL, or the escape that begins its end.
            Some('[') => drop(rest.find(|c| ('@'..='~').contains(c))),
            Some(']') => drop(rest.find(|c| matches!(c, '\x07' | '\x1b' | '\n'))),
            _ => {}
        }
    }
    plain
}

fn says_finished(text: &str) -> bool {
    FINISHED.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_two_runs() {
        let case = Case::of_text(
            "-",
            "I ran it:\n\
             (00.000000) Version: 3.16.1 (gitid 0)\n\
             (00.900000) Warn  (criu/net.c:1): x\n\
             iptables-restore: invalid option\n\
             (01.200000) Dumping finished successfully\n\
             and then\n\
             (01.300000) Running\n\
             (00.000050) Error (criu/net.c:1): y\n",
        );
        let finished: Vec<bool> = case.lines().iter().map(|line| case.finished(*line)).collect();
        assert_eq!(finished, [false, true, true, true, true, false, false, false]);
        assert!(!case.all_finished());
        assert_eq!((case.text(case.lines()[5]), case.lines()[5].number), ("and then", 6));
    }
}
