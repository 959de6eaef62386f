//! Bytes that are no frames, and frames that may not come, in every state that a link can be in:
//! the link they came on ends with its reason, and nobody else notices.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use qmsg::quic::{ConnectionEnd, Outgoing};
use qmsg::wire::{
    Body, CloseCode, FromClient, FromServer, Headers, MsgId, Others, PART_LEN_MAX, Span, Start,
};

use super::scale;
use super::scene::{Foe, Scene, bytes, hello};
use crate::wire::malformed_of_clients;

/// How far a link has come.
#[derive(Clone, Copy, Debug)]
enum State {
    /// It has said nothing.
    Silent,
    /// Its first frame is right before.
    Checked,
    Known,
    Reading,
    /// Within a long body.
    Sending,
}

const STATES: [State; 5] =
    [State::Silent, State::Checked, State::Known, State::Reading, State::Sending];
/// In `cargo test` what is malformed meets one state in so many.
const ONE_IN: usize = 5;

/// Brings a link into a state, says this, and hears how it ends.
async fn say(foe: &Foe, state: State, what: &[u8]) -> ConnectionEnd {
    let mut link = foe.link().await;
    let greeting = match state {
        State::Silent => vec![],
        State::Checked | State::Known => vec![hello("foe")],
        State::Reading => vec![hello("foe"), attach(10, 1 << 20)],
        State::Sending => vec![hello("foe"), long()],
    };
    let greeting = bytes(&greeting);
    if matches!(state, State::Silent | State::Checked) {
        let all = [&greeting[..], what].concat();
        link.outgoing.send(Outgoing::Frames(all.into())).await.unwrap();
    } else {
        link.outgoing.send(Outgoing::Frames(greeting)).await.unwrap();
        let is_known = |frame: &FromServer| matches!(frame, FromServer::Welcome { .. });
        while !link.read(1).await.iter().any(is_known) {}
        link.outgoing.send(Outgoing::Frames(Bytes::copy_from_slice(what))).await.unwrap();
    }
    // What the server says meanwhile is of no interest, but must not fill the queue.
    while link.incoming.recv().await.is_some() {}
    link.end().await
}

fn attach(messages: u32, bytes: u64) -> FromClient {
    FromClient::Attach { messages, bytes, start: Start::Unprocessed, share: false }
}

/// The first part of a long message.
fn long() -> FromClient {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    FromClient::Send {
        id: MsgId::new(since.as_millis() as u64, [7; 10]),
        to: "@all".parse().unwrap(),
        headers: Headers::default(),
        size: 4 * PART_LEN_MAX as u64,
        body: Body(vec![0; PART_LEN_MAX].into()),
        others: Others::default(),
    }
}

#[test]
fn what_is_malformed_ends_its_link_in_every_state() {
    let scene = Scene::new(&[]);
    let foe = scene.foe();
    let malformed = malformed_of_clients();
    assert!(malformed.len() > 200);
    let (count, effect) = scene.attack(|_| {
        let mut count = 0;
        for (number, (name, kind, bytes)) in malformed.iter().enumerate() {
            for (turn, state) in STATES.into_iter().enumerate() {
                let is_tried = scale() > 1 || (number + turn).is_multiple_of(ONE_IN);
                // What is wrong with a part is so where none is to come.
                if !is_tried || *kind == "part" && matches!(state, State::Sending) {
                    continue;
                }
                let end = foe.runtime.block_on(say(&foe, state, bytes));
                let may = match *kind {
                    "body-too-long" => &[CloseCode::BodyTooLong][..],
                    // In front of the part that is wrong there is a frame that is not.
                    "part" => &[CloseCode::Malformed, CloseCode::OutOfTurn],
                    _ => &[CloseCode::Malformed],
                };
                let is_told =
                    matches!(end, ConnectionEnd::ClosedByPeer(Some(code)) if may.contains(&code));
                assert!(is_told, "{name} when {state:?}: {end:?}");
                count += 1;
            }
        }
        count
    });
    effect.check(&format!("{count} links with malformed frames"), 4 << 10);
    scene.still_serves();
}

/// Good frames that may not come then, and credit that nobody has.
#[test]
fn what_may_not_come_ends_its_link() {
    let scene = Scene::new(&[]);
    let foe = scene.foe();
    let spans = |first, last| FromClient::Processed(vec![Span { first, last }]);
    let most = attach(u32::MAX, u64::MAX);
    // In one packet with what has to be looked up first, so that none is answered before the last.
    let many = (0..100).map(|_| FromClient::Enter("r".parse().unwrap())).collect();
    let cases = [
        (State::Silent, vec![spans(1, 1)], CloseCode::OutOfTurn),
        (State::Silent, vec![hello("foe"), hello("foe")], CloseCode::OutOfTurn),
        (State::Checked, vec![spans(1, 1)], CloseCode::OutOfTurn),
        (State::Checked, vec![most.clone(), most.clone()], CloseCode::OutOfTurn),
        (State::Known, vec![hello("foe")], CloseCode::OutOfTurn),
        (State::Known, vec![spans(1, u64::MAX - 1)], CloseCode::OutOfTurn),
        (State::Known, vec![most.clone(), spans(0, u64::MAX - 1)], CloseCode::OutOfTurn),
        (State::Known, vec![FromClient::More { parts: u32::MAX }], CloseCode::OutOfTurn),
        (State::Known, vec![FromClient::Part(Body::default())], CloseCode::Malformed),
        (State::Reading, vec![most], CloseCode::OutOfTurn),
        (State::Reading, vec![FromClient::Took { count: u32::MAX }], CloseCode::OutOfTurn),
        (State::Sending, vec![long()], CloseCode::Malformed),
        (State::Checked, many, CloseCode::OverLimit),
    ];
    for (state, frames, code) in cases {
        let end = foe.runtime.block_on(say(&foe, state, &bytes(&frames)));
        assert_eq!(end, ConnectionEnd::ClosedByPeer(Some(code)), "{:?} when {state:?}", frames[0]);
    }
    scene.still_serves();
}
