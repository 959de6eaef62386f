//! Frames that wait until it is known who their link acts as.

use crate::wire::FromClient;

/// Whether a frame makes sense behind those that wait for the link's id. Sends, parts and requests
/// are counted, one attaches once, and nothing has been delivered yet: so there are few.
pub(super) fn can_wait(held: &[FromClient], frame: &FromClient) -> bool {
    match frame {
        FromClient::Send { .. }
        | FromClient::Pass { .. }
        | FromClient::Part(_)
        | FromClient::Cut
        | FromClient::Enter(_)
        | FromClient::Leave(_)
        | FromClient::Later { .. }
        | FromClient::Look { .. }
        | FromClient::Take { .. }
        | FromClient::Watch { .. }
        | FromClient::Unwatch { .. } => true,
        FromClient::Attach { .. } => {
            !held.iter().any(|held| matches!(held, FromClient::Attach { .. }))
        }
        FromClient::Holds(_) => !held
            .iter()
            .any(|held| matches!(held, FromClient::Holds(_) | FromClient::Attach { .. })),
        FromClient::Processed(_)
        | FromClient::Skipped(_)
        | FromClient::Answered { .. }
        | FromClient::Rejected { .. }
        | FromClient::Pong { .. }
        | FromClient::Took { .. }
        | FromClient::Hello { .. }
        | FromClient::More { .. } => false,
    }
}
