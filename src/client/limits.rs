//! Bounds of a client.

/// Most commands, and most batches of events, between a client and its loop.
pub(super) const HANDLE_QUEUE_MAX: usize = 256;
/// Most batches that wait between connection and loop.
pub(super) const CONNECTION_QUEUE_MAX: usize = 64;
/// Most commands taken in one turn.
pub(super) const COMMANDS_MAX: usize = 256;
/// Most pieces that wait for a connection. The frames of one turn are one piece.
pub(super) const OUTGOING_MAX: usize = 4_096;
