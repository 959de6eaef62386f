//! Data directory of a server: its states at a start, and changes to it while the server runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::kit::{Home, Said, Server, start};

impl Home {
    /// Runs a start that must fail.
    fn serve_in_vain(&self, data: &Path, more: &[&str]) -> Said {
        let args = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        start(self.command(&[&args[..], more].concat())).end()
    }
}

/// A home with a stopped server that has a user bob with one message.
fn stopped() -> (Home, PathBuf, String) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    home.run(&["send", "bob", "kept"]).ok();
    let address = server.address.clone();
    server.stop("TERM");
    let data = home.data();
    (home, data, address)
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn a_store_with_users_is_not_given_a_new_key_unasked() {
    let (home, data, address) = stopped();
    let (key, aside) = (data.join("server.key.pem"), data.join("aside"));
    fs::rename(&key, &aside).unwrap();
    for _ in 0..2 {
        let said = home.serve_in_vain(&data, &[]);
        said.code(78).says("store with 1 users").says("backup").says("--new-key");
        assert!(!key.exists());
    }
    let invite = ["invite", &address, "--data", data.to_str().unwrap()];
    home.run(&invite).code(78).says("server.key.pem");
    assert!(!key.exists());
    for damaged in [&b""[..], b"\0\0\0", b"-----BEGIN PRIVATE KEY-----\n"] {
        fs::write(&key, damaged).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        for more in [&[][..], &["--new-key"]] {
            home.serve_in_vain(&data, more).code(78).says("server.key.pem").says("backup");
            assert_eq!(bytes(&key), damaged, "never overwritten");
        }
        home.run(&invite).code(78).says("backup");
    }
    fs::rename(&aside, &key).unwrap();
    let server = home.serve_on(&address, &[]);
    assert_eq!(home.run(&["listen", "-n", "1"]).ok(), "kept\n");
    let pin = server.pin.clone();
    server.stop("TERM");
    fs::remove_file(&key).unwrap();
    let server = home.serve_on(&address, &["--new-key"]);
    assert_ne!(server.pin, pin);
    home.run(&["send", "bob", "hi"]).code(77);
    let pin = server.pin.clone();
    server.stop("TERM");
    // An existing key is used.
    assert_eq!(home.serve_on(&address, &["--new-key"]).pin, pin);
}

#[test]
fn every_other_state_of_the_directory_has_its_answer() {
    // A start that was killed left a key, and no store.
    let (home, data, _) = stopped();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let _ = fs::remove_file(data.join(name));
    }
    let key = bytes(&data.join("server.key.pem"));
    let server = home.serve(&[]);
    home.run(&["join", "bob", "-s", &server.address, "--pin", &server.pin]).ok();
    assert_eq!(bytes(&data.join("server.key.pem")), key);
    // A store without users can take a new key: no user has pinned the old one.
    let home = Home::new();
    home.serve(&[]).stop("TERM");
    fs::remove_file(home.data().join("server.key.pem")).unwrap();
    home.serve(&[]).stop("TERM");
    // The newest messages are in the write-ahead log.
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    server.kill();
    let data = home.data();
    let log = bytes(&data.join("store.db-wal"));
    for empty in [false, true] {
        fs::rename(data.join("store.db"), data.join("aside")).unwrap();
        if empty {
            fs::write(data.join("store.db"), "").unwrap();
        }
        let said = home.serve_in_vain(&data, &[]);
        said.code(78).says("without its store.db").says("mv ");
        assert!(!said.stderr.contains("creating"), "{}", said.stderr);
        assert_eq!(bytes(&data.join("store.db-wal")), log);
        fs::rename(data.join("aside"), data.join("store.db")).unwrap();
    }
    home.serve(&[]).stop("TERM");
    fs::write(data.join("endpoint.secrets"), "").unwrap();
    home.serve_in_vain(&data, &[]).code(78).says("mv ").says("endpoint.secrets");
}

#[test]
fn a_store_that_was_emptied_is_not_begun_anew_unasked() {
    let (home, data, address) = stopped();
    let store = data.join("store.db");
    let whole = bytes(&store);
    fs::write(&store, "").unwrap();
    let path = data.to_str().unwrap();
    let check = home.run(&["serve", "--check-store", "--data", path]);
    let invite = home.run(&["invite", &address, "--data", path]);
    for said in [home.serve_in_vain(&data, &[]), check, invite] {
        said.code(78).says("store.db is empty").says("put a backup back").says("rm ");
        assert_eq!(bytes(&store), b"");
    }
    fs::write(&store, whole).unwrap();
    let server = home.serve_on(&address, &[]);
    assert_eq!(home.run(&["listen", "-n", "1"]).ok(), "kept\n");
    server.stop("TERM");
    fs::remove_file(&store).unwrap();
    home.serve(&[]).stop("TERM");
}

#[test]
fn a_key_without_its_store_is_reported() {
    let (home, data, _) = stopped();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let _ = fs::remove_file(data.join(name));
    }
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let mut server = start(home.command(&args));
    server.until(super::kit::Stream::Err, "has a key but no store");
    server.until(super::kit::Stream::Err, "listening on");
}

/// Damage to a store; a second function undoes it.
type Harm = fn(&Path);

#[test]
fn nothing_is_accepted_once_the_store_is_gone() {
    let harms: [(&str, Harm); 6] = [
        ("removed", |data| fs::remove_file(data.join("store.db")).unwrap()),
        ("renamed", |data| fs::rename(data.join("store.db"), data.join("x")).unwrap()),
        ("replaced", |data| {
            fs::copy(data.join("store.db"), data.join("x")).unwrap();
            fs::rename(data.join("x"), data.join("store.db")).unwrap();
        }),
        ("without its log", |data| fs::remove_file(data.join("store.db-wal")).unwrap()),
        ("moved with its directory", |data| {
            fs::rename(data, data.with_extension("moved")).unwrap();
        }),
        ("removed with its directory", |data| fs::remove_dir_all(data).unwrap()),
    ];
    for (what, harm) in harms {
        let home = Home::new();
        let mut server = home.serve(&[]);
        home.join(&server, &["bob"]);
        home.run(&["send", "bob", "before"]).ok();
        harm(&home.data());
        let said = home.run(&["send", "bob", "--timeout", "700ms", "after"]);
        assert_eq!(said.code, Some(69), "{what}: {}", said.stderr);
        let (code, text) = server.ended();
        assert_eq!(code, Some(74), "{what}: {text}");
        assert!(text.contains("store.db") && text.contains("was removed or replaced"), "{what}");
        assert!(text.contains("hint: nothing was acknowledged since; put "), "{text}");
    }
}

#[test]
fn a_store_that_was_moved_is_complete() {
    let home = Home::new();
    let mut server = home.serve(&[]);
    let address = server.address.clone();
    home.join(&server, &["bob"]);
    home.run(&["send", "bob", "before"]).ok();
    let (data, moved) = (home.data(), home.path().join("moved"));
    fs::rename(&data, &moved).unwrap();
    home.run(&["send", "bob", "--id", "1", "--timeout", "700ms", "after"]).code(69);
    assert_eq!(server.ended().0, Some(74));
    fs::rename(&moved, &data).unwrap();
    let _server = home.serve_on(&address, &[]);
    // The message was not accepted, so it is sent again, and arrives once.
    home.run(&["send", "bob", "--id", "1", "after"]).ok();
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "before\nafter\n");
}

#[test]
fn an_address_of_another_machine_is_an_error() {
    let home = Home::new();
    let data = home.data();
    let args = ["serve", "--listen", "192.0.2.1:0", "--data", data.to_str().unwrap()];
    start(home.command(&args)).end().code(78).says("it is not an address of this machine");
}

#[test]
fn data_that_others_can_open_is_refused() {
    let (home, data, _) = stopped();
    for mode in [0o755, 0o750, 0o701, 0o770, 0o702] {
        fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
        let said = home.serve_in_vain(&data, &[]);
        said.code(78).says(&format!("chmod 700 {}", data.display()));
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    home.serve(&[]).stop("TERM");
}

#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    let (home, data, address) = stopped();
    // With and without ignoring the signal that comes with the limit.
    for ignore in ["", "trap '' XFSZ; "] {
        let line = format!(
            "{ignore}ulimit -f 1000; exec qmsg serve --listen {address} --data {}",
            data.display()
        );
        let server = Server::start(home.program("/bin/sh", &["-c", &line]));
        let body = [7; 1 << 20];
        for _ in 0..2 {
            home.pipe(&body, &["send", "bob"]).code(73).says("is full");
        }
        let (code, text) = server.stop("TERM");
        assert_eq!(code, Some(143), "{text}");
    }
    let _server = home.serve_on(&address, &[]);
    home.pipe(&[7; 1 << 20], &["send", "bob"]).ok();
    assert_eq!(home.run(&["listen", "-n", "1"]).ok(), "kept\n");
    let mut data = home.path().join("new");
    for limit in [1, 0] {
        let line = format!(
            "ulimit -f {limit}; exec qmsg serve --listen 127.0.0.1:0 --data {0}",
            data.display()
        );
        let said = start(home.program("/bin/sh", &["-c", &line])).end();
        said.code(73);
        data = home.path().join("newer");
    }
}

#[test]
fn a_store_of_another_version_or_program_says_so() {
    let (home, data, _) = stopped();
    let change = |sql: &str| {
        crate::store::database(&data).execute_batch(sql).unwrap();
    };
    change("PRAGMA user_version = 1");
    home.serve_in_vain(&data, &[]).code(78).says("an older version of qmsg made it");
    change("PRAGMA user_version = 1000");
    let wrote = format!("qmsg {} wrote it: use that or a newer qmsg", env!("CARGO_PKG_VERSION"));
    home.serve_in_vain(&data, &[]).code(78).says(&wrote);
    change("PRAGMA application_id = 1");
    home.serve_in_vain(&data, &[]).code(78).says("is not a qmsg store").says("--data names");
}
