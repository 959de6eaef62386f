//! The client as verbs use it: one connection, at most one command, and its events.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc;

use crate::cli::args::{Who, profile};
use crate::client::{self, Claim, ClientError, Settings};
use crate::logic::{Command, Event, Intent};
use crate::process::runtime::runtime;
use crate::profile::dial::dial;
use crate::profile::joined::Profile;
use crate::profile::refusals;
use crate::quic::Trust;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::wire::{Pin, UserId};

/// Notes on stderr that the server does not answer yet, and that the client tries again.
pub(crate) fn note_offline(event: &Event, server: &str, verbosity: Verbosity) {
    if matches!(event, Event::Offline) {
        notices::note(verbosity, &format!("no answer from {server}, trying again"));
    }
}

/// A connection of one profile for one request.
pub(crate) struct Requester {
    id: UserId,
    server: String,
    settings: Settings,
}

impl Requester {
    /// A requester with the profile of `who`. The client gives up after `patience`.
    pub(crate) fn new(who: &Who, patience: Duration) -> Result<Self> {
        let Profile { id, identity, server, pin } = profile(who)?;
        let dial = dial(&server, Trust::Pin(pin), identity, false);
        let patience_ms = Some(patience.as_millis() as u64);
        let intent =
            Intent { id: id.clone(), claim: false, code: None, prefetch: None, patience_ms };
        let settings = Settings { dial, dialer: None, intent, trust_remote: false };
        Ok(Self { id, server: server.to_string(), settings })
    }

    /// The id that the request is made as.
    pub(crate) fn id(&self) -> &UserId {
        &self.id
    }

    /// The address of the server.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Sends `command` and calls `on_event` with each event of the client. An error of `on_event`
    /// ends the connection and is returned.
    pub(crate) fn request(
        self,
        command: Command,
        on_event: impl FnMut(Event) -> Result<()>,
    ) -> Result<()> {
        let ended = run(self.settings, None, Some(command), on_event)?;
        ended.map_err(|error| refusals::client_failure(error, &self.server, self.id.as_str()))?;
        Ok(())
    }
}

/// Runs a client to its end, with at most one command. Calls `on_event` with each of its events.
pub(crate) fn run(
    settings: Settings,
    claim: Option<&mut Claim>,
    command: Option<Command>,
    mut on_event: impl FnMut(Event) -> Result<()>,
) -> Result<Result<Pin, ClientError>> {
    runtime()?.block_on(async {
        let (commands, receiver) = mpsc::channel(1);
        let (sender, mut events) = mpsc::channel::<Vec<Event>>(16);
        if let Some(command) = command {
            // The channel is new and has room for one.
            let _ = commands.try_send(command);
        }
        drop(commands);
        // The client ends once this receiver is dropped.
        let heard = async move {
            while let Some(batch) = events.recv().await {
                batch.into_iter().try_for_each(&mut on_event)?;
            }
            anyhow::Ok(())
        };
        let (result, heard) =
            tokio::join!(client::run_claim(settings, claim, receiver, sender), heard);
        heard.map(|()| result)
    })
}
