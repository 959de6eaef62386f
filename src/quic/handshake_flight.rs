//! The datagrams of a client's handshake that the server has not confirmed yet.

use quinn::udp::Transmit;

use super::limits::{FIRST_FLIGHT_MAX, LAST_FLIGHT_MAX, PACKET_LEN_MIN};

/// Datagrams with short headers after which the server has shown that it has received the last
/// flight. It sends one earlier, with its greeting.
const CONFIRMING_COUNT: u32 = 2;

/// The flight to send again: the client's first until the server answers, then its last until the
/// server confirms the handshake. quinn sends a lost flight again only after it has waited several
/// times as long as the server took to answer.
#[derive(Debug, Default)]
pub(super) struct HandshakeFlight {
    datagrams: Vec<Vec<u8>>,
    is_answered: bool,
    /// Datagrams received with short headers.
    short_headers: u32,
}

impl HandshakeFlight {
    /// Notes what quinn sends, if it belongs to a flight.
    pub(super) fn record_sent(&mut self, transmit: &Transmit<'_>) {
        let length = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        let (wanted, max) = match self.is_answered {
            false => (is_initial(transmit.contents), FIRST_FLIGHT_MAX),
            // Larger datagrams probe the path's MTU.
            true => (!self.is_confirmed() && length <= PACKET_LEN_MIN, LAST_FLIGHT_MAX),
        };
        if wanted {
            for datagram in transmit.contents.chunks(length) {
                if self.datagrams.len() < max {
                    self.datagrams.push(datagram.to_owned());
                }
            }
        }
    }

    /// Notes a datagram from the server.
    pub(super) fn record_received(&mut self, datagram: &[u8]) {
        self.short_headers =
            self.short_headers.saturating_add(u32::from(!has_long_header(datagram)));
        if !self.is_answered || self.is_confirmed() {
            self.datagrams.clear();
        }
        // After a Retry the client sends another first flight.
        self.is_answered |= !is_retry(datagram);
    }

    /// Tells whether the server has received the last flight, so that nothing is sent again.
    pub(super) fn is_confirmed(&self) -> bool {
        self.short_headers >= CONFIRMING_COUNT
    }

    /// The datagrams to send again.
    pub(super) fn datagrams(&self) -> &[Vec<u8>] {
        &self.datagrams
    }

    /// A random byte: the first of the connection id, which follows flags, version and length in
    /// the client's first datagram. 0 if there is no datagram.
    pub(super) fn random_byte(&self) -> u8 {
        self.datagrams.first().and_then(|first| first.get(6)).copied().unwrap_or(0)
    }
}

/// Tells a long header of type Initial (RFC 9000, section 17.2.2).
fn is_initial(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0xf0 == 0xc0)
}

/// Tells a long header (RFC 9000, section 17.2).
fn has_long_header(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0x80 != 0)
}

/// Tells a long header of type Retry (RFC 9000, section 17.2.5).
fn is_retry(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0xf0 == 0xf0)
}
