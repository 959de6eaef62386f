//! The parts of the crate, and what each may use.

/// The parts of the crate, from the bottom up: the parts each may use, and the external crates.
/// `main → cli → parts of the command line → {server, client} → {logic | quic | store} → wire`,
/// with `durable` as the words that logic and store share.
pub(super) const PARTS: &[(&str, &[&str], &[&str])] = &[
    ("wire", &[], &["serde", "postcard", "bytes", "uuid", "thiserror", "data_encoding"]),
    ("files", &[], &["rustix", "tempfile", "thiserror"]),
    ("durable", &["wire"], &["thiserror"]),
    ("logic", &["wire", "durable"], &[]),
    ("store", &["wire", "durable", "files"], &["rusqlite", "aws_lc_rs", "thiserror", "tracing"]),
    (
        "quic",
        &["wire", "files"],
        &[
            "quinn",
            "quinn_proto",
            "rustls",
            "rcgen",
            "tokio",
            "bytes",
            "socket2",
            "aws_lc_rs",
            "thiserror",
            "tracing",
        ],
    ),
    ("server", &["wire", "durable", "logic", "quic", "store"], LOOP),
    (
        "client",
        &["wire", "logic", "quic"],
        &["tokio", "tracing", "thiserror", "bytes", "aws_lc_rs"],
    ),
    ("failure", &[], &["anyhow", "toml"]),
    ("clock", &[], &["jiff"]),
    ("text", &["wire", "clock"], &["jiff", "parse_size", "serde_json"]),
    (
        "terminal",
        &["failure", "clock", "text"],
        &["anyhow", "rustix", "serde_json", "tracing", "tracing_subscriber"],
    ),
    ("process", &["failure"], &["anyhow", "rustix", "tokio"]),
    (
        "message",
        &["wire", "failure", "clock", "text", "terminal"],
        &["anyhow", "aws_lc_rs", "bytes", "data_encoding", "serde_json", "tempfile", "tokio"],
    ),
    (
        "profile",
        &["wire", "files", "quic", "client", "failure", "clock", "terminal", "process"],
        &["anyhow", "data_encoding", "strsim", "thiserror", "tokio", "toml"],
    ),
    (
        "handler",
        &["wire", "files", "logic", "failure", "clock", "text", "terminal", "message"],
        &["anyhow", "bytes", "close_fds", "command_fds", "rustix", "tempfile", "tokio", "tracing"],
    ),
    (
        "spool",
        TALKING,
        &[
            "anyhow",
            "aws_lc_rs",
            "bytes",
            "rustix",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
            "uuid",
            "tempfile",
        ],
    ),
    ("outgoing", SENDING, &["anyhow", "bytes", "data_encoding", "serde_json", "tokio", "tracing"]),
    (
        "bench",
        MEASURING,
        &["anyhow", "aws_lc_rs", "bytes", "data_encoding", "serde_json", "tokio", "tracing"],
    ),
    ("cli", &CLI, &[ANY]),
    ("main", &["cli"], &[ANY]),
    ("lib", &[], &[]),
];
/// The parts used by those that talk to a server on a user's behalf.
const TALKING: &[&str] = &[
    "wire", "files", "logic", "quic", "client", "failure", "clock", "text", "terminal", "process",
    "message", "profile",
];
/// A bench has no file of its own and runs no process but a server.
const MEASURING: &[&str] = &[
    "wire", "logic", "quic", "client", "failure", "clock", "text", "terminal", "message", "profile",
];
const SENDING: &[&str] = &[
    "wire", "logic", "quic", "client", "failure", "clock", "text", "terminal", "process",
    "message", "profile", "spool",
];
const CLI: [&str; 19] = [
    "wire", "durable", "files", "logic", "quic", "store", "server", "client", "failure", "clock",
    "text", "terminal", "process", "message", "profile", "handler", "spool", "outgoing", "bench",
];
const LOOP: &[&str] = &["tokio", "tracing", "thiserror", "bytes"];
pub(super) const ANY: &str = "*";
