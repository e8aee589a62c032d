//! What an agent tells without starting a program: files, processes, a server's answer, lines as they come. Questions go
//! out together, and their answers come in any order.

use std::time::{Duration, Instant};

use ::guest::wire::{Await, Reply, Request};

use super::Agent;
use super::agent::silent;
use super::link::{Turn, garbled};
use crate::model::{Lost, Shortcut};

/// How long a server may take. One that is stopped is for a command to hang at, which is looked at then.
const SERVER: Duration = Duration::from_secs(10);

/// The most bytes that are taken of one answer.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

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
        let answered = self.ask_all(requests, SERVER)?;
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
        let answered = self.ask_all(requests, within.saturating_add(self.grace()))?;
        // An agent that is silent after that is none.
        if answered.iter().any(|question| question.end.is_none()) {
            return Err(silent("a wait for ticks", within.saturating_add(self.grace())));
        }
        Ok(answered.into_iter().map(|question| question.end.flatten()).collect())
    }

    /// Those that are not answered in time are cancelled, and have no end.
    fn ask_all(
        &mut self,
        requests: impl Iterator<Item = Request>,
        within: Duration,
    ) -> Result<Vec<Question>, Lost> {
        let link = self.link();
        let mut questions = Vec::new();
        for request in requests {
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
            if Instant::now() >= deadline {
                break;
            }
        }
        for question in questions.iter().filter(|question| question.end.is_none()) {
            link.send(question.id, &Request::Cancel).map_err(garbled)?;
        }
        Ok(questions)
    }
}
