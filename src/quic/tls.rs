//! TLS 1.3 with pinned keys in place of names: the settings of both sides, and the checks of keys.

use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};

use super::certificate::{pin_of, provider};
use super::identity::Identity;
use crate::wire::{ALPN, Pin};

/// Settings of a server: it proves `identity` and takes any key of the client.
pub(super) fn server(identity: &Identity) -> Result<QuicServerConfig, Error> {
    let config = server_config(identity)?;
    QuicServerConfig::try_from(config).map_err(|error| Error::General(error.to_string()))
}

fn server_config(identity: &Identity) -> Result<rustls::ServerConfig, Error> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(AnyClientVerifier(algorithms)))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Settings of a client: it proves `identity` and takes the keys that `verifier` takes.
pub(super) fn client(
    identity: &Identity,
    verifier: Arc<PinnedServerVerifier>,
) -> Result<QuicClientConfig, Error> {
    let config = client_config(identity, verifier)?;
    QuicClientConfig::try_from(config).map_err(|error| Error::General(error.to_string()))
}

fn client_config(
    identity: &Identity,
    verifier: Arc<PinnedServerVerifier>,
) -> Result<rustls::ClientConfig, Error> {
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_early_data = false;
    config.resumption = Resumption::disabled();
    // The name would show onlookers which service of a host is meant, and no server reads it.
    config.enable_sni = false;
    Ok(config)
}

/// A check that the server proves the expected key, or any key when none is expected.
#[derive(Debug)]
pub(super) struct PinnedServerVerifier {
    expected: Option<Pin>,
    found: Mutex<Option<Pin>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedServerVerifier {
    pub(super) fn new(expected: Option<Pin>) -> Arc<Self> {
        let algorithms = provider().signature_verification_algorithms;
        Arc::new(Self { expected, found: Mutex::new(None), algorithms })
    }

    /// The expected pin and the last different one that a server showed.
    pub(super) fn mismatch(&self) -> Option<(Pin, Pin)> {
        let found = *self.found.lock().unwrap_or_else(PoisonError::into_inner);
        self.expected.zip(found)
    }
}

impl ServerCertVerifier for PinnedServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = pin_of(leaf)?;
        if self.expected.is_some_and(|expected| expected != found) {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    /// Checks the signature, which proves the key. The certificate itself is public.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A check that the client proves a key. The core decides later which id the key may use, so that
/// the client can be told the reason of a refusal.
#[derive(Debug)]
struct AnyClientVerifier(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // rustls keeps all certificates in memory; our clients send one.
        if !intermediates.is_empty() {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        pin_of(leaf)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    /// Checks the signature, which proves the key. The certificate itself is public.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use std::sync::Arc;

    use rustls::NamedGroup;
    use rustls::pki_types::ServerName;
    use rustls::quic::{ClientConnection, Connection, ServerConnection, Version};

    use super::{Identity, PinnedServerVerifier, client_config, server_config};

    /// Passes handshake bytes from one side to the other. Returns false if there were none.
    fn carry(from: &mut Connection, to: &mut Connection) -> bool {
        let mut said = false;
        loop {
            let mut flight = Vec::new();
            // New keys are for the bytes that follow.
            let keys = from.write_hs(&mut flight);
            said |= !flight.is_empty();
            to.read_hs(&flight).unwrap();
            if keys.is_none() {
                return said;
            }
        }
    }

    /// quinn does not report the key exchange, so the two sides shake hands without it.
    #[test]
    fn a_handshake_takes_the_post_quantum_exchange_in_one_round_trip() {
        let name = ServerName::try_from("qmsg").unwrap();
        let verifier = PinnedServerVerifier::new(None);
        let ours = client_config(&Identity::generate().unwrap(), verifier).unwrap();
        let theirs = server_config(&Identity::generate().unwrap()).unwrap();
        let client = ClientConnection::new(Arc::new(ours), Version::V1, name, vec![]).unwrap();
        let server = ServerConnection::new(Arc::new(theirs), Version::V1, vec![]).unwrap();
        let (mut client, mut server) = (Connection::Client(client), Connection::Server(server));
        assert!(client.zero_rtt_keys().is_none(), "nothing is said before the handshake");
        assert!(carry(&mut client, &mut server) && carry(&mut server, &mut client));
        carry(&mut client, &mut server);
        for side in [&client, &server] {
            assert!(!side.is_handshaking());
            let group = side.negotiated_key_exchange_group().unwrap();
            assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
        }
        assert!(!carry(&mut server, &mut client), "no ticket follows");
    }
}
