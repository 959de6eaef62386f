//! Output of `listen`: by a format, as files, and filtered.

use std::fs;

use serde_json::Value;

use super::kit::{Home, Server, Stream, noise, start};

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, ids);
    (home, server)
}

/// Files in a directory of the home, by name, with their content.
fn files(home: &Home, dir: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(home.path().join(dir)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_format_says_what_is_printed() {
    let (home, _server) = setup(&["alice", "bob"]);
    for (args, wanted) in [
        (&["-F", r"%s>%t\t%l %p %x %%"][..], &b"alice>bob\t2 hi 6869 %\n"[..]),
        (&["-F", "%p", "--raw"], b"hi"),
        (&["-F", "%p", "-0"], b"hi\0"),
    ] {
        home.run(&["send", "bob", "--as", "alice", "hi"]).ok();
        let said = home.run(&[&["listen", "--as", "bob", "-n", "1"], args].concat());
        said.code(0);
        assert_eq!(said.stdout, wanted, "{args:?}");
    }
    home.run(&["send", "bob", "--as", "alice", "hi"]).ok();
    let line = home.run(&["listen", "--as", "bob", "-n", "1", "-F", "%m %n %I %U %j"]).ok();
    let words: Vec<&str> = line.trim_end().splitn(5, ' ').collect();
    let value: Value = serde_json::from_str(words[4]).unwrap();
    assert_eq!((&value["id"], &value["time"]), (&words[0].into(), &words[2].into()));
    assert_eq!(value["seq"].to_string(), words[1]);
}

#[test]
fn output_is_flushed_at_once_even_to_a_pipe() {
    let (home, _server) = setup(&["bob"]);
    let mut listener = home.listen(&["-F", "got %p"]);
    for text in ["one", "two"] {
        home.run(&["send", "bob", text]).ok();
        listener.until(Stream::Out, &format!("got {text}\n"));
    }
}

#[test]
fn each_message_is_a_file() {
    let (home, _server) = setup(&["alice", "bob"]);
    fs::create_dir(home.path().join("in")).unwrap();
    let bodies = [&b"one\n"[..], b"\0\xff", b""];
    for body in bodies {
        home.pipe(body, &["send", "bob", "--empty", "--as", "alice"]).ok();
    }
    let said = home.run(&["listen", "--as", "bob", "--poll", "--save-dir", "in"]).ok();
    let found = files(&home, "in");
    let contents: Vec<&[u8]> = found.iter().map(|(_, content)| &content[..]).collect();
    assert_eq!(contents, bodies, "in the order in which they came");
    let names: String = found.iter().map(|(name, _)| format!("in/{name}\n")).collect();
    assert_eq!(said, names, "where they are");
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "");
    home.run(&["send", "bob", "--as", "alice", "x"]).ok();
    let args = ["listen", "--as", "bob", "-n", "1", "--save-dir", "in", "--json"];
    let path = home.run(&args).ok();
    assert!(path.ends_with(".json\n"), "{path}");
    let object = fs::read_to_string(home.path().join(path.trim())).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&object).unwrap()["body"], "x");
    home.run(&["listen", "--as", "bob", "--save-dir", "none"]).code(78).says("hint: make");
}

#[test]
fn unsaved_messages_stay_unacked() {
    let (home, _server) = setup(&["bob"]);
    home.run(&["send", "bob", "hi"]).ok();
    let dir = home.path().join("in");
    fs::create_dir(&dir).unwrap();
    let mut listener = start(home.command(&["listen", "-v", "--save-dir", "in"]));
    listener.until(Stream::Err, "caught up");
    listener.until(Stream::Out, "in/");
    fs::remove_dir_all(&dir).unwrap();
    home.run(&["send", "bob", "kept"]).ok();
    listener.end().code(1).says("a message cannot be saved");
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "kept\n");
}

#[test]
fn filtered_messages_stay_for_others() {
    let (home, _server) = setup(&["alice", "bob", "carol"]);
    home.run(&["join", "@ops", "--as", "bob"]).ok();
    let send = |args: &[&str]| home.run(&[&["send"], args].concat()).ok();
    send(&["bob", "--as", "alice", "plain"]);
    send(&["bob", "--as", "carol", "of carol"]);
    send(&["@ops", "--as", "carol", "to ops"]);
    send(&["@all", "--as", "alice", "to all"]);
    send(&["bob", "--as", "alice", "-p", "high", "--title", "Disk full", "urgent"]);
    send(&["bob", "--as", "alice", "-p", "min", "no matter"]);
    let poll =
        |args: &[&str]| home.run(&[&["listen", "--as", "bob", "--poll"], args].concat()).ok();
    assert_eq!(poll(&["--priority", "max"]), "");
    assert_eq!(poll(&["--priority", "high"]), "urgent\n");
    assert_eq!(poll(&["--title", "FULL"]), "", "it is processed");
    assert_eq!(poll(&["--room", "@ops"]), "to ops\n");
    assert_eq!(poll(&["--from", "carol", "-n", "1"]), "of carol\n");
    assert_eq!(poll(&["--priority", "low", "--room", "@all,@ops"]), "to all\n");
    assert_eq!(poll(&["-x", "cat"]), "plainno matter");
    assert_eq!(poll(&[]), "");
}

#[test]
fn a_filtered_long_message_stays_whole() {
    let home = Home::new();
    let server = home.serve(&["--max-body", "16MiB"]);
    home.join(&server, &["alice", "bob"]);
    let body = noise(9 << 20);
    home.pipe(&body, &["send", "bob", "--as", "alice"]).ok();
    home.run(&["send", "bob", "--as", "alice", "-p", "max", "short"]).ok();
    let urgent = ["listen", "--as", "bob", "--poll", "--priority", "max"];
    assert_eq!(home.run(&urgent).ok(), "short\n");
    let said = home.run(&["listen", "--as", "bob", "--poll", "--raw"]);
    assert!(said.stdout == body, "byte for byte");
}

#[test]
fn a_listener_can_start_with_new_messages() {
    let (home, server) = setup(&["alice", "bob"]);
    let lines: String = (0..9000).map(|n| format!("old {n}\n")).collect();
    home.pipe(lines.as_bytes(), &["send", "-l", "bob", "--as", "alice"]).ok();
    let mut listener = home.listen(&["--as", "bob", "--new"]);
    home.run(&["send", "bob", "--as", "alice", "new"]).ok();
    listener.until(Stream::Out, "new\n");
    let address = server.address.clone();
    server.kill();
    let _server = home.serve_on(&address, &[]);
    home.run(&["send", "bob", "--as", "alice", "newer"]).ok();
    listener.until(Stream::Out, "newer\n");
    listener.signal("TERM");
    let said = listener.end();
    assert_eq!(said.stdout, b"new\nnewer\n");
    assert!(home.run(&["listen", "--as", "bob", "--poll"]).stdout == lines.as_bytes());
}

#[test]
fn a_listener_can_start_with_acked_messages() {
    let (home, _server) = setup(&["alice", "bob"]);
    let send = |text: &str| home.run(&["send", "bob", "--as", "alice", text]).ok();
    let listen =
        |args: &[&str]| home.run(&[&["listen", "--as", "bob", "--poll"], args].concat()).ok();
    for text in ["one", "two", "three"] {
        send(text);
    }
    let lines = listen(&["-F", "%m %p"]);
    let second = lines.lines().nth(1).unwrap().split(' ').next().unwrap();
    send("four");
    assert_eq!(listen(&["--since", "all", "--title", "none"]), "", "nothing is taken");
    assert_eq!(listen(&["--since", second, "--from", "carol"]), "");
    assert_eq!(listen(&["--since", second]), "three\nfour\n");
    assert_eq!(listen(&["--since", "all"]), "one\ntwo\nthree\nfour\n", "again and again");
    assert_eq!(listen(&["--since", "1h", "-n", "2"]), "one\ntwo\n");
    assert_eq!(listen(&["--since", "0s"]), "");
    assert_eq!(listen(&[]), "", "all are processed");
}
