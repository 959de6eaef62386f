//! Reader: a link that takes deliveries, its window, and the source of its messages.

use crate::durable::{Missing, Page, PageItem, Read, Record, RequestId};
use crate::wire::{
    Body, Bundle, CHUNK_LEN_MAX, CHUNKS_AHEAD_MAX, Feature, Features, FromServer, Seq, Span, Start,
    Target,
};

use super::budget::{DeliveryBudget, Load};
use super::download::{Download, StoredDownload, VolatileId};
use super::io::LinkId;
use super::turn::Turn;
use super::window::VolatileWindow;
use crate::logic::limits::{Limits, RELEASED_SPANS_MIN};
use crate::logic::prefetch::Prefetch;
use crate::logic::seqs::cursor::Cursor;
use crate::logic::seqs::set::{SeqSet, missing};
use crate::logic::seqs::unacked::{Delivery, Unacked};

/// One reader of a mailbox.
pub(super) struct Reader {
    link: LinkId,
    /// Most messages and bytes that may be unacked.
    window_max: Load,
    /// Load of the deliveries whose acks are not recorded.
    window: Load,
    volatile: VolatileWindow,
    /// Deliveries without an ack.
    unacked: Unacked,
    /// Deliveries that this reader released. They stay unacked for other readers. May still hold
    /// messages acked since.
    released: SeqSet,
    /// Number of spans in `released` above which acked ones are dropped.
    released_max: usize,
    /// Last seq up to which every message for this reader was delivered, or acked before.
    position: Seq,
    state: State,
    /// Bytes that the budget counts for a page: the most it may hold while it is fetched, and the
    /// size of its rest while it waits for a long body.
    page_bytes: u64,
    /// True for a reader that shares: each message goes to only one of the sharing readers.
    share: bool,
    takes_volatile: bool,
    /// Deliveries of an earlier link that this reader still processes. No other sharing reader gets
    /// them.
    resumed: SeqSet,
    /// Start that its client asked for, until it was looked up.
    start: Start,
    /// Messages up to here are not for this reader.
    floor: Seq,
    /// While the reader replays: every message after this seq is delivered, acked or not.
    replay: Option<Seq>,
    /// True once the client was told that it has caught up.
    caught_up: bool,
    /// The long body on its way. No other message with a body is delivered until it ends.
    download: Option<Download>,
}

/// State of a reader: the source of its messages.
///
/// `WaitingForLoad → Starting → Paused ⇄ Fetching → Live`, and from `Live` back to `Paused` when it
/// falls behind or is rewound.
enum State {
    /// No source: the mailbox is being loaded.
    WaitingForLoad,
    /// No source: the start position is being looked up, or other sharing readers may resume first.
    Starting,
    /// No source until the reason for the pause is gone. `Pause::Window` is also the state of a
    /// reader that is ready to fetch.
    Paused(Pause),
    /// A page that the store was asked for. `is_stale`: the reader was rewound since.
    Fetching { is_stale: bool },
    /// Memory: messages go straight to the reader when they become durable.
    Live,
}

/// Event that a paused reader waits for.
enum Pause {
    /// Room in its window, or an ack that uncrowds a cursor.
    Window,
    /// The end of a long body. `rest` of the page is delivered after it.
    Body { rest: Page, is_stale: bool },
}

/// Outcome of a chunk of a stored body.
pub(super) enum Chunk {
    /// The body continues, or the chunk belongs to no body.
    Continues,
    /// The last chunk of this message was sent.
    Complete { log: Target, seq: Seq },
    /// The store has lost the rest, so the message counts as not delivered. `None` if it was acked
    /// or released meanwhile.
    Lost(Option<LostBody>),
}

/// An unacked message whose body cannot be delivered.
pub(super) struct LostBody {
    pub(super) seq: Seq,
    pub(super) log: Target,
    pub(super) counts: bool,
    pub(super) missing: Missing,
}

impl Reader {
    pub(super) fn new(
        link: LinkId,
        (prefetch, features): (&Prefetch, Features),
        resumed: SeqSet,
        limits: &Limits,
    ) -> Self {
        let messages = prefetch.messages.clamp(1, limits.prefetch_messages_max);
        let bytes = prefetch.bytes.min(limits.prefetch_bytes_max);
        Self {
            link,
            window_max: (messages.into(), bytes),
            window: (0, 0),
            volatile: VolatileWindow::default(),
            unacked: Unacked::default(),
            released: SeqSet::default(),
            released_max: 0,
            position: 0,
            state: State::WaitingForLoad,
            page_bytes: 0,
            share: prefetch.share,
            takes_volatile: features.contains(Feature::Volatile),
            resumed,
            start: prefetch.start,
            floor: 0,
            replay: None,
            caught_up: false,
            download: None,
        }
    }

    pub(super) fn link(&self) -> LinkId {
        self.link
    }

    pub(super) fn shares(&self) -> bool {
        self.share
    }

    /// True when the client has named the feature of volatile messages.
    pub(super) fn takes_volatile(&self) -> bool {
        self.takes_volatile
    }

    pub(super) fn unacked(&self) -> &Unacked {
        &self.unacked
    }

    pub(super) fn resumed(&self) -> &SeqSet {
        &self.resumed
    }

    pub(super) fn position(&self) -> Seq {
        self.position
    }

    /// True if the reader has a message, or still processes it since an earlier link.
    pub(super) fn holds(&self, seq: Seq) -> bool {
        self.unacked.within(Span::one(seq)).next().is_some() || self.resumed.contains(seq)
    }

    /// Number of unacked messages.
    pub(super) fn load(&self) -> u64 {
        self.volatile.load().0 + self.window.0
    }

    /// True while a long body is on its way.
    pub(super) fn is_downloading(&self) -> bool {
        self.download.is_some()
    }

    /// The volatile body on its way, if any.
    pub(super) fn volatile_body(&self) -> Option<VolatileId> {
        match self.download {
            Some(Download::Volatile(body)) => Some(body),
            Some(Download::Stored(_)) | None => None,
        }
    }

    /// True if a whole message was delivered and is not acked.
    pub(super) fn has_whole_message(&self, seq: Seq) -> bool {
        let is_partial = match &self.download {
            Some(Download::Stored(download)) => download.seq() == seq,
            Some(Download::Volatile(_)) | None => false,
        };
        self.unacked.has_message(seq) && !is_partial
    }

    /// Load that the budget counts. A page counts before it is read, so that pages of many readers
    /// together stay within the budget. A long body larger than the window does not count: its
    /// chunks do, one by one.
    fn load_in_budget(&self) -> Load {
        let most = self.window_max.1.max(CHUNK_LEN_MAX as u64);
        let (messages, bytes) = self.volatile.load();
        (self.window.0 + messages, self.window.1.min(most) + bytes.min(most) + self.page_bytes)
    }

    /// Returns the reader's share of the budget, because its link is gone.
    pub(super) fn free_budget(&self, budget: &mut DeliveryBudget) {
        if let Some(Download::Stored(download)) = &self.download {
            budget.unreserve_chunks(download.asked_count() as u32);
        }
        budget.replace(self.load_in_budget(), (0, 0));
    }

    /// Number of these messages that may be delivered now; at least one if none is unacked.
    pub(super) fn admits(&self, bundle: &Bundle, budget: &DeliveryBudget) -> u64 {
        self.fitting(bundle, self.window, budget)
    }

    /// Number of these volatile messages that may be delivered now.
    pub(super) fn admits_volatile(&self, bundle: &Bundle, budget: &DeliveryBudget) -> u64 {
        if self.is_downloading() {
            return 0;
        }
        self.fitting(bundle, self.volatile.load(), budget)
    }

    fn fitting(&self, bundle: &Bundle, has: Load, budget: &DeliveryBudget) -> u64 {
        let (window_messages, window_bytes) = budget.window(self.window_max, has);
        let (messages, bytes) = has;
        let free = window_messages.saturating_sub(messages);
        // After a message larger than the window not even an empty one fits.
        let free_bytes = window_bytes.checked_sub(bytes);
        let Some(free_bytes) = free_bytes.filter(|_| free > 0) else { return 0 };
        let count = bundle.fitting(0, free, free_bytes);
        let fits = bundle.len_bytes(0, count) <= free_bytes;
        if fits || messages == 0 { count } else { 0 }
    }

    /// Notes a delivery.
    pub(super) fn add_delivery(
        &mut self,
        first: Seq,
        delivery: Delivery,
        budget: &mut DeliveryBudget,
    ) {
        let span = Span { first, last: delivery.last() };
        let before = self.load_in_budget();
        self.window.0 += span.count();
        self.window.1 += delivery.len_bytes(first, span);
        budget.replace(before, self.load_in_budget());
        if !self.resumed.is_empty() {
            self.resumed.remove(span);
        }
        self.unacked.insert(first, delivery);
    }

    /// True if all of these spans were delivered and neither acked nor released, and none occurs
    /// twice.
    pub(super) fn has_deliveries(&self, spans: &[Span]) -> bool {
        self.unacked.covers_each_once(spans)
    }

    /// Removes deliveries that are acked or released, and returns them.
    pub(super) fn take_deliveries(
        &mut self,
        spans: &[Span],
    ) -> impl Iterator<Item = (Seq, Delivery)> {
        spans.iter().flat_map(|span| self.unacked.remove(*span))
    }

    /// Removes the load of messages whose acks are recorded, or that need none, from the window.
    pub(super) fn open_window(&mut self, (messages, bytes): Load, budget: &mut DeliveryBudget) {
        let before = self.load_in_budget();
        self.window.0 = self.window.0.saturating_sub(messages);
        self.window.1 = self.window.1.saturating_sub(bytes);
        budget.replace(before, self.load_in_budget());
    }

    /// Notes the delivery of the first `count` volatile messages of a bundle, and the body that
    /// follows a long one.
    pub(super) fn add_volatile(
        &mut self,
        bundle: &Bundle,
        count: u64,
        body: Option<VolatileId>,
        budget: &mut DeliveryBudget,
    ) {
        let before = self.load_in_budget();
        self.volatile.add(bundle, count);
        budget.replace(before, self.load_in_budget());
        if let Some(body) = body {
            self.download = Some(Download::Volatile(body));
        }
    }

    /// Acks volatile messages. Returns `false` if the reader has fewer.
    pub(super) fn ack_volatile(&mut self, count: u32, budget: &mut DeliveryBudget) -> bool {
        let before = self.load_in_budget();
        let acked = self.volatile.ack(count);
        budget.replace(before, self.load_in_budget());
        acked
    }

    /// Ends the volatile body on its way. Unless it is whole, its message counts as not delivered.
    pub(super) fn end_volatile_body(&mut self, turn: &mut Turn, is_whole: bool) {
        if !is_whole {
            let before = self.load_in_budget();
            self.volatile.remove_last();
            turn.budget_mut().replace(before, self.load_in_budget());
            turn.send(self.link, FromServer::AbortBody);
        }
        self.download = None;
    }

    /// The parts of a span that were neither delivered to this reader nor released by it.
    pub(super) fn undelivered(&self, span: Span) -> Vec<Span> {
        if span.last <= self.floor {
            return Vec::new();
        }
        let span = Span { first: span.first.max(self.floor + 1), last: span.last };
        let new = self.unacked.missing(span);
        if self.released.is_empty() {
            return new;
        }
        new.into_iter().flat_map(|span| self.released.missing(span)).collect()
    }

    /// True if no message of a span was delivered to this reader or released by it.
    pub(super) fn is_new(&self, span: Span) -> bool {
        self.unacked.within(span).next().is_none() && self.released.within(span).next().is_none()
    }

    /// Marks messages as not to be delivered to this reader again.
    pub(super) fn add_released(&mut self, span: Span) {
        self.released.insert(span);
    }

    /// True if released messages that were acked since must be dropped now. A reader that replays
    /// keeps them, because acked messages are delivered to it.
    pub(super) fn must_trim_released(&self) -> bool {
        let len_max = self.released_max.max(RELEASED_SPANS_MIN);
        self.replay.is_none() && self.released.len() > len_max
    }

    /// Keeps only the released messages that are still unacked by the given cursors.
    pub(super) fn trim_released<'a>(&mut self, cursors: impl Iterator<Item = &'a Cursor>) {
        let mut still = SeqSet::default();
        for cursor in cursors {
            for span in self.released.iter().flat_map(|span| cursor.outstanding(span)) {
                still.insert(span);
            }
        }
        self.released_max = 2 * still.len();
        self.released = still;
    }
}

/// Changes of state.
impl Reader {
    pub(super) fn is_starting(&self) -> bool {
        matches!(self.state, State::Starting)
    }

    /// True if a message that became durable may go straight to the reader. A message at or before
    /// its position was on a page that was read after the commit.
    pub(super) fn is_live_before(&self, seq: Seq) -> bool {
        matches!(self.state, State::Live) && seq > self.position
    }

    /// Waits for the start position, or for other sharing readers.
    pub(super) fn wait_to_start(&mut self) {
        self.state = State::Starting;
    }

    /// Returns the start that the client asked for, only once; `None`: the first unacked message.
    pub(super) fn take_start(&mut self) -> Option<Start> {
        let start = std::mem::take(&mut self.start);
        (start != Start::Unacked).then_some(start)
    }

    /// Becomes ready to fetch from the first unacked message.
    pub(super) fn begin(&mut self) {
        self.state = State::Paused(Pause::Window);
    }

    /// Becomes ready to fetch after this seq; `None`: from the first unacked message.
    pub(super) fn begin_behind(&mut self, seq: Option<Seq>) {
        self.floor = seq.unwrap_or_default();
        self.replay = seq;
        self.begin();
    }

    /// Begins to fetch a page if the reader is ready and has room. Returns the most messages and
    /// bytes that the page may have.
    pub(super) fn begin_fetch(&mut self, budget: &mut DeliveryBudget) -> Option<(u32, u64)> {
        if !matches!(self.state, State::Paused(Pause::Window)) {
            return None;
        }
        let size = self.page_size(budget)?;
        self.state = State::Fetching { is_stale: false };
        self.count_page(size.1, budget);
        Some(size)
    }

    /// Removes a page from the budget, which counts its messages as they are delivered.
    pub(super) fn begin_page(&mut self, budget: &mut DeliveryBudget) {
        self.count_page(0, budget);
    }

    fn count_page(&mut self, bytes: u64, budget: &mut DeliveryBudget) {
        let before = self.load_in_budget();
        self.page_bytes = bytes;
        budget.replace(before, self.load_in_budget());
    }

    /// Most messages and bytes of a page. `None` while the window has too little room to be worth a
    /// read.
    fn page_size(&self, budget: &DeliveryBudget) -> Option<(u32, u64)> {
        let has = self.window;
        let window = budget.window(self.window_max, has);
        let (messages, bytes) = (window.0.saturating_sub(has.0), window.1.saturating_sub(has.1));
        let worth = messages * 4 >= window.0 && bytes * 4 >= window.1;
        (has.0 == 0 || worth).then_some((messages as u32, bytes))
    }

    /// The seq after which to read on in the log of a cursor.
    pub(super) fn fetch_after(&self, cursor: &Cursor) -> Seq {
        let unacked = cursor.resume_after(0);
        self.position.max(self.replay.map_or(unacked, |replay| replay.min(unacked)))
    }

    /// Puts off the rest of a page, delivered up to `reached`, until the long body under way has
    /// ended.
    pub(super) fn pause_for_body(
        &mut self,
        reached: Option<Seq>,
        rest: Page,
        budget: &mut DeliveryBudget,
    ) {
        self.count_page(rest.items.iter().map(PageItem::len_here).sum(), budget);
        let is_stale = matches!(self.state, State::Fetching { is_stale: true });
        if let Some(reached) = reached.filter(|_| !is_stale) {
            self.position = self.position.max(reached);
        }
        self.state = State::Paused(Pause::Body { rest, is_stale });
    }

    /// Returns the rest of a page that was put off.
    pub(super) fn take_rest(&mut self) -> Option<Page> {
        let State::Paused(Pause::Body { rest, is_stale }) = &mut self.state else { return None };
        let (rest, is_stale) = (std::mem::take(rest), *is_stale);
        self.state = State::Fetching { is_stale };
        Some(rest)
    }

    /// Ends a page, delivered up to `reached`. Returns whether it was stale.
    pub(super) fn end_page(&mut self, reached: Seq) -> bool {
        let is_stale = matches!(self.state, State::Fetching { is_stale: true });
        if !is_stale {
            self.position = self.position.max(reached);
        }
        self.state = State::Paused(Pause::Window);
        is_stale
    }

    /// Notes that the reader has read to the end. Returns `true` the first time: the client must be
    /// told.
    pub(super) fn catch_up(&mut self) -> bool {
        self.replay = None;
        !std::mem::replace(&mut self.caught_up, true)
    }

    pub(super) fn go_live(&mut self) {
        self.state = State::Live;
    }

    /// Moves past messages that became durable while the reader was live.
    pub(super) fn advance(&mut self, last: Seq) {
        self.position = last;
    }

    /// Leaves `Live`: a message that became durable must be fetched.
    pub(super) fn fall_behind(&mut self) {
        self.state = State::Paused(Pause::Window);
    }

    /// Reads again from the message after `seq`. Messages beyond it that were delivered or acked
    /// are known and skipped.
    pub(super) fn rewind(&mut self, seq: Seq) {
        self.position = self.position.min(seq);
        match &mut self.state {
            State::Fetching { is_stale } | State::Paused(Pause::Body { is_stale, .. }) => {
                *is_stale = true;
            }
            State::Live => self.fall_behind(),
            State::WaitingForLoad | State::Starting | State::Paused(Pause::Window) => {}
        }
    }
}

/// Replay: a reader that begins elsewhere than at the first unacked message.
///
/// It reads its logs like any other, from the first unacked message or from its start, whichever
/// comes first. Messages up to its start are left to other readers. Acked messages after it are
/// replayed until the reader has caught up: delivered and acked like others, but no cursor changes.
impl Reader {
    pub(super) fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// The acked parts of a span that are yet to be delivered, because the reader replays them.
    pub(super) fn replayed(&self, span: Span, unacked: &[Span]) -> Vec<Span> {
        let Some(first) = self.replay.map(|replay| span.first.max(replay + 1)) else {
            return Vec::new();
        };
        if first > span.last {
            return Vec::new();
        }
        let again = missing(
            Span { first, last: span.last },
            unacked.iter().filter(|span| span.last >= first).copied(),
        );
        again.into_iter().flat_map(|span| self.undelivered(span)).collect()
    }

    /// Notes that messages up to this seq were replayed.
    pub(super) fn advance_replay(&mut self, through: Seq) {
        if let Some(replay) = &mut self.replay {
            *replay = (*replay).max(through);
        }
    }
}

/// Long bodies from the store.
impl Reader {
    /// Delivers messages. Of a long one it sends the first chunk, and the others as they are read.
    pub(super) fn deliver(&mut self, turn: &mut Turn, record: Record) {
        let download = record.bundle.first.is_long().then(|| StoredDownload::new(&record));
        turn.deliver(vec![self.link], record);
        if let Some(download) = download {
            self.download = Some(Download::Stored(download));
            self.read_chunks(turn);
        }
    }

    /// Asks the store for as many chunks as the link has room for.
    pub(super) fn read_chunks(&mut self, turn: &mut Turn) {
        while let Some(Download::Stored(download)) = &mut self.download {
            let out = turn.budget().chunks_out(self.link);
            let is_first = out == 0 && download.asked_count() == 0;
            let has_room = is_first || turn.budget().has_room_for_chunk();
            let free = CHUNKS_AHEAD_MAX.saturating_sub(out) as usize;
            let Some(at) = download.wanted(free).filter(|_| has_room) else { return };
            turn.budget_mut().reserve_chunk();
            let read = Read::Chunk { at };
            let request = turn.read(|pending| &mut pending.downloads, self.link, read);
            download.add_request(request);
        }
    }

    /// Takes a chunk from the store, or the reason why it could not be read.
    pub(super) fn receive_chunk(
        &mut self,
        turn: &mut Turn,
        request: RequestId,
        chunk: Result<Body, Missing>,
    ) -> Chunk {
        let Some(Download::Stored(download)) = &mut self.download else { return Chunk::Continues };
        match download.add_chunk(request, chunk) {
            Some(Ok(())) => {}
            Some(Err(missing)) => return self.lose_body(turn, missing),
            None => return Chunk::Continues,
        }
        while let Some(body) = download.next_chunk() {
            turn.budget_mut().send_reserved_chunk(self.link);
            turn.send_chunk(vec![self.link], body);
        }
        if download.is_complete() {
            let (log, seq) = (download.log().clone(), download.seq());
            self.download = None;
            return Chunk::Complete { log, seq };
        }
        self.read_chunks(turn);
        Chunk::Continues
    }

    fn lose_body(&mut self, turn: &mut Turn, missing: Missing) -> Chunk {
        let Some(Download::Stored(download)) = self.download.take() else {
            return Chunk::Continues;
        };
        turn.send(self.link, FromServer::AbortBody);
        turn.budget_mut().unreserve_chunks(download.asked_count() as u32);
        let seq = download.seq();
        let Some((_, delivery)) = self.unacked.remove(Span::one(seq)).pop() else {
            return Chunk::Lost(None);
        };
        self.open_window((1, delivery.len_bytes(seq, Span::one(seq))), turn.budget_mut());
        let (log, counts) = (delivery.log().clone(), delivery.counts_in_quotas());
        Chunk::Lost(Some(LostBody { seq, log, counts, missing }))
    }
}
