//! Sends and their answers.

use qmsg::durable::Quotas;
use qmsg::logic::{Event, Limits};
use qmsg::wire::{CloseCode, Envelope, FromClient, Refusal};

use super::server::{START, Server};
use super::world::World;
use super::{
    accepted, closed, draft, duplicate, id, id_at, key, refused, room, send, seqs, server, target,
};

#[test]
fn accepted_only_when_on_disk() {
    let mut server = server();
    let alice = server.link("alice");
    server.say(alice, send(1, "alice", 5));
    assert_eq!(server.heard_so_far(alice), []);
    server.commit();
    assert_eq!(server.heard_so_far(alice), []);
    server.answer_writes();
    assert_eq!(server.heard_so_far(alice), [accepted(1)]);
}

#[test]
fn refused_with_the_reason() {
    let quotas = Quotas { log_messages_max: 1, ..Quotas::default() };
    let limits = Limits { id_age_ms_max: 5_000, id_ahead_ms_max: 5_000, ..Limits::default() };
    let mut server = Server::new(limits, quotas);
    let alice = server.link("alice");
    let says = |server: &mut Server, frame| {
        server.say(alice, frame);
        server.heard(alice)
    };
    for nobody in ["bob", "@ops"] {
        let unknown = refused(1, Refusal::UnknownTarget);
        assert_eq!(says(&mut server, send(1, nobody, 5)), [unknown]);
    }
    for other in ["@alice", "all"] {
        let known = refused(1, Refusal::OtherKind);
        assert_eq!(says(&mut server, send(1, other, 5)), [known]);
    }
    assert_eq!(says(&mut server, send(1, "alice", 5)), [accepted(1)], "refused is not stored");
    assert_eq!(says(&mut server, send(2, "alice", 5)), [refused(2, Refusal::MailboxFull)]);
    assert_eq!(says(&mut server, send(1, "alice", 5)), [duplicate(1)], "full or not");
    server.store.disk_full = true;
    assert_eq!(says(&mut server, send(3, "@all", 5)), [refused(3, Refusal::DiskFull)]);
    server.store.disk_full = false;
    assert_eq!(says(&mut server, send(3, "@all", 5)), [accepted(3)]);

    server.pass(5_000);
    assert_eq!(says(&mut server, send(4, "@all", 5)), [accepted(4)]);
    server.pass(1);
    assert_eq!(says(&mut server, send(5, "@all", 5)), [refused(5, Refusal::IdTooOld)]);
    for (ahead_ms, why) in [(5_000, None), (5_001, Some(Refusal::IdInFuture))] {
        let id = id_at(server.now.unix_ms + ahead_ms, 6);
        let mut sent = send(6, "@all", 5);
        if let FromClient::Send { envelope: Envelope { id: of, .. }, .. } = &mut sent {
            *of = id;
        }
        let said = format!("{:?}", says(&mut server, sent));
        assert_eq!(said.contains("IdInFuture"), why.is_some(), "{said}");
    }
    assert!(START.unix_ms < server.now.unix_ms);
}

#[test]
fn a_body_that_is_too_long_is_refused_by_the_client() {
    let limits = Limits { body_len_max: 100, ..Limits::default() };
    let mut world = World::new(limits, Quotas::default());
    let alice = world.client("alice", None);
    world.send(alice, draft(1, "alice", 101));
    world.send(alice, draft(2, "alice", 100));
    world.drain();
    let events = world.told(alice);
    let why = Refusal::BodyTooLong { max: 100 };
    assert!(events.contains(&Event::Refused { id: id(1), count: 1, why }));
    assert!(events.contains(&Event::Accepted { id: id(2), count: 1, duplicate: false }));
    assert!(!world.clients[alice].peer.is_waiting());
}

#[test]
fn sent_again_after_a_lost_link_it_is_stored_once() {
    let mut world = World::new(Limits::default(), Quotas::default());
    let alice = world.client("alice", None);
    world.drain();
    world.told(alice);
    world.send(alice, draft(1, "alice", 5));
    let link = world.clients[alice].link.unwrap();
    world.up(link, usize::MAX);
    world.server.commit();
    world.cut_client(alice);
    world.drain();
    let again = Event::Accepted { id: id(1), count: 1, duplicate: true };
    assert!(world.told(alice).contains(&again));
    assert_eq!(world.server.store.owed().count(), 1);
}

#[test]
fn sends_in_flight_have_a_limit_in_number() {
    let limits = Limits { sends_max: 2, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    let alice = server.link("alice");
    server.say(alice, send(1, "alice", 5));
    server.say(alice, send(2, "alice", 5));
    assert_eq!(server.heard(alice), [accepted(1), accepted(2)]);
    for n in 3..6 {
        server.say(alice, send(n, "alice", 5));
    }
    assert_eq!(server.heard(alice), [closed(CloseCode::OverLimit)]);
    // Sends may come before the welcome, too.
    let link = server.open(key("bob"));
    server.say(link, super::claim("bob"));
    for n in 6..9 {
        server.say(link, send(n, "bob", 5));
    }
    assert_eq!(server.heard(link), [closed(CloseCode::OverLimit)]);
}

#[test]
fn sends_in_flight_have_a_limit_in_bytes() {
    let limits = Limits { send_bytes_max: 10, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    let alice = server.link("alice");
    server.say(alice, send(1, "alice", 50));
    assert_eq!(server.heard(alice), [accepted(1)], "a larger one goes alone");
    server.say(alice, send(2, "alice", 5));
    server.say(alice, send(3, "alice", 5));
    assert_eq!(server.heard(alice), [accepted(2), accepted(3)]);
    server.say(alice, send(4, "alice", 5));
    server.say(alice, send(5, "alice", 6));
    assert_eq!(server.heard(alice), [closed(CloseCode::OverLimit)]);
}

#[test]
fn requests_have_a_limit() {
    let limits = Limits { requests_max: 2, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    let alice = server.link("alice");
    for _ in 0..2 {
        server.enter(alice, "ops");
        server.say(alice, FromClient::LeaveRoom(room("ops")));
        server.heard(alice);
    }
    for name in ["a", "b", "c"] {
        server.say(alice, FromClient::JoinRoom(room(name)));
    }
    assert_eq!(server.heard(alice), [closed(CloseCode::OverLimit)]);
}

#[test]
fn a_sender_that_is_gone_is_not_answered_and_its_message_is_kept() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.heard(bob);
    server.say(alice, send(1, "bob", 5));
    server.lose(alice);
    assert_eq!(seqs(&server.heard(bob)), [1]);
    assert_eq!(server.heard(alice), []);
    assert_eq!(server.store.record(1).unwrap().bundle.first.to, target("bob"));
}
