//! stdout and stderr that are closed, full, broken, not read or not blocking: no message is lost,
//! cut off or delayed.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::kit::{Home, Server};

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&["--max-body", "16MiB"]);
    home.join(&server, ids);
    (home, server)
}

/// Kinds of stderr that cannot be written to.
const KINDS: [&str; 5] = ["closed", "full", "broken", "unread", "unread socket"];

/// Gives a command such a stderr; returns what has to stay open while it runs.
fn deafen(command: &mut Command, kind: &str) -> Option<OwnedFd> {
    let full = |to: &mut dyn Write| while to.write(&[b'.'; 4096]).is_ok_and(|length| length > 0) {};
    match kind {
        "full" => {
            command.stderr(OpenOptions::new().write(true).open("/dev/full").unwrap());
            None
        }
        "broken" => {
            command.stderr(std::io::pipe().unwrap().1);
            None
        }
        "unread" => {
            let (from, mut to) = std::io::pipe().unwrap();
            rustix::io::ioctl_fionbio(&to, true).unwrap();
            full(&mut to);
            // Blocking, like a logger's pipe.
            rustix::io::ioctl_fionbio(&to, false).unwrap();
            command.stderr(to);
            Some(from.into())
        }
        "unread socket" => {
            let (from, mut to) = UnixStream::pair().unwrap();
            from.shutdown(Shutdown::Write).unwrap();
            to.set_nonblocking(true).unwrap();
            full(&mut to);
            to.set_nonblocking(false).unwrap();
            command.stderr(OwnedFd::from(to));
            Some(from.into())
        }
        _ => None,
    }
}

/// Starts a shell line with such a stderr; returns its stdout too.
fn deaf(home: &Home, kind: &str, line: &str) -> (std::process::Child, impl Read, Option<OwnedFd>) {
    let line = if kind == "closed" { format!("exec 2>&-; {line}") } else { line.to_owned() };
    let mut command = home.program("/bin/sh", &["-c", &line]);
    let open = deafen(&mut command, kind);
    let mut child = command.spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    (child, stdout, open)
}

/// Runs a shell line with such a stderr; returns its output and exit code.
fn deaf_end(home: &Home, kind: &str, line: &str) -> (String, Option<i32>) {
    let (mut child, mut stdout, _open) = deaf(home, kind, line);
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    (text, child.wait().unwrap().code())
}

#[test]
fn a_server_serves_whatever_becomes_of_its_stderr() {
    for kind in KINDS {
        let home = Home::new();
        let line = "exec qmsg serve --json -vvv --listen 127.0.0.1:0 --data data";
        let (mut child, stdout, _open) = deaf(&home, kind, line);
        let mut ready = String::new();
        BufReader::new(stdout).read_line(&mut ready).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
        let address = ready["listening"].as_str().unwrap();
        home.run(&["join", "bob", "-s", address]).ok();
        let lines: String = (0..2000).map(|n| format!("{n}\n")).collect();
        home.pipe(lines.as_bytes(), &["send", "-l", "bob"]).ok();
        assert_eq!(home.run(&["listen", "--poll"]).ok(), lines, "{kind}");
        assert!(child.try_wait().unwrap().is_none(), "{kind}");
        home.shell(&format!("kill -TERM {}", child.id())).ok();
        assert_eq!(child.wait().unwrap().code(), Some(143), "{kind}");
    }
}

#[test]
fn a_listener_listens_whatever_becomes_of_its_stderr() {
    for kind in KINDS {
        let (home, _server) = setup(&["bob"]);
        let lines: String = (0..300).map(|n| format!("{n}\n")).collect();
        home.pipe(lines.as_bytes(), &["send", "-l", "bob"]).ok();
        let printed = deaf_end(&home, kind, "exec qmsg listen --poll -vvv");
        assert_eq!(printed, (lines, Some(0)), "{kind}");
        home.pipe(b"1\n2\n3\n", &["send", "-l", "bob"]).ok();
        // The listener writes much to stderr for each message that is rejected.
        let line = "exec qmsg listen -n 3 -vvv --shell 'cat; exit 65'";
        assert_eq!(deaf_end(&home, kind, line), ("123".into(), Some(0)), "{kind}");
        assert_eq!(home.run(&["listen", "--dead"]).ok().lines().count(), 3, "{kind}");
        // An error keeps its exit code, though its text is lost.
        let line = "exec qmsg listen --poll -x ./nosuch";
        assert_eq!(deaf_end(&home, kind, line), (String::new(), Some(78)), "{kind}");
        assert_eq!(deaf_end(&home, kind, "exec qmsg listen --nosuch").1, Some(2), "{kind}");
    }
}

#[test]
fn a_send_without_a_server_keeps_its_message_and_a_wrap_its_code() {
    for kind in KINDS {
        let (home, server) = setup(&["bob"]);
        let address = server.address.clone();
        let line = "exec qmsg send bob -vvv --wrap -- sh -c 'echo out; exit 3'";
        let (text, code) = deaf_end(&home, kind, line);
        assert_eq!((text.as_str(), code), ("out\n", Some(3)), "{kind}");
        assert!(home.run(&["listen", "--poll"]).ok().contains("exit 3"), "{kind}");
        server.kill();
        let line = "exec qmsg send bob -vvv --spool --timeout 300ms precious";
        assert_eq!(deaf_end(&home, kind, line).1, Some(75), "{kind}");
        let _server = home.serve_on(&address, &[]);
        home.run(&["spool", "flush"]).ok();
        assert_eq!(home.run(&["listen", "--poll"]).ok(), "precious\n", "{kind}");
    }
}

#[test]
fn a_stdout_that_cannot_be_written_consumes_nothing() {
    let (home, _server) = setup(&["bob"]);
    home.run(&["send", "bob", "precious"]).ok();
    for flags in ["", "--json", "--raw", "-0", "-F %p", "-n 1"] {
        for to in [">&-", "> /dev/full", "1< /dev/null"] {
            let said = home.shell(&format!("qmsg listen --poll {flags} {to}"));
            said.code(1).says("write error: stdout cannot be written: ");
            assert!(!said.stderr.contains("os error"), "{}", said.stderr);
        }
        let said = home.shell(&format!("qmsg listen --poll {flags} <&- >&- 2>&-"));
        said.code(1);
    }
    home.shell("qmsg listen --poll --shell 'exit 65' <&- >&-").code(0);
    for line in ["qmsg listen --dead", "qmsg listen --dead --json", "qmsg config show"] {
        for to in [">&-", "> /dev/full"] {
            home.shell(&format!("{line} {to}")).code(1).says("write error: ");
        }
    }
    home.run(&["listen", "--requeue", "all"]).ok();
    // `--save-dir` and handlers do not need stdout.
    std::fs::create_dir(home.path().join("out")).unwrap();
    home.shell("qmsg listen --poll --save-dir out >&-").code(0);
    assert_eq!(std::fs::read_dir(home.path().join("out")).unwrap().count(), 1);
    home.run(&["send", "bob", "more"]).ok();
    home.shell("qmsg listen --poll --shell 'echo said; cat > got' >&-").code(0);
    assert_eq!(std::fs::read_to_string(home.path().join("got")).unwrap(), "more");
    // Output to /dev/null does not count as lost.
    home.run(&["send", "bob", "nothing"]).ok();
    home.shell("qmsg listen --poll > /dev/null").code(0);
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "");
}

#[test]
fn a_stdout_that_does_not_block_is_waited_for() {
    let (home, _server) = setup(&["bob"]);
    let body = super::kit::noise(3_000_000);
    for _ in 0..2 {
        home.pipe(&body, &["send", "bob"]).ok();
    }
    let (mut from, to) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&to, true).unwrap();
    let mut command = home.command(&["listen", "--raw", "-n", "2"]);
    let mut child = command.stdout(to).spawn().unwrap();
    drop(command);
    let mut read = Vec::new();
    from.read_to_end(&mut read).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(read == [&body[..], &body].concat());
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "");
}

#[test]
fn messages_before_a_full_disk_are_processed_and_no_other() {
    let (home, _server) = setup(&["bob"]);
    let lines: String = (0..200).map(|n| format!("{n} {}\n", "x".repeat(996))).collect();
    home.pipe(lines.as_bytes(), &["send", "-l", "bob"]).ok();
    // Files may have at most 100 blocks of 512 bytes.
    let said = home.shell("trap '' XFSZ; ulimit -f 100; qmsg listen --poll > file");
    said.code(1).says("write error: ");
    let printed = std::fs::read_to_string(home.path().join("file")).unwrap();
    assert_eq!(printed.len(), 51_200);
    let whole = &printed[..=printed.rfind('\n').unwrap()];
    let rest = home.run(&["listen", "--poll"]).ok();
    assert!([whole, &rest].concat() == lines, "each once, none cut");
}

#[test]
fn a_reader_that_ends_is_noticed_at_once() {
    let (home, _server) = setup(&["bob"]);
    // The listener notices without a further message.
    home.run(&["send", "bob", "two"]).ok();
    let said = home.shell("{ qmsg listen; echo $? >&2; } | head -n 1");
    assert_eq!((said.stdout.as_slice(), said.stderr.as_str()), (&b"two\n"[..], "0\n"));
    // Messages behind it are still there, but for a few that went into the pipe.
    let lines: String = (0..1000).map(|n| format!("{n}\n")).collect();
    home.pipe(lines.as_bytes(), &["send", "-l", "bob"]).ok();
    assert_eq!(home.shell("qmsg listen | head -n 1").ok(), "0\n");
    let left = home.run(&["listen", "--poll"]).ok().lines().count();
    assert!(left > 700, "{left} of 1000 are left");
}

#[test]
fn a_stalled_reader_does_not_delay_the_end() {
    let (home, _server) = setup(&["bob"]);
    home.pipe(&vec![b'x'; 1 << 20], &["send", "bob"]).ok();
    let (from, to) = std::io::pipe().unwrap();
    let mut command = home.command(&["listen", "-v"]);
    let mut child = command.stdout(to).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("caught up") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0);
    }
    home.shell(&format!("kill -TERM {}", child.id())).ok();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    drop(from);
    assert_eq!(
        home.run(&["listen", "--raw", "--poll"]).ok().len(),
        1 << 20,
        "it was not processed"
    );
}

#[test]
fn lines_lost_on_stderr_are_reported_when_it_is_read_again() {
    let home = Home::new();
    let (from, to) = std::io::pipe().unwrap();
    let mut command = home.command(&["serve", "--json", "-vvv", "--listen", "127.0.0.1:0"]);
    let mut child = command.stderr(to).spawn().unwrap();
    drop(command);
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let address = ready["listening"].as_str().unwrap();
    home.run(&["join", "bob", "-s", address]).ok();
    let lines = "x\n".repeat(500);
    let begin = Instant::now();
    let mut sent = 0;
    // More than a pipe and the buffers before it hold.
    while sent < 60 && begin.elapsed() < Duration::from_secs(30) {
        home.pipe(lines.as_bytes(), &["send", "-l", "bob"]).ok();
        home.run(&["listen", "--poll"]).ok();
        sent += 1;
    }
    let mut log = BufReader::new(from).lines();
    let is_said = log
        .by_ref()
        .any(|line| line.unwrap().ends_with("lines are missing here: nobody read them"));
    assert!(is_said);
    home.shell(&format!("kill -TERM {}", child.id())).ok();
    while log.next().is_some() {}
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn saved_files_have_common_modes_and_a_full_disk_is_73() {
    use std::os::unix::fs::PermissionsExt;
    let (home, _server) = setup(&["bob"]);
    std::fs::create_dir(home.path().join("out")).unwrap();
    for (mask, mode) in [("022", 0o644), ("002", 0o664), ("077", 0o600)] {
        home.run(&["send", "bob", "x"]).ok();
        let line = format!("umask {mask}; qmsg listen --poll --save-dir out");
        let path = home.shell(&line).ok();
        let file = File::open(home.path().join(path.trim())).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, mode, "umask {mask}");
    }
    home.pipe(&[b'x'; 90_000], &["send", "bob"]).ok();
    let line = "trap '' XFSZ; ulimit -f 100; qmsg listen --poll --save-dir out";
    home.shell(line).code(73).says("a message cannot be saved").says("offered again");
    assert_eq!(
        std::fs::read_dir(home.path().join("out")).unwrap().count(),
        3,
        "nothing is left of it"
    );
    assert_eq!(home.run(&["listen", "--poll", "--raw"]).ok().len(), 90_000);
}
