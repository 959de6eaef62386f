//! Tracked messages that expire: the sender is told, even if nobody reads.

use qmsg::durable::Quotas;
use qmsg::logic::{Limits, LinkId};
use qmsg::wire::{DeliveryState, FromClient, FromServer, RecipientStatus};

use super::server::{START, Said, Server};
use super::tracking::{note, watch};
use super::{attach, brief, id, processed, seqs, server, skipped, user};

const TTL_MS: u64 = 5_000;

/// The update for a message that has expired.
fn gone(n: u64, name: &str) -> Said {
    let time_ms = START.unix_ms + TTL_MS;
    let standing =
        RecipientStatus { user: user(name), state: DeliveryState::Gone, time_ms, note: None };
    Said::Frame(FromServer::TrackUpdate { id: id(n), status: standing })
}

/// Alice tracks a message to a user that lives 5 s.
fn watching(server: &mut Server, to: &str) -> LinkId {
    let alice = server.link("alice");
    // The first sweep.
    server.pass(0);
    server.work();
    server.say(alice, brief(1, to, "5"));
    server.say(alice, watch(1, to, None));
    server.heard(alice);
    alice
}

#[test]
fn what_nobody_reads_is_gone_when_its_time_is_over() {
    let mut server = server();
    server.link("bob");
    let alice = watching(&mut server, "bob");
    assert_eq!(server.deadline(), Some(server.now.mono_ms + TTL_MS));
    server.pass(TTL_MS - 1);
    assert_eq!(server.heard(alice), []);
    server.pass(1);
    assert_eq!(server.heard(alice), [gone(1, "bob")]);
    server.pass(60_000);
    assert_eq!(server.heard(alice), [], "told once");
}

#[test]
fn whoever_begins_to_watch_then_hears_of_it_at_once() {
    let mut server = server();
    server.link("bob");
    let alice = watching(&mut server, "bob");
    server.pass(TTL_MS);
    server.crash();
    let again = server.link("alice");
    server.take_said();
    server.say(again, watch(1, "bob", None));
    let Said::Frame(FromServer::TrackUpdate { status: standing, .. }) = gone(1, "bob") else {
        panic!()
    };
    let frame = FromServer::TrackPage { id: id(1), statuses: vec![standing], more: false };
    assert_eq!(server.heard(again), [Said::Frame(frame)]);
    assert_ne!(again, alice);
    // One message that was tracked before the restart has not expired.
    server.say(again, brief(2, "bob", "5"));
    server.work();
    server.crash();
    let again = server.link("alice");
    server.take_said();
    server.say(again, watch(2, "bob", None));
    server.heard(again);
    server.pass(TTL_MS);
    let heard = server.heard(again);
    let is_gone = |said: &Said| match said {
        Said::Frame(FromServer::TrackUpdate { status: standing, .. }) => {
            standing.state == DeliveryState::Gone
        }
        _ => false,
    };
    assert!(heard.len() == 1 && is_gone(&heard[0]), "{heard:?}");
}

#[test]
fn each_member_of_a_room_who_has_not_got_it_is_told_of() {
    let mut server = server();
    for name in ["alice", "bob", "carol", "dave", "erin", "frank"] {
        let link = server.link(name);
        server.enter(link, "ops");
        server.lose(link);
    }
    let alice = watching(&mut server, "@ops");
    // Carol acks it, and erin has it.
    let [carol, erin] = ["carol", "erin"].map(|name| server.reader(name));
    server.say(carol, processed([1]));
    server.pongs(carol);
    server.pongs(erin);
    server.heard(alice);
    server.pass(TTL_MS);
    assert_eq!(server.heard(alice), ["bob", "dave", "frank"].map(|name| gone(1, name)));
    server.lose(erin);
    assert_eq!(server.heard(alice), [gone(1, "erin")]);
}

#[test]
fn what_a_reader_has_is_gone_only_when_the_reader_lets_go_of_it() {
    type End = fn(&mut Server, LinkId);
    let ends: [(&str, End, Option<DeliveryState>); 4] = [
        ("lost", |server, bob| server.lose(bob), Some(DeliveryState::Gone)),
        ("skipped", |server, bob| server.say(bob, skipped([1])), Some(DeliveryState::Gone)),
        (
            "processed",
            |server, bob| server.say(bob, processed([1])),
            Some(DeliveryState::Processed),
        ),
        ("kept", |_, _| {}, None),
    ];
    for (what, end, state) in ends {
        let mut server = server();
        let bob = server.reader("bob");
        let alice = watching(&mut server, "bob");
        server.pongs(bob);
        server.heard(alice);
        server.pass(TTL_MS);
        assert_eq!(server.heard(alice), [], "{what}");
        end(&mut server, bob);
        let told = server.heard(alice);
        let told = told.iter().map(|said| match said {
            Said::Frame(FromServer::TrackUpdate { status: standing, .. }) => standing.state,
            other => panic!("{other:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), Vec::from_iter(state), "{what}");
    }
}

/// An ack that is on its way to the disk counts before the expiration.
#[test]
fn what_was_answered_in_time_is_not_gone() {
    let mut server = server();
    let bob = server.reader("bob");
    let alice = watching(&mut server, "bob");
    server.pongs(bob);
    server.heard(alice);
    server.say(bob, FromClient::Reply { seq: 1, reply: note("yes") });
    server.pass(TTL_MS);
    server.look();
    server.answer_read();
    assert_eq!(server.heard_so_far(alice), []);
    let told = server.heard(alice);
    assert!(matches!(&told[..], [Said::Frame(FromServer::TrackUpdate { status: standing, .. })]
        if standing.state == DeliveryState::Processed));
}

/// A reader that has no room has not received it.
#[test]
fn what_waits_for_room_is_gone_too() {
    let mut server = server();
    let (carol, bob) = (server.link("carol"), server.link("bob"));
    server.sent(carol, 9, "bob", 5);
    server.say(bob, attach(1, 1_000));
    assert_eq!(seqs(&server.heard(bob)), [1]);
    let alice = watching(&mut server, "bob");
    server.pass(TTL_MS);
    assert_eq!(server.heard(alice), [gone(1, "bob")]);
    server.say(bob, processed([1]));
    assert!(seqs(&server.heard(bob)).is_empty(), "nor will get it");
}

#[test]
fn a_clock_that_was_set_is_looked_at_within_a_minute() {
    let mut server = server();
    server.link("bob");
    let alice = server.link("alice");
    server.say(alice, brief(1, "bob", "86400"));
    server.say(alice, watch(1, "bob", None));
    server.heard(alice);
    server.set_clock(2 * 86_400_000);
    server.pass(60_000);
    let heard = server.heard(alice);
    assert!(matches!(&heard[..], [Said::Frame(FromServer::TrackUpdate { status: standing, .. })]
        if standing.state == DeliveryState::Gone));
}

#[test]
fn nothing_is_looked_up_for_those_who_do_not_watch() {
    let mut server = server();
    server.link("bob");
    let alice = watching(&mut server, "bob");
    server.say(alice, FromClient::Untrack { id: id(1) });
    server.work();
    server.pass(TTL_MS);
    assert!(server.reads.is_empty());
    let alice = watching_many(&mut server, 2..4);
    server.lose(alice);
    server.pass(TTL_MS);
    assert!(server.reads.is_empty());
}

fn watching_many(server: &mut Server, numbers: std::ops::Range<u64>) -> LinkId {
    let alice = server.link("alice");
    for n in numbers {
        server.say(alice, brief(n, "bob", "5"));
        server.say(alice, watch(n, "bob", None));
        server.heard(alice);
    }
    alice
}

#[test]
fn looks_into_the_store_are_bounded() {
    let mut server = Server::new(Limits::default(), Quotas::default());
    server.link("bob");
    let alice = watching_many(&mut server, 1..200);
    server.pass(TTL_MS);
    assert_eq!(server.reads.len(), 64);
    let told = server.heard(alice);
    let gone = |said: &&Said| matches!(said, Said::Frame(FromServer::TrackUpdate { .. }));
    assert_eq!(told.iter().filter(gone).count(), 64);
    let mut count = 64;
    while server.deadline().is_some_and(|at_ms| at_ms <= server.now.mono_ms) {
        server.pass(0);
        count += server.heard(alice).iter().filter(gone).count();
    }
    assert_eq!(count, 199);
}
