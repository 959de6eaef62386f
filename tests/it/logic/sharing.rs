//! Readers of one id that share its messages.

use qmsg::logic::LinkId;
use qmsg::wire::{CHUNK_LEN_MAX, FromClient, FromServer, Seq, Start};

use super::server::{Said, Server};
use super::{
    CAUGHT_UP, attach, pass, passed, processed, send, sends, seqs, server, settled, skipped,
};

fn share(messages: u32) -> FromClient {
    FromClient::Subscribe { messages, bytes: 1 << 20, start: Start::Unacked, share: true }
}

/// A link of bob that shares, with a window of `messages` messages.
fn sharer(server: &mut Server, messages: u32) -> LinkId {
    let link = server.link("bob");
    server.say(link, share(messages));
    server.work();
    link
}

fn heard(server: &mut Server, link: LinkId) -> Vec<Seq> {
    seqs(&server.heard(link))
}

/// Alice has sent `count` messages to bob.
fn waiting(count: u64) -> (Server, LinkId) {
    let mut server = server();
    let alice = server.link("alice");
    server.link("bob");
    (1..=count).for_each(|n| _ = server.sent(alice, n, "bob", 5));
    server.take_said();
    (server, alice)
}

#[test]
fn what_comes_goes_to_the_one_that_has_least_to_do() {
    let (mut server, alice) = waiting(0);
    let (one, two) = (sharer(&mut server, 10), sharer(&mut server, 10));
    for link in [one, two] {
        assert_eq!(server.heard(link), [CAUGHT_UP]);
    }
    (1..=4).for_each(|n| _ = server.sent(alice, n, "bob", 5));
    assert_eq!(heard(&mut server, one), [1, 3]);
    assert_eq!(heard(&mut server, two), [2, 4]);
    assert!(server.reads.is_empty(), "nothing had to be read for it");
    server.say(two, processed([2, 4]));
    assert_eq!(server.heard(two), [settled(2)]);
    (5..=7).for_each(|n| _ = server.sent(alice, n, "bob", 5));
    assert_eq!(heard(&mut server, two), [5, 6]);
    assert_eq!(heard(&mut server, one), [7]);
}

#[test]
fn messages_that_come_together_are_split() {
    let (mut server, alice) = waiting(0);
    let links = [10; 3].map(|window| sharer(&mut server, window));
    server.take_said();
    server.say(alice, sends(1..13, "bob", 5));
    let mut all: Vec<Vec<Seq>> = links.iter().map(|link| heard(&mut server, *link)).collect();
    assert!(all.iter().all(|seqs| (3..=6).contains(&seqs.len()) && seqs.is_sorted()), "{all:?}");
    let mut all = all.drain(..).flatten().collect::<Vec<_>>();
    all.sort_unstable();
    assert_eq!(all, (1..13).collect::<Vec<_>>());
}

#[test]
fn a_backlog_is_split_as_it_is_dealt_with() {
    let (mut server, _) = waiting(50);
    let links = [4, 4, 4].map(|window| sharer(&mut server, window));
    let mut counts = [0; 3];
    let mut all: Vec<Seq> = vec![];
    let mut caught_up = 0;
    loop {
        let before = all.len();
        for (count, link) in counts.iter_mut().zip(links) {
            let said = server.heard(link);
            caught_up += said.iter().filter(|said| **said == CAUGHT_UP).count();
            let new = seqs(&said);
            *count += new.len();
            all.extend(&new);
            if !new.is_empty() {
                server.say(link, processed(new));
            }
        }
        if all.len() == before && !server.is_busy() {
            break;
        }
    }
    all.sort_unstable();
    assert_eq!(all, (1..=50).collect::<Vec<_>>());
    assert!(counts.iter().all(|count| (12..=22).contains(count)), "{counts:?}");
    assert_eq!(caught_up, 3);
    assert_eq!(server.store.cursor("bob", "bob").through, 50);
}

/// One reader reads the store although another has long had room.
#[test]
fn a_page_is_for_all_who_have_room() {
    let (mut server, alice) = waiting(6);
    let one = sharer(&mut server, 100);
    assert_eq!(heard(&mut server, one).len(), 6);
    // Long messages are delivered only from pages.
    let two = sharer(&mut server, 100);
    assert_eq!(server.heard(two), [CAUGHT_UP]);
    server.say(alice, send(7, "bob", 2 * CHUNK_LEN_MAX));
    for index in 1..2 {
        let body = super::part_of(super::id(7), 2 * CHUNK_LEN_MAX as u64, index);
        server.say(alice, FromClient::Chunk(body));
    }
    server.say(alice, send(8, "bob", 5));
    // Whichever reader asked for the page: while one receives a body, the other gets the rest.
    assert_eq!(heard(&mut server, two), [7]);
    assert_eq!(heard(&mut server, one), [8]);
}

#[test]
fn a_full_one_holds_up_nobody() {
    let (mut server, alice) = waiting(0);
    let (one, two) = (sharer(&mut server, 1), sharer(&mut server, 1));
    server.take_said();
    (1..=5).for_each(|n| _ = server.sent(alice, n, "bob", 5));
    assert_eq!(heard(&mut server, one), [1]);
    assert_eq!(heard(&mut server, two), [2]);
    for next in 3..=5 {
        server.say(two, processed([next - 1]));
        assert_eq!(heard(&mut server, two), [next]);
    }
    server.say(one, processed([1]));
    assert_eq!(server.heard(one), [settled(1)]);
    assert_eq!(server.store.cursor("bob", "bob").through, 4);
}

#[test]
fn what_one_had_that_is_gone_goes_to_the_others() {
    let (mut server, alice) = waiting(0);
    let links = [10; 3].map(|window| sharer(&mut server, window));
    server.take_said();
    server.say(alice, sends(1..13, "bob", 5));
    let had = links.map(|link| heard(&mut server, link));
    server.say(links[0], processed([had[0][0]]));
    server.heard(links[0]);
    server.lose(links[0]);
    let mut now: Vec<Seq> = vec![];
    for link in &links[1..] {
        let new = heard(&mut server, *link);
        assert!(!new.is_empty(), "both have room");
        now.extend(new);
    }
    now.sort_unstable();
    assert_eq!(now, had[0][1..]);
    // The next message goes to one reader again.
    server.sent(alice, 13, "bob", 5);
    let next: Vec<Seq> = links[1..].iter().flat_map(|link| heard(&mut server, *link)).collect();
    assert_eq!(next, [13]);
}

#[test]
fn who_does_not_share_is_given_everything() {
    let (mut server, alice) = waiting(3);
    let (one, two) = (sharer(&mut server, 2), sharer(&mut server, 2));
    let all = server.link("bob");
    server.say(all, attach(10, 1_000));
    server.sent(alice, 4, "bob", 5);
    assert_eq!(heard(&mut server, all), [1, 2, 3, 4]);
    let mut split = [heard(&mut server, one), heard(&mut server, two)].concat();
    split.sort_unstable();
    assert_eq!(split, [1, 2, 3, 4]);
    // The readers already have the messages of the lost one.
    server.lose(all);
    for link in [one, two] {
        assert!(heard(&mut server, link).is_empty());
    }
}

#[test]
fn what_one_skips_is_for_the_others() {
    let (mut server, _) = waiting(4);
    let (one, two) = (sharer(&mut server, 4), sharer(&mut server, 4));
    assert_eq!(heard(&mut server, one), [1, 2, 3, 4]);
    assert_eq!(server.heard(two), [CAUGHT_UP]);
    server.say(one, skipped([2, 3]));
    assert!(heard(&mut server, one).is_empty());
    assert_eq!(heard(&mut server, two), [2, 3]);
}

#[test]
fn each_member_of_a_room_has_it_once() {
    let (mut server, alice) = waiting(0);
    let (one, two) = (sharer(&mut server, 10), sharer(&mut server, 10));
    let carol = server.reader("carol");
    for link in [alice, one, carol] {
        server.enter(link, "ops");
    }
    server.take_said();
    (1..=2).for_each(|n| _ = server.sent(alice, n, "@ops", 5));
    assert_eq!(heard(&mut server, carol), [1, 2]);
    assert_eq!(heard(&mut server, one), [1]);
    assert_eq!(heard(&mut server, two), [2]);
    // Messages that bob sends there are for none of his readers.
    server.sent(one, 3, "@ops", 5);
    server.sent(alice, 4, "@ops", 5);
    assert_eq!(heard(&mut server, carol), [3, 4]);
    assert_eq!([heard(&mut server, one), heard(&mut server, two)].concat(), [4]);
    server.say(one, processed([1, 4]));
    server.say(two, processed([2]));
    server.work();
    assert_eq!(server.store.cursor("bob", "@ops").through, 4);
}

#[test]
fn volatile_ones_go_to_one() {
    let (mut server, alice) = waiting(0);
    let (one, two) = (sharer(&mut server, 1), sharer(&mut server, 1));
    let all = server.link("bob");
    server.say(all, attach(10, 1_000));
    server.work();
    server.take_said();
    let passes = |said: Vec<Said>| {
        said.iter().filter(|said| matches!(said, Said::Frame(FromServer::Volatile { .. }))).count()
    };
    for (n, each) in [(1, [1, 0]), (2, [0, 1])] {
        server.say(alice, pass(n, "bob", 5));
        assert_eq!(server.heard(alice), [passed(n, 2)]);
        assert_eq!([one, two].map(|link| passes(server.heard(link))), each);
        assert_eq!(passes(server.heard(all)), 1);
    }
    // Neither reader has room.
    server.say(alice, pass(3, "bob", 5));
    assert_eq!(server.heard(alice), [passed(3, 1)]);
}

#[test]
fn what_one_skips_goes_to_another() {
    let (mut server, alice) = waiting(0);
    let links = [1; 3].map(|window| sharer(&mut server, window));
    server.take_said();
    (1..=3).for_each(|n| _ = server.sent(alice, n, "bob", 5));
    let [mut one, mut two, mut three] = links.map(|link| heard(&mut server, link));
    assert_eq!((&one[..], &two[..], &three[..]), (&[1][..], &[2][..], &[3][..]));
    // At first no reader has room for it.
    server.say(links[0], skipped([1]));
    server.say(links[1], processed([2]));
    two = heard(&mut server, links[1]);
    assert_eq!(two, [1]);
    // The next reader releases it as well, and the last; then no reader is left.
    server.say(links[1], skipped([1]));
    server.say(links[2], processed([3]));
    three = heard(&mut server, links[2]);
    assert_eq!(three, [1]);
    server.say(links[2], skipped([1]));
    server.sent(alice, 4, "bob", 5);
    [one, two, three] = links.map(|link| heard(&mut server, link));
    assert_eq!([one, two, three].concat(), [4]);
    let next = sharer(&mut server, 1);
    assert_eq!(heard(&mut server, next), [1], "who comes new");
}
