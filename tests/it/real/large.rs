//! Long messages from end to end: byte for byte, in little memory, without delaying others.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

#[cfg(target_os = "linux")]
use super::kit::peak_kib;
use super::kit::{DEADLINE, Home, Server, Stream, noise, start, start_with};
use crate::needs::needs;

const MIB: usize = 1 << 20;
/// Length of a long message: the limit of the servers here.
const LONG: usize = 64 * MIB;
/// Peak memory of a program in KiB: less than the message. 16 MiB of a client's 20 to 34 MiB are
/// pages of the test build; the rest are chunks under way, whose number varies.
const CLIENT_KIB_MAX: u64 = 48 << 10;
const SERVER_KIB_MAX: u64 = 64 << 10;

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&["--max-body", "64MiB"]);
    home.join(&server, ids);
    (home, server)
}

fn put(home: &Home, bytes: &[u8]) -> String {
    let path = home.path().join("long");
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_body_takes_little_memory() {
    let (home, server) = setup(&["alice", "bob"]);
    let body = noise(LONG);
    let path = put(&home, &body);
    let listener = start(home.command(&["listen", "--as", "bob", "--raw", "-n", "3"]));
    let file = start(home.command(&["send", "bob", "--as", "alice", "-f", &path]));
    let (said, file_kib) = file.end_with_peak();
    said.code(0);
    home.shell("qmsg send bob --as alice < long").code(0);
    let pipe = start_with(home.command(&["send", "bob", "--as", "alice"]), body.clone());
    let (said, pipe_kib) = pipe.end_with_peak();
    said.code(0);
    let (said, listener_kib) = listener.end_with_peak();
    said.code(0);
    assert_eq!(said.stdout.len(), 3 * LONG);
    assert!(said.stdout.chunks(LONG).all(|copy| copy == body), "byte for byte");
    for (who, kib) in [("-f", file_kib), ("a pipe", pipe_kib), ("listen", listener_kib)] {
        assert!((1..CLIENT_KIB_MAX).contains(&kib), "{who}: {kib} KiB");
    }
    let server_kib = peak_kib(&server.child);
    assert!((1..SERVER_KIB_MAX).contains(&server_kib), "serve: {server_kib} KiB");
}

#[test]
fn a_file_that_shrinks_meanwhile_is_not_sent() {
    let (home, server) = setup(&["bob", "carol"]);
    let path = put(&home, &noise(3 * MIB));
    let address = server.address.clone();
    server.kill();
    // The sender has opened the file by the time it finds no server.
    let mut sender = start(home.command(&["send", "bob,carol", "-f", &path, "--timeout", "60s"]));
    sender.until(Stream::Err, "trying again");
    File::options().write(true).open(&path).unwrap().set_len(2 * MIB as u64).unwrap();
    let _server = home.serve_on(&address, &["--max-body", "64MiB"]);
    let said = sender.end();
    said.code(65).says("could not be read to its end: the file has changed meanwhile");
    for id in ["bob", "carol"] {
        assert_eq!(home.run(&["listen", "--poll", "--as", id]).ok(), "");
    }
    home.run(&["send", "bob,carol", "-f", &path]).ok();
    for id in ["bob", "carol"] {
        assert_eq!(home.run(&["listen", "--poll", "--raw", "--as", id]).stdout.len(), 2 * MIB);
    }
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let (home, _server) = setup(&["bob"]);
    let path = put(&home, b"");
    // A sparse file, which uses no disk space.
    File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let said = home.run(&["send", "bob", "-f", &path]);
    said.code(65).says("over the server's limit of 67108864 bytes");
}

#[test]
fn long_text_and_long_noise_by_json() {
    let (home, _server) = setup(&["bob"]);
    let text = format!("x{}", "ä€😀\"\n\u{1b}".repeat(3 * MIB / 12));
    let noise = [text.as_bytes(), b"\xff"].concat();
    for (body, field) in [(text.as_bytes(), "body"), (&noise[..], "body_b64")] {
        home.pipe(body, &["send", "bob"]).ok();
        let line = home.run(&["listen", "--json", "-n", "1"]).ok();
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["size"], body.len());
        let came = value[field].as_str().unwrap();
        let came = match field {
            "body" => came.as_bytes().to_vec(),
            _ => data_encoding::BASE64.decode(came.as_bytes()).unwrap(),
        };
        assert!(came == body, "{field}");
    }
}

#[test]
fn long_lines() {
    let (home, _server) = setup(&["bob"]);
    let line = |letter: &str| letter.repeat(3 * MIB) + "\n";
    let lines = ["a", "b", "c"].map(line).concat() + "short\n" + &line("d");
    home.pipe(lines.as_bytes(), &["send", "-l", "bob"]).ok();
    assert!(home.run(&["listen", "--poll"]).ok() == lines);
}

#[test]
fn a_long_volatile_body() {
    let (home, _server) = setup(&["alice", "bob"]);
    let body = noise(3 * MIB);
    let listener = home.listen(&["--as", "bob", "--raw", "-n", "1"]);
    home.pipe(&body, &["send", "--volatile", "bob", "--as", "alice"]).ok();
    let said = listener.end();
    said.code(0);
    assert!(said.stdout == body);
}

/// Size of the files in a directory.
fn disk_usage(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).unwrap();
    // A file may be deleted between listing and reading its size.
    files.filter_map(|file| Some(file.unwrap().metadata().ok()?.len())).sum()
}

#[test]
fn others_are_served_while_a_long_message_is_on_its_way() {
    let (home, _server) = setup(&["alice", "bob", "carol"]);
    let body = noise(LONG);
    let path = put(&home, &body);
    let mut listener = home.listen(&["--as", "bob", "--raw", "-n", "4"]);
    let before = disk_usage(&home.data());
    let mut long = start(home.command(&["send", "bob", "--as", "alice", "-f", &path]));
    let start = Instant::now();
    while disk_usage(&home.data()) < before + 8 * MIB as u64 {
        assert!(start.elapsed() < DEADLINE, "nothing of it comes to the disk");
        std::thread::yield_now();
    }
    let send = |text: &str| home.run(&["send", "bob", "--as", "carol", text]).ok();
    send("while it moves\n");
    listener.until(Stream::Out, "while it moves\n");
    long.signal("STOP");
    assert!(long.is_running(), "too quick to be overtaken");
    send("while it stands\n");
    listener.until(Stream::Out, "while it stands\n");
    long.signal("CONT");
    send("while it moves again\n");
    long.end().code(0);
    let said = listener.end();
    said.code(0);
    let small = ["while it moves\n", "while it stands\n", "while it moves again\n"].concat();
    assert_eq!(said.stdout.len(), LONG + small.len());
    let long = said.stdout.windows(64).position(|window| *window == body[..64]).unwrap();
    assert!(said.stdout[long..long + LONG] == body, "in one piece");
}

#[test]
fn code_73_when_there_is_no_place_for_a_long_message() {
    let (home, _server) = setup(&["bob"]);
    let body = noise(3 * MIB);
    let nowhere = home.path().join("nowhere");
    let mut send = home.command(&["send", "bob"]);
    send.env("TMPDIR", &nowhere);
    let said = start_with(send, body.clone()).end();
    said.code(73).says("cannot keep a long message in").says("hint: it is stored there");
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "", "nothing was sent");
    // A body from a file is not copied.
    put(&home, &body);
    home.shell(&format!("TMPDIR={} qmsg send bob -f long", nowhere.display())).ok();
    let mut listen = home.command(&["listen", "--raw", "-n", "1"]);
    listen.env("TMPDIR", &nowhere);
    let said = start(listen).end();
    said.code(73).says("cannot keep a long message in");
    assert!(said.stdout.is_empty());
    assert!(home.run(&["listen", "--raw", "-n", "1"]).stdout == body, "it is offered again");
}

/// A directory for long messages on a disk that is really full.
#[test]
fn code_73_when_the_place_for_a_long_message_is_full() {
    needs!("namespaces");
    let (home, _server) = setup(&["bob"]);
    let line = "mkdir t && mount -t tmpfs -o size=2m tmpfs t && TMPDIR=$PWD/t exec qmsg send bob";
    let send = home.program("unshare", &["-rm", "/bin/sh", "-c", line]);
    start_with(send, noise(4 * MIB))
        .end()
        .code(73)
        .says("cannot keep a long message in")
        .says("No space left");
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "", "nothing was sent");
}
