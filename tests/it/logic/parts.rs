//! Chunks of a client's long bodies, in both directions, fed by hand.

use std::slice::from_ref;

use qmsg::durable::Quotas;
use qmsg::logic::{Command, Draft, Ending, Event, Limits, PeerInput, PeerOutput, greeting};
use qmsg::wire::{CHUNKS_AHEAD_MAX, FromClient, FromServer, Message, MsgId, Refusal};

use super::long::{len_of, parts_of};
use super::peers::Alone;
use super::world::World;
use super::{draft, head, id, part_of, pass, processed, send, user};

fn frame(frame: FromClient) -> PeerOutput {
    PeerOutput::Frame(frame)
}

fn part(n: u64, parts: u64, index: u64) -> FromClient {
    FromClient::Chunk(part_of(id(n), len_of(parts) as u64, index))
}

/// The user's answer to `ChunkWanted`.
fn given(n: u64, parts: u64, index: u64) -> Command {
    Command::Chunk { id: id(n), index, body: part_of(id(n), len_of(parts) as u64, index) }
}

fn wanted(n: u64, index: u64) -> PeerOutput {
    PeerOutput::Event(Event::ChunkWanted { id: id(n), index })
}

fn more(parts: u32) -> PeerInput {
    PeerInput::Frame(FromServer::ChunkCredit { parts })
}

fn accepted(n: u64) -> FromServer {
    FromServer::Accepted { id: id(n), count: 1, duplicate: false }
}

pub(super) fn link_lost(alone: &mut Alone) -> Vec<PeerOutput> {
    let out = alone.takes(PeerInput::Ended(Ending::Silence));
    alone.waits();
    alone.takes(PeerInput::Tick);
    out
}

/// Connects again. Returns the peer's frames after its hello.
pub(super) fn linked(alone: &mut Alone) -> Vec<PeerOutput> {
    alone.takes(PeerInput::Linked);
    let hello = greeting(&Limits::default(), super::server::START);
    let mut out = alone.takes(PeerInput::Frame(hello));
    out.remove(0);
    out
}

#[test]
fn a_draft_that_is_whole_is_never_asked_for() {
    let mut alone = Alone::welcomed();
    let out = alone.takes(Command::Send(vec![draft(1, "bob", len_of(100))]));
    assert_eq!(out[0], frame(send(1, "bob", len_of(100))));
    assert!(
        out[1..].iter().eq((1..65).map(|at| frame(part(1, 100, at))).collect::<Vec<_>>().iter())
    );
    assert_eq!(alone.takes(Command::Send(vec![draft(2, "bob", 5)])), [], "its head waits");
    let out = alone.takes(more(2));
    assert_eq!(out, [frame(part(1, 100, 65)), frame(part(1, 100, 66))]);
    let out = alone.takes(more(64));
    assert_eq!(out.len(), 34);
    assert_eq!(out[32..], [frame(part(1, 100, 99)), frame(send(2, "bob", 5))]);
}

#[test]
fn parts_are_asked_for_as_far_ahead_as_they_may_be_sent() {
    let mut alone = Alone::welcomed();
    let out = alone.takes(Command::Send(vec![head(1, "bob", len_of(100))]));
    assert_eq!(out[0], frame(send(1, "bob", len_of(100))));
    assert!(out[1..].iter().eq((1..65).map(|at| wanted(1, at)).collect::<Vec<_>>().iter()));
    assert!(alone.peer.wants_chunk());
    assert_eq!(alone.takes(given(1, 100, 1)), [frame(part(1, 100, 1))]);
    assert_eq!(alone.takes(more(1)), [wanted(1, 65)]);
    for index in 2..66 {
        assert_eq!(alone.takes(given(1, 100, index)), [frame(part(1, 100, index))]);
    }
    assert!(!alone.peer.wants_chunk());
    assert_eq!(alone.takes(more(CHUNKS_AHEAD_MAX)).len(), 34);
    for index in 66..100 {
        alone.takes(given(1, 100, index));
    }
    let out = alone.takes(Command::Send(vec![draft(2, "bob", 5)]));
    assert_eq!(out, [frame(send(2, "bob", 5))]);
    assert_eq!(alone.takes(more(u32::MAX)), [], "more than was sent is nonsense");
}

#[test]
fn what_has_its_answer_is_cut_and_what_was_asked_for_is_ignored() {
    let mut alone = Alone::welcomed();
    alone.takes(Command::Send(vec![head(1, "bob", len_of(9))]));
    alone.takes(Command::Send(vec![head(2, "bob", len_of(3))]));
    alone.takes(given(1, 9, 1));
    let refused = FromServer::Refused { id: id(1), count: 1, why: Refusal::MailboxFull };
    let out = alone.takes(PeerInput::Frame(refused));
    let refused = Event::Refused { id: id(1), count: 1, why: Refusal::MailboxFull };
    let expected = [
        frame(FromClient::AbortBody),
        PeerOutput::Event(refused),
        frame(send(2, "bob", len_of(3))),
        wanted(2, 1),
        wanted(2, 2),
    ];
    assert_eq!(out, expected);
    (2..9).for_each(|index| assert_eq!(alone.takes(given(1, 9, index)), []));
    assert_eq!(alone.takes(given(2, 3, 1)), [frame(part(2, 3, 1))]);
    assert_eq!(alone.takes(given(2, 3, 2)), [frame(part(2, 3, 2))]);
    assert_eq!(alone.takes(PeerInput::Frame(accepted(2))).len(), 1);
    assert!(!alone.peer.is_waiting());
}

#[test]
fn a_lost_link_asks_for_all_of_it_again() {
    let mut alone = Alone::welcomed();
    alone.takes(Command::Send(vec![head(1, "bob", len_of(4))]));
    alone.takes(given(1, 4, 1));
    link_lost(&mut alone);
    let all = [frame(send(1, "bob", len_of(4))), wanted(1, 1), wanted(1, 2), wanted(1, 3)];
    assert_eq!(linked(&mut alone), all);
    // Two answers to requests of the first link are still to come.
    assert_eq!(alone.takes(given(1, 4, 2)), []);
    assert_eq!(alone.takes(given(1, 4, 3)), []);
    for index in 1..4 {
        assert_eq!(alone.takes(given(1, 4, index)), [frame(part(1, 4, index))]);
    }
    link_lost(&mut alone);
    assert_eq!(linked(&mut alone), all);
    let out = alone.takes(PeerInput::Frame(FromServer::Accepted {
        id: id(1),
        count: 1,
        duplicate: true,
    }));
    assert_eq!(out[0], frame(FromClient::AbortBody));
}

#[test]
fn a_part_of_a_wrong_length_gives_the_message_up() {
    let mut alone = Alone::welcomed();
    alone.takes(Command::Send(vec![head(1, "bob", len_of(4))]));
    alone.takes(Command::Send(vec![draft(2, "bob", 5)]));
    let out = alone.takes(Command::Chunk { id: id(1), index: 1, body: Default::default() });
    assert_eq!(out, [frame(FromClient::AbortBody), frame(send(2, "bob", 5))]);
    assert_eq!(alone.takes(given(1, 4, 2)), []);
    alone.takes(PeerInput::Frame(accepted(2)));
    assert!(!alone.peer.is_waiting());
}

#[test]
fn parts_that_were_not_asked_for_are_ignored() {
    let mut alone = Alone::welcomed();
    assert_eq!(alone.takes(given(1, 4, 1)), []);
    alone.takes(Command::Send(vec![head(1, "bob", len_of(4))]));
    for (n, index) in [(2, 1), (1, 2), (1, 0), (1, u64::MAX)] {
        let body = part_of(id(1), len_of(4) as u64, 1);
        assert_eq!(alone.takes(Command::Chunk { id: id(n), index, body }), []);
    }
    assert_eq!(alone.takes(given(1, 4, 1)), [frame(part(1, 4, 1))]);
}

#[test]
fn a_volatile_one_is_not_sent_again() {
    let mut alone = Alone::welcomed();
    let volatile = Draft { volatile: true, ..head(1, "bob", len_of(4)) };
    let out = alone.takes(Command::Send(vec![volatile]));
    assert_eq!(out[0], frame(pass(1, "bob", len_of(4))));
    let out = link_lost(&mut alone);
    assert_eq!(out[0], PeerOutput::Event(Event::Uncertain { id: id(1) }));
    assert_eq!(linked(&mut alone), []);
}

#[test]
fn only_what_is_in_memory_takes_room() {
    let mut alone = Alone::welcomed();
    // Each of a mebibyte, of which the first chunk is in memory.
    (1..100).for_each(|n| drop(alone.takes(Command::Send(vec![head(n, "bob", 1 << 20)]))));
    assert!(alone.peer.has_room());
    (100..110).for_each(|n| drop(alone.takes(Command::Send(vec![draft(n, "bob", 1 << 20)]))));
    assert!(!alone.peer.has_room());
}

fn message(id: MsgId, parts: u64) -> Message {
    let mut envelope = head(1, "alice", len_of(parts)).envelope;
    envelope.id = id;
    Message { from: user("bob"), time_ms: 1, envelope }
}

/// The frames of a delivery of `parts` chunks.
pub(super) fn delivery(seq: u64, parts: u64) -> Vec<PeerInput> {
    let head = FromServer::deliver(seq, &message(id(1), parts).into());
    let parts = parts_of(1, parts).map(FromServer::Chunk);
    std::iter::once(head).chain(parts).map(PeerInput::Frame).collect()
}

pub(super) fn take_all(
    alone: &mut Alone,
    inputs: impl IntoIterator<Item = PeerInput>,
) -> Vec<PeerOutput> {
    inputs.into_iter().flat_map(|input| alone.takes(input)).collect()
}

#[test]
fn parts_are_told_as_they_come_and_their_taking_is_reported() {
    let mut alone = Alone::welcomed();
    let out = take_all(&mut alone, delivery(7, 3));
    let told = Event::Messages { seq: 7, bundle: message(id(1), 3).into() };
    let parts = parts_of(1, 3).map(Event::Chunk);
    let expected = std::iter::once(told).chain(parts).map(PeerOutput::Event);
    assert!(out.into_iter().eq(expected));
    assert_eq!(
        alone.takes(Command::ChunksConsumed(2)),
        [frame(FromClient::ChunkCredit { parts: 2 })]
    );
    assert_eq!(alone.takes(Command::ChunksConsumed(1)), [], "there were no more");
    let out = alone.takes(Command::Ack(vec![7]));
    assert_eq!(out, [frame(processed([7]))]);
}

#[test]
fn a_body_that_does_not_become_whole_is_told_again() {
    let mut alone = Alone::welcomed();
    take_all(&mut alone, delivery(7, 4).into_iter().take(3));
    let cut = PeerOutput::Event(Event::BodyAborted);
    assert_eq!(alone.takes(PeerInput::Frame(FromServer::AbortBody))[..], from_ref(&cut)[..]);
    assert_eq!(alone.takes(Command::Ack(vec![7])), [], "there is nothing to report");
    take_all(&mut alone, delivery(7, 4).into_iter().take(3));
    let out = link_lost(&mut alone);
    assert_eq!(out, [cut, PeerOutput::Event(Event::Offline)]);
    linked(&mut alone);
    let out = take_all(&mut alone, delivery(7, 4));
    assert_eq!(out.len(), 4);
    assert!(matches!(out[0], PeerOutput::Event(Event::Messages { seq: 7, .. })));
    // Four chunks of the lost link are still with the user; no server waits for their credit.
    assert_eq!(
        alone.takes(Command::ChunksConsumed(5)),
        [frame(FromClient::ChunkCredit { parts: 1 })]
    );
}

#[test]
fn what_was_shown_is_swallowed_when_it_comes_again() {
    for is_processed in [false, true] {
        let mut alone = Alone::welcomed();
        take_all(&mut alone, delivery(7, 3));
        link_lost(&mut alone);
        if is_processed {
            alone.takes(Command::Ack(vec![7]));
        }
        linked(&mut alone);
        let mut again = delivery(7, 3).into_iter();
        let one = frame(FromClient::ChunkCredit { parts: 1 });
        assert_eq!(take_all(&mut alone, again.by_ref().take(2))[..], from_ref(&one)[..]);
        // The user is not told of this abort either.
        assert_eq!(alone.takes(PeerInput::Frame(FromServer::AbortBody)), []);
        let mut out = take_all(&mut alone, delivery(7, 3));
        if !is_processed {
            out.extend(alone.takes(Command::Ack(vec![7])));
        }
        let reported = frame(processed([7]));
        assert_eq!(out, [one.clone(), one, reported], "once it is whole, not before");
    }
}

#[test]
fn a_volatile_body_that_is_cut_is_not_counted() {
    let mut alone = Alone::welcomed();
    let head = FromServer::volatile(&message(id(1), 3).into());
    alone.takes(PeerInput::Frame(head.clone()));
    let out = alone.takes(PeerInput::Frame(FromServer::AbortBody));
    assert_eq!(out, [PeerOutput::Event(Event::BodyAborted)]);
    assert_eq!(alone.takes(Command::Ack(vec![0])), []);
    alone.takes(PeerInput::Frame(head));
    take_all(&mut alone, delivery(7, 3).into_iter().skip(1));
    let out = alone.takes(Command::Ack(vec![0]));
    assert_eq!(out, [frame(FromClient::AckVolatile { count: 1 })]);
}

#[test]
fn a_large_body_goes_from_user_to_user() {
    let limits = Limits { body_len_max: 16 << 20, ..Limits::default() };
    let mut world = World::new(limits, Quotas::default());
    let alice = world.client("alice", None);
    let bob = world.client("bob", Some((8, 1 << 20)));
    world.drain();
    world.send(alice, head(1, "bob", 10 << 20));
    world.send(alice, draft(2, "bob", (9 << 20) + 1));
    world.send(alice, Draft { volatile: true, ..head(3, "bob", 8 << 20) });
    // The world itself checks that bodies arrive unchanged.
    world.drain();
    let told = world.told(bob);
    let shown = told.iter().filter(|event| matches!(event, Event::Messages { .. })).count();
    assert_eq!((shown, world.clients[bob].todo.len()), (3, 0));
    assert!(world.told(alice).contains(&Event::VolatileSent { id: id(3), count: 1, readers: 1 }));
}
