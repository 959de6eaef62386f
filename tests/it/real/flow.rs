//! Streams of messages, and listeners that show them, for tests with faults on the way.

use std::fs::{self, File};
use std::io::{PipeWriter, Write};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::kit::{Home, Running, Said, start};
use super::sweep;
use super::wait::{pause, until, until_file};
use crate::tally::{Answer, Tally, Value};

/// A `send -l` that gets one line after the other, so that a fault meets it in mid-stream.
pub(crate) struct Drip {
    running: Running,
    writer: u32,
    over: Arc<AtomicBool>,
    /// Thread that writes the lines; returns their number.
    feeder: JoinHandle<u64>,
}

impl Drip {
    pub(crate) fn start(mut command: Command, writer: u32, every: Duration) -> Self {
        let (reader, lines) = std::io::pipe().unwrap();
        command.stdin(reader);
        let running = start(command);
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let feeder = thread::spawn(move || feed(lines, writer, every, &ends));
        Self { running, writer, over, feeder }
    }

    pub(crate) fn signal(&self, name: &str) {
        self.running.signal(name);
    }

    /// Ends the stream; returns its values and the sender's output.
    pub(crate) fn end(self) -> (Vec<Value>, Said) {
        self.over.store(true, Ordering::SeqCst);
        let said = self.running.end();
        let (writer, count) = (self.writer, self.feeder.join().unwrap());
        ((0..count).map(|counter| Value { writer, counter }).collect(), said)
    }
}

fn feed(mut lines: PipeWriter, writer: u32, every: Duration, ends: &AtomicBool) -> u64 {
    for counter in 0.. {
        // The pipe is full while its reader is frozen, and broken once the reader has given up.
        let line = format!("{}\n", Value { writer, counter });
        if ends.load(Ordering::SeqCst) || lines.write_all(line.as_bytes()).is_err() {
            return counter;
        }
        pause(every);
    }
    unreachable!()
}

/// Sends one message after the other, each by a process of its own that ends with 0 once it is
/// accepted, until the receiver of the answers is dropped. `answer` interprets other exit codes.
pub(crate) fn send_singly(
    send: impl Fn(&str) -> Said,
    writer: u32,
    ends: &SyncSender<Answer>,
    answer: impl Fn(&Said) -> Answer,
) -> Tally {
    let mut tally = Tally::default();
    for counter in 0.. {
        let value = Value { writer, counter };
        let said = send(&value.to_string());
        let answer = if said.code == Some(0) { Answer::Accepted } else { answer(&said) };
        tally.answer(value, answer);
        if ends.send(answer).is_err() {
            break;
        }
    }
    tally
}

/// A listener whose output goes to files, which can be read while it is frozen.
pub(crate) struct LoggedListener {
    process: Child,
    out: PathBuf,
    err: PathBuf,
}

impl LoggedListener {
    /// Starts a `listen -v` and waits until it has caught up.
    pub(crate) fn start(home: &Home, mut command: Command) -> Self {
        let path = |name| home.path().join(name);
        let (out, err) = (path("shown"), path("shown-err"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let listener = Self { process: command.spawn().unwrap(), out, err };
        until_file(&listener.err, |text| text.contains("caught up"));
        listener
    }

    pub(crate) fn signal(&self, name: &str) {
        sweep::signal(self.process.id(), name);
    }

    /// Whole lines that were shown.
    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.out).unwrap();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        text[..whole].lines().map(str::to_owned).collect()
    }

    /// Number of shown messages of one writer, or of all.
    pub(crate) fn count(&self, writer: Option<u32>) -> usize {
        let prefix = writer.map_or("w".to_owned(), |writer| format!("w{writer}-"));
        self.lines().iter().filter(|line| line.starts_with(&prefix)).count()
    }

    /// Waits until more messages than these are shown.
    #[track_caller]
    pub(crate) fn until_more(&self, writer: Option<u32>, than: usize) {
        until("another message is shown", || self.count(writer) > than);
    }

    /// Waits for the message that was sent last; returns all shown values and the number of links.
    pub(crate) fn end(mut self, last: &str) -> (Vec<Value>, usize) {
        until_file(&self.out, |text| text.ends_with(&format!("{last}\n")));
        self.signal("TERM");
        self.process.wait().unwrap();
        let lines = self.lines();
        let values = lines.iter().filter(|line| *line != last).map(|line| line.parse().unwrap());
        let links = fs::read_to_string(&self.err).unwrap().matches("caught up").count();
        (values.collect(), links)
    }
}

/// Kills the listener of a test that fails.
impl Drop for LoggedListener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
