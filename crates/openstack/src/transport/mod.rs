//! How bytes travel: a tower service, so that production speaks HTTP and tests answer in process.

mod http;
mod trust;

pub use self::http::reqwest;

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;

use crate::retry::Trouble;

/// Carries one request to the cloud and brings the answer back, body read to its end.
pub type Transport =
    tower::util::BoxCloneSyncService<::http::Request<Bytes>, ::http::Response<Bytes>, TransportError>;

type Cause = Box<dyn StdError + Send + Sync>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The connection was never made, so the request surely was not sent.
    #[error("cannot connect")]
    Connect(#[source] Cause),
    /// The connection broke after the request may have been sent.
    #[error("connection interrupted")]
    Interrupted(#[source] Cause),
    /// The answer is larger than we take.
    #[error("answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The TLS material cannot be used.
    #[error("TLS configuration")]
    Tls(#[source] Cause),
}

impl TransportError {
    /// What lies below, for an error that says itself what this one says.
    pub(crate) fn into_source(self) -> Option<Cause> {
        match self {
            Self::Connect(cause) | Self::Interrupted(cause) | Self::Tls(cause) => Some(cause),
            Self::TooLarge { .. } => None,
        }
    }

    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Self::Connect(_) | Self::Tls(_) => Trouble::NotSent,
            Self::Interrupted(_) => Trouble::Interrupted,
            // Another answer would be as large, and a write has happened.
            Self::TooLarge { .. } => Trouble::TimedOut,
        }
    }
}

/// How connections are made.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// PEM certificates that replace the system's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// PEM certificate chain and private key that we show to the servers.
    pub client_certificate: Option<ClientCertificate>,
    /// Accept any server certificate.
    pub insecure: bool,
    /// Longest time to make a connection.
    pub connect_timeout: Duration,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            ca_pem: None,
            client_certificate: None,
            insecure: false,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// A client certificate.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// PEM certificate chain.
    pub certificate_pem: Vec<u8>,
    /// PEM private key.
    pub key_pem: SecretString,
}
