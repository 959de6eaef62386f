//! List of spooled messages (`qmsg spool list`), for people and for programs.

use anyhow::Result;
use serde_json::{Map, Value};

use crate::clock;
use crate::failure::Exit;
use crate::message::known_headers::TITLE;
use crate::spool::bounds::SpoolBounds;
use crate::spool::file::SpooledHead;
use crate::spool::place::{Slot, SpoolDirectory};
use crate::spool::places::all;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print, table};
use crate::wire::UserId;

const COLUMNS: [&str; 8] = ["ID", "TIME", "FROM", "TO", "SIZE", "STATE", "TITLE", "REASON"];

/// Lists the messages of these spools.
pub(crate) fn run(
    places: &[(UserId, SpoolDirectory)],
    bounds: SpoolBounds,
    json: bool,
    verbosity: Verbosity,
) -> Result<Exit> {
    let slots = places.iter().map(|(id, directory)| Ok((id.clone(), all(directory)?)));
    let slots: Vec<(UserId, Vec<Slot>)> = slots.collect::<Result<_>>()?;
    if slots.iter().all(|(_, slots)| slots.is_empty()) && print::is_terminal() {
        notices::note(verbosity, "no messages in the spool");
    }
    show(&slots, bounds, json)?;
    Ok(Exit::Success)
}

/// Prints messages by sender.
pub(crate) fn show(slots: &[(UserId, Vec<Slot>)], bounds: SpoolBounds, json: bool) -> Result<()> {
    let mut slots = slots.iter().flat_map(|(id, slots)| slots.iter().map(move |slot| (id, slot)));
    if json {
        return slots.try_for_each(|(id, slot)| print::object(&object(id, slot, bounds)));
    }
    let rows: Vec<[String; 8]> = slots.map(|(id, slot)| row(id, slot, bounds)).collect();
    table::print(COLUMNS, &rows)
}

fn row(from: &UserId, slot: &Slot, bounds: SpoolBounds) -> [String; 8] {
    let (id, from, state) = (slot.id().to_string(), from.to_string(), state(slot, bounds).into());
    let reason = slot.reason().unwrap_or_default();
    match slot.head() {
        Ok(head) => {
            let title = head.headers.iter().find(|(name, _)| *name == TITLE);
            let title = title.map(|(_, title)| title.to_owned()).unwrap_or_default();
            let since = head.origin.since_ms;
            let time =
                if print::is_terminal() { clock::local(since) } else { clock::rfc3339(since) };
            [id, time, from, head.to.to_string(), head.size.to_string(), state, title, reason]
        }
        Err(damage) => {
            let reason = if reason.is_empty() { damage.to_string() } else { reason };
            let [time, to, size, title] = [const { String::new() }; 4];
            [id, time, from, to, size, state, title, reason]
        }
    }
}

fn state(slot: &Slot, bounds: SpoolBounds) -> &'static str {
    match slot.head() {
        _ if slot.is_aside() => "set aside",
        Err(_) => "damaged",
        Ok(head) if is_old(&head, bounds) => "too old",
        Ok(_) => "waiting",
    }
}

fn is_old(head: &SpooledHead, bounds: SpoolBounds) -> bool {
    u128::from(clock::now_ms().saturating_sub(head.origin.since_ms)) > bounds.age.as_millis()
}

fn object<'a>(from: &UserId, slot: &Slot, bounds: SpoolBounds) -> Vec<(&'a str, Value)> {
    let mut fields = vec![
        ("id", slot.id().to_string().into()),
        ("from", from.to_string().into()),
        ("state", state(slot, bounds).into()),
    ];
    let mut reason = slot.reason();
    match slot.head() {
        Ok(head) => {
            let headers = head.headers.iter().map(|(name, value)| (name.to_owned(), value.into()));
            fields.push(("headers", Value::Object(headers.collect::<Map<_, _>>())));
            fields.push(("to", head.to.to_string().into()));
            fields.push(("size", head.size.into()));
            fields.push(("time", clock::rfc3339(head.origin.since_ms).into()));
        }
        Err(damage) => reason = reason.or(Some(damage.to_string())),
    }
    fields.extend(reason.map(|reason| ("reason", reason.into())));
    fields
}
