//! First flights of clients, recorded by a socket that no server reads.

use std::collections::BTreeMap;

use qmsg::quic::Dialer;

use super::{to, within};

/// Clients whose first flights are recorded at a time.
const AT_ONCE: usize = 20;
/// Length of the packets of a first flight, in bytes. A client that gets no answer sends no other
/// packets as long.
const PACKET_LEN: usize = 1_200;

/// The two packets of a post-quantum client hello.
pub(crate) type Flight = [Vec<u8>; 2];

/// Records first flights of clients that send nothing after them.
pub(crate) async fn flights(count: usize) -> Vec<Flight> {
    let sink = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let settings = to(sink.local_addr().unwrap());
    let mut flights = vec![];
    while flights.len() < count {
        let dialer = Dialer::new().unwrap();
        let dial = |_| {
            let (dialer, settings) = (dialer.clone(), settings.clone());
            tokio::spawn(async move { dialer.dial(&settings).await.map(drop) })
        };
        let dials: Vec<_> = (0..AT_ONCE).map(dial).collect();
        // Packets by the connection id that the client has chosen for the server (RFC 9000,
        // section 17.2).
        let mut packets: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        while packets.values().filter(|packets| packets.len() >= 2).count() < AT_ONCE {
            let mut packet = vec![0; 2_048];
            let length = within(sink.recv(&mut packet)).await.unwrap();
            packet.truncate(length);
            if packet.len() >= PACKET_LEN {
                let id = packet[6..6 + usize::from(packet[5])].to_vec();
                packets.entry(id).or_default().push(packet);
            }
        }
        dials.iter().for_each(tokio::task::JoinHandle::abort);
        let pairs = packets.into_values().filter_map(|packets| {
            let [first, second, ..] = &packets[..] else { return None };
            Some([first.clone(), second.clone()])
        });
        flights.extend(pairs);
    }
    flights
}
