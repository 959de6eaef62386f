//! Clients inside the bench, by the library: a thousand processes would measure themselves.

use std::time::{Duration, Instant};

use qmsg::client::{self, ClientError, Command, Settings};
use qmsg::logic::{Draft, Event, Intent, Window};
use qmsg::quic::{DialSettings, Identity, Trust};
use qmsg::wire::{Body, Headers, MsgId, Pin, Target, UserId};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::kit::Server;

/// Handshakes at a time.
const AT_ONCE: usize = 32;
const DEADLINE: Duration = Duration::from_secs(10);

/// A running client.
struct Client {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Vec<Event>>,
    /// Of the batch last taken.
    taken: std::vec::IntoIter<Event>,
    end: JoinHandle<Result<Pin, ClientError>>,
}

/// Clients that are there and have nothing to do.
pub(crate) struct Listeners(Vec<Client>);

/// Claims the ids u0, u1, … and leaves.
pub(crate) async fn join(server: &Server, count: usize) -> Vec<Identity> {
    let identities: Vec<_> = (0..count).map(|_| Identity::generate().unwrap()).collect();
    let clients = identities.iter().enumerate();
    let clients = clients.map(|(number, it)| Client::new(server, &id(number), it, Wants::Claim));
    start(clients, Client::end).await;
    identities
}

/// Comes back as u0, u1, …, and listens.
pub(crate) async fn listen(server: &Server, identities: Vec<Identity>) -> Listeners {
    let clients = identities.iter().enumerate();
    let clients = clients.map(|(number, it)| Client::new(server, &id(number), it, Wants::Listen));
    let caught_up = |mut client: Client| async {
        client.until(|event| *event == Event::CaughtUp).await;
        client
    };
    Listeners(start(clients, caught_up).await)
}

/// Times from the command to send until the other client has the message.
pub(crate) async fn rounds(server: &Server, count: usize) -> Vec<Duration> {
    let identities = [Identity::generate().unwrap(), Identity::generate().unwrap()];
    let mut sender = Client::new(server, &id(0), &identities[0], Wants::Both);
    let mut listener = Client::new(server, &id(1), &identities[1], Wants::Both);
    sender.until(|event| *event == Event::CaughtUp).await;
    listener.until(|event| *event == Event::CaughtUp).await;
    let mut times = Vec::with_capacity(count);
    for number in 0..count {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&number.to_le_bytes());
        let unix_ms = jiff::Timestamp::now().as_millisecond().unsigned_abs();
        let (message, to) = (MsgId::new(unix_ms, random), Target::User(id(1)));
        let (headers, body) = (Headers::default(), Body("hello".into()));
        let start = Instant::now();
        sender.tell(Command::Send(Draft { id: message, to, headers, body, volatile: false })).await;
        let event = listener.until(|event| matches!(event, Event::Message { .. })).await;
        times.push(start.elapsed());
        let Event::Message { seq, .. } = event else { unreachable!("asked for a message") };
        listener.tell(Command::Processed(vec![seq])).await;
        listener.until(|event| *event == Event::Settled { pending: 0 }).await;
        sender.until(|event| matches!(event, Event::Accepted { .. })).await;
    }
    times
}

/// Readies clients, so many at a time.
async fn start<F, T>(clients: impl Iterator<Item = Client>, ready: impl Fn(Client) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let (mut tasks, mut done) = (JoinSet::new(), Vec::new());
    for client in clients {
        if tasks.len() == AT_ONCE {
            done.push(tasks.join_next().await.unwrap().unwrap());
        }
        tasks.spawn(ready(client));
    }
    done.extend(tasks.join_all().await);
    done
}

fn id(number: usize) -> UserId {
    format!("u{number}").parse().unwrap()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Claim,
    Listen,
    Both,
}

impl Client {
    fn new(server: &Server, id: &UserId, identity: &Identity, wants: Wants) -> Self {
        let (host, port) = server.address.rsplit_once(':').unwrap();
        let dial = DialSettings {
            host: host.into(),
            port: port.parse().unwrap(),
            trust: Trust::Pin(server.pin.parse().unwrap()),
            identity: identity.clone(),
            deadline: DEADLINE,
            keep_alive: wants != Wants::Claim,
            body_len_max: 1 << 20,
        };
        let window = Window { messages: 1024, bytes: 4 << 20 };
        let intent = Intent {
            id: id.clone(),
            claim: wants != Wants::Listen,
            code: None,
            attach: (wants != Wants::Claim).then_some(window),
            patience_ms: Some(DEADLINE.as_millis() as u64),
        };
        let (commands, receiver) = mpsc::channel(1);
        let (sender, events) = mpsc::channel(1);
        let settings = Settings { dial, dialer: None, intent, trust_remote: false };
        let end = tokio::spawn(client::run(settings, receiver, sender));
        Self { commands, events, taken: Vec::new().into_iter(), end }
    }

    async fn tell(&self, command: Command) {
        self.commands.send(command).await.unwrap();
    }

    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            if let Some(event) = self.taken.find(|event| wanted(event)) {
                return event;
            }
            let batch = timeout(DEADLINE, self.events.recv()).await.unwrap();
            self.taken = batch.unwrap().into_iter();
        }
    }

    /// Lets it do what it has to do, and leave.
    async fn end(self) {
        let Self { commands, mut events, end, .. } = self;
        drop(commands);
        while timeout(DEADLINE, events.recv()).await.unwrap().is_some() {}
        end.await.unwrap().unwrap();
    }
}

impl Listeners {
    /// Nothing comes for so long.
    pub(crate) async fn stay_silent(mut self, time: Duration) {
        let first = self.0.first_mut().unwrap();
        assert!(timeout(time, first.events.recv()).await.is_err());
    }
}
