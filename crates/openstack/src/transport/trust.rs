//! Whom TLS trusts when a CA file is given: the certificates in it and nobody else.
//!
//! `rustls` refuses a server whose certificate is marked as a CA, which is what `openssl req -x509` makes. Operators
//! give just that certificate as their CA file, and it worked with the programs before ours: so a server that shows
//! a certificate which stands in the file, byte for byte, is trusted for the names in it.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use secrecy::ExposeSecret as _;

use super::{ClientCertificate, TransportError};

/// A TLS configuration that trusts the certificates of a PEM bundle only.
pub(super) fn client_config(
    pem: &[u8],
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, TransportError> {
    let given = certificates(pem)?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(given.iter().cloned());
    if added == 0 {
        return Err(TransportError::Tls("no certificate in the CA file".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| TransportError::Tls(error.into()))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TransportError::Tls(error.into()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(GivenOnly { chains, given }));
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let chain = certificates(&client.certificate_pem)?;
            // The parser's error may name the bytes it stumbled over, which are the key's.
            let key = PrivateKeyDer::from_pem_slice(client.key_pem.expose_secret().as_bytes())
                .map_err(|_| TransportError::Tls("the client key is not a PEM private key".into()))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| TransportError::Tls(error.into()))?
        }
    };
    // The client speaks nothing newer; a server that may choose h2 would.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| TransportError::Tls("not a PEM bundle of certificates".into()))
}

#[derive(Debug)]
struct GivenOnly {
    chains: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for GivenOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The verifier looks at the dates first, so an expired certificate does not come here.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if self.given.contains(end_entity) => {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
