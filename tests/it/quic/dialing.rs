//! Connecting to a server by name and address, and the errors of failed attempts.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::raw::Raw;
use super::{encoded, hello, listen, pair, pair_with, settings, to, within};
use qmsg::quic::{DialError, Dialer, Identity, KEEP_ALIVE, Listener, Trust, dial};
use qmsg::wire::{CloseCode, Pin};

fn greeting() -> bytes::Bytes {
    encoded(&hello())
}

#[tokio::test]
async fn the_pinned_key_is_taken() {
    let mut server = settings("127.0.0.1:0");
    server.identity = Identity::generate().unwrap();
    let listener = Listener::bind(&server).unwrap();
    let mut client = to(listener.local_addr());
    client.trust = Trust::Pin(server.identity.pin());
    let (_, link) = pair_with(&listener, &client).await;
    assert_eq!(link.pin(), server.identity.pin());
    client.trust = Trust::AnyAndReport;
    let (_, link) = pair_with(&listener, &client).await;
    assert_eq!(link.pin(), server.identity.pin());
}

#[tokio::test]
async fn connections_of_one_dialer_share_its_socket() {
    let dialer = Dialer::new().unwrap();
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = Listener::bind(&settings(address)) else { continue };
        let client = to(listener.local_addr());
        let mut linked = Vec::new();
        for _ in 0..3 {
            let accepting = async {
                listener.accept().await.unwrap().establish(bytes::Bytes::from_static(b"\0")).await
            };
            let both = async { tokio::join!(accepting, dialer.dial(&client)) };
            let (accepted, dialled) = within(both).await;
            linked.push((accepted.unwrap(), dialled.unwrap()));
        }
        let (first, second) = (linked[0].0.remote_address(), linked[1].0.remote_address());
        assert_eq!(first, second);
        assert_eq!(linked[2].0.remote_address(), first);
    }
}

#[tokio::test]
async fn another_key_is_refused_and_reported() {
    let server = settings("127.0.0.1:0");
    let listener = Listener::bind(&server).unwrap();
    let mut client = to(listener.local_addr());
    let expected = Pin([1; 32]);
    client.trust = Trust::Pin(expected);
    let accepting = async { listener.accept().await.unwrap().establish(bytes::Bytes::new()).await };
    let (accepted, dialled) = within(async { tokio::join!(accepting, dial(&client)) }).await;
    assert!(accepted.is_err());
    match dialled {
        Err(DialError::WrongPin { expected: e, found }) => {
            assert_eq!((e, found), (expected, server.identity.pin()));
        }
        other => panic!("{:?}", other.err()),
    }
}

#[tokio::test]
async fn a_closed_port_is_reported_at_once() {
    let closed = {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let mut client = to(closed);
    for host in ["127.0.0.1", "localhost"] {
        client.host = host.into();
        let begun = Instant::now();
        let error = within(dial(&client)).await.err();
        assert!(matches!(error, Some(DialError::NoAnswer { refused: true })), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_silent_port_costs_the_deadline_and_no_more() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut client = to(silent.local_addr().unwrap());
    client.deadline = Duration::from_millis(300);
    let begun = Instant::now();
    let error = within(dial(&client)).await.err();
    assert!(matches!(error, Some(DialError::NoAnswer { refused: false })), "{error:?}");
    assert!(begun.elapsed() >= client.deadline);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_server_that_never_speaks_is_no_answer() {
    let (server, address) = Raw::default().server();
    let mut client = to(address);
    client.deadline = Duration::from_millis(300);
    let accepting = async { server.accept().await.unwrap().await };
    let (_accepted, dialled) = within(async { tokio::join!(accepting, dial(&client)) }).await;
    assert!(matches!(dialled, Err(DialError::NoAnswer { refused: false })));
}

/// A wrong server on the first of two addresses does not keep a client from the right one on the
/// second.
#[tokio::test]
async fn the_right_server_is_found_behind_a_wrong_one() {
    for is_late in [false, true] {
        let right = settings("[::1]:0");
        let Ok(v6) = Listener::bind(&right) else { return };
        let port = v6.local_addr().port();
        let wrong = settings(&format!("127.0.0.1:{port}"));
        let Ok(v4) = Listener::bind(&wrong) else { return };
        let mut client = to(v6.local_addr());
        client.host = "localhost".into();
        client.trust = Trust::Pin(right.identity.pin());
        let turning_away = async {
            let incoming = v4.accept().await.unwrap();
            if is_late { incoming.refuse() } else { drop(incoming.establish(greeting()).await) }
        };
        let accepting = async { v6.accept().await.unwrap().establish(greeting()).await.unwrap() };
        let all = async { tokio::join!(turning_away, accepting, dial(&client)) };
        let ((), _server, dialled) = within(all).await;
        assert_eq!(dialled.unwrap().remote_address(), v6.local_addr());
    }
}

/// A wrong server is reported a few seconds later at the latest, even if no other address answers.
#[tokio::test]
async fn a_wrong_server_is_reported_though_another_address_is_silent() {
    let wrong = settings("127.0.0.1:0");
    let v4 = Listener::bind(&wrong).unwrap();
    let Ok(_silent) = UdpSocket::bind(("::1", v4.local_addr().port())) else { return };
    let mut client = to(v4.local_addr());
    client.host = "localhost".into();
    client.trust = Trust::Pin(Pin([1; 32]));
    let accepting = async { v4.accept().await.unwrap().establish(greeting()).await };
    let begun = Instant::now();
    let (_, dialled) = within(async { tokio::join!(accepting, dial(&client)) }).await;
    assert!(matches!(dialled, Err(DialError::WrongPin { .. })), "{:?}", dialled.err());
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

/// A client that waits sends the packets of one handshake again. Much later it begins a second
/// handshake, and no others.
#[tokio::test]
async fn a_waiting_client_repeats_its_handshake() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut client = to(silent.local_addr().unwrap());
    client.deadline = Duration::from_millis(9_000);
    let begun = Instant::now();
    let (mut ids, mut first, mut times) = (BTreeMap::new(), None, 0);
    let counting = async {
        loop {
            let mut packet = [0; 2_048];
            let length = silent.recv(&mut packet).await.unwrap();
            // Port probes have one byte.
            if length > 1 {
                ids.entry(packet[6..14].to_vec()).or_insert_with(|| begun.elapsed());
                let packet = packet[..length].to_vec();
                times += u32::from(first.get_or_insert_with(|| packet.clone()) == &packet);
            }
        }
    };
    tokio::select! {
        () = counting => {}
        result = dial(&client) => assert!(result.is_err()),
    }
    let mut times_begun: Vec<Duration> = ids.into_values().collect();
    times_begun.sort();
    assert_eq!(times_begun.len(), 2);
    assert!(times_begun[1] >= Duration::from_secs(8), "{times_begun:?}");
    // The first time, then every second or two. quinn's own repetitions are other packets.
    assert!((4..=9).contains(&times), "{times} times");
}

#[tokio::test]
async fn a_client_turned_away_knows_the_server_is_busy() {
    let listener = listen();
    let client = to(listener.local_addr());
    let refusing = async { listener.accept().await.unwrap().refuse() };
    let ((), dialled) = within(async { tokio::join!(refusing, dial(&client)) }).await;
    assert!(matches!(dialled, Err(DialError::Closed(Some(CloseCode::Busy)))));
}

#[tokio::test]
async fn localhost_is_either_loopback_address() {
    let v4 = listen();
    for name in ["localhost", "LOCALHOST", "localhost."] {
        let mut client = to(v4.local_addr());
        client.host = name.into();
        let (_, link) = pair_with(&v4, &client).await;
        assert_eq!(link.remote_address(), v4.local_addr());
    }
    // A machine without IPv6 has no second address to try.
    let Ok(v6) = Listener::bind(&settings("[::1]:0")) else { return };
    let mut client = to(v6.local_addr());
    client.host = "localhost".into();
    let begun = Instant::now();
    let (_, link) = pair_with(&v6, &client).await;
    assert_eq!(link.remote_address(), v6.local_addr());
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn the_second_address_is_tried_while_the_first_is_silent() {
    let Ok(v6) = Listener::bind(&settings("[::1]:0")) else { return };
    let port = v6.local_addr().port();
    let Ok(_silent) = UdpSocket::bind(("127.0.0.1", port)) else { return };
    let mut client = to(v6.local_addr());
    client.host = "localhost".into();
    let (_, link) = pair_with(&v6, &client).await;
    assert_eq!(link.remote_address(), v6.local_addr());
}

#[tokio::test]
async fn a_socket_for_all_addresses_takes_both_families() {
    let Ok(listener) = Listener::bind(&settings("[::]:0")) else { return };
    let port = listener.local_addr().port();
    for host in ["127.0.0.1", "::1"] {
        let ip = host.parse().unwrap();
        let (server, client) = pair_with(&listener, &to(SocketAddr::new(ip, port))).await;
        assert_eq!(server.remote_address().ip(), ip);
        assert_eq!(client.remote_address().ip(), ip);
    }
    assert_eq!(listener.local_addr().ip(), Ipv6Addr::UNSPECIFIED);
}

#[tokio::test]
async fn a_name_without_an_address_is_reported() {
    let mut client = to("127.0.0.1:1".parse().unwrap());
    // A name that never exists (RFC 6761, section 6.4), with a label too long to be looked up.
    client.host = format!("{}.invalid", "a".repeat(64));
    let error = within(dial(&client)).await.err();
    assert!(matches!(error, Some(DialError::Resolve { .. })), "{error:?}");
}

#[tokio::test]
async fn a_port_in_use_is_reported_with_its_address() {
    let listener = listen();
    let taken = settings(&listener.local_addr().to_string());
    let error = Listener::bind(&taken).err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on {}", listener.local_addr()));
}

#[tokio::test]
async fn the_granted_udp_buffers_are_reported() {
    let listener = listen();
    let buffers = listener.buffers().unwrap();
    assert_eq!(buffers.asked, Some(4 << 20));
    assert!(buffers.receive > 0 && buffers.send > 0);
    let mut client = to(listener.local_addr());
    client.keep_alive = Some(KEEP_ALIVE);
    pair_with(&listener, &client).await;
    pair(&listener).await;
}
