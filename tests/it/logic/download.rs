//! Long bodies on their way to their readers.

use qmsg::logic::LinkId;
use qmsg::wire::{Body, CloseCode, FromClient, FromServer};

use super::long::{brief, parts_of};
use super::server::{Said, Server};
use super::{attach, closed, processed, send, server, target};

fn more(parts: u32) -> FromClient {
    FromClient::ChunkCredit { parts }
}

/// A server with alice, who sent bob a long message of `parts` chunks and then a short one, and
/// bob, who has just subscribed.
fn behind(parts: u64) -> (Server, LinkId, LinkId) {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.store_long(alice, 1, "bob", parts);
    server.say(alice, send(2, "bob", 5));
    server.heard(alice);
    server.say(bob, attach(8, 1 << 30));
    (server, alice, bob)
}

#[test]
fn from_the_store_part_by_part() {
    let (mut server, _, bob) = behind(20);
    let said = server.heard(bob);
    assert_eq!(brief(&said), "deliver:1 part*19 deliver:2 caught-up");
    let part = |said: Said| match said {
        Said::Frame(FromServer::Chunk(body)) => Some(body),
        _ => None,
    };
    let parts: Vec<Body> = said.into_iter().filter_map(part).collect();
    assert!(parts.into_iter().eq(parts_of(1, 20)));
    server.say(bob, processed([1, 2]));
    assert_eq!(server.brief(bob), "settled:2");
}

#[test]
fn no_faster_than_its_reader_takes_it() {
    let (mut server, alice, bob) = behind(100);
    assert_eq!(server.brief(bob), "deliver:1 part*64");
    // Frames without a body continue meanwhile; one with a body waits.
    server.say(bob, send(7, "alice", 5));
    server.say(alice, send(3, "bob", 5));
    assert_eq!(server.brief(bob), "accepted:7");
    server.say(bob, more(3));
    assert_eq!(server.brief(bob), "part*3");
    server.say(bob, more(60));
    assert_eq!(server.brief(bob), "part*32", "which is more than the window");
    server.say(bob, processed([1]));
    assert_eq!(server.brief(bob), "settled:1 deliver:2 deliver:4 caught-up");
    server.say(alice, send(4, "bob", 5));
    assert_eq!(server.brief(bob), "deliver:5", "live");
}

#[test]
fn leave_for_more_than_was_sent_ends_the_link() {
    for parts in [0, 3, u32::MAX] {
        let (mut server, _, bob) = behind(3);
        server.heard(bob);
        server.say(bob, more(parts));
        assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)], "{parts}");
    }
}

#[test]
fn reads_are_few_and_their_answers_may_come_in_any_order() {
    let (mut server, _, bob) = behind(30);
    while server.reads.iter().all(|(_, read)| !format!("{read:?}").starts_with("Chunk")) {
        server.look();
        server.answer_read();
        server.commit();
        server.answer_writes();
    }
    let mut said = server.heard_so_far(bob);
    while !server.reads.is_empty() {
        assert!(server.reads.len() <= 8);
        (0..8).for_each(|_| server.look());
        server.found.make_contiguous().reverse();
        (0..8).for_each(|_| server.answer_read());
        said.extend(server.heard_so_far(bob));
    }
    let part = |said: Said| match said {
        Said::Frame(FromServer::Chunk(body)) => Some(body),
        _ => None,
    };
    assert!(said.into_iter().filter_map(part).eq(parts_of(1, 30)));
}

#[test]
fn a_live_reader_reads_it_and_keeps_the_order() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.heard(bob);
    server.say(alice, send(1, "bob", 5));
    server.send_long(alice, 2, "bob", 3);
    server.say(alice, send(3, "bob", 5));
    assert_eq!(server.brief(bob), "deliver:1 deliver:2 part*2 deliver:3");
    server.say(alice, send(4, "bob", 5));
    assert_eq!(server.brief(bob), "deliver:4");
}

#[test]
fn a_window_smaller_than_it_takes_it_alone() {
    let (mut server, _, _) = behind(3);
    let bob = server.link("bob");
    server.say(bob, attach(8, 100));
    assert_eq!(server.brief(bob), "deliver:1 part*2");
    server.say(bob, processed([1]));
    assert_eq!(server.brief(bob), "settled:1 deliver:2 caught-up");
}

#[test]
fn a_link_that_is_lost_on_the_way_gets_it_again_from_the_start() {
    let (mut server, _, bob) = behind(100);
    assert_eq!(server.brief(bob), "deliver:1 part*64");
    server.lose(bob);
    let bob = server.reader("bob");
    assert_eq!(server.brief(bob), "deliver:1 part*64");
}

#[test]
fn what_is_removed_on_the_way_is_cut_and_told_as_lost() {
    let (mut server, _, bob) = behind(100);
    assert_eq!(server.brief(bob), "deliver:1 part*64");
    server.store.remove(&target("bob"), 1);
    server.say(bob, more(10));
    assert_eq!(server.brief(bob), "cut lost:1:1 deliver:2 caught-up");
    server.say(bob, processed([1, 2]));
    assert_eq!(server.brief(bob), "settled:2");
    assert_eq!(server.store.cursor("bob", "bob").through, 2);
}

#[test]
fn what_rots_on_the_way_is_cut_and_told_as_lost() {
    let (mut server, _, bob) = behind(100);
    assert_eq!(server.brief(bob), "deliver:1 part*64");
    server.store.rot(1);
    server.say(bob, more(60));
    let said = server.brief(bob);
    assert!(said.ends_with("cut lost:1:1 deliver:2 caught-up"), "{said}");
    server.say(bob, processed([1, 2]));
    assert_eq!(server.brief(bob), "settled:2");
}

#[test]
fn of_two_readers_whose_body_is_removed_one_is_told() {
    let (mut server, _, bob) = behind(100);
    let other = server.reader("bob");
    server.work();
    server.heard(bob);
    server.heard(other);
    server.store.remove(&target("bob"), 1);
    server.say(bob, more(1));
    assert_eq!(server.brief(bob), "cut deliver:2 caught-up", "the other one has it");
    server.say(other, more(1));
    assert_eq!(server.brief(other), "cut lost:1:1 deliver:2 caught-up");
}

#[test]
fn what_another_reader_has_processed_and_is_removed_is_cut_and_that_is_all() {
    let (mut server, _, bob) = behind(100);
    let other = server.reader("bob");
    assert_eq!(server.brief(bob), "deliver:1 part*64");
    assert_eq!(server.brief(other), "deliver:1 part*64");
    server.say(other, more(40));
    assert_eq!(server.brief(other), "part*35");
    server.say(other, processed([1]));
    assert_eq!(server.brief(other), "settled:1 deliver:2 caught-up");
    server.store.remove(&target("bob"), 1);
    server.say(bob, more(1));
    assert_eq!(server.brief(bob), "cut deliver:2 caught-up");
}
