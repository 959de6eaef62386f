//! One turn of the hub: the time, the limits, and the work that its machines note for one another.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::durable::{Read, Record, RequestId, Write};
use crate::wire::{Body, Bundle, CloseCode, FromServer, RoomName, UserId};

use super::budget::DeliveryBudget;
use super::io::{LinkId, Output};
use super::pending::{PendingRequests, PendingTable};
use super::todo::Todo;
use crate::logic::limits::{Limits, Time};

/// State that all machines of the hub share while they handle one input.
pub(super) struct Turn {
    now: Time,
    limits: Limits,
    budget: DeliveryBudget,
    pending: PendingRequests,
    last_number: u64,
    out: Vec<Output>,
    /// Length of `out` when the turn began.
    out_len: usize,
    todo: VecDeque<Todo>,
    /// Chunks that each link may send beyond those it was granted before.
    credits: BTreeMap<LinkId, u32>,
}

impl Turn {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            now: Time::default(),
            limits,
            budget: DeliveryBudget::new(&limits),
            pending: PendingRequests::default(),
            last_number: 0,
            out: Vec::new(),
            out_len: 0,
            todo: VecDeque::new(),
            credits: BTreeMap::new(),
        }
    }

    /// Begins a turn. Its outputs are appended to `out`.
    pub(super) fn begin(&mut self, now: Time, out: &mut Vec<Output>) {
        self.now = now;
        self.out_len = out.len();
        self.out = std::mem::take(out);
    }

    /// Ends the turn. Returns the outputs given to `begin`, followed by those of the turn.
    pub(super) fn end(&mut self) -> Vec<Output> {
        debug_assert!(self.todo.is_empty() && self.credits.is_empty(), "all work is done");
        std::mem::take(&mut self.out)
    }

    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// True if a bundle has expired: all its messages have the same time to live.
    pub(super) fn is_expired(&self, bundle: &Bundle) -> bool {
        let expires_ms = bundle.first.headers.expires_ms(bundle.first.time_ms);
        expires_ms.is_some_and(|expires_ms| expires_ms <= self.now.unix_ms)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn budget(&self) -> &DeliveryBudget {
        &self.budget
    }

    pub(super) fn budget_mut(&mut self) -> &mut DeliveryBudget {
        &mut self.budget
    }

    /// Returns a number that was never returned before.
    pub(super) fn new_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Asks the store for a write, and keeps `waiting` for its answer.
    pub(super) fn write<T>(
        &mut self,
        table: impl FnOnce(&mut PendingRequests) -> &mut PendingTable<T>,
        waiting: T,
        write: Write,
    ) {
        let request = self.new_request();
        table(&mut self.pending).insert(request, waiting);
        self.out.push(Output::Write(request, write));
    }

    /// Asks the store for a write whose answer needs no further data.
    pub(super) fn write_alone(&mut self, write: Write) {
        let request = self.new_request();
        self.out.push(Output::Write(request, write));
    }

    /// Asks the store for a read, and keeps `waiting` for its answer.
    pub(super) fn read<T>(
        &mut self,
        table: impl FnOnce(&mut PendingRequests) -> &mut PendingTable<T>,
        waiting: T,
        read: Read,
    ) -> RequestId {
        let request = self.new_request();
        table(&mut self.pending).insert(request, waiting);
        self.out.push(Output::Read(request, read));
        request
    }

    fn new_request(&mut self) -> RequestId {
        RequestId(self.new_number())
    }

    /// Requests that the store has not answered.
    pub(super) fn pending(&mut self) -> &mut PendingRequests {
        &mut self.pending
    }

    /// True if the store was asked to make a user a member of a room.
    pub(super) fn is_joining(&self, user: &UserId, room: &RoomName) -> bool {
        self.pending.joins.values().any(|join| (&join.user, &join.room) == (user, room))
    }

    /// Sends a frame.
    pub(super) fn send(&mut self, link: LinkId, frame: FromServer) {
        self.out.push(Output::Frame { link, frame });
    }

    /// Delivers messages on links.
    pub(super) fn deliver(&mut self, links: Vec<LinkId>, record: Record) {
        self.out.push(Output::Deliver { links, record });
    }

    /// Delivers volatile messages on links.
    pub(super) fn deliver_volatile(&mut self, links: Vec<LinkId>, bundle: Arc<Bundle>) {
        self.out.push(Output::Volatile { links, bundle });
    }

    /// Sends the next chunk of a body on links.
    pub(super) fn send_chunk(&mut self, links: Vec<LinkId>, body: Body) {
        self.out.push(Output::Chunk { links, body });
    }

    /// Closes a link towards its client only. [`Turn::close`] also removes it from the hub.
    pub(super) fn hang_up(&mut self, link: LinkId, code: CloseCode) {
        self.out.push(Output::Close { link, code });
    }

    /// Notes that a link is to be closed and removed.
    pub(super) fn close(&mut self, link: LinkId, code: CloseCode) {
        self.note(Todo::Close { link, code });
    }

    /// Notes work for another machine.
    pub(super) fn note(&mut self, todo: Todo) {
        self.todo.push_back(todo);
    }

    pub(super) fn next_todo(&mut self) -> Option<Todo> {
        self.todo.pop_front()
    }

    /// Notes that a link may send more chunks. Its client is told at the end of the turn.
    pub(super) fn credit_chunks(&mut self, link: LinkId, chunks: u32) {
        if chunks > 0 {
            *self.credits.entry(link).or_default() += chunks;
        }
    }

    pub(super) fn next_credit(&mut self) -> Option<(LinkId, u32)> {
        self.credits.pop_first()
    }

    /// Messages delivered in this turn, each with its links.
    pub(super) fn deliveries(&self) -> impl Iterator<Item = (&[LinkId], &Record)> {
        self.out[self.out_len..].iter().filter_map(|output| match output {
            Output::Deliver { links, record } => Some((links.as_slice(), record)),
            _ => None,
        })
    }
}
