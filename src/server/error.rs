//! Errors of a start.

use crate::quic;
use crate::store::OpenError;

/// Reason why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The address cannot be used.
    #[error(transparent)]
    Bind(#[from] quic::BindError),
}
