//! Index of message ids by sender, for the duplicate check.
//!
//! The ids of all senders, ordered by time, are divided into leaves of at most
//! [`DEDUP_ROW_IDS_MAX`] ids. A leaf is one row, keyed by the lowest id that it may hold. An id
//! belongs to exactly one leaf, so a lookup reads one row, whatever the senders do. Ids made at
//! about the same time are neighbours: a batch of new messages touches the last leaf and adds
//! others after it. Ids are kept longer than their messages.

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{Connection, Error};

use super::numbers::UserNo;
use super::sql::{execute, first};
use crate::store::limits::{
    DEDUP_LEAF_IDS_MAX, DEDUP_LEAVES_MAX, DEDUP_LEAVES_REMOVED_MAX, DEDUP_ROW_IDS_MAX,
};
use crate::wire::MsgId;

const ID_LEN: usize = size_of::<MsgId>();
const KEY_LEN: usize = ID_LEN + size_of::<i64>();

/// An id and the number of the user who sent it, both big-endian.
type Key = [u8; KEY_LEN];

/// The leaves touched by a batch, by the lowest key that each may hold.
#[derive(Default)]
pub(super) struct DedupIndex {
    leaves: BTreeMap<Key, Leaf>,
}

struct Leaf {
    /// Number of the row. `None`: not in the table yet.
    row: Option<i64>,
    /// Lowest key of the next leaf, if there is one.
    end: Option<Key>,
    /// Keys of the leaf, ascending.
    keys: Vec<Key>,
    changed: bool,
}

impl DedupIndex {
    /// Returns whether the sender has sent a message with this id.
    pub(super) fn has(
        &mut self,
        db: &Connection,
        id: MsgId,
        user: UserNo,
    ) -> rusqlite::Result<bool> {
        let key = key(id, user);
        Ok(self.leaf(db, key)?.keys.binary_search(&key).is_ok())
    }

    /// Adds an id. Returns false if it was there already.
    pub(super) fn note(
        &mut self,
        db: &Connection,
        id: MsgId,
        user: UserNo,
    ) -> rusqlite::Result<bool> {
        let key = key(id, user);
        let leaf = self.leaf(db, key)?;
        let Err(place) = leaf.keys.binary_search(&key) else { return Ok(false) };
        leaf.keys.insert(place, key);
        leaf.changed = true;
        if leaf.keys.len() > DEDUP_LEAF_IDS_MAX {
            let keys = leaf.keys.split_off(DEDUP_LEAF_IDS_MAX / 2);
            let (begin, end) = (keys[0], leaf.end.replace(keys[0]));
            self.leaves.insert(begin, Leaf { row: None, end, keys, changed: true });
        }
        Ok(true)
    }

    /// Writes the changed leaves to the table, and drops all of them from memory.
    pub(super) fn write(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for (begin, leaf) in std::mem::take(&mut self.leaves) {
            if !leaf.changed {
                continue;
            }
            // After the last leaf new ids will follow, so its rows are filled up. Any other leaf is
            // split evenly.
            let count = leaf.keys.len();
            let even = count.div_ceil(count.div_ceil(DEDUP_ROW_IDS_MAX).max(1)).max(1);
            let cut = if leaf.end.is_none() { DEDUP_ROW_IDS_MAX } else { even };
            for (part, keys) in leaf.keys.chunks(cut).enumerate() {
                let ids = keys.as_flattened();
                match leaf.row {
                    Some(row) if part == 0 => {
                        execute(db, "UPDATE sent SET ids = ?2 WHERE no = ?1", (row, ids))?
                    }
                    _ => {
                        let begin = if part == 0 { &begin } else { &keys[0] };
                        execute(db, "INSERT INTO sent (begin, ids) VALUES (?1, ?2)", (begin, ids))?
                    }
                };
            }
        }
        Ok(())
    }

    /// Removes a bounded number of ids made before `oldest_ms`. Returns whether there were any, and
    /// whether there are more.
    pub(super) fn forget(
        &mut self,
        db: &Connection,
        oldest_ms: u64,
    ) -> rusqlite::Result<(bool, bool)> {
        const SQL: &str = "SELECT no, ids FROM sent WHERE begin < ?1 ORDER BY begin LIMIT ?2";
        // Ids begin with 48 bits of time, most significant first (RFC 9562, section 5.7).
        let mut cut: Key = [0; KEY_LEN];
        cut[..6].copy_from_slice(&oldest_ms.to_be_bytes()[2..]);
        // Leaves in memory must not be written back after their removal.
        let later = self.leaves.split_off(&cut);
        self.write(db)?;
        self.leaves = later;
        let leaves = {
            let mut statement = db.prepare_cached(SQL)?;
            let rows = statement.query_map((cut, DEDUP_LEAVES_REMOVED_MAX as i64), |row| {
                Ok((row.get(0)?, keys(row.get_ref(1)?.as_blob()?)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<(i64, Vec<Key>)>>>()?
        };
        let (mut any, more) = (false, leaves.len() == DEDUP_LEAVES_REMOVED_MAX);
        for (no, keys) in leaves {
            any |= keys.first().is_some_and(|key| *key < cut);
            let left = &keys[keys.partition_point(|key| *key < cut)..];
            if left.is_empty() {
                execute(db, "DELETE FROM sent WHERE no = ?1", [no])?;
                continue;
            }
            if left.len() < keys.len() {
                let ids = left.as_flattened();
                execute(db, "UPDATE sent SET ids = ?2 WHERE no = ?1", (no, ids))?;
            }
            return Ok((any, false));
        }
        Ok((any, more))
    }

    /// Returns the leaf to which a key belongs, loading it if necessary.
    fn leaf(&mut self, db: &Connection, key: Key) -> rusqlite::Result<&mut Leaf> {
        let known = self.leaves.range(..=key).next_back();
        let known = known.filter(|(_, leaf)| leaf.end.is_none_or(|end| key < end));
        let begin = match known.map(|(begin, _)| *begin) {
            Some(begin) => begin,
            None => self.load(db, key)?,
        };
        Ok(self.leaves.entry(begin).or_insert_with(Leaf::last))
    }

    /// Loads the leaf to which a key belongs. Returns the lowest key of the leaf.
    fn load(&mut self, db: &Connection, key: Key) -> rusqlite::Result<Key> {
        if self.leaves.len() >= DEDUP_LEAVES_MAX {
            self.write(db)?;
        }
        const FIND: &str =
            "SELECT no, begin, ids FROM sent WHERE begin <= ?1 ORDER BY begin DESC LIMIT 1";
        let found = first(db, FIND, [&key], |row| {
            let ids = row.get_ref(2)?.as_blob()?;
            Ok((row.get(0)?, row.get(1)?, keys(ids)?))
        })?;
        const NEXT: &str = "SELECT begin FROM sent WHERE begin > ?1 ORDER BY begin LIMIT 1";
        let end = first(db, NEXT, [&key], |row| row.get(0))?;
        let (row, begin, keys) = match found {
            Some((no, begin, keys)) => (Some(no), begin, keys),
            None => (None, [0; KEY_LEN], Vec::new()),
        };
        self.leaves.insert(begin, Leaf { row, end, keys, changed: false });
        Ok(begin)
    }
}

impl Leaf {
    fn last() -> Self {
        Self { row: None, end: None, keys: Vec::new(), changed: false }
    }
}

fn key(id: MsgId, user: UserNo) -> Key {
    let mut key = [0; KEY_LEN];
    key[..ID_LEN].copy_from_slice(id.as_bytes());
    key[ID_LEN..].copy_from_slice(&user.value().to_be_bytes());
    key
}

fn keys(ids: &[u8]) -> rusqlite::Result<Vec<Key>> {
    match ids.as_chunks() {
        (keys, []) => Ok(keys.to_vec()),
        _ => {
            let cause = "ids of another length".into();
            Err(Error::FromSqlConversionFailure(0, Type::Blob, cause))
        }
    }
}
