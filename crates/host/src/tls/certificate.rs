//! The serving certificate: made by us, or read from files that may be replaced while we run.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::time::Instant;

use super::Certificate;

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be made.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// A file cannot be read or holds no PEM of the kind.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The key is of no supported kind, or does not belong to the certificate.
    #[error("certificate or key cannot be used")]
    Tls(#[source] rustls::Error),
}

pub(super) fn resolver(certificate: &Certificate) -> Result<Arc<dyn ResolvesServerCert>, CertificateError> {
    Ok(match certificate {
        Certificate::SelfSigned => Arc::new(Fixed(Arc::new(self_signed()?))),
        Certificate::Files { certificate, key } => {
            let pair = Pair { certificate: certificate.clone(), key: key.clone() };
            let changed = pair.changed();
            let loaded = Loaded { key: Arc::new(pair.load()?), changed, looked: Instant::now() };
            Arc::new(Reloaded { pair, loaded: Mutex::new(loaded) })
        }
    })
}

/// How long a certificate of ours is valid.
const YEARS_VALID: i32 = 10;

fn self_signed() -> Result<CertifiedKey, CertificateError> {
    let key = rcgen::KeyPair::generate().map_err(CertificateError::Make)?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut parameters = rcgen::CertificateParams::new(names).map_err(CertificateError::Make)?;
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    // Made anew at every start. A day back, for clients whose clocks are late.
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |date: jiff::civil::Date| {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    parameters.not_before = day(today.saturating_sub(jiff::Span::new().days(1)));
    parameters.not_after = day(today.saturating_add(jiff::Span::new().years(YEARS_VALID)));
    let certificate = parameters.self_signed(&key).map_err(CertificateError::Make)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    certified(vec![certificate.der().clone()], &key)
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, CertificateError> {
    let key = CertifiedKey::new(chain, any_supported_type(key).map_err(CertificateError::Tls)?);
    match key.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(key),
        Err(error) => Err(CertificateError::Tls(error)),
    }
}

#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Files that are looked at again now and then. What cannot be read keeps the old certificate in use.
#[derive(Debug)]
struct Reloaded {
    pair: Pair,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    key: Arc<CertifiedKey>,
    changed: Option<[SystemTime; 2]>,
    looked: Instant,
}

#[derive(Debug)]
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

/// How old the knowledge about the files may be.
const FRESH: Duration = Duration::from_secs(5);

impl ResolvesServerCert for Reloaded {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl Reloaded {
    fn current(&self) -> Arc<CertifiedKey> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.looked.elapsed() >= FRESH {
            loaded.looked = Instant::now();
            let changed = self.pair.changed();
            if changed.is_some() && changed != loaded.changed {
                match self.pair.load() {
                    Ok(key) => {
                        loaded.key = Arc::new(key);
                        loaded.changed = changed;
                        tracing::info!(file = %self.pair.certificate.display(), "serving certificate replaced");
                    }
                    // Perhaps only half of the pair has been written; the next look may find both.
                    Err(error) => {
                        tracing::warn!(
                            error = %text::Chain(&error),
                            "serving certificate not replaced"
                        );
                    }
                }
            }
        }
        loaded.key.clone()
    }
}

impl Pair {
    fn changed(&self) -> Option<[SystemTime; 2]> {
        let time = |path: &PathBuf| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
        Some([time(&self.certificate)?, time(&self.key)?])
    }

    fn load(&self) -> Result<CertifiedKey, CertificateError> {
        let read = |path: &PathBuf| {
            let path = path.clone();
            move |source| CertificateError::Read { path, source }
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(read(&self.certificate))?;
        if chain.is_empty() {
            return Err(read(&self.certificate)(rustls_pki_types::pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(read(&self.key))?;
        certified(chain, &key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that goes away with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("host-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn pair(&self) -> Pair {
            Pair { certificate: self.0.join("tls.crt"), key: self.0.join("tls.key") }
        }

        fn write(&self) {
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate =
                rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap();
            std::fs::write(self.pair().certificate, certificate.pem()).unwrap();
            std::fs::write(self.pair().key, key.serialize_pem()).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_certificate_can_be_made() {
        assert_eq!(self_signed().unwrap().cert.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn replaced_files_are_served_and_broken_ones_are_not() {
        let scratch = Scratch::new("reload");
        scratch.write();
        let pair = scratch.pair();
        let loaded = Loaded { key: Arc::new(pair.load().unwrap()), changed: None, looked: Instant::now() };
        let served = Reloaded { pair, loaded: Mutex::new(loaded) };
        let first = served.current();
        scratch.write();
        assert_eq!(served.current().cert, first.cert, "not looked at so soon");
        tokio::time::advance(FRESH).await;
        let second = served.current();
        assert_ne!(second.cert, first.cert);
        std::fs::write(scratch.pair().certificate, "half a f").unwrap();
        tokio::time::advance(FRESH).await;
        assert_eq!(served.current().cert, second.cert);
        std::fs::remove_file(scratch.pair().certificate).unwrap();
        tokio::time::advance(FRESH).await;
        assert_eq!(served.current().cert, second.cert);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let scratch = Scratch::new("mismatch");
        scratch.write();
        let other = rcgen::KeyPair::generate().unwrap();
        std::fs::write(scratch.pair().key, other.serialize_pem()).unwrap();
        assert!(matches!(scratch.pair().load(), Err(CertificateError::Tls(_))));
    }

    #[test]
    fn a_missing_file_is_named() {
        let pair = Pair { certificate: "/nonexistent/tls.crt".into(), key: "/nonexistent/tls.key".into() };
        assert_eq!(pair.load().unwrap_err().to_string(), "cannot read /nonexistent/tls.crt");
    }
}
