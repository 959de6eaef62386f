//! The server that is measured: given, or our own for the time of the run.

use std::cell::RefCell;
use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::bench::limits::START_MAX;
use crate::failure::{Exit, Failure};
use crate::profile::address::ServerAddress;
use crate::wire::Pin;

/// A run is to end by its own measure, not by a limit for users.
const LIMITS: &[&str] = &[
    "--max-mailbox=1000000000",
    "--max-mailbox-bytes=1TiB",
    "--max-links=1000000",
    "--max-users=10000000",
];

/// Where the server is, and the process if it is ours.
pub(crate) struct Host {
    server: ServerAddress,
    /// The pin of its key, if that is known.
    pin: Option<Pin>,
    own: Option<LocalServer>,
}

/// A server that ends with this value.
struct LocalServer {
    child: RefCell<Child>,
    /// Dropped last.
    directory: Directory,
}

/// A directory that goes with this value.
struct Directory(PathBuf);

impl Host {
    pub(crate) fn given(server: ServerAddress, pin: Option<Pin>) -> Self {
        Self { server, pin, own: None }
    }

    /// Starts a server that takes bodies of `size` bytes; `name` is one that nobody has used.
    pub(crate) async fn own(name: &str, size: u64) -> Result<Self> {
        let directory = Directory::new(name)?;
        let (own, stdout) = LocalServer::spawn(directory, size)?;
        // If it never speaks, the end of `own` is the end of this thread too.
        let reading = tokio::task::spawn_blocking(move || first_line(stdout));
        let line = tokio::time::timeout(START_MAX, reading).await;
        let (server, pin) = line
            .ok()
            .and_then(|read| announced(&read.ok()?.ok()?))
            .ok_or_else(|| own.failure("the server did not start"))?;
        Ok(Self { server, pin: Some(pin), own: Some(own) })
    }

    pub(crate) fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// The pin of the server's key, if that is known.
    pub(crate) fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// The id of the server's process, if it is ours.
    pub(crate) fn process(&self) -> Option<u32> {
        self.own.as_ref().map(|own| own.child.borrow().id())
    }

    /// An own server that has ended, as an error.
    pub(crate) fn gone(&self) -> Option<anyhow::Error> {
        let own = self.own.as_ref()?;
        let status: ExitStatus = own.child.borrow_mut().try_wait().ok()??;
        Some(own.failure(&format!("the server ended in the middle of the run, by {status}")).into())
    }
}

impl LocalServer {
    fn spawn(directory: Directory, size: u64) -> Result<(Self, Option<ChildStdout>)> {
        let program = env::current_exe().context("this program cannot be found")?;
        let log = File::create(directory.0.join("log")).context("no temporary file")?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen=127.0.0.1:0", "--json", "--quiet"]).args(LIMITS);
        command.arg("--data").arg(directory.0.join("data"));
        command.arg(format!("--max-body={}", size.max(1 << 20)));
        // What a user has set is for the user's server.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("QMSG_") {
                command.env_remove(name);
            }
        }
        // ^C is ours to handle.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().context("no server can be started")?;
        let stdout = child.stdout.take();
        Ok((Self { child: RefCell::new(child), directory }, stdout))
    }

    /// With the last that the server said.
    fn failure(&self, what: &str) -> Failure {
        let log = fs::read_to_string(self.directory.0.join("log")).unwrap_or_default();
        let failure = Failure::new(Exit::Unavailable, what);
        match log.lines().last() {
            Some(line) => failure.hint(format!("its last words were: {line}")),
            None => failure,
        }
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        // It may have ended; nothing of it is kept, so it need not end in order.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Directory {
    /// A new one, that only this user can read.
    fn new(name: &str) -> Result<Self> {
        let (parent, mut builder) = (env::temp_dir(), DirBuilder::new());
        let path = parent.join(name);
        builder.mode(0o700).create(&path).map_err(|error| {
            let what = format!("no directory can be made in {}", parent.display());
            Failure::new(Exit::Config, what).hint("TMPDIR names another").because(error)
        })?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn first_line(stdout: Option<ChildStdout>) -> std::io::Result<String> {
    let mut line = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    Ok(line)
}

/// Address and pin, as `serve --json` prints them.
fn announced(line: &str) -> Option<(ServerAddress, Pin)> {
    let object: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| object[name].as_str();
    Some((text("listening")?.parse().ok()?, text("pin")?.parse().ok()?))
}
