//! Frames for tests of long bodies.

use qmsg::logic::LinkId;
use qmsg::wire::{Body, Bundle, CHUNK_LEN_MAX, Envelope, FromClient, FromServer, Message};

use super::server::{Said, Server};
use super::{id, part_of, pass, send};

/// Bytes of a body of `parts` chunks, the last one short.
pub(super) fn len_of(parts: u64) -> usize {
    (parts as usize - 1) * CHUNK_LEN_MAX + 5
}

/// Chunks of a body, without the first.
pub(super) fn parts_of(n: u64, parts: u64) -> impl Iterator<Item = Body> {
    (1..parts).map(move |index| part_of(id(n), len_of(parts) as u64, index))
}

/// Frames of a body of `parts` chunks, without the first.
pub(super) fn rest(n: u64, parts: u64) -> impl Iterator<Item = FromClient> {
    parts_of(n, parts).map(FromClient::Chunk)
}

impl Server {
    pub(super) fn say_all(&mut self, link: LinkId, frames: impl IntoIterator<Item = FromClient>) {
        frames.into_iter().for_each(|frame| self.say(link, frame));
    }

    /// Sends a whole message of `parts` chunks.
    pub(super) fn send_long(&mut self, link: LinkId, n: u64, to: &str, parts: u64) {
        self.say(link, send(n, to, len_of(parts)));
        self.say_all(link, rest(n, parts));
    }

    /// Has a long message stored, no faster than the server grants credit.
    pub(super) fn store_long(&mut self, link: LinkId, n: u64, to: &str, parts: u64) {
        self.say(link, send(n, to, len_of(parts)));
        for part in rest(n, parts) {
            self.say(link, part);
            self.work();
        }
        assert!(self.heard(link).contains(&super::accepted(n)));
    }

    pub(super) fn pass_long(&mut self, link: LinkId, n: u64, to: &str, parts: u64) {
        self.say(link, pass(n, to, len_of(parts)));
        self.say_all(link, rest(n, parts));
    }

    /// Outputs on a link, abbreviated.
    pub(super) fn brief(&mut self, link: LinkId) -> String {
        let said = self.heard(link);
        brief(&said)
    }
}

/// Abbreviates outputs: `part*3` for three chunks in a row, `more:3` for credit of three chunks in
/// total.
pub(super) fn brief(said: &[Said]) -> String {
    let mut words: Vec<(String, u32)> = vec![];
    for said in said {
        let number = |id: &qmsg::wire::MsgId| id.as_bytes()[15];
        // An answer to several counts as one answer to each.
        let each = |word: &str, first: u64, count: u64, rest: &str| {
            let words = (first..first + count).map(|at| format!("{word}:{at}{rest}"));
            (words.collect::<Vec<_>>().join(" "), 0)
        };
        let ids = |word: &str, id: &qmsg::wire::MsgId, count: u32, rest: &str| {
            each(word, number(id).into(), count.into(), rest)
        };
        let (word, count) = match said {
            Said::Frame(FromServer::Deliver { seq, bundle }) => {
                each("deliver", *seq, bundle.count(), "")
            }
            Said::Frame(FromServer::Volatile(Bundle {
                first: Message { envelope: Envelope { id, .. }, .. },
                others,
            })) => ids("pass", id, 1 + others.count() as u32, ""),
            Said::Frame(FromServer::Chunk(_)) => ("part*".into(), 1),
            Said::Frame(FromServer::ChunkCredit { parts }) => ("more:".into(), *parts),
            Said::Frame(FromServer::Accepted { id, count, duplicate }) => {
                ids(if *duplicate { "duplicate" } else { "accepted" }, id, *count, "")
            }
            Said::Frame(FromServer::Refused { id, count, why }) => {
                ids("refused", id, *count, &format!(":{why:?}"))
            }
            Said::Frame(FromServer::VolatileSent { id, count, readers }) => {
                ids("passed", id, *count, &format!(":{readers}"))
            }
            Said::Frame(FromServer::Gap { seq, count, .. }) => (format!("lost:{seq}:{count}"), 0),
            Said::Frame(FromServer::AckRecorded { count }) => (format!("settled:{count}"), 0),
            Said::Frame(FromServer::AbortBody) => ("cut".into(), 0),
            Said::Frame(FromServer::CaughtUp) => ("caught-up".into(), 0),
            Said::Frame(other) => (format!("{other:?}"), 0),
            Said::Close(code) => (format!("close:{code:?}"), 0),
        };
        match words.last_mut() {
            Some((last, sum)) if *last == word && count > 0 => *sum += count,
            _ => words.push((word, count)),
        }
    }
    let text = |(word, sum): (String, u32)| if sum > 0 { format!("{word}{sum}") } else { word };
    words.into_iter().map(text).collect::<Vec<_>>().join(" ")
}
