//! One run: its server, its clients, and a watch on its progress.

use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::bench::client::{
    BenchClient, BenchTarget, ClientRole, Counter, Durability, start_clients,
};
use crate::bench::host::Host;
use crate::bench::how::How;
use crate::client::ClientError;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::profile::dial;
use crate::profile::refusals;
use crate::quic::{self, Dialer, Identity, Trust};
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;

/// Interval of the looks at how far a run has come.
const TICK: Duration = Duration::from_millis(200);
/// A run that is over sooner shows no progress.
const QUICK: Duration = Duration::from_secs(1);
/// Looks at an own server after a client's error: was that the cause?
const LAST_LOOKS: usize = 5;

/// A run.
pub(crate) struct Bench {
    host: Host,
    target: BenchTarget,
    timeout: Duration,
    talk: Verbosity,
}

impl Bench {
    /// Finds or starts a server and sees that it answers.
    pub(crate) async fn start(
        how: &How,
        size: u64,
        kept: Durability,
        talk: Verbosity,
    ) -> Result<Self> {
        let mut random = [0; 4];
        rand::fill(&mut random).ok().context("no random bytes")?;
        let prefix = format!("bench-{}", HEXLOWER.encode(&random));
        let host = match &how.server {
            Some(server) => Host::given(server.clone(), how.pin),
            None => Host::own(&format!("qmsg-{prefix}"), size).await?,
        };
        let (server, identity) = (host.server().clone(), Identity::generate()?);
        let failure = |error| refusals::client_failure(error, &server.to_string(), &prefix);
        let trust = host.pin().map_or(Trust::AnyAndReport, Trust::Pin);
        // Whether somebody is there is told at once to a link with a socket of its own.
        let dial = dial::dial(&server, trust, identity.clone(), false);
        let link = quic::dial(&dial).await.map_err(|error| failure(error.into()))?;
        let pin = link.pin();
        if host.pin().is_none() && !how.trust && !link.remote_address().ip().is_loopback() {
            return Err(failure(ClientError::Untrusted(pin)));
        }
        let dialer = Dialer::new().map_err(|error| failure(error.into()))?;
        let patience = how.timeout;
        let target = BenchTarget { server, pin, identity, dialer, prefix, patience, kept };
        Ok(Self { host, target, timeout: how.timeout, talk })
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn target(&self) -> &BenchTarget {
        &self.target
    }

    /// Carries out a part of a run, which counts up to `total` of `what`. Fails when the count has
    /// not moved for the timeout, or when our own server has ended.
    pub(crate) async fn watch<T>(
        &self,
        what: &str,
        total: u64,
        done: &Counter,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tracing::info!("waiting for {total} {what}");
        tokio::select! {
            biased;
            result = work => match result {
                Ok(it) => Ok(it),
                Err(error) => Err(self.cause().await.unwrap_or(error)),
            },
            error = self.look(what, total, done) => Err(error),
        }
    }

    /// Connects clients with these numbers.
    pub(crate) async fn clients(
        &self,
        numbers: std::ops::Range<u64>,
        wants: ClientRole,
    ) -> Result<Vec<BenchClient>> {
        let (done, total) = (Counter::default(), numbers.end - numbers.start);
        let clients = start_clients(&self.target, numbers, wants, &done);
        self.watch("clients connected", total, &done, clients).await
    }

    /// Disconnects clients, once all their acknowledgements are recorded.
    pub(crate) async fn end(&self, clients: impl IntoIterator<Item = BenchClient>) -> Result<()> {
        let (mut leaving, done) = (JoinSet::new(), Counter::default());
        for client in clients {
            let done = done.clone();
            leaving.spawn(async move {
                client.end().await?;
                done.add(1);
                anyhow::Ok(())
            });
        }
        let total = leaving.len() as u64;
        self.watch("clients at their ends", total, &done, all(leaving)).await.map(drop)
    }

    async fn look(&self, what: &str, total: u64, done: &Counter) -> anyhow::Error {
        let start = clock::moment();
        let (mut ticks, mut last, mut moved) = (interval(TICK), done.value(), start);
        loop {
            ticks.tick().await;
            if let Some(error) = self.host.gone() {
                return error;
            }
            let now = done.value();
            if now != last {
                (last, moved) = (now, clock::moment());
            } else if clock::since(moved) >= self.timeout {
                let exit = if now > 0 { Exit::Partial } else { Exit::Unavailable };
                let time = self.timeout;
                let what = format!("{now} of {total} {what}, then nothing for {time:?}");
                return Failure::new(exit, what)
                    .hint("is the server still there? --timeout waits longer")
                    .into();
            }
            if clock::since(start) >= QUICK {
                notices::progress(self.talk, Some(&format!("qmsg: {now} of {total} {what}")));
            }
        }
    }

    /// The likely cause of a client's failure: our own server has ended.
    async fn cause(&self) -> Option<anyhow::Error> {
        let mut ticks = interval(TICK);
        for _ in 0..LAST_LOOKS {
            ticks.tick().await;
            self.host.process()?;
            if let Some(error) = self.host.gone() {
                return Some(error);
            }
        }
        None
    }
}

/// Results of all tasks, in no order; the first error ends the others.
pub(crate) async fn all<T: 'static>(mut tasks: JoinSet<Result<T>>) -> Result<Vec<T>> {
    let mut results = Vec::with_capacity(tasks.len());
    while let Some(result) = tasks.join_next().await {
        results.push(result??);
    }
    Ok(results)
}
