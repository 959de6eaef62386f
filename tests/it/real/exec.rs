//! `listen --exec`: what a handler gets, what its exit means, and what remains when handler or
//! listener is killed.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::Value;

use super::kit::{Home, Server, Stream, noise, start};

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&["--max-body", "64MiB"]);
    home.join(&server, ids);
    (home, server)
}

fn read(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path().join(name)).unwrap_or_default()
}

/// Messages that bob has not acked.
fn left(home: &Home) -> String {
    home.run(&["listen", "--as", "bob", "--poll"]).ok()
}

/// Waits until a process is gone. A zombie counts as gone.
fn gone(home: &Home, pid: &str) {
    let state = format!("grep -q '^State:.*Z' /proc/{pid}/status");
    home.shell(&format!("while kill -0 {pid} && ! {state}; do sleep 0.01; done")).ok();
}

/// A named pipe, on which handlers wait for the test or for one another.
fn fifo(home: &Home, name: &str) -> PathBuf {
    home.shell(&format!("mkfifo {name}")).ok();
    home.path().join(name)
}

#[test]
fn a_handler_gets_the_body_the_fields_and_the_object() {
    let (home, _server) = setup(&["alice", "bob"]);
    home.run(&["join", "@ops", "--as", "bob"]).ok();
    for body in [&b"\0\xff\n"[..], b"", &noise(700_000)] {
        home.pipe(body, &["send", "@ops", "--empty", "--as", "alice"]).ok();
        let line = "cat > body; cat <&3 > json; env > env; echo out; echo err >&2";
        let mut listener = home.command(&["listen", "--as", "bob", "-n", "1", "--shell", line]);
        listener.env("QMSG_MSG_TITLE", "of somebody else");
        let said = start(listener).end();
        said.code(0).says("err\n");
        assert_eq!(said.stdout, b"out\n", "its own stdout is ours");
        assert!(fs::read(home.path().join("body")).unwrap() == body);
        let json = read(&home, "json");
        let value: Value = serde_json::from_str(&json).unwrap();
        assert!(json.ends_with("}\n"));
        assert_eq!((&value["attempt"], &value["to"]), (&1.into(), &"@ops".into()));
        let env = read(&home, "env");
        for (name, field) in [("ID", "id"), ("FROM", "from"), ("TO", "to"), ("ROOM", "room")] {
            let wanted = format!("QMSG_MSG_{name}={}\n", value[field].as_str().unwrap());
            assert!(env.contains(&wanted), "{wanted} {env}");
        }
        assert!(env.contains(&format!("QMSG_MSG_SIZE={}\n", body.len())));
        assert!(!env.contains("QMSG_MSG_TITLE"), "{env}");
    }
}

#[test]
fn arguments_go_to_the_command_as_they_are() {
    let (home, _server) = setup(&["bob"]);
    for before in [&["-x"][..], &["-x", "--"], &["--exec"]] {
        home.run(&["send", "bob", "$(id)"]).ok();
        let command = ["printf", "[%s]", "-n", "--json", "a b", "$HOME", "--", ""];
        let args = [&["listen", "-n", "1"], before, &command].concat();
        assert_eq!(home.run(&args).ok(), "[-n][--json][a b][$HOME][--][]");
    }
}

#[test]
fn the_exit_code_says_what_becomes_of_the_message() {
    let (home, _server) = setup(&["bob"]);
    for (line, attempts, says, refused) in [
        ("exit 0", 1, "", false),
        ("exit 65", 1, "exit code 65 at attempt 1: refused for good; it is a dead", true),
        ("exit 100", 1, "exit code 100 at attempt 1: refused for good", true),
        ("exit 1", 3, "exit code 1 at attempt 3: refused for good", true),
        ("exit 255", 3, "exit code 255 at attempt 1: again in 10ms", true),
        ("kill -9 $$", 3, "signal 9 at attempt 2: again in 20ms", true),
        ("kill -SEGV $$", 3, "signal 11 at attempt 3: refused for good", true),
        // Exit code 75 is no failure, however often it comes.
        ("[ $QMSG_MSG_ATTEMPT = 5 ] || exit 75", 5, "code 75 at attempt 4: again in 80ms", false),
        ("[ $QMSG_MSG_ATTEMPT = 3 ]", 3, "exit code 1 at attempt 2: again in 20ms", false),
    ] {
        home.run(&["send", "bob", "hi"]).ok();
        let line = format!("echo run >> runs; {line}");
        let args = ["listen", "-n", "1", "--retry-delay", "10ms", "--max-attempts", "3"];
        let said = home.run(&[&args[..], &["--shell", &line]].concat());
        said.code(0).says(says);
        let count = read(&home, "runs").lines().count();
        fs::remove_file(home.path().join("runs")).unwrap();
        assert_eq!(count, attempts, "{line}");
        assert_eq!(said.stderr.contains("refused for good"), refused, "{line}");
        let dead = home.run(&["listen", "--dead"]).ok();
        assert_eq!(dead.lines().count(), usize::from(refused), "{line}: {dead}");
        home.run(&["listen", "--drop", "all"]).code(0);
        assert_eq!(left(&home), "", "{line}: it is dealt with");
    }
}

#[test]
fn a_command_that_is_not_there_costs_no_message() {
    let (home, _server) = setup(&["bob"]);
    home.run(&["send", "bob", "hi"]).ok();
    fs::write(home.path().join("plain"), "").unwrap();
    for command in ["nosuch", "./nosuch", "./plain", "/"] {
        let said = home.run(&["listen", "-x", command]);
        said.code(78).says(&format!("{command} cannot be run")).says("hint: ");
    }
    // A handler that deletes itself while the listener runs.
    let path = home.path().join("handler");
    fs::write(&path, "#!/bin/sh\nrm $0\n").unwrap();
    home.shell("chmod +x handler; qmsg send bob again").ok();
    let listener = home.run(&["listen", "-x", "./handler"]);
    listener.code(78).says("./handler cannot be run");
    assert_eq!(left(&home), "again\n");
}

#[test]
fn one_sender_keeps_its_order_while_others_go_on() {
    let (home, _server) = setup(&["alice", "bob", "carol"]);
    fifo(&home, "gate");
    for (from, text) in [("alice", "a1"), ("alice", "a2"), ("carol", "c1"), ("alice", "a3")] {
        home.run(&["send", "bob", "--as", from, text]).ok();
    }
    // Alice's first message waits for carol's, and fails once.
    let line = r#"read text; case $text in
        a1) cat gate > /dev/null; echo "$text $QMSG_MSG_ATTEMPT" >> log; [ -e once ];;
        c1) echo "$text" >> log; touch second; echo > gate; touch once.tmp;;
        *) echo "$text" >> log;;
    esac; code=$?; [ $text = a1 ] && [ $code = 1 ] && { touch once; echo > gate & }; exit $code"#;
    let args = ["listen", "--as", "bob", "-n", "4", "--jobs", "2", "--retry-delay", "10ms"];
    home.run(&[&args[..], &["--shell", line]].concat()).code(0);
    assert_eq!(read(&home, "log"), "c1\na1 1\na1 2\na2\na3\n");
}

#[test]
fn jobs_run_at_the_same_time() {
    let ids = ["alice", "bob", "carol", "dave", "erin"];
    let (home, _server) = setup(&ids);
    for from in ids.iter().filter(|id| **id != "bob") {
        home.run(&["send", "bob", "--as", from, from]).ok();
    }
    // Each handler ends only when all four have started.
    let line = "touch in.$QMSG_MSG_FROM; until [ $(ls in.* | wc -l) = 4 ]; do sleep 0.01; done";
    let args = ["listen", "--as", "bob", "-n", "4", "--jobs", "4", "--shell", line];
    home.run(&args).code(0);
}

#[test]
fn a_handler_that_takes_too_long_is_ended_with_all_it_started() {
    let (home, _server) = setup(&["bob"]);
    home.run(&["send", "bob", "hi"]).ok();
    let line = "sleep 1000 & echo $! >> pids; wait; sleep 1000";
    let args = ["listen", "-n", "1", "--exec-timeout", "300ms", "--retry-delay", "1ms"];
    let said = home.run(&[&args[..], &["--max-attempts", "2", "--shell", line]].concat());
    said.code(0).says("not done within 300ms at attempt 1").says("at attempt 2: refused for good");
    let pids = read(&home, "pids");
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        gone(&home, pid);
    }
    // A handler that ignores SIGTERM is killed.
    home.run(&["send", "bob", "hi"]).ok();
    let line = "trap '' TERM; echo $$ > pids; while :; do sleep 0.1; done";
    let args = ["listen", "-n", "1", "--exec-timeout", "100ms", "--max-attempts", "1"];
    let said = home.run(&[&args[..], &["--shell", line]].concat());
    said.code(0).says("not done within 100ms at attempt 1");
    gone(&home, read(&home, "pids").trim());
    assert_eq!(left(&home), "");
}

#[test]
fn a_listener_that_is_killed_leaves_the_message() {
    let (home, _server) = setup(&["bob"]);
    let gate = fifo(&home, "gate");
    home.run(&["send", "bob", "hi"]).ok();
    let line = "echo begun; cat gate > /dev/null";
    let mut listener = start(home.command(&["listen", "--shell", line]));
    listener.until(Stream::Out, "begun");
    listener.signal("KILL");
    assert_eq!(left(&home), "hi\n", "another gets it");
    // The handler itself got no signal.
    fs::File::options().write(true).open(gate).unwrap().write_all(b"\n").unwrap();
    listener.end().code(137);
}

#[test]
fn a_terminated_listener_waits_for_its_handlers() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let (home, _server) = setup(&["alice", "bob"]);
        let gate = fifo(&home, "gate");
        home.run(&["send", "bob", "--as", "alice", "begun"]).ok();
        home.run(&["send", "bob", "--as", "alice", "not begun"]).ok();
        let args = ["listen", "--as", "bob", "--shell", "cat; cat gate > /dev/null"];
        let mut listener = start(home.command(&args));
        listener.until(Stream::Out, "begun");
        listener.signal(signal);
        listener.until(Stream::Err, "waiting for 1 handler, at most 10s");
        fs::File::options().write(true).open(gate).unwrap().write_all(b"\n").unwrap();
        let said = listener.end();
        said.code(code);
        assert_eq!(said.stdout, b"begun");
        assert_eq!(left(&home), "not begun\n");
    }
}

#[test]
fn a_listener_terminated_twice_ends_at_once() {
    let (home, _server) = setup(&["bob"]);
    home.run(&["send", "bob", "hi"]).ok();
    let line = "trap '' TERM; echo $$ > pid; echo begun; while :; do sleep 0.1; done";
    let mut listener = start(home.command(&["listen", "--shell", line]));
    listener.until(Stream::Out, "begun");
    listener.signal("TERM");
    listener.until(Stream::Err, "waiting for 1 handler, at most 10s");
    listener.signal("TERM");
    listener.end().code(143);
    gone(&home, read(&home, "pid").trim());
    assert_eq!(left(&home), "hi\n");
}

#[test]
fn a_failure_at_the_end_is_left_to_the_next_listener() {
    let (home, _server) = setup(&["bob"]);
    home.run(&["send", "bob", "hi"]).ok();
    let gate = fifo(&home, "gate");
    let line = "echo begun; cat gate > /dev/null; exit 1";
    let args = ["listen", "--max-attempts", "1", "--shell", line];
    let mut listener = start(home.command(&args));
    listener.until(Stream::Out, "begun");
    listener.signal("TERM");
    listener.until(Stream::Err, "waiting for 1 handler, at most 10s");
    fs::File::options().write(true).open(gate).unwrap().write_all(b"\n").unwrap();
    listener.end().code(143);
    assert_eq!(left(&home), "hi\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_body_is_streamed() {
    let (home, _server) = setup(&["bob"]);
    let body = noise(48 << 20);
    fs::write(home.path().join("long"), &body).unwrap();
    home.run(&["send", "bob", "-f", "long"]).ok();
    // The message is read twice: the first attempt reads only a part of it.
    let line = "[ $QMSG_MSG_ATTEMPT = 2 ] || { head -c 100000 > /dev/null; exit 1; }; \
                cmp - long && cat <&3 | tr -d '\\n' | tail -c 20";
    let args = ["listen", "-n", "1", "--retry-delay", "10ms", "--shell", line];
    let (said, peak_kib) = start(home.command(&args)).end_with_peak();
    said.code(0);
    assert!(
        said.stdout.ends_with(b"\"to\":\"bob\"}"),
        "{:?}",
        String::from_utf8_lossy(&said.stdout)
    );
    assert!((1..32 << 10).contains(&peak_kib), "{peak_kib} KiB");
    // A handler need not read its stdin.
    home.run(&["send", "bob", "-f", "long"]).ok();
    home.run(&["listen", "-n", "1", "-x", "true"]).code(0);
}

#[test]
fn the_stdout_of_a_handler_is_the_answer() {
    let (home, _server) = setup(&["alice", "bob"]);
    let line = "case $(cat) in \
        up) uptime=$(head -c 60000 /dev/zero | tr '\\0' x); printf %s $uptime;; \
        none) ;; \
        late) echo in time; { sleep 3; echo late; } & ;; \
        long) head -c 70000 /dev/zero;; \
        no) echo thrown away; exit 65;; esac";
    let args = ["--as", "bob", "--reply", "--shell", line];
    let listener = home.listen(&args);
    let ask = |text| home.run(&["ask", "bob", "--as", "alice", text]);
    assert_eq!(ask("up").ok(), "x".repeat(60_000) + "\n");
    assert_eq!(ask("none").ok(), "\n");
    assert_eq!(ask("late").ok(), "in time\n", "what it has printed by its end");
    let said = ask("no");
    said.code(12).says("exit code 65");
    assert_eq!(said.stdout, b"");
    ask("long").code(12).says("an answer of more than 61440 bytes");
    listener.signal("TERM");
    let said = listener.end();
    said.code(143);
    assert_eq!(said.stdout, b"", "it is not ours");
}

#[test]
fn volatile_messages_are_given_up_without_a_trace() {
    let (home, _server) = setup(&["alice", "bob"]);
    let line = "echo run $QMSG_MSG_ATTEMPT $QMSG_MSG_SEQ; exit 1";
    let args = ["--as", "bob", "-n", "1", "--max-attempts", "2", "--retry-delay", "1ms"];
    let listener = home.listen(&[&args[..], &["--shell", line]].concat());
    home.run(&["send", "bob", "--volatile", "--as", "alice", "hi"]).ok();
    let said = listener.end();
    said.code(0).says("exit code 1 at attempt 2: given up; it was volatile");
    assert_eq!(said.stdout, b"run 1\nrun 2\n");
}

#[test]
fn timeout_and_poll_apply_with_handlers() {
    let (home, _server) = setup(&["bob"]);
    home.run(&["send", "bob", "hi"]).ok();
    let args = ["listen", "-n", "1", "--timeout", "1s", "--shell", "exit 75"];
    home.run(&args).code(124);
    assert_eq!(left(&home), "hi\n");
    home.run(&["send", "bob", "one"]).ok();
    home.run(&["send", "bob", "two"]).ok();
    assert_eq!(home.run(&["listen", "--poll", "-x", "cat"]).ok(), "onetwo", "all that waits");
}

#[test]
fn flags_that_exclude_each_other_are_errors() {
    let home = Home::new();
    let cases: [(&[&str], &str); 14] = [
        (&["--jobs", "2"], "--exec <CMD>...|--shell <LINE>"),
        (&["--max-attempts", "2"], "--exec"),
        (&["--retry-delay", "2s"], "--exec"),
        (&["--exec-timeout", "2s"], "--exec"),
        (&["--reply"], "--exec"),
        (&["--json", "-x", "cat"], "'--json' cannot be used with"),
        (&["-F", "%p", "--shell", "cat"], "cannot be used with"),
        (&["--save-dir", ".", "-x", "cat"], "cannot be used with"),
        (&["--shell", "cat", "-x", "cat"], "cannot be used with"),
        (&["--new", "--poll"], "cannot be used with"),
        (&["--new", "--since", "all"], "cannot be used with"),
        (&["--dead", "-n", "1"], "cannot be used with"),
        (&["--requeue", "all", "--drop", "all"], "cannot be used with"),
        (&["-x"], "a value is required"),
    ];
    for (args, why) in cases {
        home.run(&[&["listen"], args].concat()).code(2).says(why);
    }
    for (args, why) in [
        (["-F", "%q"], "there is no field %q"),
        (["-F", ""], "no field of a message is in it"),
        (["--shell", ""], "there is no command in it"),
        (["--shell", " \t\n "], "there is no command in it"),
        (["--shell", " # cat\n#"], "there is no command in it"),
        (["--since", "soon"], "a time like 10m, the id of a message, or all"),
        (["--requeue", "x"], "the id of a message, or all"),
        (["--jobs", "0"], "0 is not in 1..=1024"),
        (["--exec-timeout", "soon"], "write it like"),
        (["--room", "ops"], "with an @ in front"),
    ] {
        home.run(&["listen", args[0], args[1]]).code(2).says(why);
    }
}
