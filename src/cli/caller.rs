//! What all verbs that talk to a server need: a runtime, a way to dial, and, for those that want
//! one thing, the whole conversation.

use anyhow::Result;
use tokio::sync::mpsc;

use crate::cli::args::{Patience, Who};
use crate::client::{self, Claim, ClientError, Settings};
use crate::logic::{Command, Event, Intent};
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
    settings: Settings,
}

impl Requester {
    pub(crate) fn new(who: &Who, patience: Patience) -> Result<Self> {
        let Profile { id, identity, server, pin } = who.profile()?;
        let dial = dial(&server, Trust::Pin(pin), identity, false);
        let patience_ms = patience.ms();
        let intent =
            Intent { id: id.clone(), claim: false, code: None, prefetch: None, patience_ms };
        let settings = Settings { dial, dialer: None, intent, trust_remote: false };
        Ok(Self { id, server: server.to_string(), settings })
    }

    /// Wants one thing; `hear` is given what the server says. An error of its own ends it.
    pub(crate) fn want(
        self,
        command: Command,
        hear: impl FnMut(Event) -> Result<()>,
    ) -> Result<()> {
        let ended = run(self.settings, None, Some(command), hear)?;
        ended.map_err(|error| refusals::client_failure(error, &self.server, self.id.as_str()))?;
        Ok(())
    }
}

/// Runs a client to its end with at most one command; `hear` is given what it is told.
pub(crate) fn run(
    settings: Settings,
    claim: Option<&mut Claim>,
    command: Option<Command>,
    mut hear: impl FnMut(Event) -> Result<()>,
) -> Result<Result<Pin, ClientError>> {
    runtime()?.block_on(async {
        let (commands, receiver) = mpsc::channel(1);
        let (sender, mut events) = mpsc::channel::<Vec<Event>>(16);
        if let Some(command) = command {
            // There is room for one.
            let _ = commands.try_send(command);
        }
        drop(commands);
        // The client ends when nobody hears it.
        let heard = async move {
            while let Some(batch) = events.recv().await {
                batch.into_iter().try_for_each(&mut hear)?;
            }
            anyhow::Ok(())
        };
        let (result, heard) =
            tokio::join!(client::run_claim(settings, claim, receiver, sender), heard);
        heard.map(|()| result)
    })
}
