//! The hub from bytes to bytes, with a store that grants every request.

use bytes::{Bytes, BytesMut};
use qmsg::durable::{
    AppendOutcome, Appended, Claimed, Found, Outcome, Page, Read, RequestId, RoomJoined,
    StoredCursor, Write,
};
use qmsg::logic::{Hub, Input, Limits, LinkId, Output, Time};
use qmsg::wire::{
    Body, BundleRest, Decoder, Envelope, Features, FromClient, FromServer, Headers, MsgId, Pin,
    Seq, Span, Target, UserId, encode,
};

use super::{HUB_ALONE, HUB_ROOM, HUB_STORED, HUB_VOLATILE, HUB_VOLATILE_ALONE, Heap};

const NOW: Time = Time { mono_ms: 1_000, unix_ms: 1_800_000_000_000 };
/// Messages that arrive together.
const TURN: usize = 64;
const TURNS: usize = 32;
const BODY_LEN: usize = 100;

struct Server {
    hub: Hub,
    links: Vec<Link>,
    batch: Vec<(RequestId, Write)>,
    reads: Vec<(RequestId, Read)>,
    seq: Seq,
    /// Rooms that already have members.
    rooms: Vec<Target>,
}

/// Buffers of a link, and its deliveries that are not acked yet.
struct Link {
    decoder: Decoder<FromClient>,
    down: BytesMut,
    delivered: Vec<Span>,
    volatile: u32,
}

impl Link {
    /// Notes a delivery; neighbouring ranges are joined, as a client does in its acks.
    fn delivered(&mut self, next: Span) {
        match self.delivered.last_mut() {
            Some(span) if span.last + 1 == next.first => span.last = next.last,
            _ => self.delivered.push(next),
        }
    }
}

impl Server {
    fn new(users: &[&str]) -> Self {
        let hub = Hub::new(Limits::default());
        let (links, batch, reads, rooms) = (vec![], vec![], vec![], vec![]);
        let mut server = Self { hub, links, batch, reads, seq: 0, rooms };
        for (number, user) in (0..).zip(users) {
            let decoder = Decoder::new(1 << 20);
            server.links.push(Link {
                decoder,
                down: BytesMut::new(),
                delivered: vec![],
                volatile: 0,
            });
            server.feed([Input::Opened { link: LinkId(number), key: Pin([1; 32]) }]);
            let id: UserId = user.parse().unwrap();
            server.say(
                number,
                &[FromClient::Hello {
                    id,
                    claim: true,
                    code: None,
                    session: None,
                    features: Features::KNOWN,
                }],
            );
        }
        server
    }

    /// Feeds frames of one link to the hub as bytes, and handles all that follows.
    fn say(&mut self, link: u64, frames: &[FromClient]) {
        let bytes = encoded(frames);
        self.receive(link, &bytes);
    }

    fn receive(&mut self, link: u64, bytes: &[u8]) {
        let number = link as usize;
        self.links[number].decoder.push(bytes);
        let mut inputs = Vec::new();
        while let Some(frame) = self.links[number].decoder.next_frame().unwrap() {
            inputs.push(Input::Frame { link: LinkId(link), frame });
        }
        self.feed(inputs);
        while !(self.batch.is_empty() && self.reads.is_empty()) {
            let batch = std::mem::take(&mut self.batch);
            let answers = batch.into_iter().map(|(request, write)| (request, self.write(&write)));
            let answers = Input::Durable(answers.collect());
            self.feed([answers]);
            for (request, read) in std::mem::take(&mut self.reads) {
                let found = self.read(read);
                self.feed([Input::Found(request, found)]);
            }
        }
    }

    fn feed(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let mut outputs = Vec::new();
        for input in inputs {
            self.hub.handle(NOW, input, &mut outputs);
        }
        for output in outputs {
            match output {
                Output::Frame { link, frame } => encode(&frame, self.down(link)),
                Output::Deliver { links, record } => {
                    let frame = FromServer::deliver(record.seq, &record.bundle);
                    for link in links {
                        encode(&frame, self.down(link));
                        self.links[link.0 as usize].delivered(record.span());
                    }
                }
                Output::Volatile { links, bundle } => {
                    let frame = FromServer::volatile(&bundle);
                    for link in links {
                        encode(&frame, self.down(link));
                        self.links[link.0 as usize].volatile += bundle.count() as u32;
                    }
                }
                Output::Write(request, write) => self.batch.push((request, write)),
                Output::Read(request, read) => self.reads.push((request, read)),
                Output::Chunk { .. } => panic!("no long body"),
                Output::Close { link, code } => panic!("{link:?} is closed: {code:?}"),
            }
        }
    }

    fn down(&mut self, link: LinkId) -> &mut BytesMut {
        &mut self.links[link.0 as usize].down
    }

    fn write(&mut self, write: &Write) -> Outcome {
        match write {
            Write::Claim { .. } => Outcome::Claim(Ok(Claimed { new: true })),
            Write::Append { bundle, .. } => {
                let seq = self.seq + 1;
                self.seq += bundle.count();
                Outcome::Append(AppendOutcome::All(Ok(Appended { seq, ordinal: seq })))
            }
            Write::Ack { .. } => Outcome::Ack,
            Write::JoinRoom { room, .. } => {
                self.rooms.push(Target::Room(room.clone()));
                let cursor = StoredCursor::default();
                Outcome::JoinRoom(Ok(RoomJoined { changed: true, cursor }))
            }
            other => panic!("{other:?}"),
        }
    }

    fn read(&self, read: Read) -> Found {
        match read {
            Read::Owner { .. } => Found::Owner(Some(Pin([1; 32]))),
            Read::Target { .. } => Found::Target(Ok(())),
            Read::Mailbox { user } => {
                let logs =
                    [Target::User(user), Target::All].map(|log| (log, StoredCursor::default()));
                Found::Mailbox(logs.into())
            }
            Read::Page { .. } => {
                Found::Page(Page { items: vec![], through: self.seq, complete: true })
            }
            _ => panic!("nothing else is asked"),
        }
    }

    /// Subscribes a listener that has no messages waiting.
    fn subscribe(&mut self, link: u64) {
        self.say(
            link,
            &[FromClient::Subscribe {
                messages: 1024,
                bytes: 4 << 20,
                start: qmsg::wire::Start::Unacked,
                share: false,
            }],
        );
        self.links[link as usize].down.clear();
    }

    /// Acks all deliveries of the listeners.
    fn ack_all(&mut self) {
        for number in 0..self.links.len() {
            let spans = std::mem::take(&mut self.links[number].delivered);
            if !spans.is_empty() {
                self.say(number as u64, &[FromClient::Ack(spans)]);
            }
            let count = std::mem::take(&mut self.links[number].volatile);
            if count > 0 {
                self.say(number as u64, &[FromClient::AckVolatile { count }]);
            }
        }
        self.links.iter_mut().for_each(|link| link.down.clear());
    }

    /// Heap use of turns of `messages` each, all acked together. A first turn lets buffers grow and
    /// is not counted.
    fn heap(&mut self, messages: usize, turns: impl Fn(usize) -> Vec<FromClient>) -> Heap {
        let frames: Vec<_> = (0..=TURNS).map(|turn| encoded(&turns(turn))).collect();
        self.receive(0, &frames[0]);
        self.ack_all();
        Heap::measured(TURNS * messages, || {
            for bytes in &frames[1..] {
                self.receive(0, bytes);
                self.ack_all();
            }
        })
    }
}

fn encoded(frames: &[FromClient]) -> BytesMut {
    let mut bytes = BytesMut::new();
    frames.iter().for_each(|frame| encode(frame, &mut bytes));
    bytes
}

fn id(turn: usize, n: usize) -> MsgId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&((turn * TURN + n) as u64).to_be_bytes());
    MsgId::new(NOW.unix_ms, random)
}

fn body() -> Body {
    Body(Bytes::from(vec![b'x'; BODY_LEN]))
}

/// Bodies of the messages of a bundle after the first.
fn others(count: usize) -> BundleRest {
    vec![body(); count - 1].iter().collect()
}

/// Bundle of `count` messages.
fn send(turn: usize, n: usize, count: usize, to: &str) -> FromClient {
    let others = others(count);
    let (to, headers, size) = (to.parse().unwrap(), Headers::default(), BODY_LEN as u64);
    FromClient::Send {
        envelope: Envelope { id: id(turn, n), to, headers, size, body: body() },
        others,
    }
}

fn volatile(turn: usize, n: usize, count: usize) -> FromClient {
    let others = others(count);
    let (to, headers, size) = ("bob".parse().unwrap(), Headers::default(), BODY_LEN as u64);
    FromClient::Volatile {
        envelope: Envelope { id: id(turn, n), to, headers, size, body: body() },
        others,
    }
}

#[test]
fn a_stored_message_takes_little_of_the_heap() {
    let mut server = Server::new(&["alice", "bob"]);
    server.subscribe(1);
    let heap = server.heap(TURN, |turn| vec![send(turn, 0, TURN, "bob")]);
    assert_eq!(server.seq as usize, (TURNS + 1) * TURN);
    heap.check("hub, stored, bundles", HUB_STORED);
    let mut server = Server::new(&["alice", "bob"]);
    server.subscribe(1);
    let heap = server.heap(TURN, |turn| (0..TURN).map(|n| send(turn, n, 1, "bob")).collect());
    assert_eq!(server.seq as usize, (TURNS + 1) * TURN);
    heap.check("hub, stored, one by one", HUB_ALONE);
}

#[test]
fn a_thousand_idle_listeners_change_nothing() {
    let names: Vec<String> = (0..1_000).map(|n| format!("user-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut server = Server::new(&names);
    (1..1_000).for_each(|link| server.subscribe(link));
    let heap = server.heap(TURN, |turn| vec![send(turn, 0, TURN, "user-7")]);
    heap.check("hub, stored, bundles, a thousand links", HUB_STORED);
    let heap = server
        .heap(TURN, |turn| (0..TURN).map(|n| send(TURNS + 1 + turn, n, 1, "user-7")).collect());
    heap.check("hub, stored, one by one, a thousand links", HUB_ALONE);
}

#[test]
fn a_message_to_a_room_takes_little_for_each_listener() {
    let names: Vec<String> = (0..=TURN).map(|n| format!("user-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut server = Server::new(&names);
    for link in 1..=TURN as u64 {
        server.subscribe(link);
        server.say(link, &[FromClient::JoinRoom("ops".parse().unwrap())]);
        server.links[link as usize].down.clear();
    }
    let heap = server.heap(1, |turn| vec![send(turn, 0, 1, "@ops")]);
    let each = |sum: f64| sum / TURN as f64;
    let heap = Heap { allocations: each(heap.allocations), bytes: each(heap.bytes) };
    heap.check("hub, room, for each listener", HUB_ROOM);
}

#[test]
fn a_volatile_message_takes_little_of_the_heap() {
    let mut server = Server::new(&["alice", "bob"]);
    server.subscribe(1);
    let heap = server.heap(TURN, |turn| vec![volatile(turn, 0, TURN)]);
    heap.check("hub, volatile, bundles", HUB_VOLATILE);
    let heap =
        server.heap(TURN, |turn| (0..TURN).map(|n| volatile(TURNS + 1 + turn, n, 1)).collect());
    heap.check("hub, volatile, one by one", HUB_VOLATILE_ALONE);
}
