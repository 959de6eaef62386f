//! Servers and tickets as people pass them on.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

use crate::wire::{JoinCode, PORT, Pin};

/// A server's host and port, written `HOST`, `HOST:PORT`, `[V6]:PORT` or `V6`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an address, an IPv6 one without brackets.
    pub host: String,
    /// The UDP port.
    pub port: u16,
}

/// Why a text is not a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it HOST, HOST:PORT or [IPV6]:PORT")]
pub struct BadServer;

impl FromStr for Server {
    type Err = BadServer;

    fn from_str(text: &str) -> Result<Self, BadServer> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(BadServer)?;
            host.parse::<Ipv6Addr>().map_err(|_| BadServer)?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")).ok_or(BadServer)?)
        } else if text.parse::<Ipv6Addr>().is_ok() {
            (text, "")
        } else {
            text.split_once(':').unwrap_or((text, ""))
        };
        let named = |c: char| c.is_alphanumeric() || ".-_:%".contains(c);
        if host.is_empty() || !host.chars().all(named) {
            return Err(BadServer);
        }
        let port = if port.is_empty() { PORT } else { port.parse().map_err(|_| BadServer)? };
        if port == 0 {
            return Err(BadServer);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One string to give to a new user: where the server is, which key it has, and the right to claim
/// one id. Written `qmsg:HOST:PORT/PIN/CODE`; only the brackets of an IPv6 address need quoting in
/// some shells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where.
    pub server: Server,
    /// Whose key.
    pub pin: Pin,
    /// The one-time right.
    pub code: JoinCode,
}

/// Why a text is not a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ticket is written qmsg:HOST:PORT/PIN/CODE; copy all of it")]
pub struct BadTicket;

impl FromStr for Ticket {
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

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pin = BASE64URL_NOPAD.encode(&self.pin.0);
        write!(f, "qmsg:{}/{pin}/{}", self.server, BASE64URL_NOPAD.encode(&self.code.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Server, Ticket};
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
        ] {
            let server: Server = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(server.to_string(), shown);
            assert_eq!(shown.parse(), Ok(server), "what is shown reads back");
        }
        for text in ["", ":4433", "a:b", "a:0", "a:65536", "[::1", "[x]:1", "a b", "a/b", "[::1]x"]
        {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
    }

    #[test]
    fn tickets() {
        let server = "[::1]:7".parse().unwrap_or_else(|why| panic!("{why}"));
        let ticket = Ticket { server, pin: Pin([200; 32]), code: JoinCode([9; 16]) };
        let text = ticket.to_string();
        assert_eq!(text.parse(), Ok(ticket));
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "[]:/-_".contains(c)), "{text}");
        for bad in ["", "qmsg:", "qmsg:h:1/a/b", &text[1..], &text[..text.len() - 1]] {
            assert!(bad.parse::<Ticket>().is_err(), "{bad}");
        }
        assert!(format!("{text}/x").parse::<Ticket>().is_err());
    }
}
