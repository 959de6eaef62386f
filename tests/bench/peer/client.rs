//! One client of the library, and the making of many.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use aws_lc_rs::rand;
use qmsg::client::{ClientSettings, Readiness};
use qmsg::logic::{Command, Draft, Event, Prefetch};
use qmsg::quic::{DialSettings, Dialer, Identity, KEEP_ALIVE, Lookup, Trust};
use qmsg::wire::{Body, Headers, MsgId, MsgIds, Seq, Target};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock::now_ns;

/// Handshakes at a time.
const AT_ONCE: usize = 32;
const ATTEMPT: Duration = Duration::from_secs(10);
/// After so long nothing more is expected.
const SILENCE: Duration = Duration::from_secs(5);
/// As the limits of the server's defaults.
const WINDOW: Prefetch = Prefetch::of(8_192, 4 << 20);
const BODY_LEN_MAX: u64 = 64 << 20;
/// Messages of a stream that are made before the client hears of them.
const DRAFTS_TOGETHER: u64 = 64;

/// Where clients go, and with which key. All ids of a run belong to one.
#[derive(Clone)]
pub(crate) struct Server {
    host: String,
    port: u16,
    identity: Identity,
    /// All links share its socket.
    dialer: Dialer,
}

/// What a client is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// To be welcomed as an id that is claimed already, and to leave.
    Visit,
    /// To send.
    Send,
    /// To take what comes, too.
    Listen,
}

/// A running client.
pub(crate) struct Client {
    client: qmsg::Client,
    /// A long message under way, and the bytes that it lacks.
    long: Option<(Seq, u64)>,
}

impl Server {
    /// Must be called inside a tokio runtime. The key is made if there is none.
    pub(crate) fn new(address: &str, key: &Path) -> Result<Self> {
        let (host, port) = address.rsplit_once(':').context("HOST:PORT")?;
        let identity = Identity::load_or_create(key)?;
        Ok(Self { host: host.into(), port: port.parse()?, identity, dialer: Dialer::new()? })
    }

    /// A client that is welcome and, if it listens, has what was waiting for it.
    pub(crate) async fn client(&self, id: &str, wants: Wants) -> Result<Client> {
        let mut client = self.start(id, wants)?;
        loop {
            for event in client.next().await? {
                match event {
                    Event::Welcome { .. } if wants != Wants::Listen => return Ok(client),
                    Event::CaughtUp => return Ok(client),
                    event @ Event::Messages { .. } => {
                        client.processed(event.seqs().collect()).await?;
                    }
                    _ => {}
                }
            }
        }
    }

    /// Clients u0, u1, …, made so many at a time.
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

    /// Connects, is welcomed, and leaves.
    pub(crate) async fn visit(&self, id: &str) -> Result<()> {
        self.start(id, Wants::Visit)?.end().await
    }

    /// A client on its way.
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
            Wants::Listen => settings.claim(None).subscribe(WINDOW),
        };
        Ok(Client { client: qmsg::Client::start(settings), long: None })
    }
}

impl Client {
    pub(crate) async fn tell(&mut self, command: Command) -> Result<()> {
        // A client that has ended says so by its events.
        self.client.request(command).await;
        Ok(())
    }

    pub(crate) async fn send(&mut self, draft: Draft) -> Result<()> {
        self.tell(Command::Send(vec![draft])).await
    }

    pub(crate) async fn processed(&mut self, seqs: Vec<Seq>) -> Result<()> {
        self.tell(Command::Ack(seqs)).await
    }

    /// What has happened since.
    pub(crate) async fn next(&mut self) -> Result<Vec<Event>> {
        match self.client.ready(false).await {
            Readiness::Events(batch) => Ok(batch),
            _ => bail!("the client ended: {:?}", self.client.why_ended().await),
        }
    }

    pub(crate) async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<()> {
        while !self.next().await?.iter().any(&wanted) {}
        Ok(())
    }

    /// Sends so many messages, as fast as they are taken, until the last is answered: how many
    /// volatile ones nobody read.
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

    /// Takes the messages of the next batch: how many there are that are whole.
    pub(crate) async fn take(&mut self) -> Result<u64> {
        let (mut seqs, mut parts) = (Vec::new(), 0);
        for event in self.next().await? {
            match event {
                Event::Messages { seq, bundle } if bundle.first.is_long() => {
                    let message = bundle.first;
                    self.long = Some((seq, message.size - message.body.len() as u64));
                }
                event @ Event::Messages { .. } => seqs.extend(event.seqs()),
                Event::Chunk(body) => {
                    parts += 1;
                    if let Some((_, left)) = &mut self.long {
                        *left -= body.len() as u64;
                    }
                    seqs.extend(self.long.take_if(|(_, left)| *left == 0).map(|(seq, _)| seq));
                }
                _ => {}
            }
        }
        if parts > 0 {
            self.tell(Command::ChunksConsumed(parts)).await?;
        }
        let count = seqs.len() as u64;
        if count > 0 {
            self.processed(seqs).await?;
        }
        Ok(count)
    }

    /// Takes so many messages, or what there is when nothing comes any more: how many, and when it
    /// had the last.
    pub(crate) async fn take_all(&mut self, count: u64) -> Result<(u64, u64)> {
        let (mut got, mut last) = (0, 0);
        while got < count {
            let more = if got == 0 {
                self.take().await?
            } else if let Ok(more) = timeout(SILENCE, self.take()).await {
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

    /// Whether it is there and has nothing to tell.
    pub(crate) fn is_quiet(&mut self) -> bool {
        !self.client.has_events()
    }

    /// Lets it do what it has to do, and leave.
    pub(crate) async fn end(self) -> Result<()> {
        Ok(self.client.close().await.map(drop)?)
    }
}

/// A message of so many bytes, to be sent by [`again`] any number of times.
pub(crate) fn draft(to: &Target, len: usize, volatile: bool) -> Draft {
    let (id, to, size) = (MsgId::new(0, [0; 10]), to.clone(), len as u64);
    Draft { id, to, headers: Headers::default(), size, body: body(len), volatile, due_ms: None }
}

/// The same message with a new id.
pub(crate) fn again(ids: &mut MsgIds, draft: &Draft) -> Result<Draft> {
    with_id(ids, now_ms(), draft)
}

fn with_id(ids: &mut MsgIds, time_ms: u64, draft: &Draft) -> Result<Draft> {
    let mut random = [0; 10];
    let mut filled = Ok(());
    let id = ids.next(time_ms, || {
        filled = rand::fill(&mut random);
        random
    });
    filled.ok().context("no random bytes")?;
    Ok(Draft { id, ..draft.clone() })
}

fn body(len: usize) -> Body {
    Body(vec![b'x'; len].into())
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}
