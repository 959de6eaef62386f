//! Messages that expire before they are read.

use super::kit::{Home, Server, Stream, start};

fn setup(more: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(more);
    home.join(&server, &["alice", "bob", "carol"]);
    (home, server)
}

const FOLLOWED: [&str; 6] = ["--as", "alice", "-v", "--json", "--until", "processed"];

/// Nobody listens, and the wait has no timeout.
#[test]
fn expiry_ends_the_wait_for_a_message() {
    let (home, server) = setup(&[]);
    for id in ["alice", "bob", "carol"] {
        home.run(&["join", "@ops", "--as", id]).ok();
    }
    let send = |to: &str, ttl: &str| {
        let args = [&["send", to, "--ttl", ttl][..], &FOLLOWED, &["hi"]].concat();
        let mut sender = start(home.command(&args));
        sender.until(Stream::Err, "followed from here");
        sender
    };
    let (one, room, long) = (send("bob", "1s"), send("@ops", "1s"), send("bob", "4s"));
    let said = one.end();
    said.code(10).says("bob will not receive the message").says("before bob read it");
    let said = room.end();
    said.code(10).says("2 of 2 recipients did not reach \"processed\"");
    let lines = String::from_utf8(said.stdout).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("\"state\":\"gone\"")).count(), 2);
    // A message whose expiry falls after a restart.
    let address = server.address.clone();
    server.kill();
    let _server = home.serve_on(&address, &[]);
    long.end().code(10).says("it expired before bob read it");
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "");
}

#[test]
fn an_expired_message_frees_its_place_in_the_mailbox() {
    let (home, _server) = setup(&["--max-mailbox", "2"]);
    let send =
        |more: &[&str]| home.run(&[&["send", "bob", "--as", "alice"], more, &["hi"]].concat());
    let brief = |until: &[&str]| send(&[&["--ttl", "1s"][..], until].concat());
    brief(&[]).ok();
    brief(&["--until", "delivered"]).code(10).says("will not receive");
    // Both messages have expired now.
    send(&[]).ok();
    send(&[]).ok();
    send(&[]).code(73).says("the mailbox of bob is full");
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "hi\nhi\n");
    send(&[]).ok();
    send(&[]).ok();
    send(&[]).code(73);
}

#[test]
fn a_ttl_below_one_second_is_refused() {
    let home = Home::new();
    home.run(&["send", "bob", "--ttl", "100ms", "hi"]).code(2).says("of a second or more");
}
