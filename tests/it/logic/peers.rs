//! The client's state machine alone, fed by hand.

use qmsg::logic::{
    Command, Draft, Ending, Event, Intent, Limits, Peer, PeerInput, PeerOutput, Prefetch, Time,
    greeting,
};
use qmsg::wire::{
    Bundle, CHUNK_LEN_MAX, CloseCode, Envelope, FromClient, FromServer, Message, SPANS_MAX, Span,
    Target,
};

use super::server::START;
use super::{draft, id, user};

pub(super) struct Alone {
    pub(super) peer: Peer,
    now: Time,
}

impl Alone {
    pub(super) fn new(patience_ms: Option<u64>, seed: u64) -> Self {
        let id = user("alice");
        let intent = Intent { id, claim: false, code: None, prefetch: None, patience_ms };
        Self { peer: Peer::new(START, intent, seed), now: START }
    }

    pub(super) fn takes(&mut self, input: impl Into<PeerInput>) -> Vec<PeerOutput> {
        let mut out = vec![];
        self.peer.handle(self.now, input.into(), &mut out);
        out
    }

    /// Lets time pass up to the next deadline. Returns the time passed, in milliseconds.
    pub(super) fn waits(&mut self) -> u64 {
        let ms = self.peer.deadline().unwrap() - self.now.mono_ms;
        self.now.mono_ms += ms;
        ms
    }

    /// A client that a server has welcomed.
    pub(super) fn welcomed() -> Self {
        let mut alone = Self::new(None, 1);
        alone.is_welcomed();
        alone
    }

    /// A client that a server with these limits has welcomed.
    pub(super) fn welcomed_with(limits: Limits) -> Self {
        let mut alone = Self::new(None, 1);
        alone.is_welcomed_with(limits);
        alone
    }

    pub(super) fn is_welcomed(&mut self) {
        self.is_welcomed_with(Limits { body_len_max: 16 << 20, ..Limits::default() });
    }

    fn is_welcomed_with(&mut self, limits: Limits) {
        self.takes(PeerInput::Tick);
        self.takes(PeerInput::Linked);
        self.takes(PeerInput::Frame(greeting(&limits, START)));
        let welcome = FromServer::Welcome { id: user("alice"), claimed: false };
        self.takes(PeerInput::Frame(welcome));
    }
}

/// The pauses before `count` attempts that all fail, in milliseconds.
fn pauses(seed: u64, count: usize) -> Vec<u64> {
    let mut alone = Alone::new(None, seed);
    assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Dial]);
    let mut pause = || {
        alone.takes(PeerInput::Ended(Ending::Silence));
        let ms = alone.waits();
        assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Dial]);
        ms
    };
    (0..count).map(|_| pause()).collect()
}

#[test]
fn pauses_grow_within_bounds_and_differ_by_seed() {
    let all = pauses(3, 100);
    assert!((50..=100).contains(&all[0]), "{all:?}");
    assert!((100..=200).contains(&all[1]));
    assert!(all[3..].iter().all(|ms| (250..=500).contains(ms)), "{all:?}");
    assert_eq!(all, pauses(3, 100));
    assert_ne!(all, pauses(4, 100));
}

/// A client whose draft waits for an answer.
fn waiting(patience_ms: Option<u64>) -> Alone {
    let mut alone = Alone::new(patience_ms, 1);
    alone.takes(Command::Send(vec![draft(1, "bob", 1)]));
    alone
}

#[test]
fn an_answer_makes_pauses_short_again_and_a_welcome_does_not() {
    let mut alone = waiting(None);
    let mut pauses = vec![];
    for _ in 0..9 {
        alone.is_welcomed();
        alone.takes(PeerInput::Ended(Ending::Silence));
        pauses.push(alone.waits());
    }
    assert!((50..=100).contains(&pauses[0]), "{pauses:?}");
    assert!(pauses[6..].iter().all(|ms| (2_000..=4_000).contains(ms)), "{pauses:?}");
    alone.is_welcomed();
    let accepted = FromServer::Accepted { id: id(1), count: 1, duplicate: false };
    alone.takes(PeerInput::Frame(accepted));
    alone.takes(PeerInput::Ended(Ending::Silence));
    assert!(alone.waits() <= 50);
}

/// A welcome does not renew patience, however often the server gives one and then dies.
#[test]
fn patience_is_counted_from_the_last_answer_not_from_a_welcome() {
    let mut alone = waiting(Some(3_000));
    let (mut links, mut out) = (0, vec![]);
    while !out.contains(&PeerOutput::Event(Event::GaveUp(None))) {
        links += 1;
        alone.is_welcomed();
        alone.takes(PeerInput::Frame(FromServer::Ping { number: links }));
        alone.now.mono_ms += 10;
        alone.takes(PeerInput::Ended(Ending::Silence));
        alone.waits();
        out = alone.takes(PeerInput::Tick);
    }
    assert_eq!(alone.now.mono_ms, START.mono_ms + 3_000);
    assert!((3..=8).contains(&links), "{links} links");
}

/// Credit for chunks counts as an answer only beyond the furthest chunk of earlier links.
#[test]
fn a_body_that_is_begun_again_and_again_costs_patience() {
    let mut alone = Alone::new(Some(3_000), 1);
    let long = draft(1, "bob", 40 * CHUNK_LEN_MAX);
    alone.takes(Command::Send(vec![long]));
    let more = |parts| PeerInput::Frame(FromServer::ChunkCredit { parts });
    let deadline = |alone: &Alone| alone.peer.deadline().unwrap() - alone.now.mono_ms;
    for (ms, parts) in [(1_000, 2), (500, 3)] {
        alone.is_welcomed();
        alone.now.mono_ms += ms;
        alone.takes(more(parts));
        assert_eq!(deadline(&alone), 3_000, "it has come further");
        alone.takes(PeerInput::Ended(Ending::Silence));
        alone.waits();
    }
    alone.is_welcomed();
    let left = deadline(&alone);
    alone.now.mono_ms += 100;
    alone.takes(more(3));
    assert_eq!(deadline(&alone), left - 100, "it was as far before");
    alone.takes(more(1));
    assert_eq!(deadline(&alone), 3_000);
}

/// While the reader has something to ack, patience for the backlog does not run.
#[test]
fn patience_is_counted_until_a_reader_has_caught_up() {
    let window = Prefetch { messages: 10, bytes: 1_000, ..Prefetch::DEFAULT };
    let id = user("alice");
    let prefetch = Some(window);
    let intent = Intent { id, claim: false, code: None, prefetch, patience_ms: Some(1_000) };
    let mut alone = Alone { peer: Peer::new(START, intent, 1), now: START };
    alone.now.mono_ms += 300;
    alone.is_welcomed();
    assert_eq!(alone.peer.deadline(), Some(START.mono_ms + 1_000));
    let Draft { envelope, .. } = draft(1, "alice", 1);
    let message = Message { from: user("bob"), time_ms: 1, envelope };
    alone.takes(PeerInput::Frame(FromServer::deliver(1, &message.into())));
    assert_eq!(alone.peer.deadline(), None, "the reader has something to do");
    assert!(!alone.peer.is_waiting(), "and may go when it has done it");
    alone.now.mono_ms += 50_000;
    alone.takes(Command::Ack(vec![1]));
    assert_eq!(alone.peer.deadline(), Some(alone.now.mono_ms + 1_000));
    alone.takes(PeerInput::Frame(FromServer::AckRecorded { count: 1 }));
    assert_eq!(alone.peer.deadline(), Some(alone.now.mono_ms + 1_000), "there may be more");
    alone.takes(PeerInput::Frame(FromServer::CaughtUp));
    assert_eq!(alone.peer.deadline(), None);
}

#[test]
fn offline_is_said_once_until_there_is_an_answer() {
    let mut alone = waiting(None);
    let offline = [PeerOutput::Event(Event::Offline)];
    alone.is_welcomed();
    assert_eq!(alone.takes(PeerInput::Ended(Ending::Silence)), offline);
    for _ in 0..3 {
        alone.waits();
        assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Dial]);
        assert_eq!(alone.takes(PeerInput::Ended(Ending::Silence)), []);
    }
    alone.waits();
    alone.is_welcomed();
    assert_eq!(alone.takes(PeerInput::Ended(Ending::Silence)), [], "a welcome is none");
    alone.waits();
    alone.is_welcomed();
    let accepted = FromServer::Accepted { id: id(1), count: 1, duplicate: false };
    alone.takes(PeerInput::Frame(accepted));
    assert_eq!(alone.takes(PeerInput::Ended(Ending::Silence)), offline);
}

#[test]
fn what_time_mends_is_tried_again_and_the_rest_is_final() {
    use CloseCode as Code;
    let mended = [Code::Done, Code::Stopping, Code::Busy, Code::TooSlow];
    for code in Code::ALL {
        let mut alone = Alone::new(None, 1);
        alone.takes(PeerInput::Tick);
        alone.takes(PeerInput::Linked);
        let out = alone.takes(PeerInput::Ended(Ending::Closed(Some(code))));
        if mended.contains(&code) {
            assert_eq!(out, [PeerOutput::Event(Event::Offline)], "{code:?}");
            alone.waits();
            assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Dial]);
        } else {
            assert_eq!(out, [PeerOutput::Event(Event::Denied(Some(code)))]);
            assert_eq!(alone.takes(Command::Send(vec![draft(1, "bob", 1)])), []);
        }
    }
    let mut alone = Alone::new(None, 1);
    let out = alone.takes(PeerInput::Ended(Ending::Closed(None)));
    assert_eq!(out, [PeerOutput::Event(Event::Denied(None))], "a number of a later version");
}

#[test]
fn patience_ends_when_no_answer_comes() {
    let mut alone = Alone::new(Some(1_000), 1);
    alone.takes(PeerInput::Tick);
    assert_eq!(alone.peer.deadline(), Some(START.mono_ms + 1_000));
    alone.now.mono_ms += 900;
    alone.is_welcomed();
    assert_eq!(alone.peer.deadline(), None, "nothing is awaited");
    alone.now.mono_ms += 50_000;
    alone.takes(Command::Send(vec![draft(1, "bob", 1)]));
    alone.now.mono_ms += 600;
    alone.takes(Command::Send(vec![draft(2, "bob", 1)]));
    assert_eq!(alone.peer.deadline(), Some(alone.now.mono_ms + 400), "the first has waited");
    let accepted = FromServer::Accepted { id: id(1), count: 1, duplicate: false };
    alone.takes(PeerInput::Frame(accepted));
    assert_eq!(alone.waits(), 1_000, "an answer starts it anew");
    assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Event(Event::GaveUp(None))]);
    assert_eq!(alone.takes(PeerInput::Tick), []);
}

/// Recipients may take their time, and the user has a time limit of its own.
#[test]
fn patience_is_not_counted_for_watches() {
    let mut alone = Alone::new(Some(1_000), 1);
    alone.is_welcomed();
    alone.takes(Command::Track { id: id(1), to: Target::User(user("bob")) });
    assert_eq!((alone.peer.deadline(), alone.peer.is_waiting()), (None, true));
    alone.now.mono_ms += 50_000;
    alone.takes(Command::Send(vec![draft(2, "bob", 1)]));
    assert_eq!(alone.peer.deadline(), Some(alone.now.mono_ms + 1_000), "from now");
    let accepted = FromServer::Accepted { id: id(2), count: 1, duplicate: false };
    alone.takes(PeerInput::Frame(accepted));
    assert_eq!(alone.peer.deadline(), None);
    alone.takes(PeerInput::Ended(Ending::Silence));
    alone.now.mono_ms += 50_000;
    assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Dial], "it goes on trying");
    alone.takes(Command::Untrack(id(1)));
    assert!(!alone.peer.is_waiting());
}

#[test]
fn patience_ends_without_a_link_too() {
    let mut alone = Alone::new(Some(300), 1);
    alone.takes(PeerInput::Tick);
    let mut out = vec![];
    while !out.contains(&PeerOutput::Event(Event::GaveUp(None))) {
        assert!(alone.now.mono_ms <= START.mono_ms + 300);
        alone.takes(PeerInput::Ended(Ending::Silence));
        alone.waits();
        out = alone.takes(PeerInput::Tick);
    }
    assert_eq!(alone.now.mono_ms, START.mono_ms + 300);
}

#[test]
fn it_takes_no_more_than_it_has_room_for() {
    let mut alone = Alone::new(None, 1);
    for n in 0..16_384 {
        assert!(alone.peer.has_room());
        alone.takes(Command::Send(vec![draft(n, "bob", 1)]));
    }
    assert!(!alone.peer.has_room(), "in messages");
    let mut alone = Alone::new(None, 1);
    for n in 0..8 {
        assert!(alone.peer.has_room());
        alone.takes(Command::Send(vec![draft(n, "bob", 1 << 20)]));
    }
    assert!(!alone.peer.has_room(), "in bytes");
}

#[test]
fn what_was_not_answered_is_sent_again_first_and_in_order() {
    let mut alone = Alone::new(None, 1);
    alone.is_welcomed();
    for n in 1..=3 {
        alone.takes(Command::Send(vec![draft(n, "bob", 1)]));
    }
    let accepted = FromServer::Accepted { id: id(2), count: 1, duplicate: false };
    alone.takes(PeerInput::Frame(accepted.clone()));
    assert_eq!(alone.takes(PeerInput::Frame(accepted)), [], "answered twice, told once");
    alone.takes(PeerInput::Ended(Ending::Silence));
    alone.takes(Command::Send(vec![draft(4, "bob", 1)]));
    alone.waits();
    alone.takes(PeerInput::Tick);
    alone.takes(PeerInput::Linked);
    let out = alone.takes(PeerInput::Frame(greeting(&Limits::default(), START)));
    let sent = |output: &PeerOutput| match output {
        PeerOutput::Frame(FromClient::Send { envelope: Envelope { id, .. }, others }) => {
            Some((*id, others.count()))
        }
        _ => None,
    };
    let sent: Vec<_> = out.iter().filter_map(sent).collect();
    assert_eq!(sent, [(id(1), 0), (id(3), 1)], "the last two together");
}

#[test]
fn when_all_is_over_it_waits_for_nothing() {
    let mut alone = Alone::new(Some(10), 1);
    alone.takes(PeerInput::Tick);
    alone.waits();
    assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Event(Event::GaveUp(None))]);
    assert_eq!(alone.peer.deadline(), None);
}

#[test]
fn a_report_is_no_longer_than_a_frame_may_be() {
    let mut alone = Alone::new(None, 1);
    alone.is_welcomed();
    let Draft { envelope, .. } = draft(1, "alice", 1);
    let message = Message { from: user("bob"), time_ms: 1, envelope };
    // Every other one, so that each is a span of its own.
    let seqs = || (1..=5_000).step_by(2);
    for seq in seqs() {
        let deliver = FromServer::deliver(seq, &message.clone().into());
        alone.takes(PeerInput::Frame(deliver));
    }
    let out = alone.takes(Command::Ack(seqs().collect()));
    let report = |seqs| PeerOutput::Frame(super::processed(seqs));
    let (first, rest) = (seqs().take(SPANS_MAX), seqs().skip(SPANS_MAX));
    assert_eq!(out, [report(first.collect::<Vec<_>>()), report(rest.collect())]);
}

#[test]
fn seqs_that_no_server_reaches_are_ignored() {
    let mut alone = Alone::welcomed();
    let deliver = |seq, count: usize| {
        let Draft { envelope, .. } = draft(1, "alice", 1);
        let others = vec![envelope.body.clone(); count - 1].iter().collect();
        let first = Message { from: user("bob"), time_ms: 1, envelope };
        PeerInput::Frame(FromServer::deliver(seq, &Bundle { first, others }))
    };
    let lost = |seq| {
        PeerInput::Frame(FromServer::Gap { seq, to: "@all".parse().unwrap(), count: u64::MAX })
    };
    for beyond in [deliver(u64::MAX, 1), deliver(u64::MAX - 2, 3), lost(u64::MAX)] {
        assert_eq!(alone.takes(beyond), []);
    }
    assert_eq!(alone.takes(deliver(u64::MAX - 3, 3)).len(), 1);
    let out = alone.takes(Command::Ack((u64::MAX - 3..u64::MAX).collect()));
    let last = Span { first: u64::MAX - 3, last: u64::MAX - 1 };
    assert_eq!(out, [PeerOutput::Frame(FromClient::Ack(vec![last]))]);
    assert_eq!(alone.takes(PeerInput::Frame(FromServer::AckRecorded { count: u32::MAX })).len(), 1);
}

#[test]
fn clocks_that_differ_are_told_of_on_every_link() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    for (ahead_ms, is_told) in
        [(0, false), (59_000, false), (-59_000, false), (61_000, true), (-400 * DAY_MS, true)]
    {
        let mut alone = Alone::new(None, 1);
        for _ in 0..2 {
            alone.takes(PeerInput::Tick);
            alone.takes(PeerInput::Linked);
            let unix_ms = START.unix_ms.saturating_add_signed(ahead_ms);
            let hello = greeting(&Limits::default(), Time { unix_ms, ..START });
            let told = alone.takes(PeerInput::Frame(hello));
            let skewed = PeerOutput::Event(Event::ClockSkew { ahead_ms });
            assert_eq!(told.first() == Some(&skewed), is_told, "{ahead_ms}: {told:?}");
            assert!(matches!(told.last(), Some(PeerOutput::Frame(FromClient::Hello { .. }))));
            alone.takes(PeerInput::Ended(Ending::Silence));
            alone.waits();
        }
    }
}
