//! Uploads of the naive store.

use qmsg::durable::Write;
use qmsg::wire::Message;

use super::Verdict;
use super::naive::{Model, TARGETS, USERS};
use super::uploads::{KEPT, PART, begin, bytes, discard, finish, long, part};

/// A body on its way.
pub(super) struct Partial {
    name: u64,
    message: Message,
    from: usize,
    to: usize,
    n: u32,
    /// Parts that are there; `None` if there is no upload any more.
    written: Option<usize>,
}

impl Model {
    pub(super) fn begin(
        &mut self,
        from: usize,
        to: usize,
        n: u32,
        parts: usize,
    ) -> (Write, Verdict) {
        let name = self.uploads.len() as u64;
        let from_user = USERS[from].parse().unwrap();
        let message = Message { from: from_user, ..long(TARGETS[to], n, parts * PART - 7) };
        let refused = self.refusal(from, to, n, message.size as usize);
        let written = refused.is_none().then_some(1);
        self.uploads.push(Partial { name, message: message.clone(), from, to, n, written });
        (begin(name, message), refused.unwrap_or(KEPT))
    }

    /// The next part of an upload, and what comes of it.
    pub(super) fn part(&mut self, which: usize) -> Option<(Write, Verdict)> {
        let upload = self.upload(which)?;
        let size = upload.message.size as usize;
        let at = upload.written.unwrap_or(1) * PART;
        let body = bytes(upload.n, size).slice(at.min(size)..size.min(at + PART));
        // One too many is empty.
        let parts = size.div_ceil(PART);
        upload.written = upload.written.map(|written| parts.min(written + 1));
        Some((part(upload.name, body), KEPT))
    }

    pub(super) fn end(&mut self, which: usize) -> Option<(Write, Verdict)> {
        let &mut Partial { name, ref message, from, to, n, ref mut written } =
            self.upload(which)?;
        let (message, size) = (message.clone(), message.size as usize);
        let whole = written.take() == Some(size.div_ceil(PART));
        let outcome = if whole { self.append(from, to, n, size) } else { Verdict::DiskFull };
        Some((finish(name, message), outcome))
    }

    pub(super) fn discard(&mut self, which: usize) -> Option<(Write, Verdict)> {
        let upload = self.upload(which)?;
        upload.written = None;
        Some((discard(upload.name), KEPT))
    }

    /// One of the latest.
    fn upload(&mut self, which: usize) -> Option<&mut Partial> {
        self.uploads.iter_mut().rev().nth(which % 3)
    }
}
