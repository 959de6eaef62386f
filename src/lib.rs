//! qmsg: messages between named users from the shell, over QUIC.
//!
//! # The map
//!
//! ```text
//! main ─▶ cli ─▶ parts of the command line ─▶ server, client ─▶ logic | quic | store ─▶ durable
//!                                                  ─▶ wire; quic, store and profile ─▶ files
//! ```
//!
//! | part | is |
//! |---|---|
//! | [`wire`] | bytes ↔ messages: ids, frames, codec, limits; the protocol in prose |
//! | [`durable`] | the words in which logic asks and the store answers; types only |
//! | [`files`] | small files that last: whole or not there, for their owner alone |
//! | [`logic`] | decides: the server's `Hub` and the client's `Peer`, pure state machines |
//! | [`store`] | the durable log, on SQLite |
//! | [`quic`] | endpoints, keys, TLS, one link as two queues of frames |
//! | [`server`], [`client`] | the only loops and clocks; they carry out what logic decided |
//! | [`cli`] | people: arguments, verbs, help, completions, configuration |
//!
//! The parts of the command line, from the bottom up:
//!
//! | part | is |
//! |---|---|
//! | `failure` | what went wrong, with exit code, cause and hint |
//! | `clock` | the time of day and the time that has passed |
//! | `text` | pure functions on text: units, times, what a terminal must not act on |
//! | `mail` | parses a mail (RFC 5322, MIME) to text |
//! | `terminal` | stdout, stderr, colours, progress |
//! | `process` | this process: its runtime, its signals, its machine |
//! | `message` | a message on this machine: body, headers, id |
//! | `render` | how a message looks, for people and for programs |
//! | `profile` | what `join` leaves on a machine, and how to reach the server with it |
//! | `refusals` | what a server, or the way to it, has answered with no, as failures |
//! | `handler` | commands that deal with messages, and when they run |
//! | `spool` | messages that wait on this machine for the server |
//! | `outgoing` | what is to be sent, and what becomes of it |
//! | `bench` | measurements of a server |
//!
//! A part uses what is to its right and nothing else; parts between bars never know each other. A
//! test reads the source and keeps it so (`tests/it/tidy.rs`).
//!
//! # How a message goes
//!
//! A link's bytes become a frame in `quic`, the server's loop hands it to the hub, the hub asks for
//! an append. All appends and cursor moves that come of one turn are one batch: one transaction and
//! one fsync on the store's thread, while the next batch gathers. When the batch is durable the hub
//! acknowledges the sender and hands the message to every link that reads its log and has nothing
//! older to read first; to the others it comes from the store, in pages, as their windows allow.
//!
//! What one sender sends to one target in quick succession travels, waits and is written together,
//! as a bundle: names, ids, places and answers are handled once for all its messages. Nobody waits
//! for a bundle to fill: it is what was there when the sender's turn came.
//!
//! A body longer than 64 KiB is nowhere as a whole. Its parts go from the sender's link into the
//! store one by one, and out of it one by one on each reader's link, as the two sides ask for more;
//! only the last one makes a message of them. A volatile one goes from link to link the same way.
//!
//! A sender that watches a message is noted before the store is asked how far it has come, so that
//! whatever changes meanwhile is told besides: what a reader dealt with once that is on disk, what
//! was delivered once the reader has answered a ping behind it. A client asks anew on every link
//! and tells its user what is further than before, so a wait outlives links and servers.
//!
//! # What always holds
//!
//! - Nothing is acknowledged, and nothing delivered, before it is on disk.
//! - Sequence numbers come from the store. They never repeat and never go back.
//! - A cursor covers only what its user's links have reported, or what was not for that user.
//! - Every queue has a bound; a link that would overflow one is closed.
//! - What is on the way to all readers together has a bound, and each has a little besides.
//! - What a message takes in memory does not depend on its size.
//! - After an error of the disk that is not a full disk the server stops; no fsync is tried twice.
//!
//! # What is deliberately not there
//!
//! - No early data: it can be replayed. No session tickets: whether a key may act as an id is
//!   looked up on every link.
//! - No streams opened by clients and no datagrams: one stream a link, opened by the server.
//! - No global state, no `unsafe`, no traits made for mocking: a simulator reads the same enums as
//!   the real loops.

mod bench;
pub mod cli;
pub mod client;
mod clock;
pub mod durable;
mod failure;
pub mod files;
mod handler;
pub mod logic;
mod mail;
mod message;
mod outgoing;
mod process;
mod profile;
pub mod quic;
mod refusals;
mod render;
pub mod server;
mod spool;
pub mod store;
mod terminal;
mod text;
pub mod wire;

pub use client::Client;
