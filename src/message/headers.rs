//! Headers of a message: names, values and how long they may be.

use crate::failure::{Exit, Failure};
use crate::text::clean::{clean, cut};
use crate::wire::{HEADERS_LEN_MAX, Headers};

/// Names of the five priorities, from 1 to 5.
pub(crate) const PRIORITIES: [&str; 5] = ["min", "low", "default", "high", "max"];

/// Headers with one more, unless there is one of its name, or no room for it.
pub(crate) fn with(headers: &Headers, name: &str, value: &str) -> Headers {
    let mut pairs: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if pairs.iter().any(|(before, _)| before == name) {
        return headers.clone();
    }
    pairs.push((name.to_owned(), clean(value)));
    fit(&mut pairs);
    Headers::new(pairs).unwrap_or_else(|_| headers.clone())
}

/// Shortens the longest values until the headers are as long as they may be.
pub(crate) fn fit(pairs: &mut [(String, String)]) {
    loop {
        let len: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let excess = len.saturating_sub(HEADERS_LEN_MAX);
        let Some((_, longest)) = pairs.iter_mut().max_by_key(|(_, value)| value.len()) else {
            return;
        };
        if excess == 0 || longest.is_empty() {
            return;
        }
        *longest = cut(longest, longest.len().saturating_sub(excess));
    }
}

pub(crate) fn bad(what: String, hint: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, what).hint(hint)
}

pub(crate) fn checked_name(name: &str) -> Result<String, Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(allowed) {
        let hint = "a name consists of ASCII letters, digits, - and _, as in -H 'Ticket: 42'";
        return Err(bad(format!("{name:?} is not a valid header name"), hint));
    }
    Ok(name.to_ascii_lowercase())
}

/// The value as it is sent. What the program itself reads has one spelling.
pub(crate) fn checked_value(name: &str, value: &str) -> Result<String, Failure> {
    match name {
        "priority" => priority(value),
        "tags" => Ok(tags(value)),
        "type" => media_type(value),
        "ttl" => ttl(value),
        _ => Ok(value.to_owned()),
    }
}

fn priority(value: &str) -> Result<String, Failure> {
    let is = |(number, name): &(usize, &str)| {
        value.eq_ignore_ascii_case(name) || value == number.to_string()
    };
    let found = (1..).zip(PRIORITIES).find(is);
    let (number, _) = found.ok_or_else(|| {
        let hint = format!("it is one of {}, or 1 to 5", PRIORITIES.join(", "));
        bad(format!("there is no priority {value:?}"), hint)
    })?;
    Ok(number.to_string())
}

fn tags(value: &str) -> String {
    let tags: Vec<&str> = value.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    tags.join(",")
}

/// Type and subtype (RFC 6838, section 4.2), perhaps with parameters.
fn media_type(value: &str) -> Result<String, Failure> {
    let is_token = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    let essence = value.split(';').next().unwrap_or_default().trim_end();
    match essence.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => Ok(value.to_owned()),
        _ => Err(bad(
            format!("{value:?} is not a media type"),
            "write it like text/markdown or application/json",
        )),
    }
}

fn ttl(value: &str) -> Result<String, Failure> {
    match value.parse::<u64>() {
        Ok(seconds @ 1..) => Ok(seconds.to_string()),
        _ => Err(bad(
            format!("a message cannot live for {value:?} seconds"),
            "--ttl takes a time of a second or more, such as 30s, 10m or 24h",
        )),
    }
}
