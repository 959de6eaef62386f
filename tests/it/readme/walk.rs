//! A newcomer's walk: every block of the README, from top to bottom, on a machine that has only
//! what the page installed before. The server's port is the one difference: a free one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Block, blocks, repository};
use crate::needs::is_missing;
use crate::real::kit::{Home, Running, Server, Stream, start};

/// Expected result of a block.
#[derive(Clone, Copy)]
enum Step {
    /// Ends by itself and prints this.
    Ends(&'static [&'static str]),
    /// Ends after the server was stopped, and prints this.
    EndsAfterServer(&'static [&'static str]),
    /// Prints this and keeps running.
    KeepsRunning(&'static [&'static str]),
    /// Serves, until the next server starts.
    Serves,
    /// Skipped: for another machine, takes too long, changes the machine, or has another test.
    NotRun,
}
use Step::{Ends, EndsAfterServer, KeepsRunning, NotRun, Serves};

/// Steps, each by words that only its block has.
const STEPS: &[(&str, Step)] = &[
    ("$ cargo test\n", NotRun),
    ("apt-get install", NotRun),
    ("# cargo install --locked --path . --root /usr/local\n", NotRun),
    ("install target/release/qmsg", NotRun),
    ("man/*.1", Ends(&[])),
    ("$ qmsg serve\n", Serves),
    ("qmsg join alice\n", Ends(&["% /"])),
    ("the build is done", Ends(&["the build is done\none\ntwo\n"])),
    (
        "qmsg join @ops",
        Ends(&["\"room\":\"@ops\"", "\"deploying version 7\"", "\"the office closes at six\""]),
    ),
    ("photo.jpg", Ends(&[])),
    ("disk full", Ends(&["not yet, code 10\n"])),
    ("--dead", Ends(&["alice: disk full\n"])),
    ("look after the oven", Ends(&["bob", "oven"])),
    ("> build.sh", Ends(&[])),
    ("--wrap -- sh build.sh", Ends(&["built\n"])),
    ("--only-on-failure --spool", Ends(&["built\n"])),
    ("tail -n +1 -F app.log", KeepsRunning(&[])),
    ("notify-send", Ends(&["notified of alice: ERROR no space left\n"])),
    ("jq -r", Ends(&["alice: db-1\n"])),
    ("while IFS= read", Ends(&["got INFO started\ngot ERROR no space left\n"])),
    ("qmsg ask", KeepsRunning(&["hello world\n"])),
    ("qmsg join work", KeepsRunning(&[": 1\n", ": 2\n", ": 3\n", ": 4\n", ": 5\n", ": 6\n"])),
    ("--id \"nightly-", Ends(&[])),
    ("not sent, code", Ends(&["not sent, code 67\n"])),
    ("$ qmsg serve --listen", Serves),
    ("$ qmsg invite HOST\n", Ends(&[])),
    ("$ qmsg join carol", Ends(&[])),
    ("useradd", Ends(&["useradd --system"])),
    ("cp -a", EndsAfterServer(&["chown -R qmsg:"])),
    ("systemctl enable", Ends(&["systemctl enable --now qmsg\n", "qmsg:127.0.0.1:"])),
    ("cargo test --test it real::queue", NotRun),
];

/// Stand-ins for desktop, systemd and root programs that a test does not have. Their arguments are
/// recorded.
const STAND_INS: &[(&str, &str)] = &[
    ("notify-send", "[ \"$1\" = -- ] && echo \"notified of $2: $3\""),
    ("sudo", "[ \"$1\" = -u ] && shift 2\nexec \"$@\""),
    ("useradd", "echo useradd \"$@\""),
    ("systemctl", "echo systemctl \"$@\""),
    ("chown", "echo chown \"$@\""),
];

struct Walk {
    home: Home,
    server: Option<Server>,
    /// Address of the server, or of the last one.
    address: String,
    /// Processes that still run in other terminals.
    running: Vec<Running>,
    ticket: String,
}

impl Walk {
    fn new() -> Self {
        let home = Home::new();
        let bin = home.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, script) in STAND_INS {
            write_program(&bin.join(name), script);
        }
        Self { home, server: None, address: String::new(), running: vec![], ticket: String::new() }
    }

    /// Text with the machine's paths moved below the home, and the port replaced by the server's.
    fn local(&self, text: &str) -> String {
        let home = self.home.path().to_str().unwrap();
        let text = text.replace("/var/lib", &format!("{home}/var/lib"));
        let text = text.replace("/usr/", &format!("{home}/usr/"));
        let ticket = "qmsg:HOST:4433/…/…";
        let text = if self.ticket.is_empty() { text } else { text.replace(ticket, &self.ticket) };
        text.replace("HOST:4433", "HOST").replace("HOST", &self.address)
    }

    fn shell(&self, home: &Home, script: &str) -> Command {
        let mut shell = home.program("/bin/sh", &["-e", "-u", "-c", script]);
        let path = shell.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap();
        let path = format!("{}/bin:{}", self.home.path().display(), path.to_str().unwrap());
        shell.env("PATH", path).env("QMSG_LISTEN", "127.0.0.1:0");
        // On another machine the ticket holds the address.
        if home.path() == self.home.path() && !self.address.is_empty() {
            shell.env("QMSG_SERVER", &self.address);
        }
        shell
    }

    /// Runs the commands of a block and checks the output that the block shows.
    fn follow(&mut self, block: &Block, step: Step) {
        let is_console = block.language == "console";
        let typed = block.text.lines().filter_map(|line| match is_console {
            true => line.strip_prefix("$ "),
            false => Some(line),
        });
        let script = typed.collect::<Vec<_>>().join("\n");
        let shown = block.text.lines().filter(|line| is_console && !line.starts_with("$ "));
        if let EndsAfterServer(_) = step {
            self.server.take().unwrap().stop("TERM");
        }
        match step {
            NotRun => {}
            Serves => self.serve(&script, shown),
            Ends(texts) | EndsAfterServer(texts) => {
                let elsewhere = Home::new();
                let home = if script.contains("join carol") { &elsewhere } else { &self.home };
                let mut shell = self.shell(home, &self.local(&script));
                if script.contains("man/") {
                    shell.current_dir(repository());
                }
                let said = start(shell).end();
                assert_eq!(said.code, Some(0), "{script}\n{}", said.stderr);
                let out = String::from_utf8(said.stdout).unwrap();
                texts.iter().for_each(|text| assert!(out.contains(text), "{script}\n{out}"));
                shown.for_each(|line| assert!(is_shown(&self.local(line), &out), "{line}\n{out}"));
                if script.contains("qmsg invite") && self.ticket.is_empty() {
                    self.ticket = out.trim().to_owned();
                }
            }
            KeepsRunning(texts) => {
                let mut running = start(self.shell(&self.home, &script));
                texts.iter().for_each(|text| running.until(Stream::Out, text));
                self.running.push(running);
            }
        }
    }

    fn serve<'a>(&mut self, script: &str, shown: impl Iterator<Item = &'a str>) {
        if let Some(server) = self.server.take() {
            server.stop("TERM");
        }
        let script = format!("exec {}", script.replace(":4433", ":0"));
        let server = Server::start(self.shell(&self.home, &script));
        let port = server.address.rsplit_once(':').unwrap().1;
        let mut said = format!("qmsg: listening on {} pin {}\n", server.address, server.pin);
        said += &server.line();
        for line in shown {
            let line = line.replace("4433", port);
            assert!(is_shown(&line, &said), "{line}\n{said}");
        }
        self.address = server.address.replace("0.0.0.0", "127.0.0.1");
        self.server = Some(server);
    }
}

pub(super) fn write_program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// True if a line is among the output; … stands for anything.
fn is_shown(line: &str, said: &str) -> bool {
    let fits = |said: &str| {
        let (mut rest, mut pieces) = (said, line.split('…'));
        let Some(after) = rest.strip_prefix(pieces.next().unwrap()) else { return false };
        rest = after;
        pieces.all(|piece| {
            let at = if piece.is_empty() { Some(rest.len()) } else { rest.find(piece) };
            at.map(|at| rest = &rest[at + piece.len()..]).is_some()
        }) && rest.is_empty()
    };
    said.lines().any(fits)
}

#[test]
fn the_readme_holds_from_top_to_bottom() {
    fn here() {}
    let mut walk = Walk::new();
    let mut steps = STEPS.iter();
    for block in blocks() {
        if !["sh", "console"].contains(&&*block.language) {
            continue;
        }
        let (words, step) = steps.next().unwrap_or_else(|| panic!("no step: {}", block.text));
        assert!(block.text.contains(words), "{words:?} is not in {}", block.text);
        if !(words.starts_with("jq ") && is_missing("jq", &here)) {
            walk.follow(&block, *step);
        }
    }
    assert!(steps.next().is_none(), "all of them were met");
    walk.is_installed();
    walk.serves_its_copied_data();
}

impl Walk {
    fn is_installed(&self) {
        for name in ["share/man/man1/qmsg-send.1", "share/man/man7/qmsg.7"] {
            assert!(self.home.path().join("usr/local").join(name).exists(), "{name}");
        }
        let completions: [PathBuf; 3] = [
            "local/share/bash-completion/completions/qmsg".into(),
            "local/share/zsh/site-functions/_qmsg".into(),
            "share/fish/vendor_completions.d/qmsg.fish".into(),
        ];
        for path in completions {
            assert!(self.home.path().join("usr").join(&path).exists(), "{path:?}");
        }
    }

    /// Checks that the service has key, users and messages of the earlier server.
    fn serves_its_copied_data(&self) {
        let data = self.home.path().join("var/lib/qmsg");
        let args = ["serve", "--listen", &self.address, "--data", data.to_str().unwrap()];
        let _server = Server::start(self.home.command(&args));
        self.home.run(&["send", "bob", "-s", &self.address, "still here"]).ok();
    }
}

#[test]
fn an_ellipsis_stands_for_text_that_varies() {
    let said = "qmsg: ready\nqmsg:host:1/abc/def\n";
    for line in ["…", "qmsg: ready", "qmsg:…:1/…/…", "…def"] {
        assert!(is_shown(line, said), "{line}");
    }
    for line in ["qmsg", "ready", "qmsg:…:2/…/…", "qmsg:…:1/…/x…", "…abc"] {
        assert!(!is_shown(line, said), "{line}");
    }
}
