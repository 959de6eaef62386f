//! Targets of the fuzzers in `tests/fuzz`, also run by tests on earlier findings: rows as a damaged
//! disk could return them. Compiled only for these two.

use super::numbers::{LogNo, UserNo};
use super::record::{self, Corrupt, Head, Long, SegmentKey};
use crate::store::limits::FUZZED_MESSAGES_MAX;
use crate::wire::{Body, Envelope, Headers, Message, MsgId, Target, UserId};

const PLACE: SegmentKey = SegmentKey { log: LogNo::new(3), last: 40 };
const DRAWER: [u64; 2] = [1, 2];

/// Decodes arbitrary bytes, which must be refused or understood. Encoded messages must decode to
/// themselves, or be recognised as changed.
pub fn record(data: &[u8]) {
    let good = with_sum(record::sum_in(PLACE, data), data);
    if let Ok(head) = Head::decode(PLACE, &good) {
        for (entry, span) in head.spans() {
            let (_, from) = head.sender(entry);
            let bytes = data.get(span).unwrap_or_default();
            let _ = record::decode(entry, from.clone(), Target::All, bytes);
        }
    }
    assert!(data.is_empty() || Head::decode(PLACE, data).is_err(), "a guessed checksum");
    let _ = record::decode_parked(DRAWER, &with_sum(record::sum_at(&DRAWER, data), data));
    if let Ok(above) = record::decode_above(data)
        && let Ok(bytes) = record::encode_above(&above)
    {
        assert_eq!(record::decode_above(&bytes).ok(), Some(above));
    }
    round_trip(data);
}

fn with_sum(sum: record::Sum, data: &[u8]) -> Vec<u8> {
    [&sum[..], data].concat()
}

/// Encodes messages whose bodies are taken from `data`, and decodes them again.
fn round_trip(data: &[u8]) {
    let (mut head, mut records, mut messages) = (Head::default(), Vec::new(), Vec::new());
    let mut rest = data;
    while let Some((&len, more)) =
        rest.split_first().filter(|_| messages.len() < FUZZED_MESSAGES_MAX)
    {
        let (body, more) = more.split_at(usize::from(len).min(more.len()));
        rest = more;
        let long = (len % 7 == 6).then_some(Long { first: 9, size: 1 << 20 });
        let mut message = message(len, if long.is_some() { &[] } else { body });
        let seq = messages.len() as u64 + 1;
        let pushed = head.push(
            (seq, seq),
            (UserNo::new(i64::from(len % 3)), 7),
            (&message, long),
            &mut records,
        );
        assert!(pushed.is_ok());
        message.size = long.map_or(message.size, |long| long.size);
        messages.push(message);
    }
    let Ok(mut bytes) = head.encode(PLACE) else { panic!("a head encodes") };
    let Ok(decoded) = Head::decode(PLACE, &bytes) else { panic!("what was written comes back") };
    for ((entry, span), message) in decoded.spans().zip(&messages) {
        let of = |record: &[u8]| {
            record::decode(entry, decoded.sender(entry).1.clone(), message.to.clone(), record)
        };
        assert_eq!(of(&records[span.clone()]).as_ref(), Ok(message));
        let mut rotten = records[span].to_vec();
        flip(&mut rotten, data.len());
        assert_eq!(of(&rotten), Err(Corrupt::Sum));
    }
    assert_eq!(decoded.spans().count(), messages.len());
    let elsewhere = SegmentKey { last: PLACE.last + 1, ..PLACE };
    assert!(Head::decode(elsewhere, &bytes).is_err(), "another row's bytes");
    flip(&mut bytes, data.len());
    assert!(Head::decode(PLACE, &bytes).is_err(), "a flipped bit");
}

fn flip(bytes: &mut [u8], at: usize) {
    let bit = at % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn message(number: u8, body: &[u8]) -> Message {
    let Ok(from) = format!("u{}", number % 3).parse::<UserId>() else { panic!("a name") };
    let title = "t".repeat(usize::from(number % 5));
    let Ok(headers) = Headers::new(vec![("title".into(), title)]) else { panic!("a header") };
    let (id, size) = (MsgId::new(u64::from(number), [number; 10]), body.len() as u64);
    let body = Body(body.to_vec().into());
    Message { from, time_ms: 1, envelope: Envelope { id, to: Target::All, headers, size, body } }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_found_is_run_again() {
        crate::wire::fuzz::replay("record", super::record);
    }
}
