//! qmsg: messages between named users from the shell, over QUIC.

pub mod durable;
pub mod logic;
pub mod quic;
pub mod store;
pub mod wire;
