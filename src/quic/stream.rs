//! The two halves of a connection's one stream, each carrying frames in one direction.

use std::future::{pending, poll_fn};
use std::mem::take;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::connection_end::{ConnectionEnd, LINGER};
use super::transport::WINDOW;
use crate::wire::{CloseCode, Decoder, Frame};

/// Packets read at once. At about 1,400 bytes each they make batches of at most some 46 KB.
const READ_CHUNKS: usize = 32;
/// Small frames are collected into writes of this length, in bytes. quinn's costs grow with the
/// number of writes that are not acknowledged.
const WRITE_LEN: usize = 32 << 10;
/// Frames from this length on, in bytes, are written as they are, without a copy.
const WRITE_ALONE_LEN: usize = 4 << 10;

/// One command to a connection. Commands are carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Send these encoded frames, one or many.
    Frames(Bytes),
    /// Close the connection with this code.
    Close(CloseCode),
}

/// The half that receives frames.
pub(super) struct FrameReader<'a, F> {
    connection: &'a quinn::Connection,
    recv: RecvStream,
    decoder: Decoder<F>,
    body_len_max: u64,
    unanswered: &'a AtomicBool,
}

impl<'a, F: Frame> FrameReader<'a, F> {
    /// Reads frames from `recv`, after those in the decoder. Clears `unanswered` whenever
    /// something arrives.
    pub(super) fn new(
        connection: &'a quinn::Connection,
        recv: RecvStream,
        decoder: Decoder<F>,
        body_len_max: u64,
        unanswered: &'a AtomicBool,
    ) -> Self {
        Self { connection, recv, decoder, body_len_max, unanswered }
    }

    /// Puts the frames of each read into `incoming` as one batch, until the stream ends.
    pub(super) async fn deliver_frames<E>(
        &mut self,
        incoming: &mpsc::Sender<E>,
        wrap: impl Fn(Vec<F>) -> E,
    ) -> ConnectionEnd {
        loop {
            let mut frames = Vec::new();
            let malformed = loop {
                match self.decoder.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break None,
                    Err(malformed) => break Some(malformed),
                }
            };
            if !frames.is_empty() && incoming.send(wrap(frames)).await.is_err() {
                return ConnectionEnd::ClosedHere(CloseCode::Done);
            }
            if let Some(malformed) = malformed {
                return ConnectionEnd::Malformed(malformed);
            }
            match self.fill_decoder().await {
                Ok(true) => {}
                Ok(false) | Err(ReadError::Reset(_)) => {
                    return ConnectionEnd::after_stream_end(self.connection).await;
                }
                Err(ReadError::ConnectionLost(error)) => return error.into(),
                Err(_) => return ConnectionEnd::Lost,
            }
            self.unanswered.store(false, Ordering::Relaxed);
        }
    }

    /// Waits for bytes and gives them to the decoder. Returns false at the end of the stream.
    async fn fill_decoder(&mut self) -> Result<bool, ReadError> {
        let mut chunks = [const { Bytes::new() }; READ_CHUNKS];
        let count = {
            let mut reading = pin!(self.recv.read_chunks(&mut chunks));
            poll_fn(|context| {
                let polled = reading.as_mut().poll(context);
                // A new decoder has no buffer: idle connections hold no memory for one.
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

/// The half that sends frames.
pub(super) struct FrameWriter<'a> {
    connection: &'a quinn::Connection,
    send: SendStream,
    unanswered: &'a AtomicBool,
}

impl<'a> FrameWriter<'a> {
    /// Writes frames to `send`. Sets `unanswered` with each write.
    pub(super) fn new(
        connection: &'a quinn::Connection,
        send: SendStream,
        unanswered: &'a AtomicBool,
    ) -> Self {
        Self { connection, send, unanswered }
    }

    /// Carries out commands until one closes the connection or their senders are gone, then waits
    /// until the peer has what was written.
    pub(super) async fn send_frames(
        &mut self,
        outgoing: &mut mpsc::Receiver<Outgoing>,
    ) -> ConnectionEnd {
        match self.write_until_close(outgoing).await {
            Ok(code) => {
                self.linger().await;
                ConnectionEnd::ClosedHere(code)
            }
            Err(WriteError::ConnectionLost(_)) => {
                // The reader returns the reason once it has delivered what had arrived. The queue
                // is emptied meanwhile: its sender may be the one that empties the reader's queue.
                while outgoing.recv().await.is_some() {}
                pending().await
            }
            Err(WriteError::Stopped(_)) => ConnectionEnd::after_stream_end(self.connection).await,
            Err(_) => ConnectionEnd::Lost,
        }
    }

    /// Writes frames as they come. Returns the code to close with.
    async fn write_until_close(
        &mut self,
        outgoing: &mut mpsc::Receiver<Outgoing>,
    ) -> Result<CloseCode, WriteError> {
        let mut is_window_open = false;
        while let Some(first) = outgoing.recv().await {
            if !is_window_open {
                // The server sends its first frame after the greeting once it knows the client.
                // From then on that client may fill the whole window. A client's window has this
                // size from the start.
                self.connection.set_receive_window(VarInt::from_u32(WINDOW));
                is_window_open = true;
            }
            let mut small = BytesMut::new();
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
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

    /// Waits, at most for `LINGER`, until the peer has acknowledged what it has not answered. A
    /// close makes QUIC drop what it has not sent yet or would have to send again.
    async fn linger(&mut self) {
        if self.unanswered.load(Ordering::Relaxed) && self.send.finish().is_ok() {
            let _ = timeout(LINGER, self.send.stopped()).await;
        }
    }
}
