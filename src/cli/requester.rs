//! Client for verbs: one connection, at most one command, and its events.

use std::time::Duration;

use anyhow::Result;

use crate::cli::args::{Who, profile};
use crate::client::{Client, ClientError, ClientSettings, Readiness};
use crate::logic::{Command, Event};
use crate::process::runtime::runtime;
use crate::profile::dial::dial;
use crate::profile::joined::Profile;
use crate::profile::refusals;
use crate::quic::Trust;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::wire::{Pin, UserId};

/// Notes on stderr that the server does not answer yet and that the client keeps trying.
pub(crate) fn note_offline(event: &Event, server: &str, verbosity: Verbosity) {
    if matches!(event, Event::Offline) {
        notices::note(verbosity, &format!("no answer from {server}, trying again"));
    }
}

/// A connection of one profile for one request.
pub(crate) struct Requester {
    id: UserId,
    server: String,
    settings: ClientSettings,
}

impl Requester {
    /// A requester with the profile of `who`. The client gives up after `patience`.
    pub(crate) fn new(who: &Who, patience: Duration) -> Result<Self> {
        let Profile { id, identity, server, pin } = profile(who)?;
        let dial = dial(&server, Trust::Pin(pin), identity, false);
        let settings = ClientSettings::for_id(id.clone(), dial).patience(patience);
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
        let ended = run(self.settings, Some(command), on_event)?;
        ended.map_err(|error| refusals::client_failure(error, &self.server, self.id.as_str()))?;
        Ok(())
    }
}

/// Runs a client to its end, with at most one command. Calls `on_event` with each of its events; an
/// error of `on_event` ends the client.
pub(crate) fn run(
    settings: ClientSettings,
    command: Option<Command>,
    mut on_event: impl FnMut(Event) -> Result<()>,
) -> Result<Result<Pin, ClientError>> {
    runtime()?.block_on(async {
        let mut client = Client::start(settings);
        // The queue has place for one command.
        command.into_iter().for_each(|command| client.submit(command));
        client.finish();
        let mut heard = Ok(());
        while heard.is_ok()
            && let Readiness::Events(batch) = client.ready(false).await
        {
            heard = batch.into_iter().try_for_each(&mut on_event);
        }
        let result = client.close().await;
        heard.map(|()| result)
    })
}
