//! Wall clocks that are set while everything runs, by libfaketime; monotonic clocks are unaffected.
//!
//! `PROOF_CLOCK_STEPS=100 PROOF_SEED=7 cargo test --test it real::clock -- --nocapture` sets the
//! clock more often, and by other offsets.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::flow::{Drip, LoggedListener, send_singly};
use super::kit::{DEADLINE, Home, Said, Server, Stream, start, start_with};
use crate::chance::{Chance, number};
use crate::needs::needs;
use crate::tally::{Answer, Tally, Value};

/// Offsets of one side's clock from the other's.
const STEPS: [&str; 8] = ["+0", "+1h", "-1h", "+23h", "-23h", "+6d", "-6d", "+40d"];
const STREAM: u32 = 1;
const SINGLES: [u32; 2] = [2, 3];
const EVERY: Duration = Duration::from_millis(5);
/// Messages sent singly between two steps; the first of them may have been created before the step.
const BETWEEN: usize = 8;
/// Bound for the answer to a request right after a step.
const SOON: Duration = Duration::from_secs(5);

/// Path of libfaketime in distributions; the dynamic linker replaces `$LIB`. The program `faketime`
/// knows the path too, but fails if a process with its id was killed earlier and left a semaphore
/// of that name. The library does not mind.
const LIBRARY: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";

/// The wall clock of some processes.
struct Clock {
    file: PathBuf,
}

impl Clock {
    fn new(home: &Home) -> Self {
        let clock = Self { file: home.path().join("clock") };
        clock.set("+0");
        clock
    }

    /// Sets the clock relative to the machine's.
    fn set(&self, offset: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// Command that uses this clock.
    fn drive(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", LIBRARY).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        for setting in ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"] {
            command.env(setting, "1");
        }
        command.env("DONT_FAKE_MONOTONIC", "1");
        command
    }
}

fn serve(home: &Home, with_clock: impl Fn(Command) -> Command, more: &[&str]) -> Server {
    let data = home.data();
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    Server::start(with_clock(home.command(&[&args[..], more].concat())))
}

/// Checks that a send was refused because of its time, with the right error.
fn refused(said: &Said) -> Answer {
    said.code(65).says("by the server's clock").says("hint: nothing was stored; it is ");
    Answer::Refused
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Server,
    Clients,
}

/// Answers to the lines of a stream, as their sender printed them.
fn answers(drip: Drip) -> Tally {
    let mut tally = Tally::default();
    let (values, said) = drip.end();
    values.iter().for_each(|value| tally.answer(*value, Answer::Unknown));
    for line in String::from_utf8(said.stdout).unwrap().lines() {
        let told: Json = serde_json::from_str(line).unwrap();
        let counter = told["number"].as_u64().unwrap() - 1;
        let answer = match told["state"].as_str() {
            Some("accepted") => Answer::Accepted,
            Some("refused") => Answer::Refused,
            state => panic!("{state:?}: {}", said.stderr),
        };
        tally.answer(Value { writer: STREAM, counter }, answer);
    }
    let all = tally.accepted() == values.len() as u64;
    assert_eq!(said.code, Some(if all { 0 } else { 13 }), "{}", said.stderr);
    tally
}

/// Sets the clock of one side under load, and reports what became of all messages.
fn steps(whose: Whose) {
    let (count, seed) = (number("PROOF_CLOCK_STEPS", 10), number("PROOF_SEED", 1));
    let home = Home::new();
    let clock = Clock::new(&home);
    let with_clock =
        |who: Whose, command| if who == whose { clock.drive(command) } else { command };
    let server = serve(&home, |command| with_clock(Whose::Server, command), &[]);
    home.join(&server, &["alice", "bob"]);
    let listen = home.command(&["listen", "-v", "--as", "bob"]);
    let listener = LoggedListener::start(&home, with_clock(Whose::Clients, listen));
    let args = ["send", "-l", "bob", "--as", "alice", "-q", "--json", "--timeout", "60s"];
    let drip = Drip::start(with_clock(Whose::Clients, home.command(&args)), STREAM, EVERY);
    let single = |body: &str| home.command(&["send", "bob", "--as", "alice", "-q", body]);
    let send = |body: &str| start(with_clock(Whose::Clients, single(body))).end();
    let (ended, ends) = sync_channel(4096);
    let mut tally = Tally::default();
    let (mut slowest, mut chance) = (Duration::ZERO, Chance::new(seed));
    thread::scope(|scope| {
        let ends = ends;
        let _end = home.ends_on_panic();
        let singles = SINGLES.map(|writer| {
            let (ended, send) = (ended.clone(), &send);
            scope.spawn(move || send_singly(send, writer, &ended, refused))
        });
        for _ in 0..count {
            let offset = STEPS[chance.below(STEPS.len())];
            clock.set(offset);
            let begun = Instant::now();
            let said = between(&ends);
            slowest = slowest.max(begun.elapsed() / BETWEEN as u32);
            // Where the clocks differ, the server's decides what is accepted.
            assert_eq!(said, Answer::Accepted, "{whose:?} at {offset}");
        }
        clock.set("+0");
        drop(ends);
        singles.into_iter().for_each(|single| tally.merge(single.join().unwrap()));
    });
    tally.merge(answers(drip));
    home.run(&["send", "bob", "--as", "alice", "last"]).ok();
    let (shown, links) = listener.end("last");
    // Killed by SIGKILL it would leave the library's shared memory behind.
    server.stop("TERM");
    let run = format!(
        "the clock of the {whose:?} set {count} times, seed {seed}, {links} links of the \
         listener, a send took at most {slowest:.0?}"
    );
    tally.report(&shown, true).check(&run);
    assert_eq!(links, 1, "no link is lost: {run}");
    assert!(slowest < SOON, "{run}");
}

/// Waits for an answer to a message that was created after the last step.
fn between(ends: &Receiver<Answer>) -> Answer {
    while ends.try_recv().is_ok() {}
    let answers = (0..BETWEEN).map(|_| ends.recv_timeout(DEADLINE).unwrap());
    answers.collect::<Vec<Answer>>()[BETWEEN - 1]
}

#[test]
fn the_clock_of_a_server_is_set() {
    needs!("libfaketime");
    steps(Whose::Server);
}

#[test]
fn the_clocks_of_clients_are_set() {
    needs!("libfaketime");
    steps(Whose::Clients);
}

/// The server's clock decides for everything that is sent.
#[test]
fn a_user_with_a_wrong_clock() {
    needs!("libfaketime");
    let home = Home::new();
    let (clock, server) = (Clock::new(&home), home.serve(&[]));
    home.join(&server, &["alice"]);
    let run = |args: &[&str]| start(clock.drive(home.command(args))).end();
    let heard = || home.run(&["listen", "--as", "alice", "--poll"]).ok();
    let year = |text: &str| text.trim()[..4].parse::<u32>().unwrap();
    let this_year = year(&home.shell("date +%Y").ok());
    for offset in ["-8d", "-20y", "+2d", "+20y"] {
        clock.set(offset);
        run(&["send", "alice", "one"]).ok();
        let said = run(&["send", "alice", "--json", "two"]);
        assert!(said.ok().contains("\"accepted\""), "{offset}");
        run(&["send", "alice", "--spool", "three"]).ok();
        run(&["send", "alice", "--until", "accepted", "--id", "k", "four"]).ok();
        run(&["send", "alice", "--wrap", "--tail", "0", "--", "true"]).ok();
        let lines = (5..900).map(|n| format!("{n}\n")).collect::<String>();
        let args = ["send", "-l", "alice", "-q"];
        start_with(clock.drive(home.command(&args)), lines.clone().into_bytes()).end().ok();
        let found = heard();
        let of_command = found.lines().nth(if offset == "-8d" { 4 } else { 3 }).unwrap();
        assert!(of_command.starts_with("true: exit 0 after "), "{found}");
        let found = found.replace(&format!("{of_command}\n"), "").replace("four\n", "");
        assert!(found == format!("one\ntwo\nthree\n{lines}"), "in order at {offset}: {found}");
        // A delay given as a duration does not depend on the sender's clock.
        run(&["send", "alice", "--in", "1h", "in an hour"]).ok();
        let late: Json =
            serde_json::from_str(&home.run(&["later", "list", "--json"]).ok()).unwrap();
        let due = late["due"].as_str().unwrap();
        assert!(year(due).abs_diff(this_year) <= 1, "{offset}: {due}");
        home.run(&["later", "cancel", "--all"]).code(0);
        run(&["send", "alice", "--in", "100ms", "soon"]).ok();
        let soon = run(&["listen", "--as", "alice", "-n", "1", "--timeout", "30s"]);
        assert_eq!(soon.ok(), "soon\n", "{offset}");
        run(&["join", &format!("bob{}", &offset[1..]), "-s", &server.address]).ok();
    }
}

/// Scheduled and expiring messages follow the server's clock, even a wrong one.
#[test]
fn scheduled_and_expiring_messages_follow_a_set_clock() {
    needs!("libfaketime");
    let home = Home::new();
    let clock = Clock::new(&home);
    let server = serve(&home, |command| clock.drive(command), &["--keep", "1h"]);
    home.join(&server, &["alice", "bob"]);
    let send = |body: &str, more: &[&str]| {
        home.run(&[&["send", "bob", "--as", "alice"], more, &[body]].concat()).ok()
    };
    let poll = || home.run(&["listen", "--as", "bob", "--poll"]).ok();
    let next = || home.run(&["listen", "--as", "bob", "-n", "1", "--timeout", "30s"]).ok();
    let later = || home.run(&["later", "list", "--as", "alice"]).ok().lines().count();
    send("due in 1 h", &["--in", "1h"]);
    send("due in 3 h", &["--in", "3h"]);
    send("waits", &[]);
    let awaited = ["--ttl", "90m", "--until", "processed", "--timeout", "60s"];
    let expiring = [&["send", "bob", "--as", "alice", "-v"], &awaited[..], &["expires"]].concat();
    let mut expiring = start(home.command(&expiring));
    expiring.until(Stream::Err, "accepted");
    clock.set("-2d");
    assert_eq!((poll().as_str(), later()), ("waits\nexpires\n", 2), "nothing is due or expired");
    expiring.end().code(0);
    clock.set("+0");
    send("expires too", &["--ttl", "90m"]);
    clock.set("+2h");
    // The server looks at its clock once a minute, and when a message is scheduled.
    send("due in 20 h", &["--in", "20h"]);
    assert_eq!((next().as_str(), later()), ("due in 1 h\n", 2));
    clock.set("+0");
    assert_eq!((poll().as_str(), later()), ("", 2), "once");
    clock.set("+4h");
    send("due in 21 h", &["--in", "21h"]);
    assert_eq!((next().as_str(), later()), ("due in 3 h\n", 2));
    // Processed messages stay readable for their retention, even after the clock was set.
    let again = home.run(&["listen", "--as", "bob", "--poll", "--since", "all"]).ok();
    assert!(again.starts_with("waits\n") && again.ends_with("due in 3 h\n"), "{again}");
    server.stop("TERM");
}
