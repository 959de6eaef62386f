//! Settings of a client.

use std::sync::Arc;
use std::time::Duration;

use crate::client::claim::Claim;
use crate::logic::{Intent, Prefetch};
use crate::quic::{DialError, DialSettings, Dialer, Identity, KEEP_ALIVE, Lookup, Trust};
use crate::wire::{JoinCode, Pin, UserId};

/// Longest time of one attempt to connect. Each attempt costs the server a handshake. A slow one
/// may still succeed over a long distance.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Settings of a client: the server, the user, and the deliveries wanted.
#[derive(Clone)]
pub struct ClientSettings(LoopSettings);

/// Settings in the form that the loop takes.
#[derive(Clone)]
pub(super) struct LoopSettings {
    pub(super) dial: DialSettings,
    /// Sockets shared with other clients. `None`: the client has its own.
    pub(super) dialer: Option<Dialer>,
    pub(super) intent: Intent,
    pub(super) trust_remote: bool,
    pub(super) claim: Option<Arc<Claim>>,
}

impl ClientSettings {
    /// Settings for the id that `identity` owns on the server at `host` and `port`, whose key has
    /// this pin. The client waits for the server without a time limit.
    pub fn new(host: &str, port: u16, pin: Pin, id: UserId, identity: Identity) -> Self {
        let dial = DialSettings {
            host: host.to_owned(),
            port,
            lookup: Lookup::default(),
            trust: Trust::Pin(pin),
            identity,
            deadline: ATTEMPT,
            keep_alive: Some(KEEP_ALIVE),
            body_len_max: u64::MAX,
        };
        Self::for_id(id, dial)
    }

    /// Settings for this id, with all settings of the connection.
    pub fn for_id(id: UserId, dial: DialSettings) -> Self {
        let intent = Intent { id, claim: false, code: None, prefetch: None, patience_ms: None };
        Self(LoopSettings { dial, dialer: None, intent, trust_remote: false, claim: None })
    }

    /// Subscribes: messages to the id are delivered, with as many unacked as `prefetch` allows.
    #[must_use]
    pub fn subscribe(mut self, prefetch: Prefetch) -> Self {
        self.0.intent.prefetch = Some(prefetch);
        self
    }

    /// Claims the id unless it is taken, with the code of a ticket if the server requires one.
    #[must_use]
    pub fn claim(mut self, code: Option<JoinCode>) -> Self {
        (self.0.intent.claim, self.0.intent.code) = (true, code);
        self
    }

    /// Claims the id as above, with a key that is saved just before the claim is sent.
    #[must_use]
    pub fn claim_with(mut self, code: Option<JoinCode>, key: Option<Arc<Claim>>) -> Self {
        self.0.claim = key;
        self.claim(code)
    }

    /// Gives up when an answer of the server is overdue by this time.
    #[must_use]
    pub fn patience(mut self, time: Duration) -> Self {
        self.0.intent.patience_ms = Some(time.as_millis() as u64);
        self
    }

    /// Sends keep-alives at this interval; a restart of the server is then noticed as soon.
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.0.dial.keep_alive = Some(every);
        self
    }

    /// Shares sockets with other clients.
    #[must_use]
    pub fn dialer(mut self, dialer: Dialer) -> Self {
        self.0.dialer = Some(dialer);
        self
    }

    /// Accepts any key of a server on another machine, if no pin is set.
    #[must_use]
    pub fn trust_remote(mut self, trusts: bool) -> Self {
        self.0.trust_remote = trusts;
        self
    }

    /// The error of a client that gave up before it had a connection.
    pub fn no_answer(&self) -> DialError {
        DialError::timed_out(&self.0.dial)
    }

    pub(super) fn into_loop(self) -> LoopSettings {
        self.0
    }
}
