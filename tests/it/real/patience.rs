//! Timeouts hold, whatever does not answer.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::needs::needs;

use super::kit::{Home, Running, Said, Stream, start};
use super::stub::{Stub, Until};
use super::wait::until;

/// Margin of a busy machine beyond a timeout.
const MARGIN: Duration = Duration::from_secs(4);

fn with(until: Until) -> (Home, Stub) {
    let (home, stub) = (Home::new(), Stub::start(until));
    for id in ["alice", "bob"] {
        home.run(&["join", id, "-s", &stub.address]).ok();
    }
    (home, stub)
}

/// Waits for a command with this timeout; returns its output.
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

/// Commands that wait for an answer, each with its exit code when none comes.
const WAITING: [(&[&str], i32); 12] = [
    (&["send", "bob", "-m", "hi"], 69),
    (&["send", "bob", "--spool", "-m", "hi"], 75),
    (&["send", "bob", "--until", "processed", "-m", "hi"], 69),
    (&["send", "bob", "--volatile", "-m", "hi"], 69),
    (&["send", "bob", "--in", "1h", "-m", "hi"], 69),
    (&["ask", "bob", "-m", "hi"], 69),
    (&["join", "@ops"], 69),
    (&["leave", "@ops"], 69),
    (&["later", "list"], 69),
    (&["listen", "--dead"], 69),
    (&["listen", "--requeue", "all"], 69),
    // Sends what the command above kept.
    (&["spool", "flush"], 75),
];

/// Checks that all of these end within a second, with their codes: in parallel, but for the last
/// one.
fn all_end(begin: impl Fn(&[&str]) -> Running) -> Vec<Said> {
    let second = Duration::from_secs(1);
    let (last, others) = WAITING.split_last().unwrap();
    let begun = Instant::now();
    let running: Vec<Running> = others.iter().map(|(args, _)| begin(args)).collect();
    let said = running.into_iter().map(|command| ended(command, begun, second));
    let mut said: Vec<Said> = said.collect();
    said.push(ended(begin(last.0), Instant::now(), second));
    for (said, (args, code)) in said.iter().zip(WAITING) {
        assert_eq!(said.code, Some(code), "{args:?}: {}", said.stderr);
    }
    said
}

#[test]
fn timeouts_hold_when_the_server_stops_after_its_welcome() {
    let (home, _stub) = with(Until::Welcome);
    all_end(|args| start(home.command(&[args, &["--timeout", "1s"]].concat())));
    // Listening until a timeout is success.
    run(&home, &["listen"], 1).code(0);
    run(&home, &["listen", "--poll"], 1).code(0);
    run(&home, &["listen", "-n", "1"], 1).code(124);
}

#[test]
fn a_server_that_dies_after_its_welcome_is_retried_with_pauses() {
    let (home, stub) = with(Until::WelcomeAndDeath);
    for args in [&["send", "bob", "-m", "hi"][..], &["listen", "--as", "bob"]] {
        let before = stub.links();
        run(&home, args, 3);
        let links = stub.links() - before;
        assert!((2..=8).contains(&links), "{links} links by {args:?}");
    }
    all_end(|args| start(home.command(&[args, &["--timeout", "1s"]].concat())));
}

#[test]
fn timeouts_hold_when_the_server_stops_within_a_body() {
    let (home, _stub) = with(Until::Chunks(20));
    let file = home.path().join("long");
    std::fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
    run(&home, &["send", "bob", "-f", "long"], 1).code(69).says("the server stopped answering");
    run(&home, &["send", "bob", "-f", "long", "--volatile"], 1).code(69);
}

#[test]
fn timeouts_hold_when_the_server_stops_after_accepting() {
    let (home, _stub) = with(Until::Accepted);
    let said = run(&home, &["send", "bob", "--until", "delivered", "-m", "hi"], 1);
    said.code(10).says("bob did not receive the message in time").says("do not send it again");
    run(&home, &["ask", "bob", "-m", "hi"], 1).code(10);
    let said = run(&home, &["send", "bob", "--until", "delivered", "--ttl", "1s", "-m", "hi"], 2);
    assert!(!said.stderr.contains("waits on the server"), "{}", said.stderr);
    said.code(10).says("its time to live is over");
}

#[test]
fn signals_end_waiting_commands_at_once() {
    let (home, stub) = with(Until::Welcome);
    let waiting: [&[&str]; 4] = [
        &["listen", "--as", "bob"],
        &["send", "bob", "-m", "hi"],
        &["ask", "bob", "-m", "hi"],
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

/// Shell line in a namespace where the resolver's configuration is a pipe, so that the resolver
/// waits for its writer, and then asks no name server. The test must have a `needs!("namespaces")`.
fn resolving(home: &Home, line: &str) -> Running {
    let made = home.program("mkfifo", &["switch"]).status();
    assert!(home.path().join("switch").exists(), "{made:?}");
    std::fs::write(home.path().join("hosts"), "127.0.0.1 broker.example.net\n").unwrap();
    let mount = "mount --bind hosts /etc/hosts && mount --bind switch /etc/nsswitch.conf";
    let line = format!("{mount} && exec {line}");
    start(home.program("unshare", &["-rm", "/bin/sh", "-c", &line]))
}

#[test]
fn timeouts_hold_when_the_resolver_never_answers() {
    needs!("namespaces");
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice"]);
    let begin = |args: &[&str]| {
        let line = format!("qmsg {} -s broker.example.net --timeout 1s", args.join(" "));
        resolving(&home, &line)
    };
    for said in all_end(begin) {
        said.says("the name service does not answer");
    }
    let said = ended(begin(&["listen"]), Instant::now(), Duration::from_secs(1));
    said.code(69).says("the name service does not answer");
    // The command reports its failure after a while.
    let mut command = resolving(&home, "qmsg listen -s broker.example.net");
    command.until(Stream::Err, "trying again");
    command.signal("TERM");
    ended(command, Instant::now(), Duration::ZERO).code(143);
}

/// The resolver takes longer than one attempt to connect.
#[test]
fn a_resolver_that_is_slow_is_waited_for() {
    needs!("namespaces");
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    let port = server.address.rsplit_once(':').unwrap().1;
    let line = format!("qmsg send bob -v -s broker.example.net:{port} --timeout 1m hi");
    let mut command = resolving(&home, &line);
    command.until(Stream::Err, "trying again");
    // The resolver may read the file several times.
    let mut switch = OpenOptions::new();
    switch.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    until("a message that is accepted", || {
        let reader = switch.open(home.path().join("switch"));
        let _ = reader.map(|mut reader| reader.write_all(b"hosts: files\n"));
        !command.is_running()
    });
    command.end().code(0);
}
