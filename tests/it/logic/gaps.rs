//! Messages that are removed unread, or damaged.

use qmsg::logic::{Event, LinkId, PeerInput, PeerOutput};
use qmsg::wire::{FromClient, FromServer, Seq};

use super::parts::{link_lost, linked};
use super::peers::Alone;
use super::server::{Said, Server};
use super::{CAUGHT_UP, attach, lost, room, seqs, server, settled, target};

fn processed(server: &mut Server, link: LinkId, seqs: &[Seq]) {
    server.say(link, super::processed(seqs.iter().copied()));
}

/// A room with alice, who sent `count` messages of one byte, and bob, who is away. Returns the
/// server and alice's link.
fn room_of(count: u64) -> (Server, LinkId) {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.enter(alice, "ops");
    server.enter(bob, "ops");
    for n in 1..=count {
        server.sent(alice, n, "@ops", 1);
    }
    server.lose(bob);
    server.take_said();
    (server, alice)
}

#[test]
fn a_reader_is_told_how_many_were_removed_unread() {
    let (mut server, _) = room_of(10);
    server.store.remove(&target("@ops"), 7);
    let bob = server.reader("bob");
    let said = server.heard(bob);
    assert_eq!(said[0], lost(7, "@ops", 7));
    assert_eq!(seqs(&said), [8, 9, 10]);
    processed(&mut server, bob, &[7]);
    assert_eq!(server.heard(bob), [settled(1)]);
    assert_eq!(server.store.cursor("bob", "@ops").through, 7);
    server.lose(bob);
    let bob = server.reader("bob");
    let said = server.heard(bob);
    assert_eq!(seqs(&said), [8, 9, 10]);
    assert!(!said.iter().any(|said| matches!(said, Said::Frame(FromServer::Gap { .. }))), "once");
}

#[test]
fn a_notice_that_was_not_acknowledged_comes_again() {
    let (mut server, _) = room_of(3);
    server.store.remove(&target("@ops"), 2);
    for _ in 0..2 {
        let bob = server.reader("bob");
        assert_eq!(server.heard(bob)[0], lost(2, "@ops", 2));
        server.lose(bob);
    }
}

#[test]
fn a_damaged_message_is_reported_not_delivered() {
    let (mut server, _) = room_of(3);
    server.store.rot(2);
    let bob = server.reader("bob");
    let said = server.heard(bob);
    assert_eq!(seqs(&said), [1, 3]);
    assert_eq!(said[1], lost(2, "@ops", 1));
    processed(&mut server, bob, &[1, 2, 3]);
    assert_eq!(server.heard(bob), [settled(3)]);
    server.lose(bob);
    let bob = server.reader("bob");
    assert_eq!(server.heard(bob), [CAUGHT_UP]);
}

#[test]
fn notices_do_not_wait_for_the_window() {
    let (mut server, alice) = room_of(4);
    server.sent(alice, 11, "bob", 5);
    server.store.remove(&target("@ops"), 3);
    let bob = server.link("bob");
    server.say(bob, attach(1, 1));
    let said = server.heard(bob);
    assert_eq!(said, [lost(3, "@ops", 3)]);
    processed(&mut server, bob, &[3]);
    assert_eq!(seqs(&server.heard(bob)), [4]);
}
#[test]
fn what_was_processed_or_is_with_a_reader_is_not_lost() {
    let (mut server, _) = room_of(6);
    let bob = server.link("bob");
    server.say(bob, attach(3, 100));
    assert_eq!(seqs(&server.heard(bob)), [1, 2, 3]);
    processed(&mut server, bob, &[2]);
    assert_eq!(seqs(&server.heard(bob)), [4]);
    // Of these, 1, 3 and 4 are with the reader, 2 is acked, 5 is gone.
    server.store.remove(&target("@ops"), 5);
    processed(&mut server, bob, &[3, 4]);
    let said = server.heard(bob);
    assert_eq!(said[1], lost(5, "@ops", 1));
    assert_eq!(seqs(&said), [6]);
    processed(&mut server, bob, &[5, 6]);
    server.work();
    processed(&mut server, bob, &[1]);
    server.work();
    assert_eq!(server.store.cursor("bob", "@ops").through, 6);
}

#[test]
fn what_a_lost_reader_held_and_nobody_can_read_any_more_is_told_to_the_others() {
    let (mut server, _) = room_of(5);
    server.store.remove(&target("@ops"), 2);
    let one = server.reader("bob");
    assert_eq!(server.heard(one)[0], lost(2, "@ops", 2));
    server.store.remove(&target("@ops"), 4);
    let two = server.reader("bob");
    let said = server.heard(two);
    assert_eq!((seqs(&said), said.len()), (vec![5], 2), "the rest is with the other");
    processed(&mut server, one, &[4]);
    server.work();
    server.lose(one);
    let said = server.heard(two);
    assert_eq!(said, [lost(2, "@ops", 2), lost(3, "@ops", 1)]);
    processed(&mut server, two, &[2, 3, 5]);
    assert_eq!(server.heard(two), [settled(3)]);
    let cursor = server.store.cursor("bob", "@ops");
    assert_eq!((cursor.through, cursor.above), (5, vec![]));
}

#[test]
fn damage_met_twice_on_the_way_is_reported_once() {
    let (mut server, _) = room_of(3);
    server.store.rot(2);
    let bob = server.reader("bob");
    assert_eq!(server.heard(bob).len(), 4);
    // Reading starts again for the second room.
    server.say(bob, FromClient::JoinRoom(room("dev")));
    assert_eq!(server.heard(bob).len(), 1, "the answer only");
    processed(&mut server, bob, &[1, 2, 3]);
    assert_eq!(server.heard(bob), [settled(3)]);
}

#[test]
fn a_notice_that_comes_again_with_more_tells_of_those() {
    let mut alone = Alone::welcomed();
    let mut told = |count, lose: bool| {
        if lose {
            link_lost(&mut alone);
            linked(&mut alone);
        }
        let notice = FromServer::Gap { seq: 7, to: target("@ops"), count };
        let out = alone.takes(PeerInput::Frame(notice));
        let report = PeerOutput::Frame(super::processed([7]));
        assert_eq!(out.last(), Some(&report));
        let lost = |output: &PeerOutput| match output {
            PeerOutput::Event(Event::Gap { count, .. }) => *count,
            _ => 0,
        };
        out.iter().map(lost).sum::<u64>()
    };
    assert_eq!(told(2, false), 2);
    assert_eq!(told(2, true), 0, "told once");
    // A reader that had three of them is gone.
    assert_eq!(told(5, true), 3);
    assert_eq!(told(4, true), 0);
}
