//! The claim of an id with a new key.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::quic::{IdentityError, NewIdentity};
use crate::wire::CloseCode;

/// A claim with a key that is not in its file yet. The key is saved just before the server receives
/// the claim. A later save could leave an id that belongs to a lost key; an earlier one could leave
/// a useless file if no server is reached.
pub struct Claim {
    key: NewIdentity,
    path: PathBuf,
    stage: Mutex<ClaimStage>,
}

/// The stage of a claim.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClaimStage {
    /// The claim was not sent to any server; the key is only in memory.
    Unsaid,
    /// The claim was sent; the server has not answered.
    Asked,
    /// The server has refused the claim each time it was sent.
    Refused,
    /// The server may have granted it.
    Uncertain,
}

impl Claim {
    /// Returns a claim with this key. Its file will be at `path`, which must not exist yet.
    pub fn new(key: NewIdentity, path: PathBuf) -> Self {
        Self { key, path, stage: Mutex::new(ClaimStage::Unsaid) }
    }

    /// True if the key is in its file.
    pub fn is_kept(&self) -> bool {
        *self.stage() != ClaimStage::Unsaid
    }

    /// True if the server may have granted the id to the key.
    pub fn may_be_granted(&self) -> bool {
        matches!(*self.stage(), ClaimStage::Asked | ClaimStage::Uncertain)
    }

    /// Saves the key before the claim is sent; called on each connection.
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

    /// Notes the end of a connection on which the user was not welcomed.
    pub(super) fn connection_ended(&self, code: Option<CloseCode>) {
        use CloseCode::{Busy, DiskFull, IdReserved, IdTaken, TicketBad, TicketNeeded};
        let mut stage = self.stage();
        *stage = match (*stage, code) {
            // The server sends these codes only after it has seen that the key does not own the id
            // yet.
            (_, Some(DiskFull | IdReserved | IdTaken | TicketBad | TicketNeeded)) => {
                ClaimStage::Refused
            }
            (ClaimStage::Asked, Some(Busy)) => ClaimStage::Refused,
            (ClaimStage::Asked, _) => ClaimStage::Uncertain,
            (before, _) => before,
        };
    }

    /// Locks the stage. A thread that panicked has left it consistent.
    fn stage(&self) -> MutexGuard<'_, ClaimStage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
