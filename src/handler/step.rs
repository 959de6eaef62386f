//! The step that a consumer of messages takes next.

use std::time::Duration;

use crate::logic::Command;

/// The outcome of one step of a consumer.
pub(crate) enum ConsumerStep {
    /// Something is to be said to the server.
    Say(Vec<Command>),
    /// Nobody reads stdout any more.
    Unread,
}

pub(crate) async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
