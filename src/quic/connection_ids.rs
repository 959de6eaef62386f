//! A server's connection ids, which its next process recognises as this server's.
//!
//! quinn's generator of this kind makes only 24 random bits. With two thousand connections one or
//! two of the last process would share an id with a connection of the next process. Packets with
//! that id would go to the new connection, and no reset would tell the client of the restart.

use std::time::Duration;

use aws_lc_rs::{hmac, rand};
use quinn::{ConnectionId, ConnectionIdGenerator};
use quinn_proto::InvalidCid;

/// Random bytes of an id, and bytes that only the key can derive from them.
const NONCE_LEN: usize = 5;
const PROOF_LEN: usize = 3;

/// A generator of ids for one key.
pub(super) struct ConnectionIds {
    key: hmac::Key,
}

impl ConnectionIds {
    pub(super) fn new(key: u64) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key.to_be_bytes()) }
    }

    fn id(&self, nonce: [u8; NONCE_LEN]) -> [u8; NONCE_LEN + PROOF_LEN] {
        let mut id = [0; NONCE_LEN + PROOF_LEN];
        let (first, proof) = id.split_at_mut(NONCE_LEN);
        first.copy_from_slice(&nonce);
        proof.copy_from_slice(&hmac::sign(&self.key, &nonce).as_ref()[..PROOF_LEN]);
        id
    }
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut nonce = [0; NONCE_LEN];
        // Cannot fail here: without random numbers there would have been no handshake.
        let _ = rand::fill(&mut nonce);
        ConnectionId::new(&self.id(nonce))
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        let nonce = id.first_chunk::<NONCE_LEN>().ok_or(InvalidCid)?;
        if self.id(*nonce) == id[..] { Ok(()) } else { Err(InvalidCid) }
    }

    fn cid_len(&self) -> usize {
        NONCE_LEN + PROOF_LEN
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionId, ConnectionIdGenerator, ConnectionIds};

    #[test]
    fn only_the_same_key_knows_an_id() {
        let (mut before, after, other) =
            (ConnectionIds::new(7), ConnectionIds::new(7), ConnectionIds::new(8));
        for _ in 0..100 {
            let id = before.generate_cid();
            assert_eq!(id.len(), before.cid_len());
            assert!(after.validate(&id).is_ok());
            assert!(other.validate(&id).is_err());
            assert_ne!(before.generate_cid(), id);
        }
        assert!(after.validate(&ConnectionId::new(&[0; 3])).is_err());
    }
}
