//! What an agent tells without starting a program: files, processes, a server's answer, lines as they come. Questions go
//! out together, and their answers come in any order.

use std::time::{Duration, Instant};

use ::guest::wire::{Await, LAST_LOOK, Reply, Request};

use super::Agent;
use super::agent::silent;
use super::link::{Turn, garbled};
use crate::model::{Lost, Shortcut};

/// How long an answer may take. A server that is stopped is for a command to hang at, which is looked at then.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much longer than it was told to an agent may wait: its clock may go slower than ours. As long as for the line that
/// it waits in place of.
const SLACK: Duration = Duration::from_secs(30).saturating_add(LAST_LOOK);

/// The most bytes that are taken of one answer, which is whole or none: a command's output is cut in the middle instead
/// ([`super::OUTPUT_MAX`]).
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// A question, and what has come of it.
struct Question {
    id: u32,
    heard: Vec<u8>,
    /// `Some(None)`: refused.
    end: Option<Option<u64>>,
}

impl Agent {
    pub(super) fn told_by(&mut self, shortcuts: &[&Shortcut]) -> Result<Vec<Option<Vec<u8>>>, Lost> {
        let requests = shortcuts.iter().map(|shortcut| match shortcut {
            Shortcut::File { path, may_lack } => Request::Pull { path: path.clone(), may_lack: *may_lack },
            Shortcut::Processes => Request::Processes,
            Shortcut::Namespaces => Request::Namespaces,
            Shortcut::KernelLog => Request::KernelLog,
            Shortcut::Server { socket, request, .. } => {
                Request::Ask { socket: socket.clone(), bytes: request.clone().into_bytes() }
            }
        });
        let answered = self.ask_all(requests, PATIENCE)?;
        let whole = |question: Question| {
            question.end.flatten().filter(|_| question.heard.len() <= ANSWER_MAX).map(|_| question.heard)
        };
        Ok(answered.into_iter().map(whole).collect())
    }

    pub(super) fn lines_of(
        &mut self,
        awaited: &[(String, String)],
        more: u32,
        within: Duration,
    ) -> Result<Option<Vec<u64>>, Lost> {
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let requests = awaited.iter().map(|(path, needle)| {
            let (path, needle, more) = (path.clone(), needle.clone(), more.into());
            Request::Await(Await { path, needle, more, within_ms })
        });
        let within = within.saturating_add(SLACK).saturating_add(self.grace());
        let answered = self.ask_all(requests, within)?;
        // One that the agent cannot wait for is enough for the line; an agent that is silent is none.
        if answered.iter().any(|question| question.end == Some(None)) {
            return Ok(None);
        }
        if answered.iter().any(|question| question.end.is_none()) {
            return Err(silent("a wait for ticks", within));
        }
        Ok(answered.into_iter().map(|question| question.end.flatten()).collect())
    }

    /// Those that are not answered in time, or when one that waits beside them was refused, are cancelled, and have no end.
    fn ask_all(
        &mut self,
        requests: impl Iterator<Item = Request>,
        within: Duration,
    ) -> Result<Vec<Question>, Lost> {
        let link = self.link();
        let mut questions = Vec::new();
        let mut wait = false;
        for request in requests {
            wait |= matches!(request, Request::Await(_));
            let id = link.fresh_id();
            link.send(id, &request).map_err(garbled)?;
            questions.push(Question { id, heard: Vec::new(), end: None });
        }
        let deadline = Instant::now() + within;
        while questions.iter().any(|question| question.end.is_none()) {
            if let Turn::Reply(at, reply) = link.turn(deadline)?
                && let Some(question) = questions.iter_mut().find(|question| question.id == at)
            {
                match reply {
                    Reply::Data(bytes) if question.heard.len() <= ANSWER_MAX => question.heard.extend(bytes),
                    Reply::Data(_) => {}
                    Reply::Done(number) => question.end = Some(Some(number)),
                    Reply::Refused(_) => question.end = Some(None),
                    _ => return Err(Lost::Protocol("a reply that is none to a question".to_owned())),
                }
            }
            let refused = questions.iter().any(|question| question.end == Some(None));
            if Instant::now() >= deadline || (wait && refused) {
                break;
            }
        }
        for question in questions.iter().filter(|question| question.end.is_none()) {
            link.send(question.id, &Request::Cancel).map_err(garbled)?;
        }
        Ok(questions)
    }
}
