//! Random runs with readers of all kinds: some share, some release, some replay, and some messages
//! have a short time to live. At the end each user has a plain reader, which gets the messages that
//! others left.

use qmsg::logic::{Intent, Prefetch};
use qmsg::wire::{Seq, Start};

use super::random::{Run, check};
use super::server::START;
use super::sweep::check_all;
use super::user;

const RUNS: u64 = 120;
const NAMES: [&str; 3] = ["alice", "bob", "carol"];

fn client(run: &mut Run, name: &str, start: Start, share: bool) {
    let (messages, bytes) = run.window();
    let prefetch = Some(Prefetch { messages, bytes, start, share });
    let id = user(name);
    let intent = Intent { id, claim: true, code: None, prefetch, patience_ms: None };
    let index = run.world.client_of(intent);
    run.world.clients[index].unordered = share || start != Start::Unacked;
}

fn start(run: &mut Run) -> Start {
    match run.chance.below(4) {
        0 => Start::Unacked,
        1 => Start::Since(0),
        2 => Start::Since(START.unix_ms + run.chance.below(4_000) as u64),
        _ => {
            let sent = run.world.clients.iter().flat_map(|client| &client.drafts);
            let sent: Vec<_> = sent.map(|draft| draft.id).collect();
            run.chance.pick(&sent).map_or(Start::Since(u64::MAX), Start::After)
        }
    }
}

/// Alice reads alone, bob's readers share, and one of carol's and all of bob's sometimes release.
fn run(seed: u64) -> Run {
    let mut run = Run::empty(seed, 24);
    run.brief = run.chance.one_in(3);
    for (name, share) in [("alice", false), ("bob", true), ("bob", true), ("carol", false)] {
        client(&mut run, name, Start::Unacked, share);
    }
    run.world.client("dave", None);
    run.lengths();
    let skips = run.chance.one_in(2);
    run.run(|run| match run.chance.below(200) {
        0 if run.world.clients.len() < 16 => {
            let name = run.chance.pick(&NAMES).unwrap();
            let (start, share) = (start(run), name == "bob" && !run.chance.one_in(4));
            client(run, name, start, share);
        }
        1..8 if skips => skip(run),
        _ => run.step(),
    });
    if !skips {
        // The present readers leave no message.
        check(&run);
    }
    for name in &NAMES {
        client(&mut run, name, Start::Unacked, false);
    }
    run.world.drain();
    run
}

/// Lets a reader release some messages that it was shown.
fn skip(run: &mut Run) {
    let index = run.client();
    let client = &run.world.clients[index];
    if client.user.as_str() == "alice" {
        return;
    }
    let todo: Vec<Seq> = client.todo.iter().copied().filter(|seq| *seq > 0).collect();
    let some: Vec<Seq> = todo.into_iter().filter(|_| run.chance.one_in(2)).collect();
    if !some.is_empty() {
        run.world.skip(index, some);
    }
}

#[test]
fn whatever_readers_do_the_promises_hold() {
    check_all("readers of all kinds", RUNS, |seed| check(&run(seed)));
}
