//! What all verbs that talk to a server need: a runtime, a way to dial, and, for those that want
//! one thing, the whole conversation.

use std::ops::Deref;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::client::{self, Claim, ClientError, Settings};
use crate::logic::{Command, Event, Intent};
use crate::quic::{DialSettings, Identity, KEEP_ALIVE, Lookup, Trust};
use crate::wire::{Pin, UserId};

use super::address::Server;
use super::profile::{self, Profile};
use super::{Patience, Talk, Who, fail};

/// How long one attempt to reach the server may take. The client makes several, and each costs the
/// server a handshake: who is patient is served by a slow one, or over a long way.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Longest body taken from a stream, in bytes, since what is read of it has to be kept until it is
/// sent. A file stays where it is, so it has only the server's limit, which is not known before.
pub(super) const STREAM_LEN_MAX: u64 = 1 << 30;

/// A runtime that no exit waits for. Dropped like any other it would wait until files, pipes and
/// commands let go of the threads that read them, whatever time or signal has ended the work.
pub(super) struct Brief(Option<Runtime>);

impl Deref for Brief {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        // Only the end of this takes it out.
        self.0.as_ref().expect("a runtime")
    }
}

impl Drop for Brief {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// One thread: a client has one link, and starts in the fewest milliseconds so.
pub(super) fn runtime() -> Result<Brief> {
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    survive_large_files(&runtime)?;
    Ok(Brief(Some(runtime)))
}

/// Lets a file that would grow beyond `ulimit -f` be an error of the one who writes it, like a full
/// disk, and not the end of the process.
fn survive_large_files(runtime: &Runtime) -> Result<()> {
    let _inside = runtime.enter();
    // Once it is listened to, it never ends the process again.
    let _never_read = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    Ok(())
}

/// One thread does everything, without a word between threads; more share the links, for machines
/// with cores to spare.
pub(super) fn server_runtime(threads: usize) -> Result<Brief> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_all().build().context("no runtime")?;
    survive_large_files(&runtime)?;
    Ok(Brief(Some(runtime)))
}

/// Threads for a server, unless it is told how many.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

/// How to reach a server; `lasting` for a link that is to stay.
pub(super) fn dial(
    server: &Server,
    trust: Trust,
    identity: Identity,
    lasting: bool,
) -> DialSettings {
    DialSettings {
        host: server.host.clone(),
        port: server.port,
        lookup: Lookup::default(),
        trust,
        identity,
        deadline: ATTEMPT,
        keep_alive: lasting.then_some(KEEP_ALIVE),
        // What the server takes, it may deliver: a long body is not kept in memory.
        body_len_max: u64::MAX,
    }
}

/// Says that a server does not answer, while there is time to look why.
pub(super) fn note_offline(event: &Event, server: &str, talk: Talk) {
    if matches!(event, Event::Offline) {
        fail::note(talk, &format!("no answer from {server}, trying again"));
    }
}

/// Who wants something of which server.
pub(super) struct Caller {
    pub(super) id: UserId,
    pub(super) server: String,
    settings: Settings,
}

impl Caller {
    pub(super) fn new(who: &Who, patience: Patience) -> Result<Self> {
        let Profile { id, identity, server, pin } = profile::choose(who)?;
        let dial = dial(&server, Trust::Pin(pin), identity, false);
        let patience_ms = patience.ms();
        let intent = Intent { id: id.clone(), claim: false, code: None, attach: None, patience_ms };
        let settings = Settings { dial, dialer: None, intent, trust_remote: false };
        Ok(Self { id, server: server.to_string(), settings })
    }

    /// Wants one thing; `hear` is given what the server says. An error of its own ends it.
    pub(super) fn want(
        self,
        command: Command,
        hear: impl FnMut(Event) -> Result<()>,
    ) -> Result<()> {
        let ended = run(self.settings, None, Some(command), hear)?;
        ended.map_err(|error| fail::client_failure(error, &self.server, self.id.as_str()))?;
        Ok(())
    }
}

/// Runs a client to its end with at most one command; `hear` is given what it is told.
pub(super) fn run(
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
