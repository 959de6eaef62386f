//! Long bodies on their way from the store to a reader.

use crate::durable::{Missing, RequestId};
use crate::wire::Body;

use super::Mailbox;
use crate::logic::hub::download::VolatileId;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::reader::{Chunk, LostBody};
use crate::logic::hub::todo::Todo;
use crate::logic::hub::turn::Turn;
use crate::logic::seqs::unacked::Delivery;

impl Mailbox {
    /// Takes a chunk that was read for a link, or the reason why it could not be read.
    pub(crate) fn receive_chunk(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        (request, chunk): (RequestId, Result<Body, Missing>),
    ) {
        let Some(reader) = self.readers.get_mut(&link) else { return };
        match reader.receive_chunk(turn, request, chunk) {
            Chunk::Continues => return,
            Chunk::Complete { log, seq } => turn.note(Todo::ConfirmDelivery { link, log, seq }),
            Chunk::Lost(None) => {}
            Chunk::Lost(Some(body)) => self.lose_body(turn, link, body),
        }
        // Volatile bodies come next.
        turn.note(Todo::DeliverVolatile { user: self.user.clone() });
        turn.note(Todo::ResumeReader { link });
    }

    /// Tells a reader of a message whose body was lost.
    fn lose_body(&mut self, turn: &mut Turn, link: LinkId, body: LostBody) {
        let LostBody { seq, log, counts, missing } = body;
        match missing {
            Missing::Removed => {
                if let Some(reader) = self.readers.get_mut(&link) {
                    reader.rewind(seq - 1);
                }
            }
            Missing::Corrupt if self.is_unacked(&log, seq) => {
                self.notify(turn, link, (seq, Delivery::notice(seq, log, counts)), 1);
            }
            Missing::Corrupt => {}
        }
    }

    /// Continues the body on its way to a reader whose client has given credit for chunks. Returns
    /// the body if it is volatile.
    pub(crate) fn continue_body(&mut self, turn: &mut Turn, link: LinkId) -> Option<VolatileId> {
        let reader = self.readers.get_mut(&link)?;
        reader.read_chunks(turn);
        reader.volatile_body()
    }
}
