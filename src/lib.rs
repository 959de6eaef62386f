//! qmsg: messages between named users from the shell, over QUIC.

pub mod wire;
