//! The message that `send` takes, by kind of stdin.

use std::process::Stdio;

use super::kit::{Home, Server, start};
use crate::needs::needs;

fn setup() -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    (home, server)
}

/// All waiting messages, as `[body, body, …]`.
fn arrived(home: &Home) -> Vec<String> {
    let lines = home.run(&["listen", "--poll", "--json"]).ok();
    let bodies = lines.lines().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["body"].as_str().unwrap().to_owned()
    });
    bodies.collect()
}

#[test]
fn a_pipe_and_a_file_are_read_to_their_end() {
    let (home, _server) = setup();
    home.pipe(b"from a pipe\n", &["send", "bob"]).ok();
    home.pipe(b"dash", &["send", "bob", "-"]).ok();
    home.shell("printf 'from a file' > f; qmsg send bob < f; qmsg send bob -f f").ok();
    assert_eq!(arrived(&home), ["from a pipe\n", "dash", "from a file", "from a file"]);
    home.pipe(b"file", &["send", "bob", "-f", "-"]).ok();
    home.pipe(b"1\n2", &["send", "bob", "-l", "--file=-"]).ok();
    home.pipe(b"3\0", &["send", "bob", "-0f-"]).ok();
    home.run(&["send", "bob", "-m", "- an item"]).ok();
    home.run(&["send", "--message=", "bob"]).ok();
    assert_eq!(arrived(&home), ["file", "1", "2", "3", "- an item", ""]);
}

/// An empty stdin mostly means that the command before the pipe failed.
#[test]
fn an_empty_message_needs_a_flag() {
    let (home, _server) = setup();
    let accidents = ["< /dev/null", "<&-", "- < /dev/null", "-f /dev/null", "< /dev/null --id k"];
    for end in accidents {
        let said = home.shell(&format!("qmsg send bob {end}"));
        said.code(65).says("is empty, so nothing was sent").says("hint: --empty");
    }
    home.shell(": > f; : | qmsg send bob").code(65).says("stdin is empty");
    assert!(arrived(&home).is_empty());
    // A named file may be empty: its name is information.
    home.shell("mkdir -p logs; : > logs/backup.log; qmsg send bob --file logs/backup.log").ok();
    let line = home.run(&["listen", "--poll", "--json"]).ok();
    let message: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&message["body"], &message["headers"]["title"]),
        (&"".into(), &"backup.log".into())
    );
    home.run(&["send", "bob", "-t", "backup", "--file", "f"]).ok();
    assert_eq!(home.run(&["listen", "--poll", "-F", "%T|%p"]).ok(), "backup|\n");
    let nothing = ["< /dev/null", "<&-", "-f f", "-f - < f", "''", "-m ''"];
    for end in nothing {
        let said = home.shell(&format!("qmsg send bob --skip-empty -s 127.0.0.1:1 {end}"));
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{end}");
    }
    home.shell("echo full | qmsg send bob --skip-empty").ok();
    assert_eq!(arrived(&home), ["full\n"]);
    for meant in ["''", "'' < /dev/null", "--empty < /dev/null", "--empty <&-", "--empty -f f"] {
        home.shell(&format!("qmsg send bob {meant}")).ok();
    }
    home.shell("echo full | qmsg send bob --empty").ok();
    assert_eq!(arrived(&home), ["", "", "", "", "", "full\n"]);
}

#[test]
fn text_leaves_stdin_alone() {
    let (home, _server) = setup();
    home.shell("printf 'a\\nb\\n' | while read l; do qmsg send bob got \"$l\"; done").ok();
    assert_eq!(arrived(&home), ["got a", "got b"], "the loop's input is not eaten");
    // A stdin that never ends is not read either.
    let mut command = home.command(&["send", "bob", "--", "-n", "dashes"]);
    command.stdin(Stdio::piped());
    start(command).end().code(0);
    assert_eq!(arrived(&home), ["-n dashes"]);
}

#[test]
fn a_terminal_is_read_to_its_end_after_a_notice() {
    needs!("script");
    let (home, _server) = setup();
    let said = home.shell("printf 'typed\\n\\004' | script -qec 'qmsg send bob' /dev/null");
    said.code(0);
    let screen = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(screen.contains("end it with Ctrl-D"), "{screen}");
    assert_eq!(arrived(&home), ["typed\n"]);
    // With a text given, a terminal as stdin is not read.
    home.shell("script -qec 'qmsg send bob now' /dev/null").code(0);
    assert_eq!(arrived(&home), ["now"]);
}

#[test]
fn lines_and_nuls_split_the_input() {
    let (home, _server) = setup();
    home.pipe(b"a\n\n b \nlast", &["send", "-l", "bob"]).ok();
    home.pipe(b"x\ny\0\0z", &["send", "-0", "bob"]).ok();
    home.shell("printf '1\\n2\\n' > f; qmsg send -l -f f bob; : | qmsg send -l bob").ok();
    assert_eq!(arrived(&home), ["a", "", " b ", "last", "x\ny", "", "z", "1", "2"]);
}

#[test]
fn the_state_of_stdout_does_not_matter() {
    let (home, _server) = setup();
    home.shell("qmsg send bob 1 >&-; qmsg send bob 2 > /dev/full; qmsg send bob 3 | true").ok();
    assert_eq!(arrived(&home), ["1", "2", "3"]);
}

#[test]
fn code_1_when_json_is_lost_though_the_message_is_stored() {
    let (home, _server) = setup();
    for to in [">&-", "> /dev/full"] {
        let said = home.shell(&format!("qmsg send bob --json x {to}"));
        said.code(1).says("write error: stdout cannot be written: ");
        said.says("were accepted all the same");
        assert!(!said.stderr.contains("os error"), "{}", said.stderr);
    }
    // A closed stdout pipe is no error.
    home.shell("qmsg send bob --json x | true").ok();
    assert_eq!(arrived(&home), ["x", "x", "x"]);
    // The fate of the message decides the exit code before a failure to print it.
    home.shell("qmsg send bob --json --until processed --timeout 1s x > /dev/full").code(10);
}

#[test]
fn variables_stand_for_flags() {
    let (home, server) = setup();
    home.join(&server, &["carol"]);
    home.shell("QMSG_AS=carol qmsg send bob by variable").ok();
    let said = home.shell("QMSG_AS=bob qmsg listen --poll --json");
    assert!(String::from_utf8_lossy(&said.stdout).contains("\"from\":\"carol\""), "{said:?}");
    let address = &server.address;
    home.shell(&format!("QMSG_SERVER={address} qmsg send bob x; QMSG_TIMEOUT=1s qmsg send bob y"))
        .ok();
    home.shell("QMSG_SERVER=127.0.0.1:1 QMSG_TIMEOUT=300ms qmsg send bob z").code(69);
    home.shell("QMSG_SERVER=a:b qmsg send bob z").code(2);
    home.run(&["join", "@ops"]).ok();
    for yes_or_no in ["1", "0", "true", "no", ""] {
        home.shell(&format!("QMSG_QUIET='{yes_or_no}' qmsg leave @ops")).ok();
    }
    // The flag goes before the variable.
    home.shell(&format!("QMSG_SERVER=127.0.0.1:1 qmsg send bob -s {address} w")).ok();
    assert_eq!(arrived(&home), ["x", "y", "w"]);
}
