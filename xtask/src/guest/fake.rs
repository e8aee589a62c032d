//! A guest that is none: it drives the runner in tests, with commands answered by a closure and files in memory.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use super::batch::Batch;
use super::{Exec, Guest, Hello, TransferError};
use crate::model::{Exit, Finished, Lost};

type Answer = Box<dyn FnMut(&Exec) -> Result<Finished, Lost> + Send>;

/// A scripted guest.
pub struct Fake {
    /// What it says of itself.
    pub hello: Hello,
    /// Its files by path, with their permission bits and bytes.
    pub files: BTreeMap<String, (u32, Vec<u8>)>,
    /// Every command that it was given, in order.
    pub ran: Vec<Exec>,
    answer: Answer,
}

impl Fake {
    /// A guest that answers every command by asking `answer`.
    pub fn new(answer: impl FnMut(&Exec) -> Result<Finished, Lost> + Send + 'static) -> Self {
        let hello = Hello { release: "6.1.0-fake".to_owned(), root: true, criu: true, ..Hello::default() };
        Self { hello, files: BTreeMap::new(), ran: Vec::new(), answer: Box::new(answer) }
    }

    /// A guest in which every command succeeds and prints nothing.
    pub fn obedient() -> Self {
        Self::new(|_| Ok(Self::printed("")))
    }

    /// A command that succeeded and printed this.
    pub fn printed(stdout: &str) -> Finished {
        Finished { exit: Exit::Status(0), stdout: stdout.to_owned(), stderr: String::new(), millis: 1 }
    }

    /// A command that failed with this status, and said why.
    pub fn failed(status: i32, stderr: &str) -> Finished {
        Finished { exit: Exit::Status(status), stdout: String::new(), stderr: stderr.to_owned(), millis: 1 }
    }
}

impl Guest for Fake {
    fn facts(&self) -> &Hello {
        &self.hello
    }

    fn run(&mut self, exec: &Exec) -> Result<Finished, Lost> {
        let Some(batch) = exec.argv.last().and_then(|line| Batch::read(line)) else {
            self.ran.push(exec.clone());
            return (self.answer)(exec);
        };
        batch.act(|line| {
            let mut one = exec.clone();
            one.argv.pop();
            one.argv.push(line.to_owned());
            self.ran.push(one.clone());
            (self.answer)(&one)
        })
    }

    fn push(&mut self, source: &mut dyn Read, len: u64, path: &str, mode: u32) -> Result<(), TransferError> {
        let mut bytes = Vec::new();
        source.take(len).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != len {
            return Err(TransferError::Local(std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.files.insert(path.to_owned(), (mode, bytes));
        Ok(())
    }

    fn pull(&mut self, path: &str, sink: &mut dyn Write) -> Result<u64, TransferError> {
        let Some((_, bytes)) = self.files.get(path) else {
            return Err(TransferError::Refused(format!("{path}: No such file or directory (os error 2)")));
        };
        sink.write_all(bytes)?;
        Ok(bytes.len() as u64)
    }
}
