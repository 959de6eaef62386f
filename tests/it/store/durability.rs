//! Survival of data, refusal of files, and discovery of damage.

use std::fs;
use std::path::Path;

use qmsg::durable::Quotas;
use qmsg::store::{Done, OpenError};
use tempfile::TempDir;

use super::Verdict;
use super::{Rig, append, claim, database, enter, message, seqs, settle};

fn refusal(dir: &Path) -> OpenError {
    Rig::try_open(dir, Quotas::default()).err().unwrap()
}

#[test]
fn a_copy_made_in_full_run_holds_all_that_was_answered() {
    let (dir, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let mut acknowledged = 0;
    for round in 0..30_u32 {
        let sends = (0..100).map(|n| append(message("alice", "bob", round * 100 + n, 2000)));
        let outcomes = rig.commit(sends.collect());
        acknowledged += outcomes.iter().filter(|o| matches!(o, Verdict::Stored { .. })).count();
    }
    rig.one(settle("bob", "bob", super::cursor(7, 7, &[]), 7, 7));
    // Copies the files as a kill would leave them: not closed, no last checkpoint. No batch is
    // being written, so they do not change.
    for name in ["store.db", "store.db-wal"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    let mut again = Rig::open(copy.path(), Quotas::default());
    assert_eq!(acknowledged, 3000);
    assert_eq!(seqs(&again.whole("bob", "bob")), (1..=3000).collect::<Vec<_>>());
    assert_eq!(again.mailbox("bob")[0].1.through, 7);
}

#[test]
fn one_server_at_a_time() {
    let dir = TempDir::new().unwrap();
    let rig = Rig::open(dir.path(), Quotas::default());
    assert!(matches!(refusal(dir.path()), OpenError::InUse(_)));
    rig.store.close();
    Rig::open(dir.path(), Quotas::default());
}

#[test]
fn a_missing_directory_is_made_for_its_owner_alone() {
    let dir = TempDir::new().unwrap();
    let deep = dir.path().join("some/where");
    let mut rig = Rig::open(&deep, Quotas::default());
    rig.one(claim("alice"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&deep), 0o700);
        for file in ["lock", "store.db", "store.db-wal", "store.db-shm"] {
            assert_eq!(mode(&deep.join(file)), 0o600, "{file}");
        }
    }
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    Rig::open(dir.path(), Quotas::default()).store.close();
    database(dir.path()).execute_batch("PRAGMA user_version = 1").unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Format { found: 1, .. }));
    database(dir.path()).execute_batch("PRAGMA application_id = 5").unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Foreign(_)));

    let dir = TempDir::new().unwrap();
    database(dir.path()).execute_batch("CREATE TABLE mine (x)").unwrap();
    let before = fs::read(dir.path().join("store.db")).unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Foreign(_)));
    assert_eq!(fs::read(dir.path().join("store.db")).unwrap(), before);

    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("store.db"), [b'x'; 5000]).unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Foreign(_)));

    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(matches!(refusal(&dir.path().join("file/store")), OpenError::Files { .. }));
}

#[test]
fn a_broken_file_stops_everything_once() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice"]);
    database(dir.path()).execute_batch("DROP TABLE sent").unwrap();
    let ticket = rig.ticket();
    rig.store.commit(vec![(ticket, append(message("alice", "alice", 1, 1)))]);
    assert!(matches!(rig.next(), Done::Failed(_)));
    for _ in 0..3 {
        rig.store.commit(vec![(ticket, claim("bob"))]);
    }
    rig.store.close();
    // The channel is closed with the threads, and nothing more was reported.
    assert!(rig.done.recv_timeout(super::DEADLINE).is_err());
}

#[test]
fn offline_users_cost_little() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice"]);
    let users: Vec<_> = (0..20_000).map(|n| claim(&format!("user-{n}"))).collect();
    rig.commit(users);
    rig.one(append(message("alice", "@all", 1, 1)));
    rig.one(enter("alice", "ops"));
    rig.store.close();
    let db = database(dir.path());
    let rows = "SELECT (SELECT count(*) FROM cursor) + (SELECT count(*) FROM log)";
    let count: i64 = db.query_row(rows, [], |row| row.get(0)).unwrap();
    assert!(count <= 2, "{count} rows beside those of the users");
    let size = fs::metadata(dir.path().join("store.db")).unwrap().len();
    assert!(size / 20_000 < 150, "{} bytes a user", size / 20_000);
}
