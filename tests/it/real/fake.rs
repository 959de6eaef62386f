//! A server that is asked for an id, and answers as a test wants.

use std::thread::{self, JoinHandle};

use bytes::BytesMut;
use qmsg::quic::{Identity, Listener, Outgoing, Secrets, ServerSettings};
use qmsg::wire::{CloseCode, Features, FromClient, FromServer, encode};
use tokio::sync::{mpsc, oneshot};

use super::kit::DEADLINE;

/// A server that only answers the claim of an id.
pub(crate) struct Fake {
    pub(crate) address: String,
    stop: Option<oneshot::Sender<()>>,
    /// One item for each claim that arrived.
    claims: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// Answer to a claim.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Nothing,
    Close(CloseCode),
}

impl Fake {
    pub(crate) fn new(answer: Answer) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (told, tell) = std::sync::mpsc::sync_channel(1);
        let (claimed, claims) = mpsc::channel(64);
        let thread = thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(async {
                let listener = Listener::bind(&ServerSettings {
                    address: "127.0.0.1:0".parse().unwrap(),
                    identity: Identity::generate().unwrap(),
                    secrets: Secrets::generate().unwrap(),
                    body_len_max: 1 << 20,
                    handshake_deadline: DEADLINE,
                    peer_list: None,
                });
                let listener = listener.unwrap();
                told.send(listener.local_addr().to_string()).unwrap();
                tokio::select! {
                    () = answer_all(&listener, answer, claimed) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = tell.recv_timeout(DEADLINE).unwrap();
        Self { address, stop: Some(stop), claims, thread: Some(thread) }
    }

    pub(crate) fn until_claimed(&mut self) {
        self.claims.blocking_recv().unwrap();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        let _ = self.thread.take().unwrap().join();
    }
}

async fn answer_all(listener: &Listener, answer: Answer, claimed: mpsc::Sender<()>) {
    let hello = FromServer::Hello {
        time_ms: 1,
        body_len_max: 1 << 20,
        sends_max: 8,
        send_bytes_max: 1 << 20,
        version: "test".into(),
        features: Features::KNOWN,
    };
    let mut greeting = BytesMut::new();
    encode(&hello, &mut greeting);
    let greeting = greeting.freeze();
    while let Some(incoming) = listener.accept().await {
        let Ok(link) = incoming.establish(greeting.clone()).await else { continue };
        let claimed = claimed.clone();
        tokio::spawn(async move {
            let (outgoing, queue) = mpsc::channel(8);
            let (frames, mut heard) = mpsc::channel::<Vec<FromClient>>(8);
            let link = tokio::spawn(link.run(queue, frames, |frames| frames));
            while let Some(frames) = heard.recv().await {
                let is_claim =
                    |frame: &FromClient| matches!(frame, FromClient::Hello { claim: true, .. });
                if frames.iter().any(is_claim) {
                    if let Answer::Close(code) = answer {
                        let _ = outgoing.send(Outgoing::Close(code)).await;
                    }
                    let _ = claimed.send(()).await;
                }
            }
            let _ = link.await;
        });
    }
}
