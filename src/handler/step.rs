//! The step that a consumer of messages takes next.

use std::time::Duration;

use crate::logic::Command;

/// The outcome of one step of a consumer.
pub(crate) enum ConsumerStep {
    /// Commands for the server.
    Say(Vec<Command>),
    /// The reader of stdout has gone.
    Unread,
}

pub(crate) async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
