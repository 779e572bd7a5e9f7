//! The process-wide TLS provider, and the server's side of TLS: certificates, what is spoken, who the clients are.

mod certificate;
mod clients;
mod names;
mod subject;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::{ServerConfig, SupportedProtocolVersion};

pub use certificate::CertificateError;
pub use clients::{CertificateUser, ClientFiles, Clients, Peer};
pub use names::unknown_suites;

/// Chooses the cryptography for every TLS connection of the process. To be called first by `main`; more calls do no harm.
pub fn init() {
    // An error says that a provider is installed already.
    let _ = ring::default_provider().install_default();
}

/// Where the serving certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// Made at start, for `localhost` and 127.0.0.1, kept in memory.
    #[default]
    SelfSigned,
    /// PEM files, read anew when they change.
    Files {
        /// The certificate, then its intermediates.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// A certificate for clients that ask for certain names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sni {
    /// PEM file with the certificate.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
    /// The names, `*.` in front for any label; empty for those of the certificate.
    pub names: Vec<String>,
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

/// A server's TLS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerOptions {
    /// The certificate for clients that ask for no name, or another than those below.
    pub certificate: Certificate,
    /// Certificates for certain names.
    pub sni: Vec<Sni>,
    /// Lowest version.
    pub min_version: MinVersion,
    /// Suites of TLS 1.2 that may be spoken, by Go's names; empty for all strong ones.
    pub cipher_suites: Vec<String>,
    /// Groups for the key exchange, by number; empty for all.
    pub curves: Vec<u16>,
    /// Who signs certificates of clients.
    pub clients: ClientFiles,
}

/// The server's side of TLS.
#[derive(Clone)]
pub struct Server {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// For certificates that clients show.
    pub clients: Option<Arc<Clients>>,
}

static TLS12_UP: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
static TLS13_UP: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// A server, for HTTP/1.1.
///
/// # Errors
/// A certificate cannot be made or read, or nothing is left that could be spoken.
pub fn server(options: &ServerOptions) -> Result<Server, CertificateError> {
    let cipher_suites = names::suites(&options.cipher_suites);
    let speaks_tls12 = cipher_suites.iter().any(|suite| suite.tls13().is_none());
    let versions: &[_] = match options.min_version {
        MinVersion::Tls12 if speaks_tls12 => &TLS12_UP,
        _ => &TLS13_UP,
    };
    let provider = CryptoProvider {
        cipher_suites,
        kx_groups: names::groups(&options.curves),
        ..ring::default_provider()
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .map_err(CertificateError::Tls)?;
    let clients = Clients::new(&options.clients)?;
    let builder = match &clients {
        Some(clients) => builder.with_client_cert_verifier(clients.clone()),
        None => builder.with_no_client_auth(),
    };
    let resolver = certificate::Resolver::new(&options.certificate, &options.sni)?;
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Server { config: Arc::new(config), clients })
}
