//! Backups of a running server, restoring them, and damaged stores.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use super::kit::{Home, Said, Stream, start, start_with};
use super::wait::until;

fn backup(home: &Home, to: &Path) -> Said {
    let data = home.data();
    home.run(&["serve", "--backup", to.to_str().unwrap(), "--data", data.to_str().unwrap()])
}

fn check(home: &Home, more: &[&str]) -> Said {
    let data = home.data();
    let args = ["serve", "--check-store", "--data", data.to_str().unwrap()];
    home.run(&[&args[..], more].concat())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Overwrites the first page of an index or a table.
fn damage(home: &Home, name: &str) {
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let db = crate::store::database(&home.data());
    let page: i64 = db.query_row(sql, [name], |row| row.get(0)).unwrap();
    drop(db);
    let file = File::options().write(true).open(home.data().join("store.db")).unwrap();
    file.write_all_at(&[0; 4096], (page as u64 - 1) * 4096).unwrap();
}

#[test]
fn a_restored_backup_of_a_busy_server_keeps_its_ids() {
    let home = Home::new();
    let server = home.serve(&[]);
    let address = server.address.clone();
    home.join(&server, &["alice", "bob"]);
    home.run(&["send", "bob", "--id", "1", "before"]).ok();
    let lines: Vec<u8> = (0..20_000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    let args = ["send", "-l", "alice", "--as", "bob", "--timeout", "60s"];
    let busy = start_with(home.command(&args), lines);
    let to = home.path().join("backups/first");
    backup(&home, &to).code(0).says("everything acknowledged until now");
    busy.signal("TERM");
    busy.end();
    assert_eq!((mode(&to), mode(&to.join("store.db"))), (0o700, 0o600));
    assert_eq!(mode(&to.join("server.key.pem")), 0o600);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
    backup(&home, &to).code(78).says("already exists");
    backup(&home, &home.data()).code(78).says("already exists");
    home.join(&server, &["carol"]);
    // A listener that stays connected and knows messages by seqs of the old server.
    let mut listener = home.listen(&["--as", "bob"]);
    for text in ["lost 1", "lost 2", "lost 3"] {
        home.run(&["send", "bob", text]).ok();
        listener.until(Stream::Out, text);
    }
    server.stop("TERM");
    fs::rename(home.data(), home.path().join("old")).unwrap();
    fs::rename(&to, home.data()).unwrap();
    let _server = home.serve_on(&address, &[]);
    home.run(&["send", "bob", "--as", "carol", "hi"]).code(78).says("carol is not known on");
    home.run(&["join", "carol"]).code(0).says("joined");
    for text in ["new 1", "new 2", "new 3", "new 4"] {
        home.run(&["send", "bob", "--as", "carol", text]).ok();
        listener.until(Stream::Out, text);
    }
    home.run(&["send", "bob", "--id", "1", "before"]).ok();
    listener.signal("TERM");
    let heard = String::from_utf8(listener.end().stdout).unwrap();
    // Messages that it processed after the backup are waiting again.
    assert!(heard.matches("before\n").count() <= 2, "{heard}");
    assert_eq!(heard.matches("new ").count(), 4, "{heard}");
}

#[test]
fn a_damaged_index_is_reported_with_the_command_that_mends_it() {
    let home = Home::new();
    let server = home.serve(&[]);
    let address = server.address.clone();
    home.join(&server, &["bob"]);
    home.run(&["send", "bob", "kept"]).ok();
    check(&home, &[]).code(78).says("stop the server that uses it");
    server.stop("TERM");
    let whole = check(&home, &[]).ok();
    assert_eq!(whole, "intact: 1 users, 1 messages\n");
    damage(&home, "run_log");
    let data = home.data();
    let serve = ["serve", "--listen", &address, "--data", data.to_str().unwrap()];
    // The damage shows at the start, or as soon as the page is read.
    let mut server = start(home.command(&serve));
    let mut reader = None;
    until("its end", || {
        if !server.is_running() {
            return true;
        }
        let args = ["listen", "--poll", "--timeout", "300ms"];
        reader = Some(home.run(&args));
        false
    });
    server.end().code(74).says("malformed").says("qmsg serve --check-store --data");
    let said = check(&home, &[]).ok();
    assert!(said.contains("damaged: ") && said.contains("repaired: "), "{said}");
    assert!(!said.contains("lost: ") && said.ends_with("intact: 1 users, 1 messages\n"), "{said}");
    assert!(data.join("store.db.damaged").exists());
    let _server = home.serve_on(&address, &[]);
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "kept\n");
}

#[test]
fn a_store_that_cannot_be_repaired_is_not_advised_to_be_repaired() {
    let home = Home::new();
    home.serve(&[]).stop("TERM");
    let file = File::options().write(true).open(home.data().join("store.db")).unwrap();
    file.write_all_at(&[0xff; 100], 0).unwrap();
    let said = check(&home, &[]);
    said.code(78).says("is not a qmsg store").says("put a backup back");
    assert!(!said.stderr.contains("--check-store"), "{}", said.stderr);
}

#[test]
fn users_and_messages_lost_to_damage_are_reported() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob", "carol"]);
    home.run(&["send", "bob", "gone"]).ok();
    server.stop("TERM");
    damage(&home, "user");
    let said = check(&home, &["--json"]);
    said.code(13);
    let value: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(value["lost_users"], serde_json::json!(["bob", "carol"]));
    assert_eq!((&value["users"], &value["messages"]), (&1.into(), &1.into()));
    assert!(value["aside"].as_str().unwrap().ends_with("store.db.damaged"));
    assert_eq!(check(&home, &[]).ok(), "intact: 1 users, 1 messages\n");
    let server = home.serve(&[]);
    let to = ["-s", &server.address, "--pin", &server.pin];
    home.run(&[&["join", "carol"], &to[..]].concat()).code(0).says("joined");
    // The user who now has bob's number does not read bob's messages.
    assert_eq!(home.run(&["listen", "--poll", "--as", "carol"]).ok(), "");
}
