//! Peers of another make, and hostile ones: the limits of what they can do.

use std::task::Poll;
use std::time::Duration;

use super::flights::flights;
use super::raw::Raw;
use super::{big, encoded, enter, hello, listen, run, settings, to, within};
use bytes::Bytes;
use qmsg::quic::{Connection, DialError, HandshakeError, Listener, RETRY_ABOVE, dial};
use qmsg::wire::{CloseCode, FromClient};
use quinn::{ConnectionError, TransportErrorCode};
use tokio::net::UdpSocket;

/// Connects a raw client. Returns the result on the server and the one on the client.
async fn connect(
    listener: &Listener,
    raw: &Raw,
) -> (Result<Connection<FromClient>, HandshakeError>, Result<quinn::Connection, ConnectionError>) {
    let endpoint = raw.client();
    let connecting = endpoint.connect(listener.local_addr(), "raw.example").unwrap();
    let accepting = async { listener.accept().await.unwrap().establish(encoded(&hello())).await };
    within(async { tokio::join!(accepting, connecting) }).await
}

fn alert(error: &ConnectionError) -> Option<TransportErrorCode> {
    match error {
        ConnectionError::ConnectionClosed(close) => Some(close.error_code),
        ConnectionError::TransportError(error) => Some(error.code),
        _ => None,
    }
}

#[tokio::test]
async fn a_client_without_exactly_one_certificate_is_refused() {
    let listener = listen();
    for certificates in [0, 2] {
        let (link, client) = connect(&listener, &Raw { certificates, ..Raw::default() }).await;
        assert!(matches!(link, Err(HandshakeError::Failed(_))), "{certificates} certificates");
        // The client's handshake is over before the server has seen its certificate.
        let closed = within(client.unwrap().closed()).await;
        assert!(alert(&closed).is_some(), "{closed}");
    }
    assert!(connect(&listener, &Raw::default()).await.0.is_ok());
}

#[tokio::test]
async fn another_protocol_version_is_recognised() {
    let other = Raw { alpn: b"qmsg/2", ..Raw::default() };
    let listener = listen();
    let (link, client) = connect(&listener, &other).await;
    assert!(link.is_err());
    assert_eq!(alert(&client.unwrap_err()), Some(TransportErrorCode::crypto(120)));

    let (server, address) = other.server();
    let accepting = async { server.accept().await.unwrap().await };
    let settings = to(address);
    let (_, dialled) = within(async { tokio::join!(accepting, dial(&settings)) }).await;
    assert!(matches!(dialled, Err(DialError::Version)), "{:?}", dialled.err());
}

/// Version negotiation (RFC 9000, section 6) offers version 1 of QUIC and no drafts.
#[tokio::test]
async fn version_1_is_offered_and_no_other() {
    let listener = listen();
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (theirs, ours) = ([7; 8], [8; 8]);
    for version in [0xff00_001d_u32, 0x6b33_43cf, 0x1a2a_3a4a] {
        let mut packet = vec![0xc0];
        packet.extend(version.to_be_bytes());
        for id in [&theirs, &ours] {
            packet.push(id.len() as u8);
            packet.extend(id);
        }
        packet.resize(1_200, 0);
        client.send_to(&packet, listener.local_addr()).await.unwrap();
        let mut answer = [0; 2_048];
        let length = within(client.recv(&mut answer)).await.unwrap();
        let (versions, rest) = answer[23..length].as_chunks::<4>();
        let offered: Vec<u32> = versions.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
        // Reserved versions are offered so that clients learn to ignore unknown ones (section 15).
        let real: Vec<u32> =
            offered.into_iter().filter(|v| v & 0x0f0f_0f0f != 0x0a0a_0a0a).collect();
        assert_eq!((real, rest), (vec![1], &[][..]));
    }
}

/// Before the handshake is over QUIC cannot carry the reason of a close. The client must not take
/// it for another protocol version.
#[tokio::test]
async fn a_handshake_that_the_server_closes_was_too_slow() {
    let (server, address) = Raw::default().server();
    let ending = async {
        let mut connecting = server.accept().await.unwrap().accept().unwrap();
        connecting.handshake_data().await.unwrap();
        let (connection, _) = connecting.into_0rtt().unwrap();
        connection.close(9u32.into(), b"");
        connection
    };
    let settings = to(address);
    let (_, dialled) = within(async { tokio::join!(ending, dial(&settings)) }).await;
    let code = match dialled {
        Err(DialError::Closed(code)) => code,
        other => panic!("{:?}", other.err()),
    };
    assert!(code == Some(CloseCode::TooSlow) || code == CloseCode::from_number(9), "{code:?}");
}

#[tokio::test]
async fn both_sides_support_the_post_quantum_key_exchange() {
    let only = Raw { only_post_quantum: true, ..Raw::default() };
    let listener = listen();
    let (link, client) = connect(&listener, &only).await;
    assert!(link.is_ok() && client.is_ok());

    let (server, address) = only.server();
    let accepting = async {
        let connection = server.accept().await.unwrap().await.unwrap();
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(&encoded(&hello())).await.unwrap();
        (connection, send, recv)
    };
    let settings = to(address);
    let (_held, dialled) = within(async { tokio::join!(accepting, dial(&settings)) }).await;
    assert_eq!(run(dialled.unwrap()).read(1).await, [hello()]);
}

#[tokio::test]
async fn nothing_is_resumed_and_no_data_is_early() {
    let listener = listen();
    let endpoint = Raw::default().client();
    for _ in 0..2 {
        let connecting = endpoint.connect(listener.local_addr(), "raw.example").unwrap();
        let connecting = connecting.into_0rtt().map(|_| ()).expect_err("a ticket was issued");
        let accepting =
            async { listener.accept().await.unwrap().establish(encoded(&hello())).await };
        let (link, client) = within(async { tokio::join!(accepting, connecting) }).await;
        let client = client.unwrap();
        // A ticket would have arrived with the greeting or before it.
        let (_send, mut recv) = within(client.accept_bi()).await.unwrap();
        within(recv.read_chunk(1, true)).await.unwrap().unwrap();
        drop(link);
        within(client.closed()).await;
    }
}

/// Polls once. An operation that QUIC's flow control allows completes at once.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn a_client_can_open_nothing() {
    let listener = listen();
    let (link, client) = connect(&listener, &Raw::default()).await;
    let (mut server, client) = (run(link.unwrap()), client.unwrap());
    let (mut send, _recv) = within(client.accept_bi()).await.unwrap();
    send.write_all(&encoded(&enter(1))).await.unwrap();
    assert_eq!(server.read(1).await, [enter(1)]);
    // The handshake is over, so the server has given all the credit that it gives.
    assert!(at_once(client.open_bi()).await.is_none());
    assert!(at_once(client.open_uni()).await.is_none());
    assert_eq!(client.max_datagram_size(), None);
    assert!(client.send_datagram(Bytes::from_static(b"x")).is_err());
}

#[tokio::test]
async fn an_unknown_client_has_a_small_window() {
    let listener = listen();
    let (link, client) = connect(&listener, &Raw::default()).await;
    let (mut send, _recv) = within(client.as_ref().unwrap().accept_bi()).await.unwrap();
    let bytes = big(1 << 20);
    assert_eq!(at_once(send.write(&bytes)).await.unwrap().unwrap(), 64 << 10);
    assert!(at_once(send.write(&bytes)).await.is_none());
    drop(link);
}

#[tokio::test]
async fn a_server_can_open_one_stream_only() {
    let (server, address) = Raw::default().server();
    let settings = to(address);
    let accepting = async {
        let connection = server.accept().await.unwrap().await.unwrap();
        let (mut send, recv) = connection.open_bi().await.unwrap();
        send.write_all(&encoded(&hello())).await.unwrap();
        (connection, send, recv)
    };
    let (held, dialled) = within(async { tokio::join!(accepting, dial(&settings)) }).await;
    let mut client = run(dialled.unwrap());
    assert_eq!(client.read(1).await, [hello()]);
    assert!(at_once(held.0.open_bi()).await.is_none());
    assert!(at_once(held.0.open_uni()).await.is_none());
    assert_eq!(held.0.max_datagram_size(), None);
}

#[tokio::test]
async fn a_client_that_falls_silent_in_the_handshake_is_dropped() {
    let mut settings = settings("127.0.0.1:0");
    settings.handshake_deadline = Duration::from_millis(100);
    let listener = Listener::bind(&settings).unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for datagram in flights(1).await.remove(0) {
        silent.send_to(&datagram, listener.local_addr()).await.unwrap();
    }
    let incoming = within(listener.accept()).await.unwrap();
    assert_eq!(incoming.remote_address(), silent.local_addr().unwrap());
    let link = within(incoming.establish(encoded(&hello()))).await;
    assert!(matches!(link, Err(HandshakeError::TooSlow)), "{:?}", link.err());
}

#[tokio::test]
async fn under_a_flood_addresses_must_be_proven_first() {
    let listener = listen();
    let address = listener.local_addr();
    let flood = Raw::default().client();
    let mut connecting = Vec::new();
    let mut half_open = Vec::new();
    for _ in 0..RETRY_ABOVE {
        connecting.push(flood.connect(address, "raw.example").unwrap());
        half_open.push(within(listener.accept()).await.unwrap());
    }
    // A forged address gets only a small Retry packet (RFC 9000, section 17.2.5).
    let forged = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    forged.send_to(&flights(1).await[0][0], address).await.unwrap();
    let mut answer = [0; 2048];
    let receiving = async {
        tokio::select! {
            length = forged.recv(&mut answer) => length.unwrap(),
            _ = listener.accept() => panic!("accepted without proof"),
        }
    };
    let length = within(receiving).await;
    assert_eq!(answer[0] & 0xb0, 0xb0, "a long header of type Retry");
    assert!(length < 400, "{length}");
    // A real client is accepted, one round trip later.
    let (_server, client) = super::pair(&listener).await;
    assert_eq!(run(client).read(1).await, [hello()]);
}
