//! Looking up the addresses of a name, which may take longer than one attempt to reach them.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::watch;

/// Addresses of one name that are tried.
pub(super) const ADDRESSES_MAX: usize = 8;

/// What a resolver said; `None` while it has said nothing.
type Answer = Option<Result<Vec<SocketAddr>, Arc<io::Error>>>;

/// The lookup of a server's name. Clones share it, so that one which is under way goes on over all
/// attempts to dial, and a resolver that is slow is asked once.
///
/// The resolver of the C library cannot be interrupted. It runs on a thread of its own, which no
/// runtime and no exit waits for.
#[derive(Clone, Debug, Default)]
pub struct Lookup(Arc<Mutex<Option<watch::Receiver<Answer>>>>);

impl Lookup {
    /// Whether a resolver has been asked and has not answered.
    pub fn is_under_way(&self) -> bool {
        let under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.as_ref().is_some_and(|answer| answer.borrow().is_none())
    }

    /// The addresses of a host with a port. Dropped, it leaves the lookup to the next call.
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
        self.ask(move || Ok((name, port).to_socket_addrs()?.collect())).await
    }

    /// What the resolver says that is asked already, or else this one.
    async fn ask(
        &self,
        resolve: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<Vec<SocketAddr>> {
        let mut answer = self.begun(resolve)?;
        let found = match answer.wait_for(Option::is_some).await {
            Ok(found) => found.clone().unwrap_or_else(|| Ok(Vec::new())),
            Err(_) => Err(Arc::new(io::Error::other("the resolver broke off"))),
        };
        // The next call asks anew: a server may have moved.
        self.forget(&answer);
        let found = found.map_err(|error| io::Error::new(error.kind(), error))?;
        if found.is_empty() {
            return Err(io::Error::new(ErrorKind::NotFound, "the name has no address"));
        }
        Ok(interleave(found))
    }

    fn begun(
        &self,
        resolve: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> io::Result<watch::Receiver<Answer>> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = &*under_way {
            return Ok(answer.clone());
        }
        let (sender, answer) = watch::channel(None);
        let ask = move || drop(sender.send(Some(resolve().map_err(Arc::new))));
        thread::Builder::new().name("qmsg-resolver".into()).spawn(ask)?;
        Ok(under_way.insert(answer).clone())
    }

    fn forget(&self, answer: &watch::Receiver<Answer>) {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.take_if(|under_way| under_way.same_channel(answer));
    }
}

/// Whether a host has the same addresses for ever.
pub(super) fn is_fixed(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok() || is_localhost(host)
}

/// Whether a host is this one by its name alone: never looked up, always loopback (RFC 6761,
/// section 6.3).
pub fn is_localhost(host: &str) -> bool {
    host.trim_end_matches('.').eq_ignore_ascii_case("localhost")
}

/// Both families by turns, starting with the one that the resolver prefers (RFC 8305, section 4).
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

    /// A resolver that takes longer than an attempt is asked once, and what it says in the end is
    /// for all who wait; only the next call asks again.
    #[tokio::test]
    async fn a_lookup_outlasts_the_attempt_that_began_it() {
        let lookup = Lookup::default();
        let (say, said) = mpsc::sync_channel::<()>(1);
        let slow = move || {
            said.recv().unwrap();
            Ok(vec![address()])
        };
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, lookup.ask(slow)).await.is_err());
        assert!(lookup.is_under_way());
        assert!(timeout(soon, lookup.clone().ask(never)).await.is_err());
        // Both wait before it answers: the branches are polled in this order.
        let answers = async { say.send(()).unwrap() };
        let (one, two, ()) = tokio::join!(biased; lookup.ask(never), lookup.ask(never), answers);
        assert_eq!((one.unwrap(), two.unwrap()), (vec![address()], vec![address()]));
        assert!(!lookup.is_under_way());
        let error = lookup.ask(|| Err(ErrorKind::PermissionDenied.into())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let none = lookup.ask(|| Ok(vec![])).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_resolver_that_breaks_off_is_an_error() {
        let lookup = Lookup::default();
        assert!(lookup.ask(never).await.is_err());
        assert_eq!(lookup.ask(|| Ok(vec![address()])).await.unwrap(), [address()]);
    }
}
