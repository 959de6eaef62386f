//! What a user reads, in memory while it is read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::wire::Target;

use super::exchange::LinkId;
use super::expiring::Expired;
use super::place::StoredCursor;
use super::spans::SeqSet;

/// A user's reading, in memory while one of the user's links reads or a cursor is being written.
#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) loaded: bool,
    pub(super) places: BTreeMap<Target, StoredCursor>,
    /// Rooms left while it was being loaded, which may have been read as memberships.
    pub(super) left: BTreeSet<Target>,
    /// Places in rooms that were left when entering them anew was asked for: they may be of the new
    /// membership, if the mailbox was read behind both.
    pub(super) entering: BTreeMap<Target, StoredCursor>,
    pub(super) links: BTreeSet<LinkId>,
    /// What readers that share had on links that others have taken the place of: for those, until
    /// they have attached.
    pub(super) kept: BTreeMap<LinkId, SeqSet>,
    /// What has expired on the page that is being handed out.
    pub(super) expired: BTreeMap<Target, Expired>,
    /// Cursor moves on their way to the disk.
    pub(super) settling: u64,
    /// Those that got there.
    pub(super) settled: u64,
    /// Readers that have caught up and are told of it when so many have: by what was not delivered
    /// a client knows what of its reports is recorded.
    pub(super) telling: VecDeque<(u64, LinkId)>,
}
