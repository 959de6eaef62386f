//! Sizes, durations and names as people write them.

use std::time::Duration;

use jiff::SignedDuration;

use crate::wire::{Target, UserId};

/// A duration: `10s`, `5m`, `1h30m`, `500ms`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "write it like 500ms, 10s, 5m or 1h30m".to_owned();
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let signed: SignedDuration = text.parse().map_err(|_| bad())?;
    Duration::try_from(signed).map_err(|_| bad())
}

/// A number of bytes: `4096`, `64KiB`, `1MiB`, `2GiB`; `K`, `M`, `G` mean the same.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let bad = || "write it like 4096, 64KiB, 1MiB or 2GiB".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err(bad()),
    };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift)).ok_or_else(bad)
}

/// A number of things, one of which is `name`.
pub(super) fn count(number: u64, name: &str) -> String {
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

/// A user's id.
pub(super) fn user(text: &str) -> Result<UserId, String> {
    text.parse().map_err(|why| format!("{why}"))
}

/// One target, or several separated by commas; each is kept once.
pub(super) fn targets(text: &str) -> Result<Targets, String> {
    let mut targets = Vec::new();
    for part in text.split(',') {
        let target: Target = part.parse().map_err(|why| format!("{part:?}: {why}"))?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(Targets(targets))
}

/// At least one target, none twice.
#[derive(Clone, Debug)]
pub(super) struct Targets(pub(super) Vec<Target>);

#[cfg(test)]
mod tests {
    use super::{duration, size, targets};
    use std::time::Duration;

    #[test]
    fn durations() {
        for (text, ms) in [("10s", 10_000), ("500ms", 500), ("5m", 300_000), ("7", 7_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        for text in ["", "-5s", "soon", "10 parsecs"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("0", 0), ("4096", 4096), ("64KiB", 65536), ("1m", 1 << 20)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "-1", "1.5M", "MiB", "1 parsec", "99999999999T"] {
            assert!(size(text).is_err(), "{text}");
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
