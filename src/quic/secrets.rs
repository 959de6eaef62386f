//! Keys by which a server recognises connections of its last process.

use std::path::{Path, PathBuf};

use crate::files::{self, PrivateFileError};

/// Length of the reset key, and of both keys, in bytes.
const RESET_LEN: usize = 64;
const LEN: usize = RESET_LEN + size_of::<u64>();

/// Two keys with which the next process of a server recognises connections of the last one and
/// resets them (RFC 9000, section 10.3). Without them clients of a restarted server wait out their
/// idle timeout. Neither key protects what is sent on a connection.
#[derive(Clone)]
pub struct Secrets {
    bytes: [u8; LEN],
}

/// The reason why a server's secrets could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file could not be read or made.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file does not have the right length.
    #[error("{} does not hold a server's secrets", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random numbers.
    #[error("no random numbers")]
    Random,
}

impl Secrets {
    /// Makes new keys of random bytes.
    pub fn generate() -> Result<Self, SecretsError> {
        let mut bytes = [0; LEN];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SecretsError::Random)?;
        Ok(Self { bytes })
    }

    /// Reads the file at `path`, and makes it with new keys if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretsError> {
        match Self::load(path) {
            Err(SecretsError::File(error)) if error.is_not_found() => {}
            loaded => return loaded,
        }
        let new = Self::generate()?;
        match files::create_private(path, &new.bytes) {
            Ok(()) => Ok(new),
            // Another process was first.
            Err(PrivateFileError::Exists { .. }) => Self::load(path),
            Err(error) => Err(error.into()),
        }
    }

    fn load(path: &Path) -> Result<Self, SecretsError> {
        match files::read_private(path)?.try_into() {
            Ok(bytes) => Ok(Self { bytes }),
            Err(_) => Err(SecretsError::Damaged { path: path.to_owned() }),
        }
    }

    /// The HMAC key of stateless reset tokens.
    pub(super) fn reset_key(&self) -> &[u8] {
        &self.bytes[..RESET_LEN]
    }

    /// The key that marks connection ids as this server's.
    pub(super) fn connection_id_key(&self) -> u64 {
        let tail = self.bytes.last_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(tail)
    }
}
