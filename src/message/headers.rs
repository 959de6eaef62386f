//! Headers of a message: names, values and how long they may be.

use crate::failure::Failure;
use crate::message::known_headers::{bad, known};
use crate::text::clean::{clean, cut};
use crate::wire::{HEADERS_LEN_MAX, Headers};

/// Adds a header, unless there is one of its name or no room for it.
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

/// Checks a name and returns it in lower case.
pub(crate) fn checked_name(name: &str) -> Result<String, Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(allowed) {
        let hint = "a name consists of ASCII letters, digits, - and _, as in -H 'Ticket: 42'";
        return Err(bad(format!("{name:?} is not a valid header name"), hint));
    }
    Ok(name.to_ascii_lowercase())
}

/// Checks a value and returns it as it is sent. Values of known headers have one spelling.
pub(crate) fn checked_value(name: &str, value: &str) -> Result<String, Failure> {
    known(name).map_or_else(|| Ok(value.to_owned()), |header| (header.check)(value))
}
