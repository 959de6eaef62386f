//! The pure layer: hub and peer against a model of the store, first in readable scenes, then at
//! random.

mod budget;
mod bundles;
mod client;
mod clocks;
mod delivery;
mod dispositions;
mod download;
mod expiry;
mod features;
mod following;
mod gaps;
mod hello;
pub(crate) mod hostile;
mod kinds;
mod long;
mod obstacles;
mod outbox;
mod parked;
mod parts;
mod peers;
mod random;
mod recovering;
mod release;
mod resume_grace;
mod rooms;
mod sends;
pub(crate) mod server;
mod sharing;
mod snapshot;
mod start_position;
mod sweep;
mod take_over;
mod tracked_expiry;
mod tracking;
mod upload;
mod volatile;
mod volatile_bodies;
mod world;

use std::ops::Range;

use qmsg::durable::Quotas;
use qmsg::logic::{Draft, Limits, LinkId};
use qmsg::wire::{
    Body, BundleRest, CHUNK_LEN_MAX, CloseCode, Envelope, Features, FromClient, FromServer,
    Headers, MsgId, Pin, Refusal, RoomName, Seq, Span, Target, UserId,
};

use server::{START, Said, Server};

/// The key of a user's client, made from the name alone.
fn key(name: &str) -> Pin {
    let mut key = [0; 32];
    key[..name.len()].copy_from_slice(name.as_bytes());
    Pin(key)
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn room(name: &str) -> RoomName {
    name.parse().unwrap()
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

/// The `n`th id made at `unix_ms`.
fn id_at(unix_ms: u64, n: u64) -> MsgId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    MsgId::new(unix_ms, random)
}

fn id(n: u64) -> MsgId {
    id_at(START.unix_ms, n)
}

/// The body of `size` bytes of the message with this id: no two messages, and no two chunks, are
/// alike.
fn body_of(id: MsgId, size: u64) -> Body {
    stretch_of(id, 0..size)
}

fn stretch_of(id: MsgId, stretch: Range<u64>) -> Body {
    let n = u64::from_be_bytes(*id.as_bytes().last_chunk().unwrap());
    let mut bytes = Vec::new();
    for start in stretch.clone().step_by(512) {
        let chunk = (n << 32 | start).to_be_bytes().repeat(64);
        bytes.extend_from_slice(&chunk[..(stretch.end - start).min(512) as usize]);
    }
    Body(bytes.into())
}

fn draft(n: u64, to: &str, len: usize) -> Draft {
    let mut draft = head(n, to, len);
    draft.body = body_of(draft.id, draft.size);
    draft
}

/// A draft whose parts are to be asked for.
fn head(n: u64, to: &str, len: usize) -> Draft {
    let (id, size) = (id(n), len as u64);
    let (headers, body) = (Headers::default(), part_of(id, size, 0));
    Draft {
        volatile: false,
        due_ms: None,
        envelope: Envelope { id, to: target(to), headers, size, body },
    }
}

/// A part of the body of the message with this id.
fn part_of(id: MsgId, size: u64, index: u64) -> Body {
    let start = index * CHUNK_LEN_MAX as u64;
    stretch_of(id, start..size.min(start + CHUNK_LEN_MAX as u64))
}

fn send(n: u64, to: &str, len: usize) -> FromClient {
    sends(n..n + 1, to, len)
}

/// A message with a time to live.
fn brief(n: u64, to: &str, ttl: &str) -> FromClient {
    match send(n, to, 5) {
        FromClient::Send { envelope: Envelope { id, to, size, body, .. }, others } => {
            let headers = Headers::new(vec![("ttl".into(), ttl.into())]).unwrap();
            FromClient::Send { envelope: Envelope { id, to, headers, size, body }, others }
        }
        other => other,
    }
}

fn pass(n: u64, to: &str, len: usize) -> FromClient {
    passes(n..n + 1, to, len)
}

/// Messages in one bundle.
fn sends(numbers: Range<u64>, to: &str, len: usize) -> FromClient {
    let Draft { envelope, .. } = head(numbers.start, to, len);
    FromClient::Send { envelope, others: others(numbers, len) }
}

fn passes(numbers: Range<u64>, to: &str, len: usize) -> FromClient {
    let Draft { envelope, .. } = head(numbers.start, to, len);
    FromClient::Volatile { envelope, others: others(numbers, len) }
}

/// All of these but the first.
fn others(numbers: Range<u64>, len: usize) -> BundleRest {
    let bodies: Vec<Body> = numbers.skip(1).map(|n| body_of(id(n), len as u64)).collect();
    bodies.iter().collect()
}

/// A report of these, in this order, neighbours put together.
fn processed(seqs: impl IntoIterator<Item = Seq>) -> FromClient {
    let mut spans: Vec<Span> = vec![];
    for seq in seqs {
        match spans.last_mut() {
            Some(span) if span.last + 1 == seq => span.last = seq,
            _ => spans.push(Span::one(seq)),
        }
    }
    FromClient::Ack(spans)
}

/// The frame that releases these.
fn skipped(seqs: impl IntoIterator<Item = Seq>) -> FromClient {
    match processed(seqs) {
        FromClient::Ack(spans) => FromClient::Release(spans),
        other => other,
    }
}

fn passed(n: u64, readers: u32) -> Said {
    Said::Frame(FromServer::VolatileSent { id: id(n), count: 1, readers })
}

fn hello(name: &str) -> FromClient {
    FromClient::Hello {
        id: user(name),
        claim: false,
        code: None,
        session: None,
        features: Features::KNOWN,
    }
}

fn claim(name: &str) -> FromClient {
    FromClient::Hello {
        id: user(name),
        claim: true,
        code: None,
        session: None,
        features: Features::KNOWN,
    }
}

fn attach(messages: u32, bytes: u64) -> FromClient {
    FromClient::Subscribe { messages, bytes, start: qmsg::wire::Start::Unacked, share: false }
}

fn welcome(name: &str, claimed: bool) -> Said {
    Said::Frame(FromServer::Welcome { id: user(name), claimed })
}

fn accepted(n: u64) -> Said {
    accepted_all(n..n + 1)
}

fn accepted_all(numbers: Range<u64>) -> Said {
    let (id, count) = (id(numbers.start), (numbers.end - numbers.start) as u32);
    Said::Frame(FromServer::Accepted { id, count, duplicate: false })
}

fn duplicate(n: u64) -> Said {
    Said::Frame(FromServer::Accepted { id: id(n), count: 1, duplicate: true })
}

fn refused(n: u64, why: Refusal) -> Said {
    Said::Frame(FromServer::Refused { id: id(n), count: 1, why })
}

fn lost(seq: Seq, to: &str, count: u64) -> Said {
    Said::Frame(FromServer::Gap { seq, to: target(to), count })
}

fn settled(count: u32) -> Said {
    Said::Frame(FromServer::AckRecorded { count })
}

const CAUGHT_UP: Said = Said::Frame(FromServer::CaughtUp);

fn closed(code: CloseCode) -> Said {
    Said::Close(code)
}

/// The seqs among what was said, of messages only.
fn seqs(said: &[Said]) -> Vec<Seq> {
    bundles(said).into_iter().flatten().collect()
}

/// The seqs of each delivery among what was said.
fn bundles(said: &[Said]) -> Vec<Vec<Seq>> {
    let seqs = |said: &Said| match said {
        Said::Frame(FromServer::Deliver { seq, bundle }) => {
            Some((*seq..=*seq + bundle.others.count() as u64).collect())
        }
        _ => None,
    };
    said.iter().filter_map(seqs).collect()
}

fn server() -> Server {
    Server::new(Limits::default(), Quotas::default())
}

impl Server {
    /// A link on which the user has been welcomed; the id is claimed if it is nobody's.
    fn link(&mut self, name: &str) -> LinkId {
        let link = self.open(key(name));
        self.say(link, claim(name));
        let said = self.heard(link);
        assert!(matches!(said[..], [Said::Frame(FromServer::Welcome { .. })]), "{said:?}");
        link
    }

    /// A link that takes deliveries, a wide window of them; what was waiting is still to be heard.
    fn reader(&mut self, name: &str) -> LinkId {
        let link = self.link(name);
        self.say(link, attach(1_000, 1 << 20));
        self.work();
        link
    }

    /// Has one message of so many bytes stored. Its seq.
    fn sent(&mut self, link: LinkId, n: u64, to: &str, len: usize) -> Seq {
        self.say(link, send(n, to, len));
        assert!(self.heard(link).contains(&accepted(n)));
        self.store
            .owed()
            .map(|(record, _)| record)
            .find(|r| r.bundle.first.id == id(n))
            .unwrap()
            .seq
    }

    fn enter(&mut self, link: LinkId, name: &str) {
        self.say(link, FromClient::JoinRoom(room(name)));
        let entered = FromServer::RoomJoined { room: room(name), changed: true };
        assert!(self.heard(link).contains(&Said::Frame(entered)));
    }
}
