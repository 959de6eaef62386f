//! What all verbs that talk to a server need: a runtime, a way to dial, and, for those that want
//! one thing, the whole conversation.

use anyhow::Result;

use crate::cli::args::{Patience, Who};
use crate::client::{Client, ClientError, ClientSettings, Readiness};
use crate::logic::{Command, Event};
use crate::process::runtime::runtime;
use crate::profile::dial::dial;
use crate::profile::joined::Profile;
use crate::quic::Trust;
use crate::refusals;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::wire::{Pin, UserId};

/// Says that a server does not answer, while there is time to look why.
pub(crate) fn note_offline(event: &Event, server: &str, talk: Verbosity) {
    if matches!(event, Event::Offline) {
        notices::note(talk, &format!("no answer from {server}, trying again"));
    }
}

/// Who wants something of which server.
pub(crate) struct Requester {
    pub(crate) id: UserId,
    pub(crate) server: String,
    settings: ClientSettings,
}

impl Requester {
    pub(crate) fn new(who: &Who, patience: Patience) -> Result<Self> {
        let Profile { id, identity, server, pin } = who.profile()?;
        let dial = dial(&server, Trust::Pin(pin), identity, false);
        let settings = ClientSettings::for_id(id.clone(), dial).patience(patience.timeout);
        Ok(Self { id, server: server.to_string(), settings })
    }

    /// Wants one thing; `hear` is given what the server says. An error of its own ends it.
    pub(crate) fn want(
        self,
        command: Command,
        hear: impl FnMut(Event) -> Result<()>,
    ) -> Result<()> {
        let ended = run(self.settings, Some(command), hear)?;
        ended.map_err(|error| refusals::client_failure(error, &self.server, self.id.as_str()))?;
        Ok(())
    }
}

/// Runs a client to its end with at most one command; `hear` is given its events. An error of
/// `hear` ends it.
pub(crate) fn run(
    settings: ClientSettings,
    command: Option<Command>,
    mut hear: impl FnMut(Event) -> Result<()>,
) -> Result<Result<Pin, ClientError>> {
    runtime()?.block_on(async {
        let mut client = Client::start(settings);
        // There is place for one.
        command.into_iter().for_each(|command| client.submit(command));
        client.finish();
        let mut heard = Ok(());
        while heard.is_ok()
            && let Readiness::Events(batch) = client.ready(false).await
        {
            heard = batch.into_iter().try_for_each(&mut hear);
        }
        let result = client.close().await;
        heard.map(|()| result)
    })
}
