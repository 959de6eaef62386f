//! Frames that may wait while the id of their link is looked up.

use crate::wire::FromClient;

/// Returns whether a frame makes sense behind those that wait for the link's id. Sends, chunks and
/// requests are counted, a link subscribes once, and nothing has been delivered yet.
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
