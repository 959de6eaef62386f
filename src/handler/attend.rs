//! A command from start to end: its output, and the signals to pass on to it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::handler::limits::UNREAD_LEN_MAX;
use crate::handler::tail::OutputTail;
use crate::terminal::{notices, print};

/// Longest wait for output of processes that a command has left running.
const AFTERMATH: Duration = Duration::from_secs(1);
const PIECE_LEN: usize = 16 << 10;
/// Bytes at the beginning of a program that are read to see whether it may be a script.
const HEAD_LEN: u64 = 128;

/// The end of a command.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) last_lines: Vec<u8>,
    /// Error of output that could not be written.
    pub(crate) unwritten: Option<io::Error>,
}

/// Output of a command, collected by two threads.
struct CommandOutput {
    tail: OutputTail,
    unwritten: Option<io::Error>,
}

/// Starts a command with its output in pipes. A script without a `#!` line is run by sh, as shells
/// and execvp do.
pub(crate) fn start(program: &OsStr, arguments: &[impl AsRef<OsStr>]) -> io::Result<Child> {
    let run = |mut command: Command| {
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    let failed = match run(Command::new(program)) {
        Err(error) if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => error,
        started => return started,
    };
    let Some(script) = find(program).filter(|path| is_script(path)) else { return Err(failed) };
    let mut shell = Command::new("/bin/sh");
    shell.arg(script);
    run(shell)
}

/// Returns the missing interpreter of a script that exists but could not be started because
/// something was not found. A carriage return at the end of its name is kept visible.
pub(crate) fn interpreter(program: &OsStr, error: &io::Error) -> Option<String> {
    let path = find(program).filter(|_| error.kind() == ErrorKind::NotFound)?;
    let head = head(&path).ok()?;
    let line = head.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let line = line.trim_ascii_start();
    let name = line.split(|byte| b" \t".contains(byte)).next().filter(|name| !name.is_empty())?;
    (!Path::new(OsStr::from_bytes(name)).exists()).then(|| name.escape_ascii().to_string())
}

/// Path of a program that will not be looked up in `PATH`. It does not begin with a dash.
fn find(program: &OsStr) -> Option<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(Path::new(".").join(program));
    }
    let is_program = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| Path::new(".").join(dir).join(program)).find(is_program)
}

/// True if the first line may belong to a script, and is not the beginning of a binary for another
/// machine.
fn is_script(path: &Path) -> bool {
    let head = head(path);
    head.is_ok_and(|head| {
        !head.split(|byte| *byte == b'\n').next().unwrap_or_default().contains(&0)
    })
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_LEN).read_to_end(&mut head)?;
    Ok(head)
}

/// Makes sure that this process can wait for the exit of a command, even if its parent made it
/// ignore SIGCHLD. Must be called before the start.
pub(crate) fn keep_children() -> Result<()> {
    signal(SignalKind::child()).map(drop).context("no signals")
}

/// Passes the command's output on, and the signals of this process to the command.
pub(crate) async fn attend(mut child: Child, lines_max: usize) -> Result<Ended> {
    // Caught only after the start, so that the command does not inherit the handlers.
    let mut signals = signals(&PASSED_ON)?;
    let output =
        Arc::new(Mutex::new(CommandOutput { tail: OutputTail::new(lines_max), unwritten: None }));
    let (done, mut streams) = mpsc::channel(2);
    let (stdout, stderr) = (child.stdout.take().map(OwnedFd::from), child.stderr.take());
    let pipes = [
        pass(stdout, print::pass, &output, &done),
        pass(stderr.map(OwnedFd::from), notices::pass, &output, &done),
    ];
    drop(done);
    let pid = Pid::from_child(&child);
    let mut end = tokio::task::spawn_blocking(move || until_end(pid));
    loop {
        tokio::select! {
            // The process number stays reserved until the wait below.
            _ = &mut end => break,
            Some(signal) = signals.recv() => {
                let is_typed = matches!(signal, Signal::INT | Signal::QUIT) && is_interactive();
                // A signal typed on the terminal has reached the command as well.
                if !is_typed {
                    // The command may have ended just now.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
    let status = child.wait().context("no end")?;
    let rest = async { while streams.recv().await.is_some() {} };
    if tokio::time::timeout(AFTERMATH, rest).await.is_err() {
        pipes.iter().filter_map(Weak::upgrade).for_each(|pipe| leave(&pipe));
    }
    let mut output = locked(&output);
    Ok(Ended { status, last_lines: output.tail.take_text(), unwritten: output.unwritten.take() })
}

/// Waits until the command has ended, but leaves its exit status to be collected.
fn until_end(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == Errno::INTR) {}
}

/// Starts a reader for output of processes that the command has left running: a pipe without a
/// reader would kill them.
fn leave(pipe: &File) {
    // Without a `cat` program the pipe is left without a reader.
    let _ = pipe.try_clone().and_then(|pipe| {
        Command::new("cat").stdin(pipe).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    });
}

fn is_interactive() -> bool {
    io::stdin().is_terminal() || print::is_terminal()
}

/// A signal in the types of two libraries.
type NamedSignal = (fn() -> SignalKind, Signal);

/// Signals that by default end a process, passed on to the command.
const PASSED_ON: [NamedSignal; 6] = [
    (SignalKind::hangup, Signal::HUP),
    (SignalKind::interrupt, Signal::INT),
    (SignalKind::quit, Signal::QUIT),
    (SignalKind::terminate, Signal::TERM),
    (SignalKind::user_defined1, Signal::USR1),
    (SignalKind::user_defined2, Signal::USR2),
];
/// Signals that ask this process to end now. A hangup of the terminal does not.
const ENDING: [NamedSignal; 3] = [
    (SignalKind::interrupt, Signal::INT),
    (SignalKind::quit, Signal::QUIT),
    (SignalKind::terminate, Signal::TERM),
];

/// Receives these signals. Ignored ones (as under nohup) stay ignored.
fn signals(wanted: &[NamedSignal]) -> Result<mpsc::Receiver<Signal>> {
    let (sender, receiver) = mpsc::channel(4);
    let ignored = ignored();
    for (kind, number) in wanted {
        if ignored >> (number.as_raw() - 1) & 1 == 1 {
            continue;
        }
        let (mut signal, sender, number) = (signal(kind())?, sender.clone(), *number);
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                // A signal that comes while others wait adds nothing.
                let _ = sender.try_send(number);
            }
        });
    }
    Ok(receiver)
}

/// Signals that this process was started to ignore, one bit each; 0 if the system does not tell.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Waits for a signal that asks to end now.
pub(crate) async fn stopped() {
    match signals(&ENDING) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Copies a stream to its end on a thread of its own, as far as its output can be written, and
/// keeps its last lines. Drops `_done` and the stream at the end.
fn pass(
    stream: Option<OwnedFd>,
    write: fn(&[u8]) -> io::Result<()>,
    output: &Arc<Mutex<CommandOutput>>,
    done: &mpsc::Sender<()>,
) -> Weak<File> {
    let Some(stream) = stream else { return Weak::new() };
    let stream = Arc::new(File::from(stream));
    let pipe = Arc::downgrade(&stream);
    let (output, done) = (Arc::clone(output), done.clone());
    thread::spawn(move || {
        let _done = done;
        let (mut buffer, mut line) = (vec![0; PIECE_LEN], Vec::new());
        // Output since the reader has gone.
        let mut unread = None;
        loop {
            let piece = match stream.as_ref().read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => &buffer[..length],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            locked(&output).tail.push(&mut line, piece);
            if let Some(unread) = &mut unread {
                *unread += piece.len();
                if *unread > UNREAD_LEN_MAX {
                    break;
                }
            } else if let Err(error) = write(piece) {
                unread = (error.kind() == ErrorKind::BrokenPipe).then_some(0);
                locked(&output).unwritten.get_or_insert(error);
            }
        }
        if !line.is_empty() {
            locked(&output).tail.line(&line);
        }
    });
    pipe
}

/// Locks the output. A thread that panicked has left it consistent.
fn locked(output: &Mutex<CommandOutput>) -> MutexGuard<'_, CommandOutput> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}
