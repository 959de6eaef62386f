//! Recorded conversations: clients of the recorded protocol against the present hub, and servers of
//! the recorded protocol against the present peer.
//!
//! `UPDATE_SNAPSHOT=1 cargo test --test it logic::snapshot` records them anew. That is for
//! new conversations only; records of a released protocol stay unchanged.
//!
//! A line of `tests/snapshots/*.txt` is `NAME + ` (a connection), `NAME - ` (it is lost), `= MS`
//! (time passes), `NAME > BYTES` (the client's frames) or `NAME < BYTES` (the server's).

mod line;
mod script;
mod talk;

use std::path::PathBuf;

use line::Line;
use script::SCRIPTS;
use talk::{Recorded, Talk};

const ADVICE: &str = "\
    Programs of the recorded protocol are in use, and this change leaves them behind. Append new \
    frames instead, let them belong to a feature that both sides name, or make them optional: \
    src/wire/mod.rs, Change. Only while nothing was released: UPDATE_SNAPSHOT=1.";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.txt"))
}

fn recorded(name: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|error| {
        panic!("{name}: {error}. UPDATE_SNAPSHOT=1 records a conversation that was added.")
    });
    text.lines().filter(|line| !line.starts_with('#')).map(Line::parse).collect()
}

fn records() -> bool {
    std::env::var_os("UPDATE_SNAPSHOT").is_some()
}

#[test]
fn clients_of_the_recorded_protocol_are_served() {
    for (name, script) in SCRIPTS {
        if records() {
            let mut talk = Talk::live();
            script(&mut talk);
            let lines: Vec<_> = talk.into_lines().iter().map(Line::to_string).collect();
            let head = format!("# {name}: see tests/it/logic/snapshot.rs\n");
            std::fs::write(path(name), head + &lines.join("\n") + "\n").unwrap();
        }
        if let Err(why) = talk::serve(&recorded(name)) {
            panic!("{name}: {why}\n{ADVICE}");
        }
    }
}

#[test]
fn servers_of_the_recorded_protocol_are_understood() {
    for (name, script) in SCRIPTS.iter().filter(|_| !records()) {
        let mut talk = Talk::recorded(Recorded::new(recorded(name)));
        script(&mut talk);
        if let Some(why) = talk.failure() {
            panic!("{name}: {why}\n{ADVICE}");
        }
    }
}

/// A change that breaks older programs is found, on either side.
#[test]
fn what_differs_is_found() {
    let (name, script) = SCRIPTS[0];
    let lines = recorded(name);
    let other = |line: &Line| match line {
        Line::Server { name, bytes } => {
            let mut bytes = bytes.clone();
            *bytes.last_mut().unwrap() ^= 1;
            Line::Server { name: name.clone(), bytes }
        }
        line => line.clone(),
    };
    let changed: Vec<_> = lines.iter().map(other).collect();
    assert!(talk::serve(&changed).is_err());
    let other = |line: &Line| match line {
        Line::Client { name, bytes } => {
            let mut bytes = bytes.clone();
            *bytes.last_mut().unwrap() ^= 1;
            Line::Client { name: name.clone(), bytes }
        }
        line => line.clone(),
    };
    let mut talk = Talk::recorded(Recorded::new(lines.iter().map(other).collect()));
    script(&mut talk);
    assert!(talk.failure().is_some());
}
