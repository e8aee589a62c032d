//! A guest by its agent, over a unix socket. All deadlines are this side's: an agent may be blocked for ever.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime};

use ::guest::wire::{DATA_MAX, Hello, How, LAST_LOOK, Reply, Request};

use super::capture::Capture;
use super::link::{GRACE, Link, Turn, Watch, garbled};
use super::{Exec, Guest, TransferError};
use crate::model::{Exit, Finished, Lost, Shortcut};

/// How long a file's transfer may stand still.
const STALL: Duration = Duration::from_secs(30);

/// What a shell exits with when it cannot start a command.
const CANNOT_START: i32 = 127;

/// A connected agent.
pub struct Agent {
    link: Link,
    hello: Hello,
    /// [`GRACE`]; shorter in tests.
    grace: Duration,
}

impl Agent {
    /// Says hello and waits for the answer: while a guest boots, and again when it was woken from a saved state.
    ///
    /// # Errors
    /// When no answer comes in time, the watch reports a loss, or the agent is of another build.
    pub fn meet(stream: UnixStream, within: Duration, watch: Watch) -> Result<Self, Lost> {
        let mut link = Link::new(stream, watch)?;
        let id = link.fresh_id();
        link.send(id, &Request::Hello).map_err(garbled)?;
        let deadline = Instant::now() + within;
        loop {
            match link.turn(deadline)? {
                // Whoever cannot read our hello answers with its own under no id.
                Turn::Reply(_, Reply::Hello(hello)) => return Ok(Self { link, hello, grace: GRACE }),
                Turn::Reply(_, Reply::Refused(why)) => return Err(Lost::Protocol(why)),
                _ if Instant::now() >= deadline => return Err(silent("hello", within)),
                _ => {}
            }
        }
    }

    /// The guest was given its root file system and CRIU by other means than the disks that the agent looks for.
    pub fn has_everything(&mut self) {
        (self.hello.root, self.hello.criu) = (true, true);
    }

    /// Sets the guest's wall clock, which stands still in a saved state.
    ///
    /// # Errors
    /// See [`TransferError`].
    pub fn set_clock(&mut self, now: SystemTime) -> Result<(), TransferError> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.ask("set-clock", &Request::SetClock { secs: since.as_secs(), nanos: since.subsec_nanos() })
    }

    /// Feeds the guest's random pool and has it reseeded: guests woken from one saved state draw the same numbers
    /// without it. At most 512 bytes are taken.
    ///
    /// # Errors
    /// See [`TransferError`].
    pub fn seed(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.ask("seed", &Request::Seed(bytes.to_vec()))
    }

    /// Writes over the first bytes of a file that is there.
    ///
    /// # Errors
    /// See [`TransferError`].
    pub fn overwrite(&mut self, path: &str, bytes: &[u8]) -> Result<(), TransferError> {
        self.ask(path, &Request::Overwrite { path: path.to_owned(), bytes: bytes.to_vec() })
    }

    /// Has the guest write its disks and switch itself off, and waits for the end of the connection.
    ///
    /// # Errors
    /// When it is still there after `within`.
    pub fn power_off(mut self, within: Duration) -> Result<(), Lost> {
        let id = self.link.fresh_id();
        self.link.send(id, &Request::PowerOff).map_err(garbled)?;
        self.link.part();
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            match self.link.turn(deadline) {
                Err(Lost::Ended(_)) => return Ok(()),
                Err(lost) => return Err(lost),
                Ok(_) => {}
            }
        }
        Err(silent("power-off", within))
    }

    /// How much longer than it was given an answer may take.
    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// A request that is answered by one `Done`.
    fn ask(&mut self, what: &str, request: &Request) -> Result<(), TransferError> {
        let id = self.link.fresh_id();
        self.link.send(id, request).map_err(garbled)?;
        let deadline = Instant::now() + self.grace;
        loop {
            match self.link.turn(deadline)? {
                Turn::Reply(at, Reply::Done(_)) if at == id => return Ok(()),
                Turn::Reply(at, Reply::Refused(why)) if at == id => return Err(TransferError::Refused(why)),
                _ if Instant::now() >= deadline => return Err(silent(what, self.grace).into()),
                _ => {}
            }
        }
    }

    /// Tells the guest that a transfer is over, when this machine could not go on with it.
    fn cancel<T>(&mut self, id: u32, error: std::io::Error) -> Result<T, TransferError> {
        self.link.send(id, &Request::Cancel).map_err(garbled)?;
        Err(TransferError::Local(error))
    }
}

impl Guest for Agent {
    fn facts(&self) -> &Hello {
        &self.hello
    }

    fn run(&mut self, exec: &Exec) -> Result<Finished, Lost> {
        let started = Instant::now();
        let look = if exec.at_deadline.is_some() { LAST_LOOK } else { Duration::ZERO };
        let within = exec.deadline.saturating_add(look).saturating_add(self.grace);
        let id = self.link.fresh_id();
        let finished = |exit, stdout: Capture, stderr: Capture| Finished {
            exit,
            stdout: stdout.into_text(),
            stderr: stderr.into_text(),
            millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let (mut stdout, mut stderr) = (Capture::default(), Capture::default());
        if let Err(error) = self.link.send(id, &Request::Exec(wire(exec))) {
            stderr.take(format!("the command does not fit: {error}\n").as_bytes());
            return Ok(finished(Exit::Status(CANNOT_START), stdout, stderr));
        }
        // An empty piece is the end of input.
        let mut input =
            exec.stdin.chunks(DATA_MAX).chain(std::iter::once(&[][..])).filter(|_| !exec.stdin.is_empty());
        loop {
            while !self.link.is_full()
                && let Some(piece) = input.next()
            {
                self.link.send(id, &Request::Stdin(piece.to_vec())).map_err(garbled)?;
            }
            let left = within.saturating_sub(started.elapsed());
            match self.link.turn(Instant::now() + left)? {
                Turn::Reply(at, reply) if at == id => match reply {
                    Reply::Stdout(bytes) => stdout.take(&bytes),
                    Reply::Stderr(bytes) => stderr.take(&bytes),
                    Reply::Exited(how) => return Ok(finished(exit(how), stdout, stderr)),
                    Reply::Refused(why) => {
                        stderr.take(format!("{why}\n").as_bytes());
                        return Ok(finished(Exit::Status(CANNOT_START), stdout, stderr));
                    }
                    Reply::Hello(_) | Reply::Data(_) | Reply::Done(_) => {
                        return Err(Lost::Protocol("a reply that is none to a command".to_owned()));
                    }
                },
                _ => {}
            }
            if started.elapsed() >= within {
                return Err(silent(&shown(exec), within));
            }
        }
    }

    fn told(&mut self, shortcuts: &[&Shortcut]) -> Result<Vec<Option<Vec<u8>>>, Lost> {
        self.told_by(shortcuts)
    }

    fn lines(
        &mut self,
        awaited: &[(String, String)],
        more: u32,
        within: Duration,
    ) -> Result<Option<Vec<u64>>, Lost> {
        self.lines_of(awaited, more, within)
    }

    fn push(&mut self, source: &mut dyn Read, len: u64, path: &str, mode: u32) -> Result<(), TransferError> {
        let id = self.link.fresh_id();
        self.link.send(id, &Request::Push { path: path.to_owned(), mode, len }).map_err(garbled)?;
        let mut left = len;
        let mut moved = Instant::now();
        loop {
            while left > 0 && !self.link.is_full() {
                match piece(source, left) {
                    Ok(bytes) => {
                        left -= bytes.len() as u64;
                        self.link.send(id, &Request::Data(bytes)).map_err(garbled)?;
                    }
                    Err(error) => return self.cancel(id, error),
                }
            }
            match self.link.turn(moved + STALL)? {
                Turn::Reply(at, Reply::Done(_)) if at == id => return Ok(()),
                Turn::Reply(at, Reply::Refused(why)) if at == id => return Err(TransferError::Refused(why)),
                Turn::Reply(..) | Turn::Moved => moved = Instant::now(),
                Turn::Idle if moved.elapsed() >= STALL => {
                    return Err(silent(&format!("push of {path}"), STALL).into());
                }
                Turn::Idle => {}
            }
        }
    }

    fn pull(&mut self, path: &str, sink: &mut dyn Write) -> Result<u64, TransferError> {
        let id = self.link.fresh_id();
        self.link.send(id, &Request::Pull { path: path.to_owned(), may_lack: false }).map_err(garbled)?;
        let mut moved = Instant::now();
        loop {
            match self.link.turn(moved + STALL)? {
                Turn::Reply(at, Reply::Data(bytes)) if at == id => {
                    moved = Instant::now();
                    if let Err(error) = sink.write_all(&bytes) {
                        return self.cancel(id, error);
                    }
                }
                Turn::Reply(at, Reply::Done(len)) if at == id => return Ok(len),
                Turn::Reply(at, Reply::Refused(why)) if at == id => return Err(TransferError::Refused(why)),
                Turn::Reply(..) | Turn::Moved => moved = Instant::now(),
                Turn::Idle if moved.elapsed() >= STALL => {
                    return Err(silent(&format!("pull of {path}"), STALL).into());
                }
                Turn::Idle => {}
            }
        }
    }
}

/// The command as the agent takes it.
fn wire(exec: &Exec) -> ::guest::wire::Exec {
    ::guest::wire::Exec {
        argv: exec.argv.clone(),
        env: exec.env.clone(),
        cwd: exec.cwd.clone(),
        deadline_ms: Some(u64::try_from(exec.deadline.as_millis()).unwrap_or(u64::MAX)),
        at_deadline: exec.at_deadline.clone(),
        stdin: !exec.stdin.is_empty(),
        tty: None,
    }
}

pub(super) fn exit(how: How) -> Exit {
    match how {
        How::Status(status) => Exit::Status(status),
        How::Signal(signal) => Exit::Signal(signal),
        How::TimedOut => Exit::TimedOut,
    }
}

pub(super) fn silent(awaited: &str, within: Duration) -> Lost {
    Lost::Silent(format!("no answer to {awaited} within {} s", within.as_secs_f64()))
}

/// The command as a person knows it.
fn shown(exec: &Exec) -> String {
    match exec.argv.as_slice() {
        [_, dash, line] if dash == "-c" => format!("`{line}`"),
        words => format!("`{}`", words.join(" ")),
    }
}

fn piece(source: &mut dyn Read, left: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(left).unwrap_or(DATA_MAX).min(DATA_MAX)];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use ::guest::wire::{Decoder, encode};

    use super::*;

    /// What an agent in a thread answers to a request; `None`: it hangs up.
    type Script = fn(Request) -> Option<Vec<Reply>>;

    fn hello(request: &Request) -> Option<Vec<Reply>> {
        (*request == Request::Hello).then(|| vec![Reply::Hello(Hello::default())])
    }

    fn speak(mut stream: UnixStream, script: Script) -> Option<()> {
        let mut decoder = Decoder::<Request>::default();
        loop {
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).ok().filter(|length| *length > 0)?;
            decoder.feed(&bytes[..length]);
            while let Some((id, request)) = decoder.message().ok()? {
                for reply in script(request)? {
                    let mut frame = Vec::new();
                    encode(id, &reply, &mut frame).ok()?;
                    stream.write_all(&frame).ok()?;
                }
            }
        }
    }

    fn meet(script: Script, watch: Watch) -> Result<Agent, Lost> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || speak(theirs, script));
        let mut agent = Agent::meet(ours, Duration::from_millis(300), watch)?;
        agent.grace = Duration::from_millis(100);
        Ok(agent)
    }

    fn unwatched() -> Watch {
        Arc::new(|| None)
    }

    /// What becomes of a command of a guest that answers hello, and then by the script.
    fn run(script: Script, watch: Watch) -> Result<Finished, Lost> {
        meet(script, watch).unwrap().run(&Exec::sh("true", "/", Duration::from_millis(200)))
    }

    #[test]
    fn an_agent_without_an_answer_is_silent() {
        let lost = meet(|_| Some(Vec::new()), unwatched()).err();
        assert_eq!(lost, Some(Lost::Silent("no answer to hello within 0.3 s".to_owned())));
        let lost = run(|request| hello(&request).or(Some(Vec::new())), unwatched());
        assert_eq!(lost, Err(Lost::Silent("no answer to `true` within 0.3 s".to_owned())));
    }

    #[test]
    fn one_that_prints_for_ever_is_silent_too() {
        let flood =
            |request: Request| hello(&request).or_else(|| Some(vec![Reply::Stdout(vec![0; 100]); 200_000]));
        assert!(matches!(run(flood, unwatched()), Err(Lost::Silent(_))));
    }

    #[test]
    fn the_end_of_the_connection_is_the_end_unless_the_watch_knows_better() {
        assert!(matches!(run(|request| hello(&request), unwatched()), Err(Lost::Ended(_))));
        let panicked = Lost::Panicked("Kernel panic - not syncing".to_owned());
        let started = Instant::now();
        let told = panicked.clone();
        let later: Watch =
            Arc::new(move || (started.elapsed() > Duration::from_millis(250)).then(|| told.clone()));
        assert_eq!(run(|request| hello(&request), later), Err(panicked));
    }

    #[test]
    fn the_watch_is_heard_while_nothing_else_is() {
        let started = Instant::now();
        let oops: Watch = Arc::new(move || {
            (started.elapsed() > Duration::from_millis(20)).then(|| Lost::Oopsed("BUG".to_owned()))
        });
        let mut agent = meet(|request| hello(&request).or(Some(Vec::new())), oops).unwrap();
        let lost = agent.run(&Exec::sh("sleep 60", "/", Duration::from_secs(60)));
        assert_eq!(lost, Err(Lost::Oopsed("BUG".to_owned())));
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn garbage_is_not_understood() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"login: ").unwrap();
        let lost = Agent::meet(ours, Duration::from_secs(1), unwatched()).err();
        assert!(matches!(lost, Some(Lost::Protocol(_))), "{lost:?}");
    }

    #[test]
    fn what_cannot_be_started_ends_as_under_a_shell() {
        let script =
            |request: Request| hello(&request).or(Some(vec![Reply::Refused("no such folder".to_owned())]));
        let finished = run(script, unwatched()).unwrap();
        assert_eq!((finished.exit, finished.stderr.as_str()), (Exit::Status(127), "no such folder\n"));
    }

    #[test]
    fn a_source_that_ends_early_is_this_machines_fault() {
        let mut agent = meet(|request| hello(&request).or(Some(Vec::new())), unwatched()).unwrap();
        let error = agent.push(&mut &b"abc"[..], 4, "/file", 0o600).unwrap_err();
        assert!(matches!(error, TransferError::Local(_)), "{error}");
    }
}
