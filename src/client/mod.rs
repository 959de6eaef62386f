//! A client of a server: the one loop that carries out the decisions of
//! [`Peer`](crate::logic::Peer), and the [`Client`] that programs call.
//!
//! # Examples
//!
//! A message is sent, delivered and acked:
//!
//! ```no_run
//! use qmsg::client::{Client, ClientSettings};
//! use qmsg::logic::Prefetch;
//!
//! # async fn example(
//! #     as_alice: ClientSettings,
//! #     as_bob: ClientSettings,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let mut alice = Client::connect(as_alice).await?;
//! let mut bob = Client::connect(as_bob.subscribe(Prefetch::DEFAULT)).await?;
//!
//! let draft = alice.draft("bob".parse()?, "hello");
//! alice.send(draft).await?;
//!
//! let incoming = bob.delivery().await?;
//! assert_eq!(&incoming.message.body.0[..], b"hello");
//! bob.ack(&incoming).await;
//!
//! // Everything is recorded when both have left.
//! bob.close().await?;
//! alice.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Most requests of [`Client`] have an example of their own.

mod answers;
mod bodies;
mod claim;
mod error;
mod event_loop;
mod handle;
mod limits;
mod loop_clock;
mod settings;

pub use answers::{Acceptance, IncomingMessage, Readiness, TrackedState};
pub use claim::Claim;
pub use error::{ClientError, RequestError};
pub use handle::Client;
pub use settings::ClientSettings;
