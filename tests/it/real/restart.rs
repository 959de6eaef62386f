//! Restart of a killed server with a large store: it is back at once.
//!
//! `PROOF_STORE_MIB=1024 cargo test --release --test it real::restart -- --nocapture` fills 1 GiB.

use std::fs;
use std::io::{BufRead, BufReader, PipeWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::kit::{Home, start};
use crate::chance::number;
use crate::tally::{Answer, Tally, Value};

const MIB: u64 = 1 << 20;
/// Readers with equal amounts of messages; the first one reads its own in the end.
const READERS: [&str; 4] = ["bob", "carol", "dave", "erin"];
/// Lengths of messages; each accounts for half of the stored bytes.
const LONG: u64 = MIB;
const SHORT: u64 = 4 << 10;
/// Bound from the start of the process until a message is accepted, and until a waiting one is
/// shown.
const SOON: Duration = Duration::from_secs(2);
/// Message sent after the restart.
const LATER: Value = Value { writer: 9, counter: 0 };

/// Lengths of the lines for one reader, which add up to `bytes`.
fn lengths(bytes: u64) -> Vec<u64> {
    let (long, short) = (bytes / 2 / LONG, bytes / 2 / SHORT);
    let of = |count, length| std::iter::repeat_n(length, count as usize);
    of(long, LONG).chain(of(short, SHORT)).collect()
}

/// Writes lines: a value, a space, and dots up to the length.
fn write_lines(mut to: PipeWriter, writer: u32, lengths: &[u64]) {
    let dots = vec![b'.'; LONG as usize];
    for (counter, length) in (0..).zip(lengths) {
        let value = format!("{} ", Value { writer, counter });
        let rest = &dots[..*length as usize - value.len()];
        for piece in [value.as_bytes(), rest, b"\n"] {
            to.write_all(piece).unwrap();
        }
    }
}

/// Drops a file from the page cache, as if the machine had been restarted.
fn forget(home: &Home, file: &Path) {
    let file = file.to_str().unwrap();
    let input = format!("if={file}");
    let dd = ["iflag=nocache", "count=0", "status=none", input.as_str()];
    for (program, args) in [("sync", &[file][..]), ("dd", &dd[..])] {
        start(home.program(program, args)).end().code(0);
    }
}

/// Sends these lines to every reader, to the first one last.
fn fill(home: &Home, lengths: &[u64]) {
    for (writer, reader) in (0..4).zip(READERS).rev() {
        let (input, lines) = std::io::pipe().unwrap();
        let args = ["send", "-l", reader, "--as", "alice", "-q", "--timeout", "60s"];
        let mut command = home.command(&args);
        command.stdin(input);
        let sender = start(command);
        thread::scope(|scope| {
            scope.spawn(|| write_lines(lines, writer, lengths));
            sender.end().code(0);
        });
    }
}

/// Shows the first reader its messages; returns each value with the time since `begun`.
fn read(home: &Home, lengths: &[u64], begun: Instant) -> Vec<(Value, Duration)> {
    let count = (lengths.len() + 1).to_string();
    let args = ["listen", "--as", READERS[0], "-n", &count, "--timeout", "5m"];
    let mut listener = home.command(&args).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let whole = vec![b'.'; LONG as usize];
    let shown = lines.map(|line| {
        let line = line.unwrap();
        let (value, dots) = line.split_once(' ').unwrap();
        let value: Value = value.parse().unwrap();
        let is_waiting = value.writer == 0;
        let length = if is_waiting { lengths[value.counter as usize] } else { 5 };
        assert_eq!(line.len() as u64, length, "{value}");
        assert!(dots.as_bytes() == &whole[..dots.len()], "{value}");
        (value, begun.elapsed())
    });
    let shown = shown.collect();
    assert_eq!(listener.wait().unwrap().code(), Some(0));
    shown
}

#[test]
#[cfg(target_os = "linux")]
fn a_large_store_is_back_at_once() {
    let mib = number("PROOF_STORE_MIB", 16);
    let home = Home::new();
    let flags = ["--max-mailbox-bytes", "4GiB", "--max-mailbox", "1000000"];
    let server = home.serve(&flags);
    let address = server.address.clone();
    home.join(&server, &[&["alice"], &READERS[..]].concat());
    let lengths = lengths(mib * MIB / READERS.len() as u64);
    let begun = Instant::now();
    fill(&home, &lengths);
    server.kill();
    let filled = begun.elapsed();
    let files = ["store.db", "store.db-wal"].map(|name| home.data().join(name));
    let [stored, logged] = files.each_ref().map(|file| fs::metadata(file).unwrap().len());
    // Some messages must still be in the write-ahead log.
    assert!(logged > 0 && stored + logged > mib * MIB, "{stored} bytes, a log of {logged}");
    files.iter().for_each(|file| forget(&home, file));

    let begun = Instant::now();
    let _server = home.serve_on(&address, &flags);
    let listening = begun.elapsed();
    home.run(&["send", READERS[0], "--as", "alice", &format!("{LATER} ")]).ok();
    let accepted = begun.elapsed();
    let shown = read(&home, &lengths, begun);
    let (first, last) = (shown[0].1, shown[shown.len() - 1].1);
    let mut tally = Tally::default();
    let waiting = (0..lengths.len() as u64).map(|counter| Value { writer: 0, counter });
    waiting.chain([LATER]).for_each(|value| tally.answer(value, Answer::Accepted));
    let run = format!(
        "{} MiB stored in {filled:.1?}, a log of {} KiB; since the start of the process: listening \
         {listening:.0?}, a message accepted {accepted:.0?}, the first of {} shown {first:.0?}, \
         the last {last:.0?}; no seed",
        stored / MIB,
        logged / 1024,
        shown.len(),
    );
    let shown: Vec<Value> = shown.into_iter().map(|(value, _)| value).collect();
    tally.report(&shown, true).check(&run);
    assert!(accepted < SOON && first < SOON, "{run}");
}
