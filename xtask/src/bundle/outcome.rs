//! What became of playing a failure again: in how many of how many replays, and whether the script alone does it.

use std::fmt;

/// Replays of a cell by the harness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replays {
    /// How many failed at the same step.
    pub alike: usize,
    /// How many failed at another step.
    pub otherwise: usize,
    /// How many passed.
    pub passed: usize,
    /// How many could not be asked.
    pub broken: usize,
}

impl Replays {
    /// How many there were.
    pub fn played(&self) -> usize {
        let Self { alike, otherwise, passed, broken } = self;
        alike + otherwise + passed + broken
    }
}

impl fmt::Display for Replays {
    /// `it failed alike in 2 of 3 replays; 1 passed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.played() == 0 {
            return f.write_str("it was not played again");
        }
        write!(f, "it failed alike in {} of {} replays", self.alike, self.played())?;
        for (count, words) in [
            (self.passed, "passed"),
            (self.otherwise, "failed otherwise"),
            (self.broken, "could not be asked"),
        ] {
            if count > 0 {
                write!(f, "; {count} {words}")?;
            }
        }
        Ok(())
    }
}

/// What `reproduce.sh` said in a fresh guest of the same stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// `REPRODUCED: …`
    Yes(String),
    /// Anything else that it said.
    No(String),
    /// It was not run, for a reason.
    Not(String),
}

impl Verified {
    /// From the script's last line and exit status.
    pub fn of(status: i32, last: &str) -> Self {
        if status == 0 && last.starts_with("REPRODUCED:") {
            Self::Yes(last.to_owned())
        } else {
            Self::No(format!("exit status {status}: {last}"))
        }
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes(line) => write!(f, "reproduce.sh was run in a fresh guest of the same stack: {line}"),
            Self::No(line) => {
                write!(
                    f,
                    "reproduce.sh was run in a fresh guest of the same stack, and did not reproduce it: {line}"
                )
            }
            Self::Not(why) => write!(f, "reproduce.sh was not run before it was packed: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_where_there_are_any() {
        assert_eq!(Replays::default().to_string(), "it was not played again");
        let mixed = Replays { alike: 2, passed: 1, ..Replays::default() };
        assert_eq!(mixed.to_string(), "it failed alike in 2 of 3 replays; 1 passed");
    }

    #[test]
    fn only_its_own_word_with_status_0_is_a_yes() {
        assert!(matches!(Verified::of(0, "REPRODUCED: step 3"), Verified::Yes(_)));
        assert!(matches!(Verified::of(1, "REPRODUCED: step 3"), Verified::No(_)));
        assert!(matches!(Verified::of(0, "passed"), Verified::No(_)));
    }
}
