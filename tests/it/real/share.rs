//! Listeners that share one id.

use std::collections::BTreeSet;
use std::fs;

use super::kit::{Home, Running, Server, Stream, start};

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, ids);
    (home, server)
}

fn read(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path().join(name)).unwrap_or_default()
}

/// Starts a sharing listener of bob that runs this line, in which $me is its name.
fn worker(home: &Home, name: &str, args: &[&str], line: &str) -> Running {
    let line = format!("me={name}; {line}");
    let base = ["--as", "bob", "--share", "--retry-delay", "1ms"];
    home.listen(&[&base[..], args, &["--shell", &line]].concat())
}

fn send(home: &Home, texts: impl IntoIterator<Item = String>) {
    let lines: Vec<String> = texts.into_iter().collect();
    home.pipe(lines.join("\n").as_bytes(), &["send", "-l", "bob", "--as", "alice"]).ok();
}

#[test]
fn each_message_goes_to_one_of_them() {
    let (home, _server) = setup(&["alice", "bob"]);
    // Each waits at first until all three have a message.
    fs::write(home.path().join("log"), "").unwrap();
    let line = "touch in.$me; until [ $(ls in.* | wc -l) = 3 ]; do sleep 0.01; done; \
                echo \"$me $(cat)\" >> log; echo done";
    let mut workers = ["a", "b", "c"].map(|name| worker(&home, name, &[], line));
    send(&home, (0..60).map(|n| format!("m{n}.")));
    home.shell("until [ $(wc -l < log) = 60 ]; do sleep 0.01; done").ok();
    for worker in &mut workers {
        worker.until(Stream::Out, "done");
        worker.signal("TERM");
    }
    for worker in workers {
        worker.end().code(143);
    }
    let log = read(&home, "log");
    let done: BTreeSet<&str> = log.lines().map(|line| &line[2..]).collect();
    assert_eq!((log.lines().count(), done.len()), (60, 60), "each once");
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "");
}

#[test]
fn unacked_messages_go_to_another_worker() {
    for signal in ["TERM", "KILL"] {
        let (home, _server) = setup(&["alice", "bob"]);
        home.shell("mkfifo gate").ok();
        let mut first = worker(&home, "a", &[], "echo got $(cat); cat gate; exit 1");
        send(&home, ["work".to_owned()]);
        first.until(Stream::Out, "got work");
        let mut second = worker(&home, "b", &[], "echo got $(cat)");
        first.signal(signal);
        if signal == "TERM" {
            first.until(Stream::Err, "waiting for 1 handler, at most 10s");
        }
        home.shell(": > gate").ok();
        first.end();
        second.until(Stream::Out, "got work");
        second.signal("TERM");
        second.end().code(143);
    }
}

#[test]
fn filtered_messages_go_to_another_worker() {
    let (home, _server) = setup(&["alice", "bob", "carol"]);
    let line = "echo \"$(cat) \"";
    let mut of_alice = worker(&home, "a", &["--from", "alice"], line);
    let mut of_carol = worker(&home, "c", &["--from", "carol"], line);
    for n in 0..10 {
        // A message for neither filter blocks neither listener.
        home.run(&["send", "bob", "--as", "bob", "of bob"]).ok();
        for from in ["alice", "carol"] {
            home.run(&["send", "bob", "--as", from, &format!("{from}{n}.")]).ok();
        }
    }
    for (worker, from) in [(&mut of_alice, "alice"), (&mut of_carol, "carol")] {
        worker.until(Stream::Out, &format!("{from}9."));
        worker.signal("TERM");
    }
    for (worker, other) in [(of_alice, "carol"), (of_carol, "alice")] {
        let said = String::from_utf8(worker.end().stdout).unwrap();
        assert!(said.lines().count() == 10 && !said.contains(other), "{said}");
    }
    let left = home.run(&["listen", "--as", "bob", "--poll"]).ok();
    assert_eq!(left, "of bob\n".repeat(10));
}

#[test]
fn all_waiting_messages_are_shared_out() {
    let (home, _server) = setup(&["alice", "bob", "carol"]);
    send(&home, (0..200).map(|n| format!("m{n}")));
    home.run(&["send", "bob", "--as", "carol", "of carol"]).ok();
    let line = "read -r m; echo $m; case $m in *7) exit 65;; *5) [ $QMSG_MSG_ATTEMPT = 2 ];; esac";
    let args = ["listen", "--as", "bob", "--share", "--poll", "--from", "alice", "--jobs", "3"];
    let args = [&args[..], &["--retry-delay", "1ms", "--shell", line]].concat();
    let workers = [(); 2].map(|()| start(home.command(&args)));
    let said = workers.map(|worker| worker.end().ok()).concat();
    let runs = |ends: char| said.lines().filter(|line| line.ends_with(ends)).count();
    assert_eq!((runs('7'), runs('5'), said.lines().count()), (20, 40, 220));
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "of carol\n");
    assert_eq!(home.run(&["listen", "--as", "bob", "--dead"]).ok().lines().count(), 20);
}

/// A handler that fails half the time, and a server that is killed.
#[test]
fn a_queue_survives_its_server() {
    let (home, mut server) = setup(&["alice", "bob"]);
    let address = server.address.clone();
    let line = "m=$(cat); [ $((0x$(head -c 1 /dev/urandom | od -An -tx1 | tr -d ' ') % 2)) = 0 ] \
                && echo $m >> log";
    fs::write(home.path().join("log"), "").unwrap();
    let args = ["--max-attempts", "0", "--jobs", "2"];
    let workers = ["a", "b", "c"].map(|name| worker(&home, name, &args, line));
    for round in 0..3 {
        send(&home, (0..40).map(|n| format!("{round}-{n}")));
        let wanted = 40 * round + 20;
        home.shell(&format!("until [ $(wc -l < log) -ge {wanted} ]; do sleep 0.01; done")).ok();
        server.kill();
        server = home.serve_on(&address, &[]);
    }
    home.shell("until [ $(sort -u log | wc -l) = 120 ]; do sleep 0.01; done").ok();
    for worker in &workers {
        worker.signal("TERM");
    }
    for worker in workers {
        worker.end().code(143);
    }
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "");
    assert_eq!(home.run(&["listen", "--as", "bob", "--dead"]).ok(), "");
}
