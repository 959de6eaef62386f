//! Users of a server, what the server told them and when, and what an image of its disk must hold.

use std::path::Path;
use std::sync::Mutex;
use std::thread;

use qmsg::durable::{PageItem, Quotas};

use super::trace::now_us;
use crate::real::kit::{Home, Server};
use crate::store::{Rig, body, database, each};
use crate::tally::{Answer, Report, Tally, Value};

const READ: usize = 5;
/// Target and body length of each writer.
const WRITERS: [(&str, usize); 3] = [("bob", 40), ("@ops", 3_000), ("bob", 150_000)];

/// An answer that a user got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Confirmation {
    Accepted(Value),
    /// Bob is a member of the room.
    Member,
    /// Bob's unread messages were delivered.
    Reads,
    /// Bob's acks were confirmed.
    Read,
}

#[derive(Default)]
pub(super) struct Story {
    confirmed: Mutex<Vec<(u64, Confirmation)>>,
    sent: Mutex<Vec<Value>>,
}

impl Story {
    fn confirm(&self, confirmation: Confirmation) {
        self.confirmed.lock().unwrap().push((now_us(), confirmation));
    }

    pub(super) fn join(&self, home: &Home, server: &Server) {
        home.join(server, &["alice", "bob"]);
        home.run(&["join", "@ops", "--as", "bob"]).ok();
        self.confirm(Confirmation::Member);
    }

    /// Lets all writers send the values of these counters at the same time.
    pub(super) fn send(&self, home: &Home, counters: std::ops::Range<u64>) {
        thread::scope(|scope| {
            for writer in 0..WRITERS.len() {
                let counters = counters.clone();
                scope.spawn(move || {
                    for counter in counters {
                        let value = Value { writer: writer as u32, counter };
                        assert_eq!(self.try_send(home, value, "10s"), Some(0));
                    }
                });
            }
        });
    }

    /// Sends one message, giving up after `patience`; returns the exit code.
    pub(super) fn try_send(&self, home: &Home, value: Value, patience: &str) -> Option<i32> {
        let (to, length) = WRITERS[value.writer as usize];
        self.sent.lock().unwrap().push(value);
        let args = ["send", to, "--as", "alice", "-q", "--timeout", patience];
        let code = home.pipe(&content(value, length), &args).code;
        if code == Some(0) {
            self.confirm(Confirmation::Accepted(value));
        }
        code
    }

    pub(super) fn read(&self, home: &Home) {
        self.confirm(Confirmation::Reads);
        home.run(&["listen", "--as", "bob", "-q", "-n", &READ.to_string()]).code(0);
        self.confirm(Confirmation::Read);
    }

    /// Opens the store of an image and looks for everything that was accepted before the power
    /// went.
    pub(super) fn check(&self, dir: &Path, at_us: u64) -> Report {
        let confirmed: Vec<Confirmation> =
            self.confirmed.lock().unwrap().iter().filter(|t| t.0 < at_us).map(|t| t.1).collect();
        let mut rig = Rig::open(dir, Quotas::default());
        let mut shown = vec![];
        for log in ["bob", "@ops"] {
            for item in each(rig.whole("bob", log)) {
                let PageItem::Messages(record) = item else { panic!("{item:?} in {log}") };
                let bytes = match record.parts {
                    0 => record.bundle.first.body.0.to_vec(),
                    _ => body(&mut rig, &record),
                };
                let value = bytes.split(|byte| *byte == b' ').next().unwrap();
                let value: Value = String::from_utf8_lossy(value).parse().unwrap();
                let (to, length) = WRITERS[value.writer as usize];
                assert!(bytes == content(value, length), "{value} is not what was sent");
                assert_eq!(log, to);
                shown.push(value);
            }
        }
        let mailbox = rig.mailbox("bob");
        let cursor = |log: &str| mailbox.iter().find(|(to, _)| to == log).map(|(_, c)| c.ordinal);
        assert!(
            !confirmed.contains(&Confirmation::Member) || cursor("@ops").is_some(),
            "no member any more"
        );
        let read: u64 = ["bob", "@ops"].into_iter().filter_map(cursor).sum();
        assert!(
            !confirmed.contains(&Confirmation::Read) || read >= READ as u64,
            "what was read comes again"
        );
        assert!(confirmed.contains(&Confirmation::Reads) || read == 0, "{read} taken for read");
        rig.close();
        let sound: String =
            database(dir).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        let mut tally = Tally::default();
        for value in &*self.sent.lock().unwrap() {
            let is_accepted = confirmed.contains(&Confirmation::Accepted(*value));
            tally.answer(*value, if is_accepted { Answer::Accepted } else { Answer::Unknown });
        }
        tally.report(&shown, true)
    }
}

/// Bytes without a pattern, so that sectors of different messages can be told apart.
fn content(value: Value, length: usize) -> Vec<u8> {
    let mut bytes = format!("{value} ").into_bytes();
    let mut state = u64::from(value.writer) << 32 | (value.counter + 1);
    while bytes.len() < length {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes()[4..]);
    }
    bytes
}
