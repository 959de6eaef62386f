//! Addresses of servers and tickets, in the form that people exchange.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

use crate::quic::is_localhost;
use crate::wire::{JoinCode, PORT, Pin};

/// A server's host and port, written `HOST`, `HOST:PORT`, `[V6]:PORT` or `V6`. An IPv6 address may
/// have a zone, which a link-local one needs: `fe80::1%eth0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name or an address, an IPv6 one without brackets.
    pub host: String,
    /// The UDP port.
    pub port: u16,
}

/// The error for a text that is not a server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it HOST, HOST:PORT or [IPV6]:PORT")]
pub struct BadServer;

impl FromStr for ServerAddress {
    type Err = BadServer;

    fn from_str(text: &str) -> Result<Self, BadServer> {
        let (host, port) = split(text).ok_or(BadServer)?;
        let port = if port.is_empty() { PORT } else { port.parse().map_err(|_| BadServer)? };
        if host.is_empty() || port == 0 {
            return Err(BadServer);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// Splits a text into host and port; either may be empty.
fn split(text: &str) -> Option<(&str, &str)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').filter(|(host, _)| is_v6(host))?;
        (host, if rest.is_empty() { rest } else { rest.strip_prefix(':')? })
    } else if is_v6(text) {
        (text, "")
    } else {
        let (host, port) = text.split_once(':').unwrap_or((text, ""));
        let is_name = |c: char| c.is_alphanumeric() || ".-_".contains(c);
        (host, port).0.chars().all(is_name).then_some((host, port))?
    };
    Some((host, port))
}

/// True for an IPv6 address, with or without a zone: the name or number of an interface (RFC 4007,
/// section 11).
fn is_v6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    let is_interface = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && zone.chars().all(is_interface)
}

/// The address a server listens on: `ADDR:PORT`, `HOST:PORT`, `:PORT` for every IPv4 address, or an
/// address or name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen(ServerAddress);

/// The error for a text that is not an address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it like 127.0.0.1:4433, [::1]:4433, localhost:4433 or, for every address, :4433")]
pub(crate) struct BadListen;

impl FromStr for Listen {
    type Err = BadListen;

    fn from_str(text: &str) -> Result<Self, BadListen> {
        let (host, port) = split(text).ok_or(BadListen)?;
        // People mean a port by a number alone; the resolver would take it for an address.
        if host.is_empty() && port.is_empty()
            || host.bytes().all(|b| b.is_ascii_digit()) && port.is_empty()
        {
            return Err(BadListen);
        }
        let port = if port.is_empty() { PORT } else { port.parse().map_err(|_| BadListen)? };
        let host =
            if host.is_empty() { Ipv4Addr::UNSPECIFIED.to_string() } else { host.to_owned() };
        Ok(Self(ServerAddress { host, port }))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Listen {
    /// Resolves a host name to its first address. Blocks until the resolver answers.
    pub(crate) fn resolve(&self) -> io::Result<SocketAddr> {
        let ServerAddress { host, port } = &self.0;
        if is_localhost(host) {
            return Ok((Ipv4Addr::LOCALHOST, *port).into());
        }
        let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        (host.as_str(), *port).to_socket_addrs()?.next().ok_or_else(none)
    }

    /// The address at which others reach the server, given the resolved `address`. The zone of a
    /// link-local address is kept.
    pub(crate) fn reached(&self, address: SocketAddr) -> ServerAddress {
        let has_zone = self.0.host.contains('%');
        let host = if has_zone { self.0.host.clone() } else { address.ip().to_string() };
        ServerAddress { host, port: address.port() }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The host in a ticket whose server does not know its own name or address.
pub(crate) const PLACEHOLDER: &str = "HOST";

/// An invitation for a new user: the server's address, the pin of its key, and the right to claim
/// one id. Written `qmsg:HOST:PORT/PIN/CODE`; only the brackets of an IPv6 address need quoting in
/// some shells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinTicket {
    /// The server's address.
    pub server: ServerAddress,
    /// The pin of the server's key.
    pub pin: Pin,
    /// The one-time code for claiming an id.
    pub code: JoinCode,
}

/// The error for a text that is not a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ticket is written qmsg:HOST:PORT/PIN/CODE; copy all of it")]
pub struct BadTicket;

impl FromStr for JoinTicket {
    type Err = BadTicket;

    fn from_str(text: &str) -> Result<Self, BadTicket> {
        let mut parts = text.trim().strip_prefix("qmsg:").ok_or(BadTicket)?.split('/');
        let mut next = || parts.next().ok_or(BadTicket);
        let server = next()?.parse().map_err(|_| BadTicket)?;
        let pin = Pin(decode(next()?)?);
        let code = JoinCode(decode(next()?)?);
        if parts.next().is_some() {
            return Err(BadTicket);
        }
        Ok(Self { server, pin, code })
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], BadTicket> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BadTicket)?;
    bytes.try_into().map_err(|_| BadTicket)
}

impl fmt::Display for JoinTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pin = BASE64URL_NOPAD.encode(&self.pin.0);
        write!(f, "qmsg:{}/{pin}/{}", self.server, BASE64URL_NOPAD.encode(&self.code.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{JoinTicket, Listen, ServerAddress};
    use crate::wire::{JoinCode, Pin};

    #[test]
    fn servers() {
        for (text, shown) in [
            ("localhost", "localhost:4433"),
            ("example.org:99", "example.org:99"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("::1", "[::1]:4433"),
            ("[::1]", "[::1]:4433"),
            ("[fe80::1]:5", "[fe80::1]:5"),
            ("fe80::1%eth0", "[fe80::1%eth0]:4433"),
            ("[fe80::1%br-0.7]:5", "[fe80::1%br-0.7]:5"),
            ("[fe80::1%2]", "[fe80::1%2]:4433"),
        ] {
            let server: ServerAddress = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(server.to_string(), shown);
            assert_eq!(shown.parse(), Ok(server), "what is shown reads back");
        }
        let zones = ["fe80::1%", "[fe80::1%]:1", "[fe80::1%a/b]:1", "%eth0", "::1%a b", "h%eth0"];
        let others =
            ["", ":4433", "a:b", "a:0", "a:65536", "[::1", "[x]:1", "a b", "a/b", "[::1]x"];
        for text in zones.into_iter().chain(others) {
            assert!(text.parse::<ServerAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn places_to_listen() {
        for (text, address) in [
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0", "0.0.0.0:4433"),
            (":5000", "0.0.0.0:5000"),
            (":0", "0.0.0.0:0"),
            ("[::]", "[::]:4433"),
            ("::1", "[::1]:4433"),
            ("[::1]:7", "[::1]:7"),
        ] {
            let listen: Listen = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
            let found = listen.resolve().unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(found.to_string(), address, "{text}");
            assert_eq!(listen.reached(found).port, found.port());
        }
        let local: Listen = "localhost:9".parse().unwrap_or_else(|why| panic!("{why}"));
        assert!(local.resolve().is_ok_and(|address| address.ip().is_loopback()));
        for text in ["", ":", "5000", "a b:1", "h:x", "h:65536", "[::1", ":5000:1", "@ops"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn tickets() {
        let mut text = String::new();
        for server in ["[fe80::1%eth0]:7", "[::1]:7"] {
            let server = server.parse().unwrap_or_else(|why| panic!("{why}"));
            let ticket = JoinTicket { server, pin: Pin([200; 32]), code: JoinCode([9; 16]) };
            text = ticket.to_string();
            assert_eq!(text.parse(), Ok(ticket));
        }
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "[]:/-_".contains(c)), "{text}");
        for bad in ["", "qmsg:", "qmsg:h:1/a/b", &text[1..], &text[..text.len() - 1]] {
            assert!(bad.parse::<JoinTicket>().is_err(), "{bad}");
        }
        assert!(format!("{text}/x").parse::<JoinTicket>().is_err());
    }
}
