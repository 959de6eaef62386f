//! `kill -9` of the server in a loop, while senders run and a listener keeps running.

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::kit::{DEADLINE, Home, Stream, start, start_with};
use crate::tally::{Answer, Tally, Value};

const KILLS: usize = 25;
const SENDERS: u32 = 3;

#[test]
fn nothing_accepted_is_lost_and_nothing_is_shown_twice() {
    let home = Home::new();
    let server = home.serve(&[]);
    let address = server.address.clone();
    home.join(&server, &["alice", "bob"]);
    let mut listener = home.listen(&["--as", "bob"]);
    let tally = Mutex::new(Tally::default());
    let (ended, ends) = sync_channel(64);
    let _server = thread::scope(|scope| {
        // Dropped after the kills, which ends the senders.
        let ends = ends;
        let _end = home.ends_on_panic();
        let mut server = server;
        for writer in 0..SENDERS {
            let (home, tally) = (&home, &tally);
            let ended = ended.clone();
            scope.spawn(move || {
                for counter in 0.. {
                    let value = Value { writer, counter };
                    let body = value.to_string();
                    let args = ["send", "bob", "--as", "alice", "-q", &body];
                    let answer = match start(home.command(&args)).end().code {
                        Some(0) => Answer::Accepted,
                        _ => Answer::Unknown,
                    };
                    tally.lock().unwrap().answer(value, answer);
                    if ended.send(()).is_err() {
                        return;
                    }
                }
            });
        }
        for kill in 0..KILLS {
            // After a varying number of sends, whatever the senders are doing then.
            for _ in 0..=kill % 7 {
                ends.recv_timeout(DEADLINE).unwrap();
            }
            server.kill();
            server = home.serve_on(&address, &[]);
        }
        server
    });
    let tally = tally.into_inner().unwrap();
    assert!(tally.accepted() > KILLS as u64, "{} were accepted", tally.accepted());
    home.run(&["send", "bob", "--as", "alice", "last"]).ok();
    listener.until(Stream::Out, "last\n");
    listener.signal("TERM");
    let said = String::from_utf8(listener.end().stdout).unwrap();
    let shown = said.lines().filter(|line| *line != "last").map(|line| line.parse().unwrap());
    let report = tally.report(&shown.collect::<Vec<Value>>(), true);
    report.check(&format!("{KILLS} kills of the server"));
}

/// Ends the server in the middle of a stream of lines, by `SIGTERM` and `kill -9` in turn.
#[test]
fn a_stream_of_lines_goes_on_where_it_was_cut() {
    let lines = 30_000;
    let home = Home::new();
    let mut server = home.serve(&[]);
    let address = server.address.clone();
    home.join(&server, &["alice", "bob"]);
    let input: String = (1..=lines).map(|n| format!("{n}\n")).collect();
    let count = lines.to_string();
    let mut listener = home.listen(&["--as", "bob", "-n", &count]);
    let args = ["send", "-l", "bob", "--as", "alice", "--timeout", "60s"];
    let sender = start_with(home.command(&args), input.clone().into());
    for (cut, at) in ["2000\n", "6000\n", "12000\n", "18000\n"].into_iter().enumerate() {
        listener.until(Stream::Out, at);
        if cut % 2 == 0 {
            assert_eq!(server.stop("TERM").0, Some(143), "after finishing its batch");
        } else {
            server.kill();
        }
        server = home.serve_on(&address, &[]);
    }
    sender.end().code(0);
    let said = listener.end();
    said.code(0);
    assert!(said.stdout == input.as_bytes(), "each line once and in order");
}
