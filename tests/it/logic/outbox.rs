//! Drafts that a client sends together, and the answers to them.

use qmsg::logic::{Command, Draft, Event, Limits, PeerInput, PeerOutput};
use qmsg::wire::{
    BUNDLE_MAX, CHUNK_LEN_MAX, Envelope, FromClient, FromServer, Headers, MsgId, Refusal,
};

use super::parts::{link_lost, linked};
use super::peers::Alone;
use super::{draft, head, id, passes, sends, target};

/// The ids of the messages in each frame.
fn bundles(out: &[PeerOutput]) -> Vec<Vec<MsgId>> {
    let ids = |output: &PeerOutput| match output {
        PeerOutput::Frame(
            FromClient::Send { envelope: Envelope { id, .. }, others }
            | FromClient::Volatile { envelope: Envelope { id, .. }, others },
        ) => Some((0..=others.count() as u64).map(|behind| id.plus(behind)).collect()),
        _ => None,
    };
    out.iter().filter_map(ids).collect()
}

fn ids(bundles: &[&[u64]]) -> Vec<Vec<MsgId>> {
    bundles.iter().map(|bundle| bundle.iter().copied().map(id).collect()).collect()
}

fn drafts(numbers: impl IntoIterator<Item = u64>, len: usize) -> Command {
    Command::Send(numbers.into_iter().map(|n| draft(n, "bob", len)).collect())
}

fn accepted(n: u64, count: u32) -> PeerInput {
    PeerInput::Frame(FromServer::Accepted { id: id(n), count, duplicate: false })
}

fn told(n: u64, count: u32) -> PeerOutput {
    PeerOutput::Event(Event::Accepted { id: id(n), count, duplicate: false })
}

#[test]
fn what_is_alike_and_comes_at_one_time_goes_in_one_frame() {
    let mut alone = Alone::welcomed();
    let out = alone.takes(drafts(1..6, 9));
    assert_eq!(out, [PeerOutput::Frame(sends(1..6, "bob", 9))]);
    let volatile = |n| Draft { volatile: true, ..draft(n, "@ops", 0) };
    let out = alone.takes(Command::Send((6..9).map(volatile).collect()));
    assert_eq!(out, [PeerOutput::Frame(passes(6..9, "@ops", 0))], "empty ones too");
    let out = alone.takes(drafts(9..10, 9));
    assert_eq!(out, [PeerOutput::Frame(sends(9..10, "bob", 9))]);
}

#[test]
fn what_differs_goes_apart() {
    let headers = || Headers::new(vec![("a".into(), "b".into())]).unwrap();
    let changes: [fn(&mut Draft); 4] = [
        |draft| draft.to = target("@bob"),
        |draft| draft.volatile = true,
        |draft| draft.id = id(30),
        |draft| *draft = head(2, "bob", CHUNK_LEN_MAX + 1),
    ];
    for change in changes {
        let mut three: Vec<Draft> = (1..4).map(|n| draft(n, "bob", 5)).collect();
        change(&mut three[1]);
        let mut alone = Alone::welcomed();
        let middle = three[1].id;
        let mut out = alone.takes(Command::Send(three));
        // The last one waits for the chunks of a long one.
        out.extend(alone.takes(Command::Chunk { id: id(2), index: 1, body: Default::default() }));
        assert_eq!(bundles(&out), [vec![id(1)], vec![middle], vec![id(3)]]);
    }
    let mut four: Vec<Draft> = (1..5).map(|n| draft(n, "bob", 5)).collect();
    four[2..].iter_mut().for_each(|draft| draft.headers = headers());
    let out = Alone::welcomed().takes(Command::Send(four));
    assert_eq!(bundles(&out), ids(&[&[1, 2], &[3, 4]]));
    let out = Alone::welcomed().takes(drafts([1, 2, 4, 5, 3], 5));
    assert_eq!(bundles(&out), ids(&[&[1, 2], &[4, 5], &[3]]), "in their order");
}

#[test]
fn a_frame_holds_no_more_than_it_may() {
    let out = Alone::welcomed().takes(drafts(1..BUNDLE_MAX as u64 + 3, 0));
    let counts: Vec<usize> = bundles(&out).iter().map(Vec::len).collect();
    assert_eq!(counts, [BUNDLE_MAX, 2]);
    for (len, counts) in [(CHUNK_LEN_MAX / 2, [2, 2].as_slice()), (CHUNK_LEN_MAX / 2 + 1, &[1; 4])]
    {
        let out = Alone::welcomed().takes(drafts(1..5, len));
        let found: Vec<usize> = bundles(&out).iter().map(Vec::len).collect();
        assert_eq!(found, counts, "{len}");
    }
}

#[test]
fn a_bundle_keeps_to_what_may_be_unanswered() {
    let mut alone = Alone::welcomed_with(Limits { sends_max: 3, ..Limits::default() });
    assert_eq!(bundles(&alone.takes(drafts(1..9, 5))), ids(&[&[1, 2, 3]]));
    let out = alone.takes(accepted(1, 2));
    assert_eq!(bundles(&out), ids(&[&[4, 5]]));
    assert_eq!(out.first(), Some(&told(1, 2)));
    let mut alone = Alone::welcomed_with(Limits { send_bytes_max: 20, ..Limits::default() });
    assert_eq!(bundles(&alone.takes(drafts(1..9, 6))), ids(&[&[1, 2, 3]]));
    assert_eq!(bundles(&alone.takes(accepted(2, 1))), ids(&[&[4]]));
    // A larger one goes alone, and no later one with it.
    let mut alone = Alone::welcomed_with(Limits { send_bytes_max: 20, ..Limits::default() });
    alone.takes(drafts([1], 50));
    assert_eq!(bundles(&alone.takes(drafts(2..4, 0))), ids(&[]));
    assert_eq!(bundles(&alone.takes(accepted(1, 1))), ids(&[&[2, 3]]));
}

#[test]
fn of_a_bundle_only_the_body_that_is_too_long_is_refused() {
    let mut alone = Alone::welcomed_with(Limits { body_len_max: 10, ..Limits::default() });
    let lengths = [(1, 10), (2, 10), (3, 11), (4, 10)];
    let drafts = lengths.map(|(n, len)| draft(n, "bob", len));
    let out = alone.takes(Command::Send(drafts.into()));
    assert_eq!(bundles(&out), ids(&[&[1, 2], &[4]]));
    let why = Refusal::BodyTooLong { max: 10 };
    assert_eq!(out[1], PeerOutput::Event(Event::Refused { id: id(3), count: 1, why }));
}

#[test]
fn answers_are_for_any_part_of_a_bundle_and_in_any_order() {
    let mut alone = Alone::welcomed();
    alone.takes(drafts(1..10, 5));
    assert_eq!(alone.takes(accepted(4, 2)), [told(4, 2)]);
    assert_eq!(alone.takes(accepted(4, 2)), [], "answered twice, told once");
    let why = Refusal::MailboxFull;
    let refused = FromServer::Refused { id: id(8), count: 2, why };
    let out = alone.takes(PeerInput::Frame(refused));
    assert_eq!(out, [PeerOutput::Event(Event::Refused { id: id(8), count: 2, why })]);
    assert_eq!(alone.takes(accepted(1, 3)), [told(1, 3)]);
    assert!(alone.peer.is_waiting());
    assert_eq!(alone.takes(accepted(6, u32::MAX)), [told(6, 2)], "no more than there are");
    assert!(!alone.peer.is_waiting());
    assert_eq!(alone.takes(accepted(6, 0)), []);
}

#[test]
fn what_of_a_bundle_has_no_answer_is_sent_again() {
    let mut alone = Alone::welcomed();
    alone.takes(drafts(1..10, 5));
    alone.takes(accepted(1, 1));
    alone.takes(accepted(4, 2));
    link_lost(&mut alone);
    assert_eq!(alone.takes(drafts(10..12, 5)), []);
    assert_eq!(bundles(&linked(&mut alone)), ids(&[&[2, 3], &[6, 7, 8, 9, 10, 11]]));
    alone.takes(accepted(6, 6));
    link_lost(&mut alone);
    assert_eq!(bundles(&linked(&mut alone)), ids(&[&[2, 3]]));
}

#[test]
fn volatile_ones_are_each_uncertain() {
    let mut alone = Alone::welcomed();
    let volatile = |n| Draft { volatile: true, ..draft(n, "bob", 5) };
    alone.takes(Command::Send((1..5).map(volatile).collect()));
    let passed = FromServer::VolatileSent { id: id(1), count: 2, readers: 1 };
    let out = alone.takes(PeerInput::Frame(passed));
    let told = Event::VolatileSent { id: id(1), count: 2, readers: 1 };
    assert_eq!(out, [PeerOutput::Event(told)]);
    let out = link_lost(&mut alone);
    let uncertain = [3, 4].map(|n| PeerOutput::Event(Event::Uncertain { id: id(n) }));
    assert_eq!(out[..2], uncertain);
    assert!(!alone.peer.is_waiting());
}
