//! Connections over real sockets of the loopback interface. Tests of exact times use sockets in
//! memory.

mod connections;
mod dialing;
mod early;
mod files;
pub(crate) mod flights;
mod hostile;
mod memory;
pub(crate) mod raw;
mod restart;
mod timing;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use qmsg::quic::{
    Connection, ConnectionEnd, DialSettings, Identity, Listener, Lookup, Outgoing, Secrets,
    ServerSettings, Trust, dial,
};
use qmsg::wire::{
    Body, BundleRest, CHUNK_LEN_MAX, CloseCode, Envelope, Features, Frame, FromClient, FromServer,
    Headers, Message, MsgId, RoomName, Target, UserId, encode,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Deadline of each step: far longer than any takes, far shorter than an idle timeout.
const PATIENCE: Duration = Duration::from_secs(10);
const BODY_LEN_MAX: u64 = 1 << 20;

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

pub(crate) fn settings(address: &str) -> ServerSettings {
    ServerSettings {
        address: address.parse().unwrap(),
        identity: Identity::generate().unwrap(),
        secrets: Secrets::generate().unwrap(),
        body_len_max: BODY_LEN_MAX,
        handshake_deadline: PATIENCE,
        peer_list: None,
    }
}

fn listen() -> Listener {
    Listener::bind(&settings("127.0.0.1:0")).unwrap()
}

fn to(server: SocketAddr) -> DialSettings {
    DialSettings {
        host: server.ip().to_string(),
        port: server.port(),
        lookup: Lookup::default(),
        trust: Trust::AnyAndReport,
        identity: Identity::generate().unwrap(),
        deadline: PATIENCE,
        keep_alive: None,
        body_len_max: BODY_LEN_MAX,
    }
}

fn hello() -> FromServer {
    FromServer::Hello {
        time_ms: 1,
        body_len_max: BODY_LEN_MAX,
        sends_max: 8,
        send_bytes_max: 1 << 22,
        version: "test".into(),
        features: Features::KNOWN,
    }
}

fn encoded<F: Frame>(frame: &F) -> Bytes {
    let mut out = BytesMut::new();
    encode(frame, &mut out);
    out.freeze()
}

fn encoded_all<F: Frame>(frames: &[F]) -> Bytes {
    frames.iter().flat_map(encoded).collect()
}

fn enter(room: usize) -> FromClient {
    FromClient::JoinRoom(format!("room-{room}").parse::<RoomName>().unwrap())
}

fn settled(count: u32) -> FromServer {
    FromServer::AckRecorded { count }
}

fn big(length: usize) -> Bytes {
    (0..length).map(|at| (at / 251 + at) as u8).collect()
}

/// Splits a body into parts as frames carry them: its size, the first part, the others.
fn split_body(body: &Bytes) -> (u64, Body, impl Iterator<Item = Body>) {
    let mut parts = body.chunks(CHUNK_LEN_MAX).map(|part| Body(body.slice_ref(part)));
    (body.len() as u64, parts.next().unwrap_or_default(), parts)
}

fn send(body: &Bytes) -> Vec<FromClient> {
    let (size, first, parts) = split_body(body);
    let (id, headers) = (MsgId::new(1, [7; 10]), Headers::default());
    let head = FromClient::Send {
        envelope: Envelope { id, to: Target::All, headers, size, body: first },
        others: BundleRest::default(),
    };
    std::iter::once(head).chain(parts.map(FromClient::Chunk)).collect()
}

fn deliver(body: &Bytes) -> Vec<FromServer> {
    let (size, first, parts) = split_body(body);
    let message = Message {
        from: "alice".parse::<UserId>().unwrap(),
        time_ms: 1,
        envelope: Envelope {
            id: MsgId::new(1, [7; 10]),
            to: Target::All,
            headers: Headers::default(),
            size,
            body: first,
        },
    };
    let head = FromServer::deliver(1, &message.into());
    std::iter::once(head).chain(parts.map(FromServer::Chunk)).collect()
}

/// Both ends of a new connection, with the greeting still on its way.
async fn pair(listener: &Listener) -> (Connection<FromClient>, Connection<FromServer>) {
    pair_with(listener, &to(listener.local_addr())).await
}

async fn pair_with(
    listener: &Listener,
    settings: &DialSettings,
) -> (Connection<FromClient>, Connection<FromServer>) {
    let accepting = async {
        let incoming = listener.accept().await.unwrap();
        incoming.establish(encoded(&hello())).await.unwrap()
    };
    let (server, client) = within(async { tokio::join!(accepting, dial(settings)) }).await;
    (server, client.unwrap())
}

/// A running connection, seen from its queues.
pub(crate) struct Running<F> {
    pub(crate) outgoing: mpsc::Sender<Outgoing>,
    pub(crate) incoming: mpsc::Receiver<Vec<F>>,
    end: JoinHandle<ConnectionEnd>,
}

pub(crate) fn run<F: Frame + Send + 'static>(connection: Connection<F>) -> Running<F> {
    let (outgoing, receiver) = mpsc::channel(64);
    let (sender, incoming) = mpsc::channel(64);
    let end = tokio::spawn(connection.run(receiver, sender, |frames| frames));
    Running { outgoing, incoming, end }
}

impl<F> Running<F> {
    async fn write(&self, bytes: Bytes) {
        within(self.outgoing.send(Outgoing::Frames(bytes))).await.unwrap();
    }

    async fn close(&self, code: CloseCode) {
        within(self.outgoing.send(Outgoing::Close(code))).await.unwrap();
    }

    /// Waits for the next `count` frames.
    pub(crate) async fn read(&mut self, count: usize) -> Vec<F> {
        let mut frames = Vec::new();
        while frames.len() < count {
            frames.extend(within(self.incoming.recv()).await.unwrap());
        }
        frames
    }

    pub(crate) async fn end(self) -> ConnectionEnd {
        within(self.end).await.unwrap()
    }
}
