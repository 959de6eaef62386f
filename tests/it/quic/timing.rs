//! Exact times: both ends are on a network in memory, on a clock that moves only when nothing is
//! left to do. tokio's timers count whole milliseconds, and so do all times here, so there is no
//! tolerance.

use std::future::pending;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use qmsg::client;
use qmsg::durable::Quotas;
use qmsg::logic::{Command, Draft, Event, Intent, Limits};
use qmsg::quic::{
    ConnectionEnd, DialSettings, Dialer, HANDSHAKE_DEADLINE, HandshakeError, Identity, KEEP_ALIVE,
    Listener, ServerSettings,
};
use qmsg::wire::{Body, Envelope, Features, FromClient, Headers, MsgId, Pin, Target};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::memory::{self, socket_pair};
use super::{encoded, hello, run, settings, to};
use crate::logic::server::{START, Said, Server};

/// Delays in one direction. If the answer takes longer than a client's first timeout, its first
/// flight leaves twice.
const NEAR: Duration = Duration::from_millis(50);
const FAR: Duration = Duration::from_millis(300);
/// Time after which a client sends an unanswered flight again: the assumed round trip of 100 ms,
/// and twice as much for its variance (RFC 9002, section 6.2.2).
const FIRST_TIMEOUT: Duration = Duration::from_millis(300);
/// Idle timeout, after which silence ends a connection.
const IDLE: Duration = Duration::from_secs(45);
/// Datagrams of a client's first flight: the post-quantum key share does not fit into one.
const FIRST_FLIGHT: Range<usize> = 0..2;
const EVERYTHING: Range<usize> = 0..usize::MAX;

fn listen(end: &Arc<memory::MemorySocket>) -> Listener {
    let settings = settings(&end.address().to_string());
    let deadline = HANDSHAKE_DEADLINE;
    let settings = ServerSettings { handshake_deadline: deadline, ..settings };
    Listener::with_socket(end.clone(), &settings).unwrap()
}

/// A hub where alice and bob have joined.
fn hub(alice: Pin) -> Server {
    let mut hub = Server::new(Limits::default(), Quotas::default());
    for (name, key) in [("alice", alice), ("bob", Pin([0; 32]))] {
        let link = hub.open(key);
        let id = name.parse().unwrap();
        hub.say(
            link,
            FromClient::Hello {
                id,
                claim: true,
                code: None,
                session: None,
                features: Features::KNOWN,
            },
        );
        hub.heard(link);
        hub.lose(link);
    }
    hub
}

/// Serves one connection after the other as the server's loop does, with a store that answers at
/// once. The real store works in threads, for which a paused clock does not wait.
async fn serve(listener: Listener, mut hub: Server) {
    while let Some(incoming) = listener.accept().await {
        let link = incoming.establish(encoded(&hub.greeting())).await.unwrap();
        let id = hub.open(link.pin());
        let mut link = run(link);
        while let Some(frames) = link.incoming.recv().await {
            frames.into_iter().for_each(|frame| hub.say(id, frame));
            for said in hub.heard(id) {
                match said {
                    Said::Frame(frame) => link.write(encoded(&frame)).await,
                    Said::Close(code) => link.close(code).await,
                }
            }
        }
        hub.lose(id);
    }
}

/// Settings of the client that alice's `send` runs.
fn send_of(
    alice: Identity,
    end: &Arc<memory::MemorySocket>,
    server: &memory::MemorySocket,
) -> client::Settings {
    let id = "alice".parse().unwrap();
    client::Settings {
        dial: DialSettings {
            identity: alice,
            deadline: HANDSHAKE_DEADLINE,
            ..to(server.address())
        },
        dialer: Some(Dialer::with_socket(end.clone()).unwrap()),
        intent: Intent { id, claim: false, code: None, prefetch: None, patience_ms: Some(60_000) },
        trust_remote: true,
    }
}

/// Measures the time until a message is accepted from a client that is not connected yet, while
/// these of its datagrams are lost.
async fn cold_send(distance: Duration, lost: Range<usize>) -> Duration {
    let (near, there) = socket_pair(distance);
    let alice = Identity::generate().unwrap();
    tokio::spawn(serve(listen(&there), hub(alice.pin())));
    near.lose(lost);
    let (commands, receiver) = mpsc::channel(1);
    let (sender, mut events) = mpsc::channel(1);
    let (id, headers, body) =
        (MsgId::new(START.unix_ms, [7; 10]), Headers::default(), Body("far".into()));
    let (to, size) = (Target::User("bob".parse().unwrap()), 3);
    let draft =
        Draft { volatile: false, due_ms: None, envelope: Envelope { id, to, headers, size, body } };
    commands.send(Command::Send(vec![draft])).await.unwrap();

    let begun = Instant::now();
    let client = tokio::spawn(client::run(send_of(alice, &near, &there), receiver, sender));
    let is_accepted = |event: &Event| matches!(event, Event::Accepted { .. });
    let accepting = async { while !events.recv().await.unwrap().iter().any(is_accepted) {} };
    timeout(HANDSHAKE_DEADLINE, accepting).await.unwrap();
    let took = begun.elapsed();
    drop(commands);
    client.await.unwrap().unwrap();
    took
}

/// One round trip is the handshake, the other is the message.
#[tokio::test(start_paused = true)]
async fn a_cold_send_takes_exactly_two_round_trips() {
    for distance in [Duration::ZERO, NEAR, FAR] {
        assert_eq!(cold_send(distance, 0..0).await, 4 * distance);
    }
}

/// Satellites and full queues make paths this slow. The client repeats packets that are still under
/// way, and loses nothing else by it.
#[tokio::test(start_paused = true)]
async fn a_round_trip_may_take_ten_seconds() {
    for distance in [Duration::from_millis(1_500), Duration::from_secs(3), Duration::from_secs(5)] {
        assert_eq!(cold_send(distance, 0..0).await, 4 * distance);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_first_flight_costs_one_timeout() {
    assert_eq!(cold_send(NEAR, FIRST_FLIGHT).await, FIRST_TIMEOUT + 4 * NEAR);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_silent_in_the_handshake_is_dropped_at_its_deadline() {
    let (near, there) = socket_pair(NEAR);
    let (listener, dialer) = (listen(&there), Dialer::with_socket(near.clone()).unwrap());
    near.lose(FIRST_FLIGHT.end..usize::MAX);
    let begun = Instant::now();
    let settings = to(there.address());
    let _client = tokio::spawn(async move { dialer.dial(&settings).await.map(run) });
    let incoming = listener.accept().await.unwrap();
    assert_eq!(begun.elapsed(), NEAR);
    let link = incoming.establish(encoded(&hello())).await;
    assert!(matches!(link, Err(HandshakeError::TooSlow)), "{:?}", link.err());
    assert_eq!(begun.elapsed(), NEAR + HANDSHAKE_DEADLINE);
}

/// Both ends of an idle connection on which the client sends keep-alives.
#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_noticed_after_the_idle_timeout() {
    let (near, there) = socket_pair(NEAR);
    let (listener, dialer) = (listen(&there), Dialer::with_socket(near.clone()).unwrap());
    let settings = DialSettings { keep_alive: Some(KEEP_ALIVE), ..to(there.address()) };
    let accepting = async {
        let incoming = listener.accept().await.unwrap();
        incoming.establish(encoded(&hello())).await.unwrap()
    };
    let (server, client) = tokio::join!(accepting, dialer.dial(&settings));
    let (server, client) = (run(server), run(client.unwrap()));
    let hours = Duration::from_secs(3 * 3600);
    timeout(hours, pending::<()>()).await.unwrap_err();
    assert!(!server.end.is_finished() && !client.end.is_finished());

    near.lose(EVERYTHING);
    there.lose(EVERYTHING);
    let server = async { (server.end.await.unwrap(), there.received_at().elapsed()) };
    let client = async { (client.end.await.unwrap(), near.received_at().elapsed()) };
    let (server, client) = tokio::join!(server, client);
    assert_eq!(server, (ConnectionEnd::Lost, IDLE));
    // The client's idle time starts with the unanswered keep-alive, the first packet that wants an
    // answer.
    assert_eq!(client, (ConnectionEnd::Lost, KEEP_ALIVE + IDLE));
}
