//! Obstacles between a client and its server, as the network reports them.

use qmsg::logic::{Ending, Event, PeerInput, PeerOutput};
use qmsg::wire::FromServer;

use super::peers::Alone;

impl Alone {
    fn is_answered(&mut self) {
        self.is_welcomed();
        self.takes(PeerInput::Frame(FromServer::CaughtUp));
    }
}

#[test]
fn what_is_in_the_way_is_said_once_until_there_is_a_link_again() {
    let mut alone = Alone::new(None, 1);
    let said = PeerOutput::Event;
    for round in 0..2 {
        let blocked = [said(Event::Blocked("no cable")), said(Event::Offline)];
        assert_eq!(alone.takes(PeerInput::Ended(Ending::Blocked("no cable"))), blocked, "{round}");
        for ending in [Ending::Blocked("no cable"), Ending::Silence, Ending::Blocked("no radio")] {
            alone.waits();
            assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Dial]);
            assert_eq!(alone.takes(PeerInput::Ended(ending)), []);
        }
        alone.waits();
        alone.is_answered();
        assert_eq!(alone.takes(PeerInput::Ended(Ending::Silence)), [said(Event::Offline)]);
        let late = alone.takes(PeerInput::Ended(Ending::Blocked("no cable")));
        assert_eq!(late, [said(Event::Blocked("no cable"))], "what it was for is known later");
        alone.waits();
        alone.is_answered();
    }
}

#[test]
fn an_attempt_that_takes_long_is_told_once() {
    let mut alone = Alone::new(None, 1);
    assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Dial]);
    assert_eq!(alone.waits(), 3_000);
    assert_eq!(alone.takes(PeerInput::Tick), [PeerOutput::Event(Event::Offline)]);
    assert_eq!(alone.peer.deadline(), None, "it goes on, and nothing more is said");
    assert_eq!(alone.takes(PeerInput::Ended(Ending::Silence)), []);
    alone.waits();
    alone.is_answered();
    assert_eq!(alone.takes(PeerInput::Ended(Ending::Silence)), [PeerOutput::Event(Event::Offline)]);
}
