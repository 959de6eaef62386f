//! Long messages of a run, which come in parts: the rest of it sees whole ones.

use crate::logic::Event;

/// A message that is coming, and the bytes that are missing of it.
#[derive(Default)]
pub(crate) struct PartialArrival(Option<(Event, u64)>);

impl PartialArrival {
    /// Takes the parts out of events and counts them; a long message comes with its last part.
    pub(crate) fn taken(&mut self, batch: Vec<Event>) -> (Vec<Event>, u32) {
        let (mut events, mut parts) = (Vec::with_capacity(batch.len()), 0);
        for event in batch {
            match event {
                Event::Messages { ref bundle, .. } if bundle.first.is_long() => {
                    let missing = bundle.first.size - bundle.first.body.len() as u64;
                    self.0 = Some((event, missing));
                }
                Event::Chunk(body) => {
                    parts += 1;
                    if let Some((_, missing)) = &mut self.0 {
                        *missing = missing.saturating_sub(body.len() as u64);
                    }
                    let whole = self.0.take_if(|(_, missing)| *missing == 0);
                    events.extend(whole.map(|(message, _)| message));
                }
                Event::BodyAborted => self.0 = None,
                event => events.push(event),
            }
        }
        (events, parts)
    }
}
