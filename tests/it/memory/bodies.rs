//! The model store's long bodies: uploads, and the chunks of stored bodies.

use std::collections::{BTreeMap, BTreeSet};

use qmsg::durable::{DiskFull, Missing, Record, Upload};
use qmsg::wire::{Body, CHUNK_LEN_MAX, Message, MsgId};

#[derive(Default)]
pub(crate) struct Bodies {
    uploads: BTreeMap<Upload, Uploaded>,
    parts: BTreeMap<u64, Result<Body, Missing>>,
    /// Numbers of uploads that were used; none may be used twice.
    begun: Vec<Upload>,
    last: u64,
    /// True if the disk is full for chunks of long bodies.
    pub(crate) is_full: bool,
    /// Messages of which a chunk was refused. A later upload of the same message may succeed.
    pub(crate) broken: BTreeSet<MsgId>,
}

/// A body that is being uploaded.
struct Uploaded {
    id: MsgId,
    size: u64,
    parts: Vec<Body>,
}

impl Uploaded {
    fn left(&self) -> u64 {
        self.size - self.parts.iter().map(|part| part.len() as u64).sum::<u64>()
    }

    /// Adds a chunk. A chunk of the wrong size is ignored.
    fn add(&mut self, body: &Body) {
        let next = self.left().min(CHUNK_LEN_MAX as u64);
        if next > 0 && body.len() as u64 == next {
            self.parts.push(body.clone());
        }
    }
}

impl Bodies {
    pub(crate) fn begin(&mut self, upload: Upload, message: &Message) {
        assert!(!self.begun.contains(&upload), "{upload:?} twice");
        self.begun.push(upload);
        let mut begun = Uploaded { id: message.id, size: message.size, parts: vec![] };
        begun.add(&message.body);
        self.uploads.insert(upload, begun);
    }

    pub(crate) fn part(
        &mut self,
        upload: Upload,
        body: &Body,
        disk_full: bool,
    ) -> Result<(), DiskFull> {
        let Some(begun) = self.uploads.get_mut(&upload) else { return Ok(()) };
        if disk_full || self.is_full {
            self.broken.insert(begun.id);
            self.uploads.remove(&upload);
            return Err(DiskFull);
        }
        begun.add(body);
        Ok(())
    }

    pub(crate) fn discard(&mut self, upload: Upload) {
        self.uploads.remove(&upload);
    }

    /// Ends an upload. Returns its chunks, if all of them came.
    pub(crate) fn end(&mut self, upload: Upload) -> Option<Vec<Body>> {
        self.uploads.remove(&upload).filter(|begun| begun.left() == 0).map(|begun| begun.parts)
    }

    /// Stores chunks; returns the number of the first.
    pub(crate) fn keep(&mut self, size: u64, body: Vec<Body>) -> u64 {
        assert_eq!(body.iter().map(|part| part.len() as u64).sum::<u64>(), size);
        let (_, firsts) = body.split_last().unwrap();
        assert!(firsts.iter().all(|part| part.len() == CHUNK_LEN_MAX));
        let first = self.last + 1;
        self.last += body.len() as u64;
        self.parts.extend((first..).zip(body.into_iter().map(Ok)));
        first
    }

    pub(crate) fn remove(&mut self, record: &Record) {
        let count = record.bundle.first.size.div_ceil(CHUNK_LEN_MAX as u64);
        for at in record.parts..record.parts + count {
            self.parts.remove(&at);
        }
    }

    /// Damages the last chunk of a body.
    pub(crate) fn rot(&mut self, record: &Record) {
        let count = record.bundle.first.size.div_ceil(CHUNK_LEN_MAX as u64);
        if let Some(part) = self.parts.get_mut(&(record.parts + count - 1)) {
            *part = Err(Missing::Corrupt);
        }
    }

    /// Returns whether a chunk of a body is damaged or removed.
    pub(crate) fn is_spoilt(&self, record: &Record) -> bool {
        let count = record.bundle.first.size.div_ceil(CHUNK_LEN_MAX as u64);
        record.parts > 0 && (record.parts..record.parts + count).any(|at| self.read(at).is_err())
    }

    pub(crate) fn read(&self, at: u64) -> Result<Body, Missing> {
        self.parts.get(&at).cloned().unwrap_or(Err(Missing::Removed))
    }

    /// Forgets the uploads, as a restart does.
    pub(crate) fn restart(&mut self) {
        self.uploads.clear();
        self.begun.clear();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.uploads.is_empty()
    }
}
