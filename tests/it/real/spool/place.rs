//! The directory of a spool, and everything that can be wrong with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{SPOOL, files, keep, list, objects, read, without_server};
use crate::real::kit::{Home, start, start_with};

#[test]
fn a_bad_file_does_not_block_others() {
    let (home, address) = without_server(&["alice", "bob"]);
    for text in ["1", "2", "3", "4", "5"] {
        keep(&home, "bob", text);
    }
    let paths = files(&home);
    // An empty file, a file with other content, a directory, and a file without permissions.
    fs::write(&paths[0], "").unwrap();
    fs::write(&paths[1], [0; 5000]).unwrap();
    fs::remove_file(&paths[2]).unwrap();
    fs::create_dir(&paths[2]).unwrap();
    fs::set_permissions(&paths[3], fs::Permissions::from_mode(0o000)).unwrap();
    // A plain file where an id's directory would be.
    let spools = paths[0].parent().unwrap().parent().unwrap();
    fs::write(spools.join("carol"), "no directory").unwrap();
    let states = |home: &Home| -> Vec<Value> {
        list(home).into_iter().map(|entry| entry["state"].clone()).collect()
    };
    assert_eq!(states(&home)[..3], ["damaged", "damaged", "damaged"]);
    let _server = home.serve_on(&address, &[]);
    let said = home.run(&["spool", "flush", "--json"]);
    said.code(13).says("set aside");
    // Root can read files whose mode forbids it.
    let (sent, aside) = if rustix::process::geteuid().is_root() { (2, 3) } else { (1, 4) };
    let counts = &objects(std::str::from_utf8(&said.stdout).unwrap())[0];
    assert_eq!(*counts, serde_json::json!({ "sent": sent, "set_aside": aside, "waiting": 0 }));
    assert!(read(&home, "bob").ends_with("5\n"));
    assert!(states(&home).iter().all(|state| state == "set aside"), "{:?}", list(&home));
    assert!(list(&home).iter().all(|entry| entry["reason"].is_string()));
}

/// Defects of the directory: the message is kept or an error printed; messages spooled
/// earlier stay as they are.
#[test]
fn an_unusable_spool_directory_is_an_error() {
    let (home, address) = without_server(&["alice", "bob"]);
    keep(&home, "bob", "before");
    let before: Vec<Vec<u8>> = files(&home).iter().map(|path| fs::read(path).unwrap()).collect();
    // A file size limit acts as a full disk and does not kill the process.
    let limited = format!(
        "ulimit -f 8; exec {} send bob --spool --timeout 200ms",
        env!("CARGO_BIN_EXE_qmsg")
    );
    let command = home.program("/bin/sh", &["-c", &limited]);
    let said = start_with(command, vec![b'x'; 100_000]).end();
    said.code(73).says("neither sent nor kept").says("free some space");
    assert_eq!(files(&home).len(), 1);
    let kept: Vec<Vec<u8>> = files(&home).iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(kept == before, "what was there is there");
    let left = fs::read_dir(files(&home)[0].parent().unwrap()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().starts_with(".new")), "{left:?}");
    // A file where the spool's directory belongs.
    let spools = files(&home)[0].parent().unwrap().parent().unwrap().to_owned();
    fs::rename(&spools, spools.with_extension("old")).unwrap();
    fs::write(&spools, "").unwrap();
    home.run(&[&["send", "bob"][..], &SPOOL, &["x"]].concat())
        .code(73)
        .says("cannot keep messages in")
        .says("exists and is not a directory");
    home.run(&["spool", "flush"]).code(78).says("cannot use the spool");
    // With a server the spool is not needed.
    let _server = home.serve_on(&address, &[]);
    home.run(&["send", "bob", "--spool", "y"]).code(0);
    assert_eq!(read(&home, "bob"), "y\n");
    fs::remove_file(&spools).unwrap();
    fs::rename(spools.with_extension("old"), &spools).unwrap();
    home.run(&["spool", "flush"]).code(0).says("1 message sent");
    assert_eq!(read(&home, "bob"), "before\n");
}

#[test]
fn a_stopped_process_does_not_block_others() {
    let (home, address) = without_server(&["alice", "bob"]);
    keep(&home, "bob", "1");
    let dir = files(&home)[0].parent().unwrap().to_owned();
    let lock = |name: &str| {
        let file = fs::OpenOptions::new().append(true).open(dir.join(name)).unwrap();
        file.lock().unwrap();
        file
    };
    home.run(&["spool", "flush", "--timeout", "100ms"]).code(75);
    let (adding, sending) = (lock(".adding"), lock(".sending"));
    // The locks may never be released; messages must be spooled nevertheless.
    keep(&home, "bob", "2");
    let _server = home.serve_on(&address, &[]);
    keep(&home, "bob", "3");
    let begin = Instant::now();
    home.run(&["spool", "flush", "--timeout", "300ms"]).code(75).says("another process is sending");
    home.run(&["send", "alice", "--timeout", "10m", "to another target"]).code(0);
    let waiting = start(home.command(&["spool", "flush", "--timeout", "10m"]));
    waiting.signal("TERM");
    waiting.end().code(143);
    assert!(begin.elapsed() < Duration::from_secs(60));
    drop((adding, sending));
    home.run(&["spool", "flush"]).code(0).says("3 messages sent");
    assert_eq!(read(&home, "bob"), "1\n2\n3\n");
}

#[test]
fn lists_are_for_programs_and_for_people() {
    let (home, _) = without_server(&["alice", "bob"]);
    home.run(&["spool", "list"]).code(0);
    home.run(&[&["send", "bob", "--title", "a b"][..], &SPOOL, &["x"]].concat()).code(75);
    let listed = home.run(&["spool", "list"]).ok();
    let fields: Vec<&str> = listed.trim_end_matches('\n').split('\t').collect();
    assert_eq!(fields[2..], ["alice", "bob", "1", "waiting", "a b", ""], "{listed}");
    assert!(fields[1].ends_with('Z') && fields[0].len() == 36, "{listed}");
    let dry = ["spool", "flush", "--dry-run"];
    assert_eq!(home.run(&dry).ok(), listed);
    let dry = home.run(&[&dry[..], &["--json"]].concat()).ok();
    assert_eq!(objects(&dry), list(&home));
    let dropped = home.run(&["spool", "drop", "--all", "--json"]).ok();
    assert_eq!(dropped, "{\"dropped\":1}\n");
}
