//! Clients that show a certificate: who signed it, and whom it is for.
//!
//! One file has the authorities whose certificates name users (`--client-ca-file`); another those of proxies that name
//! users in headers (`--requestheader-client-ca-file`). Both may be replaced while we run. A client need not show a
//! certificate; one that nobody we trust has signed ends the handshake.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::certificate::{CertificateError, certificates};
use super::subject::Subject;
use super::watched::Watched;

/// The files with authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// For certificates that name users.
    pub users: Option<PathBuf>,
    /// For certificates of proxies.
    pub proxies: Option<PathBuf>,
    /// Common names that a proxy may have; empty for any.
    pub proxy_names: Vec<String>,
}

/// What a client's certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The user that it names.
    pub user: Option<CertificateUser>,
    /// Whether it may name users in headers.
    pub is_proxy: bool,
}

/// A user as a certificate names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateUser {
    /// The common name.
    pub name: String,
    /// The organisations.
    pub groups: Vec<String>,
}

/// Verifies certificates of clients.
#[derive(Debug)]
pub struct Clients {
    users: Option<Watched<Arc<dyn ClientCertVerifier>>>,
    proxies: Option<Watched<Arc<dyn ClientCertVerifier>>>,
    proxy_names: Vec<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Clients {
    /// Reads the files; none if no file is named.
    ///
    /// # Errors
    /// A file cannot be read, or has no authority.
    pub fn new(files: &ClientFiles) -> Result<Option<Arc<Self>>, CertificateError> {
        let watched = |path: &Option<PathBuf>| {
            path.as_ref().map(|path| Watched::new(vec![path.clone()], verifier)).transpose()
        };
        let (users, proxies) = (watched(&files.users)?, watched(&files.proxies)?);
        if users.is_none() && proxies.is_none() {
            return Ok(None);
        }
        let algorithms = ring::default_provider().signature_verification_algorithms;
        Ok(Some(Arc::new(Self { users, proxies, proxy_names: files.proxy_names.clone(), algorithms })))
    }

    /// What the certificate that a client has shown says.
    pub fn peer(&self, chain: Option<&[CertificateDer<'_>]>) -> Peer {
        let Some((own, between)) = chain.and_then(<[_]>::split_first) else { return Peer::default() };
        let subject = webpki::EndEntityCert::try_from(own)
            .ok()
            .and_then(|certificate| Subject::read(certificate.subject()))
            .filter(|subject| !subject.common_name.is_empty());
        let Some(subject) = subject else { return Peer::default() };
        let now = UnixTime::now();
        let signed = |by: &Option<Watched<Arc<dyn ClientCertVerifier>>>| {
            by.as_ref().is_some_and(|by| by.current().verify_client_cert(own, between, now).is_ok())
        };
        let named = self.proxy_names.is_empty() || self.proxy_names.contains(&subject.common_name);
        Peer {
            is_proxy: named && signed(&self.proxies),
            user: signed(&self.users)
                .then_some(CertificateUser { name: subject.common_name, groups: subject.organizations }),
        }
    }
}

fn verifier(paths: &[PathBuf]) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let mut roots = RootCertStore::empty();
    for path in paths {
        roots.add_parsable_certificates(certificates(path)?);
    }
    let provider = Arc::new(ring::default_provider());
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let path = paths.first().cloned().unwrap_or_default();
    built.map_err(|source| CertificateError::Authorities { path, source })
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // They may change; without hints a client shows what it has.
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let mut refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        for authorities in self.users.iter().chain(&self.proxies) {
            match authorities.current().verify_client_cert(own, between, now) {
                Ok(verified) => return Ok(verified),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
