//! What is looked at and waited for in a guest: by a line of `sh`, as a person would, or by a shortcut to the same. In an
//! emulated guest the start of a program takes longer than what most such lines do.

use super::Command;

/// Something to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Prints it.
    pub command: Command,
    /// Tells the same without a program; where it does not, the command does.
    pub shortcut: Option<Shortcut>,
}

/// A way to what a command would print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortcut {
    /// A file.
    File {
        /// An absolute path.
        path: String,
        /// Whether one that is not there is as good as an empty one.
        may_lack: bool,
    },
    /// `/proc/*/stat`.
    Processes,
    /// The `NSpid:` lines of `/proc/*/status`, with their files' names.
    Namespaces,
    /// What `dmesg` prints.
    KernelLog,
    /// What a server says.
    Server {
        /// Its unix socket: an absolute path.
        socket: String,
        /// What it is told.
        request: String,
        /// What is taken out of its answer.
        answer: Answer,
    },
}

/// What is taken out of an answer of an engine's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The word for a container's state, and the process id of its root if there is one: a line each.
    State,
    /// The path of its log.
    LogPath,
    /// Its standard output.
    Log,
}

impl View {
    /// By its command alone.
    pub fn of(command: Command) -> Self {
        Self { command, shortcut: None }
    }

    /// The same, with a shortcut to it.
    #[must_use]
    pub fn or(self, shortcut: Shortcut) -> Self {
        Self { shortcut: Some(shortcut), ..self }
    }
}

/// Ticks that are waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How many more each counter must tell.
    pub more: u32,
    /// For how many seconds.
    pub seconds: u64,
    /// The counters, with where their ticks are.
    pub counters: Vec<(String, Source)>,
}

/// A file by its name, or by what prints its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Relative to the work folder.
    File(String),
    /// Its path is what this shows.
    Shown(View),
}

impl Source {
    /// As a word of `sh`.
    pub fn word(&self) -> String {
        match self {
            Self::File(name) => name.clone(),
            Self::Shown(view) => format!("\"$({})\"", view.command.line),
        }
    }
}

impl Wait {
    /// As it is typed.
    pub fn command(self) -> Command {
        let Self { more, seconds, counters } = &self;
        let pairs: Vec<_> = counters.iter().map(|(who, source)| format!("{who} {}", source.word())).collect();
        let line = format!("sh ./more-ticks.sh {more} {seconds} {}", pairs.join(" "));
        let command = Command::new(line).within(seconds + 30);
        Command { wait: Some(self), ..command }
    }

    /// What is said when the time is over, in the words of `more-ticks.sh`: `came` is how many ticks each counter told,
    /// `files` where. Nothing where all have told enough.
    pub fn late(&self, came: &[u64], files: &[String]) -> Option<String> {
        let more = u64::from(self.more);
        let late = |((who, _), (came, file)): (&(String, Source), (&u64, &String))| {
            (*came < more).then(|| format!("; {who} told {came} of {more} more ticks in {file}"))
        };
        let all: String = self.counters.iter().zip(came.iter().zip(files)).filter_map(late).collect();
        (!all.is_empty()).then(|| format!("after {} s{all}\n", self.seconds))
    }
}
