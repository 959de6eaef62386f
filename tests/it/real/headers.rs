//! Headers of a message, and errors in them that are found before it is sent.

use serde_json::{Value, json};

use super::kit::{Home, Server};

fn setup() -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    (home, server)
}

/// Objects in the lines of `--json` output.
fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn headers_arrive_with_the_message() {
    let (home, _server) = setup();
    let flags = [
        "--title",
        "Disk: 91 %",
        "-p",
        "high",
        "--tags",
        "disk, prod",
        "--type",
        "text/plain",
        "--ttl",
        "1h",
        "--thread",
        "t1",
        "-H",
        "X-Host: db-01",
    ];
    home.run(&[&["send", "bob"][..], &flags, &["full"]].concat()).ok();
    home.pipe(b"a\nb\n", &["send", "-l", "bob", "-H", "X-Host: db-02"]).ok();
    let heard = objects(&home.run(&["listen", "--poll", "--json"]).ok());
    let wanted = json!({
        "title": "Disk: 91 %",
        "priority": "4",
        "tags": "disk,prod",
        "type": "text/plain",
        "ttl": "3600",
        "thread": "t1",
        "x-host": "db-01",
    });
    let others = json!({"x-host": "db-02"});
    let headers: Vec<&Value> = heard.iter().map(|message| &message["headers"]).collect();
    assert_eq!(headers, [&wanted, &others, &others]);
}

#[test]
fn a_malformed_header_is_a_usage_error_and_nothing_is_sent() {
    let (home, _server) = setup();
    let cases: [(&[&str], &str); 6] = [
        (&["-H", "no colon"], "write it like 'Name: value'"),
        (&["-H", "two words: x"], "is not a valid header name"),
        (&["--title", "a", "-H", "TITLE: b"], "title is given twice"),
        (&["-p", "urgent"], "it is one of min, low, default, high, max, or 1 to 5"),
        (&["--ttl", "0"], "--ttl takes a time of a second or more"),
        (&["--type", "json"], "text/markdown or application/json"),
    ];
    for (flags, says) in cases {
        for verb in ["send", "ask"] {
            home.run(&[&[verb, "bob"], flags, &["x"]].concat()).code(2).says(says);
        }
    }
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "");
}

#[test]
fn a_dry_run_shows_the_message_and_contacts_no_server() {
    let (home, server) = setup();
    let address = server.address.clone();
    server.kill();
    let flags = ["--title", "t", "--dry-run", "-s", &address];
    let said = home.run(&[&["send", "bob,@ops"][..], &flags, &["four"]].concat()).ok();
    assert_eq!(said, "4 bytes to bob, title: t\n4 bytes to @ops, title: t\n");
    let more = ["--json", "--id", "k", "--in", "1h"];
    let said = home.run(&[&["send", "bob"][..], &flags, &more, &["four"]].concat()).ok();
    let told = &objects(&said)[0];
    assert_eq!(told["headers"], json!({"title": "t"}));
    assert_eq!(
        (&told["size"], &told["to"], &told["number"]),
        (&json!(4), &json!("bob"), &json!(1))
    );
    assert_eq!(told["state"], "dry-run");
    assert!(told["due"].as_str().unwrap().ends_with('Z'), "{told}");
    let again = home.run(&[&["send", "bob"][..], &flags, &more, &["other"]].concat()).ok();
    assert_eq!(told["id"], objects(&again)[0]["id"], "the same key, the same id");
    let lines = home.pipe(b"a\nbc\n", &["send", "-l", "bob", "--dry-run"]).ok();
    assert_eq!(lines, "1 bytes to bob\n2 bytes to bob\n");
}

#[test]
fn a_dry_run_fails_as_the_send_would() {
    let (home, _server) = setup();
    home.run(&["send", "bob", "-f", "missing", "--dry-run"])
        .code(65)
        .says("missing cannot be read");
    home.run(&["send", "bob", "--dry-run"]).code(65).says("stdin is empty");
    home.run(&["send", "bob", "--as", "carol", "--dry-run", "x"]).code(78);
    let long = vec![b'x'; 70_000];
    let said = home.pipe(&long, &["send", "bob", "--in", "1h", "--dry-run"]);
    said.code(65).says("70000 bytes is too long to be kept for later").says("65536 bytes");
    let lines = [b"a\n", &long[..], b"\nb\n"].concat();
    let said = home.pipe(&lines, &["send", "-l", "bob", "--in", "1h", "--dry-run"]);
    said.code(13).says("message 2: ").says("1 of 3 messages cannot be sent");
    assert_eq!(String::from_utf8(said.stdout).unwrap().lines().count(), 2);
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "");
}

#[test]
fn a_past_or_malformed_time_is_a_usage_error() {
    let (home, _server) = setup();
    let cases: [(&[&str], &str); 8] = [
        (&["--in", "999999999999h"], "beyond the calendar"),
        (&["--at", "2020-01-01 07:00"], "the time of --at is in the past"),
        (&["--at", "2020-01-01T07:00:00Z"], "hint: it is 20"),
        (&["--at", "tomorrow"], "write it like 07:00"),
        (&["--in", "soon"], "write it like 500ms"),
        (&["--in", "1h", "--volatile"], "cannot be used with"),
        (&["--in", "1h", "--at", "07:00"], "cannot be used with"),
        (&["--in", "1h", "--until", "processed"], "nothing to wait for with --at or --in"),
    ];
    for (flags, says) in cases {
        home.run(&[&["send", "bob"], flags, &["x"]].concat()).code(2).says(says);
    }
    home.run(&["send", "bob", "--volatile", "--until", "delivered", "x"])
        .code(2)
        .says("--volatile");
    assert_eq!(home.run(&["listen", "--poll"]).ok(), "");
}
