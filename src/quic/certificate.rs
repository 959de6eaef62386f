//! Certificates as carriers of public keys: the pin of a certificate, and the TLS provider.

use std::sync::Arc;

use rustls::Error;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

use crate::wire::Pin;

/// The cryptography of every TLS setting here, passed explicitly so that nothing depends on a
/// default of the process. With rustls's feature `prefer-post-quantum` its first key exchange is
/// X25519MLKEM768.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The SHA-256 of a certificate's public key.
pub(super) fn pin_of(certificate: &CertificateDer<'_>) -> Result<Pin, Error> {
    let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    let hash = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, &spki);
    let bytes = hash.as_ref().try_into();
    bytes.map(Pin).map_err(|_| Error::General("SHA-256 has 32 bytes".into()))
}

/// The pin of the key that the peer has proven; `None` if it has shown no certificate.
pub(super) fn peer_pin(connection: &quinn::Connection) -> Option<Pin> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    pin_of(chain.first()?).ok()
}
