//! `ask`: a question, its answer, and how the command ends.

use serde_json::Value;

use super::kit::{Home, Server, Stream, start};
use super::reader::{Reader, Response};
use crate::needs::needs;

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, ids);
    (home, server)
}

const SHORT: [&str; 2] = ["--timeout", "500ms"];

#[test]
fn the_reply_is_printed() {
    let (home, server) = setup(&["alice", "bob"]);
    let _bob = Reader::new(&home, "bob", &server.address, Response::Reply("got"));
    let said = home.run(&["ask", "bob", "this", "and", "that"]);
    said.code(0);
    assert_eq!((said.stdout.as_slice(), said.stderr.as_str()), (&b"got this and that\n"[..], ""));
    assert_eq!(home.pipe(b"stdin\n", &["ask", "bob"]).ok(), "got stdin\n", "one newline");
    home.shell("printf file > f; qmsg ask bob -f f > reply").ok();
    assert_eq!(std::fs::read(home.path().join("reply")).unwrap(), b"got file\n");
    let line = home.run(&["ask", "bob", "--json", "--title", "t", "x"]).ok();
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&value["user"], &value["to"]), (&"bob".into(), &"bob".into()));
    assert_eq!((&value["state"], &value["body"]), (&"processed".into(), &"got x".into()));
    assert!(value["time"].as_str().unwrap().ends_with('Z'), "{line}");
    home.run(&["ask", "nobody", "x"]).code(67).says("no such user: nobody");
    home.run(&["ask", "bob"]).code(65).says("stdin is empty");
}

#[test]
fn the_exit_code_tells_the_outcome() {
    let (home, server) = setup(&["alice", "bob"]);
    let ask = |more: &[&str]| home.run(&[&["ask", "bob"], more, &["x"]].concat());
    ask(&SHORT).code(10).says("bob did not receive the message in time");
    let reader = Reader::new(&home, "bob", &server.address, Response::Nothing);
    ask(&SHORT).code(11).says("bob received the message but did not process it in time");
    drop(reader);
    let reader =
        Reader::new(&home, "bob", &server.address, Response::Reject("no\u{1b}[2J such job"));
    let said = ask(&[]);
    said.code(12).says("bob refused the message: no\u{fffd}[2J such job");
    assert!(said.stdout.is_empty());
    let said = ask(&["--json"]);
    let value: Value = serde_json::from_slice(&said.code(12).stdout).unwrap();
    assert_eq!(value["reason"], "no\u{1b}[2J such job");
    drop(reader);
    // Bob acks without a reply.
    let _listener = home.listen(&["--as", "bob"]);
    assert_eq!(ask(&[]).ok(), "");
}

#[test]
fn ask_ends_after_the_wanted_number_of_replies() {
    let (home, server) = setup(&["alice", "bob", "carol", "dave"]);
    for member in ["bob", "carol", "dave"] {
        home.run(&["join", "@ops", "--as", member]).ok();
    }
    let ask = |more: &[&str]| home.run(&[&["ask", "@ops", "--as", "alice"], more, &["x"]].concat());
    let _bob = Reader::new(&home, "bob", &server.address, Response::Reply("bob:"));
    assert_eq!(ask(&["--count", "1"]).ok(), "bob: x\n");
    let said = ask(&[&["--count", "2"][..], &SHORT].concat());
    said.code(13).says("2 of 3 recipients");
    assert_eq!(said.stdout, b"bob: x\n");
    let _carol = Reader::new(&home, "carol", &server.address, Response::Reply("carol:"));
    let said = ask(&["--count", "2", "--json"]).ok();
    let mut replies: Vec<String> = said
        .lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            format!("{} {}", value["user"].as_str().unwrap(), value["body"].as_str().unwrap())
        })
        .collect();
    replies.sort();
    assert_eq!(replies, ["bob bob: x", "carol carol: x"]);
    // All members ack, and one sends no reply.
    let _dave = Reader::new(&home, "dave", &server.address, Response::Ack);
    let replies = ask(&[]).ok();
    assert_eq!(replies.lines().count(), 2, "{replies}");
    ask(&["--count", "3"]).code(13).says("fewer replies than --count");
}

#[test]
fn a_reply_is_as_harmless_on_a_terminal_as_a_message() {
    needs!("script");
    let (home, server) = setup(&["alice", "bob"]);
    let _bob = Reader::new(&home, "bob", &server.address, Response::Reply("\u{1b}]0;owned\u{7}"));
    let said = home.shell("script -qec 'qmsg ask bob --color never x' /dev/null");
    let screen = String::from_utf8(said.code(0).stdout.clone()).unwrap();
    assert!(screen.trim_end().ends_with("bob: ␛]0;owned␇ x"), "{screen:?}");
}

#[test]
fn code_1_when_the_reply_cannot_be_printed() {
    let (home, server) = setup(&["alice", "bob"]);
    let _bob = Reader::new(&home, "bob", &server.address, Response::Reply("got"));
    for line in ["qmsg ask bob x > /dev/full", "qmsg ask bob --json x > /dev/full"] {
        home.shell(line).code(1).says("stdout cannot be written");
    }
}

#[test]
fn an_answer_given_after_a_restart_of_the_server_arrives() {
    let (home, server) = setup(&["alice", "bob"]);
    let address = server.address.clone();
    let mut asker = start(home.command(&["ask", "bob", "--as", "alice", "-v", "x"]));
    asker.until(Stream::Err, "followed from here");
    server.kill();
    let server = home.serve_on(&address, &[]);
    let _bob = Reader::new(&home, "bob", &server.address, Response::Reply("got"));
    assert_eq!(asker.end().ok(), "got x\n");
}

#[test]
fn a_handler_replies_rejects_and_retries() {
    let (home, _server) = setup(&["alice", "bob"]);
    let script = "read -r word; case $word in
        ping) echo pong ;;
        no) echo 'not that' >&2; exit 65 ;;
        *) test \"$QMSG_MSG_ATTEMPT\" = 2 && printf 'second try of %s' \"$QMSG_MSG_TITLE\" ;;
    esac";
    let listen = ["--as", "bob", "--reply", "--retry-delay", "10ms", "--shell", script];
    let _bob = home.listen(&listen);
    let ask = |args: &[&str]| home.run(&[&["ask", "bob", "--as", "alice"], args].concat());
    assert_eq!(ask(&["ping"]).ok(), "pong\n");
    assert_eq!(ask(&["--title", "it", "later"]).ok(), "second try of it\n");
    let said = ask(&["no"]);
    said.code(12).says("bob refused the message: ");
    assert!(said.stdout.is_empty());
}
