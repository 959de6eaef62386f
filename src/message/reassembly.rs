//! Messages as they arrive: whole, or in chunks.

use anyhow::Result;

use crate::message::content::{self, BodyBuffer, Content};
use crate::message::received::Received;
use crate::terminal::progress::Progress;
use crate::terminal::verbosity::Verbosity;
use crate::wire::{Body, Message, Seq};

/// The message that is arriving chunk by chunk, if there is one.
pub(crate) struct Reassembly {
    talk: Verbosity,
    partial: Option<PartialBody>,
}

struct PartialBody {
    seq: Seq,
    message: Message,
    spool: BodyBuffer,
    /// Bytes of the body that have arrived.
    come: u64,
    bar: Progress,
}

impl Reassembly {
    pub(crate) fn new(talk: Verbosity) -> Self {
        Self { talk, partial: None }
    }

    /// Begins a message. Returns it if its body is whole.
    pub(crate) fn message(&mut self, seq: Seq, message: Message) -> Result<Option<Received>> {
        if !message.is_long() {
            let content = Content::Memory(message.body.0.clone());
            return Ok(Some(Received::new(seq, message, content)));
        }
        let bar = Progress::new(self.talk, message.size, "from", &message.from);
        let first = message.body.clone();
        self.partial = Some(PartialBody { seq, message, spool: BodyBuffer::new(), come: 0, bar });
        self.part(&first, false)
    }

    /// Adds the next chunk. Returns the message if it is the last one.
    pub(crate) fn part(&mut self, body: &Body, shows: bool) -> Result<Option<Received>> {
        let Some(mut partial) = self.partial.take() else { return Ok(None) };
        partial.spool.push(&body.0).map_err(content::no_place)?;
        partial.come += body.len() as u64;
        if partial.come < partial.message.size {
            if shows {
                partial.bar.at(partial.come);
            }
            self.partial = Some(partial);
            return Ok(None);
        }
        let PartialBody { seq, message, spool, .. } = partial;
        let content = spool.finish().map_err(content::no_place)?;
        Ok(Some(Received::new(seq, message, content)))
    }

    /// True if no message is incomplete.
    pub(crate) fn is_whole(&self) -> bool {
        self.partial.is_none()
    }

    /// Drops the incomplete message. `false`: there was none.
    pub(crate) fn drop_partial(&mut self) -> bool {
        self.partial.take().is_some()
    }

    /// Takes the progress bar off the terminal.
    pub(crate) fn hide_progress(&mut self) {
        if let Some(partial) = &mut self.partial {
            partial.bar.hide();
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::Reassembly;
    use crate::message::content::Content;
    use crate::terminal::color::Color;
    use crate::terminal::verbosity::Verbosity;
    use crate::wire::{Body, Envelope, Headers, Message, MsgId, Target};

    fn message(size: u64, body: &'static [u8]) -> Message {
        let from = "alice".parse().unwrap_or_else(|why| panic!("{why}"));
        let (id, headers) = (MsgId::new(1, [7; 10]), Headers::default());
        let body = Body(body.into());
        Message {
            from,
            time_ms: 1,
            envelope: Envelope { id, to: Target::All, headers, size, body },
        }
    }

    fn bytes(content: &Content) -> Vec<u8> {
        content.read(0, 100).unwrap().to_vec()
    }

    #[test]
    fn a_letter_is_whole_or_it_is_none() {
        let mut mail = Reassembly::new(Verbosity { quiet: true, verbose: 0, color: Color::Never });
        let short = mail.message(1, message(3, b"abc")).unwrap().unwrap();
        assert_eq!((short.seq(), bytes(short.content())), (1, b"abc".to_vec()));
        assert!(mail.message(2, message(6, b"ab")).unwrap().is_none());
        assert!(mail.part(&Body(b"cd"[..].into()), true).unwrap().is_none());
        assert!(!mail.is_whole() && mail.drop_partial() && mail.is_whole());
        assert!(!mail.drop_partial());
        assert!(mail.part(&Body(b"ef"[..].into()), true).unwrap().is_none(), "nothing was begun");
        assert!(mail.message(2, message(6, b"ab")).unwrap().is_none());
        assert!(mail.part(&Body(b"cd"[..].into()), true).unwrap().is_none());
        let long = mail.part(&Body(b"ef"[..].into()), true).unwrap().unwrap();
        assert_eq!((long.seq(), bytes(long.content())), (2, b"abcdef".to_vec()));
        assert!(mail.is_whole());
    }
}
