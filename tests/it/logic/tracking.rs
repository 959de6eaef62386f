//! Track updates: senders are told how far their messages come.

use qmsg::durable::Quotas;
use qmsg::logic::{Limits, LinkId};
use qmsg::wire::{
    Body, CHUNK_LEN_MAX, CloseCode, DeliveryState, FromClient, FromServer, Note, RecipientStatus,
    Seq,
};

use super::server::{START, Said, Server};
use super::{attach, closed, id, processed, room, send, seqs, server, settled, target, user};

pub(super) fn watch(n: u64, to: &str, after: Option<&str>) -> FromClient {
    FromClient::Track { id: id(n), to: target(to), after: after.map(user) }
}

pub(super) fn note(text: &'static str) -> Note {
    Note::new(Body(text.into())).unwrap()
}

/// A status without its time, which only some tests check.
fn standing(name: &str, state: DeliveryState) -> RecipientStatus {
    RecipientStatus { user: user(name), state, time_ms: START.unix_ms, note: None }
}

fn watched(n: u64, standings: &[(&str, DeliveryState)], more: bool) -> Said {
    let standings = standings.iter().map(|(name, state)| standing(name, *state)).collect();
    Said::Frame(FromServer::TrackPage { id: id(n), statuses: standings, more })
}

fn stands(n: u64, name: &str, state: DeliveryState) -> Said {
    Said::Frame(FromServer::TrackUpdate { id: id(n), status: standing(name, state) })
}

fn not_there(n: u64) -> Said {
    Said::Frame(FromServer::UnknownMessage { id: id(n) })
}

/// Numbers of the pings among the outputs.
pub(super) fn pings(said: &[Said]) -> Vec<u64> {
    let number = |said: &Said| match said {
        Said::Frame(FromServer::Ping { number }) => Some(*number),
        _ => None,
    };
    said.iter().filter_map(number).collect()
}

impl Server {
    /// Answers all pings sent to a link. Returns its other outputs.
    pub(super) fn pongs(&mut self, link: LinkId) -> Vec<Said> {
        let mut heard = self.heard(link);
        for number in pings(&heard) {
            self.say(link, FromClient::Pong { number });
        }
        heard.retain(|said| pings(std::slice::from_ref(said)).is_empty());
        heard
    }
}

#[test]
fn each_step_of_one_message_is_told_when_it_is_proven() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.sent(alice, 1, "bob", 5);
    server.say(alice, watch(1, "bob", None));
    assert_eq!(server.heard(alice), [watched(1, &[("bob", DeliveryState::Accepted)], false)]);
    server.say(bob, attach(8, 1_000));
    let heard = server.heard(bob);
    assert_eq!(seqs(&heard), [1]);
    let [number] = pings(&heard)[..] else { panic!("{heard:?}") };
    assert!(matches!(heard.last(), Some(Said::Frame(FromServer::Ping { .. }))), "behind it");
    assert_eq!(server.heard(alice), [], "it may have been lost on its way");
    server.say(bob, FromClient::Pong { number });
    assert_eq!(server.heard(alice), [stands(1, "bob", DeliveryState::Delivered)]);
    server.say(bob, processed([1]));
    server.commit();
    assert_eq!(server.heard_so_far(alice), [], "not before it is on disk");
    assert_eq!(server.heard(alice), [stands(1, "bob", DeliveryState::Processed)]);
    assert_eq!(server.heard(bob), [settled(1)]);
}

#[test]
fn what_was_delivered_before_it_is_watched_is_proven_then() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.sent(alice, 1, "bob", 5);
    assert!(pings(&server.heard(bob)).is_empty(), "nobody asked");
    server.say(alice, watch(1, "bob", None));
    assert_eq!(server.heard(alice), [watched(1, &[("bob", DeliveryState::Accepted)], false)]);
    server.pongs(bob);
    assert_eq!(server.heard(alice), [stands(1, "bob", DeliveryState::Delivered)]);
}

#[test]
fn whatever_becomes_durable_while_the_store_is_asked_is_told() {
    // The ack comes after this number of steps.
    for steps in 0..8 {
        let mut server = server();
        let (alice, bob) = (server.link("alice"), server.reader("bob"));
        server.sent(alice, 1, "bob", 5);
        server.say(alice, watch(1, "bob", None));
        for step in 0..steps {
            if step % 2 == 0 { server.look() } else { server.answer_read() }
        }
        server.say(bob, processed([1]));
        let told = server.heard(alice);
        let processed = |said: &Said| match said {
            Said::Frame(FromServer::TrackPage { statuses: standings, .. }) => {
                standings[0].state == DeliveryState::Processed
            }
            said => *said == stands(1, "bob", DeliveryState::Processed),
        };
        assert!(told.iter().any(processed), "{steps}: {told:?}");
    }
}

#[test]
fn recipients_of_a_room_come_in_pages_and_then_one_by_one() {
    let mut server = server();
    let names = ["alice", "bob", "carol", "dave"];
    let links = names.map(|name| server.reader(name));
    links.iter().for_each(|link| server.enter(*link, "ops"));
    server.take_said();
    let alice = links[0];
    server.sent(alice, 1, "@ops", 5);
    server.say(alice, watch(1, "@ops", None));
    let first = [("bob", DeliveryState::Accepted), ("carol", DeliveryState::Accepted)];
    assert_eq!(server.heard(alice), [watched(1, &first, true)]);
    server.say(links[3], processed([1]));
    assert_eq!(server.heard(alice), [stands(1, "dave", DeliveryState::Processed)]);
    server.say(alice, watch(1, "@ops", Some("carol")));
    let mut rest = standing("dave", DeliveryState::Processed);
    rest.time_ms = 0;
    let rest = FromServer::TrackPage { id: id(1), statuses: vec![rest], more: false };
    assert_eq!(server.heard(alice), [Said::Frame(rest)]);
    server.pongs(links[1]);
    assert_eq!(server.heard(alice), [stands(1, "bob", DeliveryState::Delivered)]);
    server.say(links[2], FromClient::LeaveRoom(room("ops")));
    assert_eq!(server.heard(alice), [stands(1, "carol", DeliveryState::Gone)]);
    server.say(alice, FromClient::Untrack { id: id(1) });
    server.say(links[1], processed([1]));
    assert_eq!(server.heard(alice), []);
}

#[test]
fn only_the_own_messages_can_be_watched() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.sent(alice, 1, "bob", 5);
    for (link, n, to) in [(bob, 1, "bob"), (alice, 1, "alice"), (alice, 2, "bob")] {
        server.say(link, watch(n, to, None));
        assert_eq!(server.heard(link), [not_there(n)]);
    }
}

#[test]
fn the_parts_of_a_long_message_are_proven_by_what_follows_the_last() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    let len = 2 * CHUNK_LEN_MAX + 7;
    server.say(alice, send(1, "bob", len));
    server.say(alice, FromClient::Chunk(super::part_of(id(1), len as u64, 1)));
    server.say(alice, FromClient::Chunk(super::part_of(id(1), len as u64, 2)));
    server.commit();
    server.answer_writes();
    server.say(alice, watch(1, "bob", None));
    let heard = server.heard(bob);
    let part = |said: &Said| matches!(said, Said::Frame(FromServer::Chunk(_)));
    let last = heard.iter().rposition(part).unwrap();
    let ping = |said: &Said| !pings(std::slice::from_ref(said)).is_empty();
    let first = heard.iter().position(ping).unwrap();
    assert!(first > last, "{heard:?}");
}

#[test]
fn one_ping_is_out_on_a_link_and_proves_what_was_sent_before_it() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.take_said();
    let mut all = vec![];
    for n in 1..=3 {
        server.sent(alice, n, "bob", 5);
        server.say(alice, watch(n, "bob", None));
        server.heard(alice);
        all.extend(pings(&server.heard(bob)));
    }
    let [number] = all[..] else { panic!("{all:?}") };
    server.say(bob, FromClient::Pong { number });
    assert_eq!(server.heard(alice), [stands(1, "bob", DeliveryState::Delivered)]);
    assert_eq!(server.pongs(bob), []);
    let both =
        [stands(2, "bob", DeliveryState::Delivered), stands(3, "bob", DeliveryState::Delivered)];
    assert_eq!(server.heard(alice), both);
}

#[test]
fn a_pong_that_was_not_asked_for_ends_the_link() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.sent(alice, 1, "bob", 5);
    server.say(alice, watch(1, "bob", None));
    let heard = server.heard(bob);
    let [number] = pings(&heard)[..] else { panic!("{heard:?}") };
    server.say(bob, FromClient::Pong { number: number + 1 });
    assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)]);
    server.say(alice, FromClient::Pong { number });
    assert_eq!(server.heard(alice).last(), Some(&closed(CloseCode::OutOfTurn)));
}

#[test]
fn so_many_messages_can_be_watched_and_one_that_is_done_with_makes_room() {
    let limits = Limits { sends_max: 2, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    for n in 1..=3 {
        server.sent(alice, n, "bob", 5);
        server.say(alice, watch(n, "bob", None));
        server.say(bob, processed([n]));
        server.heard(alice);
    }
    for n in 4..=5 {
        server.sent(alice, n, "bob", 5);
        server.say(alice, watch(n, "bob", None));
    }
    server.say(alice, FromClient::Untrack { id: id(4) });
    server.sent(alice, 6, "bob", 5);
    server.say(alice, watch(6, "bob", None));
    assert!(!server.heard(alice).contains(&closed(CloseCode::OverLimit)));
    server.say(alice, watch(7, "bob", None));
    assert_eq!(server.heard(alice), [closed(CloseCode::OverLimit)]);
}

#[test]
fn what_is_unwatched_while_the_store_is_asked_is_answered_and_no_more() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.sent(alice, 1, "bob", 5);
    server.say(alice, watch(1, "bob", None));
    server.say(alice, FromClient::Untrack { id: id(1) });
    assert_eq!(server.heard(alice), [watched(1, &[("bob", DeliveryState::Accepted)], false)]);
    server.say(bob, processed([1]));
    assert_eq!(server.heard(alice), []);
}

#[test]
fn a_message_that_is_removed_unread_is_gone_for_whoever_meets_that() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.enter(bob, "ops");
    let seq = server.sent(alice, 1, "@ops", 5);
    server.say(alice, watch(1, "@ops", None));
    server.heard(alice);
    server.store.remove(&target("@ops"), seq);
    server.say(bob, attach(8, 1_000));
    let heard = server.heard(alice);
    let [Said::Frame(FromServer::TrackUpdate { status: standing, .. })] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!((standing.user.as_str(), standing.state), ("bob", DeliveryState::Gone));
    server.say(alice, FromClient::Untrack { id: id(1) });
    server.say(alice, watch(1, "@ops", None));
    assert_eq!(server.heard(alice), [not_there(1)]);
}

#[test]
fn a_message_that_rots_is_gone_and_neither_delivered_nor_processed() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    let seq = server.sent(alice, 1, "bob", 5);
    server.say(alice, watch(1, "bob", None));
    server.heard(alice);
    server.store.rot(seq);
    server.say(bob, attach(8, 1_000));
    assert!(pings(&server.heard(bob)).is_empty());
    server.say(bob, processed([seq]));
    assert_eq!(server.heard(alice), [stands(1, "bob", DeliveryState::Gone)]);
}

/// Updates to a sender that confirms none are bounded: it gets a ping, and until its answer only
/// the latest update of each recipient is kept.
#[test]
fn a_sender_who_does_not_take_what_is_told_is_told_the_last_of_it() {
    const COUNT: u64 = 3_000;
    let limits = Limits { requests_max: 10_000, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.say(bob, attach(8_192, 1 << 20));
    for n in 0..COUNT {
        server.say(alice, send(n, "bob", 1));
    }
    server.work();
    for n in 0..COUNT {
        server.say(alice, watch(n, "bob", None));
    }
    server.work();
    server.heard(alice);
    let told = |said: &[Said]| {
        let state = |said: &Said| match said {
            Said::Frame(FromServer::TrackUpdate { status: standing, .. }) => Some(standing.state),
            _ => None,
        };
        said.iter().filter_map(state).collect::<Vec<DeliveryState>>()
    };
    while !server.pongs(bob).is_empty() {}
    server.say(bob, processed(1..=COUNT as Seq));
    let heard = server.heard(alice);
    assert_eq!(told(&heard).len(), 1_024);
    let mut states = told(&heard);
    for number in pings(&heard) {
        server.say(alice, FromClient::Pong { number });
    }
    loop {
        let heard = server.heard(alice);
        let numbers = pings(&heard);
        states.extend(told(&heard));
        if numbers.is_empty() {
            break;
        }
        for number in numbers {
            server.say(alice, FromClient::Pong { number });
        }
    }
    let processed =
        states.iter().filter(|state| **state == DeliveryState::Processed).count() as u64;
    assert_eq!(processed, COUNT);
    assert!((states.len() as u64) < 2 * COUNT, "{} of {COUNT} twice", states.len());
}
