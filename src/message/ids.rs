//! Ids for messages: new ones, and those that stand for a key.

use aws_lc_rs::{digest, rand};

use crate::clock;
use crate::wire::{MsgId, MsgIds, Target};

/// An id that nobody had before, for the next message to one target.
pub(crate) fn fresh(ids: &mut MsgIds) -> MsgId {
    fresh_by(ids, 0)
}

/// A new id by a clock that is this many milliseconds ahead of this machine's.
pub(crate) fn fresh_by(ids: &mut MsgIds, ahead_ms: i64) -> MsgId {
    ids.next_id(clock::now_ms().saturating_add_signed(ahead_ms), || {
        let mut random = [0; 10];
        // It fails on no system that has a generator; a clash of ids would be told by the server.
        let _ = rand::fill(&mut random);
        random
    })
}

/// The id derived from a key. One key may be used for several targets and, with `--lines`, for
/// several messages: `number` is the message's place in the input, 0 for the whole input. The key
/// comes last, and no name holds a NUL, so different inputs are hashed differently.
pub(crate) fn keyed(key: &[u8], to: &Target, number: u64) -> MsgId {
    let text = [format!("qmsg id\0{to}\0{number}\0").as_bytes(), key].concat();
    let hash = digest::digest(&digest::SHA256, &text);
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.as_ref()).for_each(|(byte, of)| *byte = *of);
    MsgId::keyed(bytes)
}

/// The ids of a span: the first, and those behind it, `count` in all.
pub(crate) fn span(first: MsgId, count: u32) -> impl Iterator<Item = MsgId> {
    (0..u64::from(count)).map(move |at| first.plus(at))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::collections::BTreeSet;

    use super::{fresh, fresh_by, keyed};
    use crate::wire::{MsgId, MsgIds};

    #[test]
    fn a_key_is_one_id_for_each_target_and_number() {
        let id = |key: &str, to: &str, number| keyed(key.as_bytes(), &to.parse().unwrap(), number);
        assert_eq!(id("backup", "bob", 0), id("backup", "BOB", 0));
        // It is sent by cron again and again, by whatever version is there: it does not change.
        assert_eq!(id("backup", "bob", 0).to_string(), "f14db87e-5039-845f-a8f9-d769d88f3dbb");
        let all = [
            id("backup", "bob", 0),
            id("backup", "bob", 1),
            id("backup", "@bob", 0),
            id("backup", "carol", 0),
            id("backup ", "bob", 0),
            id("", "bob", 0),
        ];
        assert!(all.iter().all(MsgId::is_keyed));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn new_ids_tell_their_time() {
        let mut ids = MsgIds::default();
        let (one, two) = (fresh(&mut ids), fresh(&mut ids));
        assert!(one != two && !one.is_keyed() && one.unix_ms() > 1_700_000_000_000);
        assert!(fresh_by(&mut ids, 1 << 40).unix_ms() >= one.unix_ms() + (1 << 40));
        assert_eq!(fresh_by(&mut ids, i64::MIN).unix_ms(), 0);
    }
}
