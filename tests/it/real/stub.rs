//! A server that answers up to some point, and then is silent or dies.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use qmsg::logic::{Limits, Time, greeting};
use qmsg::quic::{Identity, IncomingConnection, Listener, Outgoing, Secrets, ServerSettings};
use qmsg::wire::{Envelope, FromClient, FromServer, encode};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

/// Frames that wait for the stub, and for a client.
const QUEUE_MAX: usize = 64;

/// Point at which the stub falls silent. Every claim of an id is welcomed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Dies after welcoming a client.
    WelcomeAndDeath,
    /// Welcomes a client.
    Welcome,
    /// Receives this many chunks of long bodies.
    Chunks(u32),
    /// Accepts messages.
    Accepted,
}

/// A stub that lives as long as the test's process.
pub(super) struct Stub {
    pub(super) address: String,
    links: Arc<AtomicUsize>,
}

impl Stub {
    pub(super) fn start(until: Until) -> Self {
        let links = Arc::new(AtomicUsize::new(0));
        let (sender, address) = sync_channel(1);
        let count = links.clone();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = Listener::bind(&settings()).unwrap();
                sender.send(listener.local_addr()).unwrap();
                while let Some(incoming) = listener.accept().await {
                    let count = count.clone();
                    tokio::spawn(async move {
                        serve(incoming, until, &count).await;
                    });
                }
            });
        });
        let address: SocketAddr = address.recv().unwrap();
        Self { address: address.to_string(), links }
    }

    /// Number of links that have said hello.
    pub(super) fn links(&self) -> usize {
        self.links.load(Ordering::Relaxed)
    }
}

fn settings() -> ServerSettings {
    ServerSettings {
        address: "127.0.0.1:0".parse().unwrap(),
        identity: Identity::generate().unwrap(),
        secrets: Secrets::generate().unwrap(),
        body_len_max: 1 << 30,
        handshake_deadline: Duration::from_secs(3),
        peer_list: None,
    }
}

fn encoded(frames: &[FromServer]) -> bytes::Bytes {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| encode(frame, &mut out));
    out.freeze()
}

async fn serve(incoming: IncomingConnection, until: Until, links: &AtomicUsize) {
    let greeting =
        greeting(&Limits { body_len_max: 1 << 30, ..Limits::default() }, Time::default());
    let Ok(link) = incoming.establish(encoded(&[greeting])).await else { return };
    let (say, outgoing) = mpsc::channel(QUEUE_MAX);
    let (heard, mut incoming) = mpsc::channel(QUEUE_MAX);
    let running = tokio::spawn(link.run(outgoing, heard, |frames: Vec<FromClient>| frames));
    let (mut dies, mut chunks) = (false, 0);
    while let Some(frames) = incoming.recv().await {
        let mut answers = Vec::new();
        for frame in frames {
            match frame {
                FromClient::Hello { id, claim, .. } => {
                    links.fetch_add(1, Ordering::Relaxed);
                    dies = until == Until::WelcomeAndDeath && !claim;
                    answers.push(FromServer::Welcome { id, claimed: claim });
                }
                FromClient::Send { envelope: Envelope { id, .. }, others }
                    if until == Until::Accepted =>
                {
                    let count = 1 + others.count() as u32;
                    answers.push(FromServer::Accepted { id, count, duplicate: false });
                }
                FromClient::Chunk(_) if matches!(until, Until::Chunks(most) if chunks < most) => {
                    chunks += 1;
                    answers.push(FromServer::ChunkCredit { parts: 1 });
                }
                _ => {}
            }
        }
        if !answers.is_empty() && say.send(Outgoing::Frames(encoded(&answers))).await.is_err() {
            return;
        }
        if dies {
            // The client knows by now that it is welcome.
            drop(say);
            let _ = running.await;
            return;
        }
    }
}
