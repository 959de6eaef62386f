//! One client of the library, and ways to start many.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use aws_lc_rs::rand;
use qmsg::client::{ClientSettings, Readiness};
use qmsg::logic::{Command, Draft, Event, Prefetch};
use qmsg::quic::{DialSettings, Dialer, Identity, KEEP_ALIVE, Lookup, Trust};
use qmsg::wire::{Body, Envelope, Headers, MsgId, MsgIds, Seq, Target};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::now_ns;

/// Clients that connect at the same time.
const AT_ONCE: usize = 32;
const ATTEMPT: Duration = Duration::from_secs(10);
/// Time without a message after which no more are expected.
const SILENCE: Duration = Duration::from_secs(5);
/// Longest body that the clients receive, in bytes.
const BODY_LEN_MAX: u64 = 64 << 20;
/// Messages of a stream that are prepared before the client gets them.
const DRAFTS_TOGETHER: u64 = 64;

/// Address of the server and key of the clients. All ids of a run belong to one key.
#[derive(Clone)]
pub(crate) struct Server {
    host: String,
    port: u16,
    identity: Identity,
    /// Dialer with the one socket that all links share.
    dialer: Dialer,
}

/// Purpose of a client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Connects as an id that is claimed already, and leaves.
    Visit,
    /// Sends only.
    Send,
    /// Sends and receives.
    Listen,
}

/// A running client.
pub(crate) struct Client {
    client: qmsg::Client,
    /// A long message under way, and the bytes that it lacks.
    long: Option<(Seq, u64)>,
}

impl Server {
    /// Reads the key, or makes one if there is none. Must be called inside a tokio runtime.
    pub(crate) fn new(address: &str, key: &Path) -> Result<Self> {
        let (host, port) = address.rsplit_once(':').context("HOST:PORT")?;
        let identity = Identity::load_or_create(key)?;
        Ok(Self { host: host.into(), port: port.parse()?, identity, dialer: Dialer::new()? })
    }

    /// Connects a client. A listener has caught up when this returns.
    pub(crate) async fn client(&self, id: &str, wants: Wants) -> Result<Client> {
        let mut client = self.start(id, wants)?;
        loop {
            for event in client.next_events().await? {
                match event {
                    Event::Welcome { .. } if wants != Wants::Listen => return Ok(client),
                    Event::CaughtUp => return Ok(client),
                    event @ Event::Messages { .. } => {
                        client.ack(event.seqs().collect()).await?;
                    }
                    _ => {}
                }
            }
        }
    }

    /// Connects clients u0, u1, …, at most [`AT_ONCE`] at a time.
    pub(crate) async fn clients(&self, count: usize, wants: Wants) -> Result<Vec<Client>> {
        let (mut tasks, mut clients) = (JoinSet::new(), Vec::new());
        for number in 0..count {
            if tasks.len() == AT_ONCE
                && let Some(client) = tasks.join_next().await
            {
                clients.push(client??);
            }
            let server = self.clone();
            tasks.spawn(async move { server.client(&format!("u{number}"), wants).await });
        }
        while let Some(client) = tasks.join_next().await {
            clients.push(client??);
        }
        Ok(clients)
    }

    /// Connects and leaves.
    pub(crate) async fn visit(&self, id: &str) -> Result<()> {
        self.start(id, Wants::Visit)?.end().await
    }

    /// Starts a client that is not connected yet.
    pub(crate) fn start(&self, id: &str, wants: Wants) -> Result<Client> {
        let dial = DialSettings {
            host: self.host.clone(),
            port: self.port,
            lookup: Lookup::default(),
            trust: Trust::AnyAndReport,
            identity: self.identity.clone(),
            deadline: ATTEMPT,
            keep_alive: (wants != Wants::Visit).then_some(KEEP_ALIVE),
            body_len_max: BODY_LEN_MAX,
        };
        let settings = ClientSettings::for_id(id.parse()?, dial)
            .dialer(self.dialer.clone())
            .patience(2 * ATTEMPT);
        let settings = match wants {
            Wants::Visit => settings,
            Wants::Send => settings.claim(None),
            Wants::Listen => settings.claim(None).subscribe(Prefetch::DEFAULT),
        };
        Ok(Client { client: qmsg::Client::start(settings), long: None })
    }
}

impl Client {
    pub(crate) async fn command(&mut self, command: Command) -> Result<()> {
        // A client that has ended says so by its events.
        self.client.request(command).await;
        Ok(())
    }

    pub(crate) async fn send(&mut self, draft: Draft) -> Result<()> {
        self.command(Command::Send(vec![draft])).await
    }

    pub(crate) async fn ack(&mut self, seqs: Vec<Seq>) -> Result<()> {
        self.command(Command::Ack(seqs)).await
    }

    /// The next events.
    pub(crate) async fn next_events(&mut self) -> Result<Vec<Event>> {
        match self.client.ready(false).await {
            Readiness::Events(batch) => Ok(batch),
            _ => bail!("the client ended: {:?}", self.client.why_ended().await),
        }
    }

    pub(crate) async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<()> {
        while !self.next_events().await?.iter().any(&wanted) {}
        Ok(())
    }

    /// Sends `count` messages as fast as the client accepts them, and waits until the last has its
    /// answer. Returns the number of volatile messages that had no reader.
    pub(crate) async fn publish(&mut self, draft: &Draft, count: u64) -> Result<u64> {
        let (mut ids, mut left, mut answered, mut lost) = (MsgIds::default(), count, 0, 0);
        while answered < count {
            match self.client.ready(left > 0).await {
                Readiness::Place => {
                    let some = left.min(DRAFTS_TOGETHER);
                    let time_ms = now_ms();
                    let again = (0..some).map(|_| with_id(&mut ids, time_ms, draft));
                    self.client.submit(Command::Send(again.collect::<Result<_>>()?));
                    left -= some;
                }
                Readiness::Events(batch) => {
                    for event in batch {
                        match event {
                            Event::Accepted { count, .. } => answered += u64::from(count),
                            Event::VolatileSent { count, readers, .. } => {
                                answered += u64::from(count);
                                lost += if readers == 0 { u64::from(count) } else { 0 };
                            }
                            Event::Refused { why, .. } => bail!("refused: {why:?}"),
                            Event::Uncertain { .. } | Event::Offline => bail!("the link was lost"),
                            _ => {}
                        }
                    }
                }
                Readiness::Unreadable(..) | Readiness::Ended => bail!("the client has ended"),
            }
        }
        Ok(lost)
    }

    /// Acks the messages of the next batch of events; returns the number of whole messages.
    pub(crate) async fn receive(&mut self) -> Result<u64> {
        let (mut seqs, mut chunks) = (Vec::new(), 0);
        for event in self.next_events().await? {
            match event {
                Event::Messages { seq, bundle } if bundle.first.is_long() => {
                    let message = bundle.first;
                    self.long = Some((seq, message.size - message.body.len() as u64));
                }
                event @ Event::Messages { .. } => seqs.extend(event.seqs()),
                Event::Chunk(body) => {
                    chunks += 1;
                    if let Some((_, left)) = &mut self.long {
                        *left -= body.len() as u64;
                    }
                    seqs.extend(self.long.take_if(|(_, left)| *left == 0).map(|(seq, _)| seq));
                }
                _ => {}
            }
        }
        if chunks > 0 {
            self.command(Command::ChunksConsumed(chunks)).await?;
        }
        let count = seqs.len() as u64;
        if count > 0 {
            self.ack(seqs).await?;
        }
        Ok(count)
    }

    /// Receives `count` messages, or fewer if none comes for [`SILENCE`]. Returns their number and
    /// the time of the last one.
    pub(crate) async fn receive_all(&mut self, count: u64) -> Result<(u64, u64)> {
        let (mut got, mut last) = (0, 0);
        while got < count {
            let more = if got == 0 {
                self.receive().await?
            } else if let Ok(more) = timeout(SILENCE, self.receive()).await {
                more?
            } else {
                break;
            };
            if more > 0 {
                (got, last) = (got + more, now_ns());
            }
        }
        Ok((got, last))
    }

    /// True if the client runs and has no event waiting.
    pub(crate) fn is_quiet(&mut self) -> bool {
        !self.client.has_events()
    }

    /// Lets the client finish its work and leave.
    pub(crate) async fn end(self) -> Result<()> {
        Ok(self.client.close().await.map(drop)?)
    }
}

/// Message of `len` bytes, for [`again`] to send any number of times.
pub(crate) fn draft(to: &Target, len: usize, volatile: bool) -> Draft {
    let (id, to, size) = (MsgId::new(0, [0; 10]), to.clone(), len as u64);
    Draft {
        volatile,
        due_ms: None,
        envelope: Envelope { id, to, headers: Headers::default(), size, body: body(len) },
    }
}

/// The same message with a new id.
pub(crate) fn again(ids: &mut MsgIds, draft: &Draft) -> Result<Draft> {
    with_id(ids, now_ms(), draft)
}

fn with_id(ids: &mut MsgIds, time_ms: u64, draft: &Draft) -> Result<Draft> {
    let mut random = [0; 10];
    let mut filled = Ok(());
    let id = ids.next_id(time_ms, || {
        filled = rand::fill(&mut random);
        random
    });
    filled.ok().context("no random bytes")?;
    let mut draft = draft.clone();
    draft.id = id;
    Ok(draft)
}

fn body(len: usize) -> Body {
    Body(vec![b'x'; len].into())
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}
