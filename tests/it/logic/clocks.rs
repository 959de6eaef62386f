//! The wall clock is set while messages expire, are due, or are swept.

use qmsg::durable::Write;

use super::parked::later;
use super::server::{START, Server};
use super::{id, server, user};

const HOUR_MS: u64 = 60 * 60 * 1000;

/// Sets the clock ahead by hours, and sweeps every hour, `count` times. Returns the sweeps' time
/// limits, in hours since the start.
fn sweeps(server: &mut Server, ahead: i64, count: usize) -> Vec<u64> {
    server.set_clock(ahead * HOUR_MS.cast_signed());
    let sweep = |_| {
        server.pass(HOUR_MS);
        let found = server.batch.iter().find_map(|(_, write)| match write {
            Write::Sweep { now_ms } => Some((*now_ms - START.unix_ms) / HOUR_MS),
            _ => None,
        });
        server.work();
        found.unwrap()
    };
    (0..count).map(sweep).collect()
}

fn hours(first: u64, count: u64) -> Vec<u64> {
    (first..first + count).collect()
}

#[test]
fn a_leap_ahead_is_believed_when_it_has_stood() {
    let mut server = server();
    assert_eq!(sweeps(&mut server, 0, 3), hours(1, 3));
    let month = 40 * 24;
    let swept = sweeps(&mut server, month, 48);
    let doubted = swept.iter().take_while(|at| **at < month.cast_unsigned()).count();
    assert!((24..48).contains(&doubted), "for {doubted} hours");
    let believed = hours(month.cast_unsigned() + 4, 48);
    assert_eq!(swept, [&hours(4, 48)[..doubted], &believed[doubted..]].concat());
}

#[test]
fn a_leap_that_is_taken_back_counts_for_nothing() {
    let mut server = server();
    let mut first = 1;
    // Leaps may follow one another, also smaller ones.
    for ahead in [0, 1_000, 0, 1_000, 2_000, 1, 0] {
        let count = if ahead == 0 { 30 } else { 7 };
        let swept = sweeps(&mut server, ahead, count);
        assert_eq!(swept, hours(first, count as u64), "{ahead} hours ahead");
        first += count as u64;
    }
}

/// A machine that sleeps eight hours a day: sweeps lag by a few days at most.
#[test]
fn leaps_day_by_day_do_not_add_up() {
    let mut server = server();
    for day in 0..60 {
        let now = (day + 1) * 24;
        let swept = *sweeps(&mut server, day * 8, 16).last().unwrap();
        assert!((now - 8 - 3 * 8..=now - 8).contains(&swept.cast_signed()), "day {day}: {swept}");
    }
}

#[test]
fn a_step_back_is_believed_at_once() {
    let mut server = server();
    sweeps(&mut server, 0, 3);
    sweeps(&mut server, 100, 60);
    assert_eq!(sweeps(&mut server, 10, 2), hours(10 + 64, 2));
    assert_eq!(sweeps(&mut server, 0, 2), hours(66, 2));
}

#[test]
fn a_full_disk_is_tried_again_whatever_the_clock_was() {
    let mut server = server();
    let alice = server.link("alice");
    server.set_clock(HOUR_MS.cast_signed());
    server.say(alice, later(1, "alice", 10));
    server.work();
    server.store.disk_full = true;
    server.pass(10);
    server.work();
    server.store.disk_full = false;
    server.set_clock(0);
    server.pass(60_000);
    server.work();
    assert!(server.store.seq_of(&user("alice"), id(1)).is_some());
}
