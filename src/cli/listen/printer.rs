//! Printing messages, or putting them into files. What has left is processed.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use crate::cli::fail::{Exit, Failure};
use crate::cli::print;
use crate::cli::render::{Letter, Style, render};
use crate::logic::Command;
use crate::wire::Seq;

use super::Step;
use super::format::Format;
use super::save::Shelf;

/// Batches that wait for the thread that prints, and those that it is done with.
const BATCHES_MAX: usize = 2;
const DONE_MAX: usize = 16;

/// What a message is turned into.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Styled(Style),
    /// With this behind each; `shows`: on a terminal.
    Formatted {
        format: Arc<Format>,
        end: &'static [u8],
        shows: bool,
    },
}

impl Shape {
    fn write(&self, letter: &Letter, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Styled(style) => render(*style, letter, out),
            Self::Formatted { format, end, shows } => {
                format.write(letter, *shows, out)?;
                out.write_all(end)
            }
        }
    }
}

/// What is printed, and where.
pub(super) struct Sink {
    pub(super) shape: Shape,
    /// Into files; their names are printed then.
    pub(super) shelf: Option<Shelf>,
}

impl Sink {
    fn take(&self, letters: &[Letter]) -> io::Result<()> {
        let mut out = print::out();
        let Some(shelf) = &self.shelf else {
            letters.iter().try_for_each(|letter| self.shape.write(letter, &mut out))?;
            return out.flush();
        };
        let paths = shelf.put(letters, |letter, out| self.shape.write(letter, out))?;
        let named = paths.iter().try_for_each(|path| writeln!(out, "{}", path.display()));
        // They are saved, whether or not somebody reads where.
        match named.and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

/// What stands between messages and the thread that prints them, since a pipe that nobody empties
/// blocks its writer.
pub(super) struct Printer {
    batches: mpsc::Sender<Vec<Letter>>,
    done: mpsc::Receiver<io::Result<Vec<Seq>>>,
    /// For the thread, when it has room. Bounded by the window.
    waiting: VecDeque<Letter>,
    /// Batches with the thread.
    printing: usize,
    /// So many answers are awaited about what is given back; nothing is printed.
    held: usize,
    saves: bool,
}

impl Printer {
    pub(super) fn new(sink: Sink) -> Self {
        let (batches, mut taken) = mpsc::channel::<Vec<Letter>>(BATCHES_MAX);
        let (sender, done) = mpsc::channel(DONE_MAX);
        let saves = sink.shelf.is_some();
        std::thread::spawn(move || {
            while let Some(batch) = taken.blocking_recv() {
                let seqs = batch.iter().map(|letter| letter.seq).collect();
                let printed = sink.take(&batch);
                // Its bytes make room before others come.
                drop(batch);
                if sender.blocking_send(printed.map(|()| seqs)).is_err() {
                    return;
                }
            }
        });
        Self { batches, done, waiting: VecDeque::new(), printing: 0, held: 0, saves }
    }

    pub(super) fn give(&mut self, letters: Vec<Letter>) {
        self.waiting.extend(letters);
        self.pass_on();
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.printing == 0
    }

    /// Waits until something has left. Pending while there is nothing.
    pub(super) async fn next(&mut self) -> Result<Step> {
        self.pass_on();
        if self.printing == 0 {
            std::future::pending::<()>().await;
        }
        let result = self.done.recv().await.context("the printer broke off")?;
        self.printing -= 1;
        match result {
            Ok(seqs) => Ok(Step::Say(vec![Command::Processed(seqs)])),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Step::Unread),
            Err(error) if self.saves => {
                let failure = match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Exit::NoSpace,
                    _ => Exit::Unexpected,
                };
                let failure = Failure::new(failure, "a message cannot be saved");
                Err(failure.hint("it is unprocessed and is offered again").because(error))
            }
            Err(error) => Err(error).context("stdout cannot be written"),
        }
    }

    /// Prints nothing more until it is told what of this is given back: the seqs of what the thread
    /// has not got. Volatile messages nobody else has.
    pub(super) fn hold(&mut self) -> Vec<Seq> {
        self.held += 1;
        self.waiting.iter().map(|letter| letter.seq).filter(|seq| *seq != 0).collect()
    }

    /// These are not ours any more. All else goes on.
    pub(super) fn release(&mut self, seqs: &[Seq]) {
        self.held -= 1;
        self.waiting.retain(|letter| !seqs.contains(&letter.seq));
    }

    /// Waits for the thread. What has left by then.
    pub(super) async fn wind_down(&mut self) -> Vec<Command> {
        self.waiting.clear();
        let mut left = Vec::new();
        while self.printing > 0 {
            let Ok(Step::Say(commands)) = self.next().await else { break };
            left.extend(commands);
        }
        left
    }

    fn pass_on(&mut self) {
        if !self.waiting.is_empty()
            && self.held == 0
            && let Ok(room) = self.batches.try_reserve()
        {
            room.send(self.waiting.drain(..).collect());
            self.printing += 1;
        }
    }
}
