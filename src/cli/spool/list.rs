//! What is in a spool, for people and for programs.

use anyhow::Result;
use serde_json::{Map, Value};

use crate::cli::{clock, print};
use crate::wire::UserId;

use super::file::About;
use super::place::{Place, Slot};
use super::{Exit, SpoolBounds, all};

/// Shows what is in these spools.
pub(super) fn run(places: &[(UserId, Place)], bounds: SpoolBounds, json: bool) -> Result<Exit> {
    for (id, place) in places {
        let slots = all(place)?;
        if json {
            slots.iter().try_for_each(|slot| print::object(&object(id, slot, bounds)))?;
        } else {
            show(id, &slots, bounds)?;
        }
    }
    Ok(Exit::Success)
}

/// A line for each message: its state, id, age, size, target, title, and what is wrong with it.
pub(super) fn show(from: &UserId, slots: &[Slot], bounds: SpoolBounds) -> Result<()> {
    for slot in slots {
        let state = state(slot, bounds);
        let reason = slot.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
        print::text(&match slot.about() {
            Ok(about) => {
                let title = about.headers.iter().find(|(name, _)| *name == "title");
                let title = title.map(|(_, title)| format!(" {title:?}")).unwrap_or_default();
                let (time, size, to) = (clock::local(about.origin.since_ms), about.size, &about.to);
                format!("{} {time} {from} -> {to}, {size} bytes{title}, {state}{reason}", slot.id)
            }
            Err(damage) => format!("{} {from}, {state}: {damage}", slot.id),
        })?;
    }
    Ok(())
}

fn state(slot: &Slot, bounds: SpoolBounds) -> &'static str {
    match slot.about() {
        _ if slot.is_aside => "set aside",
        Err(_) => "damaged",
        Ok(about) if is_old(&about, bounds) => "too old",
        Ok(_) => "waiting",
    }
}

fn is_old(about: &About, bounds: SpoolBounds) -> bool {
    u128::from(clock::now_ms().saturating_sub(about.origin.since_ms)) > bounds.age.as_millis()
}

fn object<'a>(from: &UserId, slot: &Slot, bounds: SpoolBounds) -> Vec<(&'a str, Value)> {
    let mut fields = vec![
        ("id", slot.id.to_string().into()),
        ("from", from.to_string().into()),
        ("state", state(slot, bounds).into()),
    ];
    match slot.about() {
        Ok(about) => {
            let headers = about.headers.iter().map(|(name, value)| (name.to_owned(), value.into()));
            fields.push(("headers", Value::Object(headers.collect::<Map<_, _>>())));
            fields.push(("to", about.to.to_string().into()));
            fields.push(("size", about.size.into()));
            fields.push(("time", clock::rfc3339(about.origin.since_ms).into()));
        }
        Err(damage) => fields.push(("reason", damage.to_string().into())),
    }
    if let Some(reason) = slot.reason() {
        fields.push(("reason", reason.into()));
    }
    fields
}
