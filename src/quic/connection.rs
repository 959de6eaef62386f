//! One authenticated connection that carries frames.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use quinn::crypto::rustls::HandshakeData;
use quinn::{RecvStream, SendStream, VarInt};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::address::canonical;
use super::connection_end::ConnectionEnd;
use super::path_watch::PathWatch;
use super::peer_list::PeerEntry;
use super::stream::{FrameReader, FrameWriter, Outgoing};
use crate::wire::{CloseCode, Decoder, Frame, Malformed, Pin};

/// Longest wait until a close has been handed to the network.
const CLOSE_FLUSH: Duration = Duration::from_millis(20);

/// An authenticated connection on which frames of type `F` arrive. The core (`logic`) calls it a
/// link. Dropping it closes it with [`CloseCode::Done`].
pub struct Connection<F> {
    connection: quinn::Connection,
    send: SendStream,
    recv: RecvStream,
    decoder: Decoder<F>,
    pin: Pin,
    body_len_max: u64,
    /// The server's note of where the client is, held for as long as the connection lasts.
    peer_entry: Option<PeerEntry>,
    /// The client's watch over its path, if it has a socket of its own.
    path_watch: Option<PathWatch>,
}

impl<F: Frame> Connection<F> {
    pub(super) fn new(
        connection: quinn::Connection,
        (send, recv): (SendStream, RecvStream),
        pin: Pin,
        body_len_max: u64,
    ) -> Self {
        let decoder = Decoder::new(body_len_max);
        let (peer_entry, path_watch) = (None, None);
        Self { connection, send, recv, decoder, pin, body_len_max, peer_entry, path_watch }
    }

    /// Adds bytes of the stream that have been read already.
    pub(super) fn with_received_bytes(mut self, bytes: &[u8]) -> Self {
        self.decoder.push(bytes);
        self
    }

    /// Holds an entry of the server's peer list until the connection ends.
    pub(super) fn with_peer_entry(self, peer_entry: Option<PeerEntry>) -> Self {
        Self { peer_entry, ..self }
    }

    /// Watches the client's path to the server until the connection ends.
    pub(super) fn with_path_watch(self, path_watch: Option<PathWatch>) -> Self {
        Self { path_watch, ..self }
    }

    /// The pin of the key that the peer has proven.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// The address where the peer is now.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.connection.remote_address())
    }

    /// The application protocol that both sides agreed on (ALPN, RFC 7301).
    pub fn protocol(&self) -> Option<Vec<u8>> {
        self.connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
    }

    /// Carries frames until the connection ends.
    ///
    /// Arriving frames go to `incoming`: the frames of one read are one batch, which `wrap` turns
    /// into the receiver's event. While `incoming` is full nothing is read, and the peer has to
    /// stop once the receive window is full too. While the peer does not read, nothing is taken
    /// from `outgoing`. Neither direction waits for the other. When the receiver of `incoming` or
    /// the last sender of `outgoing` is gone, the connection is closed with [`CloseCode::Done`].
    ///
    /// # Delivery before a close
    ///
    /// Frames queued before [`Outgoing::Close`] are written first. If something has arrived since
    /// the last of them was written, the peer counts as having answered and the close goes out at
    /// once; QUIC drops what it has not sent by then. Otherwise the close waits, up to half a
    /// second, until the peer has acknowledged all of them. So only frames that were answered one
    /// by one are certain to have arrived.
    ///
    /// Frames that arrived before the peer's close are all delivered.
    pub async fn run<E>(
        self,
        mut outgoing: mpsc::Receiver<Outgoing>,
        incoming: mpsc::Sender<E>,
        wrap: impl Fn(Vec<F>) -> E,
    ) -> ConnectionEnd {
        let Self { connection, send, recv, decoder, body_len_max, peer_entry, path_watch, .. } =
            self;
        let _peer_entry = peer_entry;
        let unanswered = AtomicBool::new(false);
        let mut reader = FrameReader::new(&connection, recv, decoder, body_len_max, &unanswered);
        let mut writer = FrameWriter::new(&connection, send, &unanswered);
        let watching = async {
            match &path_watch {
                Some(path_watch) => path_watch.run(&connection).await,
                None => pending().await,
            }
        };
        let end = tokio::select! {
            biased;
            end = writer.send_frames(&mut outgoing) => end,
            end = reader.deliver_frames(&incoming, wrap) => end,
            () = incoming.closed() => ConnectionEnd::ClosedHere(CloseCode::Done),
            end = watching => end,
        };
        // While reader and writer still have the streams: dropping those would end them without a
        // reason.
        match end {
            ConnectionEnd::ClosedHere(code) => close(&connection, code).await,
            ConnectionEnd::Malformed(Malformed::BodyTooLong(_)) => {
                close(&connection, CloseCode::BodyTooLong).await;
            }
            ConnectionEnd::Malformed(Malformed::TooManyUnknown) => {
                close(&connection, CloseCode::OverLimit).await;
            }
            ConnectionEnd::Malformed(_) => close(&connection, CloseCode::Malformed).await,
            // The server may be reachable after all: then it learns of the end.
            ConnectionEnd::Unreachable(_) => close(&connection, CloseCode::Done).await,
            ConnectionEnd::ClosedByPeer(_) | ConnectionEnd::Lost => {}
        }
        end
    }
}

/// Closes a connection and waits until the close has left. If the process exited before, the peer
/// would wait out its idle timeout. Waiting until quinn has drained the connection would take
/// three probe timeouts.
async fn close(connection: &quinn::Connection, code: CloseCode) {
    if connection.close_reason().is_some() {
        return;
    }
    let sent = connection.stats().udp_tx.datagrams;
    connection.close(VarInt::from_u32(code.number()), b"");
    let leaving = async {
        while connection.stats().udp_tx.datagrams == sent {
            yield_now().await;
        }
    };
    let _ = timeout(CLOSE_FLUSH, leaving).await;
}
