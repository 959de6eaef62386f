//! `send --wrap`: a command runs as it would without, and a message reports its end.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::kit::{Home, Server, Stream, start, start_with};
use super::sweep;

fn joined(home: &Home) -> Server {
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    server
}

/// Headers and body of each message for bob.
fn read(home: &Home) -> Vec<(Value, String)> {
    let text = home.run(&["listen", "--poll", "--json", "--as", "bob"]).ok();
    let parse = |line: &str| {
        let mut message: Value = serde_json::from_str(line).unwrap();
        let body = message["body"].as_str().unwrap().to_owned();
        (message["headers"].take(), body)
    };
    text.lines().map(parse).collect()
}

fn wrap<'a>(flags: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    [&["send", "bob", "--wrap"], flags, &["--"], command].concat()
}

#[test]
fn the_command_is_as_it_would_be_alone() {
    let home = Home::new();
    let _server = joined(&home);
    let script = "cat; echo err >&2; printf 'no newline'; exit 3";
    let said = start_with(home.command(&wrap(&[], &["sh", "-c", script])), b"in\n".to_vec()).end();
    said.code(3);
    assert_eq!((said.stdout, said.stderr.as_str()), (b"in\nno newline".to_vec(), "err\n"));
    let messages = read(&home);
    let [(headers, body)] = &messages[..] else { panic!("{messages:?}") };
    let title = headers["title"].as_str().unwrap();
    assert!(title.starts_with("sh -c cat; echo err"), "{title}");
    assert!(title.contains(" failed (exit 3) on "), "{title}");
    assert_eq!((&headers["priority"], &headers["exit"]), (&"4".into(), &"3".into()));
    assert_eq!(headers["type"], "text/plain");
    assert!(headers["duration"].as_str().unwrap().parse::<f64>().is_ok());
    let (first, lines) = body.split_once("\n\n").unwrap();
    assert!(first.contains(": exit 3 after "), "{body}");
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "in", "no newline"]);
    // Binary and long output is fine.
    let said = home.run(&wrap(&["-q"], &["sh", "-c", "head -c 3000000 /dev/zero; seq 100"]));
    said.code(0);
    assert_eq!(said.stdout.len(), 3_000_000 + 292);
    let (headers, body) = read(&home).remove(0);
    assert!(headers["title"].as_str().unwrap().contains(" is done on "));
    assert!(headers.get("priority").is_none());
    assert!(body.ends_with("99\n100\n") && body.lines().count() == 22, "{body}");
}

#[test]
fn options_of_the_message_apply() {
    let home = Home::new();
    let _server = joined(&home);
    let flags = ["--title", "backup", "-p", "min", "--tags", "x", "--tail", "1", "-H", "job: 7"];
    home.run(&wrap(&flags, &["sh", "-c", "seq 9; exit 1"])).code(1);
    let (headers, body) = read(&home).remove(0);
    assert_eq!((&headers["title"], &headers["priority"]), (&"backup".into(), &"1".into()));
    assert_eq!((&headers["tags"], &headers["job"]), (&"x".into(), &"7".into()));
    assert!(body.ends_with(" s\n\n9\n"), "{body}");
    home.run(&wrap(&["--only-on-failure"], &["true"])).code(0);
    home.run(&wrap(&["--only-on-failure"], &["false"])).code(1);
    let messages = read(&home);
    assert_eq!(messages.len(), 1);
    assert!(messages[0].1.starts_with("false: exit 1 after "));
    assert!(!messages[0].1.contains("\n\n"), "no lines were printed");
    for args in [
        &wrap(&[], &[])[..],
        &wrap(&["-l"], &["true"]),
        &wrap(&["--at", "07:00"], &["true"]),
        &wrap(&["-p", "urgent"], &["touch", "ran"]),
        &["send", "bob", "--only-on-failure", "x"],
    ] {
        home.run(args).code(2);
    }
    assert!(!home.path().join("ran").exists(), "what is wrong is said before");
}

#[test]
fn a_message_that_fails_changes_nothing() {
    let home = Home::new();
    let said = home.run(&wrap(&[], &["sh", "-c", "echo out; exit 5"]));
    said.code(5).says("the message about the command was not sent").says("no id is joined");
    assert_eq!(said.stdout, b"out\n");
    let server = joined(&home);
    home.run(&["send", "nobody", "--wrap", "true"]).code(0).says("no such user: nobody");
    let address = server.address.clone();
    server.kill();
    home.run(&wrap(&["--timeout", "200ms"], &["false"])).code(1).says("no answer from");
    let kept = home.run(&wrap(&["--timeout", "200ms", "--spool"], &["false"]));
    kept.code(1).says("not sent yet, but kept");
    let _server = home.serve_on(&address, &[]);
    home.run(&["spool", "flush"]).code(0).says("1 message sent");
    assert!(read(&home)[0].1.starts_with("false: exit 1"));
    // The exit codes of shells.
    home.run(&wrap(&[], &["no-such-command"])).code(127).says("cannot start no-such-command");
    home.run(&wrap(&[], &["/"])).code(126);
    let messages = read(&home);
    assert!(messages.iter().all(|(_, body)| body.contains(": not started: ")), "{messages:?}");
    assert_eq!(messages.len(), 2);
}

#[test]
fn a_missing_interpreter_is_named() {
    let home = Home::new();
    let _server = joined(&home);
    for (first, name) in [("#!/bin/sh\\r", "/bin/sh\\r"), ("#! /no/such -x", "/no/such")] {
        let line = format!("printf '{first}\\ntrue\\n' > job; chmod +x job");
        home.shell(&line).ok();
        let said = home.run(&wrap(&[], &["./job"]));
        let why = format!("its first line wants {name}, which does not exist");
        said.code(127).says(&format!("cannot start ./job: {why}"));
        assert!(report(&home).1.contains(&why));
    }
}

#[test]
fn signals_go_to_the_command() {
    let home = Home::new();
    let _server = joined(&home);
    // A child runs its shell's traps until its program starts, so the child itself reports that.
    let sleeper = "sh -c 'echo up; exec tail -f /dev/null'";
    let both = format!("trap 'kill $!; exit 8' INT; trap 'kill $!; exit 7' TERM; {sleeper} & wait");
    // Ignored signals stay ignored, as for whoever runs in the background of a script.
    let (default, ignored) = ("--default-signal=INT", "--ignore-signal=INT");
    for (at_first, signals, script, code, status) in [
        (default, &["TERM"][..], both.clone(), 7, "exit 7"),
        (default, &["INT"], both.clone(), 8, "exit 8"),
        (ignored, &["INT", "TERM"], both, 7, "exit 7"),
        (default, &["TERM"], format!("exec {sleeper}"), 143, "killed by signal 15"),
    ] {
        let args = wrap(&[], &["sh", "-c", &script]);
        let args = [&[at_first, "qmsg"], &args[..]].concat();
        let mut running = start(home.program("env", &args));
        running.until(Stream::Out, "up");
        signals.iter().for_each(|signal| running.signal(signal));
        running.end().code(code);
        let (headers, body) = read(&home).remove(0);
        assert_eq!(headers["exit"], code.to_string());
        assert!(body.contains(&format!(": {status} after ")), "{body}");
    }
    home.run(&wrap(&[], &["sh", "-c", "kill -9 $$"])).code(137);
    // Processes that the command leaves behind are not waited for.
    let said = home.run(&wrap(&[], &["sh", "-c", "tail -f /dev/null & echo $!"]));
    said.code(0);
    let left = String::from_utf8(said.stdout).unwrap();
    sweep::signal(left.trim().parse().unwrap(), "KILL");
    // A command that prints without end notices that its reader is gone.
    let said = home.shell("{ qmsg send bob --wrap -- yes; echo $? >&2; } | head -n 1");
    assert_eq!((said.stdout.as_slice(), said.stderr.as_str()), (&b"y\n"[..], "141\n"));
}

/// Exit code in the message's headers, and its body.
fn report(home: &Home) -> (String, String) {
    let (headers, body) = read(home).remove(0);
    (headers["exit"].as_str().unwrap().to_owned(), body)
}

#[test]
fn a_script_needs_no_interpreter_line() {
    let home = Home::new();
    let _server = joined(&home);
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let program = |name: &str, text: &[u8]| {
        let path = bin.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    };
    program("job", b"echo \"$1 ran\"\nexit 3\n");
    program("-job", b"echo dash\n");
    program("void", b"");
    program("foreign", b"\x7fELF\x02\0\0");
    for (line, out, code) in [
        ("bin/job it", "it ran\n", 3),
        ("\"$PWD\"/bin/job it", "it ran\n", 3),
        ("job it", "it ran\n", 3),
        ("-job", "dash\n", 0),
        ("void", "", 0),
        ("foreign", "", 126),
        ("bin/none", "", 127),
        ("bin", "", 127),
        ("./bin", "", 126),
    ] {
        let said = home.shell(&format!("PATH=$PWD/bin:$PATH; qmsg send bob --wrap -- {line}"));
        assert_eq!((said.code, &said.stdout[..]), (Some(code), out.as_bytes()), "{line}");
        assert_eq!(report(&home).0, code.to_string(), "{line}");
    }
}

#[test]
fn a_closed_terminal_is_reported() {
    let home = Home::new();
    let _server = joined(&home);
    let sleeper = "sh -c 'echo up; exec tail -f /dev/null'";
    let script =
        format!("trap 'kill $!; exit 9' HUP; trap 'kill $!; exit 7' TERM; {sleeper} & wait");
    for (at_first, signals, code) in [
        ("--default-signal=HUP", &["HUP", "HUP"][..], 9),
        ("--default-signal=QUIT", &["QUIT"], 131),
        ("--default-signal=USR1", &["USR1"], 138),
        // As under nohup.
        ("--ignore-signal=HUP", &["HUP", "TERM"], 7),
        // A parent that ignores SIGCHLD.
        ("--ignore-signal=CHLD", &["TERM"], 7),
    ] {
        let script = if code > 128 { format!("exec {sleeper}") } else { script.clone() };
        let args = [&[at_first, "qmsg"], &wrap(&[], &["sh", "-c", &script])[..]].concat();
        let mut running = start(home.program("env", &args));
        running.until(Stream::Out, "up");
        signals.iter().for_each(|signal| running.signal(signal));
        running.end().code(code);
        assert_eq!(report(&home).0, code.to_string(), "{at_first}");
    }
}

#[test]
fn output_that_cannot_be_written_stops_nothing() {
    let home = Home::new();
    let _server = joined(&home);
    let job = "qmsg send bob --wrap -- sh -c 'seq 30000; echo err >&2; touch done; exit 4'";
    for (line, why) in [
        (format!("{job} > /dev/full"), "No space left on device"),
        (format!("{job} 2> /dev/full | cat > seen; exit 4"), "No space left on device"),
        (format!("{{ {job}; echo $? > code; }} | true; exit $(cat code)"), "Broken pipe"),
    ] {
        home.shell(&line).code(4);
        assert!(fs::remove_file(home.path().join("done")).is_ok(), "{line}");
        let (code, body) = report(&home);
        assert_eq!(code, "4", "{line}");
        assert!(body.contains(&format!("its output could not be written: {why}\n")), "{body}");
        assert!(body.contains("\n30000\n"), "{body}");
    }
    let seen = fs::read_to_string(home.path().join("seen")).unwrap();
    assert_eq!(seen.lines().count(), 30_000, "the other stream is whole");
}

#[test]
fn background_processes_are_left_alone() {
    let home = Home::new();
    let _server = joined(&home);
    // The command prints when it is told to, and then reports that it still runs.
    let made = home.program("mkfifo", &["go", "lives"]).status().unwrap();
    assert!(made.success());
    let script = "{ read -r x < go; seq 20000; echo $? > lives; } & echo $!; exit 2";
    let said = home.run(&wrap(&[], &["sh", "-c", script]));
    said.code(2);
    assert_eq!(report(&home).0, "2");
    let left = home.shell("echo x > go; cat lives");
    assert_eq!(left.stdout, b"0\n", "its output has a reader");
}
