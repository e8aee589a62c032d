//! What was seen of a command that was still running at its deadline: who waits, and where in the kernel.

use serde::{Deserialize, Serialize};

/// A command that hangs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hang {
    /// The deadline that it had, in seconds.
    pub seconds: u64,
    /// The ends of its own tree, and what the engine has running; empty where nothing could be seen.
    pub waiters: Vec<Waiter>,
    /// How many files were kept of it.
    pub files: usize,
}

/// A process that waits, or is made to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// Its name, as `/proc/PID/comm` has it.
    pub name: String,
    /// Its process id.
    pub pid: i32,
    /// Whether it is of the command's own tree, and not the engine's.
    pub own: bool,
    /// `R`, `S`, `D`, `T`, …
    pub state: char,
    /// The kernel's function that it sleeps in, where the kernel says so.
    pub wchan: Option<String>,
    /// The number of the system call that it is in, on x86-64.
    pub syscall: Option<u32>,
    /// The processes at the other ends of its sockets, with commas; `nobody` where a connection was not accepted.
    pub peer: Option<String>,
}

impl Hang {
    /// Reads what `hang.sh` found: one process a line, `own|engine NAME PID STATE WCHAN SYSCALL PEER`, with `-` for
    /// what is not known. A line that is not so says nothing.
    pub fn parse(seconds: u64, files: usize, found: &str) -> Self {
        let mut waiters: Vec<_> = found.lines().filter_map(Waiter::parse).collect();
        // Who hangs comes before whom it hangs on, whatever their process ids.
        waiters.sort_by_key(|waiter| !waiter.own);
        Self { seconds, waiters, files }
    }

    /// Where it hangs, in one clause; empty where that cannot be said. Of the engine only those are told that do not
    /// simply wait for work.
    pub fn clause(&self) -> String {
        let told = self.waiters.iter().filter(|waiter| waiter.own || !waiter.is_asleep());
        told.map(Waiter::clause).collect::<Vec<_>>().join("; ")
    }
}

impl Waiter {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(|word| Some(word).filter(|word| *word != "-"));
        let own = words.next()?? == "own";
        Some(Self {
            own,
            name: words.next()??.to_owned(),
            pid: words.next()??.parse().ok()?,
            state: words.next()??.chars().next()?,
            wchan: words.next()?.filter(|name| *name != "0").map(str::to_owned),
            syscall: words.next()?.and_then(|number| number.parse().ok()),
            peer: words.next()?.map(str::to_owned),
        })
    }

    /// Whether it waits for something to do, as daemons do.
    fn is_asleep(&self) -> bool {
        matches!(self.state, 'S' | 'I')
    }

    fn clause(&self) -> String {
        let name = &self.name;
        match self.state {
            'T' => format!("{name} is stopped (T)"),
            't' => format!("{name} is held by a tracer (t)"),
            'Z' => format!("{name} is dead and not waited for (Z)"),
            'R' => format!("{name} runs (R)"),
            state => {
                let place = self.wchan.clone().or_else(|| self.syscall.map(called));
                let mut clause = match place {
                    Some(place) => format!("{name} waits in {place}"),
                    None => format!("{name} waits"),
                };
                match self.peer.as_deref() {
                    Some("nobody") => clause.push_str(", and nobody accepts its connection"),
                    Some(peer) => clause.push_str(&format!(" for {peer}")),
                    None => {}
                }
                if state == 'D' {
                    clause.push_str(" and cannot be interrupted (D)");
                }
                clause
            }
        }
    }
}

/// The system calls of x86-64 that programs hang in.
fn called(number: u32) -> String {
    let name = match number {
        0 => "read",
        7 => "poll",
        16 => "ioctl",
        23 => "select",
        35 => "nanosleep",
        42 => "connect",
        43 => "accept",
        45 => "recvfrom",
        47 => "recvmsg",
        61 => "wait4",
        72 => "fcntl",
        73 => "flock",
        101 => "ptrace",
        130 => "rt_sigsuspend",
        202 => "futex",
        230 => "clock_nanosleep",
        232 => "epoll_wait",
        247 => "waitid",
        270 => "pselect6",
        271 => "ppoll",
        281 => "epoll_pwait",
        other => return format!("system call {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::stopped_daemon(
        "own docker 500 S futex_wait_queue 202 dockerd\nengine dockerd 300 T do_signal_stop 202 -\n\
         engine containerd 310 S futex_wait_queue 202 -\n",
        "docker waits in futex_wait_queue for dockerd; dockerd is stopped (T)"
    )]
    #[case::unaccepted(
        "engine dockerd 300 T do_signal_stop 202 -\nown docker 500 S do_epoll_wait 281 nobody\n",
        "docker waits in do_epoll_wait, and nobody accepts its connection; dockerd is stopped (T)"
    )]
    #[case::no_names_of_the_kernel(
        "own criu 7 D 0 101 -\n",
        "criu waits in ptrace and cannot be interrupted (D)"
    )]
    #[case::no_call("own sh 7 S 0 - -\n", "sh waits")]
    #[case::unknown_call("own sh 7 S - 999 -\n", "sh waits in system call 999")]
    #[case::held(
        "own a 7 t ptrace_stop - -\nown b 8 Z 0 - -\nown c 9 R 0 - -\n",
        "a is held by a tracer (t); b is dead and not waited for (Z); c runs (R)"
    )]
    #[case::torn("own doc", "")]
    #[case::nothing("", "")]
    fn where_it_hangs(#[case] found: &str, #[case] clause: &str) {
        assert_eq!(Hang::parse(15, 3, found).clause(), clause);
    }
}
