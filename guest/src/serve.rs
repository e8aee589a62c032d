//! The loop: requests in, replies out, children reaped. One thread; the only wait is one poll(2).

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use guest::wire::{Hello, How, Reply, Request, WireError};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::ask::Ask;
use crate::channel::{Channel, Heard};
use crate::exec::{Running, Way};
use crate::kernel;
use crate::lines::Lines;
use crate::processes;
use crate::transfer::{self, Pull, Push};

/// Why serving ended.
pub(crate) enum End {
    /// The harness is gone.
    HungUp,
    /// It wants the machine off.
    PowerOff,
    /// It cannot be understood.
    Garbled(WireError),
    /// The system refused what the loop lives on.
    Failed(Errno),
}

/// The agent while a harness is connected.
pub(crate) struct Agent {
    channel: Channel,
    hello: Hello,
    children: SignalFd,
    commands: BTreeMap<u32, Running>,
    pushes: BTreeMap<u32, Push>,
    pulls: BTreeMap<u32, Pull>,
    asks: BTreeMap<u32, Ask>,
    waits: BTreeMap<u32, Lines>,
}

/// What one descriptor of a poll(2) belongs to.
#[derive(Clone, Copy)]
enum Source {
    Channel,
    Children,
    Output(u32, Way),
    Input(u32),
    Ask(u32),
    /// Whoever waits is looked at after every wait of ours.
    Wait,
}

impl Agent {
    /// `hello` holds what booting found; the kernel's part is filled in at each answer.
    pub(crate) fn new(channel: Channel, hello: Hello) -> nix::Result<Self> {
        let mut child = SigSet::empty();
        child.add(Signal::SIGCHLD);
        child.thread_block()?;
        let children = SignalFd::with_flags(&child, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self {
            channel,
            hello,
            children,
            commands: BTreeMap::new(),
            pushes: BTreeMap::new(),
            pulls: BTreeMap::new(),
            asks: BTreeMap::new(),
            waits: BTreeMap::new(),
        })
    }

    /// Serves until the harness hangs up or wants the machine off.
    pub(crate) fn serve(&mut self) -> End {
        loop {
            match self.turn() {
                Ok(()) => {}
                Err(End::Garbled(error)) => {
                    // A harness of another version learns ours from the hello, and may then say so.
                    let hello = kernel::describe(self.hello.clone());
                    self.channel.send(0, &Reply::Hello(hello));
                    self.channel.send(0, &Reply::Refused(error.to_string()));
                    let _ = self.channel.flush();
                    return End::Garbled(error);
                }
                Err(end) => return end,
            }
        }
    }

    /// Ends all that was asked for over this connection, and gives the port back.
    pub(crate) fn hang_up(self) -> OwnedFd {
        self.commands.values().for_each(Running::kill);
        self.channel.into_port()
    }

    /// Waits for anything, then does all that can be done without waiting.
    fn turn(&mut self) -> Result<(), End> {
        for source in self.wait().map_err(End::Failed)? {
            match source {
                Source::Channel => self.listen()?,
                Source::Children => self.reap(),
                Source::Output(id, way) => {
                    if let Some(said) = self.commands.get_mut(&id).and_then(|command| command.read(way)) {
                        self.channel.send(id, &said);
                    }
                }
                Source::Ask(id) => self.go_on(id),
                Source::Wait => {}
                Source::Input(id) => {
                    if let Some(command) = self.commands.get_mut(&id) {
                        command.write();
                    }
                }
            }
        }
        self.look_at_commands();
        self.look_at_waits();
        self.pump();
        self.channel.flush().map_err(End::Failed)
    }

    /// What is ready. A full channel stops all that fills it, so that a flood of output costs no memory.
    fn wait(&self) -> nix::Result<Vec<Source>> {
        let mut sources = vec![Source::Channel, Source::Children];
        let mut fds = vec![
            PollFd::new(self.channel.fd(), self.channel.interest()),
            PollFd::new(self.children.as_fd(), PollFlags::POLLIN),
        ];
        for (id, command) in &self.commands {
            for way in [Way::Out, Way::Err].into_iter().filter(|_| !self.channel.is_full()) {
                if let Some(end) = command.output(way) {
                    sources.push(Source::Output(*id, way));
                    fds.push(PollFd::new(end, PollFlags::POLLIN));
                }
            }
            if let Some(end) = command.hungry() {
                sources.push(Source::Input(*id));
                fds.push(PollFd::new(end, PollFlags::POLLOUT));
            }
        }
        let room = !self.channel.is_full();
        // One that waits for nothing is left out: the end of its server would be told again and again.
        for (id, ask) in self.asks.iter().filter(|(_, ask)| !ask.interest(room).is_empty()) {
            sources.push(Source::Ask(*id));
            fds.push(PollFd::new(ask.fd(), ask.interest(room)));
        }
        for lines in self.waits.values() {
            sources.push(Source::Wait);
            fds.push(PollFd::new(lines.fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, self.patience()) {
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(error) => Err(error),
            Ok(_) => Ok(std::iter::zip(sources, &fds)
                .filter(|(_, fd)| fd.revents().is_none_or(|flags| !flags.is_empty()))
                .map(|(source, _)| source)
                .collect()),
        }
    }

    fn patience(&self) -> PollTimeout {
        if !self.pulls.is_empty() && !self.channel.is_full() {
            return PollTimeout::ZERO;
        }
        let alarms = self.commands.values().filter_map(Running::alarm);
        let Some(alarm) = alarms.chain(self.waits.values().map(Lines::alarm)).min() else {
            return PollTimeout::NONE;
        };
        // Rounded up, or the last millisecond would be spent turning.
        let millis = alarm.saturating_duration_since(Instant::now()).as_millis() + 1;
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
    }

    fn listen(&mut self) -> Result<(), End> {
        match self.channel.receive().map_err(End::Failed)? {
            Heard::HungUp => return Err(End::HungUp),
            Heard::Nothing => return Ok(()),
            Heard::Something => {}
        }
        while let Some((id, request)) = self.channel.request().map_err(End::Garbled)? {
            self.answer(id, request)?;
        }
        Ok(())
    }

    fn answer(&mut self, id: u32, request: Request) -> Result<(), End> {
        let done = match request {
            Request::PowerOff => return Err(End::PowerOff),
            Request::Hello => {
                let hello = kernel::describe(self.hello.clone());
                Ok(Some(Reply::Hello(hello)))
            }
            Request::Exec(exec) => Running::start(&exec).map(|command| {
                self.commands.insert(id, command);
                None
            }),
            Request::Stdin(bytes) => self.feed(id, &bytes).map(|()| None),
            Request::Resize(size) => {
                if let Some(command) = self.commands.get(&id) {
                    command.resize(size);
                }
                Ok(None)
            }
            Request::Push { path, mode, len } => Push::new(id, &path, mode, len).and_then(|push| {
                self.pushes.insert(id, push);
                self.take(id, &[])
            }),
            Request::Data(bytes) => self.take(id, &bytes),
            Request::Pull { path, may_lack } => Pull::new(&path, may_lack).map(|pull| self.give(id, pull)),
            Request::Processes => processes::stats().map(|text| self.give(id, Pull::of(text))),
            Request::Namespaces => processes::namespaces().map(|text| self.give(id, Pull::of(text))),
            Request::KernelLog => kernel::log().map(|text| self.give(id, Pull::of(text))),
            Request::Ask { socket, bytes } => Ask::new(&socket, bytes).map(|ask| {
                self.asks.insert(id, ask);
                None
            }),
            Request::Await(lines) => Lines::new(lines).map(|lines| {
                self.waits.insert(id, lines);
                None
            }),
            Request::SetClock { secs, nanos } => {
                kernel::set_clock(secs, nanos).map(|()| Some(Reply::Done(0)))
            }
            Request::Overwrite { path, bytes } => {
                transfer::overwrite(&path, &bytes).map(|()| Some(Reply::Done(bytes.len() as u64)))
            }
            Request::Seed(bytes) => kernel::seed(&bytes).map(|()| Some(Reply::Done(0))),
            Request::Cancel => {
                self.pushes.remove(&id);
                self.pulls.remove(&id);
                self.asks.remove(&id);
                self.waits.remove(&id);
                if let Some(command) = self.commands.get(&id) {
                    command.kill();
                }
                Ok(None)
            }
        };
        match done {
            Ok(Some(reply)) => self.channel.send(id, &reply),
            Ok(None) => {}
            Err(why) => self.channel.send(id, &Reply::Refused(why)),
        }
        Ok(())
    }

    /// Has bytes go from now on.
    fn give(&mut self, id: u32, pull: Pull) -> Option<Reply> {
        self.pulls.insert(id, pull);
        None
    }

    fn feed(&mut self, id: u32, bytes: &[u8]) -> Result<(), String> {
        let Some(command) = self.commands.get_mut(&id) else { return Ok(()) };
        let fed = command.feed(bytes);
        if fed.is_err() {
            command.kill();
            self.commands.remove(&id);
        }
        fed
    }

    /// Bytes of a file. What comes after its push was refused is on its way still, and is dropped.
    fn take(&mut self, id: u32, bytes: &[u8]) -> Result<Option<Reply>, String> {
        let Some(push) = self.pushes.get_mut(&id) else { return Ok(None) };
        let taken = push.take(bytes);
        if !matches!(taken, Ok(None)) {
            self.pushes.remove(&id);
        }
        taken
    }

    /// Buries every child that has ended: commands, and the orphans that a process 1 inherits.
    fn reap(&mut self) {
        while let Ok(Some(_)) = self.children.read_signal() {}
        let mut status = 0;
        // nix's waitpid loses a child that died of a real-time signal.
        // SAFETY: waitpid(2) writes one int.
        while let pid @ 1.. = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            let how = if libc::WIFEXITED(status) {
                How::Status(libc::WEXITSTATUS(status))
            } else {
                How::Signal(libc::WTERMSIG(status))
            };
            self.commands.values_mut().for_each(|command| command.buried(pid, how));
        }
    }

    /// Kills what is late, and takes leave of what is over.
    fn look_at_commands(&mut self) {
        let now = Instant::now();
        let over: Vec<(u32, How)> =
            self.commands.iter_mut().filter_map(|(id, command)| Some((*id, command.look(now)?))).collect();
        for (id, how) in over {
            if let Some(command) = self.commands.remove(&id) {
                command.last_words(|said| self.channel.send(id, &said));
            }
            self.channel.send(id, &Reply::Exited(how));
        }
    }

    /// One piece of an answer.
    fn go_on(&mut self, id: u32) {
        let room = !self.channel.is_full();
        let Some(reply) = self.asks.get_mut(&id).and_then(|ask| ask.go_on(room)) else { return };
        self.channel.send(id, &reply);
        if !matches!(reply, Reply::Data(_)) {
            self.asks.remove(&id);
        }
    }

    fn look_at_waits(&mut self) {
        let channel = &mut self.channel;
        self.waits.retain(|id, lines| match lines.look() {
            Some(reply) => {
                channel.send(*id, &reply);
                false
            }
            None => true,
        });
    }

    /// One piece of every file that is going.
    fn pump(&mut self) {
        if self.channel.is_full() {
            return;
        }
        let channel = &mut self.channel;
        self.pulls.retain(|id, pull| {
            let reply = pull.next();
            channel.send(*id, &reply);
            matches!(reply, Reply::Data(_))
        });
    }
}
