//! Bounds of the command line.

use std::time::Duration;

/// Greatest age of a spooled message. A server forgets message ids after 168 hours by default; a
/// message sent later could be stored twice.
pub(crate) const SPOOL_AGE_MAX: Duration = Duration::from_secs(167 * 60 * 60);
/// Longest command line that a hint repeats, in characters.
pub(crate) const TYPED_CHARS_MAX: usize = 60;
/// Most signals that wait to be forwarded to the child of process 1.
pub(crate) const SIGNALS_MAX: usize = 16;
/// Most clients or messages of a benchmark.
pub(crate) const BENCH_COUNT_MAX: u64 = 1_000_000_000;
/// Most batches of events, and most commands, that wait between the client and `listen`'s loop.
pub(crate) const LISTEN_QUEUE_MAX: usize = 16;
/// Most batches that wait for the printing thread.
pub(crate) const PRINT_BATCHES_MAX: usize = 2;
/// Most reports of the printing thread that wait for the loop.
pub(crate) const PRINT_REPORTS_MAX: usize = 16;
/// Longest command line in a title, in characters.
pub(crate) const COMMAND_CHARS_MAX: usize = 60;
/// Longest mail that is sent whole, in bytes. It is parsed in memory.
pub(crate) const MAIL_LEN_MAX: usize = 64 << 20;
/// Deepest nesting of mails and multiparts; deeper parts are kept as undecoded text.
pub(crate) const MIME_DEPTH_MAX: usize = 16;
/// Most parts of a mail; further parts are kept as undecoded text.
pub(crate) const MIME_PARTS_MAX: usize = 1000;
/// Deepest indentation of a nested list in HTML, in levels.
pub(crate) const INDENT_MAX: usize = 4;
/// Longest character entity in HTML, in bytes.
pub(crate) const ENTITY_LEN_MAX: usize = 32;
/// Longest title made from a subject, in bytes. A longer subject also becomes part of the text.
pub(crate) const TITLE_LEN_MAX: usize = 1 << 10;
/// Most lines about omitted parts of a mail.
pub(crate) const LEFT_OUT_MAX: usize = 20;
