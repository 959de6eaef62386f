//! Printing messages or saving them as files. A message is acked once it has left the process.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;

use crate::failure::{Exit, Failure};
use crate::files;
use crate::handler::save::Shelf;
use crate::handler::step::ConsumerStep;
use crate::logic::Command;
use crate::message::received::Received;
use crate::render::format::Format;
use crate::render::message::{Style, render};
use crate::terminal::print;
use crate::wire::Seq;

/// Most batches that wait for the printing thread, and most of its reports.
const BATCHES_MAX: usize = 2;
const DONE_MAX: usize = 16;

/// The form of a printed message.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Styled(Style),
    /// A format, with `end` behind each message. `shows` is true on a terminal.
    Formatted {
        format: Arc<Format>,
        end: &'static [u8],
        shows: bool,
    },
}

impl Shape {
    fn write(&self, letter: &Received, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Styled(style) => render(*style, letter, out),
            Self::Formatted { format, end, shows } => {
                format.write(letter, *shows, out)?;
                out.write_all(end)
            }
        }
    }
}

/// The form of the messages, and where they go.
pub(crate) struct PrintTarget {
    pub(crate) shape: Shape,
    /// The directory to save them in; their file names are printed then.
    pub(crate) shelf: Option<Shelf>,
}

impl PrintTarget {
    /// Prints or saves messages. Returns how many left the process completely, even if others
    /// failed.
    fn take(&self, letters: &[Received]) -> (usize, io::Result<()>) {
        match &self.shelf {
            Some(shelf) => match self.save(shelf, letters) {
                Ok(()) => (letters.len(), Ok(())),
                Err(error) => (0, Err(error)),
            },
            None => self.print(letters),
        }
    }

    fn print(&self, letters: &[Received]) -> (usize, io::Result<()>) {
        let (mut out, mut ends) = (print::out(), Vec::new());
        let printed = letters.iter().try_for_each(|letter| {
            self.shape.write(letter, &mut out)?;
            ends.push(out.get_ref().written + out.buffer().len() as u64);
            Ok(())
        });
        let printed = printed.and_then(|()| out.flush());
        // Discards the buffer, so that nothing follows an error.
        let written = out.into_parts().0.written;
        (ends.iter().filter(|end| **end <= written).count(), printed)
    }

    fn save(&self, shelf: &Shelf, letters: &[Received]) -> io::Result<()> {
        let paths = shelf.put(letters, |letter, out| self.shape.write(letter, out))?;
        let mut out = print::out();
        // Saving has succeeded, even if nobody reads the names.
        let named = paths.iter().try_for_each(|path| writeln!(out, "{}", path.display()));
        let _ = named.and_then(|()| out.flush());
        Ok(())
    }
}

/// The number of messages printed between checks for a reader of the pipe: a reader that wants only
/// the first few, such as head(1), does not consume many more than it shows.
struct Pace {
    /// Messages until the next check; `None` without further checks.
    left: Option<usize>,
    printed: usize,
}

impl Pace {
    const MOMENT: Duration = Duration::from_millis(5);
    /// Messages after which the checks end, since the reader reads on.
    const PRINTED_MAX: usize = 256;

    fn new(is_pipe: bool) -> Self {
        Self { left: is_pipe.then_some(1), printed: 0 }
    }

    /// Limits a batch of `len` messages.
    fn next(&self, of: usize) -> usize {
        self.left.map_or(of, |left| left.min(of))
    }

    /// Counts printed messages and checks for the reader when one is due. True if the reader is
    /// gone.
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
    /// Batches that the thread has.
    printing: usize,
    /// Number of calls of `hold` without their `release`. While positive, nothing is printed.
    held: usize,
    saves: bool,
}

impl Printer {
    pub(crate) fn new(sink: PrintTarget) -> Self {
        let (batches, taken) = mpsc::channel::<Vec<Received>>(BATCHES_MAX);
        let (sender, done) = mpsc::channel(DONE_MAX);
        let saves = sink.shelf.is_some();
        if !saves {
            let sender = sender.clone();
            // The thread ends with the process.
            std::thread::spawn(move || {
                if print::wait_unread() {
                    let _ = sender.blocking_send(PrinterEvent::Unread);
                }
            });
        }
        std::thread::spawn(move || print_all(&sink, taken, &sender));
        Self { batches, done, waiting: VecDeque::new(), printing: 0, held: 0, saves }
    }

    pub(crate) fn give(&mut self, letters: Vec<Received>) {
        self.waiting.extend(letters);
        self.pass_on();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.printing == 0
    }

    /// Waits until messages have been printed, or cannot be any more.
    pub(crate) async fn next(&mut self) -> Result<ConsumerStep> {
        self.pass_on();
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

    /// Stops printing until `release` is called, and returns the seqs of messages that can be
    /// returned to the server. Volatile messages cannot: no other reader gets them.
    pub(crate) fn hold(&mut self) -> Vec<Seq> {
        self.held += 1;
        self.waiting.iter().map(|letter| letter.seq).filter(|seq| *seq != 0).collect()
    }

    /// Drops messages that were returned to the server, and resumes printing.
    pub(crate) fn release(&mut self, seqs: &[Seq]) {
        self.held -= 1;
        self.waiting.retain(|letter| !seqs.contains(&letter.seq));
    }

    /// Waits for the printing thread at most for `patience`, since its reader may have stalled.
    /// Returns the acks of messages printed by then.
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

/// Prints batches until the channel closes or an error occurs.
fn print_all(
    sink: &PrintTarget,
    mut batches: mpsc::Receiver<Vec<Received>>,
    answers: &mpsc::Sender<PrinterEvent>,
) {
    let mut pace = Pace::new(sink.shelf.is_none() && print::is_pipe());
    while let Some(batch) = batches.blocking_recv() {
        let mut batch = VecDeque::from(batch);
        while !batch.is_empty() {
            let mut letters: Vec<Received> = batch.drain(..pace.next(batch.len())).collect();
            let (out, printed) = sink.take(&letters);
            letters.truncate(out);
            let seqs: Vec<Seq> = letters.iter().map(|letter| letter.seq).collect();
            // Frees the bodies before the next ones are read.
            drop(letters);
            let last = batch.is_empty() && printed.is_ok();
            let printed = printed.and_then(|()| match pace.printed(out) {
                true => Err(ErrorKind::BrokenPipe.into()),
                false => Ok(()),
            });
            let told = answers.blocking_send(PrinterEvent::Printed { seqs, last });
            if let Err(error) = printed {
                let _ = answers.blocking_send(PrinterEvent::Failed(error));
                return;
            }
            if told.is_err() {
                return;
            }
        }
    }
}
