//! A peer and its user, who joins the chunks of received messages and gives those of drafts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use qmsg::durable::Disposition;
use qmsg::logic::{Command, Draft, Event, Intent, LinkId, Peer, PeerInput, Time, numbered};
use qmsg::wire::{
    Bundle, CHUNK_LEN_MAX, DeliveryState, Message, MsgId, ParkedKind, ParkedMessage,
    RecipientStatus, Seq, Target, UserId,
};

use super::body_of;

pub(super) struct Client {
    pub(super) user: UserId,
    pub(super) peer: Peer,
    pub(super) link: Option<LinkId>,
    pub(super) dialing: bool,
    /// Events of the peer, in order.
    pub(super) events: Vec<Event>,
    /// Seqs shown and not acked.
    pub(super) todo: Vec<Seq>,
    pub(super) shown: BTreeSet<Seq>,
    last: BTreeMap<Target, Seq>,
    /// True if the user shares, releases or replays: messages may be shown after later ones.
    pub(super) unordered: bool,
    pub(super) drafts: Vec<Draft>,
    pub(super) over: bool,
    /// The long message under way, and the bytes of it that have come.
    partial: Option<(Seq, Message, Vec<u8>)>,
    /// Chunks that the user was asked for and has not given.
    pub(super) wanted: VecDeque<(MsgId, u64)>,
    /// Chunks shown that the user has not consumed.
    pub(super) untaken: u32,
    /// The client's own messages that were accepted.
    pub(super) accepted: Vec<MsgId>,
    /// Messages that the user tracks.
    pub(super) watches: BTreeMap<MsgId, Watch>,
    /// Replies and rejections that the user acked messages with.
    pub(super) verdicts: BTreeMap<Seq, Disposition>,
    /// The kind of parked messages being listed, and those that have come.
    pub(super) looking: Option<(ParkedKind, Vec<ParkedMessage>)>,
    /// Parked messages of the last finished list.
    pub(super) kept: Vec<ParkedMessage>,
}

/// A tracked message, with the updates that its sender received.
pub(super) struct Watch {
    pub(super) to: Target,
    pub(super) told: BTreeMap<UserId, DeliveryState>,
    pub(super) complete: bool,
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
            unordered: false,
            drafts: vec![],
            over: false,
            partial: None,
            wanted: VecDeque::new(),
            untaken: 0,
            accepted: vec![],
            watches: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            looking: None,
            kept: vec![],
        }
    }

    pub(super) fn told(&mut self, event: Event, ordered: bool) {
        match &event {
            Event::Messages { seq, bundle: Bundle { first: message, .. } } if message.is_long() => {
                assert!(!self.shown.contains(seq), "{seq} shown twice to {}", self.user);
                let first = message.body.0.to_vec();
                assert_eq!(first.len(), CHUNK_LEN_MAX);
                let before = self.partial.replace((*seq, message.clone(), first));
                assert_eq!(before, None, "one body at a time");
            }
            Event::Messages { seq, bundle } => {
                for (seq, message) in numbered(*seq, bundle) {
                    self.shows(seq, &message, &message.body.0, ordered);
                }
            }
            Event::Chunk(part) => {
                self.untaken += 1;
                let (_, message, body) = self.partial.as_mut().expect("a chunk of a message");
                body.extend_from_slice(&part.0);
                if body.len() as u64 == message.size {
                    let (seq, message, body) = self.partial.take().unwrap();
                    self.shows(seq, &message, &body, ordered);
                }
            }
            Event::BodyAborted => assert!(self.partial.take().is_some(), "a body to abort"),
            Event::ChunkWanted { id, index } => self.wanted.push_back((*id, *index)),
            Event::GaveUp(_) | Event::Denied(_) => self.over = true,
            Event::Accepted { id, count, .. } => {
                self.accepted.extend((0..u64::from(*count)).map(|behind| id.plus(behind)));
            }
            Event::TrackUpdate { id, standings, complete } => self.hears(*id, standings, *complete),
            Event::UnknownMessage { id } => {
                assert!(self.watches.remove(id).is_some(), "{id} is not tracked");
            }
            Event::ParkedEnd(drawer) => {
                let (looking, shown) = self.looking.take().expect("a list was asked for");
                assert_eq!(looking, *drawer);
                self.kept = shown;
            }
            Event::Parked(kept) => {
                let (drawer, shown) = self.looking.as_mut().expect("a list was asked for");
                assert_eq!(*drawer, kept.kind);
                assert!(shown.last().is_none_or(|last| last.number < kept.number), "shown twice");
                shown.push(kept.clone());
            }
            _ => {}
        }
        self.events.push(event);
    }

    fn hears(&mut self, id: MsgId, standings: &[RecipientStatus], complete: bool) {
        let watch = self.watches.get_mut(&id).expect("a tracked message");
        assert!(complete >= watch.complete, "complete once");
        assert!(!standings.is_empty() || complete && !watch.complete, "nothing new");
        watch.complete = complete;
        for RecipientStatus { user, state, .. } in standings {
            let before = watch.told.insert(user.clone(), *state);
            assert!(before < Some(*state), "{user} at {state:?} after {before:?}");
        }
    }

    /// Releases messages, which may be shown again.
    pub(super) fn skips(&mut self, seqs: &[Seq]) {
        self.unordered = true;
        self.todo.retain(|seq| !seqs.contains(seq));
        self.shown.retain(|seq| !seqs.contains(seq));
    }

    fn shows(&mut self, seq: Seq, message: &Message, body: &[u8], ordered: bool) {
        assert!(body_of(message.id, message.size).0 == body, "{seq} is not what was sent");
        self.todo.push(seq);
        // Volatile messages have no seq.
        if seq > 0 {
            assert!(self.shown.insert(seq), "{seq} shown twice to {}", self.user);
            let last = self.last.insert(message.to.clone(), seq).unwrap_or_default();
            // An expired message is there again if the clock is set back before the expiration is
            // on disk.
            let is_brief = message.headers.ttl_ms().is_some();
            assert!(
                last < seq || is_brief || !ordered || self.unordered,
                "{seq} shown after {last} to {}",
                self.user
            );
        }
    }

    /// Gives the chunk that was asked for first.
    pub(super) fn give(&mut self) -> Option<PeerInput> {
        let (id, index) = self.wanted.pop_front()?;
        let draft = self.drafts.iter().find(|draft| draft.id == id).expect("a chunk of a draft");
        let body = super::part_of(id, draft.size, index);
        Some(Command::Chunk { id, index, body }.into())
    }
}
