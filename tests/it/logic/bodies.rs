//! The model store's long bodies: those being uploaded, and the parts of those that are kept.

use std::collections::{BTreeMap, BTreeSet};

use qmsg::durable::{DiskFull, Missing, Record, Upload};
use qmsg::wire::{Body, CHUNK_LEN_MAX, Message, MsgId};

#[derive(Default)]
pub(super) struct Bodies {
    uploads: BTreeMap<Upload, (MsgId, Vec<Body>)>,
    parts: BTreeMap<u64, Result<Body, Missing>>,
    /// Names of uploads that were used. They are to be used once.
    begun: Vec<Upload>,
    last: u64,
    /// For the parts of long bodies the disk is full.
    pub(super) is_full: bool,
    /// Messages that it did not take all of. What an earlier link still brings may be taken later.
    pub(super) broken: BTreeSet<MsgId>,
}

impl Bodies {
    pub(super) fn begin(&mut self, upload: Upload, message: &Message) {
        assert!(!self.begun.contains(&upload), "{upload:?} twice");
        self.begun.push(upload);
        self.uploads.insert(upload, (message.id, vec![message.body.clone()]));
    }

    pub(super) fn part(
        &mut self,
        upload: Upload,
        body: &Body,
        disk_full: bool,
    ) -> Result<(), DiskFull> {
        let Some((id, parts)) = self.uploads.get_mut(&upload) else { return Ok(()) };
        if disk_full || self.is_full {
            self.broken.insert(*id);
            self.uploads.remove(&upload);
            return Err(DiskFull);
        }
        parts.push(body.clone());
        Ok(())
    }

    pub(super) fn discard(&mut self, upload: Upload) {
        self.uploads.remove(&upload);
    }

    pub(super) fn end(&mut self, upload: Upload) -> Option<Vec<Body>> {
        self.uploads.remove(&upload).map(|(_, parts)| parts)
    }

    /// Where the parts are from now on.
    pub(super) fn keep(&mut self, size: u64, body: Vec<Body>) -> u64 {
        assert_eq!(body.iter().map(|part| part.len() as u64).sum::<u64>(), size);
        let (_, firsts) = body.split_last().unwrap();
        assert!(firsts.iter().all(|part| part.len() == CHUNK_LEN_MAX));
        let first = self.last + 1;
        self.last += body.len() as u64;
        self.parts.extend((first..).zip(body.into_iter().map(Ok)));
        first
    }

    pub(super) fn remove(&mut self, record: &Record) {
        let count = record.bundle.first.size.div_ceil(CHUNK_LEN_MAX as u64);
        for at in record.parts..record.parts + count {
            self.parts.remove(&at);
        }
    }

    /// From now on the last part does not match its checksum.
    pub(super) fn rot(&mut self, record: &Record) {
        let count = record.bundle.first.size.div_ceil(CHUNK_LEN_MAX as u64);
        if let Some(part) = self.parts.get_mut(&(record.parts + count - 1)) {
            *part = Err(Missing::Corrupt);
        }
    }

    /// Whether some of it is damaged, or all of it gone.
    pub(super) fn is_spoilt(&self, record: &Record) -> bool {
        let count = record.bundle.first.size.div_ceil(CHUNK_LEN_MAX as u64);
        record.parts > 0 && (record.parts..record.parts + count).any(|at| self.read(at).is_err())
    }

    pub(super) fn read(&self, at: u64) -> Result<Body, Missing> {
        self.parts.get(&at).cloned().unwrap_or(Err(Missing::Removed))
    }

    /// What a restart forgets.
    pub(super) fn restart(&mut self) {
        self.uploads.clear();
        self.begun.clear();
    }

    pub(super) fn is_idle(&self) -> bool {
        self.uploads.is_empty()
    }
}
