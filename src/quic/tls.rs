//! TLS 1.3 with keys for names: what both sides offer, and whom they believe.

use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};

use super::identity::Identity;
use crate::wire::{ALPN, Pin};

/// Passed wherever rustls wants a provider, so that nothing depends on a default of the process.
/// With rustls's feature `prefer-post-quantum` its first key exchange is X25519MLKEM768.
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

/// The pin of the certificate that the other side of a connection has proven to own.
pub(super) fn peer_pin(connection: &quinn::Connection) -> Option<Pin> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    pin_of(chain.first()?).ok()
}

/// A server's TLS: shows `identity`, wants any key of the client.
pub(super) fn server(identity: &Identity) -> Result<QuicServerConfig, Error> {
    let config = server_config(identity)?;
    QuicServerConfig::try_from(config).map_err(|error| Error::General(error.to_string()))
}

fn server_config(identity: &Identity) -> Result<rustls::ServerConfig, Error> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(AnyClient(algorithms)))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// A client's TLS: shows `identity`, wants what `verifier` wants.
pub(super) fn client(
    identity: &Identity,
    verifier: Arc<PinnedServer>,
) -> Result<QuicClientConfig, Error> {
    let config = client_config(identity, verifier)?;
    QuicClientConfig::try_from(config).map_err(|error| Error::General(error.to_string()))
}

fn client_config(
    identity: &Identity,
    verifier: Arc<PinnedServer>,
) -> Result<rustls::ClientConfig, Error> {
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_early_data = false;
    config.resumption = Resumption::disabled();
    // The name would tell onlookers which of a host's services is meant, and nobody reads it.
    config.enable_sni = false;
    Ok(config)
}

/// Believes a server that proves the expected key, or any key when none is expected.
#[derive(Debug)]
pub(super) struct PinnedServer {
    expected: Option<Pin>,
    wrong: Mutex<Option<Pin>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedServer {
    pub(super) fn new(expected: Option<Pin>) -> Arc<Self> {
        let algorithms = provider().signature_verification_algorithms;
        Arc::new(Self { expected, wrong: Mutex::new(None), algorithms })
    }

    /// The expected pin and the last other one that a server showed.
    pub(super) fn wrong(&self) -> Option<(Pin, Pin)> {
        let wrong = *self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        self.expected.zip(wrong)
    }
}

impl ServerCertVerifier for PinnedServer {
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
            *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
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

    /// A certificate is public: this check is what proves the key.
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

/// Lets in every client that proves a key. Whether that key may act as an id is looked up later, so
/// that the client can be told why not.
#[derive(Debug)]
struct AnyClient(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // rustls keeps what it is shown; our clients show one certificate.
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

    /// A certificate is public: this check is what proves the key.
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

    use super::{Identity, PinnedServer, client_config, server_config};

    /// Gives one side what the other has to say; whether that was anything.
    fn carry(from: &mut Connection, to: &mut Connection) -> bool {
        let mut said = false;
        loop {
            let mut flight = Vec::new();
            // New keys are for what comes behind.
            let keys = from.write_hs(&mut flight);
            said |= !flight.is_empty();
            to.read_hs(&flight).unwrap();
            if keys.is_none() {
                return said;
            }
        }
    }

    /// quinn does not tell, so the two sides speak to each other without it.
    #[test]
    fn a_handshake_takes_the_post_quantum_exchange_in_one_round_trip() {
        let name = ServerName::try_from("qmsg").unwrap();
        let verifier = PinnedServer::new(None);
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
