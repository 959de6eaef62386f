//! The time that is given is kept, whatever does not answer.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::kit::{Home, Running, Said, Stream, start};
use super::stub::{Stub, Until};
use super::wait::until;

/// What a busy machine adds to a time that is kept.
const MARGIN: Duration = Duration::from_secs(4);

fn with(until: Until) -> (Home, Stub) {
    let (home, stub) = (Home::new(), Stub::start(until));
    for id in ["alice", "bob"] {
        home.run(&["join", id, "-s", &stub.address]).ok();
    }
    (home, stub)
}

/// Ends a command that has been given this time. How it went.
#[track_caller]
fn ended(command: Running, begun: Instant, time: Duration) -> Said {
    let said = command.end_or_kill(time + 3 * MARGIN);
    let took = begun.elapsed();
    assert!(took < time + MARGIN, "took {took:?}, not {time:?}: {}", said.stderr);
    said
}

#[track_caller]
fn run(home: &Home, args: &[&str], seconds: u64) -> Said {
    let begun = Instant::now();
    let time = format!("{seconds}s");
    let command = start(home.command(&[args, &["--timeout", &time]].concat()));
    ended(command, begun, Duration::from_secs(seconds))
}

/// All that waits for an answer, with how it ends when there is none.
const WAITING: [(&[&str], i32); 12] = [
    (&["send", "bob", "hi"], 69),
    (&["send", "bob", "--spool", "hi"], 75),
    (&["send", "bob", "--until", "processed", "hi"], 69),
    (&["send", "bob", "--volatile", "hi"], 69),
    (&["send", "bob", "--in", "1h", "hi"], 69),
    (&["ask", "bob", "hi"], 69),
    (&["join", "@ops"], 69),
    (&["leave", "@ops"], 69),
    (&["later", "list"], 69),
    (&["listen", "--dead"], 69),
    (&["listen", "--requeue", "all"], 69),
    // What was kept above.
    (&["spool", "flush"], 75),
];

#[test]
fn a_server_that_welcomes_and_stands_still_does_not_hold_anything_up() {
    let (home, _stub) = with(Until::Welcome);
    for (args, code) in WAITING {
        run(&home, args, 1).code(code);
    }
    // That a time is over is no failure of who listens for so long.
    run(&home, &["listen"], 1).code(0);
    run(&home, &["listen", "--poll"], 1).code(0);
    run(&home, &["listen", "-n", "1"], 1).code(124);
}

#[test]
fn a_server_that_welcomes_and_dies_is_not_asked_without_pause() {
    let (home, stub) = with(Until::WelcomeAndDeath);
    for args in [&["send", "bob", "hi"][..], &["listen", "--as", "bob"]] {
        let before = stub.links();
        run(&home, args, 3);
        let links = stub.links() - before;
        assert!((2..=8).contains(&links), "{links} links by {args:?}");
    }
    for (args, code) in WAITING {
        run(&home, args, 1).code(code);
    }
}

#[test]
fn a_body_that_is_not_taken_any_further_does_not_hold_anything_up() {
    let (home, _stub) = with(Until::Parts(20));
    let file = home.path().join("long");
    std::fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
    run(&home, &["send", "bob", "-f", "long"], 1).code(69).says("the server stopped answering");
    run(&home, &["send", "bob", "-f", "long", "--volatile"], 1).code(69);
}

#[test]
fn a_server_that_accepts_and_stands_still_leaves_a_message_undelivered() {
    let (home, _stub) = with(Until::Accepted);
    let said = run(&home, &["send", "bob", "--until", "delivered", "hi"], 1);
    said.code(10).says("bob did not receive the message in time").says("do not send it again");
    run(&home, &["ask", "bob", "hi"], 1).code(10);
    let said = run(&home, &["send", "bob", "--until", "delivered", "--ttl", "1s", "hi"], 2);
    assert!(!said.stderr.contains("waits on the server"), "{}", said.stderr);
    said.code(10).says("its time to live is over");
}

#[test]
fn signals_end_what_waits_at_once() {
    let (home, stub) = with(Until::Welcome);
    let waiting: [&[&str]; 4] = [
        &["listen", "--as", "bob"],
        &["send", "bob", "hi"],
        &["ask", "bob", "hi"],
        &["join", "@ops"],
    ];
    for args in waiting {
        let before = stub.links();
        let command = start(home.command(args));
        until("a link", || stub.links() > before);
        command.signal("TERM");
        let said = ended(command, Instant::now(), Duration::from_secs(1));
        assert!([Some(143), None].contains(&said.code), "{args:?}: {:?}", said.code);
    }
}

/// A line of shell where the resolver's configuration is a pipe, so that it waits for whoever
/// writes that, and then asks no name server. `None` where such a thing is not allowed.
fn resolving(home: &Home, line: &str) -> Option<Running> {
    let made = home.program("mkfifo", &["switch"]).status();
    assert!(home.path().join("switch").exists(), "{made:?}");
    std::fs::write(home.path().join("hosts"), "127.0.0.1 broker.example.net\n").unwrap();
    let mount = "mount --bind hosts /etc/hosts && mount --bind switch /etc/nsswitch.conf";
    let namespace = home.program("unshare", &["-rm", "/bin/sh", "-c", mount]).status();
    if !namespace.is_ok_and(|status| status.success()) {
        return None;
    }
    let line = format!("{mount} && exec {line}");
    Some(start(home.program("unshare", &["-rm", "/bin/sh", "-c", &line])))
}

#[test]
fn a_resolver_that_never_answers_does_not_hold_anything_up() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice"]);
    for (args, code) in WAITING.into_iter().chain([(&["listen"][..], 69)]) {
        let line = format!("qmsg {} -s broker.example.net --timeout 1s", args.join(" "));
        let begun = Instant::now();
        let Some(command) = resolving(&home, &line) else { return };
        let said = ended(command, begun, Duration::from_secs(1));
        said.code(code).says("the name service does not answer");
    }
    // It says so itself after the first attempt.
    let Some(mut command) = resolving(&home, "qmsg listen -s broker.example.net") else { return };
    command.until(Stream::Err, "trying again");
    command.signal("TERM");
    ended(command, Instant::now(), Duration::ZERO).code(143);
}

/// Longer than an attempt lasts.
#[test]
fn a_resolver_that_is_slow_is_waited_for() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    let port = server.address.rsplit_once(':').unwrap().1;
    let line = format!("qmsg send bob hi -v -s broker.example.net:{port} --timeout 1m");
    let Some(mut command) = resolving(&home, &line) else { return };
    command.until(Stream::Err, "trying again");
    // The resolver may read it several times.
    let mut switch = OpenOptions::new();
    switch.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    until("a message that is accepted", || {
        let reader = switch.open(home.path().join("switch"));
        let _ = reader.map(|mut reader| reader.write_all(b"hosts: files\n"));
        !command.is_running()
    });
    command.end().code(0);
}
