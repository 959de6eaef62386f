//! Real processes: a server on a free port, clients with a home of their own, deadlines for all.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::sweep::{self, EndsOnPanic, Place};

/// Time after which a wait fails the test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Interval between looks at a process.
const GLANCE: Duration = Duration::from_millis(5);

/// Pieces of output that wait to be read; a process with more has to wait.
const PIECES_MAX: usize = 4096;

/// A user's machine: an empty home.
pub(crate) struct Home {
    place: Place,
}

/// Exit code and output of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// A running command.
pub(crate) struct Running {
    child: Child,
    /// Output as it comes; ends when both streams have ended.
    pieces: Receiver<(Stream, Vec<u8>)>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// A server that can be reached.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) pin: String,
    /// Lines after the first.
    lines: Receiver<String>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { place: Place::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Guard for a scope whose threads wait for processes of this home.
    pub(crate) fn ends_on_panic(&self) -> EndsOnPanic<'_> {
        self.place.ends_on_panic()
    }

    /// A `qmsg` with these arguments and nothing of the caller's environment.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        self.program(env!("CARGO_BIN_EXE_qmsg"), args)
    }

    pub(crate) fn program<S: AsRef<OsStr>>(&self, program: &str, args: &[S]) -> Command {
        let mut command = Command::new(program);
        let bin = Path::new(env!("CARGO_BIN_EXE_qmsg")).parent().unwrap();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
        command.args(args).env_clear().env("HOME", self.path()).env("PATH", path);
        command.env("TZ", "UTC").current_dir(self.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `qmsg` to its end, with an empty stdin.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        start(self.command(args)).end()
    }

    /// Runs `qmsg` to its end, with this on stdin.
    pub(crate) fn pipe(&self, input: &[u8], args: &[&str]) -> Said {
        start_with(self.command(args), input.to_vec()).end()
    }

    /// Runs a shell line, in which `qmsg` is the program under test.
    pub(crate) fn shell(&self, line: &str) -> Said {
        start(self.program("/bin/sh", &["-c", line])).end()
    }

    /// Claims ids on a server.
    pub(crate) fn join(&self, server: &Server, ids: &[&str]) {
        for id in ids {
            self.run(&["join", id, "-s", &server.address]).ok();
        }
    }

    /// Starts a listener and waits until it has caught up: messages reach it at once from then on.
    pub(crate) fn listen(&self, args: &[&str]) -> Running {
        let mut listener = start(self.command(&[&["listen", "-v"], args].concat()));
        listener.until(Stream::Err, "caught up");
        listener
    }

    /// Starts a server whose data is in this home.
    pub(crate) fn serve(&self, more: &[&str]) -> Server {
        self.serve_on("127.0.0.1:0", more)
    }

    pub(crate) fn serve_on(&self, listen: &str, more: &[&str]) -> Server {
        let data = self.data();
        let args = ["serve", "--listen", listen, "--data", data.to_str().unwrap()];
        Server::start(self.command(&[&args[..], more].concat()))
    }

    /// Data directory of the servers of this home.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }
}

impl Said {
    /// Checks for exit code 0; returns stdout.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        self.code(0);
        String::from_utf8(self.stdout).unwrap()
    }

    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "stderr: {}", self.stderr);
        self
    }

    /// Checks that stderr contains this.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is not in stderr: {}", self.stderr);
        self
    }
}

pub(crate) fn start(mut command: Command) -> Running {
    let mut child = command.spawn().unwrap();
    let (sender, pieces) = sync_channel(PIECES_MAX);
    read(Stream::Out, child.stdout.take().unwrap(), sender.clone());
    read(Stream::Err, child.stderr.take().unwrap(), sender);
    Running { child, pieces, stdout: Vec::new(), stderr: Vec::new() }
}

pub(crate) fn start_with(mut command: Command, input: Vec<u8>) -> Running {
    command.stdin(Stdio::piped());
    let mut running = start(command);
    let mut stdin = running.child.stdin.take().unwrap();
    // A command need not read all of its stdin.
    thread::spawn(move || drop(stdin.write_all(&input)));
    running
}

/// Bytes without a pattern (xorshift64).
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let (mut state, mut bytes) = (0x9e37_79b9_7f4a_7c15_u64, Vec::with_capacity(length + 8));
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn read(stream: Stream, mut from: impl Read + Send + 'static, to: SyncSender<(Stream, Vec<u8>)>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            // The test may have ended already.
            if to.send((stream, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
}

impl Running {
    /// Waits until a stream has contained this text.
    #[track_caller]
    pub(crate) fn until(&mut self, stream: Stream, text: &str) {
        loop {
            let said = if stream == Stream::Out { &self.stdout } else { &self.stderr };
            if String::from_utf8_lossy(said).contains(text) {
                return;
            }
            assert!(self.take_piece(), "ended without saying {text:?}");
        }
    }

    /// Like `until`, with another deadline.
    #[track_caller]
    pub(crate) fn until_in(&mut self, time: Duration, stream: Stream, text: &str) {
        let end = Instant::now() + time;
        loop {
            let said = if stream == Stream::Out { &self.stdout } else { &self.stderr };
            if String::from_utf8_lossy(said).contains(text) {
                return;
            }
            match self.pieces.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok((Stream::Out, piece)) => self.stdout.extend(piece),
                Ok((Stream::Err, piece)) => self.stderr.extend(piece),
                Err(error) => panic!("{text:?} was not said: {error}"),
            }
        }
    }

    /// Lets the command run for this time at most, then ends it by `kill -9`.
    pub(crate) fn end_or_kill(mut self, time: Duration) -> Said {
        let end = Instant::now() + time;
        loop {
            match self.pieces.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok((Stream::Out, piece)) => self.stdout.extend(piece),
                Ok((Stream::Err, piece)) => self.stderr.extend(piece),
                Err(RecvTimeoutError::Disconnected) => return self.end(),
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().unwrap();
                    return self.end();
                }
            }
        }
    }

    /// Waits for the command to end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Said {
        while self.take_piece() {}
        let status = self.child.wait().unwrap();
        let stderr = String::from_utf8_lossy(&self.stderr).into_owned();
        Said { code: code(status), stdout: std::mem::take(&mut self.stdout), stderr }
    }

    /// Waits for the end; also returns the peak memory until shortly before, in KiB.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub(crate) fn end_with_peak(mut self) -> (Said, u64) {
        let mut peak = 0;
        loop {
            peak = peak.max(peak_kib(&self.child));
            match self.pieces.recv_timeout(GLANCE) {
                Ok((Stream::Out, piece)) => self.stdout.extend(piece),
                Ok((Stream::Err, piece)) => self.stderr.extend(piece),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return (self.end(), peak),
            }
        }
    }

    #[track_caller]
    fn take_piece(&mut self) -> bool {
        match self.pieces.recv_timeout(DEADLINE) {
            Ok((Stream::Out, piece)) => self.stdout.extend(piece),
            Ok((Stream::Err, piece)) => self.stderr.extend(piece),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => {
                panic!("silent for {DEADLINE:?}: {}", String::from_utf8_lossy(&self.stderr))
            }
        }
        true
    }

    pub(crate) fn signal(&self, name: &str) {
        sweep::signal(self.child.id(), name);
    }

    /// Sends a signal to the only child process of the command.
    #[cfg(target_os = "linux")]
    pub(crate) fn signal_child(&self, name: &str) {
        let id = self.child.id();
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
        let children: String = threads
            .map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap())
            .collect();
        sweep::signal(children.trim().parse().unwrap(), name);
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// Kills the command. Its own children end with the home.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Exit code as a shell has it: 128 and the signal's number, if a signal ended the process.
fn code(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|number| 128 + number))
}

/// Peak memory of a process in KiB; 0 after it has ended.
#[cfg(target_os = "linux")]
pub(crate) fn peak_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |kib| kib.trim().trim_end_matches(" kB").parse().unwrap())
}

impl Server {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = lines(child.stderr.take().unwrap());
        let mut server = Self { child, address: String::new(), pin: String::new(), lines };
        while server.address.is_empty() {
            let line = server.line();
            if let Some(rest) = line.strip_prefix("qmsg: listening on ") {
                let (address, pin) = rest.split_once(" pin ").unwrap();
                (server.address, server.pin) = (address.to_owned(), pin.to_owned());
            }
        }
        server
    }

    /// Next line that the server prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).unwrap()
    }

    /// Ends the server by `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        sweep::signal(self.child.id(), name);
    }

    /// Ends the server with a signal; returns its exit code and the rest of its output.
    pub(crate) fn stop(mut self, signal_name: &str) -> (Option<i32>, String) {
        sweep::signal(self.child.id(), signal_name);
        self.ended()
    }

    /// Waits for the end of the server; returns its exit code and the rest of its output.
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => said += &(line + "\n"),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("no end: {error}"),
            }
        }
        (code(self.child.wait().unwrap()), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = sync_channel(PIECES_MAX);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
