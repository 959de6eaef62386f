//! Peers that are not ours: quinn with its own defaults, and one setting different at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, NamedGroup, SignatureScheme};

/// Interval between the keep-alives of a client.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The settings of a peer.
pub(crate) struct Raw {
    /// The application protocol.
    pub(crate) alpn: &'static [u8],
    /// Number of certificates to send, all the same one.
    pub(crate) certificates: usize,
    pub(crate) only_post_quantum: bool,
    /// A client's receive window of a stream, in bytes.
    pub(crate) window: u32,
}

impl Default for Raw {
    fn default() -> Self {
        Self { alpn: b"qmsg/1", certificates: 1, only_post_quantum: false, window: 1 << 20 }
    }
}

impl Raw {
    fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = aws_lc_rs::default_provider();
        if self.only_post_quantum {
            provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519MLKEM768);
        }
        Arc::new(provider)
    }

    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let made = rcgen::generate_simple_self_signed(vec!["raw.example".into()]).unwrap();
        let chain = vec![made.cert.der().clone(); self.certificates];
        (chain, PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into())
    }

    /// A client with all features on that another make could have on.
    pub(crate) fn client(&self) -> Endpoint {
        let builder = rustls::ClientConfig::builder_with_provider(self.provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer));
        let mut tls = match self.certificates {
            0 => builder.with_no_client_auth(),
            _ => {
                let (chain, key) = self.chain();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        tls.alpn_protocols = vec![self.alpn.to_vec()];
        tls.enable_early_data = true;
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(self.window.into());
        transport.keep_alive_interval(Some(KEEP_ALIVE));
        config.transport_config(Arc::new(transport));
        let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        endpoint.set_default_client_config(config);
        endpoint
    }

    /// A server with session tickets, and early data for clients that have one.
    pub(crate) fn server(&self) -> (Endpoint, SocketAddr) {
        let (chain, key) = self.chain();
        let mut tls = rustls::ServerConfig::builder_with_provider(self.provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        tls.alpn_protocols = vec![self.alpn.to_vec()];
        tls.max_early_data_size = u32::MAX;
        let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let runtime = Arc::new(TokioRuntime);
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(config), socket, runtime).unwrap();
        (endpoint, address)
    }
}

/// A check that takes any certificate.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::HandshakeNotComplete)
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
