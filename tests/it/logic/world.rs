//! A server, clients and their links: queues of bytes, in the real codec, cut at any place.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::BytesMut;
use qmsg::durable::{Disposition, Quotas};
use qmsg::logic::{
    Command, Draft, Ending, Event, Intent, Limits, LinkId, PeerInput, PeerOutput, Prefetch,
};
use qmsg::wire::{
    Decoder, DeliveryState, FromClient, FromServer, MsgId, ParkedKind, RecipientStatus, Seq,
    Target, UserId, encode,
};

use super::client::{Client, Watch};
use super::server::{Said, Server};
use super::{key, user};

pub(super) struct World {
    pub(super) server: Server,
    pub(super) clients: Vec<Client>,
    pub(super) lines: BTreeMap<LinkId, Line>,
    crashed: bool,
}

pub(super) struct Line {
    pub(super) client: usize,
    pub(super) up: BytesMut,
    pub(super) down: BytesMut,
    /// End of the connection, which the client meets after the last byte.
    end: Option<Ending>,
    from_client: Decoder<FromClient>,
    from_server: Decoder<FromServer>,
    /// True while the client has the link.
    pub(super) at_client: bool,
    /// True while the server has the link.
    pub(super) at_server: bool,
}

impl World {
    pub(super) fn new(limits: Limits, quotas: Quotas) -> Self {
        let (clients, lines) = (vec![], BTreeMap::new());
        Self { server: Server::new(limits, quotas), clients, lines, crashed: false }
    }

    /// Adds a client that claims its id. Returns its index.
    pub(super) fn client(&mut self, name: &str, window: Option<(u32, u64)>) -> usize {
        let of = |(messages, bytes)| Prefetch { messages, bytes, ..Prefetch::DEFAULT };
        let prefetch = window.map(of);
        let id = user(name);
        self.client_of(Intent { id, claim: true, code: None, prefetch, patience_ms: None })
    }

    pub(super) fn client_of(&mut self, intent: Intent) -> usize {
        let index = self.clients.len();
        self.clients.push(Client::new(self.server.now, intent, 7 + index as u64));
        self.feed(index, PeerInput::Tick);
        index
    }

    pub(super) fn send(&mut self, client: usize, draft: Draft) {
        self.send_all(client, vec![draft]);
    }

    pub(super) fn send_all(&mut self, client: usize, drafts: Vec<Draft>) {
        self.clients[client].drafts.extend_from_slice(&drafts);
        self.feed(client, Command::Send(drafts));
    }

    /// Acks messages.
    pub(super) fn process(&mut self, client: usize, seqs: Vec<Seq>) {
        for seq in &seqs {
            let todo = &mut self.clients[client].todo;
            todo.iter().position(|at| at == seq).map(|at| todo.remove(at));
        }
        self.feed(client, Command::Ack(seqs));
    }

    /// Replies to a message or rejects it.
    pub(super) fn judge(&mut self, client: usize, seq: Seq, command: Command) {
        self.clients[client].todo.retain(|at| *at != seq);
        self.feed(client, command);
    }

    pub(super) fn watch(&mut self, client: usize, id: MsgId, to: Target) {
        let watch = Watch { to: to.clone(), told: BTreeMap::new(), complete: false };
        self.clients[client].watches.insert(id, watch);
        self.feed(client, Command::Track { id, to });
    }

    /// Lists parked messages, unless a list is under way.
    pub(super) fn look_into(&mut self, client: usize, drawer: ParkedKind) {
        if self.clients[client].looking.is_none() {
            self.clients[client].looking = Some((drawer, vec![]));
            self.feed(client, Command::ListParked(drawer));
        }
    }

    /// Checks that a sender's update is true now, or was before the message came further.
    fn check_told(&self, sender: &UserId, to: &Target, event: &Event) {
        let store = &self.server.store;
        let (id, standings) = match event {
            Event::TrackUpdate { id, standings, .. } => (*id, &standings[..]),
            Event::UnknownMessage { id } => (*id, &[][..]),
            _ => return,
        };
        let seqs = store.seqs_of(sender, id, to);
        if matches!(event, Event::UnknownMessage { .. }) {
            assert_eq!(store.located(to, sender, id), None, "{id} is there");
        }
        for RecipientStatus { user, state, .. } in standings {
            let has = |seq: &Seq| {
                let readers = self.clients.iter().filter(|client| client.user == *user);
                // A reader that began elsewhere skips earlier messages at once.
                readers.into_iter().any(|client| client.unordered || client.shown.contains(seq))
            };
            // After a room was left and joined again, earlier dispositions in it are not kept.
            let has_refused = |user: &UserId, seq: &Seq| {
                let mut readers = self.clients.iter().filter(|client| client.user == *user);
                readers.any(|client| {
                    matches!(client.verdicts.get(seq), Some(Disposition::Rejected { .. }))
                })
            };
            let is_true = |seq: &Seq| match state {
                DeliveryState::Accepted => true,
                DeliveryState::Delivered => has(seq),
                DeliveryState::Gone => {
                    let latest_ms = self.server.latest_ms.max(self.server.now.unix_ms);
                    store.is_gone(user, *seq)
                        || store.expires_ms(*seq).is_some_and(|at_ms| at_ms <= latest_ms)
                }
                DeliveryState::Rejected => store.is_refused(user, *seq) || has_refused(user, seq),
                DeliveryState::Processed => store.is_processed(user, *seq),
            };
            assert!(seqs.iter().any(is_true), "{id} to {to} stands at {state:?} with {user}");
        }
    }

    /// Releases messages.
    pub(super) fn skip(&mut self, client: usize, seqs: Vec<Seq>) {
        self.clients[client].skips(&seqs);
        self.feed(client, Command::Release(seqs));
    }

    /// Gives the chunk that was asked for first.
    pub(super) fn give(&mut self, client: usize) {
        if let Some(part) = self.clients[client].give() {
            self.feed(client, part);
        }
    }

    /// Consumes all chunks that came.
    pub(super) fn take(&mut self, client: usize) {
        let parts = std::mem::take(&mut self.clients[client].untaken);
        if parts > 0 {
            self.feed(client, Command::ChunksConsumed(parts));
        }
    }

    pub(super) fn feed(&mut self, index: usize, input: impl Into<PeerInput>) {
        let user = self.clients[index].user.clone();
        let readers = self.clients.iter().filter(|client| client.user == user).count();
        // Messages acked by another reader are left out. They come later, out of order, if the
        // server dies before the ack is on disk.
        let ordered = readers == 1 || !self.crashed;
        let client = &mut self.clients[index];
        let (mut outputs, mut news) = (vec![], vec![]);
        client.peer.handle(self.server.now, input.into(), &mut outputs);
        for output in outputs {
            if let Some(trace) = &mut self.server.trace {
                format!("{index} {output:?}").hash(trace);
            }
            match output {
                PeerOutput::Dial => {
                    assert!(!client.dialing && client.link.is_none(), "one link at a time");
                    client.dialing = true;
                }
                PeerOutput::Frame(frame) => {
                    let line = client.link.and_then(|link| self.lines.get_mut(&link));
                    encode(&frame, &mut line.expect("a frame needs a link").up);
                }
                PeerOutput::Event(event) => {
                    if let Event::TrackUpdate { id, .. } | Event::UnknownMessage { id } = &event {
                        news.push((client.watches[id].to.clone(), event.clone()));
                    }
                    client.told(event, ordered);
                }
            }
        }
        for (to, event) in news {
            self.check_told(&user, &to, &event);
        }
    }

    /// Links a client that dials.
    pub(super) fn connect(&mut self, index: usize) {
        let key = key(self.clients[index].user.as_str());
        let link = self.server.open(key);
        let mut down = BytesMut::new();
        encode(&self.server.greeting(), &mut down);
        let line = Line {
            client: index,
            up: BytesMut::new(),
            down,
            end: None,
            from_client: Decoder::new(self.server.body_len_max()),
            from_server: Decoder::new(self.server.body_len_max()),
            at_client: true,
            at_server: true,
        };
        self.lines.insert(link, line);
        self.clients[index].link = Some(link);
        self.clients[index].dialing = false;
        self.feed(index, PeerInput::Linked);
        self.carry();
    }

    pub(super) fn fail_dial(&mut self, index: usize) {
        self.clients[index].dialing = false;
        self.feed(index, PeerInput::Ended(Ending::Silence));
    }

    /// Lets some bytes of a link reach the server.
    pub(super) fn up(&mut self, link: LinkId, count: usize) {
        let Some(line) = self.lines.get_mut(&link).filter(|line| line.at_server) else { return };
        let piece = line.up.split_to(count.min(line.up.len()));
        line.from_client.push(&piece);
        while let Some(line) = self.lines.get_mut(&link).filter(|line| line.at_server)
            && let Some(frame) = line.from_client.next_frame().unwrap()
        {
            self.server.say(link, frame);
            self.carry();
        }
    }

    /// Lets some bytes of a link reach the client, and after the last one its end.
    pub(super) fn down(&mut self, link: LinkId, count: usize) {
        let Some(line) = self.lines.get_mut(&link).filter(|line| line.at_client) else { return };
        let piece = line.down.split_to(count.min(line.down.len()));
        line.from_server.push(&piece);
        let client = line.client;
        while let Some(line) = self.lines.get_mut(&link)
            && let Some(frame) = line.from_server.next_frame().unwrap()
        {
            self.feed(client, PeerInput::Frame(frame));
        }
        if let Some(line) = self.lines.get(&link).filter(|line| line.down.is_empty())
            && let Some(end) = line.end
        {
            self.end_at_client(link, end);
        }
    }

    /// Ends the client's side of a link and loses the bytes on their way to it.
    pub(super) fn end_at_client(&mut self, link: LinkId, ending: Ending) {
        let Some(line) = self.lines.get_mut(&link).filter(|line| line.at_client) else { return };
        line.at_client = false;
        line.down.clear();
        let client = line.client;
        self.clients[client].link = None;
        self.bury(link);
        self.feed(client, PeerInput::Ended(ending));
    }

    /// Tells the server that a link is gone and loses the bytes on their way to it.
    pub(super) fn end_at_server(&mut self, link: LinkId) {
        let Some(line) = self.lines.get_mut(&link).filter(|line| line.at_server) else { return };
        line.at_server = false;
        line.end.get_or_insert(Ending::Silence);
        self.server.lose(link);
        self.bury(link);
        self.carry();
    }

    pub(super) fn cut(&mut self, link: LinkId) {
        self.end_at_client(link, Ending::Silence);
        self.end_at_server(link);
    }

    /// Cuts the link that a client has, if any.
    pub(super) fn cut_client(&mut self, index: usize) {
        if let Some(link) = self.clients[index].link {
            self.cut(link);
        }
    }

    pub(super) fn crash(&mut self) {
        self.carry();
        self.crashed = true;
        self.server.crash();
        for link in self.lines.keys().copied().collect::<Vec<_>>() {
            let Some(line) = self.lines.get_mut(&link) else { continue };
            line.at_server = false;
            line.end.get_or_insert(Ending::Silence);
            self.bury(link);
        }
    }

    fn bury(&mut self, link: LinkId) {
        if self.lines.get(&link).is_some_and(|line| !line.at_client && !line.at_server) {
            self.lines.remove(&link);
        }
    }

    /// Puts the server's outputs on their way.
    pub(super) fn carry(&mut self) {
        for (link, said) in self.server.take_said() {
            let Some(line) = self.lines.get_mut(&link) else { continue };
            match said {
                Said::Frame(frame) if line.at_client => encode(&frame, &mut line.down),
                Said::Frame(_) => {}
                Said::Close(code) => {
                    line.at_server = false;
                    line.end = Some(Ending::Closed(Some(code)));
                    self.bury(link);
                }
            }
        }
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.server.pass(ms);
        self.carry();
        let now = self.server.now.mono_ms;
        for index in 0..self.clients.len() {
            if self.clients[index].peer.deadline().is_some_and(|at_ms| at_ms <= now) {
                self.feed(index, PeerInput::Tick);
                let next = self.clients[index].peer.deadline();
                assert!(next.is_none_or(|at_ms| at_ms > now), "a tick that changes nothing");
            }
        }
    }

    /// Carries all bytes until none is on its way. Users only give and consume chunks meanwhile.
    /// Time passes only for clients that wait to dial.
    pub(super) fn flow(&mut self) {
        for _ in 0..10_000 {
            self.server.work();
            self.carry();
            for link in self.lines.keys().copied().collect::<Vec<_>>() {
                self.up(link, usize::MAX);
                self.down(link, usize::MAX);
            }
            for index in 0..self.clients.len() {
                if self.clients[index].dialing {
                    self.connect(index);
                }
                while !self.clients[index].wanted.is_empty() {
                    self.give(index);
                }
                self.take(index);
            }
            if self.is_quiet() {
                let resting = |client: &&Client| !client.over && client.link.is_none();
                let resting = self.clients.iter().filter(resting);
                let Some(at_ms) = resting.filter_map(|client| client.peer.deadline()).min() else {
                    return;
                };
                self.pass(at_ms.saturating_sub(self.server.now.mono_ms));
            }
        }
        panic!("the world does not come to rest");
    }

    fn is_quiet(&self) -> bool {
        let carries = |line: &Line| {
            let down = line.at_client && (!line.down.is_empty() || line.end.is_some());
            down || line.at_server && !line.up.is_empty()
        };
        !self.server.is_busy()
            && !self.lines.values().any(carries)
            && !self.clients.iter().any(|client| client.dialing)
    }

    /// Lets everything flow and every user ack everything, until there is nothing more to do.
    pub(super) fn drain(&mut self) {
        for _ in 0..10_000 {
            self.flow();
            let busy = self.clients.iter().position(|client| !client.todo.is_empty());
            let Some(index) = busy else { return };
            let todo = self.clients[index].todo.clone();
            self.process(index, todo);
        }
        panic!("there is always more to do");
    }

    pub(super) fn told(&mut self, index: usize) -> Vec<Event> {
        std::mem::take(&mut self.clients[index].events)
    }

    pub(super) fn record(&mut self) {
        self.server.trace = Some(DefaultHasher::new());
    }

    /// A hash of the record, which is the same for the same steps.
    pub(super) fn trace(&self) -> Option<u64> {
        self.server.trace.as_ref().map(Hasher::finish)
    }
}
