//! Track updates that a client gives its user, across lost links.

use qmsg::durable::Quotas;
use qmsg::logic::{Command, Ending, Event, Limits, PeerInput, PeerOutput, greeting};
use qmsg::wire::{DeliveryState, FromClient, FromServer, RecipientStatus, Seq};

use super::peers::Alone;
use super::server::START;
use super::tracking::watch;
use super::world::World;
use super::{draft, id, room, target, user};

fn standing(name: &str, state: DeliveryState) -> RecipientStatus {
    RecipientStatus { user: user(name), state, time_ms: 300, note: None }
}

fn watched(n: u64, standings: &[(&str, DeliveryState)], more: bool) -> PeerInput {
    let standings = standings.iter().map(|(name, state)| standing(name, *state)).collect();
    PeerInput::Frame(FromServer::TrackPage { id: id(n), statuses: standings, more })
}

fn stands(n: u64, name: &str, state: DeliveryState) -> PeerInput {
    PeerInput::Frame(FromServer::TrackUpdate { id: id(n), status: standing(name, state) })
}

fn told(n: u64, standings: &[(&str, DeliveryState)], complete: bool) -> PeerOutput {
    let standings = standings.iter().map(|(name, state)| standing(name, *state)).collect();
    PeerOutput::Event(Event::TrackUpdate { id: id(n), standings, complete })
}

fn command(n: u64, to: &str) -> Command {
    Command::Track { id: id(n), to: target(to) }
}

fn frame(frame: FromClient) -> PeerOutput {
    PeerOutput::Frame(frame)
}

const UNWATCH: fn(u64) -> PeerOutput = |n| PeerOutput::Frame(FromClient::Untrack { id: id(n) });

impl Alone {
    /// Replaces the link by a new one. Returns the client's first frames on it, after the hello.
    fn comes_back(&mut self, limits: Limits) -> Vec<PeerOutput> {
        self.takes(PeerInput::Ended(Ending::Silence));
        self.takes(PeerInput::Linked);
        self.takes(PeerInput::Frame(greeting(&limits, START))).split_off(1)
    }
}

#[test]
fn pages_are_asked_for_until_the_last_and_told_as_they_come() {
    let mut alone = Alone::welcomed();
    assert_eq!(alone.takes(command(1, "@ops")), [frame(watch(1, "@ops", None))]);
    assert_eq!(alone.takes(command(1, "@ops")), [], "known");
    assert!(alone.peer.is_waiting());
    let first = [("bob", DeliveryState::Accepted), ("carol", DeliveryState::Delivered)];
    let page = alone.takes(watched(1, &first, true));
    assert_eq!(page, [told(1, &first, false), frame(watch(1, "@ops", Some("carol")))]);
    let dave = [("dave", DeliveryState::Processed)];
    assert_eq!(alone.takes(watched(1, &dave, false)), [told(1, &dave, true)]);
    assert!(!alone.peer.is_waiting(), "the rest takes as long as it takes");
    let stands_for = |name, state| (stands(1, name, state), told(1, &[(name, state)], true));
    for (name, state) in [("bob", DeliveryState::Delivered), ("bob", DeliveryState::Processed)] {
        let (input, output) = stands_for(name, state);
        assert_eq!(alone.takes(input), [output]);
    }
    let (input, output) = stands_for("carol", DeliveryState::Rejected);
    assert_eq!(alone.takes(input), [output, UNWATCH(1)], "nothing more can come");
    assert_eq!(alone.takes(Command::Untrack(id(1))), []);
}

#[test]
fn nobody_is_told_twice_or_less() {
    let mut alone = Alone::welcomed();
    alone.takes(command(1, "@ops"));
    let refused = [("bob", DeliveryState::Rejected)];
    assert_eq!(alone.takes(stands(1, "bob", DeliveryState::Rejected)), [told(1, &refused, false)]);
    for state in [
        DeliveryState::Accepted,
        DeliveryState::Delivered,
        DeliveryState::Gone,
        DeliveryState::Rejected,
    ] {
        assert_eq!(alone.takes(stands(1, "bob", state)), []);
    }
    let page = [("bob", DeliveryState::Accepted), ("carol", DeliveryState::Accepted)];
    let news = told(1, &[("carol", DeliveryState::Accepted)], true);
    assert_eq!(alone.takes(watched(1, &page, false)), [news]);
    let processed = [("bob", DeliveryState::Processed)];
    assert_eq!(
        alone.takes(stands(1, "bob", DeliveryState::Processed)),
        [told(1, &processed, true)]
    );
    assert_eq!(alone.takes(stands(2, "bob", DeliveryState::Processed)), [], "not watched");
}

#[test]
fn who_is_no_recipient_is_not_told_of() {
    let mut alone = Alone::welcomed();
    alone.takes(command(1, "@ops"));
    assert_eq!(alone.takes(stands(1, "dave", DeliveryState::Gone)), [], "has left before");
    let bob = [("bob", DeliveryState::Accepted)];
    assert_eq!(alone.takes(watched(1, &bob, false)), [told(1, &bob, true)]);
    assert_eq!(alone.takes(stands(1, "dave", DeliveryState::Delivered)), []);
    alone.takes(stands(1, "bob", DeliveryState::Processed));
    alone.takes(command(2, "@ops"));
    assert_eq!(alone.takes(watched(2, &[], false)), [told(2, &[], true), UNWATCH(2)]);
}

#[test]
fn who_leaves_while_the_server_names_recipients_is_gone() {
    let mut alone = Alone::welcomed();
    alone.takes(command(1, "@ops"));
    assert_eq!(alone.takes(stands(1, "bob", DeliveryState::Gone)), []);
    let bob = [("bob", DeliveryState::Accepted), ("carol", DeliveryState::Accepted)];
    let news = [("bob", DeliveryState::Gone), ("carol", DeliveryState::Accepted)];
    assert_eq!(alone.takes(watched(1, &bob, false)), [told(1, &news, true)]);
}

#[test]
fn unfinished_watches_begin_anew_on_the_next_link() {
    let mut alone = Alone::welcomed();
    for n in 1..=3 {
        alone.takes(command(n, "@ops"));
    }
    alone.takes(watched(
        1,
        &[("bob", DeliveryState::Delivered), ("carol", DeliveryState::Accepted)],
        false,
    ));
    alone.takes(watched(2, &[("bob", DeliveryState::Processed)], false));
    alone.takes(watched(3, &[("bob", DeliveryState::Accepted)], true));
    let again = [3, 1].map(|n| frame(watch(n, "@ops", None)));
    assert_eq!(alone.comes_back(Limits::default()), again, "least known first");
    assert!(alone.peer.is_waiting(), "for all recipients of the third");
    let all = [("bob", DeliveryState::Accepted), ("dave", DeliveryState::Accepted)];
    let news = told(3, &[("dave", DeliveryState::Accepted)], true);
    assert_eq!(alone.takes(watched(3, &all, false)), [news]);
    assert!(!alone.peer.is_waiting());
    let mut gone = standing("carol", DeliveryState::Gone);
    gone.time_ms = 0;
    let gone = Event::TrackUpdate { id: id(1), standings: vec![gone], complete: true };
    let page = alone.takes(watched(1, &[("bob", DeliveryState::Accepted)], false));
    assert_eq!(page, [PeerOutput::Event(gone)], "carol has left meanwhile");
}

#[test]
fn a_message_that_is_not_there_is_watched_no_more() {
    let mut alone = Alone::welcomed();
    alone.takes(command(1, "bob"));
    let not_there = PeerInput::Frame(FromServer::UnknownMessage { id: id(1) });
    let told = PeerOutput::Event(Event::UnknownMessage { id: id(1) });
    assert_eq!(alone.takes(not_there.clone()), [told]);
    assert!(!alone.peer.is_waiting());
    assert_eq!(alone.comes_back(Limits::default()), []);
    assert_eq!(alone.takes(not_there), []);
}

#[test]
fn an_answer_to_an_earlier_watch_is_none_to_a_later_one() {
    let mut alone = Alone::welcomed();
    alone.takes(command(1, "@ops"));
    assert_eq!(alone.takes(Command::Untrack(id(1))), [UNWATCH(1)]);
    assert_eq!(alone.takes(command(1, "@ops")), [], "not while that is to be answered");
    let bob = [("bob", DeliveryState::Accepted)];
    let again = [frame(watch(1, "@ops", None))];
    assert_eq!(alone.takes(watched(1, &bob, false)), again);
    assert_eq!(alone.takes(watched(1, &bob, true))[0], told(1, &bob, false));
}

#[test]
fn no_more_is_watched_at_a_time_than_the_server_allows() {
    let limits = Limits { sends_max: 2, ..Limits::default() };
    let mut alone = Alone::welcomed_with(limits);
    for n in 1..=2 {
        assert_eq!(alone.takes(command(n, "bob")), [frame(watch(n, "bob", None))]);
    }
    assert_eq!(alone.takes(command(3, "bob")), []);
    let bob = |state| [("bob", state)];
    assert_eq!(
        alone.takes(watched(1, &bob(DeliveryState::Processed), false)),
        [told(1, &bob(DeliveryState::Processed), true), frame(watch(3, "bob", None))]
    );
    assert_eq!(alone.takes(command(4, "bob")), []);
    alone.takes(watched(2, &bob(DeliveryState::Accepted), false));
    alone.takes(watched(3, &bob(DeliveryState::Accepted), false));
    assert!(!alone.peer.is_waiting(), "there is no place: that is nobody's fault");
    let next = [UNWATCH(2), frame(watch(4, "bob", None))];
    assert_eq!(alone.takes(Command::Untrack(id(2))), next);
    assert!(alone.peer.is_waiting());
}

#[test]
fn a_ping_is_answered_at_once() {
    let mut alone = Alone::welcomed();
    let ping = PeerInput::Frame(FromServer::Ping { number: 7 });
    assert_eq!(alone.takes(ping), [frame(FromClient::Pong { number: 7 })]);
}

fn last(events: &[Event], name: &str) -> Option<DeliveryState> {
    let of = |event: &Event| match event {
        Event::TrackUpdate { standings, .. } => {
            standings.iter().find(|standing| standing.user == user(name)).map(|s| s.state)
        }
        _ => None,
    };
    events.iter().filter_map(of).next_back()
}

#[test]
fn a_wait_goes_on_when_the_server_dies_at_any_moment() {
    for steps in 0..12 {
        let mut world = World::new(Limits::default(), Quotas::default());
        let (alice, bob) = (world.client("alice", None), world.client("bob", Some((8, 1_000))));
        let carol = world.client("carol", Some((8, 1_000)));
        for client in [alice, bob, carol] {
            world.feed(client, Command::JoinRoom(room("ops")));
        }
        world.drain();
        world.send(alice, draft(1, "@ops", 5));
        world.flow();
        world.watch(alice, id(1), target("@ops"));
        world.process(bob, vec![1 as Seq]);
        for step in 0..steps {
            let links: Vec<_> = world.lines.keys().copied().collect();
            for link in links {
                if step % 2 == 0 {
                    world.up(link, usize::MAX);
                } else {
                    world.down(link, usize::MAX);
                }
            }
            match step % 3 {
                0 => world.server.look(),
                1 => world.server.commit(),
                _ => world.server.answer_writes(),
            }
            world.server.answer_read();
            world.carry();
        }
        world.crash();
        world.drain();
        let told = world.told(alice);
        for name in ["bob", "carol"] {
            assert_eq!(last(&told, name), Some(DeliveryState::Processed), "{steps}: {told:?}");
        }
        assert!(!world.clients[alice].peer.is_waiting());
    }
}
