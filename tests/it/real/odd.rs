//! Unusual alerts are still alerts: arguments and variables that scripts come up with.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use super::kit::{Home, Said, Server, start};

fn setup() -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    (home, server)
}

/// All waiting messages.
fn arrived(home: &Home) -> Vec<Value> {
    let lines = home.run(&["listen", "--poll", "--json"]).ok();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bodies(home: &Home) -> Vec<String> {
    arrived(home).iter().map(|message| message["body"].as_str().unwrap().to_owned()).collect()
}

/// Arguments of any bytes.
fn bytes<'a>(args: &[&'a [u8]]) -> Vec<&'a OsStr> {
    args.iter().map(|arg| OsStr::from_bytes(arg)).collect()
}

fn run_bytes(home: &Home, args: &[&[u8]]) -> Said {
    start(home.command(&bytes(args))).end()
}

#[test]
fn arguments_need_not_be_utf_8() {
    let (home, _server) = setup();
    for args in [
        &[&b"send"[..], b"bob", b"caf\xe9", b"x"][..],
        &[b"send", b"bob", b"-m", b"caf\xe9 x"],
        &[b"send", b"-t", b"a\xffb", b"--tags", b"t\xe9", b"-H", b"x: \xfe", b"bob", b"caf\xe9 x"],
    ] {
        run_bytes(&home, args).ok();
    }
    let found = arrived(&home);
    for message in &found {
        assert_eq!(message["body_b64"], "Y2Fm6SB4", "{message}");
    }
    let headers = &found[2]["headers"];
    assert_eq!((&headers["title"], &headers["tags"]), (&"a\u{fffd}b".into(), &"t\u{fffd}".into()));
    assert_eq!(headers["x"], "\u{fffd}");
    // A file name, and the arguments of a command.
    let name = OsStr::from_bytes(b"old \xe9.log");
    fs::write(home.path().join(name), "").unwrap();
    run_bytes(&home, &[b"send", b"bob", b"-f", name.as_bytes()]).ok();
    assert_eq!(arrived(&home)[0]["headers"]["title"], "old \u{fffd}.log");
    let said = run_bytes(&home, &[b"send", b"bob", b"--wrap", b"printf", b"%s", b"\xe9"]);
    assert_eq!((said.code, &said.stdout[..]), (Some(0), &b"\xe9"[..]));
    assert_eq!(arrived(&home).len(), 1);
    // Keys are compared byte by byte.
    for key in [&b"\xe8"[..], b"\xe9", b"\xe9"] {
        run_bytes(&home, &[b"send", b"bob", b"--id", key, b"keyed"]).ok();
    }
    assert_eq!(bodies(&home).len(), 2);
    run_bytes(&home, &[b"send", b"b\xe9b", b"x"]).code(2).says("b\u{fffd}b");
    run_bytes(&home, &[b"send", b"--as", b"b\xe9b", b"bob", b"x"]).code(2).says("b\u{fffd}b");
    assert!(arrived(&home).is_empty());
}

#[test]
fn headers_are_cleaned() {
    let (home, _server) = setup();
    let long = format!("Ä{}", "x".repeat(20_000));
    for (flags, name, wanted) in [
        (&["--title", "sda\t91%"][..], "title", Some("sda 91%")),
        (&["--title", "done\r"], "title", Some("done")),
        (&["-t", "\u{1b}[1;31mFAILED\u{1b}[0m\nnow"], "title", Some("FAILED now")),
        (&["--title", ""], "title", None),
        (&["--title", " \n"], "title", None),
        (&["--priority", ""], "priority", None),
        (&["-p", "high\n"], "priority", Some("4")),
        (&["--tags", "a\tb,c\r"], "tags", Some("a b,c")),
        (&["--tags", ""], "tags", None),
        (&["--type", "text/plain\r"], "type", Some("text/plain")),
        (&["--type", ""], "type", None),
        (&["--thread", "a\u{7f}b"], "thread", Some("a b")),
        (&["-H", "x: \u{1b}]0;t\u{7}y"], "x", Some("y")),
        (&["-H", ""], "x", None),
        (&["--id", ""], "id", None),
    ] {
        for verb in ["send", "ask"] {
            if verb == "ask" && flags[0] == "--id" {
                continue;
            }
            let short: &[&str] = if verb == "ask" { &["--timeout", "300ms"] } else { &[] };
            let code = if verb == "ask" { 10 } else { 0 };
            home.run(&[&[verb, "bob"], flags, short, &["text"]].concat()).code(code);
            let found = arrived(&home);
            let value = found[0]["headers"].get(name).and_then(Value::as_str);
            assert_eq!((found.len(), value), (1, wanted), "{verb} {flags:?}");
        }
    }
    home.run(&["send", "bob", "--title", &long, "-H", "x: y", "text"]).ok();
    let found = arrived(&home);
    let title = found[0]["headers"]["title"].as_str().unwrap();
    assert!(title.starts_with("Äxx") && title.ends_with("x…") && title.len() > 8000);
    assert_eq!(found[0]["headers"]["x"], "y");
}

#[test]
fn variables_without_a_value_are_unset() {
    let (home, server) = setup();
    let names = [
        "AS",
        "SERVER",
        "TIMEOUT",
        "UNTIL",
        "COLOR",
        "CONFIG",
        "SPOOL",
        "SPOOL_MAX",
        "SPOOL_AGE",
        "QUIET",
        "TICKET",
        "PIN",
        "LISTEN",
        "DATA",
        "CERTS",
        "OPEN",
        "THREADS",
        "MAX_BODY",
        "KEEP",
        "MAX_MAILBOX",
        "MAX_MAILBOX_BYTES",
        "MAX_STORE",
        "MAX_IN_FLIGHT",
        "MAX_LINKS",
        "MAX_USERS",
        "MAX_ROOMS",
        "KEEP_UNREAD",
        "DUPLICATE_WINDOW",
    ];
    let names: Vec<String> = names.iter().map(|name| format!("QMSG_{name}")).collect();
    let others =
        ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "TMPDIR", "STATE_DIRECTORY"];
    let empty = || names.iter().map(String::as_str).chain(others).map(|name| (name, ""));
    let run = |args: &[&str]| {
        let mut command = home.command(args);
        command.envs(empty());
        start(command).end()
    };
    run(&["join", "carol", "-s", &server.address]).ok();
    run(&["send", "bob", "hi"]).ok();
    run(&["join", "@ops"]).code(0);
    run(&["leave", "@ops"]).code(0);
    assert_eq!(run(&["listen", "--poll", "--as", "bob"]).ok(), "hi\n");
    assert_eq!(run(&["ask", "bob", "--timeout", "200ms", "x"]).code, Some(10));
    assert_eq!(run(&["listen", "--poll", "--as", "bob"]).ok(), "x\n");
    for verb in ["spool list", "later list", "config show", "config path"] {
        run(&verb.split(' ').collect::<Vec<_>>()).ok();
    }
    // Non-empty settings of a file apply, empty ones do not.
    let dir = home.path().join(".config/qmsg");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.toml"), "as = \"carol\"\nserver = \"\"\n[send]\njson = true\n")
        .unwrap();
    assert!(run(&["send", "bob", "from carol"]).ok().contains("accepted"));
    let heard: Value =
        serde_json::from_str(&run(&["listen", "--poll", "--json", "--as", "bob"]).ok()).unwrap();
    assert_eq!(heard["from"], "carol");
    let shown = run(&["config", "show", "--json"]).ok();
    assert!(!shown.contains("env QMSG_"), "{shown}");
}

#[test]
fn the_default_directory_of_a_server() {
    let home = Home::new();
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    let list: OsString = [OsStr::new(""), one.as_os_str(), two.as_os_str()].join(OsStr::new(":"));
    for (value, place) in
        [(list, one), (OsString::new(), home.path().join(".local/share/qmsg/server"))]
    {
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("STATE_DIRECTORY", value);
        let server = Server::start(command);
        assert!(place.join("store.db").exists(), "{}", place.display());
        server.stop("TERM");
    }
}

#[test]
fn words_of_a_text_are_text() {
    let (home, _server) = setup();
    for words in [
        &["buy", "5", "-10", "%", "off"][..],
        &["-10", "%", "off"],
        &["- one\n- two"],
        &["rm", "-rf", "/tmp", "--force"],
        &["see -p 3 of the report"],
    ] {
        home.run(&[&["send", "bob"], words].concat()).ok();
        assert_eq!(bodies(&home), [words.join(" ")]);
    }
    for words in
        [&["deploy", "-v", "finished"][..], &["use", "--title", "x"], &["hi", "--as", "bob"]]
    {
        for verb in ["send", "ask"] {
            let said = home.run(&[&[verb, "bob"], words].concat());
            said.code(2).says(&format!("{} comes after the text", words[1])).says("hint: ");
        }
        home.run(&[&["send", "bob", "--"], words].concat()).ok();
        assert_eq!(bodies(&home), [words.join(" ")]);
    }
    home.run(&["send", "bob", "--titel", "x", "text"]).code(2).says("--title");
    assert!(arrived(&home).is_empty());
}

#[test]
fn a_long_text_is_sent_as_an_excerpt() {
    let home = Home::new();
    let server = home.serve(&["--max-body", "200KiB"]);
    home.join(&server, &["bob", "carol"]);
    let log: String = (0..60_000).map(|n| format!("line {n}\n")).collect();
    fs::write(home.path().join("log"), &log).unwrap();
    let (size, limit) = (log.len(), 200 << 10);
    let check = |message: &Value, limit: usize| {
        let body = message["body"].as_str().unwrap();
        assert!(body.starts_with("line 0\nline 1\n") && body.ends_with("line 59998\nline 59999\n"));
        assert!(body.contains(" bytes left out …]\n"), "{body}");
        assert!(body.len() <= limit && body.len() > limit / 2, "{}", body.len());
        assert_eq!(message["headers"]["truncated"], size.to_string());
    };
    for args in [&["-f", "log"][..], &["-f", "log", "--spool"], &["-f", "log", "--id", "k"]] {
        let said = home.run(&[&["send", "bob,carol", "--as", "bob"], args].concat());
        said.code(65)
            .says(&format!("{size} bytes is over the server's limit of {limit} bytes, so"));
        said.says("only an excerpt of ");
        check(&arrived(&home)[0], limit);
    }
    let said = home.pipe(log.as_bytes(), &["send", "bob", "--json", "--as", "carol"]);
    let told: Value = serde_json::from_slice(&said.code(65).stdout).unwrap();
    assert_eq!((&told["state"], &told["truncated"]), (&"accepted".into(), &size.into()));
    check(&arrived(&home)[0], limit);
    // A message whose half would be worthless, or one of many, is refused as a whole.
    let binary = vec![0xff; 300_000];
    home.pipe(&binary, &["send", "bob"]).code(65).says("over the server's limit");
    home.run(&["ask", "bob", "-f", "log"]).code(65).says("over the server's limit");
    let line = ["x".repeat(300_000).as_bytes(), b"\nshort\n"].concat();
    home.pipe(&line, &["send", "-l", "bob"]).code(13);
    assert_eq!(bodies(&home), ["short"]);
}
