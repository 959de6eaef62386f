//! A reader that says of each message what a test wants it to say.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use qmsg::client::{Client, ClientSettings, Readiness};
use qmsg::logic::{Command, Event, Prefetch, numbered};
use qmsg::quic::{DialSettings, Identity, Lookup, Trust};
use qmsg::wire::{Body, Note, Seq};
use tokio::sync::oneshot;

use super::kit::{DEADLINE, Home};

/// What is said of a message.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    /// Nothing: it stays with the reader.
    Nothing,
    Processed,
    /// This and, behind a space, the message.
    Reply(&'static str),
    Refused(&'static str),
}

/// A client of the library with a thread of its own. It ends when it is dropped.
pub(crate) struct Reader {
    /// The body of each message that came.
    came: Receiver<String>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// As an id that was joined from this home. It has caught up.
    pub(crate) fn new(home: &Home, id: &str, address: &str, says: Says) -> Self {
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
        let settings = settings.subscribe(Prefetch::of(100, 1 << 20));
        let (ready, is_ready) = sync_channel(1);
        let (sender, came) = sync_channel(1000);
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
                                        let said = says.command(seq, &body);
                                        sender.send(body.into()).unwrap();
                                        if let Some(said) = said {
                                            client.request(said).await;
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
        Self { came, end: Some(end), thread: Some(thread) }
    }

    /// The body of the next message that comes to it.
    pub(crate) fn next(&self) -> String {
        self.came.recv_timeout(DEADLINE).unwrap()
    }
}

impl Says {
    fn command(self, seq: Seq, body: &str) -> Option<Command> {
        let note = |text: String| Note::new(Body(text.into())).unwrap();
        match self {
            Self::Nothing => None,
            Self::Processed => Some(Command::Ack(vec![seq])),
            Self::Reply(text) => {
                Some(Command::Reply { seq, reply: note(format!("{text} {body}")) })
            }
            Self::Refused(why) => {
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
