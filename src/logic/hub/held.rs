//! Frames that are held while the store looks up the id of their link.

use crate::wire::FromClient;

/// True if a frame may follow those already held. Sends, chunks and requests are bounded by the
/// limits of the link; a link subscribes once; and no delivery can be acked yet.
pub(super) fn can_wait(held: &[FromClient], frame: &FromClient) -> bool {
    match frame {
        FromClient::Send { .. }
        | FromClient::Volatile { .. }
        | FromClient::Chunk(_)
        | FromClient::AbortBody
        | FromClient::JoinRoom(_)
        | FromClient::LeaveRoom(_)
        | FromClient::Schedule { .. }
        | FromClient::ListParked { .. }
        | FromClient::TakeParked { .. }
        | FromClient::Track { .. }
        | FromClient::Untrack { .. } => true,
        FromClient::Subscribe { .. } => {
            !held.iter().any(|held| matches!(held, FromClient::Subscribe { .. }))
        }
        FromClient::Resume(_) => !held
            .iter()
            .any(|held| matches!(held, FromClient::Resume(_) | FromClient::Subscribe { .. })),
        FromClient::Ack(_)
        | FromClient::Release(_)
        | FromClient::Reply { .. }
        | FromClient::Reject { .. }
        | FromClient::Pong { .. }
        | FromClient::AckVolatile { .. }
        | FromClient::Hello { .. }
        | FromClient::ChunkCredit { .. } => false,
    }
}
