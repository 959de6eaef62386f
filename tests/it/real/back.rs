//! Return of a server after an outage: listeners are connected again at once.

use std::time::{Duration, Instant};

use super::kit::{DEADLINE, Home, Running, Server, Stream};
use super::wait::{pause, until_file};
use crate::chance::number;

const LISTENERS: usize = 20;
/// Bound far below the 20 s after which a listener without a restart notice would see the loss.
const SOON: Duration = Duration::from_secs(5);

/// Starts listeners, ends the server once it knows their addresses, and starts it again. Returns
/// the time that each listener took to show a message of the new server.
fn times(home: &Home, ends: impl Fn(Server), away: Duration) -> Vec<Duration> {
    let ids: Vec<String> = (0..LISTENERS).map(|number| format!("bob{number}")).collect();
    let first = home.serve(&[]);
    let address = first.address.clone();
    home.join(&first, &["alice"]);
    ids.iter().for_each(|id| home.join(&first, &[id]));
    first.stop("TERM");
    // The server has no other links: once it counts that many, it knows every listener's address.
    let server = home.serve_on(&address, &[]);
    let mut listeners: Vec<Running> = ids.iter().map(|id| home.listen(&["--as", id])).collect();
    until_file(&home.data().join("links"), |text| text.lines().count() >= LISTENERS);
    ends(server);
    // All listeners have time to dial in vain.
    pause(away);
    let _server = home.serve_on(&address, &[]);
    let begun = Instant::now();
    home.run(&["send", "@all", "--as", "alice", "back"]).ok();
    let mut shown = |listener: &mut Running| {
        listener.until_in(DEADLINE, Stream::Out, "back\n");
        begun.elapsed()
    };
    let mut times: Vec<Duration> = listeners.iter_mut().map(&mut shown).collect();
    times.sort();
    times
}

#[test]
fn after_a_kill_listeners_are_back_at_once() {
    let away = number("PROOF_AWAY_SECONDS", 0);
    for ends_orderly in [false, true] {
        let home = Home::new();
        let ends = |server: Server| match ends_orderly {
            true => assert_eq!(server.stop("TERM").0, Some(143)),
            false => server.kill(),
        };
        let times = times(&home, ends, Duration::from_secs(away));
        let how = if ends_orderly { "SIGTERM" } else { "kill -9" };
        let (half, last) = (times[LISTENERS / 2], times[LISTENERS - 1]);
        println!(
            "{how}, {away} s away: {LISTENERS} listeners back in {half:?}, {last:?} (p50, last)"
        );
        assert!(last < SOON, "{times:?}");
    }
}
