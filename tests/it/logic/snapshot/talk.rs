//! A conversation: peers on one side, and on the other the present hub or a record.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use bytes::BytesMut;
use qmsg::durable::Quotas;
use qmsg::logic::{
    Command, Ending, Event, Intent, Limits, LinkId, Peer, PeerInput, PeerOutput, Prefetch, Time,
};
use qmsg::wire::{
    Body, CHUNK_LEN_MAX, Decoder, Features, Frame, FromClient, FromServer, MsgId, chunk_len, encode,
};

use super::line::{Line, hex};
use crate::logic::server::{START, Said, Server};
use crate::logic::{key, user};

const PREFIX_LEN: usize = 4;
/// The bit of a length prefix that marks an optional frame.
const OPTIONAL: u32 = 1 << 31;

pub(super) struct Recorded {
    lines: VecDeque<Line>,
}

impl Recorded {
    pub(super) fn new(lines: Vec<Line>) -> Self {
        Self { lines: lines.into() }
    }
}

/// The other side of the peers.
enum Side {
    Live(Box<Server>, BTreeMap<String, LinkId>),
    Recorded(Recorded),
}

struct Client {
    peer: Peer,
    decoder: Decoder<FromServer>,
}

pub(super) struct Talk {
    side: Side,
    clients: BTreeMap<String, Client>,
    now: Time,
    lines: Vec<Line>,
    failure: Option<String>,
}

fn limits() -> Limits {
    Limits { prefetch_messages_max: 1_000, ..Limits::default() }
}

fn encoded<F: Frame>(frames: &[F]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| encode(frame, &mut out));
    out.to_vec()
}

impl Talk {
    pub(super) fn live() -> Self {
        let server = Box::new(Server::new(limits(), Quotas::default()));
        Self::with(Side::Live(server, BTreeMap::new()))
    }

    pub(super) fn recorded(recorded: Recorded) -> Self {
        Self::with(Side::Recorded(recorded))
    }

    fn with(side: Side) -> Self {
        Self { side, clients: BTreeMap::new(), now: START, lines: vec![], failure: None }
    }

    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    pub(super) fn failure(&self) -> Option<&String> {
        self.failure.as_ref()
    }

    /// A chunk of a body whose bytes are all the same.
    pub(super) fn chunk(&self, size: u64, index: u64) -> Body {
        let left = size - index * CHUNK_LEN_MAX as u64;
        Body(vec![b'x'; chunk_len(left)].into())
    }

    /// Connects a client, in place of an earlier one of that name.
    pub(super) fn join(&mut self, name: &str, prefetch: Option<Prefetch>) {
        if self.clients.remove(name).is_some() {
            self.line(Line::Lost(name.into()));
        }
        let (id, claim, code) = (user(name), true, None);
        let intent = Intent { id, claim, code, prefetch, patience_ms: None };
        let seed = 7 + name.len() as u64;
        let peer = Peer::new(self.now, intent, seed);
        self.clients.insert(name.into(), Client { peer, decoder: Decoder::new(1 << 20) });
        self.connect(name);
    }

    pub(super) fn user(&mut self, name: &str, command: Command) {
        self.input(name, command.into());
    }

    /// Loses a connection; its client makes another one.
    pub(super) fn loses(&mut self, name: &str) {
        self.line(Line::Lost(name.into()));
        self.input(name, PeerInput::Ended(Ending::Silence));
        let Some(client) = self.clients.get_mut(name) else { return };
        client.decoder = Decoder::new(1 << 20);
        self.passes(10_000);
        self.connect(name);
    }

    fn connect(&mut self, name: &str) {
        self.input(name, PeerInput::Tick);
        self.input(name, PeerInput::Linked);
        self.line(Line::Opened(name.into()));
    }

    pub(super) fn passes(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.unix_ms += ms;
        self.line(Line::Passed(ms));
    }

    fn input(&mut self, name: &str, input: PeerInput) {
        let frames = self.handle(name, input);
        if !frames.is_empty() {
            let bytes = encoded(&frames);
            self.line(Line::Client { name: name.into(), bytes });
        }
    }

    /// Frames with which the peer answers an input, including the chunks that it asks for.
    fn handle(&mut self, name: &str, input: PeerInput) -> Vec<FromClient> {
        let (mut inputs, mut frames) = (VecDeque::from([input]), vec![]);
        while let Some(input) = inputs.pop_front() {
            let mut out = vec![];
            let Some(client) = self.clients.get_mut(name) else { return frames };
            client.peer.handle(self.now, input, &mut out);
            for output in out {
                match output {
                    PeerOutput::Frame(frame) => frames.push(frame),
                    PeerOutput::Event(Event::ChunkWanted { id, index }) => {
                        let size = 2 * CHUNK_LEN_MAX as u64 + 7;
                        let body = self.chunk(size, index);
                        let id: MsgId = id;
                        inputs.push_back(Command::Chunk { id, index, body }.into());
                    }
                    PeerOutput::Event(
                        event @ (Event::GaveUp(_) | Event::Denied(_) | Event::Unsupported(_)),
                    ) => self.fails(format!("{name}: {event:?}")),
                    PeerOutput::Event(_) | PeerOutput::Dial => {}
                }
            }
        }
        frames
    }

    fn fails(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }

    /// Sends a line to the other side, and its answers to the peers.
    fn line(&mut self, line: Line) {
        if self.failure.is_some() {
            return;
        }
        let answers = match &mut self.side {
            Side::Live(server, links) => {
                let answers = carry_out(server, links, &line);
                self.lines.push(line);
                self.lines.extend(answers.iter().cloned());
                Ok(answers)
            }
            Side::Recorded(recorded) => recorded.answers(&line),
        };
        let answers = match answers {
            Ok(answers) => answers,
            Err(why) => return self.fails(why),
        };
        let mut said = vec![];
        for answer in answers {
            let Line::Server { name, bytes } = answer else { continue };
            let Some(client) = self.clients.get_mut(&name) else { continue };
            client.decoder.push(&bytes);
            let mut frames = vec![];
            while let Some(client) = self.clients.get_mut(&name) {
                match client.decoder.next_frame() {
                    Ok(Some(frame)) => frames.extend(self.handle(&name, PeerInput::Frame(frame))),
                    Ok(None) => break,
                    Err(error) => return self.fails(format!("{name} is told: {error}")),
                }
            }
            said.push((name, frames));
        }
        for (name, frames) in said.into_iter().filter(|(_, frames)| !frames.is_empty()) {
            self.line(Line::Client { name, bytes: encoded(&frames) });
        }
    }
}

impl Recorded {
    /// Recorded answers to a line; an error if the record has another line there.
    fn answers(&mut self, line: &Line) -> Result<Vec<Line>, String> {
        let Some(next) = self.lines.pop_front() else { return Err(format!("more: {line}")) };
        match (&next, line) {
            (Line::Client { name, bytes }, Line::Client { name: other, bytes: present }) => {
                if name != other {
                    return Err(format!("{other} speaks instead of {name}"));
                }
                same(known::<FromClient>(bytes)?, known(present)?, like_client)?;
            }
            _ if next == *line => {}
            _ => return Err(format!("{line} instead of {next}")),
        }
        let is_answer = |line: &Line| matches!(line, Line::Server { .. });
        let count = self.lines.iter().take_while(|line| is_answer(line)).count();
        Ok(self.lines.drain(..count).collect())
    }
}

/// Decodes frames, without optional ones. Each must encode to the same bytes.
fn known<F: Frame + fmt::Debug>(mut bytes: &[u8]) -> Result<Vec<F>, String> {
    let mut frames = vec![];
    while let Some(prefix) = bytes.first_chunk::<PREFIX_LEN>() {
        let prefix = u32::from_le_bytes(*prefix);
        let (raw, rest) = bytes.split_at(PREFIX_LEN + (prefix & !OPTIONAL) as usize);
        bytes = rest;
        if prefix & OPTIONAL != 0 {
            continue;
        }
        // A `Decoder` would refuse chunks without the beginning of their body.
        match postcard::from_bytes::<F>(&raw[PREFIX_LEN..]) {
            Ok(frame) if encoded(std::slice::from_ref(&frame)) == raw => frames.push(frame),
            other => return Err(format!("{} is read as {other:?}", hex(raw))),
        }
    }
    Ok(frames)
}

/// Checks that both hold the same frames, in any order.
fn same<F: fmt::Debug>(recorded: Vec<F>, present: Vec<F>, like: fn(&mut F)) -> Result<(), String> {
    let sorted = |mut frames: Vec<F>| {
        frames.iter_mut().for_each(like);
        let mut lines: Vec<_> = frames.iter().map(|frame| format!("{frame:?}")).collect();
        lines.sort();
        lines
    };
    let (recorded, present) = (sorted(recorded), sorted(present));
    if recorded == present {
        return Ok(());
    }
    Err(format!("recorded:\n{}\npresent:\n{}", recorded.join("\n"), present.join("\n")))
}

/// Removes parts that may differ: features may be added.
fn like_client(frame: &mut FromClient) {
    if let FromClient::Hello { features, .. } = frame {
        *features = Features::default();
    }
}

/// Removes parts that may differ: features may be added, versions grow, pings have any number.
fn like_server(frame: &mut FromServer) {
    match frame {
        FromServer::Hello { version, features, .. } => {
            version.clear();
            *features = Features::default();
        }
        FromServer::Ping { number } => *number = 0,
        _ => {}
    }
}

/// Plays the clients of a record to the present hub.
pub(super) fn serve(lines: &[Line]) -> Result<(), String> {
    let mut server = Server::new(limits(), Quotas::default());
    let (mut links, mut pings) = (BTreeMap::new(), BTreeMap::new());
    let mut lines = lines.iter().peekable();
    while let Some(line) = lines.next() {
        let line = with_pings(line, &pings)?;
        let answers = carry_out(&mut server, &mut links, &line);
        let mut present: BTreeMap<&String, Vec<FromServer>> = BTreeMap::new();
        for answer in &answers {
            let Line::Server { name, bytes } = answer else { continue };
            let frames = known::<FromServer>(bytes)?;
            for frame in &frames {
                if let FromServer::Ping { number } = frame {
                    pings.insert(name.clone(), *number);
                }
            }
            present.entry(name).or_default().extend(frames);
        }
        while let Some(Line::Server { name, bytes }) =
            lines.next_if(|line| matches!(line, Line::Server { .. }))
        {
            let frames = present.remove(name).unwrap_or_default();
            same(known(bytes)?, frames, like_server)?;
        }
        if let Some((name, frames)) = present.pop_first().filter(|(_, frames)| !frames.is_empty()) {
            return Err(format!("{name} is told besides: {frames:?}"));
        }
    }
    Ok(())
}

/// Returns the line with the number of the ping that the present hub has sent.
fn with_pings(line: &Line, pings: &BTreeMap<String, u64>) -> Result<Line, String> {
    let Line::Client { name, bytes } = line else { return Ok(line.clone()) };
    let mut frames = known::<FromClient>(bytes)?;
    if !frames.iter().any(|frame| matches!(frame, FromClient::Pong { .. })) {
        return Ok(line.clone());
    }
    for frame in &mut frames {
        if let (FromClient::Pong { number }, Some(sent)) = (frame, pings.get(name)) {
            *number = *sent;
        }
    }
    Ok(Line::Client { name: name.clone(), bytes: encoded(&frames) })
}

/// Gives a line to the hub. Returns its answers, one line for each link.
fn carry_out(server: &mut Server, links: &mut BTreeMap<String, LinkId>, line: &Line) -> Vec<Line> {
    let mut answers = vec![];
    match line {
        Line::Opened(name) => {
            links.insert(name.clone(), server.open(key(name)));
            let bytes = encoded(&[server.greeting()]);
            answers.push(Line::Server { name: name.clone(), bytes });
        }
        Line::Lost(name) => drop(links.remove(name).map(|link| server.lose(link))),
        Line::Passed(ms) => server.pass(*ms),
        Line::Client { name, bytes } => {
            for frame in known(bytes).unwrap() {
                server.say(links[name], frame);
            }
        }
        Line::Server { .. } => {}
    }
    server.work();
    for (name, link) in links.iter() {
        let frames: Vec<_> = server.heard_so_far(*link).into_iter().filter_map(frame).collect();
        if !frames.is_empty() {
            answers.push(Line::Server { name: name.clone(), bytes: encoded(&frames) });
        }
    }
    answers
}

fn frame(said: Said) -> Option<FromServer> {
    match said {
        Said::Frame(frame) => Some(frame),
        Said::Close(code) => panic!("the server ends a connection: {code:?}"),
    }
}
