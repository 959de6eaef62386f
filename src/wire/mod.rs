//! Frames, messages and names as types, and their bytes.
//!
//! # The protocol
//!
//! One QUIC connection ([`ALPN`], TLS 1.3, both sides with a key) carries one bidirectional stream,
//! opened by the server. Each direction is a sequence of frames: a little-endian `u32` with the
//! length of the rest, then one postcard value, [`FromClient`] or [`FromServer`].
//!
//! 1. The server speaks first: [`FromServer::Hello`] leaves with its half of the handshake and
//!    holds public facts only, because the client is not authenticated yet.
//! 2. The client names its id, [`FromClient::Hello`], and may go on without waiting. The
//!    server looks up whether the key of the connection owns that id; if not, it closes the
//!    connection with the reason, a [`CloseCode`].
//! 3. [`FromClient::Send`] is answered, in any order, by `Accepted` once the message is on disk, or
//!    by `Refused`. [`FromClient::Subscribe`] opens a prefetch window for deliveries; each delivery
//!    that the client has processed is reported by [`FromClient::Ack`] and answered by
//!    `AckRecorded` once *that* is on disk, which reopens the window by as much.
//! 4. [`FromClient::Volatile`] sends a message to those who read now: it does not wait for a
//!    disk and is answered by `VolatileSent` with the number of readers. A reader confirms it with
//!    [`FromClient::AckVolatile`]; unconfirmed messages stay within the same window.
//! 5. [`FromClient::Track`] asks how far a message has come with its recipients: pages of
//!    [`RecipientStatus`], then every change, until `Untrack`. Delivery is proven by `Ping` and
//!    `Pong`: the stream is in order, so a pong confirms all that was sent before its ping.
//! 6. A delivery may also be answered with a `Reply`, returned with a `Release`, or refused for
//!    good with a `Reject`. A rejected message goes to the reader's dead letters, one of two kinds
//!    of parked messages ([`ParkedKind`]); messages sent by [`FromClient::Schedule`] are the other.
//!    `ListParked` shows them, `TakeParked` takes them out.
//! 7. Either side ends the conversation by closing the connection with a [`CloseCode`].
//!
//! The fields of a message are one type, [`Envelope`], in every frame, record and draft.
//!
//! A body longer than [`CHUNK_LEN_MAX`] travels in chunks: its first frame says the whole size and
//! holds exactly the first `CHUNK_LEN_MAX` bytes, `Chunk` frames bring the rest, each of the same
//! length except the last, and frames without a body may come in between. One body is under way at
//! a time in each direction. `AbortBody` ends it early: from a sender that was answered before it
//! had sent all, to a reader whose message was removed meanwhile, or whose volatile message has
//! lost its sender.
//!
//! Each side may send [`CHUNKS_AHEAD_MAX`] chunks, first ones not counted, beyond those that the
//! other has granted by `ChunkCredit`. So neither holds more of a body than that, however long it
//! is.
//!
//! A frame with a message may hold a [`Bundle`]: messages of one sender to one target with the same
//! headers and consecutive ids (and consecutive seqs in deliveries). A bundle only saves bytes:
//! each message is stored, answered and acked separately, though consecutive ones are answered and
//! acked together, as a count or as a [`Span`]. So a bundle can be split or put together anywhere.
//!
//! # Change
//!
//! Clients and servers of several versions speak with one another, so the format only grows:
//!
//! - The order of variants and of fields is the format. A variant keeps its number, and a frame its
//!   fields. New frames are appended.
//! - A new frame belongs to a [`Feature`]. Each side names in its `Hello` the features that it
//!   understands, and gets no frame of another feature. Unknown bits are ignored.
//! - A frame that a receiver may ignore, because it needs no answer and holds no part of a body,
//!   may be optional ([`Frame::is_optional`]): the highest bit of its length prefix is set, and a
//!   receiver that does not know its number skips it, up to [`SKIPPED_MAX`] in a row. Any other
//!   unknown frame is an error.
//! - A new [`Refusal`] or [`CloseCode`] is sent only to clients that have named its feature; others
//!   get the nearest one that they know.
//! - Any other change needs another [`ALPN`].
//!
//! `tests/snapshots` holds recorded conversations; a test plays both sides of them against the
//! present code.

mod bundle;
mod codec;
mod feature;
mod from_client;
mod from_server;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod id;
mod limits;
mod message;
mod refusal;
mod standing;

pub use bundle::{Bundle, BundleRest, Span, Weights};
pub use codec::{BodyOrder, BodyPart, Decoder, Frame, Malformed, chunk_len, encode};
pub use feature::{Feature, Features};
pub use from_client::{FromClient, Session};
pub use from_server::FromServer;
pub use id::{BadMsgId, BadName, BadPin, JoinCode, MsgId, MsgIds, Pin, RoomName, Target, UserId};
pub use limits::{
    BUNDLE_MAX, CHUNK_LEN_MAX, CHUNKS_AHEAD_MAX, FRAME_LEN_MAX, HEADERS_LEN_MAX, HEADERS_MAX,
    NAME_LEN_MAX, NOTE_LEN_MAX, PARKED_LEN_MAX, REASON_LEN_MAX, SKIPPED_MAX, SPANS_MAX,
    STATUSES_MAX,
};
pub(crate) use message::TTL_HEADER;
pub use message::{Body, Envelope, Headers, Message, Seq, TooManyHeaders};
pub use refusal::{CloseCode, Refusal};
pub use standing::{
    DeliveryState, Note, NoteTooLong, ParkedKind, ParkedMessage, RecipientStatus, Start,
};

/// The protocol and its version, agreed before a byte is read.
pub const ALPN: &[u8] = b"qmsg/1";

/// The UDP port when none is named.
pub const PORT: u16 = 4433;
