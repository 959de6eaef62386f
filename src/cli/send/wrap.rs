//! `qmsg send --wrap`: a command that is run, and a message about how it ended.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::content::Content;
use crate::cli::fail::{self, Exit, Failure};
use crate::cli::headers::HeaderArgs;
use crate::cli::job::Job;
use crate::cli::spool::{Keep, Parcel, Spool};
use crate::cli::{Talk, clock, connect, host, print, profile};
use crate::wire::MsgIds;

use super::SendArgs;

/// How long output may go on when the command has ended, from what it has left running.
const AFTERMATH: Duration = Duration::from_secs(1);
const PIECE_LEN: usize = 16 << 10;
/// Longest line that is kept, in bytes: the end of a longer one. All that is kept together stays
/// below what a frame takes.
const LINE_LEN_MAX: usize = 2 << 10;
const KEPT_LEN_MAX: usize = 32 << 10;
/// Most characters of a command line in a title.
const NAME_CHARS_MAX: usize = 60;
/// A command that cannot be started, as shells say it.
const CODE_NOT_FOUND: u8 = 127;
const CODE_NOT_RUN: u8 = 126;
/// A signal's number is added to it.
const CODE_SIGNAL: i32 = 128;

/// About a command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Wrap")]
pub(in crate::cli) struct WrapArgs {
    /// Run what stands behind -- as a command, and send how it ended
    ///
    /// As in: qmsg send bob --wrap -- make all. Its output goes where it would have gone, its last
    /// lines are sent, and the exit code is the command's, whatever becomes of the message. If the
    /// command fails the message has a high priority, unless -p says otherwise.
    /// --until has no effect.
    #[arg(long, conflicts_with_all = [
        "file", "empty", "lines", "null", "volatile", "at", "after", "dry_run", "json",
    ])]
    pub(super) wrap: bool,
    /// Send nothing if the command ends with 0
    #[arg(long, requires = "wrap")]
    only_on_failure: bool,
    /// Lines of its output to send
    #[arg(long, value_name = "N", default_value = "20")]
    tail: u16,
}

/// How a command ended.
struct End {
    code: u8,
    /// `exit 3`, `killed by signal 9`.
    status: String,
    time: Duration,
    last_lines: Vec<u8>,
}

/// Runs the command; its code, or that of wrong usage.
pub(super) fn run(args: &SendArgs, talk: Talk) -> Result<u8> {
    let Some((program, arguments)) = args.body.text.split_first() else {
        return Err(Failure::new(Exit::Usage, "--wrap has no command to run")
            .hint("it stands behind --, as in: qmsg send bob --wrap -- make all")
            .into());
    };
    // What is wrong with the message is said before anything is done.
    header_args(args, &End::none()).headers()?;
    let start = clock::moment();
    let mut command = std::process::Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let runtime = connect::runtime()?;
    let end = match command.spawn() {
        Ok(child) => runtime.block_on(attend(child, args.wrap.tail.into()))?,
        Err(error) => {
            fail::announce(&format!("{program} cannot be started: {error}"));
            let is_missing = error.kind() == ErrorKind::NotFound;
            let code = if is_missing { CODE_NOT_FOUND } else { CODE_NOT_RUN };
            End { code, status: format!("not started: {error}"), ..End::none() }
        }
    };
    let end = End { time: clock::since(start), ..end };
    if end.code != 0 || !args.wrap.only_on_failure {
        runtime.block_on(async {
            tokio::select! {
                () = stopped() => fail::announce("ended before the message was sent"),
                () = tell(args, &end, talk) => {}
            }
        });
    }
    Ok(end.code)
}

impl End {
    fn none() -> Self {
        Self { code: 0, status: "exit 0".into(), time: Duration::ZERO, last_lines: Vec::new() }
    }
}

/// Passes on what the command prints, and to it the signals that are to end it.
async fn attend(mut child: Child, lines_max: usize) -> Result<End> {
    // After the start: what this process has ignored, the command ignores as well.
    let mut signals = signals()?;
    let tail = Arc::new(Mutex::new(Tail::new(lines_max)));
    let (done, mut streams) = mpsc::channel(2);
    pass(child.stdout.take(), print::pass, &tail, &done);
    pass(child.stderr.take(), fail::pass, &tail, &done);
    drop(done);
    let pid = Pid::from_child(&child);
    let mut wait = tokio::task::spawn_blocking(move || child.wait());
    let status = loop {
        tokio::select! {
            status = &mut wait => break status.context("the wait broke off")?.context("no end")?,
            Some(signal) = signals.recv() => {
                // From a terminal it has come to the command as well.
                if signal != Signal::INT || !is_interactive() {
                    // It may have ended just now.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    };
    let rest = async { while streams.recv().await.is_some() {} };
    let _ = tokio::time::timeout(AFTERMATH, rest).await;
    let last_lines = locked(&tail).take();
    let (code, status) = ended(status);
    Ok(End { code, status, time: Duration::ZERO, last_lines })
}

fn is_interactive() -> bool {
    io::stdin().is_terminal() || print::is_terminal()
}

/// The signals that are to end this command or the one that it runs.
fn signals() -> Result<mpsc::Receiver<Signal>> {
    let (sender, receiver) = mpsc::channel(4);
    // Not SIGHUP: whoever has it ignored, as nohup does, keeps that.
    let passed_on =
        [(SignalKind::interrupt(), Signal::INT), (SignalKind::terminate(), Signal::TERM)];
    for (kind, number) in passed_on {
        let (mut signal, sender) = (signal(kind)?, sender.clone());
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                // One that comes while others wait says nothing new.
                let _ = sender.try_send(number);
            }
        });
    }
    Ok(receiver)
}

/// Somebody wants an end now.
async fn stopped() {
    match signals() {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

fn ended(status: ExitStatus) -> (u8, String) {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => (code as u8, format!("exit {code}")),
        (None, Some(number)) => {
            ((CODE_SIGNAL + number) as u8, format!("killed by signal {number}"))
        }
        (None, None) => (u8::MAX, "ended in an unknown way".into()),
    }
}

/// Copies a stream on its own thread, and keeps its last lines. `_done` is let go at its end.
fn pass(
    stream: Option<impl Read + Send + 'static>,
    write: fn(&[u8]) -> io::Result<()>,
    tail: &Arc<Mutex<Tail>>,
    done: &mpsc::Sender<()>,
) {
    let Some(mut stream) = stream else { return };
    let (tail, done) = (Arc::clone(tail), done.clone());
    thread::spawn(move || {
        let _done = done;
        let (mut buffer, mut line) = (vec![0; PIECE_LEN], Vec::new());
        loop {
            let piece = match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => &buffer[..length],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            locked(&tail).push(&mut line, piece);
            // Nobody reads it any more: the command is to notice that as it would have alone.
            if write(piece).is_err() {
                break;
            }
        }
        if !line.is_empty() {
            locked(&tail).line(&line);
        }
    });
}

/// A thread that panicked has left it whole.
fn locked(tail: &Mutex<Tail>) -> MutexGuard<'_, Tail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last lines of two streams, each in the order in which it ended.
struct Tail {
    lines: VecDeque<Vec<u8>>,
    lines_max: usize,
    bytes: usize,
}

impl Tail {
    fn new(lines_max: usize) -> Self {
        Self { lines: VecDeque::new(), lines_max, bytes: 0 }
    }

    /// More of a stream, whose last line has begun with this.
    fn push(&mut self, begun: &mut Vec<u8>, piece: &[u8]) {
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            begun.extend_from_slice(part);
            begun.drain(..begun.len().saturating_sub(LINE_LEN_MAX));
            if begun.ends_with(b"\n") {
                self.line(begun);
                begun.clear();
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        let mut line = line.to_vec();
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > self.lines_max || self.bytes > KEPT_LEN_MAX {
            let Some(first) = self.lines.pop_front() else { break };
            self.bytes -= first.len();
        }
    }

    fn take(&mut self) -> Vec<u8> {
        self.bytes = 0;
        self.lines.drain(..).flatten().collect()
    }
}

/// Says how it ended. What goes wrong with that is said as well, and changes nothing.
async fn tell(args: &SendArgs, end: &End, talk: Talk) {
    let sent = parcels(args, end).and_then(|parcels| {
        let (who, keeping, patience) = (args.who.clone(), args.keeping, args.job()?.patience);
        Ok(tokio::task::spawn_blocking(move || -> Result<()> {
            let profile = profile::choose(&who)?;
            let spool = Spool::of(&profile, keeping.bounds, patience, talk)?;
            let keep = if keeping.spool { Keep::Unreached } else { Keep::Nothing };
            let delivery = spool.deliver(parcels, keep)?;
            if delivery.kept > 0 {
                fail::note(talk, "the message is not sent yet, but kept: qmsg spool list");
            }
            for (to, error) in delivery.failed {
                fail::announce(&format!("the message to {to} was not sent: {error:#}"));
            }
            Ok(())
        }))
    });
    let result = match sent {
        Ok(sent) => sent.await.unwrap_or_else(|error| Err(error.into())),
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        fail::tell(&error.context("the message about the command was not sent"));
    }
}

fn parcels(args: &SendArgs, end: &End) -> Result<Vec<Parcel>> {
    let job = Job { headers: header_args(args, end).headers()?, ..args.job()? };
    let about = format!("{}: {} after {:.1} s\n", name(&args.body.text), end.status, seconds(end));
    let blank: &[u8] = if end.last_lines.is_empty() { b"" } else { b"\n" };
    let body = [about.as_bytes(), blank, &end.last_lines].concat();
    let content = Content::Memory(body.into());
    let mut ids = vec![MsgIds::default(); job.targets.len()];
    let parcels = job.targets.iter().zip(&mut ids).map(|(to, ids)| Parcel {
        id: job.id(ids, to, 0),
        to: to.clone(),
        headers: job.headers.clone(),
        due_ms: None,
        content: content.clone(),
    });
    Ok(parcels.collect())
}

fn seconds(end: &End) -> f64 {
    end.time.as_secs_f64()
}

/// What the user says of the message, and what the end of the command adds.
fn header_args(args: &SendArgs, end: &End) -> HeaderArgs {
    let HeaderArgs { title, priority, media_type, mut others, .. } = args.headers.clone();
    others.push(("exit".into(), end.code.to_string()));
    others.push(("duration".into(), format!("{:.3}", seconds(end))));
    let is_failure = end.code != 0;
    HeaderArgs {
        title: title.or_else(|| Some(headline(&args.body.text, end))),
        priority: priority.or_else(|| is_failure.then(|| "high".into())),
        media_type: media_type.or_else(|| Some("text/plain".into())),
        others,
        ..args.headers.clone()
    }
}

fn headline(words: &[String], end: &End) -> String {
    let (name, host) = (name(words), host::name());
    match end.code {
        0 => format!("{name} is done on {host}"),
        _ => format!("{name} failed ({}) on {host}", end.status),
    }
}

/// The command, on one line and not too long.
fn name(words: &[String]) -> String {
    let line = words.join(" ").replace(char::is_control, " ");
    if line.chars().count() <= NAME_CHARS_MAX {
        return line;
    }
    line.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{KEPT_LEN_MAX, LINE_LEN_MAX, NAME_CHARS_MAX, Tail, name};

    fn kept(lines_max: usize, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut tail, mut line) = (Tail::new(lines_max), Vec::new());
        pieces.iter().for_each(|piece| tail.push(&mut line, piece));
        if !line.is_empty() {
            tail.line(&line);
        }
        tail.take()
    }

    #[test]
    fn the_last_lines_are_kept() {
        assert_eq!(kept(2, &[b"a\nb\nc\n"]), b"b\nc\n");
        assert_eq!(kept(2, &[b"a\nb", b"b\n", b"c"]), b"bb\nc\n");
        assert_eq!(kept(0, &[b"a\nb"]), b"");
        assert_eq!(kept(9, &[]), b"");
        let long = kept(9, &[&[b'x'; 3 * LINE_LEN_MAX], b"y\n"]);
        assert!(long.len() == LINE_LEN_MAX && long.ends_with(b"xy\n"));
        let line = [vec![b'x'; 1000], b"\n".to_vec()].concat();
        let many = kept(60_000, &[&line.repeat(1000)]);
        assert!(many.len() <= KEPT_LEN_MAX && many.len() > KEPT_LEN_MAX - 2000);
    }

    #[test]
    fn a_command_is_named_in_a_line() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(name(&words("make all")), "make all");
        assert_eq!(name(&words("sh -c a\nb")), "sh -c a b");
        assert_eq!(name(&words(&"ü".repeat(99))).chars().count(), NAME_CHARS_MAX);
    }
}
