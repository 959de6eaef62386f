//! Writing to descriptors shared with other programs: a pipe that nobody reads, a terminal that
//! another program has made non-blocking, a full disk. [`Patient`] writes data and waits for its
//! reader; [`Voice`] writes diagnostics and never waits.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;
use rustix::net::SendFlags;
use tracing_subscriber::fmt::MakeWriter;

use crate::clock;
use crate::terminal::limits::WAITING_LEN_MAX;
use crate::text::visible::harmless;

/// Bytes of one write to a descriptor that may block. A terminal or pipe that is ready has room for
/// that many.
const CAREFUL_LEN: usize = 256;

/// Waits until a descriptor is ready or broken, and returns its state. `None`: the time was up.
pub(crate) fn ready(
    fd: impl AsFd,
    wanted: PollFlags,
    time: Option<Duration>,
) -> io::Result<Option<PollFlags>> {
    let start = clock::moment();
    loop {
        let left = time.map(|time| time.saturating_sub(clock::since(start)));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut polled = [PollFd::new(&fd, wanted)];
        match poll(&mut polled, left.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(polled[0].revents())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes all its data, however long the reader takes.
pub(crate) struct Patient<F> {
    to: F,
    written: u64,
}

impl<F: AsFd> Patient<F> {
    pub(crate) fn new(to: F) -> Self {
        Self { to, written: 0 }
    }

    /// Number of bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }
}

impl<F: AsFd> Write for Patient<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(&self.to, bytes) {
                Ok(length) => {
                    self.written += length as u64;
                    return Ok(length);
                }
                // Another program may have made the shared descriptor non-blocking.
                Err(Errno::AGAIN) => drop(ready(&self.to, PollFlags::OUT, None)?),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writer of diagnostics, which never blocks. A thread writes what does not fit now, once there is
/// room. Lines beyond a limit are counted and dropped; errors are ignored.
#[derive(Clone)]
pub(crate) struct Voice {
    to: Arc<WriteMode>,
    state: Arc<Mutex<VoiceState>>,
}

#[derive(Default)]
struct VoiceState {
    waiting: Vec<u8>,
    /// Lines that were dropped.
    lost: u64,
    /// True while a thread waits for room.
    has_thread: bool,
}

/// Way to write without waiting. The flags of a shared file description are left unchanged: other
/// programs depend on them.
enum WriteMode {
    /// A file description of our own that never blocks.
    Own(File),
    Socket(BorrowedFd<'static>),
    /// A file, where a write does not wait.
    Plain(BorrowedFd<'static>),
    /// A descriptor that blocks on a write larger than its room.
    Careful(BorrowedFd<'static>),
}

impl Voice {
    pub(crate) fn new(fd: BorrowedFd<'static>) -> Self {
        Self { to: Arc::new(WriteMode::to(fd)), state: Arc::default() }
    }

    /// Writes a line as a whole, or drops it.
    pub(crate) fn say(&self, bytes: &[u8]) {
        let mut state = self.state();
        if state.waiting.len() + bytes.len() > WAITING_LEN_MAX {
            state.lost += 1;
            return;
        }
        state.waiting.extend_from_slice(bytes);
        state.write(&self.to);
        if !state.waiting.is_empty() && !state.has_thread {
            let voice = self.clone();
            // Without a thread the next line, or the end, tries again.
            state.has_thread = thread::Builder::new().spawn(move || voice.write_on()).is_ok();
        }
    }

    /// Waits for unwritten lines, at most this long.
    pub(crate) fn finish(&self, time: Duration) {
        let start = clock::moment();
        loop {
            let mut state = self.state();
            state.write(&self.to);
            if state.waiting.is_empty() {
                return;
            }
            drop(state);
            let left = time.saturating_sub(clock::since(start));
            if left.is_zero() || self.to.wait(Some(left)).is_err() {
                return;
            }
        }
    }

    fn write_on(&self) {
        loop {
            let broken = self.to.wait(None).is_err();
            let mut state = self.state();
            state.write(&self.to);
            if broken || state.waiting.is_empty() {
                state.waiting.clear();
                state.has_thread = false;
                return;
            }
        }
    }

    /// Locks the state. A thread that panicked has left it consistent.
    fn state(&self) -> MutexGuard<'_, VoiceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VoiceState {
    /// Writes as many bytes as there is room for.
    fn write(&mut self, to: &WriteMode) {
        while !self.waiting.is_empty() {
            match to.write(&self.waiting) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // No reader is left.
                Err(_) => self.waiting.clear(),
            }
            if self.waiting.is_empty() && self.lost > 0 {
                let lost = std::mem::take(&mut self.lost);
                let line = format!("qmsg: {lost} lines are missing here: nobody read them\n");
                self.waiting.extend_from_slice(line.as_bytes());
            }
        }
    }
}

impl WriteMode {
    fn to(fd: BorrowedFd<'static>) -> Self {
        let kind = fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
        match kind {
            Ok(FileType::Socket) => Self::Socket(fd),
            Ok(FileType::Fifo | FileType::CharacterDevice) => {
                reopened(fd).map_or(Self::Careful(fd), Self::Own)
            }
            _ => Self::Plain(fd),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Own(file) => rustix::io::write(file, bytes),
            Self::Plain(fd) => rustix::io::write(fd, bytes),
            Self::Socket(fd) => {
                rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            }
            Self::Careful(fd) => match ready(fd, PollFlags::OUT, Some(Duration::ZERO))? {
                None => Err(Errno::AGAIN),
                Some(_) => rustix::io::write(fd, &bytes[..bytes.len().min(CAREFUL_LEN)]),
            },
        };
        written.map_err(Errno::into)
    }

    /// Waits until there is room or an error.
    fn wait(&self, time: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Own(file) => ready(file, PollFlags::OUT, time),
            Self::Socket(fd) | Self::Plain(fd) | Self::Careful(fd) => {
                ready(fd, PollFlags::OUT, time)
            }
        }
        .map(drop)
    }
}

/// Opens the same pipe or terminal again, with flags of its own.
fn reopened(fd: BorrowedFd<'_>) -> io::Result<File> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let file =
        OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() || kind.is_char_device() { Ok(file) } else { Err(ErrorKind::Other.into()) }
}

/// One diagnostic, written as a whole.
pub(crate) struct Diagnostic(Voice);

impl<'a> MakeWriter<'a> for Voice {
    type Writer = Diagnostic;

    fn make_writer(&'a self) -> Diagnostic {
        Diagnostic(self.clone())
    }
}

impl Write for Diagnostic {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.say(format!("{}\n", harmless(text.trim_end())).as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::io::{Read, Write, pipe};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::{Patient, Voice, VoiceState, WAITING_LEN_MAX, WriteMode, reopened};

    #[test]
    fn a_patient_writer_waits_on_a_descriptor_that_does_not_block() {
        let (mut from, to) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&to, true).unwrap();
        let body: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        let copy = body.clone();
        let writing = thread::spawn(move || {
            let mut out = Patient::new(to);
            out.write_all(&copy).unwrap();
            out.written()
        });
        let mut read = Vec::new();
        from.read_to_end(&mut read).unwrap();
        assert!(read == body);
        assert_eq!(writing.join().unwrap(), 1_000_000);
    }

    #[test]
    fn a_patient_writer_tells_of_an_end() {
        let (from, to) = pipe().unwrap();
        drop(from);
        let error = Patient::new(to).write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }

    fn voice(to: WriteMode) -> Voice {
        Voice { to: Arc::new(to), state: Arc::default() }
    }

    /// Writes more than fits, then reads. Returns the text that came, and the number of dropped
    /// lines.
    fn heard(voice: &Voice, mut from: impl Read) -> (String, u64) {
        let line = format!("{}\n", "x".repeat(1000));
        let lines = 3 * WAITING_LEN_MAX / line.len();
        (0..lines).for_each(|_| voice.say(line.as_bytes()));
        let lost = voice.state().lost;
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains("missing") {
            let mut buffer = [0; 4096];
            let length = from.read(&mut buffer).unwrap();
            assert!(length > 0);
            read.extend_from_slice(&buffer[..length]);
        }
        let text = String::from_utf8(read).unwrap();
        assert!(
            text.lines().all(|l| l.len() == 1000 || l.starts_with("qmsg: ")),
            "lines are whole"
        );
        let came = text.lines().count() as u64 - 1;
        assert_eq!(came + lost, lines as u64);
        (text, lost)
    }

    #[test]
    fn a_voice_waits_for_nobody_and_says_what_is_missing() {
        let (from, to) = pipe().unwrap();
        let own = reopened(to.as_fd()).unwrap();
        let (text, lost) = heard(&voice(WriteMode::Own(own)), from);
        assert!(
            lost > 0
                && text.ends_with(&format!("{lost} lines are missing here: nobody read them\n"))
        );
        assert_eq!(
            rustix::fs::fcntl_getfl(&to).unwrap() & rustix::fs::OFlags::NONBLOCK,
            rustix::fs::OFlags::empty()
        );
    }

    #[test]
    fn a_voice_that_nobody_hears_goes_on() {
        let (from, to) = pipe().unwrap();
        drop(from);
        let deaf = voice(WriteMode::Own(std::fs::File::from(OwnedFd::from(to))));
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        for voice in [deaf, voice(WriteMode::Own(full))] {
            (0..1000).for_each(|_| voice.say(b"hello\n"));
            assert!(voice.state().waiting.is_empty());
            voice.finish(Duration::from_secs(60));
        }
    }

    #[test]
    fn an_end_waits_only_so_long() {
        let (from, to) = pipe().unwrap();
        let own = voice(WriteMode::Own(reopened(to.as_fd()).unwrap()));
        own.say(&[b'x'; 200_000]);
        own.finish(Duration::from_millis(20));
        assert!(!own.state().waiting.is_empty());
        drop(from);
        own.finish(Duration::from_secs(60));
        assert!(own.state().waiting.is_empty(), "its reader has gone");
    }

    #[test]
    fn what_is_dropped_is_dropped_as_a_whole() {
        let mut state = VoiceState { waiting: b"abc".to_vec(), lost: 2, has_thread: true };
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        state.write(&WriteMode::Own(std::fs::File::from(OwnedFd::from(theirs))));
        let mut text = String::new();
        ours.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcqmsg: 2 lines are missing here: nobody read them\n");
    }
}
