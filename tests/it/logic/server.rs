//! A hub on the model store: takes the steps of the server's loop, as a test chooses. Checks with
//! every output the rules that hold for any steps.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash};

use qmsg::durable::{Found, Outcome, Quotas, Read, Record, RequestId, Write};
use qmsg::logic::{Hub, Input, Limits, LinkId, Output, Time, greeting};
use qmsg::wire::{
    BodyOrder, CHUNKS_AHEAD_MAX, CloseCode, Frame, FromClient, FromServer, Pin, Seq, Span, Start,
    UserId,
};

use crate::memory::MemoryStore;

/// Bytes that a message takes in the hub's budget besides its own.
const MESSAGE_LEN: u64 = 64;

pub(crate) const START: Time = Time { mono_ms: 1_000, unix_ms: 1_800_000_000_000 };

pub(crate) struct Server {
    pub(super) now: Time,
    /// The latest time that the wall clock showed before it was set.
    pub(super) latest_ms: u64,
    pub(super) store: MemoryStore,
    limits: Limits,
    hub: Hub,
    /// Writes asked for, not on disk.
    pub(super) batch: Vec<(RequestId, Write)>,
    /// Writes on disk, not answered.
    pub(super) written: Option<Vec<(RequestId, Outcome)>>,
    pub(super) reads: VecDeque<(RequestId, Read)>,
    /// Reads done, not answered.
    pub(super) found: VecDeque<(RequestId, Found)>,
    links: BTreeMap<LinkId, Audit>,
    next_link: u64,
    /// Number of `Deliver` outputs, each to any number of links.
    pub(super) deliveries: usize,
    /// Outputs that no test has read yet.
    said: Vec<(LinkId, Said)>,
    /// Number of inputs of all its hubs.
    pub(super) events: u64,
    /// Hash of all outputs, if wanted.
    pub(super) trace: Option<DefaultHasher>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Frame(FromServer),
    Close(CloseCode),
}

/// Deliveries that a frame acks.
pub(super) fn reports(frame: &FromClient) -> Vec<Span> {
    match frame {
        FromClient::Ack(spans) => spans.clone(),
        FromClient::Reply { seq, .. } | FromClient::Reject { seq, .. } => {
            vec![Span::one(*seq)]
        }
        _ => vec![],
    }
}

/// Frames on an open link, in both directions.
#[derive(Default)]
struct Audit {
    key: Option<Pin>,
    user: Option<UserId>,
    window: Option<(u32, u64)>,
    /// True if the reader shares, and starts with the first unacked message.
    shares: bool,
    begins: bool,
    unsettled: BTreeMap<Seq, u64>,
    reported: VecDeque<Span>,
    caught_up: bool,
    bodies: BodyOrder,
    /// The last message whose head was sent; `None`: a volatile one.
    last: Option<Seq>,
    /// Chunks sent and without credit, in each direction.
    parts_out: u32,
    parts_in: u32,
}

impl Audit {
    /// Number of unacked messages, and their bytes.
    fn load(&self) -> (u64, u64) {
        (self.unsettled.len() as u64, self.unsettled.values().sum())
    }
}

impl Server {
    pub(crate) fn new(limits: Limits, quotas: Quotas) -> Self {
        Self {
            now: START,
            latest_ms: START.unix_ms,
            store: MemoryStore::new(quotas),
            limits,
            hub: Hub::new(limits),
            batch: vec![],
            written: None,
            reads: VecDeque::new(),
            found: VecDeque::new(),
            links: BTreeMap::new(),
            next_link: 0,
            deliveries: 0,
            said: vec![],
            events: 0,
            trace: None,
        }
    }

    pub(crate) fn greeting(&self) -> FromServer {
        greeting(&self.limits, self.now)
    }

    pub(super) fn body_len_max(&self) -> u64 {
        self.limits.body_len_max
    }

    pub(crate) fn open(&mut self, key: Pin) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(link, Audit { key: Some(key), ..Audit::default() });
        self.feed(Input::Opened { link, key });
        link
    }

    pub(crate) fn say(&mut self, link: LinkId, frame: FromClient) {
        // The loop forgets a link that the hub has ended.
        let Some(audit) = self.links.get_mut(&link) else { return };
        audit.reported.extend(reports(&frame));
        match &frame {
            FromClient::Hello { id, .. } => _ = audit.user.get_or_insert(id.clone()),
            FromClient::Subscribe { messages, bytes, start, share } => {
                (audit.shares, audit.begins) = (*share, *start == Start::Unacked);
                let messages = (*messages).clamp(1, self.limits.prefetch_messages_max);
                let window = (messages, (*bytes).min(self.limits.prefetch_bytes_max));
                audit.window.get_or_insert(window);
            }
            FromClient::Release(spans) => {
                let skipped = |seq| spans.iter().any(|span| span.contains(seq));
                audit.unsettled.retain(|seq, _| !skipped(*seq));
            }
            FromClient::Chunk(_) => audit.parts_in += 1,
            FromClient::ChunkCredit { parts } => {
                audit.parts_out = audit.parts_out.saturating_sub(*parts);
            }
            _ => {}
        }
        self.feed(Input::Frame { link, frame });
    }

    /// True if neither the hub nor the client has closed the link.
    pub(super) fn has_link(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Deliveries of a link that are not acked.
    pub(super) fn unsettled(&self, link: LinkId) -> Vec<Seq> {
        self.links[&link].unsettled.keys().copied().collect()
    }

    pub(crate) fn lose(&mut self, link: LinkId) {
        if self.links.remove(&link).is_some() {
            self.feed(Input::Closed { link });
        }
    }

    /// Puts the batch in hand on disk, unless the last one is still to be answered.
    pub(super) fn commit(&mut self) {
        if self.written.is_none() && !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            let write = |(ticket, write): &(RequestId, Write)| (*ticket, self.store.write(write));
            self.written = Some(batch.iter().map(write).collect());
        }
    }

    pub(super) fn answer_writes(&mut self) {
        if let Some(answers) = self.written.take() {
            self.feed(Input::Durable(answers));
        }
    }

    /// Carries out the oldest read.
    pub(super) fn look(&mut self) {
        if let Some((ticket, read)) = self.reads.pop_front() {
            self.found.push_back((ticket, self.store.read(&read)));
        }
    }

    pub(super) fn answer_read(&mut self) {
        if let Some((ticket, found)) = self.found.pop_front() {
            self.feed(Input::Found(ticket, found));
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        let storing = !self.batch.is_empty() || self.written.is_some();
        storing || !self.reads.is_empty() || !self.found.is_empty()
    }

    /// Completes all work that is under way.
    pub(super) fn work(&mut self) {
        for _ in 0..10_000 {
            if !self.is_busy() {
                return;
            }
            self.commit();
            self.answer_writes();
            self.look();
            self.answer_read();
        }
        panic!("the hub goes round in circles");
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms;
        if self.hub.deadline().is_some_and(|at_ms| at_ms <= self.now.mono_ms) {
            self.feed(Input::Tick);
            let next = self.hub.deadline();
            let is_later = next.is_none_or(|at_ms| at_ms > self.now.mono_ms);
            assert!(is_later, "a tick that changes nothing");
        }
    }

    /// Sets the wall clock to the time passed plus `ahead_ms`, which may be negative.
    pub(super) fn set_clock(&mut self, ahead_ms: i64) {
        self.latest_ms = self.latest_ms.max(self.now.unix_ms);
        let passed_ms = self.now.mono_ms - START.mono_ms;
        self.now.unix_ms = (START.unix_ms + passed_ms).saturating_add_signed(ahead_ms);
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.hub.deadline()
    }

    /// Ends the process and starts another one on the data on disk.
    pub(super) fn crash(&mut self) {
        self.hub = Hub::new(self.limits);
        self.store.bodies.restart();
        self.batch.clear();
        self.written = None;
        self.reads.clear();
        self.found.clear();
        self.links.clear();
    }

    /// Outputs since the last call.
    pub(super) fn take_said(&mut self) -> Vec<(LinkId, Said)> {
        std::mem::take(&mut self.said)
    }

    /// Outputs on one link since the last call, after all work under way is done.
    pub(crate) fn heard(&mut self, link: LinkId) -> Vec<Said> {
        self.work();
        self.heard_so_far(link)
    }

    pub(super) fn heard_so_far(&mut self, link: LinkId) -> Vec<Said> {
        let (mine, others) = self.take_said().into_iter().partition(|(to, _)| *to == link);
        self.said = others;
        mine.into_iter().map(|(_, said)| said).collect()
    }

    pub(super) fn feed(&mut self, input: Input) {
        let mut outputs = vec![];
        self.events += 1;
        let before = self.flight();
        self.hub.handle(self.now, input, &mut outputs);
        for output in outputs {
            if let Some(trace) = &mut self.trace {
                format!("{output:?}").hash(trace);
            }
            match output {
                Output::Frame { link, frame } => self.frame(link, frame),
                Output::Deliver { links, record } => {
                    assert!(!links.is_empty());
                    self.deliveries += 1;
                    links.into_iter().for_each(|link| self.deliver(link, &record));
                }
                Output::Volatile { links, bundle } => {
                    assert!(!links.is_empty());
                    let frame = FromServer::volatile(&bundle);
                    links.into_iter().for_each(|link| self.frame(link, frame.clone()));
                }
                Output::Chunk { links, body } => {
                    assert!(!links.is_empty());
                    let frame = FromServer::Chunk(body);
                    links.into_iter().for_each(|link| self.frame(link, frame.clone()));
                }
                Output::Close { link, code } => {
                    assert!(self.links.remove(&link).is_some(), "closed twice");
                    self.said.push((link, Said::Close(code)));
                }
                Output::Write(ticket, write) => self.batch.push((ticket, write)),
                Output::Read(ticket, read) => self.reads.push_back((ticket, read)),
            }
        }
        let (flight, max) = (self.flight(), self.limits.budget_bytes_max);
        // Bytes and messages are bounded separately, so both may use the rest.
        assert!(flight <= before || flight <= 2 * max, "{flight} B are under way");
    }

    /// Load of the links that have more than each is granted in any case.
    fn flight(&self) -> u64 {
        let min = self.limits.budget_link_bytes_min;
        let is_more = |(count, bytes): &(u64, u64)| {
            *count > 1 && (*count > min / MESSAGE_LEN || *bytes > min)
        };
        let loads = self.links.values().map(Audit::load).filter(is_more);
        loads.map(|(count, bytes)| count * MESSAGE_LEN + bytes).sum()
    }

    fn frame(&mut self, link: LinkId, frame: FromServer) {
        let audit = self.links.get_mut(&link).expect("a frame for a link that is there");
        let user = audit.user.as_ref().expect("a frame for a link that said hello");
        assert!(audit.bodies.admit(frame.body_part()), "{frame:?} out of order");
        match &frame {
            FromServer::Welcome { id, .. } => {
                assert!(id == user && self.store.owner(id) == audit.key, "{id} is not its own");
            }
            FromServer::Accepted { id, count, .. } => {
                let all = (0..u64::from(*count)).map(|behind| id.plus(behind));
                for id in all {
                    assert!(self.store.has_stored(user, id), "accepted before it is on disk");
                }
            }
            FromServer::AckRecorded { count } => {
                for _ in 0..*count {
                    let span = audit.reported.pop_front().expect("what was reported");
                    let seq = span.first;
                    if seq < span.last {
                        audit.reported.push_front(Span { first: seq + 1, ..span });
                    }
                    audit.unsettled.remove(&seq);
                    let there = self.store.is_processed(user, seq);
                    assert!(there, "{seq} settled for {user} before it is on disk");
                }
            }
            FromServer::CaughtUp => {
                assert!(!std::mem::replace(&mut audit.caught_up, true), "caught up twice");
            }
            FromServer::Deliver { seq, .. } => audit.last = Some(*seq),
            FromServer::Volatile { .. } => audit.last = None,
            FromServer::AbortBody => {
                // The message is not delivered, so no ack is due.
                let is_reported = |seq| audit.reported.iter().any(|span| span.contains(seq));
                let seq = audit.last.filter(|seq| !is_reported(*seq));
                seq.map(|seq| audit.unsettled.remove(&seq));
            }
            FromServer::Chunk(_) => {
                audit.parts_out += 1;
                assert!(audit.parts_out <= CHUNKS_AHEAD_MAX, "too far ahead");
            }
            FromServer::ChunkCredit { parts } => {
                audit.parts_in = audit.parts_in.checked_sub(*parts).expect("parts that came");
            }
            _ => {}
        }
        self.said.push((link, Said::Frame(frame)));
    }

    /// Messages with one of the sharing readers are delivered to no other, unless replayed.
    fn check_share(&self, link: LinkId, record: &Record) {
        let audit = &self.links[&link];
        let shares = |other: &Audit| other.shares && other.user == audit.user && other.begins;
        let others = self.links.iter().filter(|(id, other)| **id != link && shares(other));
        for (_, other) in others.filter(|_| shares(audit)) {
            let both = other.unsettled.range(record.span().first..=record.span().last).next();
            assert_eq!(both, None, "with two who share");
        }
    }

    fn deliver(&mut self, link: LinkId, record: &Record) {
        let audit = self.links.get_mut(&link).expect("a delivery on a link that is there");
        let (messages, bytes) = audit.window.expect("a delivery on a link that attached");
        for at in 0..record.bundle.count() {
            let one = record.slice(at, 1);
            let stored = self.store.record(one.seq);
            assert_eq!(stored, Some(&one), "delivered before it is on disk");
            if audit.begins {
                let user = audit.user.as_ref().unwrap();
                assert!(!self.store.has_settled(user, one.seq), "{} is no news", one.seq);
            }
            let twice = audit.unsettled.insert(one.seq, one.bundle.first.len_bytes());
            assert_eq!(twice, None, "{} delivered twice on one link", one.seq);
        }
        self.check_share(link, record);
        let audit = &self.links[&link];
        let (count, sum) = audit.load();
        let fits = count <= messages.into() && sum <= bytes;
        assert!(
            count == 1 || fits,
            "{count} messages of {sum} B in a window of {messages}, {bytes} B"
        );
        self.frame(link, FromServer::deliver(record.seq, &record.bundle));
    }
}
