//! Spool of messages on a machine without its server: kept, sent once, set aside, dropped.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::kit::{Home, Said, Server, start};

mod place;

/// Flags by which a message that finds no server is spooled.
const SPOOL: [&str; 3] = ["--spool", "--timeout", "200ms"];

fn joined(home: &Home, ids: &[&str]) -> Server {
    let server = home.serve(&[]);
    home.join(&server, ids);
    server
}

/// A home whose server is gone, and the server's address.
fn without_server(ids: &[&str]) -> (Home, String) {
    let home = Home::new();
    let server = joined(&home, ids);
    let address = server.address.clone();
    server.kill();
    (home, address)
}

fn keep(home: &Home, to: &str, text: &str) -> Said {
    let said = home.run(&[&["send", to][..], &SPOOL, &[text]].concat());
    said.code(75).says("the message is not sent yet, but kept").says("qmsg spool flush");
    said
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn list(home: &Home) -> Vec<Value> {
    objects(&home.run(&["spool", "list", "--json"]).ok())
}

/// Unread messages of an id.
fn read(home: &Home, id: &str) -> String {
    home.run(&["listen", "--poll", "--as", id]).ok()
}

/// All message files below the home, waiting or set aside.
fn files(home: &Home) -> Vec<PathBuf> {
    fn below(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "message") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(&home.path().join(".local/state/qmsg/spool"), &mut found);
    found.sort();
    found
}

#[test]
fn spooled_messages_arrive_once_and_in_order() {
    let (home, address) = without_server(&["alice", "bob"]);
    home.run(&["send", "bob", "--timeout", "200ms", "lost"]).code(69);
    let long = vec![b'x'; 200_000];
    keep(&home, "bob", "one");
    home.pipe(&long, &[&["send", "bob", "--title", "long"][..], &SPOOL].concat()).code(75);
    let lines =
        home.pipe(b"two\nthree\n", &[&["send", "-l", "--json", "bob"][..], &SPOOL].concat());
    lines.code(75).says("2 of 2 messages are not sent yet, but kept");
    let states: Vec<Value> = objects(std::str::from_utf8(&lines.stdout).unwrap());
    assert!(states.iter().all(|line| line["state"] == "spooled"), "{states:?}");
    let waiting = list(&home);
    assert_eq!(waiting.len(), 4);
    assert_eq!(waiting[2]["id"], states[0]["id"], "they have their ids already");
    assert_eq!(
        (&waiting[1]["size"], &waiting[1]["headers"]["title"]),
        (&200_000.into(), &"long".into())
    );
    for path in files(&home) {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
    let copies: Vec<(PathBuf, Vec<u8>)> =
        files(&home).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    home.run(&["spool", "flush", "--timeout", "200ms"]).code(75).says("nothing is lost");
    let said = home.run(&["spool", "flush", "--dry-run"]);
    assert_eq!(said.ok().lines().count(), 4);
    let _server = home.serve_on(&address, &[]);
    // The next send that reaches the server sends the spool first.
    home.run(&["send", "bob", "four"]).code(0).says("4 messages sent from the spool");
    let wanted = format!("one\n{}\ntwo\nthree\nfour\n", "x".repeat(200_000));
    assert!(read(&home, "bob") == wanted);
    assert_eq!((list(&home).len(), files(&home).len()), (0, 0));
    // As if the disk had lost the deletion of sent messages.
    copies.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    home.run(&["spool", "flush"]).code(0).says("4 messages sent");
    home.run(&["spool", "flush"]).code(0);
    assert_eq!(read(&home, "bob"), "", "the server has them already");
}

#[test]
fn the_spool_is_enabled_by_a_setting_and_not_used_for_refusals() {
    let (home, address) = without_server(&["alice", "bob"]);
    let send = ["send", "bob", "--timeout", "200ms", "x"];
    let mut command = home.command(&send);
    command.env("QMSG_SPOOL", "1");
    start(command).end().code(75);
    fs::create_dir_all(home.path().join(".config/qmsg")).unwrap();
    fs::write(home.path().join(".config/qmsg/config.toml"), "[send]\nspool = true\n").unwrap();
    home.run(&send).code(75);
    home.run(&["send", "bob", "--timeout", "200ms", "-s", "no-such-host.invalid", "x"]).code(75);
    home.run(&["send", "bob", "--timeout", "200ms", "--volatile", "x"]).code(69);
    assert_eq!(list(&home).len(), 3);
    let _server = home.serve_on(&address, &[]);
    home.run(&["send", "nobody", "x"]).code(67);
    assert_eq!(
        list(&home).len(),
        0,
        "the moment that a send leaves was used, though it was refused"
    );
    home.run(&["send", "bob", "--as", "carol", "x"]).code(78);
}

#[test]
fn a_spool_has_its_limits() {
    let (home, address) = without_server(&["alice", "bob"]);
    let small = ["--spool-max", "12KiB"];
    let input = b"1\n2\n3\n4\n5\n";
    let said = home.pipe(input, &[&["send", "-l", "bob"][..], &SPOOL, &small].concat());
    said.code(73).says("is full").says("--spool-max");
    assert_eq!(list(&home).len(), 3, "each counts for 4 KiB");
    let said = home.run(&[&["send", "bob"][..], &SPOOL, &small, &["4"]].concat());
    said.code(73).says("there are 12288 bytes in it, and it may have 12288");
    home.pipe(&[7; 100_000], &[&["send", "bob"][..], &SPOOL, &small].concat()).code(73);
    home.run(&["send", "bob", "--spool-age", "168h", "x"]).code(2).says("at most 167h");
    // A message that expired in the spool is reported once, and kept until it is dropped.
    let first = list(&home)[0]["id"].as_str().unwrap().to_owned();
    home.run(&["spool", "drop", &first]).code(0).says("1 message dropped");
    home.run(&["spool", "drop", &first]).code(65).says("no message").says("qmsg spool list");
    let _server = home.serve_on(&address, &[]);
    let old = ["spool", "flush", "--spool-age", "0s"];
    home.run(&old).code(65).says("it waited too long").says("qmsg spool drop");
    home.run(&old).code(0);
    assert!(list(&home).iter().all(|entry| entry["state"] == "set aside"));
    assert!(home.run(&["spool", "list"]).ok().contains("\tset aside\t\tit waited too long\n"));
    assert_eq!(read(&home, "bob"), "");
    // Flushing `--aside` sends them nevertheless.
    home.run(&["spool", "flush", "--aside"]).code(0).says("2 messages sent");
    assert_eq!(read(&home, "bob"), "2\n3\n");
}

#[test]
fn messages_that_are_refused_for_good_are_set_aside() {
    let (home, address) = without_server(&["alice", "bob"]);
    keep(&home, "carol", "too early");
    let server = home.serve_on(&address, &[]);
    home.run(&["spool", "flush"]).code(67).says("message to carol set aside: no such user: carol");
    home.run(&["spool", "flush"]).code(0);
    let aside = &list(&home)[0];
    assert_eq!(
        (&aside["state"], &aside["reason"]),
        (&"set aside".into(), &"no such user: carol".into())
    );
    server.kill();
    keep(&home, "carol", "again");
    keep(&home, "bob", "good");
    keep(&home, "@nowhere", "x");
    let server = home.serve_on(&address, &[]);
    home.run(&["spool", "flush"]).code(13).says("1 message sent").says("no such room: @nowhere");
    home.join(&server, &["carol"]);
    home.run(&["spool", "flush", "--aside"]).code(13).says("2 messages sent");
    assert_eq!(read(&home, "carol"), "too early\nagain\n");
    home.run(&["spool", "drop", "--aside"]).code(0).says("1 message dropped");
    home.run(&["spool", "drop"]).code(2);
    home.run(&["spool", "drop", "--all"]).code(0).says("0 messages dropped");
    assert!(files(&home).is_empty());
}

#[test]
fn messages_for_a_full_mailbox_stay_in_the_spool() {
    let home = Home::new();
    let server = home.serve(&["--max-mailbox", "1"]);
    home.join(&server, &["alice", "bob"]);
    home.run(&["send", "bob", "0"]).ok();
    let address = server.address.clone();
    server.kill();
    keep(&home, "bob", "1");
    keep(&home, "alice", "2");
    let _server = home.serve_on(&address, &["--max-mailbox", "1"]);
    let said = home.run(&["spool", "flush"]);
    said.code(75)
        .says("1 message sent")
        .says("1 message left waiting")
        .says("mailbox of bob is full");
    assert_eq!((read(&home, "bob"), read(&home, "alice")), ("0\n".into(), "2\n".into()));
    home.run(&["spool", "flush"]).code(0);
    assert_eq!(read(&home, "bob"), "1\n");
}

#[test]
fn a_damaged_file_is_never_sent() {
    let (home, address) = without_server(&["alice", "bob"]);
    for text in ["first", "second", "third"] {
        keep(&home, "bob", text);
    }
    let paths = files(&home);
    let mut bytes = fs::read(&paths[0]).unwrap();
    let at = bytes.len() - 34;
    bytes[at] ^= 1;
    fs::write(&paths[0], &bytes).unwrap();
    fs::write(&paths[1], &fs::read(&paths[1]).unwrap()[..100]).unwrap();
    assert_eq!(list(&home)[1]["state"], "damaged");
    // An unfinished file is no message.
    fs::write(paths[0].with_file_name(".new-x"), "rest").unwrap();
    let _server = home.serve_on(&address, &[]);
    home.run(&["spool", "flush"])
        .code(13)
        .says("the file of the message is damaged: it has been changed");
    assert_eq!(read(&home, "bob"), "third\n");
    assert_eq!(list(&home).len(), 2);
    home.run(&["spool", "flush", "--aside"]).code(65);
    home.run(&["spool", "drop", "--all"]).code(0);
}

#[test]
fn messages_for_another_server_are_not_sent() {
    let (home, _) = without_server(&["alice", "bob"]);
    keep(&home, "bob", "secret");
    fs::remove_dir_all(home.path().join(".local/share/qmsg/profiles")).unwrap();
    fs::remove_dir_all(home.data()).unwrap();
    let other = joined(&home, &["alice", "bob"]);
    let text = format!("it was for another server than {}", other.address);
    home.run(&["send", "bob", "hi"]).code(0).says("1 message set aside");
    assert_eq!(read(&home, "bob"), "hi\n");
    assert_eq!(list(&home)[0]["reason"], text);
}

#[test]
fn several_processes_may_flush_at_once() {
    let (home, address) = without_server(&["alice", "bob", "carol"]);
    let count = 300;
    let input: String = (1..=count).map(|n| format!("{n}\n")).collect();
    home.pipe(input.as_bytes(), &[&["send", "-l", "bob"][..], &SPOOL].concat()).code(75);
    keep(&home, "carol", "other");
    let mut command = home.command(&["send", "bob", "--as", "carol"]);
    command.args(SPOOL).arg("from carol");
    start(command).end().code(75);
    let listed =
        |args: &[&str]| home.run(&[&["spool", "list"], args].concat()).ok().lines().count();
    assert_eq!((listed(&[]), listed(&["--as", "carol"]), listed(&["--as", "bob"])), (302, 1, 0));
    let _server = home.serve_on(&address, &[]);
    thread::scope(|scope| {
        for n in 0..8 {
            let home = &home;
            scope.spawn(move || {
                let own = format!("own {n}");
                let args: &[&str] =
                    if n % 2 == 0 { &["spool", "flush"] } else { &["send", "bob", &own] };
                home.run(args).code(0);
            });
        }
    });
    let text = read(&home, "bob");
    let waited: Vec<&str> = text.lines().filter(|line| line.parse::<u32>().is_ok()).collect();
    assert!(waited.join("\n") + "\n" == input, "each once, and in order");
    let own = |n: usize| text.lines().filter(|line| *line == format!("own {n}")).count();
    assert!([1, 3, 5, 7].into_iter().all(|n| own(n) == 1), "{text}");
    // Sending as one id first sends what was spooled for the same target.
    let first_own = text.find("own").unwrap();
    assert!(text.find("\n300\n").unwrap() < first_own);
    assert_eq!(text.lines().filter(|line| *line == "from carol").count(), 1);
    assert!(list(&home).is_empty());
}

#[test]
fn several_processes_may_spool_at_once() {
    let (home, address) = without_server(&["alice", "bob"]);
    let values: Vec<String> = (0..24).map(|n| format!("{n}")).collect();
    let keep_it = |value: &String| {
        let send = ["send", "bob", "--until", "processed"];
        start(home.command(&[&send[..], &SPOOL, &[value]].concat()))
    };
    let senders: Vec<_> = values.iter().map(keep_it).collect();
    for sender in senders {
        sender.end().code(75);
    }
    // The same key is the same message.
    for _ in 0..3 {
        let keyed = ["send", "bob", "--id", "key"];
        home.run(&[&keyed[..], &SPOOL, &["once"]].concat()).code(75);
    }
    assert_eq!(list(&home).len(), 25);
    let _server = home.serve_on(&address, &[]);
    home.run(&["spool", "flush"]).code(0).says("25 messages sent");
    let text = read(&home, "bob");
    let (mut shown, mut wanted): (Vec<&str>, Vec<&str>) =
        (text.lines().collect(), values.iter().map(String::as_str).chain(["once"]).collect());
    shown.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(shown, wanted);
}

#[test]
fn a_stream_goes_on_when_the_server_is_back() {
    let home = Home::new();
    let server = joined(&home, &["alice", "bob"]);
    let address = server.address.clone();
    let fifo = home.path().join("lines");
    let made = home.program("mkfifo", &[&fifo]).status();
    assert!(made.unwrap().success());
    let mut listener = home.listen(&["--as", "bob", "-n", "6"]);
    let args = ["send", "-l", "bob", "-f", fifo.to_str().unwrap(), "--spool", "--timeout", "300ms"];
    let mut sender = start(home.command(&args));
    let mut lines = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    let mut say = |text: &str| std::io::Write::write_all(&mut lines, text.as_bytes()).unwrap();
    say("1\n2\n");
    listener.until(super::kit::Stream::Out, "2\n");
    server.kill();
    say("3\n4\n");
    sender.until(super::kit::Stream::Err, "trying again");
    let _server = home.serve_on(&address, &[]);
    say("5\n6\n");
    drop(lines);
    sender.end().code(0);
    assert_eq!(listener.end().ok(), "1\n2\n3\n4\n5\n6\n");
    assert!(list(&home).is_empty());
}

/// Random durations up to `longest`, from a generator (xorshift64).
fn moments(longest: Duration) -> impl FnMut() -> Duration {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(std::process::id());
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        longest.mul_f64((state >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

#[test]
fn kill_9_loses_no_spooled_message() {
    let (home, address) = without_server(&["alice", "bob"]);
    let send = |value: &str| {
        let args = ["send", "bob", "--spool", "--timeout", "30ms", "-q", value];
        start(home.command(&args))
    };
    // Limits adapt to the machine, so that about half of the runs finish.
    let begin = Instant::now();
    for n in 0..3 {
        send(&format!("before {n}")).end().code(75);
    }
    let mut moment = moments(begin.elapsed() * 2 / 3);
    let mut codes: BTreeMap<String, Option<i32>> = BTreeMap::new();
    let mut server = None;
    for n in 0..160 {
        // The server comes, and goes in the middle of a run.
        match n % 40 {
            20 => server = Some(home.serve_on(&address, &[])),
            0 => server.take().into_iter().for_each(Server::kill),
            _ => {}
        }
        let value = format!("message {n}");
        let flush = ["spool", "flush", "--timeout", "30ms", "-q"];
        let (sender, flusher) = (send(&value), start(home.command(&flush)));
        let said = sender.end_or_kill(moment());
        flusher.end_or_kill(moment());
        assert!([Some(0), Some(75), Some(137)].contains(&said.code), "{said:?}");
        codes.insert(value, said.code);
    }
    server.take().into_iter().for_each(Server::kill);
    let _server = home.serve_on(&address, &[]);
    home.run(&["spool", "flush"]).code(0);
    let text = read(&home, "bob");
    for (value, code) in &codes {
        let count = text.lines().filter(|line| line == value).count();
        match code {
            Some(137) => assert!(count <= 1, "{value} arrived {count} times"),
            _ => assert_eq!(count, 1, "{value}, which ended with {code:?}"),
        }
    }
    let ended = |code| codes.values().filter(|c| **c == Some(code)).count();
    let (sent, kept, killed) = (ended(0), ended(75), ended(137));
    assert!(
        sent.min(kept).min(killed) > 5,
        "{sent} sent, {kept} kept, {killed} killed: too one-sided"
    );
}
