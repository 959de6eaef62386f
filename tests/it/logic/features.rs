//! Features: a side gets only frames of features that it has named, and a user is told if the
//! server lacks a feature.

use qmsg::durable::Quotas;
use qmsg::logic::{Command, Event, Limits, LinkId, PeerInput, PeerOutput, greeting};
use qmsg::wire::{CloseCode, Feature, Features, FromClient, FromServer, MsgId, ParkedKind, Pin};

use super::parked::later;
use super::peers::Alone;
use super::server::{START, Said, Server};
use super::tracking::{pings, watch};
use super::{
    accepted, attach, closed, draft, id, pass, processed, send, seqs, server, settled, target, user,
};

/// A link whose client has named these features.
fn link(server: &mut Server, name: &str, features: Features) -> LinkId {
    let link = server.open(Pin([name.as_bytes()[0]; 32]));
    let id = user(name);
    server.say(link, FromClient::Hello { id, claim: true, code: None, session: None, features });
    server.heard(link);
    link
}

fn all_but(feature: Feature) -> Features {
    Feature::ALL.into_iter().filter(|other| *other != feature).collect()
}

#[test]
fn a_client_sends_no_frame_of_a_feature_that_it_has_not_named() {
    let frames = [
        (Feature::Volatile, pass(1, "bob", 5)),
        (Feature::Volatile, FromClient::AckVolatile { count: 1 }),
        (Feature::Confirm, FromClient::Pong { number: 1 }),
        (Feature::Track, watch(1, "bob", None)),
        (Feature::Track, FromClient::Untrack { id: id(1) }),
        (Feature::Parked, later(1, "bob", 10)),
        (Feature::Parked, FromClient::ListParked { kind: ParkedKind::Scheduled, after: 0 }),
    ];
    for (feature, frame) in frames {
        let mut server = Server::new(Limits::default(), Quotas::default());
        let alice = link(&mut server, "alice", all_but(feature));
        server.say(alice, frame.clone());
        assert_eq!(server.heard(alice), [closed(CloseCode::OutOfTurn)], "{frame:?}");
    }
}

/// A client that names no feature sends, reads and acks, and gets no frames of features.
#[test]
fn a_client_without_features_gets_what_every_client_understands() {
    let mut server = server();
    let alice = link(&mut server, "alice", Features::KNOWN);
    let bob = link(&mut server, "bob", Features::default());
    server.say(bob, attach(10, 1 << 20));
    server.heard(bob);
    server.say(alice, pass(1, "bob", 5));
    let sent = FromServer::VolatileSent { id: id(1), count: 1, readers: 0 };
    assert_eq!(server.heard(alice), [Said::Frame(sent)], "bob does not count as a reader");
    server.say(alice, send(2, "bob", 5));
    assert_eq!(server.heard(alice), [accepted(2)]);
    server.say(alice, watch(2, "bob", None));
    let heard = server.heard(bob);
    assert_eq!((seqs(&heard), pings(&heard)), (vec![1], vec![]), "delivered and not pinged");
    server.say(bob, processed([1]));
    assert_eq!(server.heard(bob), [settled(1)]);
    let updates = server.heard(alice);
    let is_update = |said: &Said| matches!(said, Said::Frame(FromServer::TrackUpdate { .. }));
    assert!(updates.iter().any(is_update), "its sender hears of it all the same: {updates:?}");
}

fn greeted_with(features: Features) -> PeerInput {
    let mut hello = greeting(&Limits::default(), START);
    if let FromServer::Hello { features: named, .. } = &mut hello {
        *named = features;
    }
    PeerInput::Frame(hello)
}

fn commands() -> Vec<(Feature, Command)> {
    let mut volatile = draft(1, "bob", 5);
    volatile.volatile = true;
    let mut scheduled = draft(1, "bob", 5);
    scheduled.due_ms = Some(START.unix_ms + 10);
    let drawer = ParkedKind::DeadLetters;
    let (to, message): (_, Option<MsgId>) = (target("bob"), None);
    vec![
        (Feature::Volatile, Command::Send(vec![draft(2, "bob", 5), volatile])),
        (Feature::Parked, Command::Send(vec![scheduled])),
        (Feature::Parked, Command::ListParked(drawer)),
        (Feature::Parked, Command::TakeParked { drawer, id: message, back: false }),
        (Feature::Track, Command::Track { id: id(1), to }),
    ]
}

#[test]
fn a_user_is_told_what_the_server_does_not_understand() {
    for is_greeted in [false, true] {
        for (feature, command) in commands() {
            let mut alone = Alone::new(None, 1);
            alone.takes(PeerInput::Tick);
            alone.takes(PeerInput::Linked);
            let unsupported = PeerOutput::Event(Event::Unsupported(feature));
            let hello = greeted_with(all_but(feature));
            let out = if is_greeted {
                alone.takes(hello);
                alone.takes(command)
            } else {
                assert_eq!(alone.takes(command.clone()), [], "not known yet");
                alone.takes(hello)
            };
            assert_eq!(out, [unsupported], "{feature:?}");
            assert_eq!(alone.peer.deadline(), None, "it does nothing more");
        }
    }
}

/// A server of an earlier version serves a client that needs no newer feature.
#[test]
fn a_server_without_features_is_good_for_sending() {
    let mut alone = Alone::new(None, 1);
    alone.takes(PeerInput::Tick);
    alone.takes(PeerInput::Linked);
    alone.takes(Command::Send(vec![draft(1, "bob", 5)]));
    let out = alone.takes(greeted_with(Features::default()));
    let is_sent =
        |output: &PeerOutput| matches!(output, PeerOutput::Frame(FromClient::Send { .. }));
    assert!(out.iter().any(is_sent), "{out:?}");
}
