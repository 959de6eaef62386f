//! Messages that are sent once, and messages that are scheduled.

use serde_json::Value;

use super::kit::{Home, Server};

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, ids);
    (home, server)
}

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_key_sends_once() {
    let (home, server) = setup(&["alice", "bob"]);
    let send = |args: &[&str]| home.run(&[&["send", "bob", "--id", "backup 1"], args].concat());
    assert_eq!(send(&["first"]).ok(), "");
    let said = send(&["again, and not the same"]);
    said.code(0);
    assert_eq!((said.stdout.as_slice(), said.stderr.as_str()), (&b""[..], ""), "quiet success");
    let told = objects(&send(&["--json", "again"]).ok());
    assert_eq!((&told[0]["state"], &told[0]["duplicate"]), (&"accepted".into(), &true.into()));
    // The same holds after a restart of the server, and for other senders, targets and keys.
    let address = server.address.clone();
    server.kill();
    let _server = home.serve_on(&address, &[]);
    send(&["again"]).code(0);
    send(&["--as", "bob", "from bob"]).code(0);
    home.run(&["send", "alice,bob", "--id", "backup 2", "second"]).code(0);
    home.run(&["send", "alice", "--id", "backup 2", "second"]).code(0);
    let heard = home.run(&["listen", "--as", "bob", "--poll"]).ok();
    assert_eq!(heard, "first\nfrom bob\nsecond\n");
    assert_eq!(home.run(&["listen", "--as", "alice", "--poll"]).ok(), "second\n");
    // `--until` waits for the repeated message as for the first one.
    let told = send(&["--until", "processed", "--json", "x"]).ok();
    assert_eq!(objects(&told)[0]["state"], "processed");
}

#[test]
fn keys_of_lines_include_the_line_number() {
    let (home, _server) = setup(&["bob"]);
    let send = |input: &[u8]| home.pipe(input, &["send", "-l", "bob", "--id", "k", "--json"]).ok();
    assert_eq!(objects(&send(b"a\nb\n")).len(), 2);
    let told = objects(&send(b"a\nb\nc\n"));
    let mut duplicates: Vec<(u64, bool)> = told
        .iter()
        .map(|line| (line["number"].as_u64().unwrap(), line["duplicate"].as_bool().unwrap()))
        .collect();
    duplicates.sort_unstable();
    assert_eq!(duplicates, [(1, true), (2, true), (3, false)]);
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "a\nb\nc\n");
}

#[test]
fn a_message_comes_when_it_is_due() {
    let (home, server) = setup(&["alice", "bob"]);
    let sent = home.run(&["send", "bob", "--in", "2s", "--json", "--title", "t", "soon"]).ok();
    let sent = &objects(&sent)[0];
    assert_eq!(sent["state"], "accepted");
    let due = sent["due"].as_str().unwrap();
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "", "not yet");
    let heard = home.run(&["listen", "--as", "bob", "-n", "1", "--json"]).ok();
    let heard = &objects(&heard)[0];
    assert_eq!((&heard["body"], &heard["id"]), (&"soon".into(), &sent["id"]));
    assert_eq!(heard["headers"]["title"], "t");
    assert!(heard["time"].as_str().unwrap() >= due, "{heard}: as if it came then");
    assert_eq!(home.run(&["later", "list"]).ok(), "");
    // A message that became due while the server was down is sent once the server is up.
    home.run(&["send", "bob", "--in", "500ms", "overdue"]).ok();
    let address = server.address.clone();
    assert_eq!(server.stop("TERM").0, Some(143));
    let _server = home.serve_on(&address, &[]);
    assert_eq!(home.run(&["listen", "--as", "bob", "-n", "1"]).ok(), "overdue\n");
}

#[test]
fn scheduled_messages_are_listed_cancelled_and_sent_early() {
    let (home, _server) = setup(&["alice", "bob"]);
    let id = |text: &str| {
        let sent = home.run(&["send", "bob", "--at", "2099-11-24 07:00", "--json", text]).ok();
        objects(&sent)[0]["id"].as_str().unwrap().to_owned()
    };
    let (one, two, three) = (id("one\nmore"), id("two \u{1b}[2J"), id("three"));
    let said = home.run(&["later", "list"]).ok();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert_eq!(lines[0], format!("{one}\t2099-11-24T07:00:00.000Z\tbob\tone"));
    assert!(lines[1].ends_with("\tbob\ttwo ␛[2J"), "{said}");
    let told = objects(&home.run(&["later", "list", "--json"]).ok());
    assert_eq!((&told[0]["id"], &told[0]["to"]), (&one.as_str().into(), &"bob".into()));
    assert_eq!((&told[0]["body"], &told[0]["size"]), (&"one\nmore".into(), &8.into()));
    assert_eq!(told[0]["due"], "2099-11-24T07:00:00.000Z");
    // Scheduled messages are visible to their sender alone.
    assert_eq!(home.run(&["later", "list", "--as", "bob"]).ok(), "");
    home.run(&["later", "cancel", &one, "--as", "bob"]).code(67);
    home.run(&["later", "cancel", &one]).code(0).says("1 message cancelled");
    home.run(&["later", "cancel", &one]).code(67).says("it may have been sent by now");
    let sent = home.run(&["later", "send", &two, "--json"]).ok();
    assert_eq!(objects(&sent)[0]["sent"], 1);
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll", "--raw"]).ok(), "two \u{1b}[2J");
    assert!(home.run(&["later", "list"]).ok().starts_with(&three));
    home.run(&["later", "cancel", "all"]).code(0).says("1 message cancelled");
    home.run(&["later", "cancel", "--all"]).code(0).says("0 messages cancelled");
    assert_eq!(home.run(&["later", "list"]).ok(), "");
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "");
    for args in [&["later"][..], &["later", "cancel"], &["later", "cancel", "x"]] {
        home.run(args).code(2);
    }
}

#[test]
fn a_message_that_cannot_be_scheduled_is_refused_at_once() {
    let (home, _server) = setup(&["bob"]);
    home.run(&["send", "nobody", "--in", "1h", "x"]).code(67).says("no such user: nobody");
    let long = vec![b'x'; 70_000];
    home.pipe(&long, &["send", "bob", "--in", "1h"]).code(65).says("too long to be kept for later");
    let lines = [b"a\n", &long[..], b"\nb\n"].concat();
    let said = home.pipe(&lines, &["send", "-l", "bob", "--in", "1h"]);
    said.code(13).says("message 2: ").says("1 of 3 messages were not stored");
    assert_eq!(home.run(&["later", "list"]).ok().lines().count(), 2);
    // A key stands for one message, whatever its time.
    for _ in 0..2 {
        home.run(&["send", "bob", "--in", "1h", "--id", "k", "x"]).code(0);
    }
    assert_eq!(home.run(&["later", "list"]).ok().lines().count(), 3);
    // The same holds after it was cancelled.
    home.run(&["later", "cancel", "--all"]).ok();
    let told = objects(&home.run(&["send", "bob", "--id", "k", "--json", "x"]).ok());
    assert_eq!(told[0]["duplicate"], true);
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "");
}
