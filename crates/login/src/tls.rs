//! TLS material by path.

use std::path::PathBuf;
use std::{fs, io};

use openstack::transport::{ClientCertificate, TlsOptions};
use secrecy::SecretString;

/// What to trust and what to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file with the certificates that replace the system's roots.
    pub ca_file: Option<PathBuf>,
    /// The same, written into the configuration itself.
    pub ca_pem: Option<String>,
    /// Shown to the servers.
    pub client_certificate: Option<ClientCertificateFiles>,
    /// Accept any server certificate.
    pub insecure: bool,
}

/// A client certificate by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificateFiles {
    /// PEM file with the certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// A file with TLS material cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn load(&self) -> Result<TlsOptions, Unreadable> {
        let read =
            |path: &PathBuf| fs::read(path).map_err(|source| Unreadable { path: path.clone(), source });
        let ca_pem = match (&self.ca_file, &self.ca_pem) {
            (Some(path), _) => Some(read(path)?),
            (None, inline) => inline.as_ref().map(|pem| pem.clone().into_bytes()),
        };
        let client_certificate = match &self.client_certificate {
            Some(files) => {
                let key = String::from_utf8_lossy(&read(&files.key)?).into_owned();
                Some(ClientCertificate {
                    certificate_pem: read(&files.certificate)?,
                    key_pem: SecretString::from(key),
                })
            }
            None => None,
        };
        Ok(TlsOptions { ca_pem, client_certificate, insecure: self.insecure, ..TlsOptions::default() })
    }

    /// The files' paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let client = self.client_certificate.as_ref();
        [self.ca_file.as_ref(), client.map(|files| &files.certificate), client.map(|files| &files.key)]
            .into_iter()
            .flatten()
    }
}
