//! qmsg sends messages between named users, from the shell, over QUIC. One program is both server
//! and client. Its users start with the README, people who change it with `CONTRIBUTING.md`, which
//! also defines the words used here.
//!
//! # The parts
//!
//! ```text
//!                    main
//! the command line   cli
//!                    bench  outgoing  spool  handler  profile
//!                    message  process  terminal  text  clock  failure
//!                   ───────────────────────────────────────────────
//! the core           server │ client
//!                    logic │ store │ quic
//!                    durable  wire │ files
//! ```
//!
//! A part uses only parts below it and parts to its right. Parts with a bar between them do not
//! know each other. `tests/it/tidy/parts.rs` has a row for each part, and a test compares it with
//! the source.
//!
//! The core decides, stores and carries messages, and shows nothing to anybody:
//!
//! | part | is |
//! |---|---|
//! | [`server`] | the server's loop: carries out what the hub decides |
//! | [`client`] | the client's loop: the same for a peer, and connects again |
//! | [`logic`] | all decisions: a server's `Hub`, a client's `Peer`; no clock, file or socket |
//! | [`store`] | messages on disk, in SQLite |
//! | [`quic`] | authenticated QUIC connections that carry frames: TLS, keys, addresses |
//! | [`durable`] | what logic asks of a store, what is answered, what an engine must do |
//! | [`wire`] | names, messages and frames, and their bytes; the protocol in prose |
//! | [`files`] | small files for their owner alone, written whole or not at all |
//!
//! The command line turns arguments into calls of the core, and results into output and exit codes.
//! (Rust programs can call [`client`] themselves.)
//!
//! | part | is |
//! |---|---|
//! | [`cli`] | the verbs: arguments, help, completions, configuration |
//! | `bench` | measurements of a server: rates, latency, memory |
//! | `outgoing` | sending: what to send, and the report of what became of it |
//! | `spool` | messages kept on this machine until a server can be reached |
//! | `handler` | the commands that `listen` runs for messages, and their retries |
//! | `profile` | what `join` leaves on a machine: id, key, server, pin; errors of that server |
//! | `message` | a message on this machine: body, headers, id, and how it is printed |
//! | `process` | this process: its runtime, its signals, the name of its machine |
//! | `terminal` | stdout and stderr: colours, tables, progress bars, notices |
//! | `text` | pure functions on text: units, times, and what must not reach a terminal |
//! | `clock` | the time of day, and the time that has passed |
//! | `failure` | an error with its exit code, cause and hint |
//!
//! # How a message goes
//!
//! `quic` decodes a frame from a link's bytes, and the server's loop gives it to the hub. For a
//! message the hub asks for an append. All appends and cursor writes that result from one turn of
//! the loop are one batch: one transaction and one fsync on the store's thread, while the loop
//! gathers the next batch. When the batch is on disk, the hub answers the sender with `Accepted`
//! and delivers the message to every reader of that log that is caught up. Other readers get it
//! from the store, in pages, as their prefetch allows.
//!
//! Messages that one sender sends to one target in quick succession form a bundle: they travel,
//! wait and are written together, and names, ids, seqs and answers are handled once for all of
//! them. Nobody waits for a bundle to fill: it holds what is there when the sender's turn comes.
//!
//! The server never holds a body longer than 64 KiB as a whole. Its chunks go from the sender's
//! link into the store one by one, and from there to each reader's link one by one, as chunk credit
//! allows. Only the last chunk makes a message of them. A long volatile body goes from link to link
//! in the same way.
//!
//! When a sender tracks a message, the hub first notes that, and then asks the store how far the
//! message is. So no change is missed: an ack is reported once it is on disk, and a delivery once
//! the reader has answered a ping that was sent after it. A client tracks anew on every link and
//! reports to its user only what is further than before, so a wait outlives links and servers.
//!
//! # What always holds
//!
//! - Nothing is acknowledged, and nothing delivered, before it is on disk. (Volatile messages have
//!   no such promise.)
//! - Sequence numbers come from the store. They never repeat and never go back.
//! - A cursor covers only what its user's links have acked, and what was not for that user.
//! - Every queue has a bound. A link that would overflow its queue is closed.
//! - The bytes on the way to all readers together have a bound, the delivery budget. Each reader
//!   has a small budget of its own besides.
//! - The memory that a message takes does not depend on its size.
//! - After a disk error other than a full disk the server stops. A failed fsync is never tried
//!   again.
//!
//! # What is deliberately missing
//!
//! - Early data, because it can be replayed; and session tickets, because the right of a key to act
//!   as an id is looked up on every link.
//! - Datagrams, and streams opened by clients: a link has one stream, opened by the server.
//! - Global state, `unsafe`, and traits made for mocking: a simulator reads the same enums as the
//!   real loops.

mod bench;
pub mod cli;
pub mod client;
mod clock;
pub mod durable;
mod failure;
pub mod files;
mod handler;
pub mod logic;
mod message;
mod outgoing;
mod process;
mod profile;
pub mod quic;
pub mod server;
mod spool;
pub mod store;
mod terminal;
mod text;
pub mod wire;
