//! What was seen of a workload at one moment: its ticks and its processes.
//!
//! A tick is one line, written by one write(2):
//! `who=ticker n=17 pid=321 start=1234 nonce=00c0ffee… sum=9f…`.
//! A last line without its newline was met half-way, and counts as not yet written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Place, Role};

/// One look at one workload in one guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Which guest.
    pub role: Role,
    /// Which container, where it is not the one that the story began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Each output file of the workload by name, whole.
    pub outputs: BTreeMap<String, String>,
    /// `/proc/*/stat`, as read.
    pub stat: String,
    /// The process id, as the guest counts, of the workload's root, while there is one.
    pub pid: Option<i32>,
    /// The `NSpid` line of each process, with its file's name; `None` where nothing is contained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// What the engine's list says of the container, in its own word; empty where it is not in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<String>,
    /// What the container is, item by item: a namespace, a limit, a right.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub items: BTreeMap<String, String>,
}

impl Observation {
    /// What was looked at.
    pub fn place(&self) -> Place {
        Place { on: self.role, container: self.container.clone() }
    }

    /// What the engine's list says, where there is an engine that has one.
    pub fn listed(&self) -> Option<Listed> {
        self.listed.as_deref().map(Listed::of)
    }
}

/// What an engine's list says of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Nothing: it is not in the list.
    Missing,
    /// Made, and never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Ended.
    Stopped,
    /// A word that nobody knows.
    Unknown,
}

impl Listed {
    /// The words of docker, podman, runc and crun.
    fn of(word: &str) -> Self {
        match word {
            "" => Self::Missing,
            "created" | "configured" | "initialized" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "exited" | "stopped" | "dead" => Self::Stopped,
            _ => Self::Unknown,
        }
    }
}

/// One line of a workload's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Which of the workload's counters.
    pub who: String,
    /// The count, from 1.
    pub n: u64,
    /// The process id that the counter knows for its own.
    pub pid: i32,
    /// When it started, as it remembers: nanoseconds of the boot clock, or any text that does not change.
    pub start: String,
    /// Drawn at random when it started, and kept in its memory only.
    pub nonce: String,
    /// A checksum over its memory, where it has one: 16 hexadecimal digits.
    pub sum: Option<u64>,
    /// The wall clock when it was told, microseconds, where it says so.
    pub at: Option<u64>,
    /// The names of what it holds, with commas, where it says so.
    pub items: Option<String>,
    /// The names of those that it holds no longer, with commas; none while nothing is lost.
    pub lost: Option<String>,
}

/// One process, as `/proc/PID/stat` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// The name, without its brackets.
    pub name: String,
    /// `R`, `S`, `D`, `T`, `Z`, …
    pub state: char,
    /// The parent's id.
    pub parent: i32,
    /// The session's id.
    pub session: i32,
    /// Resident memory in pages, where the line tells it (field 24 of proc_pid_stat(5)).
    pub resident: Option<u64>,
}

impl Process {
    /// Whether it can still run: neither a zombie nor dead.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// The whole lines of a workload's output, in order; `Err` holds the first line that is no tick.
///
/// # Errors
/// A whole line that cannot be read is not passed over: it may be the damage that a checker is looking for.
pub fn parse_ticks(text: &str) -> Result<Vec<Tick>, String> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| parse_tick(line).ok_or_else(|| line.to_owned())).collect()
}

fn parse_tick(line: &str) -> Option<Tick> {
    let fields: BTreeMap<&str, &str> = line.split(' ').filter_map(|word| word.split_once('=')).collect();
    let sum = match fields.get("sum") {
        Some(digits) => Some(u64::from_str_radix(digits, 16).ok()?),
        None => None,
    };
    Some(Tick {
        who: (*fields.get("who")?).to_owned(),
        n: fields.get("n")?.parse().ok()?,
        pid: fields.get("pid")?.parse().ok()?,
        start: (*fields.get("start")?).to_owned(),
        nonce: (*fields.get("nonce")?).to_owned(),
        sum,
        at: fields.get("at").and_then(|at| at.parse().ok()),
        items: fields.get("items").map(|&names| names.to_owned()),
        lost: fields.get("lost").map(|&names| names.to_owned()),
    })
}

/// The process id that each process has for itself, by the one that the guest counts: from `/proc/PID/status:NSpid:`
/// lines. Only those that are in a pid namespace of their own.
pub fn parse_inside(text: &str) -> BTreeMap<i32, i32> {
    text.lines()
        .filter_map(|line| {
            let (_, ids) = line.split_once("NSpid:")?;
            let mut ids = ids.split_whitespace().map(str::parse);
            let outer = ids.next()?.ok()?;
            Some((outer, ids.next_back()?.ok()?))
        })
        .collect()
}

/// The processes in a concatenation of `/proc/*/stat`. The name may hold blanks and brackets: its end is the last `)`.
pub fn parse_processes(stat: &str) -> Vec<Process> {
    stat.lines().filter_map(parse_process).collect()
}

fn parse_process(line: &str) -> Option<Process> {
    let (pid, rest) = line.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let _group = fields.next()?;
    let session = fields.next()?.parse().ok()?;
    // Field 6 was the session.
    let resident = fields.nth(24 - 7).and_then(|pages| pages.parse().ok());
    Some(Process { pid: pid.parse().ok()?, name: name.to_owned(), state, parent, session, resident })
}
