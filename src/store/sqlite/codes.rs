//! Join codes that can still be spent. Only hashes are stored, so reading the file reveals no code.

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::Connection;

use super::sql::{Num, execute};
use crate::wire::JoinCode;

/// Adds a code that is valid until `expires_ms`, in milliseconds since 1970.
pub(super) fn add(db: &Connection, code: &JoinCode, expires_ms: u64) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT OR REPLACE INTO code (hash, expires_ms) VALUES (?1, ?2)";
    execute(db, SQL, (hash(code), Num(expires_ms))).map(drop)
}

/// Removes a code; returns whether it was valid.
pub(super) fn spend(db: &Connection, code: &JoinCode, now_ms: u64) -> rusqlite::Result<bool> {
    const SQL: &str = "DELETE FROM code WHERE hash = ?1 AND expires_ms > ?2";
    Ok(execute(db, SQL, (hash(code), Num(now_ms)))? > 0)
}

/// Removes codes that have expired.
pub(super) fn forget(db: &Connection, now_ms: u64) -> rusqlite::Result<()> {
    execute(db, "DELETE FROM code WHERE expires_ms <= ?1", [Num(now_ms)]).map(drop)
}

fn hash(code: &JoinCode) -> Vec<u8> {
    digest(&SHA256, &code.0).as_ref().to_vec()
}
