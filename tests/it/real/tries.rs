//! Mistakes of people who have read nothing: hints that help, and none that do harm.

use std::net::UdpSocket;

use serde_json::Value;

use crate::needs::needs;

use super::kit::{Home, Stream, start};

#[test]
fn an_unknown_name_gets_a_hint_that_claims_nothing() {
    let (home, other) = (Home::new(), Home::new());
    let server = home.serve(&[]);
    home.join(&server, &["alice", "deploy"]);
    other.join(&server, &["carol"]);
    other.run(&["join", "@builds"]).ok();
    for (target, hint) in [
        ("depoly", "did you mean deploy?"),
        ("builds", "did you mean @builds?"),
        ("@carol", "did you mean carol?"),
        ("all", "did you mean @all?"),
        ("postmaster", "ask postmaster to join"),
        ("@staging", "check the spelling"),
    ] {
        for more in [&[][..], &["--volatile"], &["--in", "1h"], &["--until", "delivered"]] {
            let said = home.run(&[&["send", target], more, &["hi"]].concat());
            said.code(67).says("no such ").says(hint);
            assert!(!said.stderr.contains("qmsg join"), "{target}: {}", said.stderr);
        }
    }
    // Names that this home has seen on a server are used for hints from then on.
    other.run(&["send", "@bulids", "hi"]).code(67).says("did you mean @builds?");
    let said = home.run(&["listen", "--as", "alcie", "--poll"]);
    said.code(78).says("did you mean alice?");
    home.run(&["listen", "--as", "zed", "--poll"]).code(78).says("alice, deploy");
}

#[test]
fn names_that_look_like_everyone_are_reserved() {
    let home = Home::new();
    let server = home.serve(&[]);
    for id in ["all", "ALL", "everyone"] {
        let said = home.run(&["join", id, "-s", &server.address]);
        said.code(77).says("choose another id");
        assert!(!home.path().join(".local/share/qmsg/profiles").join(id).exists());
    }
    home.join(&server, &["allison"]);
}

#[test]
fn leaving_a_room_that_is_not_there_is_an_error() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    home.run(&["leave", "@nowhere"]).code(67).says("no such room: @nowhere").says("hint: ");
    home.run(&["join", "@ops"]).ok();
    home.run(&["leave", "@ops", "--as", "bob"]).code(0).says("bob is not a member of @ops");
    home.run(&["leave", "@osp"]).code(67).says("did you mean @ops?");
    home.run(&["leave", "@ops"]).code(0).says("alice has left @ops");
    home.run(&["leave", "@ops"]).code(0).says("alice is not a member of @ops");
}

/// Usage errors look like all other errors, and colours follow the same rules.
#[test]
fn usage_errors_look_like_all_errors() {
    needs!("script");
    let home = Home::new();
    let lines: [(&[&str], &str, &str); 9] = [
        (&["sned", "bob"], "unrecognized subcommand 'sned'", "did you mean send?"),
        (&["bob", "hi"], "unrecognized subcommand 'bob'", "qmsg send bob hi"),
        (&["version"], "unrecognized subcommand 'version'", "qmsg --version"),
        (&["listen", "bob"], "unexpected argument 'bob'", "--as bob"),
        (&["serve", "-p", "5000"], "unexpected argument '-p'", "--listen :5000"),
        (&["send"], "missing argument: <TARGET", "see qmsg send --help"),
        (&["listen", "-n", "0"], "it must be at least 1", "see qmsg listen --help"),
        (&["join", "@a", "@b"], "one name at a time", ""),
        (&["listen", "--raw", "--json"], "'--raw' cannot be used with '--json'", "use only one"),
    ];
    for (line, what, hint) in lines {
        let said = home.run(line);
        said.code(2).says(what).says(hint);
        assert!(said.stderr.starts_with("qmsg: "), "{line:?}: {}", said.stderr);
        assert!(said.stderr.contains("\nhint: "), "{line:?}: {}", said.stderr);
        for odd in ["error:", "tip:", "For more information", "\u{1b}"] {
            assert!(!said.stderr.contains(odd), "{line:?}: {}", said.stderr);
        }
    }
    let help = home.shell("script -qec 'qmsg send -h --color never' /dev/null");
    assert!(!String::from_utf8_lossy(&help.stdout).contains('\u{1b}'));
    let help = home.shell("script -qec 'TERM=xterm qmsg send -h' /dev/null");
    assert!(String::from_utf8_lossy(&help.stdout).contains('\u{1b}'), "otherwise it has some");
}

#[test]
fn id_and_server_may_stand_before_the_verb() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    home.run(&["-s", &server.address, "--as", "bob", "send", "alice", "hi"]).ok();
    let line = home.run(&["--as=alice", "listen", "-n", "1", "--json"]).ok();
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&told["from"], &told["body"]), (&"bob".into(), &"hi".into()));
    home.run(&["--as", "bob", "later", "list"]).ok();
    home.run(&["--as", "bob", "serve"]).code(2).says("unexpected argument '--as'");
}

#[test]
fn likely_mistakes_are_noted_for_a_person_and_not_for_a_script() {
    needs!("script");
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    let said = home.shell("script -qec 'qmsg send alice bob hi' /dev/null");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(text.contains("to send to both: qmsg send alice,bob"), "{text}");
    let said = home.shell("script -qec 'echo data | qmsg send alice text' /dev/null");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(text.contains("stdin is not read"), "{text}");
    let said =
        home.shell("printf 'one\\ntwo\\n' | while read -r x; do qmsg send alice @all $x; done");
    assert_eq!(said.code(0).stderr, "");
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "bob hi\ntext\n@all one\n@all two\n");
}

#[test]
fn a_join_without_a_server_fails_at_once() {
    let home = Home::new();
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut join = start(home.command(&["join", "alice", "-s", &free, "--timeout", "60s"]));
    join.until(Stream::Err, "trying again");
    // Not INT: whoever runs the tests may ignore it.
    join.signal("TERM");
    join.end().code(143);
}

#[test]
fn a_server_listens_where_people_say() {
    for (listen, at) in [("localhost:0", "127.0.0.1:"), (":0", "0.0.0.0:"), ("[::1]:0", "[::1]:")] {
        let home = Home::new();
        let server = home.serve_on(listen, &[]);
        assert!(server.address.starts_with(at), "{listen}: {}", server.address);
    }
    let home = Home::new();
    home.run(&["serve", "--listen", "5000"]).code(2).says("127.0.0.1:4433").says(":4433");
    home.run(&["serve", "--listen", "no-such-host.invalid"]).code(78).says("cannot listen on");
}

/// Loopback has no such address, so nothing answers; but the zone is understood, and an unknown
/// interface is told from a known one.
#[test]
fn link_local_addresses_have_zones() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    for server in ["[fe80::7%lo]:4433", "fe80::7%lo", "fe80::7%1"] {
        home.run(&["send", "bob", "-s", server, "--timeout", "200ms", "x"]).code(69);
    }
    let ticket = home.run(&["invite", "[fe80::7%lo]:4433", "--data", "data"]).ok();
    assert!(ticket.starts_with("qmsg:[fe80::7%lo]:4433/"), "{ticket}");
    home.run(&["join", "carol", ticket.trim(), "--timeout", "200ms"]).code(69);
    home.run(&["send", "bob", "-s", "fe80::7%", "x"]).code(2).says("write it HOST");
}

#[test]
fn a_ticket_names_its_server() {
    let home = Home::new();
    let server = home.serve(&[]);
    let pasted = home.run(&["invite", "HOST:4433", "--data", "data"]).ok();
    home.run(&["join", "alice", pasted.trim()]).code(2).says("does not name the server");
    home.run(&["join", "alice", pasted.trim(), "-s", &server.address]).ok();
}

#[test]
fn quiet_is_quiet_for_a_server_too() {
    let home = Home::new();
    let data = home.data();
    let args = ["serve", "-q", "--json", "--listen", "127.0.0.1:0", "--data"];
    let mut server = start(home.command(&[&args[..], &[data.to_str().unwrap()]].concat()));
    server.until(Stream::Out, "\"listening\"");
    server.signal("TERM");
    assert_eq!(server.end().stderr, "");
}

/// Completions by bash for a line with the cursor at its end.
fn completed(home: &Home, line: &str) -> Vec<String> {
    let script = "eval \"$(qmsg completions bash)\"; COMP_LINE=$1; COMP_POINT=${#1}; COMP_TYPE=9
        _qmsg qmsg \"${1##*[ @:=]}\" ''; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = home.program("bash", &["-c", script, "bash", line]);
    bash.env("TERM", "dumb");
    start(bash).end().ok().lines().filter(|name| !name.is_empty()).map(Into::into).collect()
}

#[test]
fn names_are_completed_and_files_only_where_a_file_is_meant() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    home.run(&["join", "@ops"]).ok();
    home.run(&["send", "alice", "a script leaves nothing"]).ok();
    for name in ["bin", "notes.txt", "alice.txt"] {
        std::fs::write(home.path().join(name), "").unwrap();
    }
    for (line, wanted) in [
        ("qmsg send b", &["bob"][..]),
        ("qmsg send ", &["alice", "bob", "@ops", "@all"]),
        ("qmsg send @o", &["ops"]),
        ("qmsg send alice,b", &["alice,bob"]),
        ("qmsg ask al", &["alice"]),
        ("qmsg listen --as ", &["alice", "bob"]),
        ("qmsg --as a", &["alice"]),
        ("qmsg listen --as=a", &["alice"]),
        ("qmsg listen --room ", &["@ops"]),
        ("qmsg leave ", &["@ops"]),
        ("qmsg send bob -p ", &["min", "low", "default", "high", "max"]),
        ("qmsg send bob --until p", &["processed"]),
        ("qmsg send bob ", &[]),
        ("qmsg send bob n", &[]),
        ("qmsg send bob -f n", &["notes.txt"]),
        ("qmsg later c", &["cancel"]),
        ("qmsg jo", &["join"]),
    ] {
        assert_eq!(completed(&home, line), wanted, "{line}");
    }
    let priorities = completed(&home, "qmsg send bob --pri");
    assert_eq!(priorities, ["--priority"]);
}

/// Calls the program as the scripts of these shells do; the shells may not be installed.
#[test]
fn other_shells_ask_the_same() {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob"]);
    std::fs::write(home.path().join("bin"), "").unwrap();
    for (shell, wanted) in [("zsh", "bob"), ("fish", "bob\n")] {
        let mut ask = home.command(&["--", "qmsg", "send", "b"]);
        ask.env("QMSG_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "2");
        assert_eq!(start(ask).end().ok(), wanted, "{shell}");
        let script = home.run(&["completions", shell]).ok();
        assert!(script.contains(&format!("QMSG_COMPLETE={shell}")) || shell == "zsh", "{script}");
        assert!(script.contains("QMSG_COMPLETE="), "{script}");
        // A stale variable stops nothing.
        let mut send = home.command(&["send", "bob", "hi"]);
        send.env("QMSG_COMPLETE", shell);
        start(send).end().code(0);
    }
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "hi\nhi\n");
    home.run(&["completions", "tcsh"]).code(2).says("bash, zsh, fish");
}

/// Targets that a person sends to are remembered.
#[test]
fn targets_of_a_person_are_remembered() {
    needs!("script");
    let (home, other) = (Home::new(), Home::new());
    let server = home.serve(&[]);
    home.join(&server, &["alice"]);
    other.join(&server, &["winston"]);
    assert_eq!(completed(&home, "qmsg send w"), [""; 0]);
    home.shell("script -qec 'qmsg send winston hi' /dev/null").code(0);
    assert_eq!(completed(&home, "qmsg send w"), ["winston"]);
    home.run(&["send", "wniston", "hi"]).code(67).says("did you mean winston?");
    home.shell("script -qec 'qmsg send winston hi' /dev/null").code(0);
    let known = std::fs::read_to_string(home.path().join(".local/state/qmsg/known")).unwrap();
    assert_eq!(known, "winston\n", "once");
}
