//! The process-wide TLS provider, and the server's certificate.

mod certificate;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::SupportedProtocolVersion;
use rustls::crypto::ring;

pub use certificate::CertificateError;

/// Chooses the cryptography for every TLS connection of the process. To be called first by `main`; more calls do no harm.
pub fn init() {
    // An error says that a provider is installed already.
    let _ = ring::default_provider().install_default();
}

/// Where the serving certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Made at start, for `localhost` and 127.0.0.1, kept in memory.
    SelfSigned,
    /// PEM files, read anew when they change.
    Files {
        /// The certificate, then its intermediates.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

static TLS12_UP: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
static TLS13_UP: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// A server's TLS settings, for HTTP/1.1.
///
/// # Errors
/// The certificate cannot be made or read.
pub fn server(
    certificate: &Certificate,
    min_version: MinVersion,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let versions: &[_] = match min_version {
        MinVersion::Tls12 => &TLS12_UP,
        MinVersion::Tls13 => &TLS13_UP,
    };
    let resolver = certificate::resolver(certificate)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .map_err(CertificateError::Tls)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
