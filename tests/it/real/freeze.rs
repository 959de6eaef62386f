//! Processes that are stopped by `SIGSTOP` while others go on.
//!
//! `PROOF_FREEZE_SECONDS=60 cargo test --test it real::freeze -- --nocapture` freezes each for a
//! minute: longer than a silent link lives, so that links are really lost.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::flow::{Drip, LoggedListener, send_singly};
use super::kit::{Home, Said, Server, start};
use crate::chance::number;
use crate::tally::{Answer, Tally};

/// Writers: the stream that is frozen, the stream that goes on, and the single sends.
const FROZEN: u32 = 1;
const STREAM: u32 = 2;
const SINGLES: [u32; 2] = [3, 4];
const EVERY: Duration = Duration::from_millis(5);
/// Time that senders keep trying.
const PATIENCE: Duration = Duration::from_secs(180);
/// Messages sent singly before a freeze, and after it.
const AROUND: usize = 12;
/// Bound until a message gets through again: one round of dialling, and a margin for a busy
/// machine.
const SOON: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Server,
    Sender,
    Listener,
}

fn await_answers(ends: &Receiver<Answer>, count: usize) {
    for _ in 0..count {
        ends.recv_timeout(PATIENCE).unwrap();
    }
}

/// Freezes one process under load, and reports what became of all messages.
fn freeze(who: Who) {
    let seconds = number("PROOF_FREEZE_SECONDS", 1);
    let time = Duration::from_secs(seconds);
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    let listener = LoggedListener::start(&home, home.command(&["listen", "-v", "--as", "bob"]));
    let patience = format!("{}s", PATIENCE.as_secs());
    let to = ["--as", "alice", "-q", "--timeout", &patience];
    let drip = |writer| {
        let command = home.command(&[&["send", "-l", "bob"], &to[..]].concat());
        Drip::start(command, writer, EVERY)
    };
    let drips = [FROZEN, STREAM].map(drip);
    let send = |body: &str| {
        let command = home.command(&[&["send", "bob"], &to[..], &[body]].concat());
        start(command).end_or_kill(PATIENCE * 2)
    };
    let (ended, ends) = sync_channel(4096);
    let mut tally = Tally::default();
    let (meanwhile, back) = thread::scope(|scope| {
        let ends = ends;
        let _end = home.ends_on_panic();
        let singles = SINGLES.map(|writer| {
            let (ended, send) = (ended.clone(), &send);
            scope.spawn(move || {
                let code = |said: &Said| panic!("{:?}: {}", said.code, said.stderr);
                send_singly(send, writer, &ended, code)
            })
        });
        await_answers(&ends, AROUND);
        listener.until_more(Some(FROZEN), 0);
        signal(who, "STOP", (&server, &drips[0], &listener));
        while ends.try_recv().is_ok() {}
        let (end, mut meanwhile) = (Instant::now() + time, 0);
        while ends.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {
            meanwhile += 1;
        }
        let writer = (who == Who::Sender).then_some(FROZEN);
        let before = listener.count(writer);
        let begun = Instant::now();
        signal(who, "CONT", (&server, &drips[0], &listener));
        listener.until_more(writer, before);
        let back = begun.elapsed();
        await_answers(&ends, AROUND);
        drop(ends);
        singles.into_iter().for_each(|single| tally.merge(single.join().unwrap()));
        (meanwhile, back)
    });
    for drip in drips {
        let (values, said) = drip.end();
        said.code(0);
        values.into_iter().for_each(|value| tally.answer(value, Answer::Accepted));
    }
    home.run(&["send", "bob", "--as", "alice", "last"]).ok();
    let (shown, links) = listener.end("last");
    let run = format!(
        "{who:?} frozen for {seconds} s, {meanwhile} sent singly meanwhile, first message \
         {back:.0?} after SIGCONT, {links} links of the listener, no seed"
    );
    tally.report(&shown, true).check(&run);
    assert!(who == Who::Server || meanwhile > 0, "others do not notice: {run}");
    assert!(back < SOON, "{run}");
}

fn signal(who: Who, name: &str, (server, sender, listener): (&Server, &Drip, &LoggedListener)) {
    match who {
        Who::Server => server.signal(name),
        Who::Sender => sender.signal(name),
        Who::Listener => listener.signal(name),
    }
}

#[test]
fn a_frozen_server_goes_on() {
    freeze(Who::Server);
}

#[test]
fn a_sender_frozen_within_its_stream_goes_on() {
    freeze(Who::Sender);
}

#[test]
fn a_frozen_listener_goes_on() {
    freeze(Who::Listener);
}
