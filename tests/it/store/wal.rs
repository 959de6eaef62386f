//! The write-ahead log: its length, and the space reserved in it.

use std::fs;
use std::path::Path;

use qmsg::durable::Quotas;
use qmsg::store::invite;
use qmsg::wire::JoinCode;
use tempfile::TempDir;

use super::Verdict;
use super::{NOW_MS, Rig, append, message, seqs};

fn len(dir: &Path) -> u64 {
    fs::metadata(dir.join("store.db-wal")).map_or(0, |file| file.len())
}

#[test]
fn stays_short() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    for n in 0..60 {
        rig.one(append(message("alice", "bob", n, 1 << 20)));
    }
    assert!(len(dir.path()) < 20 << 20, "{} bytes of WAL", len(dir.path()));
    rig.store.close();
    assert_eq!(len(dir.path()), 0);
}

#[test]
fn grows_ahead_of_what_is_written() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let (mut lens, mut stored) = (vec![len(dir.path())], 0);
    for n in 0..3000 {
        let outcome = rig.one(append(message("alice", "bob", n, 100)));
        stored += u64::from(matches!(outcome, Verdict::Stored { .. }));
        lens.push(len(dir.path()));
        if n % 500 == 0 {
            // Another process writes to the log too.
            invite(dir.path(), &JoinCode([n as u8; 16]), NOW_MS + 1).unwrap();
        }
        if n % 700 == 0 {
            let copy = TempDir::new().unwrap();
            for name in ["store.db", "store.db-wal"] {
                fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
            }
            let found = Rig::open(copy.path(), Quotas::default()).whole("bob", "bob");
            assert_eq!(seqs(&found), (1..=stored).collect::<Vec<_>>());
        }
    }
    // Several times 8 MiB are written.
    assert!(lens.iter().all(|len| *len < 10 << 20));
    lens.dedup();
    assert!(lens.len() < 22, "{lens:?}");
}
