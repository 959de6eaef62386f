//! `send --until`: the exit codes that tell how far a message has come.

use serde_json::Value;

use super::kit::{Home, Server, Stream, start, start_with};
use super::reader::{Reader, Response};

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, ids);
    (home, server)
}

/// Recipient and status in each line.
#[track_caller]
fn statuses(lines: &str) -> Vec<String> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        for field in ["id", "to", "number", "duplicate"] {
            assert!(!value[field].is_null(), "{line}");
        }
        assert!(value["time"].as_str().unwrap().ends_with('Z'), "{line}");
        format!("{} {}", value["user"].as_str().unwrap(), value["state"].as_str().unwrap())
    };
    let mut statuses: Vec<String> = lines.lines().map(line).collect();
    statuses.sort();
    statuses
}

const SHORT: [&str; 2] = ["--timeout", "500ms"];

#[test]
fn code_0_when_the_wanted_status_is_reached() {
    let (home, _server) = setup(&["alice", "bob"]);
    let _listener = home.listen(&["--as", "bob"]);
    for level in ["accepted", "delivered", "processed"] {
        let said = home.run(&["send", "bob", "--until", level, "hi"]);
        said.code(0);
        assert_eq!((said.stdout.as_slice(), said.stderr.as_str()), (&b""[..], ""));
    }
    let lines = home.run(&["send", "bob", "--until", "processed", "--json", "hi"]).ok();
    assert_eq!(statuses(&lines), ["bob processed"]);
    home.shell("QMSG_UNTIL=processed qmsg send bob hi").ok();
}

#[test]
fn code_10_when_it_was_not_delivered_in_time() {
    let (home, _server) = setup(&["alice", "bob"]);
    for level in ["delivered", "processed"] {
        let args = [&["send", "bob", "--json", "--until", level][..], &SHORT, &["hi"]].concat();
        let said = home.run(&args);
        said.code(10).says("bob did not receive the message in time").says("do not send it again");
        assert_eq!(statuses(&String::from_utf8(said.stdout).unwrap()), ["bob accepted"]);
    }
    // The messages are on the server nevertheless.
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "hi\nhi\n");
}

#[test]
fn code_11_when_it_was_not_processed_in_time() {
    let (home, server) = setup(&["alice", "bob"]);
    let reader = Reader::new(&home, "bob", &server.address, Response::Nothing);
    let args = ["send", "bob", "--until", "delivered", "--json", "hi"];
    assert_eq!(statuses(&home.run(&args).ok()), ["bob delivered"]);
    let args = [&["send", "bob", "--until", "processed", "--json"][..], &SHORT, &["hi"]].concat();
    let said = home.run(&args);
    said.code(11).says("bob received the message but did not process it in time");
    assert_eq!(statuses(&String::from_utf8(said.stdout).unwrap()), ["bob delivered"]);
    assert_eq!((reader.next_body(), reader.next_body()), ("hi".into(), "hi".into()));
}

#[test]
fn code_12_when_it_was_rejected() {
    let (home, server) = setup(&["alice", "bob"]);
    let _reader = Reader::new(&home, "bob", &server.address, Response::Reject("no such job"));
    let said = home.run(&["send", "bob", "--until", "processed", "--json", "hi"]);
    said.code(12).says("bob refused the message: no such job");
    let line: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((&line["state"], &line["reason"]), (&"refused".into(), &"no such job".into()));
    // A rejected message was delivered before.
    home.run(&["send", "bob", "--until", "delivered", "hi"]).code(0);
}

#[test]
fn code_13_when_recipients_differ() {
    let (home, server) = setup(&["alice", "bob", "carol", "dave"]);
    let _bob = Reader::new(&home, "bob", &server.address, Response::Ack);
    let _carol = Reader::new(&home, "carol", &server.address, Response::Reject("no"));
    let args = ["send", "bob,carol,dave", "--until", "processed", "--json"];
    let said = home.run(&[&args[..], &SHORT, &["hi"]].concat());
    said.code(13).says("2 of 3 recipients").says("carol refused").says("dave did not receive");
    let told = statuses(&String::from_utf8(said.stdout).unwrap());
    assert_eq!(told, ["bob processed", "carol refused", "dave accepted"]);
    // One of the targets does not exist.
    let said = home.run(&["send", "bob,nobody", "--until", "processed", "--json", "hi"]);
    said.code(13).says("no such user: nobody").says("1 of 2 messages were not stored");
    // Exit code where all fail in the same way.
    let args = ["send", "carol,dave", "--until", "delivered"];
    home.run(&[&args[..], &SHORT, &["hi"]].concat()).code(13);
    let args = ["send", "@all", "--until", "processed", "--as", "bob"];
    home.run(&[&args[..], &SHORT, &["hi"]].concat()).code(13);
    let args = ["send", "alice,dave", "--until", "processed"];
    home.run(&[&args[..], &SHORT, &["hi"]].concat()).code(10).says("2 of 2 recipients");
}

#[test]
fn the_members_of_a_room_and_all_users_are_waited_for() {
    let (home, server) = setup(&["alice", "bob", "carol", "dave"]);
    for member in ["alice", "bob", "carol"] {
        home.run(&["join", "@ops", "--as", member]).ok();
    }
    let args = ["send", "@ops", "--as", "alice", "--until", "processed", "--json", "hi"];
    let waiting = start(home.command(&args));
    let _bob = home.listen(&["--as", "bob"]);
    let _carol = home.listen(&["--as", "carol"]);
    let told = statuses(&waiting.end().ok());
    assert_eq!(told, ["bob processed", "carol processed"], "not the sender");
    let args = ["send", "@all", "--as", "alice", "--until", "processed", "--json"];
    let said = home.run(&[&args[..], &["--timeout", "2s"], &["hi"]].concat());
    said.code(13);
    let told = statuses(&String::from_utf8(said.stdout).unwrap());
    assert_eq!(told, ["bob processed", "carol processed", "dave accepted"]);
    // A room without other members.
    home.run(&["join", "@empty", "--as", "alice"]).ok();
    let args = ["send", "@empty", "--as", "alice", "--until", "processed", "--json", "hi"];
    let said = home.run(&args);
    said.code(0).says("the message has no recipients");
    assert!(said.stdout.is_empty());
    drop(server);
}

#[test]
fn a_stream_is_waited_for_message_by_message() {
    let (home, server) = setup(&["alice", "bob"]);
    let lines: String = (1..=600).map(|n| format!("{n}\n")).collect();
    let args = ["send", "-l", "bob", "--until", "processed", "--json", "--as", "alice"];
    let sender = start_with(home.command(&args), lines.clone().into());
    assert_eq!(home.run(&["listen", "--as", "bob", "-n", "600"]).ok(), lines);
    let said = sender.end().ok();
    let mut numbers: Vec<u64> = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=600), "each once");
    drop(server);
}

#[test]
fn a_line_over_the_limit_fails_alone() {
    let home = Home::new();
    let server = home.serve(&["--max-body", "10"]);
    home.join(&server, &["bob"]);
    let lines = format!("one\n{}\nthree\n", "x".repeat(11));
    let said = home.pipe(lines.as_bytes(), &["send", "-l", "bob"]);
    said.code(13).says("message 2 to bob: the body is over the server's limit of 10 bytes");
    let args = [&["send", "-l", "bob", "--until", "delivered"][..], &SHORT].concat();
    home.pipe(lines.as_bytes(), &args).code(13).says("1 of 3 messages were not stored");
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "one\nthree\none\nthree\n");
}

/// The wait goes on through a restart, and reports what happened meanwhile.
#[test]
fn a_restart_of_the_server_does_not_end_the_wait() {
    for signal in ["KILL", "TERM"] {
        let (home, server) = setup(&["alice", "bob"]);
        let address = server.address.clone();
        let wait = |verbose: &[&str]| {
            let args = ["send", "bob", "--until", "processed", "--as", "alice", "--json"];
            let mut sender = start(home.command(&[&args[..], verbose, &["hi"]].concat()));
            sender.until(Stream::Err, "followed from here");
            sender
        };
        let first = wait(&["-v"]);
        let mut second = wait(&["-v"]);
        match signal {
            "KILL" => server.kill(),
            // The server closes its links.
            _ => {
                drop(server.stop(signal));
                second.until(Stream::Err, "trying again");
            }
        }
        let server = home.serve_on(&address, &[]);
        let _reader = Reader::new(&home, "bob", &server.address, Response::Reply("got"));
        for sender in [first, second] {
            let line: Value = serde_json::from_str(&sender.end().ok()).unwrap();
            assert_eq!((&line["state"], &line["body"]), (&"processed".into(), &"got hi".into()));
        }
    }
}

#[test]
fn a_stream_is_waited_for_through_restarts() {
    let (home, mut server) = setup(&["alice", "bob"]);
    let address = server.address.clone();
    let lines: String = (1..=3000).map(|n| format!("{n}\n")).collect();
    let reader = Reader::new(&home, "bob", &address, Response::Ack);
    let args = ["send", "-l", "bob", "--until", "processed", "--json", "--as", "alice"];
    let sender = start_with(home.command(&args), lines.into());
    for at in [500, 1500, 2500] {
        while reader.next_body() != format!("{at}") {}
        server.kill();
        server = home.serve_on(&address, &[]);
    }
    while reader.next_body() != "3000" {}
    let said = sender.end().ok();
    assert_eq!(said.lines().count(), 3000);
    assert!(said.lines().all(|line| line.contains("\"state\":\"processed\"")));
}

#[test]
fn a_server_that_stays_away_does_not_end_the_wait_before_its_time() {
    let (home, server) = setup(&["alice", "bob"]);
    let args = ["send", "bob", "--until", "processed", "--as", "alice", "-v", "--json"];
    let mut sender = start(home.command(&[&args[..], &["--timeout", "2s"], &["hi"]].concat()));
    sender.until(Stream::Err, "followed from here");
    server.kill();
    let said = sender.end();
    said.code(10).says("bob did not receive the message in time");
    assert_eq!(statuses(&String::from_utf8(said.stdout).unwrap()), ["bob accepted"]);
    // A server that is away from the start is another error.
    home.run(&[&["send", "bob", "--until", "processed"][..], &SHORT, &["x"]].concat()).code(69);
}

#[test]
fn a_recipient_that_leaves_ends_the_wait() {
    let (home, _server) = setup(&["alice", "bob"]);
    home.run(&["join", "@ops", "--as", "alice"]).ok();
    home.run(&["join", "@ops", "--as", "bob"]).ok();
    let args = ["send", "@ops", "--until", "processed", "--as", "alice", "-v", "--json", "hi"];
    let mut sender = start(home.command(&args));
    sender.until(Stream::Err, "followed from here");
    home.run(&["leave", "@ops", "--as", "bob"]).ok();
    let said = sender.end();
    said.code(10).says("bob will not receive the message");
    assert_eq!(statuses(&String::from_utf8(said.stdout).unwrap()), ["bob gone"]);
}
