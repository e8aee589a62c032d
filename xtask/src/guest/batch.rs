//! Several lines of `sh` in one go: in an emulated guest the start of a shell takes longer than what most lines do.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use crate::model::{Exit, Finished};

/// Lines that are run one after another, each in a subshell, whatever becomes of the one before.
#[derive(Clone, Debug)]
pub struct Batch {
    lines: Vec<String>,
    /// Stands behind the output of each line. Nobody in the guest can have printed it before.
    mark: String,
}

/// What one line printed, and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its standard output.
    pub stdout: String,
    /// Its exit status, as a shell tells it.
    pub status: i32,
}

impl Batch {
    /// A batch of lines. A line cannot hold a NUL, and ends there.
    pub fn new(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let line = |line: &str| line.split('\0').next().unwrap_or_default().to_owned();
        let mark = format!("=={:016x}==", RandomState::new().build_hasher().finish());
        Self { lines: lines.into_iter().map(|it| line(it.as_ref())).collect(), mark }
    }

    /// The one line that runs them all.
    pub fn line(&self) -> String {
        let quoted = self.lines.iter().filter_map(|line| shlex::try_quote(line).ok());
        let words: Vec<_> = quoted.collect();
        let mark = &self.mark;
        format!(r#"for line in {} ; do (eval "$line"); printf '{mark} %s\n' $?; done"#, words.join(" "))
    }

    /// What each line came to, as far as it had ended.
    pub fn parts(&self, stdout: &str) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut rest = stdout;
        while let Some((text, after)) = rest.split_once(&self.mark) {
            let (status, next) = after.split_once('\n').unwrap_or((after, ""));
            let Ok(status) = status.trim().parse() else { break };
            parts.push(Part { stdout: text.to_owned(), status });
            rest = next;
        }
        parts
    }

    /// The line that had not ended when the parts so far had.
    pub fn line_after(&self, parts: &[Part]) -> &str {
        self.lines.get(parts.len()).map_or("", String::as_str)
    }

    /// The lines of a line that a batch made, with its mark: for guests that are scripted.
    pub(super) fn read(line: &str) -> Option<Self> {
        let words = shlex::split(line.strip_prefix("for line in ")?)?;
        let end = words.iter().position(|word| word == ";")?;
        let mark = words.iter().find_map(|word| word.strip_suffix(" %s\\n"))?.to_owned();
        Some(Self { lines: words[..end].to_vec(), mark })
    }

    /// Does as a shell would, with `run` for each line.
    ///
    /// # Errors
    /// What `run` says.
    pub(super) fn act<E>(&self, mut run: impl FnMut(&str) -> Result<Finished, E>) -> Result<Finished, E> {
        let mut all =
            Finished { exit: Exit::Status(0), stdout: String::new(), stderr: String::new(), millis: 1 };
        for line in &self.lines {
            let Finished { exit, stdout, stderr, .. } = run(line)?;
            all.stdout.push_str(&stdout);
            all.stderr.push_str(&stderr);
            let Exit::Status(status) = exit else { return Ok(Finished { exit, ..all }) };
            all.stdout.push_str(&format!("{} {status}\n", self.mark));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    /// By this machine's shell.
    fn by_sh(batch: &Batch) -> Vec<Part> {
        let output = process::command("sh").arg("-c").arg(batch.line()).output().unwrap();
        batch.parts(&String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn each_line_has_its_own_output_and_status() {
        let lines =
            ["printf 'no newline'", "exit 3", "echo 'a b'; line=x", "false || echo \"it's $line\"", ""];
        let expected =
            [("no newline", 0), ("", 3), ("a b\n", 0), ("it's false || echo \"it's $line\"\n", 0), ("", 0)];
        let expected = expected.map(|(stdout, status)| Part { stdout: stdout.to_owned(), status });
        let batch = Batch::new(lines);
        assert_eq!(by_sh(&batch), expected);
    }

    #[test]
    fn a_line_that_has_not_ended_is_known() {
        let batch = Batch::new(["echo one", "kill -9 $$", "echo three"]);
        let parts = by_sh(&batch);
        assert_eq!(parts.len(), 1);
        assert_eq!(batch.line_after(&parts), "kill -9 $$");
    }

    #[test]
    fn a_scripted_guest_does_the_same() {
        let batch = Batch::new(["one 'x'", "two"]);
        let read = Batch::read(&batch.line()).unwrap();
        let answer = |line: &str| Ok::<_, ()>(crate::guest::Fake::printed(&format!("[{line}]")));
        let stdout = read.act(answer).unwrap().stdout;
        let said: Vec<_> = batch.parts(&stdout).into_iter().map(|part| part.stdout).collect();
        assert_eq!(said, ["[one 'x']", "[two]"]);
        assert!(Batch::read("for line in a; do b; done").is_none());
    }
}
