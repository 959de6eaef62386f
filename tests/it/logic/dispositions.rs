//! Replies and rejections.

use qmsg::durable::Disposition;
use qmsg::logic::{Command, Ending, Event, PeerInput, PeerOutput};
use qmsg::wire::{
    Body, Bundle, CloseCode, DeliveryState, FromClient, FromServer, Message, Note, ParkedKind,
    REASON_LEN_MAX, RecipientStatus, Seq,
};

use super::peers::Alone;
use super::server::{START, Said, Server};
use super::tracking::{note, watch};
use super::{closed, id, processed, seqs, server, settled, user};

fn answered(seq: Seq, reply: &'static str) -> FromClient {
    FromClient::Reply { seq, reply: note(reply) }
}

fn rejected(seq: Seq, reason: &'static str) -> FromClient {
    FromClient::Reject { seq, attempts: 5, reason: note(reason) }
}

fn stands(n: u64, name: &str, state: DeliveryState, text: &'static str) -> Said {
    let (user, note) = (user(name), Some(note(text)));
    let standing = RecipientStatus { user, state, time_ms: START.unix_ms, note };
    Said::Frame(FromServer::TrackUpdate { id: id(n), status: standing })
}

fn dead(server: &Server, owner: &str) -> Vec<(String, u32)> {
    let mine = server.store.drawers.all().filter(|letter| letter.owner == user(owner));
    let dead = mine.filter(|letter| letter.drawer == ParkedKind::DeadLetters);
    dead.map(|letter| (letter.message.id.to_string(), letter.attempts)).collect()
}

#[test]
fn an_answer_and_a_refusal_are_settled_and_told_with_their_words() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    for n in 1..=2 {
        server.sent(alice, n, "bob", 5);
        server.say(alice, watch(n, "bob", None));
        server.heard(alice);
    }
    server.heard(bob);
    server.say(bob, rejected(2, "exit code 65"));
    assert_eq!(server.heard(bob), [settled(1)]);
    assert_eq!(server.heard(alice), [stands(2, "bob", DeliveryState::Rejected, "exit code 65")]);
    server.say(bob, answered(1, "forty-two"));
    assert_eq!(server.heard(bob), [settled(1)]);
    assert_eq!(server.heard(alice), [stands(1, "bob", DeliveryState::Processed, "forty-two")]);
    assert_eq!(dead(&server, "bob"), [(id(2).to_string(), 5)]);
    let again = server.reader("bob");
    assert!(seqs(&server.heard(again)).is_empty(), "both are dealt with");
    for (n, state, text) in
        [(1, DeliveryState::Processed, "forty-two"), (2, DeliveryState::Rejected, "exit code 65")]
    {
        server.say(alice, watch(n, "bob", None));
        let heard = server.heard(alice);
        let [Said::Frame(FromServer::TrackPage { statuses: standings, .. })] = &heard[..] else {
            panic!("{heard:?}");
        };
        assert_eq!((standings[0].state, &standings[0].note), (state, &Some(note(text))));
    }
}

#[test]
fn of_several_readers_the_first_has_said_it() {
    let mut server = server();
    let alice = server.link("alice");
    let (one, two) = (server.reader("bob"), server.reader("bob"));
    server.sent(alice, 1, "bob", 5);
    server.say(alice, watch(1, "bob", None));
    server.heard(alice);
    server.say(one, answered(1, "yes"));
    server.say(two, rejected(1, "no"));
    assert_eq!(server.heard(alice), [stands(1, "bob", DeliveryState::Processed, "yes")]);
    for link in [one, two] {
        assert!(server.heard(link).contains(&settled(1)));
    }
    assert_eq!(dead(&server, "bob"), []);
    assert_eq!(server.store.verdicts().len(), 1);
}

#[test]
fn each_member_of_a_room_speaks_for_itself() {
    let mut server = server();
    let names = ["alice", "bob", "carol"];
    let links = names.map(|name| server.reader(name));
    links.iter().for_each(|link| server.enter(*link, "ops"));
    server.sent(links[0], 1, "@ops", 5);
    server.say(links[0], watch(1, "@ops", None));
    server.heard(links[0]);
    server.say(links[1], rejected(1, "no"));
    server.say(links[2], answered(1, "yes"));
    let told = server.heard(links[0]);
    let both = [
        stands(1, "bob", DeliveryState::Rejected, "no"),
        stands(1, "carol", DeliveryState::Processed, "yes"),
    ];
    assert_eq!(told, both);
    assert_eq!((dead(&server, "bob").len(), dead(&server, "carol").len()), (1, 0));
}

#[test]
fn what_was_not_offered_or_says_too_much_ends_the_link() {
    let long = Note::new(Body(vec![b'a'; REASON_LEN_MAX + 1].into())).unwrap();
    let too_long = FromClient::Reject { seq: 1, attempts: 1, reason: long };
    for frames in [
        vec![answered(2, "")],
        vec![rejected(2, "")],
        vec![answered(0, "")],
        vec![rejected(Seq::MAX, "")],
        vec![too_long],
        vec![answered(1, ""), answered(1, "")],
        vec![processed([1]), rejected(1, "")],
        vec![rejected(1, ""), processed([1])],
    ] {
        let mut server = server();
        let (alice, bob) = (server.link("alice"), server.reader("bob"));
        server.sent(alice, 1, "bob", 5);
        server.heard(bob);
        for frame in frames.clone() {
            server.say(bob, frame);
        }
        assert!(server.heard(bob).contains(&closed(CloseCode::OutOfTurn)), "{frames:?}");
    }
    let mut server = server();
    let bob = server.link("bob");
    server.say(bob, answered(1, ""));
    assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)], "it does not read");
}

fn deliver(seq: Seq, n: u64) -> PeerInput {
    let message = super::draft(n, "alice", 5);
    let super::Draft { envelope, .. } = message;
    let (from, time_ms, others) = (user("bob"), START.unix_ms, super::others(0..1, 5));
    let frame = FromServer::Deliver {
        seq,
        bundle: Bundle { first: Message { from, time_ms, envelope }, others },
    };
    PeerInput::Frame(frame)
}

fn frames(outputs: Vec<PeerOutput>) -> Vec<FromClient> {
    let frame = |output| match output {
        PeerOutput::Frame(frame) => Some(frame),
        _ => None,
    };
    outputs.into_iter().filter_map(frame).collect()
}

#[test]
fn a_client_says_it_again_on_the_next_link_in_the_order_it_is_delivered() {
    let mut alone = Alone::welcomed();
    for seq in 1..=5 {
        alone.takes(deliver(seq, seq));
    }
    assert_eq!(frames(alone.takes(Command::Ack(vec![1, 2]))), [processed([1, 2])]);
    let (reply, reason) = (note("yes"), note("no"));
    let said = alone.takes(Command::Reply { seq: 3, reply });
    assert_eq!(frames(said), [answered(3, "yes")]);
    let said = alone.takes(Command::Reject { seq: 5, attempts: 5, reason });
    assert_eq!(frames(said), [rejected(5, "no")]);
    assert_eq!(frames(alone.takes(Command::Ack(vec![4]))), [processed([4])]);
    let settled = alone.takes(PeerInput::Frame(FromServer::AckRecorded { count: 1 }));
    assert_eq!(settled, [PeerOutput::Event(Event::AckRecorded { pending: 4 })]);
    alone.takes(PeerInput::Ended(Ending::Silence));
    alone.is_welcomed();
    let mut again = vec![];
    for seq in 2..=5 {
        again.extend(frames(alone.takes(deliver(seq, seq))));
    }
    let all = [processed([2]), answered(3, "yes"), processed([4]), rejected(5, "no")];
    assert_eq!(again, all);
    let settled = alone.takes(PeerInput::Frame(FromServer::AckRecorded { count: 4 }));
    assert_eq!(settled, [PeerOutput::Event(Event::AckRecorded { pending: 0 })]);
}

#[test]
fn a_bundle_delivered_again_is_reported_in_pieces_that_keep_what_was_said() {
    let mut alone = Alone::welcomed();
    let several = |first: Seq, count: u64| {
        let all = super::draft(first, "alice", 5);
        let super::Draft { envelope, .. } = all;
        let (from, time_ms) = (user("bob"), START.unix_ms);
        let others = super::others(first..first + count, 5);
        PeerInput::Frame(FromServer::Deliver {
            seq: first,
            bundle: Bundle { first: Message { from, time_ms, envelope }, others },
        })
    };
    alone.takes(several(1, 5));
    alone.takes(PeerInput::Ended(Ending::Silence));
    alone.takes(Command::Reply { seq: 3, reply: note("yes") });
    alone.takes(Command::Ack(vec![1, 2, 4, 5]));
    // The first disposition counts.
    alone.takes(Command::Reject { seq: 3, attempts: 5, reason: note("no") });
    alone.is_welcomed();
    let all = [processed([1, 2]), answered(3, "yes"), processed([4, 5])];
    assert_eq!(frames(alone.takes(several(1, 5))), all);
}

#[test]
fn a_client_says_no_more_than_a_server_takes_and_nothing_of_volatile_ones() {
    let mut alone = Alone::welcomed();
    alone.takes(deliver(1, 1));
    let reason = Note::new(Body(vec![b'a'; REASON_LEN_MAX + 1].into())).unwrap();
    let said = frames(alone.takes(Command::Reject { seq: 1, attempts: 1, reason }));
    let [FromClient::Reject { reason, .. }] = &said[..] else { panic!("{said:?}") };
    assert_eq!(reason.body().len(), REASON_LEN_MAX);
    assert_eq!(alone.takes(Command::Reply { seq: 0, reply: note("yes") }), []);
    assert_eq!(alone.takes(Command::Reply { seq: 9, reply: note("yes") }), []);
}

#[test]
fn a_verdict_is_written_once_with_the_cursor() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.sent(alice, 1, "bob", 5);
    server.say(bob, rejected(1, "no"));
    let said: Vec<_> = server.store.verdicts().values().cloned().collect();
    assert_eq!(said, [], "not before it is on disk");
    server.work();
    let verdict = Disposition::Rejected { attempts: 5, reason: note("no") };
    let said: Vec<_> = server.store.verdicts().values().cloned().collect();
    assert_eq!(said, [(verdict, START.unix_ms)]);
    assert_eq!(server.store.cursor("bob", "bob").through, 1);
}
