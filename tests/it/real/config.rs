//! Configuration files: precedence, and errors in a file.

use std::fs;

use serde_json::Value;

use super::kit::{Home, Said, Server, start};
use crate::needs::needs;

fn write(home: &Home, text: &str) -> String {
    let dir = home.path().join(".config/qmsg");
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("config.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs a command with environment variables.
fn run_with(home: &Home, variables: &[(&str, &str)], args: &[&str]) -> Said {
    let mut command = home.command(args);
    command.envs(variables.iter().copied());
    start(command).end()
}

/// Value and origin of a key, by `config show --json`.
fn shown(said: Said, key: &str) -> (Value, String) {
    let text = said.ok();
    let line = text.lines().find(|line| line.contains(&format!("\"key\":\"{key}\"")));
    let entry: Value = serde_json::from_str(line.unwrap_or_else(|| panic!("{text}"))).unwrap();
    (entry["value"].clone(), entry["origin"].as_str().unwrap().to_owned())
}

fn sender(home: &Home) -> String {
    let line = home.run(&["listen", "--json", "-n", "1", "--as", "carol"]).ok();
    serde_json::from_str::<Value>(&line).unwrap()["from"].as_str().unwrap().to_owned()
}

fn joined(home: &Home) -> Server {
    let server = home.serve(&[]);
    home.join(&server, &["alice", "bob", "carol"]);
    server
}

#[test]
fn a_flag_goes_before_its_variable_and_that_before_the_file() {
    let home = Home::new();
    let _server = joined(&home);
    let send = ["send", "carol", "hi"];
    home.run(&send).ok();
    assert_eq!(sender(&home), "alice", "what is built in: the first that joined");
    let file = write(&home, "as = \"bob\"\n[send]\njson = true\n[listen]\ntimeout = \"1m\"\n");
    assert!(home.run(&send).ok().contains("\"accepted\""), "a switch is on");
    assert_eq!(sender(&home), "bob");
    let carol = [("QMSG_AS", "carol")];
    run_with(&home, &carol, &send).ok();
    assert_eq!(sender(&home), "carol");
    run_with(&home, &carol, &["send", "carol", "--as", "alice", "hi"]).ok();
    assert_eq!(sender(&home), "alice");
    let show = ["config", "show", "--json"];
    assert_eq!(shown(home.run(&show), "as"), ("bob".into(), file.clone()));
    assert_eq!(shown(run_with(&home, &carol, &show), "as"), ("carol".into(), "env QMSG_AS".into()));
    assert_eq!(shown(home.run(&show), "listen.timeout"), ("1m".into(), file));
    assert_eq!(shown(home.run(&show), "join.timeout"), ("10s".into(), "default".into()));
    assert_eq!(
        shown(home.run(&show), "server"),
        (Value::from(_server.address.clone()), "where bob was joined".into())
    );
    let flag = ["config", "show", "--json", "--color", "never", "-vv"];
    assert_eq!(shown(home.run(&flag), "color"), ("never".into(), "flag".into()));
    assert_eq!(shown(home.run(&flag), "verbose"), (2.into(), "flag".into()));
}

/// Runs in a namespace with an `/etc` of its own.
#[test]
fn the_users_file_goes_before_the_machines() {
    needs!("namespaces");
    let home = Home::new();
    let user = write(&home, "color = \"never\"\n[serve]\nmax-links = 7\n[listen]\nraw = true\n");
    let system = "color = \"always\"\nas = \"ops\"\n[listen]\njson = true\n";
    fs::write(home.path().join("system.toml"), system).unwrap();
    let line = "mount -t tmpfs tmpfs /etc && mkdir /etc/qmsg && \
                cp system.toml /etc/qmsg/config.toml && exec \"$@\"";
    let run = |args: &[&str]| {
        let args = [&["-rm", "/bin/sh", "-c", line, "sh", "qmsg"], args].concat();
        start(home.program("unshare", &args)).end()
    };
    let show = ["config", "show", "--json"];
    let machine = "/etc/qmsg/config.toml".to_owned();
    assert_eq!(shown(run(&show), "color"), ("never".into(), user.clone()));
    assert_eq!(shown(run(&show), "serve.max-links"), (7.into(), user.clone()));
    assert_eq!(shown(run(&show), "as"), ("ops".into(), machine.clone()));
    assert_eq!(run(&["config", "path"]).ok(), format!("{user}\n{machine}\n"));
    // raw and json exclude each other; the user's file wins. Nobody is joined.
    run(&["listen"]).code(78).says("ops is not joined");
    let only = ["--config", "system.toml"];
    assert_eq!(run(&[&show[..], &only].concat()).ok(), home.run(&[&show[..], &only].concat()).ok());
}

#[test]
fn a_flag_wins_over_a_file_that_excludes_it() {
    let home = Home::new();
    let _server = joined(&home);
    home.run(&["send", "bob", "--as", "alice", "one"]).ok();
    home.run(&["send", "bob", "--as", "alice", "two"]).ok();
    write(&home, "as = \"bob\"\nquiet = true\n[listen]\njson = true\ncount = 1\n");
    assert_eq!(home.run(&["listen", "--raw"]).ok(), "one");
    assert!(home.run(&["listen"]).ok().starts_with("{\"body\":\"two\""));
    // -v conflicts with quiet; what remains of both is -v.
    let said = home.run(&["listen", "-v", "--poll"]);
    assert!(said.stderr.contains("caught up"), "{}", said.stderr);
    let said = run_with(&home, &[("QMSG_QUIET", "0")], &["join", "@ops"]);
    assert!(said.stderr.contains("now in @ops"), "{}", said.stderr);
    assert_eq!(home.run(&["join", "@ops"]).stderr, "");
    // A file cannot stand for a required argument.
    home.run(&["send"]).code(2);
}

/// Covers verbs with subcommands too.
#[test]
fn every_verb_takes_a_file() {
    let home = Home::new();
    // bench ignores the server that messages are sent to.
    let top = "as = \"bob\"\nserver = \"127.0.0.1:9\"\n";
    write(&home, &format!("{top}[bench]\njson = true\n[bench.latency]\ncount = 5\n"));
    let said = home.run(&["bench", "latency"]).ok();
    let result: Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(result["count"], 5, "{said}");
    for verb in
        ["join", "leave", "send", "listen", "later", "ask", "invite", "spool", "sendmail", "config"]
    {
        home.run(&[verb, "--no-such-flag"]).code(2);
        home.run(&[verb, "--help"]).code(0);
    }
    for args in [&["later"][..], &["spool", "list"], &["join", "@ops"], &["invite", "h"]] {
        let said = home.run(args);
        assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
    }
}

#[test]
fn config_show_prints_a_valid_file() {
    let home = Home::new();
    write(&home, "as = \"bob\"\n[sendmail.aliases]\nroot = [\"@ops\", \"bob\"]\n\"*\" = \"bob\"\n");
    let text = home.run(&["config", "show"]).ok();
    assert!(text.contains("root = \"@ops,bob\""), "{text}");
    fs::write(home.path().join("copy.toml"), &text).unwrap();
    let again = home.run(&["config", "show", "--config", "copy.toml"]).ok();
    let bare = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(bare(&text), bare(&again));
    assert!(!text.contains("ticket"), "a secret is no key");
}

#[test]
fn an_error_in_a_file_names_file_and_reason() {
    let home = Home::new();
    let cases = [
        ("colour = \"auto\"", "unknown key \"colour\" at the top", "did you mean color?"),
        ("[send]\ntimeuot = \"1s\"", "unknown key \"timeuot\" in [send]", "did you mean timeout?"),
        ("[sned]\ntimeout = \"1s\"", "unknown key \"sned\" at the top", "did you mean [send]?"),
        (
            "timeout = \"1s\"",
            "unknown key \"timeout\" at the top",
            "it belongs in [join] or [leave]",
        ),
        ("[send]\nxyzzy = 1", "unknown key \"xyzzy\" in [send]", "qmsg config show"),
        ("[send]\ntext = \"hi\"", "unknown key \"text\"", ""),
        ("[join]\nticket = \"qmsg:x\"", "unknown key \"ticket\"", ""),
        ("send = 1", "unknown key \"send\"", "did you mean [send]?"),
        ("quiet = \"yes\"", "quiet: write true or false", ""),
        ("verbose = true", "verbose: write a number", ""),
        ("verbose = 256", "verbose: write a number", ""),
        ("[send]\ntimeout = true", "send.timeout: write a text or a number", ""),
        ("[send]\ntimeout = [\"1s\"]", "send.timeout: write a text or a number", ""),
        ("[send]\ntimeout = \"soon\"", "send.timeout: \"soon\" is not accepted: write it like", ""),
        ("color = \"blue\"", "color: \"blue\" is not accepted: it is one of auto", ""),
        ("[listen]\ncount = 0", "listen.count: \"0\" is not accepted", ""),
        ("as = \"b b\"", "as: \"b b\" is not accepted: ' ' is not allowed", ""),
        ("[listen]\nraw = true\njson = true", "json and raw exclude each other", "use only one"),
        ("as = bob", "is not TOML", "below a line [send]"),
        ("[sendmail.aliases]\nroot = 1", "sendmail.aliases.root: write an id", ""),
        ("[sendmail.aliases]\nroot = \"a b\"", "sendmail.aliases.root: \"a b\"", ""),
    ];
    for (text, what, hint) in cases {
        let path = write(&home, text);
        let said = home.run(&["listen", "--poll"]);
        assert!(said.stderr.contains(what), "{text}: {}", said.stderr);
        said.code(78).says(&format!("qmsg: {path}")).says("\nhint: ").says(hint);
        assert!(said.stdout.is_empty());
        // The ways to find and mend the file still work.
        assert!(home.run(&["config", "path"]).ok().starts_with(&path));
        home.run(&["listen", "--help"]).code(0);
    }
    home.run(&["config", "show", "--config", "none.toml"])
        .code(78)
        .says("none.toml cannot be read");
    // An unknown key fails every verb; two keys that exclude each other fail only their own verb.
    write(&home, "[listen]\nraw = true\njson = true\n");
    home.run(&["config", "show"]).code(0);
    run_with(&home, &[("QMSG_CONFIG", "/dev/null")], &["listen"]).code(78).says("no id is joined");
}
