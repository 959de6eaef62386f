//! What a server must know again after a restart.

use std::path::{Path, PathBuf};

use super::private::{self, FileError};

const RESET_LEN: usize = 64;
const LEN: usize = RESET_LEN + size_of::<u64>();

/// Two keys that let the next process of a server recognise the connections of the last one, and
/// reset them (RFC 9000, section 10.3). Without them clients of a restarted server wait out their
/// idle timeout. Neither guards what is said on a connection.
#[derive(Clone)]
pub struct Secrets {
    bytes: [u8; LEN],
}

/// Why a server's secrets could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file could not be read or made.
    #[error(transparent)]
    File(#[from] FileError),
    /// It has not the right length.
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
    /// New ones.
    pub fn generate() -> Result<Self, SecretsError> {
        let mut bytes = [0; LEN];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SecretsError::Random)?;
        Ok(Self { bytes })
    }

    /// Those in the file at `path`, made with new ones if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretsError> {
        match Self::load(path) {
            Err(SecretsError::File(error)) if error.is_not_found() => {}
            loaded => return loaded,
        }
        let new = Self::generate()?;
        match private::create(path, &new.bytes) {
            Ok(()) => Ok(new),
            // Another process was first.
            Err(FileError::Exists { .. }) => Self::load(path),
            Err(error) => Err(error.into()),
        }
    }

    fn load(path: &Path) -> Result<Self, SecretsError> {
        match private::read(path)?.try_into() {
            Ok(bytes) => Ok(Self { bytes }),
            Err(_) => Err(SecretsError::Damaged { path: path.to_owned() }),
        }
    }

    pub(super) fn reset_key(&self) -> &[u8] {
        &self.bytes[..RESET_LEN]
    }

    pub(super) fn connection_id_key(&self) -> u64 {
        let tail = self.bytes.last_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(tail)
    }
}
