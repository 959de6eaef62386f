//! State on the machine after a `join`, however it ends: unchanged or complete.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use qmsg::wire::CloseCode;

use super::fake::{Answer, Fake};
use super::kit::{Home, Running, Server, start};
use super::wait::until;

/// Address without a server.
const NOBODY: &str = "127.0.0.1:9";

impl Home {
    fn profiles(&self) -> PathBuf {
        self.path().join(".local/share/qmsg/profiles")
    }

    fn profile(&self, id: &str) -> PathBuf {
        self.profiles().join(id)
    }

    fn key(&self, id: &str) -> Option<Vec<u8>> {
        fs::read(self.profile(id).join("key.pem")).ok()
    }

    /// Removes the file that says where an id is joined, as if its join had been interrupted.
    fn forget(&self, id: &str) {
        fs::remove_file(self.profile(id).join("profile.toml")).unwrap();
    }
}

fn join<'a>(id: &'a str, server: &'a str) -> [&'a str; 6] {
    ["join", id, "-s", server, "--timeout", "700ms"]
}

/// A server on all addresses, which requires tickets; with an address to reach it from here.
fn guarded(home: &Home) -> (Server, String) {
    let server = home.serve_on("0.0.0.0:0", &[]);
    let port = server.address.rsplit_once(':').unwrap().1;
    let address = format!("127.0.0.1:{port}");
    (server, address)
}

fn ticket(home: &Home, address: &str) -> String {
    let data = home.data();
    home.run(&["invite", address, "--data", data.to_str().unwrap()]).ok().trim().to_owned()
}

#[test]
fn a_refused_or_unheard_first_join_leaves_nothing() {
    let (home, user) = (Home::new(), Home::new());
    let (server, address) = guarded(&home);
    let used = ticket(&home, &address);
    home.run(&["join", "alice", &used]).ok();
    let wrong = format!("SHA256:{}", "A".repeat(43));
    let tries: [(&[&str], i32); 7] = [
        (&join("alice", &address), 77),
        (&join("bob", &address), 77),
        (&["join", "bob", &used], 77),
        (&["join", "bob", "-s", &address, "--pin", &wrong], 77),
        (&join("bob", NOBODY), 69),
        (&["join", "bob", "-s", "no-such-host.invalid", "--timeout", "700ms"], 69),
        (&join("bob", "127.0.0.1:1"), 69),
    ];
    for (args, code) in tries {
        user.run(args).code(code);
        assert!(!user.profile("bob").exists() && !user.profile("alice").exists(), "{args:?}");
    }
    user.run(&["listen"]).code(78).says("no id is joined");
    for code in [CloseCode::DiskFull, CloseCode::Busy, CloseCode::TicketBad] {
        let fake = Fake::new(Answer::Close(code));
        assert_ne!(user.run(&join("bob", &fake.address)).code, Some(0));
        assert!(!user.profile("bob").exists(), "{code:?}");
    }
    user.run(&["join", "bob", &ticket(&home, &address)]).ok();
    drop(server);
}

#[test]
fn a_first_join_killed_before_its_claim_leaves_no_key() {
    let home = Home::new();
    for signal in ["KILL", "INT", "TERM"] {
        let joining = start(home.command(&["join", "bob", "-s", NOBODY, "--timeout", "60s"]));
        until("a directory", || home.profile("bob").exists());
        joining.signal(signal);
        joining.end();
        assert_eq!(home.key("bob"), None, "{signal}");
        home.run(&["listen"]).code(78).says("no id is joined");
        let _ = fs::remove_dir(home.profile("bob"));
    }
}

#[test]
fn a_key_is_kept_when_the_answer_may_be_lost_and_the_next_join_uses_it() {
    let home = Home::new();
    let server = home.serve(&[]);
    let mut fake = Fake::new(Answer::Nothing);
    let said = home.run(&join("bob", &fake.address));
    said.code(69).says("may have granted the id: run the same join again");
    let key = home.key("bob").unwrap();
    fake.until_claimed();
    for (code, exit) in [(CloseCode::Stopping, 69), (CloseCode::TicketBad, 77)] {
        // The refused join did not make the key, so the key stays, even if the id is refused for
        // good.
        let fake = Fake::new(Answer::Close(code));
        home.run(&join("bob", &fake.address)).code(exit);
        assert_eq!(home.key("bob").as_ref(), Some(&key), "{code:?}");
    }
    home.run(&["send", "bob", "hi"]).code(78).says("no id is joined");
    home.run(&join("bob", &server.address)).ok();
    assert_eq!(home.key("bob"), Some(key));
    home.run(&["send", "bob", "hi"]).ok();
    for signal in ["KILL", "INT"] {
        let mut fake = Fake::new(Answer::Nothing);
        let args = ["join", "carol", "-s", &fake.address, "--timeout", "60s"];
        let joining = start(home.command(&args));
        fake.until_claimed();
        joining.signal(signal);
        joining.end();
        let key = home.key("carol").unwrap();
        home.run(&join("carol", &fake.address)).code(69);
        assert_eq!(home.key("carol").unwrap(), key);
    }
}

#[test]
fn an_earlier_join_survives_every_failure() {
    let (home, other) = (Home::new(), Home::new());
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    let profile = home.profile("bob");
    let before = || ["key.pem", "profile.toml"].map(|name| fs::read(profile.join(name)).unwrap());
    let was = before();
    let fake = Fake::new(Answer::Close(CloseCode::IdTaken));
    let (_guarded, address) = guarded(&other);
    let foreign = ticket(&other, &address);
    let wrong = format!("SHA256:{}", "A".repeat(43));
    let tries: [&[&str]; 5] = [
        &join("bob", NOBODY),
        &join("bob", &fake.address),
        &["join", "bob", &foreign],
        &["join", "bob", "--pin", &wrong],
        &["join", "bob", "-s", &address, "--trust"],
    ];
    for args in tries {
        let said = home.run(args);
        said.code(78).says("is joined on");
        assert!(!said.stderr.contains("rm "), "{}", said.stderr);
        assert_eq!(before(), was, "{args:?}");
    }
    home.run(&["send", "bob", "hi"]).ok();
    let address = server.address.clone();
    server.kill();
    home.run(&["join", "bob", "--timeout", "700ms"]).code(69);
    assert_eq!(before(), was);
    let _server = home.serve_on(&address, &[]);
    home.run(&["join", "bob"]).code(0).says("already joined");
    home.run(&["send", "bob", "hi"]).ok();
}

#[test]
fn a_server_at_another_address_is_the_same_by_its_pin() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    let pin = server.pin.clone();
    let old = server.address.clone();
    server.kill();
    let server = home.serve(&[]);
    assert_ne!(server.address, old);
    home.run(&["join", "bob", "-s", &server.address]).code(78).says("--pin");
    home.run(&["join", "bob", "-s", &server.address, "--pin", &pin]).ok();
    home.run(&["send", "bob", "hi"]).ok();
}

#[test]
fn a_damaged_profile_is_mended_with_the_key_that_is_there() {
    let home = Home::new();
    let server = home.serve(&["--max-users", "1"]);
    home.join(&server, &["bob"]);
    let path = home.profile("bob").join("profile.toml");
    let (key, whole) = (home.key("bob").unwrap(), fs::read_to_string(&path).unwrap());
    let half = &whole[..whole.len() / 2];
    for text in [&b""[..], b"\0\0\0\0", b"\xff\xfe", b"server = 3", b"[profile", half.as_bytes()] {
        fs::write(&path, text).unwrap();
        let said = home.run(&["send", "bob", "hi"]);
        said.code(78).says("is damaged").says("qmsg join bob mends it").says("--server HOST:PORT");
        assert!(!said.stderr.contains("remove"), "{}", said.stderr);
        home.run(&join("bob", NOBODY)).code(69);
        home.run(&join("bob", &server.address)).code(0).says("already joined");
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        home.run(&["send", "bob", "hi"]).ok();
    }
    // The server named in the rest of the file is used.
    let server_line = whole.lines().find(|line| line.starts_with("server")).unwrap();
    fs::write(&path, server_line).unwrap();
    home.run(&["join", "bob"]).ok();
    home.forget("bob");
    let said = home.run(&["send", "bob", "--as", "bob", "hi"]);
    said.code(78).says("its key is still here: qmsg join bob").says("--server HOST:PORT");
    home.run(&join("bob", &server.address)).ok();
    assert_eq!(home.key("bob"), Some(key));
}

#[test]
fn a_damaged_or_missing_key_is_an_error_and_never_overwritten() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    let path = home.profile("bob").join("key.pem");
    let whole = fs::read(&path).unwrap();
    for text in [&b""[..], b"\0\0\0\0", b"-----BEGIN PRIVATE KEY-----\n", &whole[..40]] {
        fs::write(&path, text).unwrap();
        for args in [&["send", "bob", "hi"][..], &["join", "bob"], &join("bob", &server.address)] {
            let said = home.run(args);
            said.code(78).says("cannot use the key").says("from a copy");
            assert_eq!(fs::read(&path).unwrap(), text, "{args:?}");
        }
    }
    fs::remove_file(&path).unwrap();
    home.run(&["send", "bob", "hi"]).code(78).says("from a copy");
    home.run(&["join", "bob"]).code(77).says("key that was here is missing");
    assert_eq!(home.key("bob"), None, "a key that owns nothing is not kept");
    assert!(home.profile("bob").join("profile.toml").exists());
    fs::write(&path, whole).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    home.run(&["send", "bob", "hi"]).ok();
}

#[test]
fn simultaneous_joins_all_succeed() {
    let home = Home::new();
    let server = home.serve(&[]);
    let begin = |id: &str| {
        start(home.command(&["join", id, "-s", &server.address, "--json", "--timeout", "60s"]))
    };
    let same: Vec<Running> = (0..6).map(|_| begin("bob")).collect();
    let ids = ["ann", "ben", "cat", "dan", "eve"];
    let different: Vec<Running> = ids.iter().map(|id| begin(id)).collect();
    let claimed = |running: Running| running.end().ok().contains("\"changed\":true");
    assert_eq!(same.into_iter().map(claimed).filter(|claimed| *claimed).count(), 1);
    assert!(different.into_iter().all(claimed));
    let default = fs::read_to_string(home.profiles().join(".default")).unwrap();
    assert!(ids.contains(&default.trim()) || default.trim() == "bob", "{default:?}");
    for id in ids.iter().chain(&["bob"]) {
        home.run(&["send", "bob", "--as", id, "hi"]).ok();
    }
    let names = fs::read_dir(home.profiles()).unwrap().count();
    assert_eq!(names, ids.len() + 2, "nothing else is left");
}

#[test]
fn a_join_that_waits_for_another_keeps_its_timeout() {
    let home = Home::new();
    let mut fake = Fake::new(Answer::Nothing);
    let first = start(home.command(&["join", "bob", "-s", &fake.address, "--timeout", "60s"]));
    fake.until_claimed();
    home.run(&join("bob", &fake.address)).code(69).says("another `qmsg join bob` is under way");
    first.signal("KILL");
    first.end();
}

#[test]
fn an_id_that_a_restored_server_has_forgotten_is_claimed_again_with_its_key() {
    let (home, user) = (Home::new(), Home::new());
    let (server, address) = guarded(&home);
    home.run(&["join", "alice", &ticket(&home, &address)]).ok();
    let listen = server.address.clone();
    server.stop("TERM");
    let store = home.data().join("store.db");
    let backup = fs::read(&store).unwrap();
    let server = home.serve_on(&listen, &[]);
    user.run(&["join", "bob", &ticket(&home, &address)]).ok();
    let key = user.key("bob").unwrap();
    server.stop("TERM");
    fs::write(&store, backup).unwrap();
    let _server = home.serve_on(&listen, &[]);
    user.run(&["send", "bob", "hi"]).code(78).says("bob is not known on");
    user.run(&["join", "bob"]).code(77).says("ticket");
    let used = ticket(&home, &address);
    home.run(&["join", "carol", &used]).ok();
    user.run(&["join", "bob", &used]).code(77);
    assert_eq!(user.key("bob"), Some(key.clone()));
    user.run(&["join", "bob", &ticket(&home, &address)]).code(0).says("joined");
    assert_eq!(user.key("bob"), Some(key));
    user.run(&["send", "bob", "hi"]).ok();
}

#[test]
fn an_unknown_default_id_is_an_error_that_a_join_mends() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    let default = home.profiles().join(".default");
    fs::write(&default, "zoe\n").unwrap();
    let said = home.run(&["send", "bob", "hi"]);
    said.code(78).says("the default id, zoe, is not joined").says("--as").says("echo bob >");
    assert!(!said.stderr.contains("qmsg join zoe"), "{}", said.stderr);
    home.run(&["send", "bob", "--as", "bob", "hi"]).ok();
    home.join(&server, &["carol"]);
    assert_eq!(fs::read_to_string(&default).unwrap(), "carol\n");
    fs::write(&default, "").unwrap();
    home.run(&["send", "bob", "hi"])
        .code(78)
        .says("names an id that is not joined")
        .says("bob, carol");
    fs::remove_dir_all(home.profile("carol")).unwrap();
    home.run(&["send", "bob", "hi"]).ok();
}

#[test]
fn profiles_that_others_can_open_are_refused() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    let (bob, all) = (home.profile("bob"), home.profiles());
    let cases = [(&bob, 0o750), (&bob, 0o705), (&bob, 0o733), (&all, 0o770), (&all, 0o702)];
    for (dir, mode) in cases {
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        for args in [&["send", "bob", "hi"][..], &["listen", "--poll"], &["join", "bob"]] {
            home.run(args).code(78).says(&format!("chmod 700 {}", dir.display()));
        }
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
    }
    // Readable names of the ids are harmless.
    fs::set_permissions(&all, fs::Permissions::from_mode(0o755)).unwrap();
    home.run(&["send", "bob", "hi"]).ok();
}
