//! Deliveries: which reader gets which messages, and when.

use qmsg::wire::{CloseCode, FromClient, Seq};

use super::server::Server;
use super::{CAUGHT_UP, accepted, attach, closed, send, seqs, server, settled};

fn processed(seqs: &[Seq]) -> FromClient {
    super::processed(seqs.iter().copied())
}

/// A server with alice, who only sends, and bob, who has `count` messages of `len` bytes waiting.
fn waiting(count: u64, len: usize) -> Server {
    let mut server = server();
    let alice = server.link("alice");
    server.link("bob");
    for n in 1..=count {
        server.sent(alice, n, "bob", len);
    }
    server.take_said();
    server
}

#[test]
fn a_message_waits_for_its_reader() {
    let mut server = waiting(2, 5);
    let bob = server.reader("bob");
    let said = server.heard(bob);
    assert_eq!(seqs(&said), [1, 2]);
    assert_eq!(said.last(), Some(&CAUGHT_UP));
}

#[test]
fn a_reader_that_is_there_is_given_it_once_it_is_on_disk() {
    let mut server = waiting(0, 0);
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    assert_eq!(server.heard(bob), [CAUGHT_UP]);
    server.say(alice, send(1, "bob", 5));
    server.commit();
    assert_eq!(server.heard_so_far(bob), []);
    server.answer_writes();
    assert_eq!(seqs(&server.heard_so_far(bob)), [1]);
    assert!(server.reads.is_empty(), "nothing had to be read for it");
}

#[test]
fn the_window_counts_messages() {
    let mut server = waiting(7, 5);
    let bob = server.link("bob");
    server.say(bob, attach(3, 1_000));
    assert_eq!(seqs(&server.heard(bob)), [1, 2, 3]);
    server.say(bob, processed(&[2]));
    assert_eq!(seqs(&server.heard(bob)), [4]);
    server.say(bob, processed(&[1, 3, 4]));
    let said = server.heard(bob);
    assert_eq!(said[0], settled(3));
    assert_eq!(seqs(&said), [5, 6, 7]);
}

#[test]
fn the_window_counts_bytes() {
    let mut server = waiting(5, 40);
    let bob = server.link("bob");
    server.say(bob, attach(100, 100));
    assert_eq!(seqs(&server.heard(bob)), [1, 2]);
    server.say(bob, processed(&[1]));
    assert_eq!(seqs(&server.heard(bob)), [3]);
}

#[test]
fn a_message_larger_than_the_window_goes_alone() {
    let mut server = waiting(1, 10);
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.sent(alice, 2, "bob", 500);
    server.sent(alice, 3, "bob", 10);
    server.say(bob, attach(100, 100));
    for seq in 1..=3 {
        let said = server.heard(bob);
        assert_eq!(seqs(&said), [seq]);
        assert_eq!(said.contains(&CAUGHT_UP), seq == 3);
        server.say(bob, processed(&[seq]));
    }
    assert_eq!(server.heard(bob), [settled(1)]);
    // The same if the message comes while the window is empty, or not.
    server.sent(alice, 4, "bob", 500);
    server.sent(alice, 5, "bob", 500);
    assert_eq!(seqs(&server.heard(bob)), [4]);
    server.say(bob, processed(&[4]));
    assert_eq!(seqs(&server.heard(bob)), [5]);
}

#[test]
fn a_window_of_nothing_lets_one_message_through() {
    let mut server = waiting(3, 5);
    let bob = server.link("bob");
    server.say(bob, attach(0, 0));
    for seq in 1..=3 {
        assert_eq!(seqs(&server.heard(bob)), [seq]);
        server.say(bob, processed(&[seq]));
    }
    assert_eq!(server.heard(bob), [settled(1)]);
}

#[test]
fn a_backlog_comes_in_order_and_caught_up_behind_it() {
    let mut server = waiting(50, 5);
    let alice = server.link("alice");
    let bob = server.link("bob");
    server.say(bob, attach(8, 1_000));
    let mut shown: Vec<Seq> = vec![];
    loop {
        let said = server.heard(bob);
        let new = seqs(&said);
        shown.extend(&new);
        assert_eq!(said.contains(&CAUGHT_UP), shown.len() == 53, "at {}", shown.len());
        if shown.len() == 53 {
            break;
        }
        if shown.len() == 16 {
            // More messages come while the page is read.
            (51..=53).for_each(|n| _ = server.sent(alice, n, "bob", 5));
        }
        server.say(bob, processed(&new));
    }
    assert_eq!(shown, (1..=53).collect::<Vec<_>>());
}

#[test]
fn what_becomes_durable_while_a_page_is_on_its_way_comes_once() {
    for late in [false, true] {
        let mut server = waiting(1, 5);
        let alice = server.link("alice");
        let bob = server.link("bob");
        server.say(bob, attach(8, 1_000));
        server.look();
        server.answer_read();
        if late {
            server.look();
        }
        server.say(alice, send(2, "bob", 5));
        server.commit();
        server.look();
        // The page is read before or after the commit, and comes before or after the commit's
        // answer.
        if late {
            server.answer_writes();
            server.answer_read();
        } else {
            server.answer_read();
            server.answer_writes();
        }
        let said = server.heard(bob);
        assert_eq!(seqs(&said), [1, 2]);
        assert!(said.contains(&CAUGHT_UP));
    }
}

#[test]
fn settled_only_when_the_cursor_is_on_disk() {
    let mut server = waiting(3, 5);
    let bob = server.reader("bob");
    server.heard(bob);
    server.say(bob, processed(&[2, 3]));
    server.commit();
    assert_eq!(server.heard_so_far(bob), []);
    server.answer_writes();
    assert_eq!(server.heard_so_far(bob), [settled(2)]);
    let cursor = server.store.cursor("bob", "bob");
    assert_eq!((cursor.through, crate::memory::ranges::done(&cursor.above)), (0, vec![2, 3]));
    server.say(bob, processed(&[1]));
    assert_eq!(server.heard(bob), [settled(1)]);
    let cursor = server.store.cursor("bob", "bob");
    assert_eq!((cursor.through, cursor.ordinal, cursor.above), (3, 3, vec![]));
}

#[test]
fn only_what_was_delivered_can_be_processed_and_once() {
    let never: [&[Seq]; 4] = [&[], &[3], &[1, 3], &[0, u64::MAX]];
    for seqs in never {
        let mut server = waiting(2, 5);
        let bob = server.reader("bob");
        server.heard(bob);
        server.say(bob, processed(seqs));
        assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)], "{seqs:?}");
        assert_eq!(server.store.cursor("bob", "bob").through, 0);
    }
    let mut server = waiting(2, 5);
    let bob = server.reader("bob");
    server.heard(bob);
    server.say(bob, processed(&[1]));
    server.say(bob, processed(&[1]));
    assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)]);
    let bob = server.link("bob");
    server.say(bob, processed(&[2]));
    assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)], "not attached");
}

#[test]
fn attach_is_said_once() {
    let mut server = waiting(0, 0);
    let bob = server.reader("bob");
    server.say(bob, attach(1, 1));
    assert_eq!(server.heard(bob), [CAUGHT_UP, closed(CloseCode::OutOfTurn)]);
}

#[test]
fn two_readers_of_one_id_are_both_offered_it_and_one_consumes_it() {
    let mut server = waiting(1, 5);
    let alice = server.link("alice");
    let (one, two) = (server.reader("bob"), server.reader("bob"));
    server.sent(alice, 2, "bob", 5);
    assert_eq!(seqs(&server.heard(one)), [1, 2]);
    assert_eq!(seqs(&server.heard(two)), [1, 2]);
    server.say(one, processed(&[2]));
    server.say(two, processed(&[1]));
    assert_eq!(server.heard(one), [settled(1)]);
    assert_eq!(server.heard(two), [settled(1)]);
    assert_eq!(server.store.cursor("bob", "bob").through, 2);
    let three = server.reader("bob");
    assert_eq!(server.heard(three), [CAUGHT_UP]);
    // A reader may still ack messages that another reader has acked.
    server.say(two, processed(&[2]));
    assert_eq!(server.heard(two), [settled(1)]);
    assert_eq!(server.store.cursor("bob", "bob").through, 2);
}

#[test]
fn what_a_lost_reader_held_goes_to_the_next() {
    let mut server = waiting(3, 5);
    let one = server.reader("bob");
    assert_eq!(seqs(&server.heard(one)), [1, 2, 3]);
    server.say(one, processed(&[2]));
    server.work();
    server.lose(one);
    let two = server.reader("bob");
    assert_eq!(seqs(&server.heard(two)), [1, 3]);
}

#[test]
fn a_mailbox_is_read_again_when_nobody_had_it() {
    let mut server = waiting(1, 5);
    let alice = server.link("alice");
    for n in 2..5 {
        let bob = server.link("bob");
        server.say(bob, attach(8, 1_000));
        // The link is lost at every stage of subscribing.
        (2..n).for_each(|_| {
            server.look();
            server.answer_read();
        });
        server.lose(bob);
        server.say(alice, send(n, "bob", 5));
        assert_eq!(server.heard(alice), [accepted(n)]);
    }
    let bob = server.reader("bob");
    assert_eq!(seqs(&server.heard(bob)), [1, 2, 3, 4]);
}

#[test]
fn a_report_names_a_delivery_once() {
    let mut server = waiting(2, 5);
    let bob = server.reader("bob");
    server.heard(bob);
    server.say(bob, processed(&[1, 1]));
    assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)]);
}

#[test]
fn one_unprocessed_message_costs_a_cursor_one_stretch() {
    let mut server = waiting(1, 1);
    let (alice, bob, carol) = (server.link("alice"), server.reader("bob"), server.link("carol"));
    assert_eq!(seqs(&server.heard(bob)), [1]);
    for n in (2..2_000).step_by(450) {
        for n in n..n + 450 {
            server.say(alice, send(n, "bob", 1));
            // Messages of other logs make no difference.
            server.say(alice, send(100_000 + n, if n % 7 == 0 { "carol" } else { "bob" }, 1));
        }
        let shown = seqs(&server.heard(bob));
        assert!(shown.len() > 800);
        server.say(bob, processed(&shown));
        server.heard(bob);
        let cursor = server.store.cursor("bob", "bob");
        assert_eq!((cursor.through, cursor.above.len()), (0, 1));
    }
    server.lose(carol);
    server.say(bob, processed(&[1]));
    server.work();
    assert_eq!(server.store.cursor("bob", "bob").above, []);
}

/// Acks out of order are kept as ranges, whose number is bounded.
#[test]
fn unprocessed_messages_do_not_let_the_cursor_grow_without_end() {
    let mut server = waiting(0, 1);
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.say(bob, attach(8_192, 1 << 20));
    let (mut stuck, mut n, mut left) = (false, 0, vec![]);
    while !stuck {
        let sent: Vec<u64> = (n + 1..=n + 900).collect();
        n += 900;
        sent.iter().for_each(|n| server.say(alice, send(*n, "bob", 1)));
        let shown = seqs(&server.heard(bob));
        stuck = shown.len() < sent.len();
        // Every other message.
        let (even, odd): (Vec<_>, Vec<_>) = shown.into_iter().partition(|seq| seq % 2 == 0);
        left.extend(odd);
        if !even.is_empty() {
            server.say(bob, processed(&even));
        }
        let above = server.store.cursor("bob", "bob").above.len();
        assert!(above < 6_000, "{above}");
        server.heard(bob);
    }
    // A second reader gets the same and no more. After their acks both continue.
    let two = server.link("bob");
    server.say(two, attach(8_192, 1 << 20));
    let shown = seqs(&server.heard(two));
    assert_eq!(shown, left);
    server.say(two, processed(&shown));
    for link in [bob, two] {
        assert!(!seqs(&server.heard(link)).is_empty());
    }
}

#[test]
fn a_reader_catches_up_however_busy_its_log_is() {
    let mut server = waiting(1, 5);
    let alice = server.link("alice");
    let bob = server.link("bob");
    server.say(bob, attach(100, 1_000));
    server.look();
    server.answer_read();
    let mut said = vec![];
    for n in 2..5 {
        // Another message comes between each page and its answer.
        server.look();
        server.say(alice, send(n, "bob", 5));
        server.commit();
        server.answer_writes();
        server.answer_read();
        said.extend(server.heard_so_far(bob));
    }
    assert_eq!(seqs(&said), [1, 2, 3]);
    assert_eq!(said[1], CAUGHT_UP, "all that was waiting has come");
}

#[test]
fn what_was_reported_before_the_link_was_lost_is_not_offered_to_the_next() {
    let mut server = waiting(2, 5);
    let one = server.reader("bob");
    server.heard(one);
    server.say(one, processed(&[1]));
    server.lose(one);
    let two = server.open(super::key("bob"));
    server.say(two, super::hello("bob"));
    server.say(two, attach(8, 1_000));
    // Everything is read before the cursor is on disk.
    for _ in 0..4 {
        server.look();
        server.answer_read();
    }
    let said = server.heard_so_far(two);
    assert_eq!(seqs(&said), [2]);
    // The client would conclude from `CaughtUp` that the ack is recorded.
    assert!(!said.contains(&CAUGHT_UP));
    assert_eq!(server.heard(two), [CAUGHT_UP]);
}
