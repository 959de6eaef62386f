//! What a user reads, in memory while it is read.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::Target;

use super::exchange::LinkId;
use super::place::Place;

/// A user's reading, in memory while one of the user's links reads or a cursor is being written.
#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) loaded: bool,
    pub(super) places: BTreeMap<Target, Place>,
    /// Rooms left while it was being loaded, which may have been read as memberships.
    pub(super) left: BTreeSet<Target>,
    pub(super) links: BTreeSet<LinkId>,
    /// Cursor moves on their way to the disk.
    pub(super) settling: usize,
}
