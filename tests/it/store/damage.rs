//! Damage to each page of a store: the rest is read, and losses are reported.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use qmsg::durable::{PageItem, Quotas};
use qmsg::store::{Checked, OpenError, backup, check, is_whole};
use tempfile::TempDir;

use super::Verdict;
use super::{Rig, append, claim, cursor, database, each, enter, message, seqs, settle};

const MESSAGES: u32 = 90;
const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// Makes a closed store in which every kind of table has several pages. Returns its file, and the
/// messages that bob can read.
fn sample() -> (Vec<u8>, Vec<PageItem>) {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &USERS);
    rig.commit((0..400).map(|n| claim(&format!("user-{n}"))).collect());
    rig.one(enter("bob", "ops"));
    rig.one(enter("carol", "ops"));
    for n in 0..MESSAGES {
        let to = ["bob", "@ops", "@all"][n as usize % 3];
        let outcome = rig.one(append(message("alice", to, n, if n == 7 { 200_000 } else { 900 })));
        assert!(matches!(outcome, Verdict::Stored { .. }));
    }
    rig.one(settle("carol", "@ops", cursor(5, 2, &[]), 2, 0));
    let items = read(&mut rig);
    rig.close();
    (fs::read(dir.path().join("store.db")).unwrap(), items)
}

fn read(rig: &mut Rig) -> Vec<PageItem> {
    each(["bob", "@ops", "@all"].into_iter().flat_map(|log| rig.whole("bob", log)).collect())
}

fn place(bytes: &[u8]) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("store.db"), bytes).unwrap();
    dir
}

/// Returns each page's number, its table or index, and whether it is the root of that.
fn pages(dir: &Path) -> Vec<(u64, String, bool)> {
    let db = database(dir);
    let sql = "SELECT pageno, name, path = '/' FROM dbstat ORDER BY pageno";
    let mut statement = db.prepare(sql).unwrap();
    let rows =
        statement.query_map((), |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?, row.get(2)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// Returns whether everything found was there before, in the same order.
fn is_part(found: &[PageItem], all: &[PageItem]) -> bool {
    let mut rest = all.iter();
    let told = |item: &&PageItem| !matches!(item, PageItem::Corrupt { .. });
    found.iter().filter(told).all(|item| rest.any(|other| other == item))
}

/// Asserts that a checked store is undamaged and can be used.
fn check_use(dir: &Path, checked: &Checked, what: &str) -> Vec<PageItem> {
    let again = check(dir).unwrap();
    assert!(again.damages.is_empty() && again.mended.is_none(), "{what}: {again:?}");
    assert_eq!((again.users, again.messages), (checked.users, checked.messages), "{what}");
    let mut rig = Rig::open(dir, Quotas::default());
    let items = read(&mut rig);
    for id in ["alice", "bob"] {
        // A lost user can be claimed, by its owner or anybody else.
        assert!(matches!(rig.one(claim(id)), Verdict::Claimed { .. }), "{what}");
    }
    let Verdict::Stored { seq, .. } = rig.one(append(message("alice", "bob", 9_999, 10))) else {
        panic!("{what}: nothing can be stored");
    };
    let highest = seqs(&items).into_iter().max().unwrap_or(0);
    assert!(seq > highest.max(MESSAGES.into()), "{what}: {seq} was given out before");
    rig.close();
    items
}

#[test]
fn a_whole_store_is_left_as_it_is() {
    let (bytes, items) = sample();
    let dir = place(&bytes);
    let checked = check(dir.path()).unwrap();
    assert!(is_whole(&checked) && checked.mended.is_none(), "{checked:?}");
    assert_eq!((checked.users, checked.messages), (403, MESSAGES.into()));
    assert_eq!(fs::read(dir.path().join("store.db")).unwrap(), bytes);
    let mut rig = Rig::open(dir.path(), Quotas::default());
    assert_eq!(read(&mut rig), items);
}

/// Damage that a disk may do to a page.
type Harm = fn(&mut [u8]);

#[test]
fn every_page_may_be_damaged() {
    let (bytes, all) = sample();
    let pages = pages(place(&bytes).path());
    assert!(pages.len() > 90, "{} pages", pages.len());
    let mut tables: Vec<&str> = vec![];
    for (page, name, is_root) in pages.iter().filter(|(page, ..)| *page > 1) {
        // Each page is damaged in one way, and its neighbours in the others.
        let harms: [(&str, Harm); 3] = [
            ("zeros", |page| page.fill(0)),
            ("ones", |page| page.fill(0xff)),
            ("flipped", |page| page[..16].iter_mut().for_each(|byte| *byte ^= 0x55)),
        ];
        let (how, harm) = harms[*page as usize % harms.len()];
        {
            let what = format!("page {page} of {name}: {how}");
            let mut bytes = bytes.clone();
            let start = (page - 1) as usize * 4096;
            harm(&mut bytes[start..start + 4096]);
            let dir = place(&bytes);
            let checked = check(dir.path()).unwrap();
            let items = check_use(dir.path(), &checked, &what);
            assert!(is_part(&items, &all), "{what}");
            let is_index = name.starts_with("sqlite_autoindex") || name.contains('_');
            if is_index {
                assert!(is_whole(&checked) && checked.mended.is_some(), "{what}: {checked:?}");
                assert_eq!(items, all, "{what}");
            } else if checked.messages < MESSAGES.into() {
                assert!(!is_whole(&checked), "{what}");
                // Without the root page none of the others is found.
                let is_near = checked.messages > u64::from(MESSAGES) / 2;
                assert!(is_near || *is_root, "{what}: {checked:?}");
            }
            if let Some(mended) = &checked.mended {
                assert_eq!(fs::read(&mended.aside).unwrap(), bytes, "{what}: as it was");
                let mode = fs::metadata(dir.path().join("store.db")).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
            }
        }
        if tables.last() != Some(&name.as_str()) {
            tables.push(name);
        }
    }
    for name in ["run", "part", "user", "sent", "run_log", "sqlite_autoindex_user_1", "cursor"] {
        assert!(tables.contains(&name), "{name} is not among {tables:?}");
    }
}

#[test]
fn users_that_are_lost_are_named_and_their_numbers_not_given_again() {
    let (bytes, _) = sample();
    let dir = place(&bytes);
    let page = pages(dir.path()).into_iter().rfind(|(_, name, _)| name == "user").unwrap().0;
    let file = File::options().write(true).open(dir.path().join("store.db")).unwrap();
    file.write_all_at(&[0; 4096], (page - 1) * 4096).unwrap();
    let checked = check(dir.path()).unwrap();
    let mended = checked.mended.as_ref().unwrap();
    assert!(!is_whole(&checked) && !mended.users.is_empty(), "{checked:?}");
    assert!(mended.users.iter().all(|id| id.starts_with("user-") || USERS.contains(&&**id)));
    assert!(mended.lost.iter().any(|line| line.contains("table user ")), "{mended:?}");
}

#[test]
fn a_file_that_was_cut_is_read_as_far_as_it_goes() {
    let (bytes, all) = sample();
    for part in [3, 5, 8, 9] {
        let pages = bytes.len() / 4096 * part / 10;
        for odd in [0, 100] {
            let what = format!("{pages} pages and {odd} bytes");
            let dir = place(&bytes[..pages * 4096 + odd]);
            let checked = check(dir.path()).unwrap();
            let items = check_use(dir.path(), &checked, &what);
            assert!(is_part(&items, &all) && items.len() < all.len(), "{what}");
            assert!(!is_whole(&checked), "{what}");
        }
    }
}

#[test]
fn rot_in_a_body_is_counted() {
    let (mut bytes, _) = sample();
    let body = [11_u8; 300];
    let at = bytes.windows(body.len()).position(|window| window == body).unwrap();
    bytes[at] ^= 1;
    let checked = check(place(&bytes).path()).unwrap();
    assert!(checked.damages.is_empty() && !is_whole(&checked), "{checked:?}");
    assert_eq!((checked.messages, checked.rotten), (u64::from(MESSAGES) - 1, 1));
}

#[test]
fn the_first_bytes_of_the_file_are_written_anew() {
    let (whole, all) = sample();
    for (from, to) in [(0, 1), (15, 16), (0, 16)] {
        let mut bytes = whole.clone();
        bytes[from..to].fill(b'X');
        let dir = place(&bytes);
        assert!(matches!(backup(dir.path(), &dir.path().join("x")), Err(OpenError::Foreign(_))));
        let checked = check(dir.path()).unwrap();
        assert!(is_whole(&checked) && checked.damages.len() == 1, "{checked:?}");
        let mended = checked.mended.as_ref().unwrap();
        assert_eq!(fs::read(&mended.aside).unwrap(), bytes, "as it was");
        assert_eq!(fs::read(dir.path().join("store.db")).unwrap(), whole);
        assert_eq!(check_use(dir.path(), &checked, "header"), all);
    }
    // Other damage is mended too. The path that is reported is that of the original file.
    let mut bytes = whole;
    bytes[0] = b'X';
    let (page, ..) =
        pages(place(&sample().0).path()).into_iter().rfind(|it| it.1 == "user").unwrap();
    let start = (page - 1) as usize * 4096;
    bytes[start..start + 4096].fill(0);
    let dir = place(&bytes);
    let checked = check(dir.path()).unwrap();
    let mended = checked.mended.as_ref().unwrap();
    assert!(!mended.users.is_empty() && checked.damages.len() > 1, "{checked:?}");
    assert_eq!(fs::read(&mended.aside).unwrap(), bytes, "as it was");
}

#[test]
fn what_is_no_store_is_not_touched() {
    let empty = TempDir::new().unwrap();
    assert!(matches!(check(empty.path()), Err(OpenError::Missing(_))));
    assert!(matches!(backup(empty.path(), &empty.path().join("x")), Err(OpenError::Missing(_))));
    let (mut bytes, _) = sample();
    bytes[..4096].fill(0xff);
    let dir = place(&bytes);
    assert!(matches!(check(dir.path()), Err(OpenError::Foreign(_))));
    assert_eq!(fs::read(dir.path().join("store.db")).unwrap(), bytes);
    let dir = TempDir::new().unwrap();
    let rig = Rig::with(&dir, Quotas::default(), &USERS);
    assert!(matches!(check(dir.path()), Err(OpenError::InUse(_))));
    rig.close();
}

#[test]
fn a_copy_holds_what_was_acknowledged_and_ends_while_more_is_written() {
    let (dir, copies) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let mut n = 0;
    for copy in 0..3 {
        for _ in 0..200 {
            rig.one(append(message("alice", "bob", n, 2000)));
            n += 1;
        }
        let acknowledged = n;
        let to = copies.path().join(format!("{copy}/store.db"));
        fs::create_dir(to.parent().unwrap()).unwrap();
        let (from, into) = (dir.path().to_owned(), to.clone());
        let copying = std::thread::spawn(move || backup(&from, &into));
        while !copying.is_finished() {
            rig.one(append(message("alice", "bob", n, 2000)));
            n += 1;
        }
        copying.join().unwrap().unwrap();
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        let names = fs::read_dir(to.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "nothing beside it");
        let mut copied = Rig::open(to.parent().unwrap(), Quotas::default());
        let items = each(copied.whole("bob", "bob"));
        assert!(items.len() >= acknowledged as usize && items.len() <= n as usize);
        assert_eq!(items, each(rig.whole("bob", "bob"))[..items.len()]);
        // Seqs that the old store gave out are not given out again.
        let stored = copied.one(append(message("alice", "bob", 1_000_000, 1)));
        assert!(matches!(stored, Verdict::Stored { seq, .. } if seq > u64::from(n) + 1_000_000));
        let again = copied.one(append(message("alice", "bob", 0, 2000)));
        assert_eq!(again, Verdict::Duplicate);
        copied.close();
        assert!(backup(dir.path(), &to).is_err(), "it never replaces one");
    }
}
