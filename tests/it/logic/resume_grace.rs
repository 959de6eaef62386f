//! Grace period: after a start, sharing readers first resume their deliveries, which no others get.

use qmsg::durable::Quotas;
use qmsg::logic::{Limits, LinkId};
use qmsg::wire::{CloseCode, FromClient, Seq, Span, Start};

use super::server::{Said, Server};
use super::{processed, seqs};

const GATHER_MS: u64 = 3_000;

fn share() -> FromClient {
    FromClient::Subscribe { messages: 10, bytes: 1 << 20, start: Start::Unacked, share: true }
}

fn holds(seqs: &[Seq]) -> FromClient {
    FromClient::Resume(seqs.iter().map(|seq| Span::one(*seq)).collect())
}

fn heard(server: &mut Server, link: LinkId) -> Vec<Seq> {
    seqs(&server.heard(link))
}

/// Alice has sent four messages to bob, and the server was restarted.
fn restarted() -> Server {
    let limits = Limits { resume_grace_ms: GATHER_MS, ..Limits::default() };
    let mut server = Server::new(limits, Quotas::default());
    let alice = server.link("alice");
    server.link("bob");
    (1..=4).for_each(|n| _ = server.sent(alice, n, "bob", 5));
    server.crash();
    server.pass(0);
    server.work();
    server
}

fn sharer(server: &mut Server, held: &[Seq]) -> LinkId {
    let link = server.link("bob");
    if !held.is_empty() {
        server.say(link, holds(held));
    }
    server.say(link, share());
    server.work();
    link
}

#[test]
fn what_one_has_is_not_given_to_another_that_came_before() {
    let mut server = restarted();
    let fresh = sharer(&mut server, &[]);
    let old = sharer(&mut server, &[2, 3]);
    assert!(heard(&mut server, fresh).is_empty(), "the others have time to come");
    server.pass(GATHER_MS);
    server.work();
    assert_eq!(heard(&mut server, old), [2, 3]);
    assert_eq!(heard(&mut server, fresh), [1, 4]);
    server.say(old, processed([2, 3]));
    server.work();
    assert_eq!(server.store.cursor("bob", "bob").through, 0);
    server.say(fresh, processed([1, 4]));
    server.work();
    assert_eq!(server.store.cursor("bob", "bob").through, 4);
}

#[test]
fn who_goes_leaves_what_it_had_to_the_others() {
    let mut server = restarted();
    let fresh = sharer(&mut server, &[]);
    let old = sharer(&mut server, &[1, 2, 3]);
    server.lose(old);
    server.pass(GATHER_MS);
    server.work();
    assert_eq!(heard(&mut server, fresh), [1, 2, 3, 4]);
    // Later nobody waits, but resumed deliveries are still kept.
    server.lose(fresh);
    let old = sharer(&mut server, &[4]);
    let held = heard(&mut server, old);
    assert_eq!(held, [1, 2, 3, 4], "it is alone");
}

#[test]
fn what_two_have_is_the_first_ones() {
    let mut server = restarted();
    let (first, second) = (sharer(&mut server, &[1, 2]), sharer(&mut server, &[2, 3]));
    server.pass(GATHER_MS);
    server.work();
    assert_eq!(heard(&mut server, first), [1, 2]);
    assert_eq!(heard(&mut server, second), [3, 4]);
}

#[test]
fn who_does_not_share_waits_for_nobody() {
    let mut server = restarted();
    let alone = server.link("bob");
    let (messages, start) = (10, Start::Unacked);
    server.say(alone, FromClient::Subscribe { messages, bytes: 1 << 20, start, share: false });
    server.work();
    assert_eq!(heard(&mut server, alone), [1, 2, 3, 4]);
}

#[test]
fn held_deliveries_are_named_before_attaching_and_once() {
    let mut server = restarted();
    let late = sharer(&mut server, &[]);
    server.say(late, holds(&[1]));
    assert_eq!(server.heard(late), [Said::Close(CloseCode::OutOfTurn)]);
    // Any number of such frames would make the server hold any number of spans.
    let twice = server.link("bob");
    server.say(twice, holds(&[1, 3]));
    assert_eq!(server.heard(twice), []);
    server.say(twice, holds(&[5, 7]));
    assert_eq!(server.heard(twice), [Said::Close(CloseCode::OutOfTurn)]);
}
