//! Identities of devices and servers: private keys, their files and certificates.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ED25519};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::{pin_of, provider};
use crate::files::{self, PrivateFileError};
use crate::wire::Pin;

/// A private key and the certificate that carries its public key. Clones share them.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    pin: Pin,
}

/// An identity whose key is in memory only.
pub struct NewIdentity {
    identity: Identity,
    pem: String,
}

/// The reason why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file of the key could not be read or made.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file has no usable private key in PKCS#8 PEM.
    #[error("{} holds no private key that can be used", .path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The file of an operator's certificate or key could not be read as PEM.
    #[error("{}", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The error in it.
        source: pem::Error,
    },
    /// The certificate or the key cannot be used, or not together.
    #[error("{} cannot be used with its key", .path.display())]
    Certificate {
        /// The certificate's file.
        path: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
    /// A key could not be made, or its certificate not signed.
    #[error("a key could not be made")]
    Make,
}

impl IdentityError {
    /// Tells whether the file of the key is missing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::File(error) if error.is_not_found())
    }
}

impl Identity {
    /// Makes a new Ed25519 key that is saved nowhere.
    pub fn generate() -> Result<Self, IdentityError> {
        NewIdentity::generate().map(|new| new.identity)
    }

    /// Reads the key from the PKCS#8 PEM file at `path`, which only its owner may be able to read.
    /// The certificate is made anew each time.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let pem = files::read_private(path)?;
        let not_a_key = || IdentityError::NotAKey { path: path.to_owned() };
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| not_a_key())?;
        let key = KeyPair::try_from(&der).map_err(|_| not_a_key())?;
        Self::from_key(&key)
    }

    /// Makes a new Ed25519 key and saves it in a new file at `path`. Fails if there is a file.
    pub fn create(path: &Path) -> Result<Self, IdentityError> {
        let new = NewIdentity::generate()?;
        new.save(path)?;
        Ok(new.identity)
    }

    /// Reads the key at `path`, and makes it if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        match Self::load(path) {
            Err(error) if error.is_not_found() => {}
            loaded => return loaded,
        }
        match Self::create(path) {
            // Another process was first.
            Err(IdentityError::File(PrivateFileError::Exists { .. })) => Self::load(path),
            created => created,
        }
    }

    /// Reads an operator's own certificate, with its chain if it has one, and its key, both PEM.
    /// The permissions of the key's file are not checked: web servers share such keys by group.
    pub fn from_certificate(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Pem { path, source }
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable(certificate))?;
        if chain.is_empty() {
            return Err(unreadable(certificate)(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
        Self::certify(chain, key)
            .map_err(|source| IdentityError::Certificate { path: certificate.to_owned(), source })
    }

    /// The pin of the public key.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    fn from_key(key: &KeyPair) -> Result<Self, IdentityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let certificate = params.self_signed(key).map_err(|_| IdentityError::Make)?;
        let der = PrivatePkcs8KeyDer::from(key.serialize_der());
        Self::certify(vec![certificate.into()], der.into()).map_err(|_| IdentityError::Make)
    }

    fn certify(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let pin = match chain.first() {
            Some(leaf) => pin_of(leaf)?,
            None => return Err(rustls::Error::NoCertificatesPresented),
        };
        let certified = CertifiedKey::from_der(chain, key, &provider())?;
        Ok(Self { certified: Arc::new(certified), pin })
    }
}

impl NewIdentity {
    /// Makes a new Ed25519 key.
    pub fn generate() -> Result<Self, IdentityError> {
        let key = new_key()?;
        Ok(Self { identity: Identity::from_key(&key)?, pem: key.serialize_pem() })
    }

    /// The identity, which can be used before its key is saved.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Saves the key in a new file at `path`. Fails if there is a file.
    pub fn save(&self, path: &Path) -> Result<(), IdentityError> {
        Ok(files::create_private(path, self.pem.as_bytes())?)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.pin)
    }
}

/// Makes a key in version 1 of PKCS#8. OpenSSL 3.0 refuses the version 2 that rcgen would make.
fn new_key() -> Result<KeyPair, IdentityError> {
    let der = Ed25519KeyPair::generate()
        .and_then(|key| key.to_pkcs8v1())
        .map_err(|_| IdentityError::Make)?;
    let der = PrivatePkcs8KeyDer::from(der.as_ref());
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).map_err(|_| IdentityError::Make)
}
