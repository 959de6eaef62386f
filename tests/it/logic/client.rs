//! A peer and its user, who puts long bodies together and gives those of the drafts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use qmsg::logic::{Command, Draft, Event, Intent, LinkId, Peer, PeerInput, Time, numbered};
use qmsg::wire::{Bundle, Message, MsgId, PART_LEN_MAX, Seq, Target, UserId};

use super::body_of;

pub(super) struct Client {
    pub(super) user: UserId,
    pub(super) peer: Peer,
    pub(super) link: Option<LinkId>,
    pub(super) dialing: bool,
    /// All that the user was told.
    pub(super) events: Vec<Event>,
    /// Shown and not dealt with.
    pub(super) todo: Vec<Seq>,
    pub(super) shown: BTreeSet<Seq>,
    last: BTreeMap<Target, Seq>,
    pub(super) drafts: Vec<Draft>,
    pub(super) over: bool,
    /// The long message under way, and what has come of its body.
    partial: Option<(Seq, Message, Vec<u8>)>,
    /// Parts that the user was asked for and has not given, told of and has not dealt with.
    pub(super) wanted: VecDeque<(MsgId, u64)>,
    pub(super) untaken: u32,
}

impl Client {
    pub(super) fn new(now: Time, intent: Intent, seed: u64) -> Self {
        Self {
            user: intent.id.clone(),
            peer: Peer::new(now, intent, seed),
            link: None,
            dialing: false,
            events: vec![],
            todo: vec![],
            shown: BTreeSet::new(),
            last: BTreeMap::new(),
            drafts: vec![],
            over: false,
            partial: None,
            wanted: VecDeque::new(),
            untaken: 0,
        }
    }

    pub(super) fn told(&mut self, event: Event, ordered: bool) {
        match &event {
            Event::Messages { seq, bundle: Bundle { first: message, .. } } if message.is_long() => {
                assert!(!self.shown.contains(seq), "{seq} shown twice to {}", self.user);
                let first = message.body.0.to_vec();
                assert_eq!(first.len(), PART_LEN_MAX);
                let before = self.partial.replace((*seq, message.clone(), first));
                assert_eq!(before, None, "one body at a time");
            }
            Event::Messages { seq, bundle } => {
                for (seq, message) in numbered(*seq, bundle) {
                    self.shows(seq, &message, &message.body.0, ordered);
                }
            }
            Event::Part(part) => {
                self.untaken += 1;
                let (_, message, body) = self.partial.as_mut().expect("a part of a message");
                body.extend_from_slice(&part.0);
                if body.len() as u64 == message.size {
                    let (seq, message, body) = self.partial.take().unwrap();
                    self.shows(seq, &message, &body, ordered);
                }
            }
            Event::Cut => assert!(self.partial.take().is_some(), "a body that is cut"),
            Event::PartWanted { id, index } => self.wanted.push_back((*id, *index)),
            Event::GaveUp(_) | Event::Rejected(_) => self.over = true,
            _ => {}
        }
        self.events.push(event);
    }

    fn shows(&mut self, seq: Seq, message: &Message, body: &[u8], ordered: bool) {
        assert!(body_of(message.id, message.size).0 == body, "{seq} is not what was sent");
        self.todo.push(seq);
        // A volatile one has no place to go by.
        if seq > 0 {
            assert!(self.shown.insert(seq), "{seq} shown twice to {}", self.user);
            let last = self.last.insert(message.to.clone(), seq).unwrap_or_default();
            assert!(last < seq || !ordered, "{seq} shown after {last} to {}", self.user);
        }
    }

    /// The answer to the oldest part wanted.
    pub(super) fn give(&mut self) -> Option<PeerInput> {
        let (id, index) = self.wanted.pop_front()?;
        let draft = self.drafts.iter().find(|draft| draft.id == id).expect("a part of a draft");
        let body = super::part_of(id, draft.size, index);
        Some(Command::Part { id, index, body }.into())
    }
}
