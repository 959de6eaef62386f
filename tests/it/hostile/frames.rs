//! Bytes that are no frames, and frames out of turn, in every state of a link: that link ends with
//! the reason, and no other is affected.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use qmsg::quic::{ConnectionEnd, Outgoing};
use qmsg::wire::{
    Body, BundleRest, CHUNK_LEN_MAX, CloseCode, Envelope, FromClient, FromServer, Headers, MsgId,
    Span, Start,
};

use super::scale;
use super::scene::{Foe, Scene, bytes, hello};
use crate::wire::malformed_of_clients;

/// Progress of a link.
#[derive(Clone, Copy, Debug)]
enum LinkState {
    /// Nothing was said.
    Silent,
    /// The first frame was sent just before, and is still being checked.
    Checked,
    Known,
    Reading,
    /// A long body has begun.
    Sending,
}

const STATES: [LinkState; 5] = [
    LinkState::Silent,
    LinkState::Checked,
    LinkState::Known,
    LinkState::Reading,
    LinkState::Sending,
];
/// `cargo test` tries each malformed input in one state out of five.
const ONE_IN: usize = 5;

/// Brings a link into a state, sends bytes, and returns how the link ended.
async fn say(foe: &Foe, state: LinkState, what: &[u8]) -> ConnectionEnd {
    let mut link = foe.link().await;
    let greeting = match state {
        LinkState::Silent => vec![],
        LinkState::Checked | LinkState::Known => vec![hello("foe")],
        LinkState::Reading => vec![hello("foe"), subscribe(10, 1 << 20)],
        LinkState::Sending => vec![hello("foe"), long()],
    };
    let greeting = bytes(&greeting);
    if matches!(state, LinkState::Silent | LinkState::Checked) {
        let all = [&greeting[..], what].concat();
        link.outgoing.send(Outgoing::Frames(all.into())).await.unwrap();
    } else {
        link.outgoing.send(Outgoing::Frames(greeting)).await.unwrap();
        let is_known = |frame: &FromServer| matches!(frame, FromServer::Welcome { .. });
        while !link.read(1).await.iter().any(is_known) {}
        link.outgoing.send(Outgoing::Frames(Bytes::copy_from_slice(what))).await.unwrap();
    }
    // Frames of the server do not matter here, but must not fill the queue.
    while link.incoming.recv().await.is_some() {}
    link.end().await
}

fn subscribe(messages: u32, bytes: u64) -> FromClient {
    FromClient::Subscribe { messages, bytes, start: Start::Unacked, share: false }
}

/// First chunk of a long message.
fn long() -> FromClient {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    FromClient::Send {
        envelope: Envelope {
            id: MsgId::new(since.as_millis() as u64, [7; 10]),
            to: "@all".parse().unwrap(),
            headers: Headers::default(),
            size: 4 * CHUNK_LEN_MAX as u64,
            body: Body(vec![0; CHUNK_LEN_MAX].into()),
        },
        others: BundleRest::default(),
    }
}

#[test]
fn malformed_frames_end_their_link_in_every_state() {
    let scene = Scene::new(&[]);
    let foe = scene.foe();
    let malformed = malformed_of_clients();
    assert!(malformed.len() > 200);
    let (count, effect) = scene.attack(|_| {
        let mut count = 0;
        for (number, (name, kind, bytes)) in malformed.iter().enumerate() {
            for (turn, state) in STATES.into_iter().enumerate() {
                let is_tried = scale() > 1 || (number + turn).is_multiple_of(ONE_IN);
                // A malformed chunk is also out of turn where no chunk is expected.
                if !is_tried || *kind == "chunk" && matches!(state, LinkState::Sending) {
                    continue;
                }
                let end = foe.runtime.block_on(say(&foe, state, bytes));
                let may: &[CloseCode] = match *kind {
                    "too-many-unknown" => &[CloseCode::OverLimit],
                    "body-too-long" => &[CloseCode::BodyTooLong],
                    // Here a valid frame comes before the malformed chunk.
                    "chunk" => &[CloseCode::Malformed, CloseCode::OutOfTurn],
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

/// Well-formed frames that may not come in a state, and credit that was never given.
#[test]
fn frames_out_of_turn_end_their_link() {
    let scene = Scene::new(&[]);
    let foe = scene.foe();
    let spans = |first, last| FromClient::Ack(vec![Span { first, last }]);
    let most = subscribe(u32::MAX, u64::MAX);
    // All in one packet with a frame that needs a look-up, so that none is answered before the
    // last.
    let many = (0..100).map(|_| FromClient::JoinRoom("r".parse().unwrap())).collect();
    let cases = [
        (LinkState::Silent, vec![spans(1, 1)], CloseCode::OutOfTurn),
        (LinkState::Silent, vec![hello("foe"), hello("foe")], CloseCode::OutOfTurn),
        (LinkState::Checked, vec![spans(1, 1)], CloseCode::OutOfTurn),
        (LinkState::Checked, vec![most.clone(), most.clone()], CloseCode::OutOfTurn),
        (LinkState::Known, vec![hello("foe")], CloseCode::OutOfTurn),
        (LinkState::Known, vec![spans(1, u64::MAX - 1)], CloseCode::OutOfTurn),
        (LinkState::Known, vec![most.clone(), spans(0, u64::MAX - 1)], CloseCode::OutOfTurn),
        (LinkState::Known, vec![FromClient::ChunkCredit { parts: u32::MAX }], CloseCode::OutOfTurn),
        (LinkState::Known, vec![FromClient::Chunk(Body::default())], CloseCode::Malformed),
        (LinkState::Reading, vec![most], CloseCode::OutOfTurn),
        (
            LinkState::Reading,
            vec![FromClient::AckVolatile { count: u32::MAX }],
            CloseCode::OutOfTurn,
        ),
        (LinkState::Sending, vec![long()], CloseCode::Malformed),
        (LinkState::Checked, many, CloseCode::OverLimit),
    ];
    for (state, frames, code) in cases {
        let end = foe.runtime.block_on(say(&foe, state, &bytes(&frames)));
        assert_eq!(end, ConnectionEnd::ClosedByPeer(Some(code)), "{:?} when {state:?}", frames[0]);
    }
    scene.still_serves();
}
