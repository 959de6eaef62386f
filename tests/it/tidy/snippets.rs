//! Small texts that break each rule, and some that only look as if they did.

use std::collections::BTreeSet;

use super::{
    BANS, CRATES, DEAD, LAYERS, NEEDS, PATHS, REASON, UNFINISHED, check, check_paths, check_script,
};

/// A path, and a line of code that breaks exactly the rule whose text begins so.
const BAD: &[(&str, &str, &str)] = &[
    ("src/store/mod.rs", "fn f() { unsafe { g() } }", "no unsafe"),
    ("tests/it/wire.rs", "unsafe fn f() {}", "no unsafe"),
    ("src/logic/hub.rs", "static SEEN: AtomicBool = AtomicBool::new(false);", "no globals"),
    ("src/cli/mod.rs", "    static mut COUNT: u32 = 0;", "no globals"),
    ("src/quic/tls.rs", "thread_local! { }", "no globals"),
    ("src/cli/mod.rs", "const A: LazyLock<u8> = LazyLock::new(f);", "no globals"),
    ("src/wire/id.rs", "use super::*;", "names are imported"),
    ("src/wire/a/b.rs", "use super::super::id;", "names are imported"),
    ("src/server/mod.rs", "let (tx, rx) = mpsc::unbounded_channel();", "a queue"),
    ("src/server/mod.rs", "let (tx, rx) = mpsc::channel();", "a queue"),
    ("src/store/mod.rs", "let (tx, rx) = mpsc::channel::<Vec<u8>>();", "a queue"),
    ("tests/it/store.rs", "use std::sync::mpsc::{Receiver, channel};", "a queue"),
    ("src/logic/mod.rs", "use std::collections::{BTreeMap, HashMap};", "logic"),
    ("src/logic/log.rs", "let seen: HashSet<u8>;", "logic"),
    ("src/logic/hub.rs", "let now = Instant::now();", "only server/clock.rs, client"),
    ("src/cli/listen.rs", "let now = SystemTime::now();", "only server/clock.rs, client"),
    ("src/quic/link.rs", "let age = then.elapsed();", "only server/clock.rs, client"),
    ("src/cli/send.rs", "println!(\"{x}\");", "only terminal/print.rs"),
    ("src/terminal/notices.rs", "std::io::stdout().flush()", "only terminal/print.rs"),
    ("src/server/mod.rs", "eprintln!(\"{x}\");", "only terminal/notices.rs"),
    ("src/terminal/print.rs", "builder.with_writer(io::stderr)", "only terminal/notices.rs"),
    ("src/cli/mod.rs", "std::process::exit(1);", "only main.rs"),
    ("src/cli/mod.rs", "fn run() -> ExitCode;", "only main.rs"),
    ("src/logic/hub.rs", "#[derive(Clone, Serialize)]", "only wire/"),
    ("src/store/mod.rs", "    Deserialize,", "only wire/"),
    ("tests/it/quic.rs", "thread::sleep(TICK);", "a test waits"),
    ("tests/it/quic.rs", "tokio::time::sleep_until(then).await;", "a test waits"),
    ("tests/it/quic.rs", "#[ignore = \"slow\"]", "no test is ignored"),
    ("tests/it/real/kit.rs", "home.program(\"unshare\", &args)", NEEDS),
    ("tests/it/real/kit.rs", "needs!(\"jq\"); home.shell(\"script -qec qmsg\")", NEEDS),
    ("tests/it/real/kit.rs", "needs!(\"jq\"); Command::new(\"kill\")", NEEDS),
    ("src/cli/mod.rs", "todo!()", "nothing is left"),
    ("src/cli/mod.rs", "let x = dbg!(x);", "nothing is left"),
    ("src/logic/hub.rs", "use crate::store::Store;", LAYERS),
    ("src/store/mod.rs", "use crate::{durable::Write, quic};", LAYERS),
    ("src/quic/mod.rs", "use super::logic::Hub;", LAYERS),
    ("src/quic/link.rs", "fn f(t: crate::durable::Ticket) {}", LAYERS),
    ("src/wire/id.rs", "pub use crate::{\n    wire::Seq,\n    cli,\n};", LAYERS),
    ("src/server/mod.rs", "use crate::client;", LAYERS),
    ("src/main.rs", "use qmsg::server;", LAYERS),
    ("src/helpers.rs", "", LAYERS),
    ("src/wire/codec.rs", "use tokio::io::AsyncRead;", CRATES),
    ("src/logic/peer.rs", "fn f(b: bytes::Bytes) {}", CRATES),
    ("src/durable.rs", "fn f(b: bytes::Bytes) {}", CRATES),
    ("src/store/mod.rs", "use quinn::Endpoint;", CRATES),
    ("src/store/mod.rs", "postcard::to_stdvec(x)", CRATES),
    ("src/server/mod.rs", "use anyhow::Context;", CRATES),
    ("src/wire/codec.rs", "let x = y.unwrap();", REASON),
    (
        "src/cli/mod.rs",
        "// Of another line.\nf();\nlet x = y\n    .z()\n    .expect(\"\");",
        REASON,
    ),
    ("src/cli/mod.rs", "// TODO later", UNFINISHED),
    ("tests/it/wire.rs", "f(); /* FIXME */", UNFINISHED),
    ("src/cli/mod.rs", "// let x = f();", DEAD),
    ("src/cli/mod.rs", "    // if x == y {", DEAD),
    ("src/cli/mod.rs", "// use std::fmt;", DEAD),
    ("tests/it/wire.rs", "// #[test]", DEAD),
    ("tests/it/wire.rs", "// }", DEAD),
];

const GOOD: &[(&str, &str)] = &[
    ("src/wire/id.rs", "/// No unsafe, no `static`, todo!() or x.unwrap() but in words."),
    ("src/wire/id.rs", "use serde::{Deserialize, Serialize}; use super::codec::Frame;"),
    ("src/cli/mod.rs", "const HELP: &'static str = \"println! // TODO unsafe static\";"),
    ("src/cli/exec.rs", "command.stdout(Stdio::piped()).stderr(Stdio::null());"),
    ("src/terminal/print.rs", "println!(\"{x}\"); std::io::stdout().flush()"),
    ("src/terminal/notices.rs", "eprintln!(\"{x}\");"),
    ("src/clock.rs", "SystemTime::now()"),
    ("src/main.rs", "fn main() -> ExitCode { qmsg::cli::run() }"),
    (
        "src/server/mod.rs",
        "use crate::{durable::Write, logic::{Hub, store}, quic, store, wire::Seq};",
    ),
    ("src/server/mod.rs", "let (tx, rx) = mpsc::channel(8); let (a, b) = oneshot::channel();"),
    ("src/store/sqlite/record.rs", "#[derive(Serialize)] struct R; use serde::Serialize;"),
    ("src/quic/link.rs", "let x = a::tokio_x::b; let rusqlite = 1;"),
    ("src/quic/link.rs", "use super::store::Kept;"),
    ("src/wire/id.rs", "// Cannot fail.\nlet x = y\n    .z()\n    .unwrap();"),
    ("src/wire/id.rs", "let x = y.unwrap(); // Cannot fail."),
    ("src/wire/id.rs", "#[expect(clippy::unwrap_used, reason = \"\")]\nlet x = y.unwrap();"),
    ("src/wire/id.rs", "x.unwrap_or(1);\n#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }"),
    ("src/wire/id.rs", "// Prose may end in a semicolon;\n// as here (see RFC 9562)."),
    ("tests/it/wire.rs", "x.unwrap(); println!(\"{}\", Instant::now());"),
];

#[test]
fn each_rule_bites() {
    let mut unbroken: BTreeSet<_> = BANS.iter().map(|ban| ban.rule).collect();
    unbroken.extend([LAYERS, CRATES, REASON, UNFINISHED, DEAD]);
    for (path, text, begin) in BAD {
        let rules: BTreeSet<_> = check(path, text).into_iter().map(|(_, rule)| rule).collect();
        let only = rules.first().filter(|rule| rules.len() == 1 && rule.starts_with(begin));
        assert!(only.is_some(), "{path}: {text}: {rules:?} instead of {begin:?}");
        rules.iter().for_each(|rule| _ = unbroken.remove(rule));
    }
    assert!(unbroken.is_empty(), "rules without a snippet: {unbroken:?}");
}

#[test]
fn no_rule_bites_what_is_fine() {
    for (path, text) in GOOD {
        assert_eq!(check(path, text), [], "{path}: {text}");
    }
}

#[test]
fn other_texts_are_read_too() {
    let path = concat!("see /wo", "rk/notes");
    assert_eq!(check_paths(&format!("\n{path}")), [(2, PATHS)]);
    assert_eq!(check_paths(concat!("cd /ro", "ot/")), [(1, PATHS)]);
    assert_eq!(check_paths(concat!("net/wo", "rk/link.rs")), []);
    assert_eq!(check_script("a\n  sleep 1\n").len(), 1);
    assert_eq!(check_script("a # no sleep here\nasleep\n"), []);
}
