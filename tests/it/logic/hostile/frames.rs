//! Frames of clients that keep to no rule: anything that a decoder accepts, up to the largest
//! numbers. Most name things that exist.

use qmsg::logic::Draft;
use qmsg::wire::{
    Body, CHUNK_LEN_MAX, Envelope, Features, FromClient, JoinCode, MsgId, Note, ParkedKind,
    REASON_LEN_MAX, RoomName, Seq, Session, Span, Start, UserId,
};

use super::{CLOCK_MS_OFF, DUE_MS, NAMES, TARGETS};
use crate::chance::Chance;
use crate::logic::server::START;
use crate::logic::{brief, draft, id, pass, passes, room, send, sends, target, user};

/// Numbers of messages.
const MESSAGES: usize = 10;
/// Bytes of a body's last chunk.
const LAST_LEN: usize = 7;

/// Mostly one frame, on a link with these unacked deliveries.
pub(super) fn some(chance: &mut Chance, unsettled: &[Seq]) -> Vec<FromClient> {
    // An ack without deliveries ends a link, which must not happen to most.
    let kinds = if unsettled.is_empty() { 48 } else { 64 };
    let frame = match chance.below(kinds) {
        0..20 => message(chance),
        20..23 => return long(chance),
        23..27 => FromClient::JoinRoom(room_of(chance)),
        27 => FromClient::LeaveRoom(room_of(chance)),
        28..38 => request(chance),
        38 => hello(chance),
        39..42 => attach(chance),
        42 => FromClient::Resume(spans(chance, unsettled)),
        43 => part(chance),
        44 => FromClient::AbortBody,
        45 => FromClient::ChunkCredit { parts: chance.below(4) as u32 },
        46 => FromClient::AckVolatile { count: chance.below(4) as u32 },
        47..50 => verdict(chance, unsettled),
        50..53 => FromClient::Release(spans(chance, unsettled)),
        _ => FromClient::Ack(spans(chance, unsettled)),
    };
    vec![frame]
}

fn hello(chance: &mut Chance) -> FromClient {
    let code = chance.one_in(4).then(|| JoinCode([chance.below(256) as u8; 16]));
    let session = chance
        .one_in(2)
        .then(|| Session { client: chance.below(2) as u64, link: number(chance) as u32 });
    FromClient::Hello {
        id: name(chance),
        claim: chance.one_in(2),
        code,
        session,
        features: Features::KNOWN,
    }
}

/// A message, or a bundle of several, stored or volatile.
fn message(chance: &mut Chance) -> FromClient {
    let (kind, (n, to)) = (chance.below(8), message_to(chance));
    let (numbers, len) = (n..n + 1 + chance.below(5) as u64, chance.below(90));
    match kind {
        0..3 => send(n, to, 3 * len),
        3..5 => sends(numbers, to, len),
        5 => pass(n, to, 3 * len),
        6 => passes(numbers, to, len),
        _ => brief(n, to, ["0", "1"][len % 2]),
    }
}

/// Frames of a long message in their order, up to some point.
fn long(chance: &mut Chance) -> Vec<FromClient> {
    let make = if chance.one_in(2) { pass } else { send };
    let ((n, to), parts, said) = (message_to(chance), 1 + chance.below(2), chance.below(5));
    let mut frames = vec![make(n, to, parts * CHUNK_LEN_MAX + LAST_LEN)];
    frames.extend((1..parts).map(|_| FromClient::Chunk(zeros(CHUNK_LEN_MAX))));
    frames.push(FromClient::Chunk(zeros(LAST_LEN)));
    frames.truncate(said + 1);
    frames
}

fn part(chance: &mut Chance) -> FromClient {
    FromClient::Chunk(zeros([0, LAST_LEN, CHUNK_LEN_MAX, CHUNK_LEN_MAX][chance.below(4)]))
}

pub(super) fn attach(chance: &mut Chance) -> FromClient {
    let (messages, bytes) = match chance.below(8) {
        0 => (number(chance) as u32, number(chance)),
        messages => (messages as u32, 4 * chance.below(90) as u64),
    };
    let start = match chance.below(8) {
        0 => Start::Since(number(chance)),
        1 => Start::Since(time(chance)),
        2 => Start::After(msg_id(chance)),
        _ => Start::Unacked,
    };
    FromClient::Subscribe { messages, bytes, start, share: chance.one_in(3) }
}

fn verdict(chance: &mut Chance, unsettled: &[Seq]) -> FromClient {
    let seq = seq(chance, unsettled);
    let len = [0, 3, 8, REASON_LEN_MAX, 2 * REASON_LEN_MAX][chance.below(5)];
    let note = Note::new(zeros(len)).unwrap();
    match chance.below(5) {
        0..2 => FromClient::Reply { seq, reply: note },
        2..4 => FromClient::Reject { seq, attempts: number(chance) as u32, reason: note },
        _ => FromClient::Pong { number: number(chance) },
    }
}

fn request(chance: &mut Chance) -> FromClient {
    let drawer = [ParkedKind::DeadLetters, ParkedKind::Scheduled][chance.below(2)];
    match chance.below(8) {
        0..3 => {
            let ((n, to), after) = (message_to(chance), chance.one_in(3).then(|| name(chance)));
            FromClient::Track { id: id(n), to: target(to), after }
        }
        3 => FromClient::Untrack { id: msg_id(chance) },
        4 => {
            let ((n, to), len, due_ms) = (message_to(chance), chance.below(90), time(chance));
            let Draft { envelope: Envelope { id, to, headers, body, .. }, .. } = draft(n, to, len);
            FromClient::Schedule {
                due_ms,
                envelope: Envelope { id, to, headers, size: body.len() as u64, body },
            }
        }
        5 if chance.one_in(3) => FromClient::ListParked { kind: drawer, after: number(chance) },
        5 => FromClient::ListParked { kind: drawer, after: 0 },
        _ => {
            let id = chance.one_in(2).then(|| msg_id(chance));
            FromClient::TakeParked { kind: drawer, id, back: chance.one_in(2) }
        }
    }
}

fn spans(chance: &mut Chance, unsettled: &[Seq]) -> Vec<Span> {
    let span = |chance: &mut Chance| {
        let first = seq(chance, unsettled).min(Seq::MAX - 1);
        let more = [0, 0, 0, 0, 0, 1, 2, 3][chance.below(8)];
        Span { first, last: first.saturating_add(more).min(Seq::MAX - 1) }
    };
    (0..chance.below(4)).map(|_| span(chance)).collect()
}

fn seq(chance: &mut Chance, unsettled: &[Seq]) -> Seq {
    let odd = unsettled.is_empty() || chance.one_in(8);
    if odd { number(chance) } else { unsettled[chance.below(unsettled.len())] }
}

/// Mostly a small number, which may be in use.
fn number(chance: &mut Chance) -> u64 {
    match chance.below(48) {
        44 => u64::MAX,
        45 => u64::MAX - 1,
        46 => u64::from(u32::MAX),
        47 => 1 << 63,
        small => small as u64,
    }
}

/// Mostly a time soon after now.
fn time(chance: &mut Chance) -> u64 {
    match chance.below(8) {
        0 => number(chance),
        1 => START.unix_ms + chance.below(2 * CLOCK_MS_OFF) as u64,
        _ => START.unix_ms + chance.below(DUE_MS as usize) as u64,
    }
}

fn msg_id(chance: &mut Chance) -> MsgId {
    id(chance.below(MESSAGES) as u64)
}

fn name(chance: &mut Chance) -> UserId {
    user(NAMES[chance.below(NAMES.len())])
}

fn room_of(chance: &mut Chance) -> RoomName {
    room(["ops", "dev"][chance.below(2)])
}

/// Number and target of a message: mostly the same target for the same number.
fn message_to(chance: &mut Chance) -> (u64, &'static str) {
    let n = chance.below(MESSAGES);
    let to = if chance.one_in(4) { chance.below(TARGETS.len()) } else { n % TARGETS.len() };
    (n as u64, TARGETS[to])
}

fn zeros(len: usize) -> Body {
    static ZEROS: [u8; CHUNK_LEN_MAX] = [0; CHUNK_LEN_MAX];
    Body(bytes::Bytes::from_static(&ZEROS[..len]))
}
