//! Sizes, durations and names as people write them.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use parse_size::Config;

use crate::wire::{Target, UserId};

/// Parses a duration: `10s`, `5m`, `1h30m`, `1h30`, `7d`, `2w`; a bare number is seconds. A day has
/// 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "write it like 500ms, 10s, 5m, 1h30m or 7d".to_owned();
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    if is_negative(text) {
        return Err("it must not be negative".into());
    }
    if text.contains(':') {
        let hint = "7:00 is a time of day, not a duration; write a duration like 7h or 1h30m";
        return Err(hint.into());
    }
    let text = with_last_unit(text);
    // `SignedDuration` knows no days; a span may be longer than the calendar.
    let signed: SignedDuration = text.parse().or_else(|_| {
        let span: Span = text.parse().map_err(|_| bad())?;
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())
    })?;
    Duration::try_from(signed).map_err(|_| bad())
}

/// Parses a duration that must have a unit: of `2 hours` as two words only the number would be
/// read.
pub(crate) fn duration_with_unit(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(number) if number > 0 => {
            Err(format!("a unit is missing: write it like {number}s, {number}m or {number}h"))
        }
        _ => duration(text),
    }
}

/// Adds a unit to a last number without one: the next smaller unit after the one before, as in
/// `1h30`.
fn with_last_unit(text: &str) -> String {
    let before = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let unit = before.trim_end().rsplit(|c: char| !c.is_ascii_alphabetic()).next();
    let below = match unit {
        _ if before == text => "",
        Some("w") => "d",
        Some("d") => "h",
        Some("h") => "m",
        Some("m" | "min") => "s",
        _ => "",
    };
    format!("{text}{below}")
}

/// True if the text begins like a negative number.
pub(crate) fn is_negative(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Parses a number of bytes: `4096`, `64KiB`, `1.5G`, `2GiB`. `K`, `M`, `G` are powers of 1024 as
/// well; `KB`, `MB`, `GB` are powers of 1000.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let unit = text.trim_end().to_ascii_lowercase();
    let is_decimal = unit.ends_with('b') && !unit.ends_with("ib");
    let config =
        if is_decimal { Config::new().with_decimal() } else { Config::new().with_binary() };
    let size = config.parse_size(text);
    size.map_err(|_| "write it like 4096, 64KiB, 1.5MB or 2GiB".to_owned())
}

/// Parses a size above 0.
pub(crate) fn size_of_some(text: &str) -> Result<u64, String> {
    size(text)
        .and_then(|size| if size == 0 { Err("it must be at least 1".into()) } else { Ok(size) })
}

/// Parses a duration above 0.
pub(crate) fn duration_of_some(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.as_millis() == 0 { Err("it must be longer than 0s".into()) } else { Ok(duration) }
}

/// Formats a number of things with their `name`, in the plural unless it is 1.
pub(crate) fn count(number: u64, name: &str) -> String {
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

/// Parses a user's id.
pub(crate) fn user(text: &str) -> Result<UserId, String> {
    text.parse().map_err(|why| format!("{why}"))
}

/// Parses one target, or several separated by commas. Repeated ones are dropped.
pub(crate) fn targets(text: &str) -> Result<Targets, String> {
    let mut targets = Vec::new();
    for part in text.split(',') {
        let target: Target = part.parse().map_err(|why| format!("{part:?}: {why}"))?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(Targets(targets))
}

/// Formats a number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One or more targets, without repetition.
#[derive(Clone, Debug)]
pub(crate) struct Targets(pub(crate) Vec<Target>);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::time::Duration;

    use super::{duration, duration_with_unit, size, targets};

    #[test]
    fn durations() {
        for (text, ms) in [("10s", 10_000), ("500ms", 500), ("5m", 300_000), ("7", 7_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        let hour = 3600;
        for (text, seconds) in [
            ("1h30m", hour * 3 / 2),
            ("1h30", hour * 3 / 2),
            ("1.5h", hour * 3 / 2),
            ("5m30", 330),
            ("1d", 24 * hour),
            ("1d12", 36 * hour),
            ("1d 12h", 36 * hour),
            ("2w", 14 * 24 * hour),
            ("1w2", 9 * 24 * hour),
            ("999999999999h", 999_999_999_999 * hour),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        let none = ["", "-5s", "-1d", "soon", "10 parsecs", "1y", "1mo", "h30", "d", "1x5"];
        for text in none {
            assert!(duration(text).is_err(), "{text}");
        }
        let day = duration("7:00").unwrap_err();
        assert!(day.contains("time of day"), "{day}");
        let negative = duration("-5s").unwrap_err();
        assert_eq!(negative, "it must not be negative");
    }

    #[test]
    fn a_unit_can_be_wanted() {
        for text in ["0", "2h", "1h30", "500ms"] {
            assert_eq!(duration_with_unit(text), duration(text), "{text}");
        }
        for text in ["2", "05", "+7"] {
            let why = duration_with_unit(text).unwrap_err();
            assert!(why.contains("write it like"), "{why}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64KiB", 65536),
            ("1m", 1 << 20),
            ("512k", 512 << 10),
            ("1.5G", 3 << 29),
            ("1MB", 1_000_000),
            ("2 kb", 2000),
            ("2 KiB", 2048),
            ("7b", 7),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "-1", "MiB", "1 parsec", "99999999999T", "1,5M", "1M x"] {
            assert!(size(text).is_err(), "{text}: {:?}", size(text));
        }
    }

    #[test]
    fn lists_of_targets() {
        let parsed = targets("bob,@Ops,BOB,@all").unwrap_or_else(|why| panic!("{why}"));
        let shown: Vec<String> = parsed.0.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["bob", "@ops", "@all"]);
        for text in ["", "bob,", "@", "b b"] {
            assert!(targets(text).is_err(), "{text}");
        }
    }
}
