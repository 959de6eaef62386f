//! The recipes of the README do what they say.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::readme::blocks;
use crate::real::kit::{Home, Running, Said, Server, Stream, start};

/// A machine on which the recipes are typed: alice's and bob's, with a log and something to build.
struct Desk {
    home: Home,
    server: Server,
}

impl Desk {
    fn new() -> Self {
        let home = Home::new();
        let server = home.serve(&[]);
        home.join(&server, &["alice", "bob", "work"]);
        home.run(&["join", "@ops", "--as", "bob"]).ok();
        fs::create_dir(home.path().join("app")).unwrap();
        fs::write(home.path().join("app.log"), "first\nsecond\n").unwrap();
        Self { home, server }
    }

    fn builds(&self, result: &str) {
        let makefile = format!("all:\n\t@echo built; {result}\n");
        fs::write(self.home.path().join("app/Makefile"), makefile).unwrap();
    }

    /// The one recipe with these words in it, running in a group of its own.
    fn shell(&self, words: &str) -> Running {
        let recipes = blocks("recipe");
        let mut found = recipes.iter().filter(|recipe| recipe.contains(words));
        let (Some(recipe), None) = (found.next(), found.next()) else { panic!("{words:?}") };
        let mut shell = self.home.program("/bin/sh", &["-c", recipe]);
        shell.env("QMSG_SERVER", &self.server.address).process_group(0);
        start(shell)
    }

    /// One that goes on until it is ended.
    fn begin(&self, words: &str) -> Group {
        Group(self.shell(words))
    }

    fn does(&self, words: &str) -> Said {
        self.shell(words).end()
    }

    fn hears(&self, count: &str) -> String {
        let args = ["listen", "--as", "bob", "--json", "--count", count];
        self.home.run(&args).ok()
    }
}

/// A shell and all that it started, ended together.
struct Group(Running);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
    }
}

#[test]
fn a_build_tells_of_its_end_and_keeps_its_code() {
    let desk = Desk::new();
    desk.builds("exit 0");
    assert_eq!(desk.does("bob --wrap -- make").ok(), "built\n");
    assert!(desk.hears("1").contains("built"));
    let quiet = desk.does("--only-on-failure");
    assert_eq!(quiet.ok(), "built\n");
    desk.builds("exit 3");
    let failed = desk.does("--only-on-failure");
    assert_eq!((failed.code, &failed.stdout[..]), (Some(2), &b"built\n"[..]), "make's own code");
    let heard = desk.hears("1");
    assert!(heard.contains("built") && heard.contains("\"priority\":"), "{heard}");
}

#[test]
fn a_log_goes_into_a_room() {
    let desk = Desk::new();
    let tail = desk.begin("tail -n +1 -F");
    let heard = desk.hears("2");
    assert!(heard.contains("\"body\":\"first\"") && heard.contains("\"body\":\"second\""));
    drop(tail);
}

#[test]
fn messages_go_through_read_and_through_handlers() {
    let desk = Desk::new();
    desk.home.run(&["send", "bob", "--title", "hello", "one"]).ok();
    desk.home.run(&["send", "bob", "two"]).ok();
    assert_eq!(desk.does("while read").ok(), "alice: hello\nalice: no title\n");
    desk.home.run(&["send", "bob", "three"]).ok();
    desk.does("inbox-").ok();
    let files = fs::read_dir(desk.home.path()).unwrap().map(|entry| entry.unwrap().path());
    let inbox: Vec<_> = files.filter(|path| path.to_str().unwrap().contains("inbox-")).collect();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    assert_eq!(fs::read(&inbox[0]).unwrap(), b"three");
}

#[test]
fn a_bot_answers() {
    let desk = Desk::new();
    let mut bot = desk.begin("qmsg ask");
    bot.0.until(Stream::Out, "hello world\n");
}

#[test]
fn a_queue_is_worked_off() {
    let desk = Desk::new();
    let mut queue = desk.begin("--share");
    for job in 1..=6 {
        queue.0.until(Stream::Out, &format!(": {job}\n"));
    }
}

#[test]
fn a_night_has_one_message() {
    let desk = Desk::new();
    for _ in 0..3 {
        desk.does("nightly-").ok();
    }
    desk.home.run(&["send", "bob", "last"]).ok();
    let heard = desk.hears("2");
    let titles: Vec<&str> = heard.lines().filter(|line| line.contains("good night")).collect();
    assert_eq!((titles.len(), heard.contains("last")), (1, true), "{heard}");
}

#[test]
fn a_unit_that_fails_is_told_of() {
    let desk = Desk::new();
    let unit = blocks("ini").into_iter().find(|unit| unit.contains("systemctl status")).unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    // For what the line uses systemd and a shell read it alike.
    let line = line.replace("%i", "backup.service");
    let systemctl = desk.home.path().join("bin/systemctl");
    fs::create_dir(desk.home.path().join("bin")).unwrap();
    fs::write(&systemctl, "#!/bin/sh\necho \"$4 has failed\"\n").unwrap();
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    let path = "PATH=\"$HOME/bin:$PATH\"; export PATH; ";
    desk.home.shell(&format!("{path}{line}")).ok();
    let heard = desk.hears("1");
    assert!(heard.contains("backup.service failed") && heard.contains("backup.service has failed"));
}
