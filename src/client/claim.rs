//! The claim of an id with a new key.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::quic::{IdentityError, NewIdentity};
use crate::wire::CloseCode;

/// A claim with a key that is not in its file yet. The key is saved just before the server hears of
/// the claim: not later, so that no id belongs to a key that is lost; and not sooner, so that
/// nothing is left behind by a server that was never reached.
pub struct Claim {
    key: NewIdentity,
    path: PathBuf,
    stage: Mutex<ClaimStage>,
}

/// The stage of a claim.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClaimStage {
    /// No server has heard of it, and the key is in memory only.
    Unsaid,
    /// The server has heard of it, and has not answered.
    Asked,
    /// The server has refused it, each time that it heard of it.
    Refused,
    /// The server may have granted it.
    Uncertain,
}

impl Claim {
    /// A claim with this key, whose file will be at `path` and must not be there now.
    pub fn new(key: NewIdentity, path: PathBuf) -> Self {
        Self { key, path, stage: Mutex::new(ClaimStage::Unsaid) }
    }

    /// True if the key is in its file.
    pub fn is_kept(&self) -> bool {
        *self.stage() != ClaimStage::Unsaid
    }

    /// True if the server may have given the id to the key.
    pub fn may_be_granted(&self) -> bool {
        matches!(*self.stage(), ClaimStage::Asked | ClaimStage::Uncertain)
    }

    /// Saves the key, before the server is asked; called on each connection.
    pub(super) fn before_asking(&self) -> Result<(), IdentityError> {
        let mut stage = self.stage();
        if *stage == ClaimStage::Unsaid {
            self.key.save(&self.path)?;
        }
        if *stage != ClaimStage::Uncertain {
            *stage = ClaimStage::Asked;
        }
        Ok(())
    }

    /// Notes how a connection ended on which the user was not welcomed.
    pub(super) fn connection_ended(&self, code: Option<CloseCode>) {
        use CloseCode::{Busy, DiskFull, IdReserved, IdTaken, TicketBad, TicketNeeded};
        let mut stage = self.stage();
        *stage = match (*stage, code) {
            // The server says these after it has looked whether the key owns the id already.
            (_, Some(DiskFull | IdReserved | IdTaken | TicketBad | TicketNeeded)) => {
                ClaimStage::Refused
            }
            (ClaimStage::Asked, Some(Busy)) => ClaimStage::Refused,
            (ClaimStage::Asked, _) => ClaimStage::Uncertain,
            (before, _) => before,
        };
    }

    /// Locks the stage, which a thread that panicked has left whole.
    fn stage(&self) -> MutexGuard<'_, ClaimStage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
