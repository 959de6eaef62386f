//! Lookups of a name's addresses, which may take longer than one attempt to connect.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::watch;

use super::limits::ADDRESSES_MAX;

/// The resolver's result; `None` until it has answered.
type LookupResult = Option<Result<Vec<SocketAddr>, Arc<io::Error>>>;

/// The lookup of a server's name. Clones share it, so a lookup under way goes on across attempts to
/// connect, and a slow resolver is asked once.
///
/// The resolver of the C library cannot be interrupted. It runs on a thread of its own, for which
/// neither the runtime nor the end of the process waits.
#[derive(Clone, Debug, Default)]
pub struct Lookup(Arc<Mutex<Option<watch::Receiver<LookupResult>>>>);

impl Lookup {
    /// Tells whether a resolver has been asked and has not answered.
    pub fn is_under_way(&self) -> bool {
        let under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.as_ref().is_some_and(|answer| answer.borrow().is_none())
    }

    /// Finds the addresses of a host, each with this port. If the caller drops this, the lookup
    /// goes on for the next call.
    ///
    /// Addresses and `localhost` are not looked up, so no thread is started for them.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if is_localhost(host) {
            let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            return Ok(both.map(|ip| SocketAddr::new(ip, port)).to_vec());
        }
        let name = host.to_owned();
        self.join_or_start(move || Ok((name, port).to_socket_addrs()?.collect())).await
    }

    /// Waits for the lookup under way, or else for this one. Alternates the families of the result.
    async fn join_or_start(
        &self,
        resolve: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<Vec<SocketAddr>> {
        let mut answer = self.shared_channel(resolve)?;
        let found = match answer.wait_for(Option::is_some).await {
            Ok(found) => found.clone().unwrap_or_else(|| Ok(Vec::new())),
            Err(_) => Err(Arc::new(io::Error::other("the resolver broke off"))),
        };
        // The next call asks again: the server may have moved.
        self.end_lookup(&answer);
        let found = found.map_err(|error| io::Error::new(error.kind(), error))?;
        if found.is_empty() {
            return Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
        }
        Ok(interleave(found))
    }

    /// The channel of the lookup under way, or else of this one.
    fn shared_channel(
        &self,
        resolve: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<watch::Receiver<LookupResult>> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = &*under_way {
            return Ok(answer.clone());
        }
        let (sender, answer) = watch::channel(None);
        let ask = move || drop(sender.send(Some(resolve().map_err(Arc::new))));
        thread::Builder::new().name("qmsg-resolver".into()).spawn(ask)?;
        Ok(under_way.insert(answer).clone())
    }

    /// Ends the lookup with this channel, unless another has ended it and begun anew.
    fn end_lookup(&self, answer: &watch::Receiver<LookupResult>) {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.take_if(|under_way| under_way.same_channel(answer));
    }
}

/// Tells whether a host always has the same addresses, so that it need not be looked up.
pub(super) fn is_fixed(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || is_localhost(host)
}

/// Tells whether a host is this machine by its name alone: `localhost` is never looked up and
/// always loopback (RFC 6761, section 6.3).
pub fn is_localhost(host: &str) -> bool {
    host.trim_end_matches('.').eq_ignore_ascii_case("localhost")
}

/// Alternates the address families, starting with the one that the resolver prefers (RFC 8305,
/// section 4). Returns at most `ADDRESSES_MAX` addresses.
fn interleave(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = found.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv6() == preferred);
    first.reverse();
    second.reverse();
    let mut mixed = Vec::new();
    while !(first.is_empty() && second.is_empty()) {
        mixed.extend(first.pop());
        mixed.extend(second.pop());
    }
    mixed.truncate(ADDRESSES_MAX);
    mixed
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::io::{self, ErrorKind};
    use std::net::SocketAddr;
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::Lookup;

    fn address() -> SocketAddr {
        "192.0.2.1:4433".parse().unwrap()
    }

    fn never() -> io::Result<Vec<SocketAddr>> {
        panic!("a second resolver is asked")
    }

    /// A resolver that takes longer than an attempt is asked once, and its answer goes to all
    /// callers that wait. Only the next call asks again.
    #[tokio::test]
    async fn a_lookup_outlasts_the_attempt_that_began_it() {
        let lookup = Lookup::default();
        let (say, said) = mpsc::sync_channel::<()>(1);
        let slow = move || {
            said.recv().unwrap();
            Ok(vec![address()])
        };
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, lookup.join_or_start(slow)).await.is_err());
        assert!(lookup.is_under_way());
        assert!(timeout(soon, lookup.clone().join_or_start(never)).await.is_err());
        // Both wait before it answers: the branches are polled in this order.
        let answers = async { say.send(()).unwrap() };
        let (one, two, ()) =
            tokio::join!(biased; lookup.join_or_start(never), lookup.join_or_start(never), answers);
        assert_eq!((one.unwrap(), two.unwrap()), (vec![address()], vec![address()]));
        assert!(!lookup.is_under_way());
        let error =
            lookup.join_or_start(|| Err(ErrorKind::PermissionDenied.into())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let none = lookup.join_or_start(|| Ok(vec![])).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_resolver_that_breaks_off_is_an_error() {
        let lookup = Lookup::default();
        assert!(lookup.join_or_start(never).await.is_err());
        assert_eq!(lookup.join_or_start(|| Ok(vec![address()])).await.unwrap(), [address()]);
    }
}
