//! One connection, its one stream, and the frames on it.

use std::future::{pending, poll_fn};
use std::mem::take;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::ear::Ear;
use super::hail;
use super::obstacle::Obstacle;
use super::roam;
use super::roll::Entry;
use super::transport::WINDOW;
use crate::wire::{CloseCode, Decoder, Frame, Malformed, Pin};

/// Packets taken from the stream at once: frames of some 46 KB make one batch.
const READ_CHUNKS: usize = 32;
/// Bytes of small frames that make a write. quinn's costs grow with the number of writes that are
/// not acknowledged.
const WRITE_LEN: usize = 32 << 10;
/// From here on frames are written as they are, shared, not copied into a larger write.
const WRITE_ALONE_LEN: usize = 4 << 10;
/// How long frames queued before a close may take to be acknowledged.
const LINGER: Duration = Duration::from_millis(500);
/// How long a side whose peer has ended the stream waits for the close that says why.
const REASON_WAIT: Duration = LINGER.saturating_mul(2);
/// How long a close may take to be handed to the network.
const CLOSE_FLUSH: Duration = Duration::from_millis(20);

/// What a link is told to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Send these encoded frames, one or many.
    Frames(Bytes),
    /// End the link and say why.
    Close(CloseCode),
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer ended it; `None` is a reason without a name here.
    Closed(Option<CloseCode>),
    /// The peer is gone: silent for too long, restarted, or not speaking QUIC any more.
    Lost,
    /// There is no way to the peer any more, as this machine says.
    Blocked(Obstacle),
    /// The peer sent bytes that are not frames, and was told.
    Malformed(Malformed),
    /// We ended it.
    Ours(CloseCode),
}

impl From<ConnectionError> for End {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                Self::Closed(CloseCode::from_number(close.error_code.into_inner()))
            }
            // Links close their connections themselves; the only other who does is the listener.
            ConnectionError::LocallyClosed => Self::Ours(CloseCode::Stopping),
            _ => Self::Lost,
        }
    }
}

/// An authenticated connection on which frames of type `F` arrive. Dropped, it is closed with
/// [`CloseCode::Done`].
pub struct Link<F> {
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
    decoder: Decoder<F>,
    pin: Pin,
    body_len_max: u64,
    side: Side,
}

/// What a link has to see beside its frames: a restart of the server, another network.
#[derive(Default)]
pub(super) struct Side {
    /// The server's: where the next process finds it.
    pub(super) _entry: Option<Entry>,
    /// The client's, if its socket is its own: what it hears that process by.
    pub(super) ear: Option<Arc<Ear>>,
    /// The client's, if it is to last: it follows this machine to other addresses.
    pub(super) roams: bool,
}

impl<F: Frame> Link<F> {
    pub(super) fn new(
        connection: Connection,
        (send, recv): (SendStream, RecvStream),
        pin: Pin,
        body_len_max: u64,
        side: Side,
    ) -> Self {
        let decoder = Decoder::new(body_len_max);
        Self { connection, send, recv, decoder, pin, body_len_max, side }
    }

    /// With bytes of the stream that have been read already.
    pub(super) fn begun_with(mut self, bytes: &[u8]) -> Self {
        self.decoder.push(bytes);
        self
    }

    /// The key that the peer has proven.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// Where the peer is now.
    pub fn remote(&self) -> SocketAddr {
        canonical(self.connection.remote_address())
    }

    /// The protocol that both sides agreed on.
    pub fn protocol(&self) -> Option<Vec<u8>> {
        self.connection.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
    }

    /// Carries frames until the link ends.
    ///
    /// Frames that arrive go to `incoming`, all that one read brought as one batch, made into the
    /// receiver's event by `wrap`. While `incoming` is full nothing is read, and the peer has to
    /// stop once the window is full too; while the peer does not read, nothing is taken from
    /// `outgoing`. Neither direction waits for the other. When `incoming` is gone or `outgoing` has
    /// no sender left the link is closed with [`CloseCode::Done`].
    ///
    /// # What arrives before a close
    ///
    /// Frames queued before [`Outgoing::Close`] are written first. If the peer has been heard since
    /// the last of them, it is taken to have answered and the close goes out at once; what QUIC has
    /// not sent by then it drops. Otherwise the link waits, up to half a second, until the peer has
    /// all of them. So only what was answered, frame for frame, is certain to have arrived.
    ///
    /// Frames that arrived before the peer's close are all delivered.
    pub async fn run<E>(
        self,
        mut outgoing: mpsc::Receiver<Outgoing>,
        incoming: mpsc::Sender<E>,
        wrap: impl Fn(Vec<F>) -> E,
    ) -> End {
        let Self { connection, mut send, mut recv, decoder, body_len_max, side, .. } = self;
        let unanswered = AtomicBool::new(false);
        let connection = &connection;
        let unanswered = &unanswered;
        let mut reader = Reader { connection, recv: &mut recv, decoder, body_len_max, unanswered };
        let mut writer = Writer { connection, send: &mut send, unanswered };
        let end = tokio::select! {
            biased;
            end = writer.run(&mut outgoing) => end,
            end = reader.run(&incoming, wrap) => end,
            () = incoming.closed() => End::Ours(CloseCode::Done),
            end = side.wait(connection) => end,
        };
        // Before the streams are dropped, which would end them without a reason.
        match end {
            End::Ours(code) => close(connection, code).await,
            End::Malformed(Malformed::BodyTooLong(_)) => {
                close(connection, CloseCode::BodyTooLong).await;
            }
            End::Malformed(_) => close(connection, CloseCode::Malformed).await,
            // A server that is there after all is to know.
            End::Blocked(_) => close(connection, CloseCode::Done).await,
            End::Closed(_) | End::Lost => {}
        }
        end
    }
}

impl Side {
    /// Does what is to be done beside the frames, until the link is of no use any more.
    async fn wait(&self, connection: &Connection) -> End {
        let Some(ear) = &self.ear else { return pending().await };
        tokio::select! {
            () = hail::answer(ear, connection) => pending().await,
            () = ear.repeat() => pending().await,
            end = roam::follow(ear), if self.roams => end,
        }
    }
}

struct Reader<'a, F> {
    connection: &'a Connection,
    recv: &'a mut RecvStream,
    decoder: Decoder<F>,
    body_len_max: u64,
    unanswered: &'a AtomicBool,
}

impl<F: Frame> Reader<'_, F> {
    async fn run<E>(&mut self, incoming: &mpsc::Sender<E>, wrap: impl Fn(Vec<F>) -> E) -> End {
        loop {
            let mut frames = Vec::new();
            let wrong = loop {
                match self.decoder.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break None,
                    Err(malformed) => break Some(malformed),
                }
            };
            if !frames.is_empty() && incoming.send(wrap(frames)).await.is_err() {
                return End::Ours(CloseCode::Done);
            }
            if let Some(malformed) = wrong {
                return End::Malformed(malformed);
            }
            match self.read().await {
                Ok(true) => {}
                Ok(false) | Err(ReadError::Reset(_)) => return reason(self.connection).await,
                Err(ReadError::ConnectionLost(error)) => return error.into(),
                Err(_) => return End::Lost,
            }
            self.unanswered.store(false, Ordering::Relaxed);
        }
    }

    /// Fills the decoder with what has arrived, false at the end of the stream.
    async fn read(&mut self) -> Result<bool, ReadError> {
        let mut chunks = [const { Bytes::new() }; READ_CHUNKS];
        let count = {
            let mut reading = pin!(self.recv.read_chunks(&mut chunks));
            poll_fn(|context| {
                let polled = reading.as_mut().poll(context);
                // An idle link keeps no buffer.
                if polled.is_pending() && self.decoder.is_at_boundary() {
                    self.decoder = Decoder::new(self.body_len_max);
                }
                polled
            })
            .await?
        };
        for chunk in chunks.iter().take(count.unwrap_or(0)) {
            self.decoder.push(chunk);
        }
        Ok(count.is_some())
    }
}

struct Writer<'a> {
    connection: &'a Connection,
    send: &'a mut SendStream,
    unanswered: &'a AtomicBool,
}

impl Writer<'_> {
    async fn run(&mut self, outgoing: &mut mpsc::Receiver<Outgoing>) -> End {
        match self.write_all(outgoing).await {
            Ok(code) => {
                self.linger().await;
                End::Ours(code)
            }
            Err(WriteError::ConnectionLost(_)) => {
                // The reader tells why once it has delivered what had arrived. Until then the queue
                // must not stand still: who fills it may be who empties the reader's.
                while outgoing.recv().await.is_some() {}
                pending().await
            }
            Err(WriteError::Stopped(_)) => reason(self.connection).await,
            Err(_) => End::Lost,
        }
    }

    /// Writes what comes until there is a reason to close.
    async fn write_all(
        &mut self,
        outgoing: &mut mpsc::Receiver<Outgoing>,
    ) -> Result<CloseCode, WriteError> {
        let mut grown = false;
        while let Some(first) = outgoing.recv().await {
            if !grown {
                // The server answers nobody before it knows who that is: its first word after the
                // greeting is where the client's window grows. A client's has this size already.
                self.connection.set_receive_window(VarInt::from_u32(WINDOW));
                grown = true;
            }
            let mut small = BytesMut::new();
            let mut next = Some(first);
            while let Some(item) = next {
                match item {
                    Outgoing::Close(code) => {
                        self.write(small.freeze()).await?;
                        return Ok(code);
                    }
                    Outgoing::Frames(bytes) if bytes.len() < WRITE_ALONE_LEN => {
                        small.extend_from_slice(&bytes);
                        if small.len() >= WRITE_LEN {
                            self.write(take(&mut small).freeze()).await?;
                        }
                    }
                    Outgoing::Frames(bytes) => {
                        self.write(take(&mut small).freeze()).await?;
                        self.write(bytes).await?;
                    }
                }
                next = outgoing.try_recv().ok();
            }
            self.write(small.freeze()).await?;
        }
        Ok(CloseCode::Done)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.unanswered.store(true, Ordering::Relaxed);
        self.send.write_chunk(bytes).await
    }

    /// Waits, within reason, until the peer has what it has not answered: a close makes QUIC forget
    /// what it has not sent, and what it would have to send again.
    async fn linger(&mut self) {
        if self.unanswered.load(Ordering::Relaxed) && self.send.finish().is_ok() {
            let _ = timeout(LINGER, self.send.stopped()).await;
        }
    }
}

/// Why the connection ends whose stream the peer has ended.
async fn reason(connection: &Connection) -> End {
    match timeout(REASON_WAIT, connection.closed()).await {
        Ok(error) => error.into(),
        Err(_) => End::Closed(None),
    }
}

/// Closes, and lets the close be sent: a process that exits at once would take it along, and the
/// peer would wait out its idle timeout. Waiting until the connection is drained would take three
/// probe timeouts.
async fn close(connection: &Connection, code: CloseCode) {
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

/// An IPv4 address as such, also where it came in by a socket for both families.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
