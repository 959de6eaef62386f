//! Clients that keep to nothing: the hub takes any frame in any state and does not panic.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use qmsg::durable::Quotas;
use qmsg::logic::{Draft, Limits};
use qmsg::wire::{Body, Drawer, FromClient, JoinCode, Note, PART_LEN_MAX, REASON_LEN_MAX, Span};

use super::server::{START, Server};
use super::{attach, draft, hello, id, key, pass, passes, room, send, sends, target, user};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const TARGETS: [&str; 6] = ["alice", "bob", "@ops", "@dev", "@all", "nobody"];

/// Bytes of a body's last part.
const LAST_LEN: usize = 7;

#[derive(Clone, Debug)]
enum Step {
    Open(usize),
    Lose(usize),
    Say(usize, Vec<FromClient>),
    Commit,
    AnswerWrites,
    Look,
    AnswerRead,
    Remove(usize, u64),
    Pass(u64),
}

fn frame() -> impl Strategy<Value = FromClient> {
    let name = || (0..3_usize).prop_map(|n| user(NAMES[n]));
    let room = || (0..2_usize).prop_map(|n| room(["ops", "dev"][n]));

    // All that a decoder lets through, up to the ends of the numbers.
    let span = prop_oneof![
        12 => (0..40_u64, 0..4_u64).prop_map(|(first, more)| (first, first + more)),
        1 => (any::<u64>(), any::<u64>()),
        1 => (0..40_u64, Just(u64::MAX - 1)),
    ];
    let span = span.prop_map(|(one, other)| Span {
        first: one.min(other).min(u64::MAX - 1),
        last: one.max(other).min(u64::MAX - 1),
    });
    let code = any::<Option<[u8; 16]>>().prop_map(|code| code.map(JoinCode));
    prop_oneof![
        3 => (name(), any::<bool>(), code)
            .prop_map(|(id, claim, code)| FromClient::Hello { id, claim, code, session: None }),
        6 => (0..20_u64, 0..6_usize, 0..300_usize)
            .prop_map(|(n, to, len)| send(n, TARGETS[to], len)),
        3 => (0..20_u64, 0..6_usize, 0..300_usize)
            .prop_map(|(n, to, len)| pass(n, TARGETS[to], len)),
        6 => (0..20_u64, 1..6_u64, 0..6_usize, 0..90_usize)
            .prop_map(|(n, count, to, len)| sends(n..n + count, TARGETS[to], len)),
        3 => (0..20_u64, 1..6_u64, 0..6_usize, 0..90_usize)
            .prop_map(|(n, count, to, len)| passes(n..n + count, TARGETS[to], len)),
        1 => (0..4_u32).prop_map(|count| FromClient::Took { count }),
        3 => (0..9_u32, 0..300_u64).prop_map(|(messages, bytes)| attach(messages, bytes)),
        1 => (any::<u32>(), any::<u64>()).prop_map(|(messages, bytes)| attach(messages, bytes)),
        6 => vec(span, 0..4).prop_map(FromClient::Processed),
        2 => room().prop_map(FromClient::Enter),
        1 => room().prop_map(FromClient::Leave),
        1 => Just(FromClient::Part(Body::default())),
        2 => any::<bool>().prop_map(|is_whole| FromClient::Part(Body(vec![0; match is_whole {
            true => PART_LEN_MAX,
            false => LAST_LEN,
        }].into()))),
        1 => Just(FromClient::Cut),
        1 => (0..4_u32).prop_map(|parts| FromClient::More { parts }),
        8 => verdict(),
        12 => request(),
    ]
}

fn verdict() -> impl Strategy<Value = FromClient> {
    let seq = || prop_oneof![12 => 0..40_u64, 1 => any::<u64>()];
    let note = || {
        let len = prop_oneof![9 => 0..9_usize, 1 => 0..2 * REASON_LEN_MAX];
        len.prop_map(|len| Note::new(Body(vec![b'a'; len].into())).unwrap())
    };
    prop_oneof![
        4 => (seq(), note()).prop_map(|(seq, reply)| FromClient::Answered { seq, reply }),
        4 => (seq(), any::<u32>(), note()).prop_map(|(seq, attempts, reason)| {
            FromClient::Rejected { seq, attempts, reason }
        }),
        2 => (0..200_u64).prop_map(|number| FromClient::Pong { number }),
    ]
}

fn request() -> impl Strategy<Value = FromClient> {
    let drawer = || prop_oneof![Just(Drawer::Dead), Just(Drawer::Later)];
    let message = || (0..20_u64, 0..6_usize);
    let name = (0..3_usize).prop_map(|n| user(NAMES[n]));
    let due_ms = prop_oneof![
        8 => (0..9_000_u64).prop_map(|ms| START.unix_ms + ms),
        1 => any::<u64>(),
    ];
    prop_oneof![
        6 => (message(), option::of(name)).prop_map(|((n, to), after)| FromClient::Watch {
            id: id(n),
            to: target(TARGETS[to]),
            after,
        }),
        2 => (0..20_u64).prop_map(|n| FromClient::Unwatch { id: id(n) }),
        3 => (message(), due_ms).prop_map(|((n, to), due_ms)| {
            let Draft { id, to, headers, body, .. } = draft(n, TARGETS[to], 5);
            FromClient::Later { due_ms, id, to, headers, body }
        }),
        2 => (drawer(), 0..9_u64).prop_map(|(drawer, after)| FromClient::Look { drawer, after }),
        2 => (drawer(), option::of(0..20_u64), any::<bool>()).prop_map(|(drawer, n, back)| {
            FromClient::Take { drawer, id: n.map(id), back }
        }),
    ]
}

/// Frames that make sense one after the other, up to some point: a long message.
fn long() -> impl Strategy<Value = Vec<FromClient>> {
    (0..20_u64, 0..6_usize, any::<bool>(), 1..3_usize, 0..5_usize).prop_map(
        |(n, to, is_volatile, parts, said)| {
            let make = if is_volatile { pass } else { send };
            let mut frames = vec![make(n, TARGETS[to], parts * PART_LEN_MAX + LAST_LEN)];
            let whole = Body(vec![0; PART_LEN_MAX].into());
            frames.extend((1..parts).map(|_| FromClient::Part(whole.clone())));
            frames.push(FromClient::Part(Body(vec![0; LAST_LEN].into())));
            frames.truncate(said + 1);
            frames
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize).prop_map(Step::Open),
        1 => any::<usize>().prop_map(Step::Lose),
        20 => (any::<usize>(), frame()).prop_map(|(link, frame)| Step::Say(link, vec![frame])),
        3 => (any::<usize>(), long()).prop_map(|(link, frames)| Step::Say(link, frames)),
        6 => Just(Step::Commit),
        6 => Just(Step::AnswerWrites),
        6 => Just(Step::Look),
        6 => Just(Step::AnswerRead),
        1 => (2..5_usize, 0..40_u64).prop_map(|(log, seq)| Step::Remove(log, seq)),
        1 => (0..4_000_u64).prop_map(Step::Pass),
    ]
}

fn carry_out(steps: Vec<Step>) {
    let limits = Limits { sends_max: 6, send_bytes_max: 500, links_max: 6, ..Limits::default() };
    let mut server = Server::new(limits, Quotas { log_messages_max: 9, ..Quotas::default() });
    for name in NAMES {
        server.link(name);
    }
    let mut links = vec![];
    for step in steps {
        match step {
            Step::Open(name) => {
                let link = server.open(key(NAMES[name]));
                // Most say hello, or few would come far.
                if links.len() % 4 > 0 {
                    server.say(link, hello(NAMES[name]));
                }
                links.push(link);
            }
            Step::Lose(at) if !links.is_empty() => server.lose(links[at % links.len()]),
            Step::Say(at, frames) if !links.is_empty() => {
                server.say_all(links[at % links.len()], frames);
            }
            Step::Lose(_) | Step::Say(..) => {}
            Step::Commit => server.commit(),
            Step::AnswerWrites => server.answer_writes(),
            Step::Look => server.look(),
            Step::AnswerRead => server.answer_read(),
            Step::Remove(log, seq) => {
                let log = target(TARGETS[log]);
                if server.store.has_log(&log) {
                    server.store.remove(&log, seq);
                }
            }
            Step::Pass(ms) => server.pass(ms),
        }
    }
    server.work();
}

proptest! {
    // A failure prints its steps; a file of them beside the sources would have to be kept.
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None,
        ..ProptestConfig::default() })]
    #[test]
    fn any_frame_in_any_state_is_taken(steps in vec(step(), 0..120)) {
        carry_out(steps);
    }
}
