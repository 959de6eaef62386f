//! Dead letters: kept, listed, put back, deleted.

use serde_json::Value;

use super::kit::{Home, Server, noise};

fn setup(ids: &[&str]) -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&["--max-body", "8MiB"]);
    home.join(&server, ids);
    (home, server)
}

/// Rejects all messages that wait for bob.
fn refuse(home: &Home, line: &str) {
    home.run(&["listen", "--as", "bob", "--poll", "--shell", line]).code(0);
}

fn listed(home: &Home) -> Vec<Value> {
    let lines = home.run(&["listen", "--as", "bob", "--dead", "--json"]).ok();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_dead_letter_keeps_its_details() {
    let (home, server) = setup(&["alice", "bob"]);
    home.run(&["join", "@ops", "--as", "bob"]).ok();
    home.run(&["send", "bob", "--as", "alice", "one"]).ok();
    home.pipe(b"\xfftwo", &["send", "@ops", "--as", "alice"]).ok();
    refuse(&home, "exit 65");
    // Dead letters survive a restart.
    let address = server.address.clone();
    server.kill();
    let _server = home.serve_on(&address, &[]);
    let [one, two] = <[Value; 2]>::try_from(listed(&home)).unwrap();
    assert_eq!(
        (&one["from"], &one["to"], &one["body"]),
        (&"alice".into(), &"bob".into(), &"one".into())
    );
    assert_eq!((&one["attempts"], &one["reason"]), (&1.into(), &"exit code 65".into()));
    assert!(one["time"].as_str() <= one["dead"].as_str() && one["cut"] == false);
    assert_eq!(
        (&two["to"], &two["body_b64"], &two["size"]),
        (&"@ops".into(), &"/3R3bw==".into(), &4.into())
    );
    let lines = home.run(&["listen", "--as", "bob", "--dead"]).ok();
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].ends_with("\talice\texit code 65, 1 attempt\tone"), "{lines:?}");
    assert!(lines[1].ends_with("\talice @ops\texit code 65, 1 attempt\t(no text)"), "{lines:?}");
    // Other users do not see them.
    assert_eq!(home.run(&["listen", "--as", "alice", "--dead"]).ok(), "");
}

#[test]
fn a_dead_letter_can_be_put_back_and_deleted() {
    let (home, _server) = setup(&["alice", "bob"]);
    for text in ["one", "two", "three"] {
        home.run(&["send", "bob", "--as", "alice", text]).ok();
    }
    refuse(&home, "exit 100");
    let dead = listed(&home);
    let id = |at: usize| dead[at]["id"].as_str().unwrap().to_owned();
    let bob = |args: &[&str]| home.run(&[&["listen", "--as", "bob"], args].concat());
    bob(&["--requeue", &id(1)]).code(0).says("1 dead letter requeued");
    let args = ["-F", "%m %s %p", "--poll"];
    assert_eq!(bob(&args).ok(), format!("{} alice two\n", id(1)), "the same message");
    bob(&["--requeue", &id(1)]).code(67).says("is no dead letter").says("hint: ");
    bob(&["--drop", &id(0)]).code(0).says("1 dead letter deleted");
    bob(&["--drop", &id(0)]).code(67);
    assert_eq!(listed(&home).len(), 1);
    assert_eq!(bob(&["--requeue", "all", "--json"]).ok(), "{\"requeued\":1}\n");
    bob(&["--requeue", "all"]).code(0).says("0 dead letters requeued");
    assert_eq!(bob(&["--poll"]).ok(), "three\n");
    home.run(&["send", "bob", "--as", "alice", "four"]).ok();
    refuse(&home, "exit 100");
    bob(&["--drop", "all"]).code(0);
    assert_eq!((listed(&home).len(), bob(&["--poll"]).ok()), (0, String::new()));
}

#[test]
fn a_long_body_comes_back_whole() {
    let (home, _server) = setup(&["bob"]);
    let body = noise(3 << 20);
    home.pipe(&body, &["send", "bob"]).ok();
    refuse(&home, "exit 65");
    let dead = listed(&home);
    assert_eq!((&dead[0]["size"], &dead[0]["cut"]), (&body.len().into(), &true.into()));
    home.run(&["listen", "--requeue", "all"]).code(0);
    let said = home.run(&["listen", "--raw", "-n", "1"]);
    assert!(said.stdout == body, "byte for byte");
}

#[test]
fn listing_dead_letters_without_a_server_is_an_error() {
    let (home, server) = setup(&["bob"]);
    server.kill();
    home.run(&["listen", "--dead", "--timeout", "300ms"]).code(69);
}
