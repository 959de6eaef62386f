//! Long bodies from their senders.

use qmsg::durable::Quotas;
use qmsg::logic::Limits;
use qmsg::wire::{Body, CHUNKS_AHEAD_MAX, CloseCode, FromClient};

use super::long::{len_of, parts_of, rest};
use super::server::Server;
use super::{accepted, claim, closed, key, send, server};

/// One chunk more than can be ahead, the first one not counted.
const TOO_MANY: u64 = CHUNKS_AHEAD_MAX as u64 + 2;

#[test]
fn a_body_is_written_as_it_comes_and_accepted_when_it_is_whole() {
    let mut server = server();
    let alice = server.link("alice");
    let mut parts = rest(1, 4);
    server.say(alice, send(1, "alice", len_of(4)));
    server.say_all(alice, parts.by_ref().take(2));
    assert_eq!(server.brief(alice), "more:2", "once a batch, when it is on disk");
    server.say_all(alice, parts);
    assert_eq!(server.brief(alice), "accepted:1 more:1");
    let record = server.store.record(1).unwrap().clone();
    assert_eq!(record.bundle.first.size, len_of(4) as u64);
    for (at, part) in (record.parts + 1..).zip(parts_of(1, 4)) {
        assert_eq!(server.store.bodies.read(at), Ok(part));
    }
    assert!(server.store.bodies.is_idle());
}

#[test]
fn a_sender_may_be_so_far_ahead_and_no_further() {
    let mut server = server();
    let alice = server.link("alice");
    let mut parts = rest(1, 200);
    server.say(alice, send(1, "alice", len_of(200)));
    server.say_all(alice, parts.by_ref().take(CHUNKS_AHEAD_MAX as usize));
    assert_eq!(server.heard_so_far(alice), []);
    assert_eq!(server.brief(alice), "more:64");
    server.say_all(alice, parts.by_ref().take(CHUNKS_AHEAD_MAX as usize));
    assert_eq!(server.brief(alice), "more:64");
    server.say_all(alice, parts.by_ref().take(CHUNKS_AHEAD_MAX as usize + 1));
    assert_eq!(server.heard(alice), [closed(CloseCode::OverLimit)]);
    assert!(server.store.bodies.is_idle(), "what was stored of it is discarded");
}

#[test]
fn what_is_turned_down_is_answered_before_it_is_whole() {
    let quotas = Quotas { log_messages_max: 1, ..Quotas::default() };
    let limits = Limits { id_age_ms_max: 5_000, ..Limits::default() };
    let mut server = Server::new(limits, quotas);
    let (alice, _) = (server.link("alice"), server.link("bob"));
    server.sent(alice, 1, "alice", 5);
    for (n, to, said) in [
        (1, "alice", "duplicate:1"),
        (2, "alice", "refused:2:MailboxFull"),
        (3, "nobody", "refused:3:UnknownTarget"),
    ] {
        let mut parts = rest(n, 5);
        server.say(alice, send(n, to, len_of(5)));
        server.say_all(alice, parts.by_ref().take(2));
        assert_eq!(server.brief(alice), format!("{said} more:2"));
        // Chunks may come until the sender has the answer.
        server.say_all(alice, parts.by_ref().take(1));
        assert_eq!(server.brief(alice), "more:1");
        server.say(alice, FromClient::AbortBody);
        assert_eq!(server.brief(alice), "");
    }
    // The whole body is sent at once.
    server.send_long(alice, 4, "nobody", 3);
    assert_eq!(server.brief(alice), "refused:4:UnknownTarget more:2", "once");
    server.pass(6_000);
    server.send_long(alice, 5, "bob", 3);
    assert_eq!(server.brief(alice), "refused:5:IdTooOld more:2");
    assert!(server.store.bodies.is_idle());
    assert_eq!(server.store.owed().count(), 1);
}

#[test]
fn a_disk_that_fills_up_refuses_what_it_has_begun() {
    let mut server = server();
    let alice = server.link("alice");
    let mut parts = rest(1, 5);
    server.say(alice, send(1, "alice", len_of(5)));
    server.say_all(alice, parts.by_ref().take(1));
    assert_eq!(server.brief(alice), "more:1");
    server.store.disk_full = true;
    server.say_all(alice, parts.by_ref().take(2));
    assert_eq!(server.brief(alice), "refused:1:DiskFull more:2");
    server.store.disk_full = false;
    server.say_all(alice, parts);
    assert_eq!(server.brief(alice), "more:1");
    server.send_long(alice, 1, "alice", 5);
    assert_eq!(server.brief(alice), "accepted:1 more:4");
}

#[test]
fn a_body_that_its_sender_ends_is_forgotten() {
    let limits = Limits { sends_max: 1, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    for round in 0..3 {
        let alice = server.link("alice");
        server.say(alice, send(1, "alice", len_of(9)));
        server.say_all(alice, rest(1, 9).take(3));
        if round == 0 {
            server.work();
        }
        if round < 2 {
            server.say(alice, FromClient::AbortBody);
            assert_eq!(server.brief(alice), "more:3", "and not answered");
            server.say(alice, send(2, "alice", 5));
            server.heard(alice).iter().for_each(|said| assert_ne!(*said, accepted(1)));
        } else {
            server.lose(alice);
            server.work();
        }
        assert!(server.store.bodies.is_idle());
        server.lose(alice);
    }
    assert_eq!(server.store.owed().count(), 1, "only the short one");
}

#[test]
fn a_message_behind_a_long_one_stays_behind_it() {
    let mut server = server();
    let alice = server.link("alice");
    server.send_long(alice, 1, "alice", 3);
    server.say(alice, send(2, "alice", 5));
    assert_eq!(server.brief(alice), "accepted:1 accepted:2 more:2");
    assert!(server.store.record(1).unwrap().bundle.first.is_long());
}

#[test]
fn before_the_welcome_too() {
    let mut server = server();
    let alice = server.open(key("alice"));
    server.say(alice, claim("alice"));
    server.send_long(alice, 1, "alice", 3);
    server.say(alice, send(2, "alice", len_of(3)));
    server.say(alice, FromClient::AbortBody);
    let said = server.brief(alice);
    assert!(said.contains("accepted:1") && said.contains("more:2"), "{said}");
    let bob = server.open(key("bob"));
    server.say(bob, claim("bob"));
    server.send_long(bob, 3, "bob", TOO_MANY);
    assert_eq!(server.heard(bob), [closed(CloseCode::OverLimit)]);
}

#[test]
fn pieces_of_bodies_out_of_order_end_the_link() {
    let part = |len: usize| FromClient::Chunk(Body(vec![0; len].into()));
    let long = || send(1, "alice", len_of(3));
    let part_max = qmsg::wire::CHUNK_LEN_MAX;
    let cases = [
        vec![part(5)],
        vec![FromClient::AbortBody],
        vec![send(1, "alice", 5), part(1)],
        vec![long(), part(0)],
        vec![long(), part(part_max - 1)],
        vec![long(), part(part_max), part(6)],
        vec![long(), part(part_max), part(5), part(1)],
        vec![long(), part(part_max), part(5), FromClient::AbortBody],
        vec![long(), FromClient::AbortBody, part(part_max)],
        vec![long(), send(2, "alice", 5)],
        vec![long(), long()],
    ];
    for frames in cases {
        let mut server = server();
        let alice = server.link("alice");
        let case = format!("{frames:?}");
        server.say_all(alice, frames);
        let said = server.heard(alice);
        assert_eq!(said.last(), Some(&closed(CloseCode::OutOfTurn)), "{case}");
        assert!(server.store.bodies.is_idle());
    }
}
