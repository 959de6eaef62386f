//! Lines for crontabs and systemd units that README and man pages recommend.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::walk::write_program;
use super::{block, repository};
use crate::needs::needs;
use crate::real::kit::{Home, Said, Server, Stream, start_with};
use crate::real::sendmail::cron;

/// Stand-ins for people's `backup` program, each failing in its own way.
const BACKUPS: &[(&str, &str)] = &[
    ("with a word", "echo no space left >&2; exit 1"),
    ("without a word", "exit 3"),
    ("after 2 MB", "seq 300000; exit 1"),
    ("by a signal", "kill -9 $$"),
];

/// A user with a crontab, and a server.
struct Desk {
    home: Home,
    server: Option<Server>,
    bin: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let home = Home::new();
        let server = home.serve(&[]);
        home.join(&server, &["alice", "bob"]);
        home.run(&["join", "@ops", "--as", "bob"]).ok();
        let bin = home.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_qmsg"), bin.join("qmsg")).unwrap();
        let desk = Self { home, server: Some(server), bin };
        desk.has_backup("exit 0");
        desk
    }

    fn has_backup(&self, script: &str) {
        write_program(&self.bin.join("backup"), script);
    }

    /// Runs a line as cron does, by crontab(5): with an environment of its own, and with everything
    /// after the first unescaped % as stdin.
    fn cron(&self, job: &Job) -> Said {
        let (mut command, mut input) = (String::new(), None::<String>);
        let mut chars = job.command.chars().peekable();
        while let Some(c) = chars.next() {
            match (c, &mut input) {
                ('\\', _) if chars.peek() == Some(&'%') => {
                    input.as_mut().unwrap_or(&mut command).push(chars.next().unwrap());
                }
                ('%', None) => input = Some(String::new()),
                ('%', Some(input)) => input.push('\n'),
                (c, input) => input.as_mut().unwrap_or(&mut command).push(c),
            }
        }
        let path = job.path.replace("/usr/local/bin", self.bin.to_str().unwrap());
        let mut shell = self.home.program("/bin/sh", &["-c", &command]);
        shell.env_clear().env("HOME", self.home.path()).env("LOGNAME", "alice").env("PATH", path);
        shell.env("SHELL", "/bin/sh");
        start_with(shell, input.unwrap_or_default().into()).end()
    }

    fn read(&self) -> Vec<Value> {
        let text = self.home.run(&["listen", "--poll", "--json", "--as", "bob"]).ok();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A line of a crontab.
struct Job {
    /// Page that shows the line.
    page: String,
    /// PATH of the crontab.
    path: String,
    command: String,
}

/// Crontab lines of the README and of the man pages.
fn jobs() -> Vec<Job> {
    let mut pages = vec![("README.md".to_owned(), block("crontab", "backup"))];
    for page in fs::read_dir(repository().join("man/prose")).unwrap() {
        let path = page.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let plain = text.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\");
        pages.push((path.display().to_string(), plain));
    }
    let mut jobs = vec![];
    for (page, text) in pages {
        let mut path = "/usr/bin:/bin";
        for line in text.lines() {
            if let Some(other) = line.strip_prefix("PATH=") {
                path = other;
            } else if let Some(command) = scheduled(line) {
                let (page, path) = (page.clone(), path.to_owned());
                jobs.push(Job { page, path, command: command.to_owned() });
            }
        }
    }
    jobs
}

/// Command in a line of a crontab: after five time fields, or after one such as `@daily`.
fn scheduled(line: &str) -> Option<&str> {
    let is_time = |field: &str| {
        !field.is_empty() && field.chars().all(|c| c.is_ascii_digit() || "*/,-".contains(c))
    };
    let fields = if line.starts_with("@reboot") || line.starts_with("@daily") { 1 } else { 5 };
    let mut rest = line;
    for _ in 0..fields {
        let (field, after) = rest.split_once(' ')?;
        if fields == 5 && !is_time(field) {
            return None;
        }
        rest = after.trim_start();
    }
    Some(rest).filter(|command| !command.is_empty())
}

/// Checks that a job prints nothing: cron mails whatever it prints.
#[track_caller]
fn says_nothing(said: &Said, job: &Job) {
    let shown = String::from_utf8_lossy(&said.stdout);
    let at = format!("{}: {}", job.page, job.command);
    assert!(shown.is_empty() && said.stderr.is_empty(), "{at}\n{shown}{}", said.stderr);
}

#[test]
fn jobs_are_found() {
    assert_eq!(scheduled("*/5 0-3 1,2 * *  a b"), Some("a b"));
    assert_eq!(scheduled("@daily  a"), Some("a"));
    for line in ["1. 2 3 4 5 a", "1 2 3 4 5", "# 1 2 3 4 5 a", "a b c d e f", ""] {
        assert_eq!(scheduled(line), None, "{line}");
    }
    let jobs = jobs();
    assert!(jobs.iter().filter(|job| job.page == "README.md").count() == 3 && jobs.len() >= 5);
}

#[test]
fn a_job_is_quiet_while_nothing_is_wrong_and_while_the_server_is_away() {
    let mut desk = Desk::new();
    for job in &jobs() {
        let said = desk.cron(job);
        assert_eq!(said.code, Some(0), "{}: {}: {}", job.page, job.command, said.stderr);
        says_nothing(&said, job);
    }
    let sent = desk.read();
    assert!(sent.iter().all(|message| message["to"] == "bob"), "no alert: {sent:?}");
    let address = desk.server.as_ref().unwrap().address.clone();
    desk.server.take().unwrap().kill();
    let config = desk.home.path().join(".config/qmsg");
    fs::create_dir_all(&config).unwrap();
    let impatient = "[send]\ntimeout = \"300ms\"\n[spool.flush]\ntimeout = \"300ms\"\n";
    fs::write(config.join("config.toml"), impatient).unwrap();
    desk.has_backup("exit 3");
    let (flushing, others): (Vec<_>, Vec<_>) =
        jobs().into_iter().partition(|job| job.command.contains("flush"));
    for job in others.iter().chain(&flushing) {
        says_nothing(&desk.cron(job), job);
    }
    desk.server = Some(desk.home.serve_on(&address, &[]));
    says_nothing(&desk.cron(&flushing[0]), &flushing[0]);
    let alerts = desk.read().iter().filter(|message| message["to"] == "@ops").count();
    let wanted = others.iter().filter(|job| job.command.contains("backup")).count();
    assert_eq!(alerts, wanted, "each was kept, and sent when the server was back");
}

#[test]
fn a_job_reports_each_failure_and_once_a_day_is_once() {
    let desk = Desk::new();
    let jobs = jobs();
    for job in jobs.iter().filter(|job| job.command.contains("backup")) {
        for (how, script) in BACKUPS {
            desk.has_backup(script);
            desk.cron(job);
            let sent = desk.read();
            let title = sent.first().and_then(|message| message["headers"]["title"].as_str());
            let is_told = title.is_some_and(|title| title.starts_with("backup"));
            assert!(sent.len() == 1 && is_told, "{how}: {}: {sent:?}", job.page);
        }
    }
    let daily = jobs.iter().filter(|job| job.command.contains("--id"));
    for job in daily.flat_map(|job| [job; 3]) {
        says_nothing(&desk.cron(job), job);
    }
    let sent = desk.read();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0]["headers"]["title"], "good morning");
}

/// The crontab of the README, run by the cron daemon; only the times are changed.
#[test]
fn cron_runs_the_crontab_of_the_readme() {
    needs!("cron");
    let desk = Desk::new();
    desk.has_backup("echo no space left; exit 1");
    let jobs = jobs().into_iter().filter(|job| job.page == "README.md");
    let crontab = jobs.fold(block("crontab", "backup"), |crontab, job| {
        let line = crontab.lines().find(|line| line.ends_with(&job.command)).unwrap();
        crontab.replace(line, &format!("* * * * *  {}", job.command))
    });
    let mut listener = desk.home.listen(&["--as", "bob", "--json"]);
    let _cron = cron(&desk.home, &crontab);
    let minute = Duration::from_secs(150);
    listener.until_in(minute, Stream::Out, "no space left");
    listener.until_in(minute, Stream::Out, "\"title\":\"good morning\"");
}

#[test]
fn a_failed_unit_is_reported() {
    let desk = Desk::new();
    let unit = block("ini", "systemctl status");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    // systemd and a shell read this line alike.
    let line = line.replace("%i", "backup.service");
    write_program(&desk.bin.join("systemctl"), "echo \"$4 has failed\"");
    let path = "PATH=\"$HOME/bin:$PATH\"; export PATH; ";
    desk.home.shell(&format!("{path}{line}")).ok();
    let heard = desk.home.run(&["listen", "--as", "bob", "--poll", "--json"]).ok();
    assert!(heard.contains("backup.service failed") && heard.contains("backup.service has failed"));
}
