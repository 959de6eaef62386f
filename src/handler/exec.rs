//! One run of a handler: its input, environment, time limit and result.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::{Buf, Bytes};
use command_fds::{CommandFdExt, FdMapping};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;

use crate::handler::environment::{PREFIX, variables};
use crate::handler::step::pause;
use crate::message::received::Received;
use crate::message::render::json;
use crate::terminal::print;
use crate::wire::{Body, NOTE_LEN_MAX, Note};

/// Time between the request to end and the kill of a handler.
const KILL_AFTER: Duration = Duration::from_secs(5);
/// Time for the rest of a reply, while a process started by the handler keeps its stdout open.
const ANSWER_AFTER: Duration = Duration::from_secs(1);
/// Descriptor on which a handler reads the message as JSON.
const JSON_FD: i32 = 3;

/// The command that runs for each message.
#[derive(Debug)]
pub(crate) struct Handler {
    program: OsString,
    args: Vec<OsString>,
    /// Longest run; `None` for no limit.
    limit: Option<Duration>,
    /// True if stdout is sent as the reply.
    replies: bool,
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) enum HandlerOutcome {
    Processed {
        reply: Option<Note>,
    },
    Later(String),
    Refused(String),
    Failed(String),
    /// The command does not exist, or may not be run.
    NoCommand(io::Error),
}

/// Instruction of the listener for running handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Let them run.
    Run,
    /// Ask them to end, and kill them if they take too long.
    End,
    /// Kill them.
    Die,
}

/// Reason why a handler was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopReason {
    TooLong,
    Wished,
    /// The input could not be passed on.
    NoInput,
}

impl Handler {
    /// Returns a handler that may run for `limit`, and whose stdout is the reply if `replies`.
    pub(crate) fn new(
        program: OsString,
        args: Vec<OsString>,
        limit: Option<Duration>,
        replies: bool,
    ) -> Self {
        Self { program, args, limit, replies }
    }

    pub(crate) fn program(&self) -> &Path {
        Path::new(&self.program)
    }

    /// Closes inherited descriptors beyond the first three in handlers and their children, which
    /// could otherwise hold a lock, for example.
    pub(crate) fn close_other_descriptors() {
        close_fds::set_fds_cloexec(JSON_FD, &[]);
    }

    /// Runs the handler for a message, until it has ended or was killed.
    pub(crate) async fn run(
        &self,
        letter: &Received,
        attempt: u32,
        wish: watch::Receiver<Wish>,
    ) -> HandlerOutcome {
        let started = Feed::new(letter.whole()).and_then(|(body, stdin)| {
            let (json, fd) = Feed::new(json::object(letter, Some(attempt)).chain(newline()))?;
            let child = self.spawn(letter, attempt, stdin, fd)?;
            Ok((child, body, json))
        });
        match started {
            Ok((child, body, json)) => self.see_off(child, body, json, wish).await,
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::NotADirectory => {
                    HandlerOutcome::NoCommand(error)
                }
                _ => HandlerOutcome::Later(format!("the handler could not be started: {error}")),
            },
        }
    }

    fn spawn(
        &self,
        letter: &Received,
        attempt: u32,
        stdin: OwnedFd,
        json: OwnedFd,
    ) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(stdin);
        command.stdout(match self.replies {
            true => Stdio::piped(),
            false if print::is_open() => Stdio::inherit(),
            // Output of a handler without replies is no error.
            false => Stdio::null(),
        });
        // A listener may itself be a handler and have such variables.
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| name.to_string_lossy().starts_with(PREFIX)) {
            command.env_remove(name);
        }
        command.envs(variables(letter, attempt));
        // A group of its own: Ctrl-C goes to the listener, which lets the handler end, and the
        // processes that it started end with it.
        command.process_group(0).kill_on_drop(true);
        // The child assigns number 3 before it runs the command. No descriptor that it still needs
        // has this number: lower numbers were taken when the pipes were opened.
        let mapping = FdMapping { parent_fd: json, child_fd: JSON_FD };
        command.fd_mappings(vec![mapping]).map_err(io::Error::other)?;
        command.spawn()
    }

    async fn see_off(
        &self,
        mut child: Child,
        mut body: Feed<impl Iterator<Item = io::Result<Bytes>>>,
        mut json: Feed<impl Iterator<Item = io::Result<Bytes>>>,
        mut wish: watch::Receiver<Wish>,
    ) -> HandlerOutcome {
        let mut answer = HandlerReply { from: child.stdout.take(), bytes: Vec::new() };
        let group = Group::of_child(&child);
        let mut limit = pin!(pause(self.limit));
        let mut grace = pin!(pause(None));
        let mut told = None;
        let mut tell = |why, signal| {
            group.signal(signal);
            told.get_or_insert(why);
        };
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                fed = body.flow(), if !body.is_done() => if fed.is_err() {
                    tell(StopReason::NoInput, Signal::KILL);
                },
                fed = json.flow(), if !json.is_done() => if fed.is_err() {
                    tell(StopReason::NoInput, Signal::KILL);
                },
                () = answer.more(), if answer.from.is_some() => {}
                () = &mut limit => {
                    tell(StopReason::TooLong, Signal::TERM);
                    limit.set(pause(None));
                    grace.set(pause(Some(KILL_AFTER)));
                }
                () = &mut grace => {
                    group.signal(Signal::KILL);
                    grace.set(pause(None));
                }
                // The sender lives as long as handlers run.
                Ok(()) = wish.changed() => {
                    let now = *wish.borrow_and_update();
                    match now {
                        Wish::Run => {}
                        Wish::End => {
                            tell(StopReason::Wished, Signal::TERM);
                            grace.set(pause(Some(KILL_AFTER)));
                        }
                        Wish::Die => tell(StopReason::Wished, Signal::KILL),
                    }
                }
            }
        };
        if told.is_some() {
            // Kills the rest of the group that has not ended either.
            group.signal(Signal::KILL);
        }
        let rest = async {
            while answer.from.is_some() {
                answer.more().await;
            }
        };
        // Later output is not part of the reply.
        let _ = tokio::time::timeout(ANSWER_AFTER, rest).await;
        match status {
            Ok(status) => self.judge(status, told, answer.bytes),
            Err(error) => {
                HandlerOutcome::Later(format!("the handler's exit status is unknown: {error}"))
            }
        }
    }

    fn judge(
        &self,
        status: ExitStatus,
        told: Option<StopReason>,
        answer: Vec<u8>,
    ) -> HandlerOutcome {
        match told {
            Some(StopReason::TooLong) => {
                let limit = self.limit.unwrap_or_default();
                return HandlerOutcome::Failed(format!("not done within {limit:?}"));
            }
            Some(StopReason::Wished) => return HandlerOutcome::Later("the listener ended".into()),
            Some(StopReason::NoInput) => {
                return HandlerOutcome::Later("the body cannot be read on this machine".into());
            }
            None => {}
        }
        match status.code() {
            Some(0) if !self.replies => HandlerOutcome::Processed { reply: None },
            Some(0) => match Note::new(Body(answer.into())) {
                Ok(reply) => HandlerOutcome::Processed { reply: Some(reply) },
                // The reply would be as long on the next attempt.
                Err(_) => {
                    HandlerOutcome::Refused(format!("an answer of more than {NOTE_LEN_MAX} bytes"))
                }
            },
            Some(75) => HandlerOutcome::Later("exit code 75".into()),
            Some(code @ (65 | 100)) => HandlerOutcome::Refused(format!("exit code {code}")),
            Some(code) => HandlerOutcome::Failed(format!("exit code {code}")),
            None => {
                HandlerOutcome::Failed(format!("signal {}", status.signal().unwrap_or_default()))
            }
        }
    }
}

fn newline() -> [io::Result<Bytes>; 1] {
    [Ok(Bytes::from_static(b"\n"))]
}

/// Process group of a handler: the handler and its child processes.
#[derive(Clone, Copy)]
struct Group(Option<Pid>);

impl Group {
    fn of_child(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    /// Sends a signal, unless the group has ended.
    fn signal(self, signal: Signal) {
        let sent = self.0.map(|group| kill_process_group(group, signal));
        tracing::debug!(?signal, ?sent, "told a handler");
    }
}

/// Bytes on their way into a pipe.
struct Feed<I> {
    to: Option<pipe::Sender>,
    piece: Bytes,
    pieces: I,
}

impl<I: Iterator<Item = io::Result<Bytes>>> Feed<I> {
    /// Fills a new pipe, so that a short message is in it as a whole even if this process dies.
    fn new(pieces: I) -> io::Result<(Self, OwnedFd)> {
        let (from, to) = io::pipe()?;
        let to = pipe::Sender::from_owned_fd(to.into())?;
        let mut feed = Self { to: Some(to), piece: Bytes::new(), pieces };
        feed.push(|to, bytes| rustix::io::write(to, bytes).map_err(Errno::into))?;
        Ok((feed, from.into()))
    }

    fn is_done(&self) -> bool {
        self.to.is_none()
    }

    /// Writes all remaining bytes.
    async fn flow(&mut self) -> io::Result<()> {
        while let Some(to) = &self.to {
            to.writable().await?;
            self.push(pipe::Sender::try_write)?;
        }
        Ok(())
    }

    /// Writes until the pipe is full, all is written, or the pipe has no reader.
    fn push(
        &mut self,
        write: impl Fn(&pipe::Sender, &[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        while let Some(to) = &self.to {
            if self.piece.is_empty() {
                match self.pieces.next() {
                    Some(piece) => self.piece = piece?,
                    None => self.to = None,
                }
                continue;
            }
            match write(to, &self.piece) {
                Ok(length) => self.piece.advance(length),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(()),
                    ErrorKind::Interrupted => {}
                    // A handler need not read its input.
                    ErrorKind::BrokenPipe => self.to = None,
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }
}

/// The reply of a handler.
struct HandlerReply {
    from: Option<ChildStdout>,
    /// Bytes of the reply, at most a little more than a note may have.
    bytes: Vec<u8>,
}

impl HandlerReply {
    async fn more(&mut self) {
        let Some(from) = &mut self.from else { return };
        let mut piece = [0; 4096];
        match from.read(&mut piece).await {
            Ok(length @ 1..) => {
                // Bytes beyond the limit are read and dropped, so that the handler need not wait.
                let taken = length.min((NOTE_LEN_MAX + 1).saturating_sub(self.bytes.len()));
                self.bytes.extend_from_slice(&piece[..taken]);
            }
            Ok(0) | Err(_) => self.from = None,
        }
    }
}
