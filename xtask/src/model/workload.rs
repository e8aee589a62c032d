//! The programs that are checkpointed. Their sources are in `guest/workloads/`.

/// A program that ticks, and whose ticks prove what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The name that a scenario's `start` gives.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// The files that it needs in the work folder, all executable.
    pub files: &'static [&'static str],
    /// The command that becomes the root of the tree, as typed in the work folder.
    pub command: &'static str,
    /// Where the command's standard output goes.
    pub output: &'static str,
    /// Whether it opens its outputs itself, in the folder that it runs in, and uses no standard output.
    pub own_files: bool,
    /// Its counters.
    pub streams: &'static [Stream],
    /// Whether its ticks carry a checksum over memory that `guest::witness` can foretell.
    pub witness: bool,
    /// Whether its ticks say what it holds (`items=`) and what of that it has lost (`lost=`): `items.h`.
    pub items: bool,
    /// Whether a peer that connects to it tells ticks of its own ([`PEER`]).
    pub peer: bool,
    /// The programs of the userland's that it is made of: where one is missing, its stories are skipped.
    pub needs: &'static [&'static str],
}

/// One counter of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The `who=` of its lines.
    pub who: &'static str,
    /// The file that they are in, relative to the work folder.
    pub file: &'static str,
}

/// What the peer of a service tells, on the service's host: one tick for each answer (`guest/workloads/talker.c`).
pub const PEER: Stream = Stream { who: "peer", file: "peer.ticks" };

/// All of them.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "counter",
        summary: "a shell loop that prints a number",
        files: &["counter.sh"],
        command: "sh ./counter.sh",
        output: "counter.ticks",
        own_files: false,
        streams: &[Stream { who: "counter", file: "counter.ticks" }],
        witness: false,
        items: false,
        peer: false,
        needs: &[],
    },
    Workload {
        name: "fork-app",
        summary: "a shell script that counts, and a C program that forks: both halves append to one file through system(3)",
        files: &["fork-app.sh", "fork-app"],
        command: "sh ./fork-app.sh",
        output: "fork-app-script.ticks",
        own_files: true,
        streams: &[
            Stream { who: "script", file: "fork-app-script.ticks" },
            Stream { who: "parent", file: "fork-app.ticks" },
            Stream { who: "child", file: "fork-app.ticks" },
        ],
        witness: false,
        items: false,
        peer: false,
        needs: &[],
    },
    Workload {
        name: "ticker",
        summary: "a C program that ticks, with a checksum over 4 MiB that it keeps rewriting",
        files: &["ticker"],
        command: "./ticker",
        output: "ticker.ticks",
        own_files: false,
        streams: &[Stream { who: "ticker", file: "ticker.ticks" }],
        witness: true,
        items: false,
        peer: false,
        needs: &[],
    },
    Workload {
        name: "ticker-256",
        summary: "`ticker` with 256 MiB beside, of which it writes to 64 pages at each tick",
        files: &["ticker"],
        command: "./ticker 20 256",
        output: "ticker.ticks",
        own_files: false,
        streams: &[Stream { who: "ticker", file: "ticker.ticks" }],
        witness: true,
        items: true,
        peer: false,
        needs: &[],
    },
    Workload {
        name: "files",
        summary: "a C program with files of every kind: deleted, mapped, locked, watched; pipes, sockets, a terminal",
        files: &["files"],
        command: "./files",
        output: "files.ticks",
        own_files: false,
        streams: &[Stream { who: "files", file: "files.ticks" }],
        witness: false,
        items: true,
        peer: false,
        needs: &[],
    },
    Workload {
        name: "threads",
        summary: "a C program with threads, timers of three kinds, pending signals, and three clocks that it reads",
        files: &["threads"],
        command: "./threads",
        output: "threads.ticks",
        own_files: false,
        streams: &[Stream { who: "threads", file: "threads.ticks" }],
        witness: false,
        items: true,
        peer: false,
        needs: &[],
    },
    Workload {
        name: "service",
        summary: "a C server that is ready after ten seconds, and has a checksum over 4 MiB like `ticker`",
        files: &["service"],
        command: "./service",
        output: "service.ticks",
        own_files: false,
        streams: &[Stream { who: "service", file: "service.ticks" }],
        witness: true,
        items: false,
        peer: false,
        needs: &[],
    },
    Workload {
        name: "timerfd",
        summary: "a C program with one periodic timerfd",
        files: &["timerfd"],
        command: "./timerfd",
        output: "timerfd.ticks",
        own_files: false,
        streams: &[Stream { who: "timerfd", file: "timerfd.ticks" }],
        witness: false,
        items: true,
        peer: false,
        needs: &[],
    },
    Workload {
        name: "talker",
        summary: "a C program that listens on TCP port 7000, and holds the first connection that it gets",
        files: &["talker"],
        command: "./talker 7000",
        output: "talker.ticks",
        own_files: false,
        streams: &[Stream { who: "talker", file: "talker.ticks" }],
        witness: false,
        items: true,
        peer: true,
        needs: &[],
    },
    Workload {
        name: "redis",
        summary: "Debian's redis-server, filled for ten seconds until it is ready; its counts are in its memory alone",
        files: &["redis.sh"],
        command: "sh ./redis.sh",
        output: "redis.ticks",
        own_files: false,
        streams: &[Stream { who: "redis", file: "redis.ticks" }],
        witness: false,
        items: true,
        peer: false,
        needs: &["redis-server", "redis-cli"],
    },
    Workload {
        name: "pyservice",
        summary: "a server in Python that is ready after ten seconds, and answers at TCP port 7001",
        files: &["pyservice.py"],
        command: "python3 ./pyservice.py",
        output: "pyservice.ticks",
        own_files: false,
        streams: &[Stream { who: "pyservice", file: "pyservice.ticks" }],
        witness: false,
        items: true,
        peer: false,
        needs: &["python3"],
    },
];

impl Workload {
    /// The workload of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        WORKLOADS.iter().find(|workload| workload.name == name)
    }

    /// The names of all.
    pub fn names() -> Vec<&'static str> {
        WORKLOADS.iter().map(|workload| workload.name).collect()
    }

    /// Whether a file of a workload is taken as it is, and not compiled.
    pub fn is_source(file: &str) -> bool {
        file.contains('.')
    }

    /// The files that its streams are in, each once, in order.
    pub fn outputs(&self) -> Vec<&'static str> {
        let mut files: Vec<_> = self.streams.iter().map(|stream| stream.file).collect();
        files.dedup();
        files
    }
}
