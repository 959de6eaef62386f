//! Times and moments, for people and for message ids.

use std::time::{Duration, Instant};

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// Now, by the clock on this wall.
pub(crate) fn here() -> ZonedDateTime {
    ZonedDateTime::now()
}

/// A moment to measure from, by the clock that never goes back.
pub(crate) fn moment() -> Instant {
    Instant::now()
}

/// Returns the time since a moment.
pub(crate) fn since(start: Instant) -> Duration {
    start.elapsed()
}

/// RFC 3339 in UTC, with milliseconds.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    format!("{:.3}", timestamp(unix_ms))
}

/// Local time for a terminal; with the date unless it is today's.
pub(crate) fn local(unix_ms: u64) -> String {
    let zone = TimeZone::system();
    let (then, now) = (
        timestamp(unix_ms).to_zoned_datetime(zone.clone()),
        Timestamp::now().to_zoned_datetime(zone),
    );
    let form = if then.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    then.strftime(form).to_string()
}

/// A time beyond what can be shown is shown as 1970: it only comes from a broken server.
fn timestamp(unix_ms: u64) -> Timestamp {
    let ms = i64::try_from(unix_ms).unwrap_or_default();
    Timestamp::from_millisecond(ms).unwrap_or_default()
}
