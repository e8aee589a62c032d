//! QEMU's control channel: JSON, a line a message, over a socket that QEMU inherits.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guest::Watch;
use crate::model::Lost;

/// How often the watch is asked while an answer is awaited.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// Why QEMU did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum QmpError {
    /// It refuses; its words.
    #[error("QEMU refuses {command}: {why}")]
    Refused {
        /// The command, or what it was to lead to.
        command: String,
        /// QEMU's reason.
        why: String,
    },
    /// Nothing came in time.
    #[error("QEMU is silent: {awaited} within {} s", .within.as_secs())]
    Silent {
        /// What was awaited.
        awaited: String,
        /// How long.
        within: Duration,
    },
    /// The channel is closed.
    #[error("QEMU closed its control channel: {0}")]
    Closed(std::io::Error),
    /// QEMU or its guest is gone, as the watch tells.
    #[error("{0}")]
    Lost(Lost),
}

impl From<QmpError> for Lost {
    fn from(error: QmpError) -> Self {
        match error {
            QmpError::Lost(lost) => lost,
            error => Self::Ended(error.to_string()),
        }
    }
}

/// A connection to one QEMU.
pub(super) struct Qmp {
    stream: UnixStream,
    watch: Watch,
    buffer: Vec<u8>,
    /// Events that came while something else was awaited.
    events: VecDeque<Value>,
    sent: u64,
}

impl Qmp {
    /// Opens the conversation; QEMU need not have started yet.
    ///
    /// # Errors
    /// When the socket fails.
    pub(super) fn new(stream: UnixStream, watch: Watch) -> Result<Self, QmpError> {
        stream.set_read_timeout(Some(WATCH_EVERY)).map_err(QmpError::Closed)?;
        let mut qmp = Self { stream, watch, buffer: Vec::new(), events: VecDeque::new(), sent: 0 };
        qmp.send("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Tells QEMU to do something, and waits for nothing. The command's number is for [`Qmp::answer`].
    pub(super) fn send(&mut self, command: &str, arguments: &Value) -> Result<u64, QmpError> {
        self.sent += 1;
        let line = json!({ "execute": command, "arguments": arguments, "id": self.sent });
        self.stream.write_all(format!("{line}\n").as_bytes()).map_err(QmpError::Closed)?;
        Ok(self.sent)
    }

    /// Waits for the answer to a command that was sent.
    pub(super) fn answer(&mut self, id: u64, command: &str, within: Duration) -> Result<(), QmpError> {
        let deadline = Instant::now() + within;
        loop {
            let message = self.message(deadline, || silent(&format!("no answer to {command}"), within))?;
            if message.get("event").is_some() {
                self.events.push_back(message);
            } else if message["id"] == id {
                return match message["error"]["desc"].as_str() {
                    Some(why) => Err(QmpError::Refused { command: command.to_owned(), why: why.to_owned() }),
                    None => Ok(()),
                };
            }
        }
    }

    /// Both.
    pub(super) fn execute(
        &mut self,
        command: &str,
        arguments: &Value,
        within: Duration,
    ) -> Result<(), QmpError> {
        let id = self.send(command, arguments)?;
        self.answer(id, command, within)
    }

    /// Waits for the next event of that name, and gives its data. Events before it are dropped.
    pub(super) fn event(&mut self, name: &str, within: Duration) -> Result<Value, QmpError> {
        let deadline = Instant::now() + within;
        loop {
            let message = match self.events.pop_front() {
                Some(event) => event,
                None => self.message(deadline, || silent(&format!("no event {name}"), within))?,
            };
            if message["event"] == name {
                return Ok(message["data"].clone());
            }
        }
    }

    /// Tells QEMU to end, and waits until it has.
    pub(super) fn quit(&mut self, within: Duration) -> Result<(), QmpError> {
        self.send("quit", &json!({}))?;
        let deadline = Instant::now() + within;
        // Its end is wanted, and no loss.
        self.watch = std::sync::Arc::new(|| None);
        loop {
            match self.message(deadline, || silent("no end", within)) {
                Ok(_) => {}
                Err(QmpError::Closed(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn message(&mut self, deadline: Instant, late: impl Fn() -> QmpError) -> Result<Value, QmpError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if let Ok(message) = serde_json::from_slice(&line) {
                    return Ok(message);
                }
                continue;
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(self.closed(ErrorKind::UnexpectedEof.into())),
                Ok(length) => self.buffer.extend(&bytes[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    if let Some(lost) = (self.watch)() {
                        return Err(QmpError::Lost(lost));
                    }
                    if Instant::now() >= deadline {
                        return Err(late());
                    }
                }
                Err(error) => return Err(self.closed(error)),
            }
        }
    }

    /// The better reason, if the watch has one.
    fn closed(&self, error: std::io::Error) -> QmpError {
        (self.watch)().map_or(QmpError::Closed(error), QmpError::Lost)
    }
}

fn silent(awaited: &str, within: Duration) -> QmpError {
    QmpError::Silent { awaited: awaited.to_owned(), within }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    /// A QEMU that has said this and says no more.
    fn said(text: &str) -> (Qmp, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(text.as_bytes()).unwrap();
        (Qmp::new(ours, Arc::new(|| None)).unwrap(), theirs)
    }

    const GREETING: &str = "{\"QMP\": {\"version\": {}}}\r\n{\"return\": {}, \"id\": 1}\r\n";

    #[test]
    fn answers_are_found_by_number_and_events_wait_their_turn() {
        let text = format!(
            "{GREETING}{{\"event\": \"RESET\", \"data\": {{\"guest\": false}}}}\r\n{{\"return\": {{}}, \"id\": 2}}\r\n"
        );
        let (mut qmp, _theirs) = said(&text);
        qmp.execute("system_reset", &json!({}), SOON).unwrap();
        assert_eq!(qmp.event("RESET", SOON).unwrap()["guest"], false);
    }

    #[test]
    fn a_refusal_is_told_in_qemus_words() {
        let text = format!("{GREETING}{{\"error\": {{\"desc\": \"no such thing\"}}, \"id\": 2}}\r\n");
        let (mut qmp, _theirs) = said(&text);
        let error = qmp.execute("migrate", &json!({}), SOON).unwrap_err();
        assert_eq!(error.to_string(), "QEMU refuses migrate: no such thing");
    }

    #[test]
    fn silence_and_the_end_are_two_things() {
        let (mut qmp, theirs) = said(GREETING);
        assert!(matches!(qmp.event("RESET", SOON), Err(QmpError::Silent { .. })));
        drop(theirs);
        assert!(matches!(qmp.event("RESET", SOON), Err(QmpError::Closed(_))));
        let (mut qmp, theirs) = said(GREETING);
        drop(theirs);
        assert!(qmp.quit(SOON).is_err(), "it was gone before it was told to end");
    }
}
