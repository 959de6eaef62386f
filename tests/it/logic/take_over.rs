//! Links of one client: only the last one is used.

use qmsg::logic::LinkId;
use qmsg::wire::{CloseCode, Features, FromClient, Refusal, Seq, Session, Span, Start};

use super::server::Server;
use super::{
    accepted, closed, duplicate, hello, key, processed, refused, send, seqs, server, user, welcome,
};

/// Opens a link on which a client names its session.
fn opens(server: &mut Server, name: &str, client: u64, link: u32) -> LinkId {
    let at = server.open(key(name));
    let session = Some(Session { client, link });
    server.say(
        at,
        FromClient::Hello {
            id: user(name),
            claim: true,
            code: None,
            session,
            features: Features::KNOWN,
        },
    );
    at
}

#[test]
fn what_is_late_on_an_earlier_link_is_not_taken() {
    let mut server = server();
    let first = opens(&mut server, "alice", 7, 1);
    assert_eq!(server.heard(first), [welcome("alice", true)]);
    let second = opens(&mut server, "alice", 7, 2);
    server.say(second, send(1, "bob", 5));
    let unknown = refused(1, Refusal::UnknownTarget);
    assert_eq!(server.heard(second), [welcome("alice", false), unknown]);
    assert_eq!(server.heard(first), [closed(CloseCode::TakenOver)]);
    // Now bob exists, and the frames of the first link are answered.
    server.link("bob");
    server.say(first, send(1, "bob", 5));
    server.work();
    assert_eq!(server.store.seq_of(&user("alice"), super::id(1)), None);
    server.say(second, send(2, "bob", 5));
    assert_eq!(server.heard(second), [accepted(2)]);
}

#[test]
fn a_hello_that_is_late_itself_is_turned_away() {
    let mut server = server();
    let second = opens(&mut server, "alice", 7, 2);
    let first = opens(&mut server, "alice", 7, 1);
    server.say(first, send(1, "alice", 5));
    assert_eq!(server.heard(first), [closed(CloseCode::TakenOver)]);
    assert_eq!(server.heard(second), [welcome("alice", true)]);
    // The place is free when its link ends.
    server.lose(second);
    let again = opens(&mut server, "alice", 7, 1);
    assert_eq!(server.heard(again), [welcome("alice", false)]);
}

#[test]
fn what_was_asked_of_the_store_before_is_still_answered_for() {
    let mut server = server();
    let first = opens(&mut server, "alice", 7, 1);
    server.work();
    server.say(first, send(1, "alice", 5));
    let second = opens(&mut server, "alice", 7, 2);
    server.say(second, send(1, "alice", 5));
    assert_eq!(server.heard(second), [welcome("alice", false), duplicate(1)]);
}

#[test]
fn other_clients_of_a_key_and_other_keys_go_on() {
    let mut server = server();
    let alice = opens(&mut server, "alice", 7, 1);
    let other = opens(&mut server, "alice", 8, 2);
    let bob = opens(&mut server, "bob", 7, 3);
    let plain = server.open(key("alice"));
    server.say(plain, hello("alice"));
    for link in [alice, other, plain, bob] {
        assert_eq!(server.heard(link).len(), 1, "a welcome");
    }
}

fn share(server: &mut Server, link: LinkId, messages: u32, holds: &[Seq]) {
    if !holds.is_empty() {
        server.say(link, FromClient::Resume(holds.iter().map(|seq| Span::one(*seq)).collect()));
    }
    let (bytes, start) = (1 << 20, Start::Unacked);
    server.say(link, FromClient::Subscribe { messages, bytes, start, share: true });
    server.work();
}

/// Bob's client 7 has the first two of four messages; another of his clients shares with it and has
/// the other two.
fn sharing() -> (Server, LinkId, LinkId) {
    let mut server = server();
    let alice = server.link("alice");
    let first = opens(&mut server, "bob", 7, 1);
    server.work();
    share(&mut server, first, 2, &[]);
    (1..=2).for_each(|n| _ = server.sent(alice, n, "bob", 5));
    assert_eq!(seqs(&server.heard(first)), [1, 2]);
    let other = opens(&mut server, "bob", 8, 1);
    server.work();
    share(&mut server, other, 2, &[]);
    (3..=4).for_each(|n| _ = server.sent(alice, n, "bob", 5));
    assert_eq!(seqs(&server.heard(other)), [3, 4]);
    server.say(other, processed([3, 4]));
    server.work();
    server.heard(other);
    (server, first, other)
}

#[test]
fn what_a_reader_has_is_kept_until_its_next_link_has_attached() {
    let (mut server, _first, other) = sharing();
    let next = opens(&mut server, "bob", 7, 2);
    server.work();
    assert!(seqs(&server.heard(other)).is_empty(), "the client is on its way");
    // A third link comes before the second has resumed its deliveries.
    let third = opens(&mut server, "bob", 7, 3);
    server.work();
    assert_eq!(server.heard(next), [welcome("bob", false), closed(CloseCode::TakenOver)]);
    assert!(seqs(&server.heard(other)).is_empty());
    share(&mut server, third, 1, &[1]);
    assert_eq!(seqs(&server.heard(third)), [1]);
    assert_eq!(seqs(&server.heard(other)), [2], "that it has not said to have");
    server.say(third, processed([1]));
    server.say(other, processed([2]));
    server.work();
    assert_eq!(server.store.cursor("bob", "bob").through, 4);
}

#[test]
fn what_is_kept_is_for_others_when_the_next_link_does_not_attach() {
    for says in [None, Some(send(9, "bob", 5))] {
        let (mut server, _first, other) = sharing();
        let next = opens(&mut server, "bob", 7, 2);
        server.work();
        assert!(seqs(&server.heard(other)).is_empty());
        match says {
            Some(frame) => server.say(next, frame),
            None => server.lose(next),
        }
        server.work();
        assert_eq!(seqs(&server.heard(other)), [1, 2]);
    }
}

#[test]
fn what_is_kept_is_for_others_when_the_client_comes_back_as_somebody_else() {
    let (mut server, _first, other) = sharing();
    for link in [2, 3] {
        let next = server.open(key("bob"));
        let session = Some(Session { client: 7, link });
        let id = user("bobby");
        server.say(
            next,
            FromClient::Hello { id, claim: true, code: None, session, features: Features::KNOWN },
        );
        assert_eq!(server.heard(next), [welcome("bobby", link == 2)]);
    }
    assert_eq!(seqs(&server.heard(other)), [1, 2]);
}

#[test]
fn what_is_kept_is_kept_from_those_who_come_meanwhile() {
    let (mut server, _first, other) = sharing();
    server.lose(other);
    let next = opens(&mut server, "bob", 7, 2);
    server.work();
    let late = opens(&mut server, "bob", 9, 1);
    server.work();
    share(&mut server, late, 2, &[]);
    assert!(seqs(&server.heard(late)).is_empty());
    share(&mut server, next, 2, &[1, 2]);
    assert_eq!(seqs(&server.heard(next)), [1, 2]);
    server.lose(next);
    server.work();
    assert_eq!(seqs(&server.heard(late)), [1, 2]);
}
