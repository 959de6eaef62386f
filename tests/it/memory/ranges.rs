//! Properties of a cursor's acked ranges.

use std::collections::BTreeMap;

use qmsg::durable::{AckedRange, Record, StoredCursor};
use qmsg::wire::{Seq, Target};

/// Returns all seqs in the ranges.
pub(crate) fn done(above: &[AckedRange]) -> Vec<Seq> {
    above.iter().flat_map(|stretch| stretch.span.first..=stretch.span.last).collect()
}

/// Returns whether a range contains the message at a seq of its log.
pub(crate) fn has(above: &[AckedRange], seq: Seq) -> bool {
    let next = above.partition_point(|stretch| stretch.span.last < seq);
    above.get(next).is_some_and(|stretch| stretch.span.first <= seq)
}

/// Checks that ranges are after the cursor and do not touch, and that their counts match the log.
pub(crate) fn check_stretches<'a>(
    cursor: &StoredCursor,
    all: impl Iterator<Item = &'a Record>,
    log: &Target,
) {
    let records = all.filter(|record| record.bundle.first.to == *log);
    let ordinals: BTreeMap<Seq, u64> = records.map(|record| (record.seq, record.ordinal)).collect();
    let (mut through, mut last) = (cursor.through, cursor.ordinal);
    assert_eq!(ordinals.range(..=through).next_back().map_or(0, |(_, ordinal)| *ordinal), last);
    for (index, AckedRange { span, ordinal, count }) in cursor.above.iter().enumerate() {
        let joins = index > 0 && *ordinal == last + 1;
        assert!(span.first > through && *ordinal > last && *count > 0 && !joins, "{cursor:?}");
        let within = ordinals.range(span.first..=span.last).map(|(_, ordinal)| *ordinal);
        assert!(within.eq(*ordinal..ordinal + count), "{cursor:?} of {ordinals:?}");
        (through, last) = (span.last, ordinal + count - 1);
    }
}
