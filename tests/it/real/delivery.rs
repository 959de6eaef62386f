//! Messages from end to end.

use super::kit::{Home, Server, Stream, noise, start};
use super::relay::Relay;
use crate::needs::needs;

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, ids);
    (home, server)
}

#[test]
fn the_first_message() {
    let (home, server) = setup(&["alice", "bob"]);
    home.pipe(b"disk 91 %\n", &["send", "bob", "--as", "alice"]).ok();
    assert_eq!(home.run(&["listen", "--as", "bob", "-n", "1"]).ok(), "disk 91 %\n");
    home.run(&["listen", "--as", "bob", "--poll"]).ok();
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "", "consumed");
    // A second join changes nothing.
    let again = home.run(&["join", "bob", "-s", &server.address]);
    again.code(0).says("already joined");
}

#[test]
fn ten_thousand_lines_come_out_as_they_went_in() {
    let (home, _server) = setup(&["bob"]);
    let said = home.shell("seq 10000 | qmsg send -l bob && qmsg listen -n 10000");
    let expected: String = (1..=10_000).map(|n| format!("{n}\n")).collect();
    assert!(said.ok() == expected, "the same lines in the same order");
}

#[test]
fn any_bytes_come_out_as_they_went_in() {
    let (home, _server) = setup(&["bob"]);
    let bodies: [Vec<u8>; 6] = [
        noise(1 << 20),
        vec![],
        b"\0\xff\xfe\n\0\r\n\0".to_vec(),
        vec![b'\n'],
        noise(65_536),
        noise(65_537),
    ];
    for body in &bodies {
        home.pipe(body, &["send", "bob", "--empty"]).ok();
    }
    for body in &bodies {
        let said = home.run(&["listen", "--raw", "-n", "1"]);
        said.code(0);
        assert!(said.stdout == *body, "{} bytes", body.len());
    }
    for body in &bodies[2..] {
        home.pipe(body, &["send", "bob"]).ok();
        let line = home.run(&["listen", "--json", "-n", "1"]).ok();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let bytes = match value["body_b64"].as_str() {
            Some(text) => data_encoding::BASE64.decode(text.as_bytes()).unwrap(),
            None => value["body"].as_str().unwrap().as_bytes().to_vec(),
        };
        assert!(bytes == *body, "{} bytes by JSON", body.len());
    }
    home.pipe(b"a\nb", &["send", "bob"]).ok();
    assert_eq!(home.run(&["listen", "-0", "-n", "1"]).stdout, b"a\nb\0");
}

#[test]
fn rooms_and_everyone() {
    let (home, _server) = setup(&["alice", "bob", "carol"]);
    home.run(&["join", "@ops", "--as", "bob"]).ok();
    home.run(&["join", "@OPS", "--as", "alice"]).ok();
    home.run(&["join", "@ops", "--as", "bob"]).code(0).says("bob is already in @ops");
    home.run(&["send", "@ops", "--as", "alice", "to the room"]).ok();
    home.run(&["send", "@all", "--as", "alice", "to everyone"]).ok();
    home.run(&["send", "@ops", "--as", "carol", "from outside"]).ok();
    let read = |id: &str| home.run(&["listen", "--as", id, "--poll"]).ok();
    assert_eq!(read("bob"), "to the room\nto everyone\nfrom outside\n");
    assert_eq!(read("carol"), "to everyone\n");
    assert_eq!(read("alice"), "from outside\n", "not what she sent herself");
    let said = home.run(&["leave", "@ops", "--as", "bob", "--json"]).ok();
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&value["member"], &value["changed"]), (&false.into(), &true.into()));
    home.run(&["send", "@ops", "--as", "carol", "again"]).ok();
    assert_eq!((read("bob").as_str(), read("alice").as_str()), ("", "again\n"));
    // A user who joins later gets no earlier messages.
    home.run(&["join", "dave", "-s", &_server.address]).ok();
    assert_eq!(read("dave"), "");
}

#[test]
fn every_listener_of_an_id_gets_a_message() {
    let (home, _server) = setup(&["alice", "bob"]);
    let (mut one, mut two) = (home.listen(&["--as", "bob"]), home.listen(&["--as", "bob"]));
    home.run(&["send", "bob", "--as", "alice", "both"]).ok();
    one.until(Stream::Out, "both\n");
    two.until(Stream::Out, "both\n");
    one.signal("TERM");
    two.signal("TERM");
    one.end().code(143);
    two.end().code(143);
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "", "consumed once");
}

#[test]
fn unprinted_messages_are_redelivered() {
    let (home, _server) = setup(&["bob"]);
    home.pipe(b"1\n2\n3\n", &["send", "-l", "bob"]).ok();
    for expected in ["1\n", "2\n"] {
        assert_eq!(home.run(&["listen", "-n", "1"]).ok(), expected);
    }
    // The listener is killed before its ack could be sent.
    let listener = home.listen(&["-n", "9"]);
    drop(listener);
    let rest = home.run(&["listen", "--poll"]).ok();
    assert!(rest.is_empty() || rest == "3\n", "{rest}");
}

#[test]
fn a_listener_outlives_its_server() {
    let (home, server) = setup(&["alice", "bob"]);
    let mut listener = home.listen(&["--as", "bob", "-n", "4"]);
    let send = |text: &str| home.run(&["send", "bob", "--as", "alice", text]).ok();
    send("one");
    listener.until(Stream::Out, "one");
    let address = server.address.clone();
    let (code, _) = server.stop("TERM");
    assert_eq!(code, Some(143));
    listener.until(Stream::Err, "trying again");
    let server = home.serve_on(&address, &[]);
    send("two");
    listener.until(Stream::Out, "two");
    server.kill();
    let _server = home.serve_on(&address, &[]);
    send("three");
    send("four");
    let said = listener.end();
    said.code(0);
    assert_eq!(said.stdout, b"one\ntwo\nthree\nfour\n");
}

#[test]
fn send_waits_for_a_server_that_is_on_its_way() {
    let (home, server) = setup(&["bob"]);
    let address = server.address.clone();
    server.kill();
    let mut sender = start(home.command(&["send", "bob", "--timeout", "30s", "patience"]));
    sender.until(Stream::Err, "trying again");
    let _server = home.serve_on(&address, &[]);
    sender.end().code(0);
    assert_eq!(home.run(&["listen", "-n", "1"]).ok(), "patience\n");
}

#[test]
fn a_terminal_gets_no_control_characters() {
    needs!("script");
    let (home, _server) = setup(&["bob"]);
    home.pipe(b"\x1b]0;owned\x07\x1b[31mred\xc2\x9b2J\x08", &["send", "bob"]).ok();
    let said = home.shell("script -qec 'qmsg listen -n 1 --color never' /dev/null");
    let screen = String::from_utf8(said.stdout).unwrap();
    assert!(screen.contains("bob: ␛]0;owned␇␛[31mred"), "{screen:?}");
    let shown = screen.trim_end_matches(['\r', '\n']);
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    home.pipe(b"\x1b[2J", &["send", "bob"]).ok();
    home.shell("script -qec 'qmsg listen -n 1 --raw' /dev/null").code(2);
    let said = home.shell("script -qec 'qmsg listen -n 1 --json' /dev/null");
    assert!(!said.stdout.contains(&0x1b), "{said:?}");
}

#[test]
fn a_server_says_what_buffers_the_kernel_gave_when_asked() {
    let home = Home::new();
    let mut server = start(home.command(&["serve", "-v", "-l", "127.0.0.1:0", "--data", "d"]));
    server.until(Stream::Err, "UDP buffers");
    server.until(Stream::Err, "listening on");
}

#[test]
fn the_operators_own_certificate() {
    let home = Home::new();
    let material = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("certs");
    let certs = home.path().join("certs");
    std::fs::create_dir(&certs).unwrap();
    for (from, to) in [("example.cert.pem", "cert.pem"), ("example.key.pem", "key.pem")] {
        std::fs::copy(material.join(from), certs.join(to)).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(certs.join(to), private).unwrap();
    }
    let server = home.serve(&["--certs", certs.to_str().unwrap()]);
    home.run(&["join", "bob", "-s", &server.address, "--pin", &server.pin]).code(0);
    home.run(&["send", "bob", "hi"]).ok();
    assert_eq!(home.run(&["listen", "-n", "1"]).ok(), "hi\n");
}

#[test]
fn a_volatile_message_is_for_those_who_listen_now() {
    let (home, _server) = setup(&["alice", "bob"]);
    let send = |args: &[&str]| {
        let args = [&["send", "--volatile", "--json", "--as", "alice"], args].concat();
        let said = home.run(&args).ok();
        let value: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(value["state"], "passed");
        value["readers"].as_u64().unwrap()
    };
    assert_eq!(send(&["bob", "nobody is there"]), 0);
    let mut listener = home.listen(&["--as", "bob", "-n", "3"]);
    assert_eq!(send(&["bob", "now"]), 1);
    assert_eq!(send(&["@all", "you too"]), 1);
    home.run(&["send", "bob", "--as", "alice", "and a stored one"]).ok();
    let said = listener.end();
    said.code(0);
    assert_eq!(said.stdout, b"now\nyou too\nand a stored one\n");
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "", "not stored");
    home.run(&["send", "--volatile", "nobody", "--as", "alice", "hi"]).code(67);
    // Volatile messages that come faster than they are shown still arrive, at the listener's pace.
    listener = home.listen(&["--as", "bob", "-n", "20000"]);
    let lines: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    home.pipe(lines.as_bytes(), &["send", "-l", "--volatile", "bob", "--as", "alice"]).ok();
    let said = listener.end();
    assert!(said.ok() == lines, "all of them in order");
}

/// A client's hello takes two packets, which may arrive apart on any network but loopback.
#[test]
fn a_hello_in_two_packets_is_answered_at_once() {
    let (home, server) = setup(&["alice", "bob"]);
    let relay = Relay::new(&server.address);
    for _ in 0..8 {
        let said = home.run(&["send", "bob", "--as", "alice", "-s", &relay.address, "hello"]);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    }
}
