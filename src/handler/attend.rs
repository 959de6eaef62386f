//! A command from its start to its end: its output, and the signals that are meant for it.

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

/// Longest wait for output of processes that an ended command has left running.
const AFTERMATH: Duration = Duration::from_secs(1);
const PIECE_LEN: usize = 16 << 10;
/// Bytes at the beginning of a program that are read to see if it may be a script.
const HEAD_LEN: u64 = 128;

/// The end of a command.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) last_lines: Vec<u8>,
    /// Why some of its output did not get where it was to go.
    pub(crate) unwritten: Option<io::Error>,
}

/// Output of a command, collected by two threads.
struct CommandOutput {
    tail: OutputTail,
    unwritten: Option<io::Error>,
}

/// Starts a command with its output in pipes. A script without a `#!` is run by sh, as shells and
/// execvp do.
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

/// Returns the interpreter that the first line of a script names, if the script exists and the
/// error says that something was not found. A carriage return at its end stays visible.
pub(crate) fn interpreter(program: &OsStr, error: &io::Error) -> Option<String> {
    let path = find(program).filter(|_| error.kind() == ErrorKind::NotFound)?;
    let head = head(&path).ok()?;
    let line = head.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let line = line.trim_ascii_start();
    let name = line.split(|byte| b" \t".contains(byte)).next().filter(|name| !name.is_empty())?;
    (!Path::new(OsStr::from_bytes(name)).exists()).then(|| name.escape_ascii().to_string())
}

/// Where a program is, for one that does not look into `PATH`. It does not begin with a dash.
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

/// True if the first line may be one of a script, and not the beginning of a program for another
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

/// Keeps the command's end for this process, also where whoever started it has no use for its own
/// children's. Before the start.
pub(crate) fn keep_children() -> Result<()> {
    signal(SignalKind::child()).map(drop).context("no signals")
}

/// Passes on what the command prints, and to it the signals that come for it.
pub(crate) async fn attend(mut child: Child, lines_max: usize) -> Result<Ended> {
    // After the start: the command has not inherited that they are caught.
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
            // Its number stays its own until it is waited for below.
            _ = &mut end => break,
            Some(signal) = signals.recv() => {
                let is_typed = matches!(signal, Signal::INT | Signal::QUIT) && is_interactive();
                // From a terminal it has come to the command as well.
                if !is_typed {
                    // It may have ended just now.
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

/// Waits until the command has ended, and leaves its end to be asked for.
fn until_end(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == Errno::INTR) {}
}

/// Has somebody read what goes on to be printed by what the command has left running: it would be
/// killed by a pipe without a reader.
fn leave(pipe: &File) {
    // Where there is no cat it is as it was.
    let _ = pipe.try_clone().and_then(|pipe| {
        Command::new("cat").stdin(pipe).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    });
}

fn is_interactive() -> bool {
    io::stdin().is_terminal() || print::is_terminal()
}

/// A signal, by its two names.
type NamedSignal = (fn() -> SignalKind, Signal);

/// Signals that end whoever does not expect them, and are meant for the command.
const PASSED_ON: [NamedSignal; 6] = [
    (SignalKind::hangup, Signal::HUP),
    (SignalKind::interrupt, Signal::INT),
    (SignalKind::quit, Signal::QUIT),
    (SignalKind::terminate, Signal::TERM),
    (SignalKind::user_defined1, Signal::USR1),
    (SignalKind::user_defined2, Signal::USR2),
];
/// Signals by which somebody wants an end now. A terminal that goes away wants nothing.
const ENDING: [NamedSignal; 3] = [
    (SignalKind::interrupt, Signal::INT),
    (SignalKind::quit, Signal::QUIT),
    (SignalKind::terminate, Signal::TERM),
];

/// Receives these signals. Those that are ignored, as by nohup, stay ignored.
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
                // One that comes while others wait says nothing new.
                let _ = sender.try_send(number);
            }
        });
    }
    Ok(receiver)
}

/// A bit for each signal that this process has been started to ignore; none where that is not told.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Somebody wants an end now.
pub(crate) async fn stopped() {
    match signals(&ENDING) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Copies a stream on its own thread to its end, wherever that can be written, and keeps its last
/// lines. `_done` and the stream are let go at its end.
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
        // What was printed since the reader has gone.
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

/// A thread that panicked has left it whole.
fn locked(output: &Mutex<CommandOutput>) -> MutexGuard<'_, CommandOutput> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}
