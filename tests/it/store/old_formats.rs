//! Stores of older formats, which a server migrates when it opens them. Each fixture was made by
//! the last version with its format, and all have the same content.

use std::fs;
use std::path::Path;

use qmsg::durable::{Found, Quotas, Read};
use qmsg::store::{OpenError, backup, check, invite, is_whole, users};
use qmsg::wire::{JoinCode, ParkedKind};
use tempfile::TempDir;

use super::drawers::look;
use super::scheduling::{release, released};
use super::uploads::{PART, body, bytes, records};
use super::{NOW_MS, Rig, append, cursor, database, message, seqs, stored};

/// Makes a directory with a copy of a fixture.
fn copy_of(fixture: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::copy(fixtures.join(fixture), dir.path().join("store.db")).unwrap();
    dir
}

fn format(dir: &Path) -> i32 {
    database(dir).pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// Checks the content of a fixture, and that new writes continue from there.
fn check_content(rig: &mut Rig) {
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1, 2, 4]);
    assert_eq!(seqs(&rig.whole("bob", "@ops")), [3]);
    let mailbox: Vec<_> = rig.mailbox("bob").into_iter().collect();
    assert_eq!(mailbox[0], ("bob".into(), cursor(1, 1, &[])));
    assert_eq!(mailbox.len(), 3);
    let long = records(rig, "bob").pop().unwrap();
    assert_eq!(body(rig, &long), bytes(5, PART + 9));
    assert_eq!(look(rig, "bob", ParkedKind::DeadLetters).len(), 1);
    let owner = rig.read(Read::Owner { id: "alice".parse().unwrap() });
    assert!(matches!(owner, Found::Owner(Some(_))));
    let again = rig.one(append(message("alice", "bob", 2, 10)));
    assert_eq!(again, super::Verdict::Duplicate);
    assert_eq!(released(rig.one(release(NOW_MS + 1))).0.len(), 1);
    assert_eq!(rig.one(append(message("alice", "bob", 9, 1))), stored(6, 5));
}

#[test]
fn a_server_goes_on_with_format_5() {
    let dir = copy_of("store-5.db");
    assert_eq!((format(dir.path()), users(dir.path()).unwrap()), (5, 2));
    let code = JoinCode([1; 16]);
    assert!(matches!(invite(dir.path(), &code, 0), Err(OpenError::Older { found: 5 })));
    let mut rig = Rig::open(dir.path(), Quotas::default());
    assert_eq!(format(dir.path()), 6);
    check_content(&mut rig);
    rig.close();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1, 2, 4, 5, 6]);
    invite(dir.path(), &code, 0).unwrap();
}

#[test]
fn a_backup_of_format_5_has_the_present_one_and_leaves_the_store_alone() {
    let (dir, copy) = (copy_of("store-5.db"), TempDir::new().unwrap());
    backup(dir.path(), &copy.path().join("store.db")).unwrap();
    assert_eq!((format(dir.path()), format(copy.path())), (5, 6));
    let mut rig = Rig::open(copy.path(), Quotas::default());
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1, 2, 4]);
}

#[test]
fn a_check_of_format_5_finds_it_whole() {
    let dir = copy_of("store-5.db");
    let checked = check(dir.path()).unwrap();
    assert!(is_whole(&checked) && checked.damages.is_empty());
    assert_eq!((checked.users, checked.messages, format(dir.path())), (2, 4, 6));
}

#[test]
fn a_newer_format_is_refused_with_the_version_that_wrote_it() {
    let dir = TempDir::new().unwrap();
    Rig::open(dir.path(), Quotas::default()).close();
    let sql = "PRAGMA user_version = 1000; UPDATE meta SET value = '9.1.0'";
    database(dir.path()).execute_batch(sql).unwrap();
    let before = fs::read(dir.path().join("store.db")).unwrap();
    let error = Rig::try_open(dir.path(), Quotas::default()).err().unwrap();
    let version = Some("9.1.0".to_string());
    let known =
        matches!(&error, OpenError::Format { found: 1000, version: told } if *told == version);
    assert!(known, "{error:?}");
    assert_eq!(fs::read(dir.path().join("store.db")).unwrap(), before);
}
