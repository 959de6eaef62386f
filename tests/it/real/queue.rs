//! A work queue under faults: four listeners share one id, their handler fails half the time, and
//! server and listeners are killed at random.
//!
//! `QUEUE_MESSAGES=10000 cargo test --test it real::queue` runs it at full length.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::kit::{DEADLINE, Home, Server, start_with};
use super::sweep;
use crate::chance::number;

/// Messages in the queue, unless `QUEUE_MESSAGES` is set.
const MESSAGES: usize = 300;
const LISTENERS: usize = 4;
/// Successful handlers between two kills.
const BETWEEN_KILLS: usize = 25;
/// Handlers that may succeed between the end of one handler and its ack.
const UNDER_WAY_MAX: usize = 50;

/// Handler that fails half the time, by a hash of message, attempt and seed. Logs its start and the
/// end of its work.
const HANDLER: &str = r#"
read -r number
echo "begun $number $LISTENER"
chance=$(( number * 1103515245 + QMSG_MSG_ATTEMPT * 12345 + SEED * 69069 + LISTENER ))
[ $(( chance % 2147483648 / 65536 % 2 )) = 0 ] || exit 1
echo "done $number $LISTENER"
"#;

/// Events of a run, in order.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Begun { number: usize, listener: usize },
    Done { number: usize, listener: usize },
    ServerKilled,
    ListenerKilled(usize),
}

struct Queue<'a> {
    home: &'a Home,
    server: Option<Server>,
    address: String,
    seed: u64,
    lines: (SyncSender<String>, Receiver<String>),
    listeners: Vec<(usize, Child)>,
    started: usize,
    events: Vec<Event>,
    done: BTreeSet<usize>,
}

#[test]
fn every_message_is_processed() {
    let messages = number("QUEUE_MESSAGES", MESSAGES as u64) as usize;
    let seed = number("QUEUE_SEED", 1);
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "work"]);
    let input: String = (1..=messages).map(|number| format!("{number}\n")).collect();
    let args = ["send", "-l", "work", "--as", "alice", "--timeout", "60s"];
    let sender = start_with(home.command(&args), input.into());
    let mut queue = Queue::new(&home, server, seed);
    queue.run(messages);
    sender.end().code(0);
    queue.drain();
    let events = std::mem::take(&mut queue.events);
    let kills = events.iter().filter(|event| is_kill(event)).count();
    assert!(kills >= messages / BETWEEN_KILLS / 2, "{kills} kills");
    let twice = check(&events, messages);
    println!("seed {seed}: {messages} messages, {kills} kills, {twice} done twice");
}

impl<'a> Queue<'a> {
    fn new(home: &'a Home, server: Server, seed: u64) -> Self {
        let address = server.address.clone();
        let mut queue = Self {
            home,
            server: Some(server),
            address,
            seed,
            lines: sync_channel(1 << 16),
            listeners: Vec::new(),
            started: 0,
            events: Vec::new(),
            done: BTreeSet::new(),
        };
        (0..LISTENERS).for_each(|_| queue.listen());
        queue
    }

    fn command(&self, number: usize, more: &[&str]) -> std::process::Command {
        let args = ["listen", "--as", "work", "--retry-delay", "5ms", "--max-attempts", "60"];
        let exec = ["--exec", "/bin/sh", "-c", HANDLER];
        let mut command = self.home.command(&[&args[..], more, &exec].concat());
        let seed = self.seed.to_string();
        command.env("LISTENER", number.to_string()).env("SEED", seed).stderr(Stdio::null());
        command
    }

    fn listen(&mut self) {
        self.started += 1;
        let number = self.started;
        let mut child = self.command(number, &["--share"]).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let lines = self.lines.0.clone();
        // Ends with the last process that holds the pipe: a handler outlives its listener.
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).all(|line| lines.send(line).is_ok())
        });
        self.listeners.push((number, child));
    }

    /// Runs until every message was handled once, with a kill now and then.
    fn run(&mut self, messages: usize) {
        let mut ended = 0;
        while self.done.len() < messages {
            let line = self.lines.1.recv_timeout(DEADLINE).unwrap();
            if self.note(&line) {
                ended += 1;
                if ended % BETWEEN_KILLS == 0 {
                    self.kill(ended / BETWEEN_KILLS);
                }
            }
        }
    }

    /// Records a line of a handler; true if the handler has done its work.
    fn note(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse().unwrap();
        let (message, listener) = (number(1), number(2));
        let done = words[0] == "done";
        self.events.push(if done {
            self.done.insert(message);
            Event::Done { number: message, listener }
        } else {
            Event::Begun { number: message, listener }
        });
        done
    }

    /// Kills a listener, or one time in four the server.
    fn kill(&mut self, turn: usize) {
        if turn % 4 == 3
            && let Some(server) = self.server.take()
        {
            server.kill();
            self.events.push(Event::ServerKilled);
            self.server = Some(self.home.serve_on(&self.address, &[]));
            return;
        }
        let (number, mut listener) = self.listeners.remove(turn % LISTENERS);
        listener.kill().unwrap();
        listener.wait().unwrap();
        self.events.push(Event::ListenerKilled(number));
        self.listen();
    }

    /// Ends the listeners with SIGTERM and handles the rest; then nothing is left over.
    fn drain(&mut self) {
        for (_, mut listener) in std::mem::take(&mut self.listeners) {
            sweep::signal(listener.id(), "TERM");
            listener.wait().unwrap();
        }
        self.started += 1;
        let mut last = self.command(self.started, &["--poll"]);
        let said = super::kit::start({
            last.stderr(Stdio::piped());
            last
        })
        .end()
        .ok();
        while let Ok(line) = self.lines.1.try_recv() {
            self.note(&line);
        }
        for line in said.lines() {
            self.note(line);
        }
        let left = self.home.run(&["listen", "--as", "work", "--poll"]).ok();
        assert_eq!(left, "", "left over");
        let dead = self.home.run(&["listen", "--as", "work", "--dead", "--json"]).ok();
        assert_eq!(dead, "", "given up");
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        for (_, listener) in &mut self.listeners {
            let _ = listener.kill();
            let _ = listener.wait();
        }
    }
}

fn is_kill(event: &Event) -> bool {
    matches!(event, Event::ServerKilled | Event::ListenerKilled(_))
}

/// Checks that every message was handled, and twice only if its listener was killed, or the server
/// between the end of the handler and its ack. Returns the number handled twice.
fn check(events: &[Event], messages: usize) -> usize {
    let mut done: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        if let Event::Done { number, listener } = event {
            done.entry(*number).or_default().push((at, *listener));
        }
    }
    let missing: Vec<usize> = (1..=messages).filter(|n| !done.contains_key(n)).collect();
    assert!(missing.is_empty() && done.len() == messages, "not processed: {missing:?}");
    let again = done
        .iter()
        .flat_map(|(number, times)| times.windows(2).map(move |pair| (*number, pair[0])));
    let mut twice = 0;
    for (number, (at, listener)) in again {
        let until = (at + UNDER_WAY_MAX).min(events.len());
        let server = events[at..until].contains(&Event::ServerKilled);
        // The handler of a killed listener may have outlived it.
        let killed = events[..until].contains(&Event::ListenerKilled(listener));
        let about = |event: &&(usize, &Event)| match event.1 {
            Event::Begun { number: of, .. } | Event::Done { number: of, .. } => *of == number,
            _ => true,
        };
        let story: Vec<_> = events.iter().enumerate().collect();
        let story: Vec<_> = story.iter().filter(about).collect();
        assert!(server || killed, "message {number} was done twice without a kill: {story:?}");
        twice += 1;
    }
    twice
}
