//! A whole server from outside: its write-ahead log, the system's counters of its process, and a
//! relay between the server and its clients.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{PIPELINED, PIPELINED_DATAGRAMS, SINGLE, Work, check};
use crate::real::kit::{Home, Server};
use crate::real::relay::Relay;

const LINES: usize = 1_000;
const SINGLES: usize = 40;
/// Lengths in SQLite's write-ahead log: of its header, and of the header of each frame.
const HEADER_LEN: usize = 32;
const FRAME_HEADER_LEN: usize = 24;

/// Counters at one moment.
#[derive(Clone, Copy)]
struct Reading {
    commits: usize,
    writes: u64,
    bytes: u64,
}

impl Reading {
    fn now(World { home, server, .. }: &World) -> Self {
        let io = fs::read_to_string(format!("/proc/{}/io", server.child.id())).unwrap();
        let count = |name: &str| {
            let line = io.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse::<u64>().unwrap()
        };
        Self {
            commits: commits(&home.data().join("store.db-wal")),
            writes: count("syscw:"),
            bytes: count("wchar:"),
        }
    }

    fn since(self, before: Self, messages: usize) -> Work {
        let thousand = |more: u64| more as f64 * 1e3 / messages as f64;
        Work {
            commits: thousand((self.commits - before.commits) as u64),
            writes: thousand(self.writes - before.writes),
            kib: thousand(self.bytes - before.bytes) / 1024.0,
        }
    }
}

/// Counts the frames that end a transaction, which give the file's size after it. Frames from
/// before the log last started over have another salt.
fn commits(wal: &Path) -> usize {
    let wal = fs::read(wal).unwrap();
    let number = |at: usize| u32::from_be_bytes(wal[at..at + 4].try_into().unwrap());
    let (page_len, salt) = (number(8) as usize, number(16));
    let frames = (HEADER_LEN..).step_by(FRAME_HEADER_LEN + page_len);
    let frames = frames.take_while(|at| at + FRAME_HEADER_LEN + page_len <= wal.len());
    frames.filter(|&at| number(at + 8) == salt && number(at + 4) > 0).count()
}

/// A server, alice and bob.
struct World {
    home: Home,
    server: Server,
    /// Open read transaction, which keeps SQLite from starting the log over.
    _reader: Connection,
}

impl World {
    fn new() -> Self {
        let home = Home::new();
        let server = home.serve(&[]);
        home.join(&server, &["alice", "bob"]);
        let path = home.data().join("store.db");
        let reader = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM user;").unwrap();
        Self { home, server, _reader: reader }
    }

    /// Work of the server while alice sends bob `messages` messages.
    fn work(&self, address: &str, messages: usize, send: impl FnOnce()) -> Work {
        let count = messages.to_string();
        let listener = self.home.listen(&["--as", "bob", "-n", &count, "-s", address]);
        let before = Reading::now(self);
        send();
        listener.end().ok();
        Reading::now(self).since(before, messages)
    }
}

#[test]
fn lines_share_commits_and_datagrams() {
    let world = World::new();
    let relay = Relay::new(&world.server.address);
    let lines = format!("{}\n", "x".repeat(100)).repeat(LINES);
    let work = world.work(&relay.address, LINES, || {
        let send = ["send", "-l", "bob", "--as", "alice", "-s", &relay.address];
        world.home.pipe(lines.as_bytes(), &send).ok();
    });
    let datagrams = relay.datagrams() as f64 * 1e3 / LINES as f64;
    work.check("server, 1,000 lines", PIPELINED);
    check("the same", &[("datagrams", datagrams, PIPELINED_DATAGRAMS)]);
}

#[test]
fn a_message_alone_has_one_commit_for_each_of_its_two_ends() {
    let world = World::new();
    let text = "x".repeat(100);
    let work = world.work(&world.server.address, SINGLES, || {
        for _ in 0..SINGLES {
            world.home.run(&["send", "bob", "--as", "alice", &text]).ok();
        }
    });
    work.check("server, 1,000 messages alone", SINGLE);
}
