//! Which processes belong to a command, and their end.

use std::collections::BTreeSet;
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One line of the process table.
#[derive(Clone, Copy)]
struct Member {
    pid: i32,
    parent: i32,
    session: i32,
}

/// Kills a command with its descendants and its session. A daemon that left both lives on.
pub(crate) fn kill_all(leader: i32) {
    // Stop them all first: what is stopped forks no more, so the second look finds nobody new.
    let mut stopped = BTreeSet::new();
    loop {
        let running: Vec<i32> = family(leader, &processes()).difference(&stopped).copied().collect();
        if running.is_empty() {
            break;
        }
        running.iter().for_each(|pid| send(*pid, Signal::SIGSTOP));
        stopped.extend(running);
    }
    stopped.iter().for_each(|pid| send(*pid, Signal::SIGKILL));
}

fn send(pid: i32, signal: Signal) {
    // Gone already is as good.
    let _: Result<(), Errno> = kill(Pid::from_raw(pid), signal);
}

fn family(leader: i32, processes: &[Member]) -> BTreeSet<i32> {
    let mut members: BTreeSet<i32> = BTreeSet::from([leader]);
    members.extend(processes.iter().filter(|process| process.session == leader).map(|process| process.pid));
    loop {
        let before = members.len();
        for process in processes {
            if members.contains(&process.parent) {
                members.insert(process.pid);
            }
        }
        if members.len() == before {
            return members;
        }
    }
}

fn processes() -> Vec<Member> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    folder
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        .filter_map(|entry| parse(&fs::read_to_string(entry.path().join("stat")).ok()?))
        .collect()
}

/// `PID (NAME) STATE PARENT GROUP SESSION …`; the name may hold anything, its end is the last bracket.
fn parse(stat: &str) -> Option<Member> {
    let (pid, rest) = stat.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(1);
    let parent = fields.next()?.parse().ok()?;
    let _group = fields.next()?;
    let session = fields.next()?.parse().ok()?;
    Some(Member { pid: pid.parse().ok()?, parent, session })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_session_and_descendants() {
        let table = [
            (1, 0, 1),
            (10, 1, 10),  // the command
            (11, 10, 10), // its child
            (12, 11, 12), // a child of that, in a session of its own
            (13, 1, 10),  // left by its parent, still in the session
            (14, 1, 14),  // a daemon
            (15, 14, 14),
        ];
        let table: Vec<Member> =
            table.into_iter().map(|(pid, parent, session)| Member { pid, parent, session }).collect();
        assert_eq!(family(10, &table), BTreeSet::from([10, 11, 12, 13]));
    }

    #[test]
    fn names_may_hold_anything() {
        let member = parse("7 (a) b (c) S 3 7 5 0 -1").unwrap();
        assert_eq!((member.pid, member.parent, member.session), (7, 3, 5));
    }
}
