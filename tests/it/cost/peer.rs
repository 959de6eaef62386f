//! The client's state machine, from drafts to bytes and from bytes to events.

use bytes::{Bytes, BytesMut};
use qmsg::logic::{
    Command, Draft, Event, Intent, Limits, Peer, PeerInput, PeerOutput, Prefetch, Time, greeting,
};
use qmsg::wire::{
    Body, Bundle, Decoder, Envelope, FromServer, Headers, Message, MsgId, Seq, encode,
};

use super::{Heap, PEER_RECEIVES, PEER_RECEIVES_ALONE, PEER_SENDS, PEER_SENDS_ALONE};

const NOW: Time = Time { mono_ms: 1_000, unix_ms: 1_800_000_000_000 };
const TURN: usize = 64;
const TURNS: usize = 32;
const BODY_LEN: usize = 100;

struct Client {
    peer: Peer,
    decoder: Decoder<FromServer>,
    up: BytesMut,
    received: Vec<Seq>,
    answered: usize,
}

impl Client {
    /// A client that is welcomed and has no messages waiting.
    fn new() -> Self {
        let prefetch = Some(Prefetch { messages: 1024, bytes: 4 << 20, ..Prefetch::DEFAULT });
        let id = "bob".parse().unwrap();
        let intent = Intent { id, claim: false, code: None, prefetch, patience_ms: None };
        let peer = Peer::new(NOW, intent, 7);
        let (decoder, up, received) = (Decoder::new(1 << 20), BytesMut::new(), vec![]);
        let mut client = Self { peer, decoder, up, received, answered: 0 };
        client.feed(PeerInput::Tick);
        client.feed(PeerInput::Linked);
        let welcome = FromServer::Welcome { id: "bob".parse().unwrap(), claimed: false };
        let frames = [greeting(&Limits::default(), NOW), welcome, FromServer::CaughtUp];
        client.receive(&encoded(&frames));
        client
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
        while let Some(frame) = self.decoder.next_frame().unwrap() {
            self.feed(PeerInput::Frame(frame));
        }
    }

    fn feed(&mut self, input: impl Into<PeerInput>) {
        let mut outputs = Vec::new();
        self.peer.handle(NOW, input.into(), &mut outputs);
        for output in outputs {
            match output {
                PeerOutput::Dial => {}
                PeerOutput::Frame(frame) => encode(&frame, &mut self.up),
                PeerOutput::Event(event @ Event::Messages { .. }) => {
                    self.received.extend(event.seqs());
                }
                PeerOutput::Event(Event::Accepted { count, .. }) => self.answered += count as usize,
                PeerOutput::Event(_) => {}
            }
        }
    }
}

fn encoded(frames: &[FromServer]) -> BytesMut {
    let mut bytes = BytesMut::new();
    frames.iter().for_each(|frame| encode(frame, &mut bytes));
    bytes
}

fn id(n: usize) -> MsgId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&(n as u64).to_be_bytes());
    MsgId::new(NOW.unix_ms, random)
}

fn body() -> Body {
    Body(Bytes::from(vec![b'x'; BODY_LEN]))
}

fn draft(n: usize) -> Draft {
    let (to, headers, size) = ("bob".parse().unwrap(), Headers::default(), BODY_LEN as u64);
    Draft {
        volatile: false,
        due_ms: None,
        envelope: Envelope { id: id(n), to, headers, size, body: body() },
    }
}

/// Bundle of `count` messages for delivery.
fn delivery(n: usize, count: usize) -> FromServer {
    let (from, to) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    let (time_ms, headers, size) = (NOW.unix_ms, Headers::default(), BODY_LEN as u64);
    let first = Message {
        from,
        time_ms,
        envelope: Envelope { id: id(n), to, headers, size, body: body() },
    };
    let others = vec![body(); count - 1].iter().collect();
    FromServer::deliver(n as Seq + 1, &Bundle { first, others })
}

/// Heap use of drafts and their answers, `count` at a time.
fn sends(count: usize) -> Heap {
    let mut client = Client::new();
    let turn = |turn: usize| {
        let firsts = (turn * TURN..(turn + 1) * TURN).step_by(count);
        let accepted =
            |n| FromServer::Accepted { id: id(n), count: count as u32, duplicate: false };
        let answers: Vec<_> = firsts.clone().map(accepted).collect();
        let drafts = firsts.map(|first| (first..first + count).map(draft).collect::<Vec<_>>());
        (drafts.collect::<Vec<_>>(), encoded(&answers))
    };
    let mut carry = |(drafts, answers): (Vec<_>, BytesMut)| {
        drafts.into_iter().for_each(|drafts| client.feed(Command::Send(drafts)));
        client.up.clear();
        client.receive(&answers);
    };
    carry(turn(0));
    let turns: Vec<_> = (1..=TURNS).map(turn).collect();
    let heap = Heap::measured(TURNS * TURN, || turns.into_iter().for_each(carry));
    assert_eq!(client.answered, (TURNS + 1) * TURN);
    heap
}

#[test]
fn sending_takes_little_of_the_heap() {
    sends(TURN).check("peer, sends, bundles", PEER_SENDS);
    sends(1).check("peer, sends, one by one", PEER_SENDS_ALONE);
}

fn receives(count: usize) -> Heap {
    let mut client = Client::new();
    let turn = |turn: usize| {
        let firsts = (turn * TURN..(turn + 1) * TURN).step_by(count);
        let deliveries: Vec<_> = firsts.map(|first| delivery(first, count)).collect();
        let confirmed = FromServer::AckRecorded { count: TURN as u32 };
        (encoded(&deliveries), encoded(&[confirmed]))
    };
    let mut total = 0;
    let mut carry = |(deliveries, confirmed): (BytesMut, BytesMut)| {
        client.receive(&deliveries);
        let seqs = std::mem::take(&mut client.received);
        total += seqs.len();
        client.feed(Command::Ack(seqs));
        client.up.clear();
        client.receive(&confirmed);
    };
    carry(turn(0));
    let turns: Vec<_> = (1..=TURNS).map(turn).collect();
    let heap = Heap::measured(TURNS * TURN, || turns.into_iter().for_each(carry));
    assert_eq!(total, (TURNS + 1) * TURN);
    heap
}

#[test]
fn receiving_takes_little_of_the_heap() {
    receives(TURN).check("peer, receives, bundles", PEER_RECEIVES);
    receives(1).check("peer, receives, one by one", PEER_RECEIVES_ALONE);
}
