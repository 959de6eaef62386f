//! Frames in both directions, and the ends of connections.

use std::time::{Duration, Instant};

use super::{
    big, deliver, encoded, encoded_all, enter, hello, listen, pair, run, send, settled, to, within,
};
use qmsg::quic::{ConnectionEnd, Identity, Outgoing};
use qmsg::wire::ALPN;
use qmsg::wire::{CloseCode, Malformed};
use tokio::sync::mpsc;

#[tokio::test]
async fn the_greeting_arrives_and_both_sides_know_each_other() {
    let listener = listen();
    let mut settings = to(listener.local_addr());
    settings.identity = Identity::generate().unwrap();
    let (server, client) = super::pair_with(&listener, &settings).await;
    assert_eq!(server.pin(), settings.identity.pin());
    assert_ne!(client.pin(), server.pin());
    assert_eq!(client.remote_address(), listener.local_addr());
    assert!(server.remote_address().ip().is_loopback());
    assert_eq!(client.protocol().as_deref(), Some(ALPN));
    assert_eq!(server.protocol().as_deref(), Some(ALPN));
    let mut client = run(client);
    assert_eq!(client.read(1).await, [hello()]);
}

#[tokio::test]
async fn frames_arrive_in_order_both_ways() {
    let listener = listen();
    let (server, client) = pair(&listener).await;
    let (mut server, mut client) = (run(server), run(client));
    assert_eq!(client.read(1).await, [hello()]);
    for at in 0..500 {
        client.write(encoded(&enter(at))).await;
        server.write(encoded(&settled(at as u32))).await;
    }
    assert_eq!(server.read(500).await, (0..500).map(enter).collect::<Vec<_>>());
    assert_eq!(client.read(500).await, (0..500).map(settled).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_body_between_small_frames_keeps_its_place() {
    let listener = listen();
    let (server, client) = pair(&listener).await;
    let (mut server, client) = (run(server), run(client));
    let (short, long) = (send(&big(5_000)), send(&big(100_000)));
    let between = [enter(2), enter(3)];
    let frames = [&[enter(1)], &short[..], &between, &long[..1], &[enter(4)], &long[1..]].concat();
    for frame in &frames {
        client.write(encoded(frame)).await;
    }
    assert_eq!(server.read(frames.len()).await, frames);
}

#[tokio::test]
async fn large_bodies_cross_at_once() {
    let listener = listen();
    let (server, client) = pair(&listener).await;
    let (mut server, mut client) = (run(server), run(client));
    let body = big(1 << 20);
    for _ in 0..4 {
        client.write(encoded_all(&send(&body))).await;
        server.write(encoded_all(&deliver(&body))).await;
    }
    let (sent, delivered) = (vec![send(&body); 4].concat(), vec![deliver(&body); 4].concat());
    assert!(server.read(sent.len()).await == sent);
    assert!(client.read(1 + delivered.len()).await[1..] == delivered);
}

#[tokio::test]
async fn a_side_that_does_not_read_still_sends() {
    let listener = listen();
    let (server, client) = pair(&listener).await;
    let (outgoing, receiver) = mpsc::channel(64);
    let (sender, mut stuck) = mpsc::channel(1);
    let client = tokio::spawn(client.run(receiver, sender, |frames| frames));
    let mut server = run(server);
    for _ in 0..8 {
        // More than the queue, window and send buffer of this direction can hold.
        server.write(encoded_all(&deliver(&big(1 << 20)))).await;
    }
    outgoing.send(Outgoing::Frames(encoded(&enter(1)))).await.unwrap();
    assert_eq!(server.read(1).await, [enter(1)]);
    let mut count = 0;
    while count < 9 {
        count += within(stuck.recv()).await.unwrap().len();
    }
    drop(stuck);
    assert_eq!(within(client).await.unwrap(), ConnectionEnd::ClosedHere(CloseCode::Done));
}

#[tokio::test]
async fn a_close_is_seen_at_once_with_its_reason() {
    let listener = listen();
    let begun = Instant::now();
    let (server, client) = pair(&listener).await;
    let (server, mut client) = (run(server), run(client));
    client.read(1).await;
    client.close(CloseCode::Done).await;
    assert_eq!(client.end().await, ConnectionEnd::ClosedHere(CloseCode::Done));
    assert_eq!(server.end().await, ConnectionEnd::ClosedByPeer(Some(CloseCode::Done)));
    // Far less than the idle timeout of 45 s.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn every_close_code_reaches_the_client() {
    let listener = listen();
    for code in CloseCode::ALL {
        let (server, client) = pair(&listener).await;
        let (server, mut client) = (run(server), run(client));
        client.read(1).await;
        server.close(code).await;
        assert_eq!(client.end().await, ConnectionEnd::ClosedByPeer(Some(code)));
        assert_eq!(server.end().await, ConnectionEnd::ClosedHere(code));
    }
}

#[tokio::test]
async fn frames_queued_before_a_close_arrive_before_it() {
    let listener = listen();
    let (server, client) = pair(&listener).await;
    let (outgoing, receiver) = mpsc::channel(64);
    let (sender, _incoming) = mpsc::channel(64);
    let body = big(1 << 20);
    for _ in 0..3 {
        outgoing.send(Outgoing::Frames(encoded_all(&send(&body)))).await.unwrap();
    }
    outgoing.send(Outgoing::Frames(encoded(&enter(1)))).await.unwrap();
    outgoing.send(Outgoing::Close(CloseCode::OverLimit)).await.unwrap();
    let mut server = run(server);
    server.write(encoded(&settled(1))).await;
    let client = tokio::spawn(client.run(receiver, sender, |frames| frames));
    let count = 3 * send(&body).len();
    let frames = server.read(count + 1).await;
    assert_eq!(frames[count], enter(1));
    assert_eq!(within(client).await.unwrap(), ConnectionEnd::ClosedHere(CloseCode::OverLimit));
    assert_eq!(server.end().await, ConnectionEnd::ClosedByPeer(Some(CloseCode::OverLimit)));
}

#[tokio::test]
async fn a_connection_ends_with_either_of_its_queues() {
    let listener = listen();
    let (server, client) = pair(&listener).await;
    let (server, client) = (run(server), run(client));
    drop(client.outgoing);
    assert_eq!(within(client.end).await.unwrap(), ConnectionEnd::ClosedHere(CloseCode::Done));
    assert_eq!(server.end().await, ConnectionEnd::ClosedByPeer(Some(CloseCode::Done)));

    let (server, client) = pair(&listener).await;
    let (server, client) = (run(server), run(client));
    drop(server.incoming);
    assert_eq!(within(server.end).await.unwrap(), ConnectionEnd::ClosedHere(CloseCode::Done));
    assert_eq!(client.end().await, ConnectionEnd::ClosedByPeer(Some(CloseCode::Done)));
}

#[tokio::test]
async fn a_dropped_connection_is_closed() {
    let listener = listen();
    let (server, client) = pair(&listener).await;
    let server = run(server);
    drop(client);
    assert_eq!(server.end().await, ConnectionEnd::ClosedByPeer(Some(CloseCode::Done)));
}

#[tokio::test]
async fn a_closed_listener_ends_its_connections_and_accepts_no_more() {
    let listener = listen();
    let (server, client) = pair(&listener).await;
    let (server, client) = (run(server), run(client));
    within(listener.close()).await;
    assert!(within(listener.accept()).await.is_none());
    assert_eq!(server.end().await, ConnectionEnd::ClosedHere(CloseCode::Stopping));
    assert_eq!(client.end().await, ConnectionEnd::ClosedByPeer(Some(CloseCode::Stopping)));
}

#[tokio::test]
async fn malformed_bytes_end_one_connection() {
    let listener = listen();
    let (good_server, good_client) = pair(&listener).await;
    let (mut good_server, good_client) = (run(good_server), run(good_client));
    let cases: [(&[u8], Malformed); 4] = [
        (&[0xff; 4], Malformed::FrameTooLong(u32::MAX >> 1)),
        (&[1, 0, 0, 0, 0xee], Malformed::Undecodable),
        (&[0, 0, 0, 0], Malformed::Undecodable),
        // A chunk (variant 2) of a body that has not begun.
        (&[3, 0, 0, 0, 2, 1, 9], Malformed::Chunk),
    ];
    for (bytes, why) in cases {
        let (server, client) = pair(&listener).await;
        let (mut server, client) = (run(server), run(client));
        client.write(encoded(&enter(1))).await;
        client.write(bytes::Bytes::from_static(bytes)).await;
        // Frames that arrived before are still delivered.
        assert_eq!(server.read(1).await, [enter(1)]);
        assert_eq!(server.end().await, ConnectionEnd::Malformed(why), "{bytes:?}");
        assert_eq!(client.end().await, ConnectionEnd::ClosedByPeer(Some(CloseCode::Malformed)));
    }
    good_client.write(encoded(&enter(5))).await;
    assert_eq!(good_server.read(1).await, [enter(5)]);
}

#[tokio::test]
async fn a_body_over_the_limit_ends_the_connection_with_its_own_code() {
    let listener = listen();
    let (server, client) = pair(&listener).await;
    let (server, client) = (run(server), run(client));
    let length = super::BODY_LEN_MAX + 1;
    client.write(encoded_all(&send(&big(length as usize)))).await;
    assert_eq!(server.end().await, ConnectionEnd::Malformed(Malformed::BodyTooLong(length)));
    assert_eq!(client.end().await, ConnectionEnd::ClosedByPeer(Some(CloseCode::BodyTooLong)));
}
