//! Printing messages or saving them as files. A message is acked once it has left the process.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use crate::cli::limits::PRINT_BATCHES_MAX;
use crate::cli::limits::PRINT_REPORTS_MAX;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::handler::save::Shelf;
use crate::handler::step::ConsumerStep;
use crate::logic::Command;
use crate::message::received::Received;
use crate::message::render::format::Format;
use crate::message::render::style::{Style, render};
use crate::terminal::print;
use crate::wire::Seq;

/// The form of a printed message.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Styled(Style),
    /// A format; each message is followed by `end`. `shows` is true on a terminal.
    Formatted {
        format: Arc<Format>,
        end: &'static [u8],
        shows: bool,
    },
}

impl Shape {
    fn write(&self, message: &Received, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Styled(style) => render(*style, message, out),
            Self::Formatted { format, end, shows } => {
                format.write(message, *shows, out)?;
                out.write_all(end)
            }
        }
    }
}

/// The form of the messages, and where they go.
pub(crate) struct PrintTarget {
    shape: Shape,
    /// The directory to save them in; their file names are printed then.
    shelf: Option<Shelf>,
}

impl PrintTarget {
    pub(crate) fn new(shape: Shape, shelf: Option<Shelf>) -> Self {
        Self { shape, shelf }
    }

    /// Prints or saves messages. Returns the number that left the process completely, even if
    /// others failed.
    fn emit(&self, messages: &[Received]) -> (usize, io::Result<()>) {
        match &self.shelf {
            Some(shelf) => match self.save(shelf, messages) {
                Ok(()) => (messages.len(), Ok(())),
                Err(error) => (0, Err(error)),
            },
            None => self.print(messages),
        }
    }

    fn print(&self, messages: &[Received]) -> (usize, io::Result<()>) {
        let (mut out, mut ends) = (print::out(), Vec::new());
        let printed = messages.iter().try_for_each(|message| {
            self.shape.write(message, &mut out)?;
            ends.push(out.get_ref().written() + out.buffer().len() as u64);
            Ok(())
        });
        let printed = printed.and_then(|()| out.flush());
        // Discards the buffer, so that nothing follows an error.
        let written = out.into_parts().0.written();
        (ends.iter().filter(|end| **end <= written).count(), printed)
    }

    fn save(&self, shelf: &Shelf, messages: &[Received]) -> io::Result<()> {
        let paths = shelf.put(messages, |message, out| self.shape.write(message, out))?;
        let mut out = print::out();
        // Saving has succeeded, even if nobody reads the names.
        let named = paths.iter().try_for_each(|path| writeln!(out, "{}", path.display()));
        let _ = named.and_then(|()| out.flush());
        Ok(())
    }
}

/// Number of messages printed between checks for a reader of the pipe. A reader that wants only the
/// first few, such as head(1), does not take many more than it shows.
struct Pace {
    /// Messages until the next check; `None` without further checks.
    left: Option<usize>,
    printed: usize,
}

impl Pace {
    const MOMENT: Duration = Duration::from_millis(5);
    /// Messages after which the checks end: the reader keeps reading.
    const PRINTED_MAX: usize = 256;

    fn new(is_pipe: bool) -> Self {
        Self { left: is_pipe.then_some(1), printed: 0 }
    }

    /// Limits a batch of `len` messages.
    fn batch_len(&self, len: usize) -> usize {
        self.left.map_or(len, |left| left.min(len))
    }

    /// Counts printed messages, and checks for the reader when a check is due. True if the reader
    /// has gone.
    fn printed(&mut self, count: usize) -> bool {
        self.printed += count;
        let Some(left) = &mut self.left else { return false };
        *left -= count;
        if *left > 0 {
            return false;
        }
        // The next check comes when the total has doubled.
        self.left = (self.printed < Self::PRINTED_MAX).then_some(self.printed);
        print::is_unread_within(Self::MOMENT)
    }
}

/// A report of the printing thread, or of the thread that watches the reader.
enum PrinterEvent {
    /// Messages that were printed; `last` marks the end of their batch.
    Printed { seqs: Vec<Seq>, last: bool },
    /// Printing has failed and ended.
    Failed(io::Error),
    /// The reader of stdout is gone; printing will fail.
    Unread,
}

/// The queue in front of the printing thread, which blocks while nobody reads its pipe.
pub(crate) struct Printer {
    batches: mpsc::Sender<Vec<Received>>,
    done: mpsc::Receiver<PrinterEvent>,
    /// Messages for the thread, at most as many as the prefetch.
    waiting: VecDeque<Received>,
    /// Number of batches that the thread has not finished.
    printing: usize,
    /// Number of calls of `hold` without their `release`. While positive, nothing is printed.
    held: usize,
    saves: bool,
}

impl Printer {
    pub(crate) fn new(target: PrintTarget) -> Self {
        let (batches, taken) = mpsc::channel::<Vec<Received>>(PRINT_BATCHES_MAX);
        let (sender, done) = mpsc::channel(PRINT_REPORTS_MAX);
        let saves = target.shelf.is_some();
        if !saves {
            let sender = sender.clone();
            // The thread ends with the process.
            std::thread::spawn(move || {
                if print::wait_unread() {
                    let _ = sender.blocking_send(PrinterEvent::Unread);
                }
            });
        }
        std::thread::spawn(move || print_all(&target, taken, &sender));
        Self { batches, done, waiting: VecDeque::new(), printing: 0, held: 0, saves }
    }

    pub(crate) fn enqueue(&mut self, messages: Vec<Received>) {
        self.waiting.extend(messages);
        self.send_batch();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.printing == 0
    }

    /// Waits until messages were printed, or printing has ended.
    pub(crate) async fn next_step(&mut self) -> Result<ConsumerStep> {
        self.send_batch();
        let error = match self.done.recv().await.context("the printer broke off")? {
            PrinterEvent::Printed { seqs, last } => {
                self.printing -= usize::from(last);
                return Ok(ConsumerStep::Say(vec![Command::Ack(seqs)]));
            }
            PrinterEvent::Unread => return Ok(ConsumerStep::Unread),
            PrinterEvent::Failed(error) => error,
        };
        // The thread has ended.
        self.printing = 0;
        match error.kind() {
            ErrorKind::BrokenPipe if !self.saves => Ok(ConsumerStep::Unread),
            _ if self.saves => {
                let code = match files::is_full(&error) {
                    true => Exit::NoSpace,
                    false => Exit::Unexpected,
                };
                let failure = Failure::new(code, "a message cannot be saved");
                Err(failure.hint("it is unprocessed and will be offered again").because(error))
            }
            _ => Err(print::write_error(error)),
        }
    }

    /// Stops printing until `release` is called. Returns the seqs of messages that can be returned
    /// to the server. Volatile ones cannot: no other reader gets them.
    pub(crate) fn hold(&mut self) -> Vec<Seq> {
        self.held += 1;
        self.waiting.iter().map(Received::seq).filter(|seq| *seq != 0).collect()
    }

    /// Drops messages that were returned to the server, and resumes printing.
    pub(crate) fn release(&mut self, seqs: &[Seq]) {
        self.held -= 1;
        self.waiting.retain(|message| !seqs.contains(&message.seq()));
    }

    /// Waits up to `patience` for the printing thread, whose reader may have stalled. Returns the
    /// acks of the messages printed by then.
    pub(crate) async fn wind_down(&mut self, patience: Duration) -> Vec<Command> {
        self.waiting.clear();
        let mut left = Vec::new();
        let rest = async {
            while self.printing > 0 {
                match self.done.recv().await {
                    Some(PrinterEvent::Printed { seqs, last }) => {
                        self.printing -= usize::from(last);
                        left.push(Command::Ack(seqs));
                    }
                    Some(PrinterEvent::Unread) => {}
                    Some(PrinterEvent::Failed(_)) | None => return,
                }
            }
        };
        let _ = tokio::time::timeout(patience, rest).await;
        left
    }

    fn send_batch(&mut self) {
        if !self.waiting.is_empty()
            && self.held == 0
            && let Ok(room) = self.batches.try_reserve()
        {
            room.send(self.waiting.drain(..).collect());
            self.printing += 1;
        }
    }
}

/// Prints batches until the channel closes or an error occurs.
fn print_all(
    target: &PrintTarget,
    mut batches: mpsc::Receiver<Vec<Received>>,
    answers: &mpsc::Sender<PrinterEvent>,
) {
    let mut pace = Pace::new(target.shelf.is_none() && print::is_pipe());
    while let Some(batch) = batches.blocking_recv() {
        let mut batch = VecDeque::from(batch);
        while !batch.is_empty() {
            let mut messages: Vec<Received> = batch.drain(..pace.batch_len(batch.len())).collect();
            let (out, printed) = target.emit(&messages);
            messages.truncate(out);
            let seqs: Vec<Seq> = messages.iter().map(Received::seq).collect();
            // Frees the bodies before the next ones are read.
            drop(messages);
            let last = batch.is_empty() && printed.is_ok();
            let printed = printed.and_then(|()| match pace.printed(out) {
                true => Err(ErrorKind::BrokenPipe.into()),
                false => Ok(()),
            });
            let reported = answers.blocking_send(PrinterEvent::Printed { seqs, last });
            if let Err(error) = printed {
                let _ = answers.blocking_send(PrinterEvent::Failed(error));
                return;
            }
            if reported.is_err() {
                return;
            }
        }
    }
}
