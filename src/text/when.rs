//! A future time, as people write it.

use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::{Timestamp, ZonedDateTime};

/// A point in time, possibly without its date or zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// A time with its offset, the same in every zone.
    Instant(Timestamp),
    /// A local time.
    Local(DateTime),
    /// The next moment at which the local clock shows this time.
    Next(Time),
}

/// Parses RFC 3339, `2026-11-24 07:00`, or `07:00`; the hour may have one digit.
pub(crate) fn when(text: &str) -> Result<When, String> {
    let bad = || "write it like 07:00, '2026-11-24 07:00' or 2026-11-24T07:00:00Z".to_owned();
    let text = &with_two_digits(text);
    if let Ok(instant) = text.parse() {
        return Ok(When::Instant(instant));
    }
    // Unknown text after the time, such as a zone, must not be ignored.
    let (date, time) = text.split_once([' ', 'T', 't']).unwrap_or(("", text));
    let is_clock = |c: char| c.is_ascii_digit() || c == ':' || c == '.';
    if !time.contains(':') || !time.chars().all(is_clock) {
        return Err(bad());
    }
    if date.is_empty() {
        return time.parse().map(When::Next).map_err(|_| bad());
    }
    text.parse().map(When::Local).map_err(|_| bad())
}

/// Returns the time with a two-digit hour, as in RFC 3339: `07:00` for `7:00`.
fn with_two_digits(text: &str) -> String {
    let start = text.find([' ', 'T', 't']).map_or(0, |at| at + 1);
    let (date, time) = text.split_at(start);
    let hour = time.find(':').unwrap_or_default();
    let pad = if hour == 1 && time.starts_with(|c: char| c.is_ascii_digit()) { "0" } else { "" };
    format!("{date}{pad}{time}")
}

impl When {
    /// Converts to milliseconds since 1970, as seen from now and in that time zone. `None`: the
    /// time is over, or beyond the calendar. In the hour that summer time skips: an hour later. In
    /// the hour that is repeated: the first one.
    pub(crate) fn unix_ms(self, now: &ZonedDateTime) -> Option<u64> {
        let zone = now.time_zone();
        let at = |local: DateTime| zone.to_timestamp(local).ok();
        let found = match self {
            Self::Instant(instant) => Some(instant),
            Self::Local(local) => at(local),
            Self::Next(time) => {
                let today = now.date();
                let mut days = [Some(today), today.tomorrow().ok()].into_iter().flatten();
                days.find_map(|day| at(day.to_datetime(time)).filter(|at| *at > now.timestamp()))
            }
        };
        let found = found.filter(|at| *at > now.timestamp())?;
        u64::try_from(found.as_millisecond()).ok()
    }
}

/// Adds a duration to now, in milliseconds since 1970; `None` if the sum is beyond the calendar.
pub(crate) fn after(now_ms: u64, time: Duration) -> Option<u64> {
    let due_ms = u64::try_from(time.as_millis()).ok()?.checked_add(now_ms)?;
    let is_shown = |ms| Timestamp::from_millisecond(ms).is_ok();
    i64::try_from(due_ms).is_ok_and(is_shown).then_some(due_ms)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::time::Duration;

    use jiff::ZonedDateTime;
    use jiff::tz::TimeZone;

    use super::{after, when};
    use crate::clock;

    /// A time in Berlin, without the machine's time zone database.
    fn now(time: &str) -> ZonedDateTime {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        time.parse::<jiff::Timestamp>().unwrap().to_zoned_datetime(zone)
    }

    #[test]
    fn times_to_come() {
        let cases = [
            ("2026-11-23T12:00:00Z", "2026-11-24T07:00:00Z", "2026-11-24T07:00:00.000Z"),
            ("2026-11-23T12:00:00Z", "2026-11-24T07:00:00.5+01:00", "2026-11-24T06:00:00.500Z"),
            ("2026-11-23T12:00:00Z", "2026-11-24 07:00+01:00", "2026-11-24T06:00:00.000Z"),
            ("2026-11-23T12:00:00Z", "2026-11-24 07:00", "2026-11-24T06:00:00.000Z"),
            ("2026-11-23T12:00:00Z", "2026-07-24T07:00:30", ""),
            ("2026-06-23T12:00:00Z", "2026-07-24T07:00:30", "2026-07-24T05:00:30.000Z"),
            ("2026-06-23T04:59:59Z", "07:00", "2026-06-23T05:00:00.000Z"),
            ("2026-06-23T05:00:00Z", "07:00", "2026-06-24T05:00:00.000Z"),
            ("2026-06-23T05:00:00Z", "7:00", "2026-06-24T05:00:00.000Z"),
            ("2026-06-23T12:00:00Z", "0:30", "2026-06-23T22:30:00.000Z"),
            ("2026-11-23T12:00:00Z", "2026-11-24 7:00", "2026-11-24T06:00:00.000Z"),
            ("2026-11-23T12:00:00Z", "2026-11-24T7:00:00Z", "2026-11-24T07:00:00.000Z"),
            ("2026-06-23T22:30:00Z", "00:29:59", "2026-06-24T22:29:59.000Z"),
            ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z", ""),
            ("2026-11-23T12:00:00Z", "1969-01-01T00:00:00Z", ""),
            // The nights when the clock goes from 2 to 3, and back.
            ("2026-03-28T12:00:00Z", "02:30", "2026-03-29T01:30:00.000Z"),
            ("2026-10-24T12:00:00Z", "02:30", "2026-10-25T00:30:00.000Z"),
        ];
        for (now_is, text, wanted) in cases {
            let found = when(text).unwrap().unix_ms(&now(now_is));
            assert_eq!(found.map(clock::rfc3339).unwrap_or_default(), wanted, "{text} at {now_is}");
        }
    }

    #[test]
    fn what_is_beyond_the_calendar_is_no_time() {
        assert_eq!(after(7, Duration::from_millis(35)), Some(42));
        for time in [Duration::from_secs(1 << 40), Duration::MAX] {
            assert_eq!(after(7, time), None);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let cases = [
            "",
            "7",
            "0700",
            "soon",
            "25:00",
            "07:00x",
            "2026-11-24",
            "2026-13-01 07:00",
            "2026-11-24 07:00[Europe/Nowhere]",
            "2026-11-24 07:00 CET",
            "-1:00",
            ":00",
            "7:0",
            "x7:00",
            "ä:00",
            "tomorrow 7:00",
        ];
        for text in cases {
            assert!(when(text).is_err(), "{text}: {:?}", when(text));
        }
    }
}
