//! A reader whose answer to each message is set by the test.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use qmsg::client::{Client, ClientSettings, Readiness};
use qmsg::logic::{Command, Event, Prefetch, numbered};
use qmsg::quic::{DialSettings, Identity, Lookup, Trust};
use qmsg::wire::{Body, Note, Seq};
use tokio::sync::oneshot;

use super::kit::{DEADLINE, Home};

/// Answer to a message.
#[derive(Clone, Copy)]
pub(crate) enum Response {
    /// No answer: the delivery stays unacked.
    Nothing,
    Ack,
    /// Reply of this text and, after a space, the body of the message.
    Reply(&'static str),
    Reject(&'static str),
}

/// A client of the library in a thread of its own. It ends on drop.
pub(crate) struct Reader {
    /// Body of each message that arrived.
    bodies: Receiver<String>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Connects as an id that was joined from this home, and waits until it has caught up.
    pub(crate) fn new(home: &Home, id: &str, address: &str, response: Response) -> Self {
        let key = home.path().join(format!(".local/share/qmsg/profiles/{id}/key.pem"));
        let (host, port) = address.rsplit_once(':').unwrap();
        let dial = DialSettings {
            host: host.into(),
            port: port.parse().unwrap(),
            lookup: Lookup::default(),
            trust: Trust::AnyAndReport,
            identity: Identity::load(&key).unwrap(),
            deadline: Duration::from_secs(3),
            keep_alive: Some(Duration::from_secs(2)),
            body_len_max: u64::MAX,
        };
        let settings = ClientSettings::for_id(id.parse().unwrap(), dial);
        let settings =
            settings.subscribe(Prefetch { messages: 100, bytes: 1 << 20, ..Prefetch::DEFAULT });
        let (ready, is_ready) = sync_channel(1);
        let (sender, bodies) = sync_channel(1000);
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let mut client = Client::start(settings);
                let answer = async {
                    while let Readiness::Events(batch) = client.ready(false).await {
                        for event in batch {
                            match event {
                                Event::CaughtUp => drop(ready.try_send(())),
                                Event::Messages { seq, bundle } => {
                                    for (seq, message) in numbered(seq, &bundle) {
                                        let body = String::from_utf8_lossy(&message.body.0);
                                        let command = response.command(seq, &body);
                                        sender.send(body.into()).unwrap();
                                        if let Some(command) = command {
                                            client.request(command).await;
                                        }
                                    }
                                }
                                _ => {}
                            }
                        }
                    }
                    panic!("{:?}", client.why_ended().await)
                };
                tokio::select! {
                    () = answer => {}
                    _ = ended => {}
                }
            });
        });
        is_ready.recv_timeout(DEADLINE).unwrap();
        Self { bodies, end: Some(end), thread: Some(thread) }
    }

    /// Body of the next message.
    pub(crate) fn next_body(&self) -> String {
        self.bodies.recv_timeout(DEADLINE).unwrap()
    }
}

impl Response {
    fn command(self, seq: Seq, body: &str) -> Option<Command> {
        let note = |text: String| Note::new(Body(text.into())).unwrap();
        match self {
            Self::Nothing => None,
            Self::Ack => Some(Command::Ack(vec![seq])),
            Self::Reply(text) => {
                Some(Command::Reply { seq, reply: note(format!("{text} {body}")) })
            }
            Self::Reject(why) => {
                Some(Command::Reject { seq, attempts: 1, reason: note(why.into()) })
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.end.take());
        let ended = self.thread.take().unwrap().join();
        if !thread::panicking() {
            ended.unwrap();
        }
    }
}
