//! Messages that expire before anybody reads them.

use qmsg::durable::{Disposition, Write};
use qmsg::wire::{Headers, Seq};

use super::server::Server;
use super::{CAUGHT_UP, attach, brief, processed, seqs, server, settled, skipped};

/// Alice, and bob who reads later, with messages that live 0, 5, 10, … seconds; every other one
/// never expires.
fn waiting() -> Server {
    let mut server = server();
    let alice = server.link("alice");
    server.link("bob");
    for n in 1..=6 {
        let ttl = if n % 2 == 0 { String::new() } else { (5 * (n - 1)).to_string() };
        server.say(alice, brief(n, "bob", &ttl));
    }
    server.work();
    server.take_said();
    server
}

/// Seqs that were written as expired, each with its time.
fn expired(server: &mut Server) -> Vec<(Seq, u64)> {
    let verdicts = server.batch.iter().flat_map(|(_, write)| match write {
        Write::Ack { verdicts, .. } => verdicts.clone(),
        _ => vec![],
    });
    verdicts
        .map(|(seq, verdict, time_ms)| {
            assert_eq!(verdict, Disposition::Expired);
            (seq, time_ms)
        })
        .collect()
}

#[test]
fn what_is_over_is_not_delivered_and_counts_as_processed() {
    for (seconds, over) in [(0, vec![1]), (9, vec![1]), (10, vec![1, 3]), (60, vec![1, 3, 5])] {
        let mut server = waiting();
        server.pass(seconds * 1_000);
        server.commit();
        server.answer_writes();
        let bob = server.link("bob");
        server.say(bob, attach(10, 1_000));
        while server.reads.front().is_some() || server.found.front().is_some() {
            server.look();
            server.answer_read();
        }
        let now_ms = server.now.unix_ms;
        let all: Vec<_> = over.iter().map(|seq| (*seq, now_ms)).collect();
        assert_eq!(expired(&mut server), all, "in one write");
        assert_eq!(server.batch.len(), 1);
        let left: Vec<Seq> = (1..=6).filter(|seq| !over.contains(seq)).collect();
        let said = server.heard(bob);
        assert_eq!(seqs(&said), left, "after {seconds} s");
        assert_eq!(said.last(), Some(&CAUGHT_UP), "nothing is said of it");
        server.say(bob, processed(left));
        server.heard(bob);
        assert_eq!(server.store.cursor("bob", "bob").through, 6);
    }
}

#[test]
fn what_a_reader_has_does_not_expire() {
    let mut server = waiting();
    let bob = server.reader("bob");
    assert_eq!(seqs(&server.heard(bob)), [2, 3, 4, 5, 6]);
    server.pass(60_000);
    let two = server.reader("bob");
    assert_eq!(seqs(&server.heard(two)), [2, 4, 6]);
    server.say(bob, processed([3]));
    assert_eq!(server.heard(bob), [settled(1)]);
    // A released message expires when it is met again.
    server.say(bob, skipped([5]));
    server.lose(two);
    let three = server.reader("bob");
    assert_eq!(seqs(&server.heard(three)), [2, 4, 6]);
    server.say(three, processed([2, 4, 6]));
    server.heard(three);
    assert_eq!(server.store.cursor("bob", "bob").through, 6);
}

#[test]
fn who_reads_now_is_given_it_however_short_it_lives() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.take_said();
    server.say(alice, brief(1, "bob", "0"));
    assert_eq!(seqs(&server.heard(bob)), [1]);
    server.lose(bob);
    let bob = server.reader("bob");
    assert_eq!(server.heard(bob), [CAUGHT_UP]);
}

#[test]
fn a_time_to_live_is_whole_seconds() {
    for (value, ttl_ms) in [
        ("0", Some(0)),
        ("90", Some(90_000)),
        ("007", Some(7_000)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("", None),
        ("+5", None),
        ("-5", None),
        ("1.5", None),
        ("5s", None),
        (" 5", None),
    ] {
        let headers = |name: &str| Headers::new(vec![(name.into(), value.into())]).unwrap();
        assert_eq!(headers("ttl").ttl_ms(), ttl_ms, "{value:?}");
        assert_eq!(headers("title").ttl_ms(), None);
    }
    assert_eq!(Headers::default().ttl_ms(), None);
}
