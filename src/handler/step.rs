//! How a way of dealing with messages goes on.

use std::time::Duration;

use crate::logic::Command;

/// How a way of dealing with messages went on.
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
