//! Parked messages: dead letters, and messages that are due later.

use qmsg::durable::Quotas;
use qmsg::logic::{Command, Ending, Event, Limits, LinkId, PeerInput, PeerOutput, greeting};
use qmsg::wire::{
    Body, CHUNK_LEN_MAX, Envelope, FromClient, FromServer, Message, MsgId, ParkedKind,
    ParkedMessage, Refusal, Seq,
};

use super::peers::Alone;
use super::server::{START, Said, Server};
use super::tracking::{note, watch};
use super::world::World;
use super::{
    accepted, attach, draft, duplicate, id, processed, refused, send, seqs, server, target, user,
};

fn reject(seq: Seq) -> FromClient {
    FromClient::Reject { seq, attempts: 5, reason: note("no") }
}

pub(super) fn later(n: u64, to: &str, in_ms: u64) -> FromClient {
    FromClient::Schedule { due_ms: START.unix_ms + in_ms, envelope: draft(n, to, 5).envelope }
}

fn look(drawer: ParkedKind, after: u64) -> FromClient {
    FromClient::ListParked { kind: drawer, after }
}

fn looked(drawer: ParkedKind, next: Option<u64>) -> Said {
    Said::Frame(FromServer::ParkedEnd { kind: drawer, next })
}

fn take(drawer: ParkedKind, id: Option<MsgId>, back: bool) -> FromClient {
    FromClient::TakeParked { kind: drawer, id, back }
}

fn taken(drawer: ParkedKind, id: Option<MsgId>, count: u64) -> Said {
    Said::Frame(FromServer::ParkedTaken { kind: drawer, id, count })
}

fn kept(said: &[Said]) -> Vec<&ParkedMessage> {
    let kept = |said| match said {
        &Said::Frame(FromServer::Parked(ref kept)) => Some(kept),
        _ => None,
    };
    said.iter().filter_map(kept).collect()
}

/// A server on which bob has rejected `count` messages of alice.
fn refused_by_bob(count: u64) -> (Server, LinkId, LinkId) {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    for n in 1..=count {
        server.sent(alice, n, "bob", 5);
        server.say(bob, reject(n));
    }
    server.heard(bob);
    server.heard(alice);
    (server, alice, bob)
}

#[test]
fn a_dead_letter_says_what_it_was_and_why() {
    let (mut server, _, bob) = refused_by_bob(1);
    server.say(bob, look(ParkedKind::DeadLetters, 0));
    let heard = server.heard(bob);
    let expected = ParkedMessage {
        kind: ParkedKind::DeadLetters,
        number: 1,
        at_ms: START.unix_ms,
        attempts: 5,
        reason: note("no"),
        message: Message {
            from: user("alice"),
            time_ms: START.unix_ms,
            envelope: draft(1, "bob", 5).envelope,
        },
    };
    assert_eq!(
        heard,
        [Said::Frame(FromServer::Parked(expected)), looked(ParkedKind::DeadLetters, None)]
    );
}

#[test]
fn a_drawer_is_shown_in_pages() {
    let (mut server, alice, bob) = refused_by_bob(5);
    let (mut numbers, mut after) = (vec![], Some(0));
    while let Some(next) = after {
        server.say(bob, look(ParkedKind::DeadLetters, next));
        let heard = server.heard(bob);
        numbers.extend(kept(&heard).iter().map(|kept| kept.number));
        let Some(Said::Frame(FromServer::ParkedEnd { next, .. })) = heard.last() else {
            panic!("{heard:?}");
        };
        after = *next;
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    server.say(alice, look(ParkedKind::DeadLetters, 0));
    assert_eq!(server.heard(alice), [looked(ParkedKind::DeadLetters, None)], "not alice's");
}

#[test]
fn what_is_put_back_is_delivered_as_a_new_message() {
    let (mut server, alice, bob) = refused_by_bob(5);
    server.say(bob, take(ParkedKind::DeadLetters, Some(id(9)), true));
    assert_eq!(server.heard(bob), [taken(ParkedKind::DeadLetters, Some(id(9)), 0)]);
    server.say(bob, take(ParkedKind::DeadLetters, Some(id(2)), true));
    let heard = server.heard(bob);
    assert_eq!(seqs(&heard), [6]);
    assert_eq!(heard.last(), Some(&taken(ParkedKind::DeadLetters, Some(id(2)), 1)));
    server.say(bob, processed([6]));
    server.heard(bob);
    server.say(bob, take(ParkedKind::DeadLetters, None, false));
    assert_eq!(server.heard(bob), [taken(ParkedKind::DeadLetters, None, 4)], "in several writes");
    server.say(alice, watch(1, "bob", None));
    assert_eq!(server.heard(alice).len(), 1);
    assert_eq!(server.store.drawers.all().count(), 0);
}

#[test]
fn a_dead_letter_of_a_room_comes_back_as_the_own_message() {
    let mut server = server();
    let names = ["alice", "bob", "carol"];
    let links = names.map(|name| server.reader(name));
    links.iter().for_each(|link| server.enter(*link, "ops"));
    server.sent(links[0], 1, "@ops", 5);
    server.say(links[1], reject(1));
    server.take_said();
    server.say(links[1], take(ParkedKind::DeadLetters, None, true));
    let heard = server.heard(links[1]);
    let Said::Frame(FromServer::Deliver { bundle, .. }) = &heard[1] else {
        panic!("{heard:?}");
    };
    let first = &bundle.first;
    assert_eq!((&first.to, &first.from), (&target("bob"), &user("alice")));
    assert_eq!(first.headers.iter().collect::<Vec<_>>(), [("room", "@ops")]);
    assert!(server.heard(links[2]).is_empty(), "it is bob's alone");
}

#[test]
fn a_long_dead_letter_comes_back_whole() {
    let mut world = World::new(Limits::default(), Quotas::default());
    let alice = world.client("alice", None);
    let bob = world.client("bob", Some((8, 1 << 20)));
    world.drain();
    world.send(alice, draft(1, "bob", 3 * CHUNK_LEN_MAX + 7));
    world.flow();
    world.judge(bob, 1, Command::Reject { seq: 1, attempts: 1, reason: note("no") });
    world.flow();
    world.feed(bob, Command::TakeParked { drawer: ParkedKind::DeadLetters, id: None, back: true });
    world.flow();
    assert_eq!(world.clients[bob].todo, [2], "the client has checked its body");
    let taken = Event::ParkedTaken { drawer: ParkedKind::DeadLetters, id: None, count: 1 };
    assert!(world.told(bob).contains(&taken));
}

#[test]
fn what_is_due_later_is_accepted_now_and_delivered_then() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.pass(1);
    server.work();
    server.heard(bob);
    server.say(alice, later(1, "bob", 5_000));
    assert_eq!(server.heard(alice), [accepted(1)]);
    server.say(alice, later(1, "bob", 5_000));
    assert_eq!(server.heard(alice), [duplicate(1)], "its id is known");
    server.say(alice, send(1, "bob", 5));
    assert_eq!(server.heard(alice), [duplicate(1)]);
    server.say(alice, look(ParkedKind::Scheduled, 0));
    let heard = server.heard(alice);
    assert_eq!(kept(&heard)[0].at_ms, START.unix_ms + 5_000);
    server.say(alice, watch(1, "bob", None));
    assert_eq!(server.heard(alice), [Said::Frame(FromServer::UnknownMessage { id: id(1) })]);
    server.pass(4_998);
    assert!(server.heard(bob).is_empty(), "not yet");
    assert_eq!(server.deadline(), Some(START.mono_ms + 5_000));
    server.pass(1);
    let heard = server.heard(bob);
    let Said::Frame(FromServer::Deliver { bundle, .. }) = &heard[0] else { panic!("{heard:?}") };
    assert_eq!(bundle.first.time_ms, START.unix_ms + 5_000, "as if it came then");
    server.say(alice, watch(1, "bob", None));
    assert_eq!(server.heard(alice).len(), 1);
    server.say(alice, look(ParkedKind::Scheduled, 0));
    assert_eq!(server.heard(alice), [looked(ParkedKind::Scheduled, None)]);
}

#[test]
fn what_is_due_is_released_after_a_restart_however_much_it_is() {
    let mut server = server();
    let alice = server.link("alice");
    server.link("bob");
    for n in 1..=7 {
        server.say(alice, later(n, "bob", 1_000 * (8 - n)));
    }
    server.work();
    server.crash();
    server.pass(60 * 60 * 1_000);
    server.work();
    let bob = server.reader("bob");
    assert_eq!(seqs(&server.heard(bob)), (1..=7).collect::<Vec<_>>());
    let ids: Vec<MsgId> =
        (1..=7).map(|seq| server.store.record(seq).unwrap()).map(|r| r.bundle.first.id).collect();
    let due: Vec<MsgId> = (1..=7).rev().map(id).collect();
    assert_eq!(ids, due, "in the order they were due");
}

#[test]
fn what_comes_while_the_store_is_asked_is_not_forgotten() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.pass(1);
    server.commit();
    // The store has answered that no message is due; the hub has not received the answer.
    server.say(alice, later(1, "bob", 10));
    server.work();
    assert_eq!(server.heard(alice), [accepted(1)]);
    server.pass(20);
    assert_eq!(seqs(&server.heard(bob)), [1]);
}

#[test]
fn when_the_clock_was_set_it_is_noticed_within_a_minute() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.pass(1);
    server.say(alice, later(1, "bob", 10_000_000));
    server.work();
    server.heard(bob);
    server.now.unix_ms += 10_000_000;
    server.pass(60_000);
    assert_eq!(seqs(&server.heard(bob)), [1]);
}

#[test]
fn a_full_target_is_tried_again() {
    let quotas = Quotas { log_messages_max: 1, ..Quotas::default() };
    let mut server = Server::new(Limits::default(), quotas);
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.pass(1);
    server.say(alice, later(1, "bob", 10));
    server.work();
    server.sent(alice, 2, "bob", 5);
    server.pass(10);
    assert_eq!(seqs(&server.heard(bob)), [1]);
    server.say(bob, processed([1]));
    server.work();
    server.pass(60_000);
    assert_eq!(seqs(&server.heard(bob)), [2]);
}

#[test]
fn what_is_cancelled_is_not_sent_and_what_is_hurried_is_sent_now() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.pass(1);
    for n in 1..=3 {
        server.say(alice, later(n, "bob", 10_000));
    }
    server.work();
    server.take_said();
    server.say(bob, take(ParkedKind::Scheduled, Some(id(1)), false));
    assert_eq!(server.heard(bob), [taken(ParkedKind::Scheduled, Some(id(1)), 0)], "not bob's");
    server.say(alice, take(ParkedKind::Scheduled, Some(id(1)), false));
    assert_eq!(server.heard(alice), [taken(ParkedKind::Scheduled, Some(id(1)), 1)]);
    server.say(alice, take(ParkedKind::Scheduled, Some(id(2)), true));
    assert_eq!(server.heard(alice), [taken(ParkedKind::Scheduled, Some(id(2)), 1)]);
    assert_eq!(server.store.record(1).unwrap().bundle.first.id, id(2));
    assert_eq!(seqs(&server.heard(bob)), [1]);
    server.pass(10_000);
    assert_eq!(seqs(&server.heard(bob)), [2]);
    assert_eq!(server.store.record(2).unwrap().bundle.first.id, id(3));
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let quotas = Quotas { log_messages_max: 1, ..Quotas::default() };
    let limits = Limits { body_len_max: 5, ..Limits::default() };
    let mut server = Server::new(limits, quotas);
    let alice = server.link("alice");
    let mut long = later(1, "alice", 10);
    if let FromClient::Schedule { envelope: Envelope { size, body, .. }, .. } = &mut long {
        (*size, *body) = (6, Body(vec![b'a'; 6].into()));
    }
    server.say(alice, long);
    assert_eq!(server.heard(alice), [refused(1, Refusal::BodyTooLong { max: 5 })]);
    server.say(alice, later(2, "nobody", 10));
    assert_eq!(server.heard(alice), [refused(2, Refusal::UnknownTarget)]);
    server.say(alice, later(3, "alice", 100_000));
    server.say(alice, later(4, "alice", 100_000));
    assert_eq!(server.heard(alice), [accepted(3), refused(4, Refusal::MailboxFull)]);
    server.store.disk_full = true;
    server.say(alice, later(5, "alice", 10));
    assert_eq!(server.heard(alice), [refused(5, Refusal::DiskFull)]);
    server.pass(100_000);
    server.work();
    server.store.disk_full = false;
    server.pass(60_000);
    server.work();
    assert!(server.store.seq_of(&user("alice"), id(3)).is_some(), "tried again");
}

#[test]
fn an_id_made_of_a_key_tells_no_time() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.pass(1);
    server.heard(bob);
    let key = MsgId::keyed([7; 16]);
    for (n, expected) in [(1, vec![1]), (2, vec![])] {
        let mut frame = send(n, "bob", 0);
        if let FromClient::Send { envelope: Envelope { id, .. }, .. } = &mut frame {
            *id = key;
        }
        server.say(alice, frame);
        let duplicate = n == 2;
        let answer = FromServer::Accepted { id: key, count: 1, duplicate };
        assert_eq!(server.heard(alice), [Said::Frame(answer)]);
        assert_eq!(seqs(&server.heard(bob)), expected);
    }
    let mut frame = later(3, "bob", 10);
    if let FromClient::Schedule { envelope: Envelope { id, .. }, .. } = &mut frame {
        *id = MsgId::keyed([8; 16]);
    }
    server.say(alice, frame);
    server.work();
    server.pass(10);
    assert_eq!(seqs(&server.heard(bob)), [2]);
}

#[test]
fn a_draft_that_is_due_later_goes_alone_and_whole() {
    let mut alone = Alone::welcomed();
    let due_ms = Some(START.unix_ms + 10);
    let drafts: Vec<_> = (1..=2).map(|n| super::Draft { due_ms, ..draft(n, "bob", 5) }).collect();
    let frames: Vec<_> = (1..=2).map(|n| PeerOutput::Frame(later(n, "bob", 10))).collect();
    assert_eq!(alone.takes(Command::Send(drafts)), frames);
    let answer = FromServer::Accepted { id: id(1), count: 1, duplicate: false };
    let told = Event::Accepted { id: id(1), count: 1, duplicate: false };
    assert_eq!(alone.takes(PeerInput::Frame(answer)), [PeerOutput::Event(told)]);
    alone.takes(PeerInput::Ended(Ending::Silence));
    let long = super::Draft { due_ms, ..draft(3, "bob", CHUNK_LEN_MAX + 1) };
    alone.takes(Command::Send(vec![long]));
    alone.takes(PeerInput::Linked);
    let said = alone.takes(PeerInput::Frame(greeting(&Limits::default(), START)));
    assert!(said.contains(&PeerOutput::Frame(later(2, "bob", 10))), "not answered");
    let why = Refusal::BodyTooLong { max: CHUNK_LEN_MAX as u64 };
    let told = Event::Refused { id: id(3), count: 1, why };
    assert!(said.contains(&PeerOutput::Event(told)), "{said:?}");
}

#[test]
fn a_client_looks_on_by_itself_and_where_it_left_off() {
    let mut alone = Alone::welcomed();
    let look = |after| PeerOutput::Frame(look(ParkedKind::DeadLetters, after));
    let kept = |number| {
        let (from, envelope) = (user("bob"), draft(number, "alice", 0).envelope);
        let message = Message { from, time_ms: 1, envelope };
        let (drawer, reason) = (ParkedKind::DeadLetters, note("no"));
        ParkedMessage { kind: drawer, number, at_ms: 2, attempts: 3, reason, message }
    };
    let shown = |number| PeerOutput::Event(Event::Parked(kept(number)));
    assert_eq!(alone.takes(Command::ListParked(ParkedKind::DeadLetters)), [look(0)]);
    let mut comes = |number| alone.takes(PeerInput::Frame(FromServer::Parked(kept(number))));
    assert_eq!(comes(1), [shown(1)]);
    assert_eq!(comes(2), [shown(2)]);
    let next = FromServer::ParkedEnd { kind: ParkedKind::DeadLetters, next: Some(2) };
    assert_eq!(alone.takes(PeerInput::Frame(next)), [look(2)]);
    let mut comes = |number| alone.takes(PeerInput::Frame(FromServer::Parked(kept(number))));
    assert_eq!(comes(4), [shown(4)]);
    alone.takes(PeerInput::Ended(Ending::Silence));
    alone.takes(PeerInput::Linked);
    let said = alone.takes(PeerInput::Frame(greeting(&Limits::default(), START)));
    assert_eq!(said.last(), Some(&look(4)));
    assert!(alone.peer.is_waiting());
    let last = FromServer::ParkedEnd { kind: ParkedKind::DeadLetters, next: None };
    let told = PeerOutput::Event(Event::ParkedEnd(ParkedKind::DeadLetters));
    assert_eq!(alone.takes(PeerInput::Frame(last)), [told]);
}

#[test]
fn requests_wait_for_the_id_like_sends() {
    let mut server = server();
    server.link("alice");
    let link = server.open(super::key("alice"));
    server.say(link, super::hello("alice"));
    server.say(link, attach(8, 1_000));
    server.say(link, later(1, "alice", 10));
    server.say(link, look(ParkedKind::Scheduled, 0));
    server.say(link, watch(1, "alice", None));
    let heard = server.heard(link);
    assert!(heard.contains(&accepted(1)), "{heard:?}");
    assert!(heard.contains(&Said::Frame(FromServer::UnknownMessage { id: id(1) })));
    let drawer = ParkedKind::Scheduled;
    assert!(heard.iter().any(|said| matches!(said,
        Said::Frame(FromServer::ParkedEnd { kind: of, .. }) if *of == drawer)));
}
