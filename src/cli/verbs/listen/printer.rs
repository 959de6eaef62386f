//! Printing messages, or putting them into files. What has left is processed.

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

/// Batches that wait for the thread that prints, and those that it is done with.
const BATCHES_MAX: usize = 2;
const DONE_MAX: usize = 16;

/// What a message is turned into.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Styled(Style),
    /// With this behind each; `shows`: on a terminal.
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

/// What is printed, and where.
pub(crate) struct PrintTarget {
    pub(crate) shape: Shape,
    /// Into files; their names are printed then.
    pub(crate) shelf: Option<Shelf>,
}

impl PrintTarget {
    /// Prints or saves them: how many of them are out as a whole, whatever became of the others.
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
        // What is still in the buffer is not to follow.
        let written = out.into_parts().0.written;
        (ends.iter().filter(|end| **end <= written).count(), printed)
    }

    fn save(&self, shelf: &Shelf, letters: &[Received]) -> io::Result<()> {
        let paths = shelf.put(letters, |letter, out| self.shape.write(letter, out))?;
        let mut out = print::out();
        // They are saved, whether or not somebody reads where.
        let named = paths.iter().try_for_each(|path| writeln!(out, "{}", path.display()));
        let _ = named.and_then(|()| out.flush());
        Ok(())
    }
}

/// How many messages are printed before the reader is given a moment to go: a reader that wants
/// only the first few, such as head(1), is not given many more than it reads.
struct Pace {
    /// Until the next moment. `None`: no more moments.
    left: Option<usize>,
    printed: usize,
}

impl Pace {
    const MOMENT: Duration = Duration::from_millis(5);
    /// Whoever has read so many reads on.
    const PRINTED_MAX: usize = 256;

    fn new(is_pipe: bool) -> Self {
        Self { left: is_pipe.then_some(1), printed: 0 }
    }

    /// So many at once.
    fn next(&self, of: usize) -> usize {
        self.left.map_or(of, |left| left.min(of))
    }

    /// So many were printed. `true`: nobody reads any more.
    fn printed(&mut self, count: usize) -> bool {
        self.printed += count;
        let Some(left) = &mut self.left else { return false };
        *left -= count;
        if *left > 0 {
            return false;
        }
        // As many again as there were so far.
        self.left = (self.printed < Self::PRINTED_MAX).then_some(self.printed);
        print::is_unread_within(Self::MOMENT)
    }
}

/// What the thread that prints, or the one that looks after its reader, has to say.
enum PrinterEvent {
    /// These are out. `last`: so is all of their batch.
    Printed { seqs: Vec<Seq>, last: bool },
    /// Nothing more is printed.
    Failed(io::Error),
    /// Nobody reads any more; what is being printed fails.
    Unread,
}

/// What stands between messages and the thread that prints them, since a pipe that nobody empties
/// blocks its writer.
pub(crate) struct Printer {
    batches: mpsc::Sender<Vec<Received>>,
    done: mpsc::Receiver<PrinterEvent>,
    /// For the thread, when it has room. Bounded by the window.
    waiting: VecDeque<Received>,
    /// Batches with the thread.
    printing: usize,
    /// So many answers are awaited about what is given back; nothing is printed.
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
            // It ends with the process.
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

    /// Waits until something has left, or cannot any more.
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
        // Its thread has ended.
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

    /// Prints nothing more until it is told what of this is given back: the seqs of what the thread
    /// has not got. Volatile messages nobody else has.
    pub(crate) fn hold(&mut self) -> Vec<Seq> {
        self.held += 1;
        self.waiting.iter().map(|letter| letter.seq).filter(|seq| *seq != 0).collect()
    }

    /// These are not ours any more. All else goes on.
    pub(crate) fn release(&mut self, seqs: &[Seq]) {
        self.held -= 1;
        self.waiting.retain(|letter| !seqs.contains(&letter.seq));
    }

    /// Waits for the thread, which may wait for a reader that does not read. What has left by then.
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

/// Prints what comes, as the one thread that does, until something goes wrong or nothing more
/// comes.
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
            // Its bytes make room before others come.
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
