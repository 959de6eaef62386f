//! Settings of a server.

use std::path::PathBuf;

use crate::durable::Quotas;
use crate::logic::Limits;
use crate::quic;

/// Everything a server needs to know to start.
pub struct Settings {
    /// Directory of the store.
    pub data: PathBuf,
    /// Address, key and secrets of the endpoint.
    pub endpoint: quic::ServerSettings,
    /// Limits that the hub enforces.
    pub limits: Limits,
    /// Quotas that the store enforces, and times it keeps messages for.
    pub quotas: Quotas,
}
