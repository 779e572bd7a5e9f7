//! The serving certificates: made by us, or read from files that may be replaced while we run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::watched::Watched;
use super::{Certificate, Sni};

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
    /// A file of authorities has none that can be used.
    #[error("cannot trust {path}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
    /// The key is of no supported kind, or does not belong to the certificate.
    #[error("certificate or key cannot be used")]
    Tls(#[source] rustls::Error),
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

/// Chooses by the name that a client asks for.
#[derive(Debug)]
pub(super) struct Resolver {
    named: Vec<(Vec<String>, Source)>,
    default: Source,
}

#[derive(Debug)]
enum Source {
    Fixed(Arc<CertifiedKey>),
    Files(Watched<CertifiedKey>),
}

impl Resolver {
    pub(super) fn new(certificate: &Certificate, sni: &[Sni]) -> Result<Self, CertificateError> {
        let default = match certificate {
            Certificate::SelfSigned => Source::Fixed(Arc::new(self_signed()?)),
            Certificate::Files { certificate, key } => files(certificate, key)?,
        };
        let named = sni.iter().map(|sni| Ok((sni.names.clone(), files(&sni.certificate, &sni.key)?)));
        Ok(Self { named: named.collect::<Result<_, CertificateError>>()?, default })
    }

    /// The certificate for `name`: the first whose own list, or else whose certificate, has it.
    fn choose(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let Some(name) = name else { return self.default.key() };
        let found = self.named.iter().find_map(|(names, source)| {
            let key = source.key();
            let has = if names.is_empty() {
                certificate_has(&key, name)
            } else {
                names.iter().any(|pattern| matches(pattern, name))
            };
            has.then_some(key)
        });
        found.unwrap_or_else(|| self.default.key())
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.choose(hello.server_name()))
    }
}

impl Source {
    fn key(&self) -> Arc<CertifiedKey> {
        match self {
            Self::Fixed(key) => key.clone(),
            Self::Files(files) => files.current(),
        }
    }
}

fn files(certificate: &Path, key: &Path) -> Result<Source, CertificateError> {
    Watched::new(vec![certificate.to_owned(), key.to_owned()], load).map(Source::Files)
}

/// `*` stands for one label.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.eq_ignore_ascii_case(name)
        || pattern.strip_prefix("*.").is_some_and(|parent| {
            name.split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent))
        })
}

fn certificate_has(key: &CertifiedKey, name: &str) -> bool {
    key.cert
        .first()
        .and_then(|der| webpki::EndEntityCert::try_from(der).ok())
        .is_some_and(|certificate| certificate.valid_dns_names().any(|pattern| matches(pattern, name)))
}

fn load(paths: &[PathBuf]) -> Result<CertifiedKey, CertificateError> {
    let [certificate, key] = paths else {
        return Err(CertificateError::Tls(rustls::Error::NoCertificatesPresented));
    };
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|source| CertificateError::Read { path: key.clone(), source })?;
    certified(certificates(certificate)?, &key)
}

/// All certificates of a PEM file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let read = |source| CertificateError::Read { path: path.to_owned(), source };
    let found =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(read)?;
    if found.is_empty() { Err(read(rustls_pki_types::pem::Error::NoItemsFound)) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::watched::FRESH;

    /// A directory that goes away with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("host-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn paths(&self) -> Vec<PathBuf> {
            vec![self.0.join("tls.crt"), self.0.join("tls.key")]
        }

        fn write(&self, name: &str) {
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate =
                rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
            std::fs::write(&self.paths()[0], certificate.pem()).unwrap();
            std::fs::write(&self.paths()[1], key.serialize_pem()).unwrap();
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
        scratch.write("a");
        let served = Watched::new(scratch.paths(), load).unwrap();
        let first = served.current();
        std::thread::yield_now();
        scratch.write("a");
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
        std::fs::File::options().write(true).open(&scratch.paths()[0]).unwrap().set_modified(later).unwrap();
        assert_eq!(served.current().cert, first.cert, "not looked at so soon");
        tokio::time::advance(FRESH).await;
        let second = served.current();
        assert_ne!(second.cert, first.cert);
        std::fs::write(&scratch.paths()[0], "half a f").unwrap();
        tokio::time::advance(FRESH).await;
        assert_eq!(served.current().cert, second.cert);
        std::fs::remove_file(&scratch.paths()[0]).unwrap();
        tokio::time::advance(FRESH).await;
        assert_eq!(served.current().cert, second.cert);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_has_its_own_certificate() {
        let (by_list, by_certificate) = (Scratch::new("sni-list"), Scratch::new("sni-certificate"));
        by_list.write("x");
        by_certificate.write("*.certificate.example");
        let sni = |scratch: &Scratch, names: &[&str]| Sni {
            certificate: scratch.paths()[0].clone(),
            key: scratch.paths()[1].clone(),
            names: names.iter().map(ToString::to_string).collect(),
        };
        let all = [sni(&by_list, &["list.example", "*.list.example"]), sni(&by_certificate, &[])];
        let resolver = Resolver::new(&Certificate::SelfSigned, &all).unwrap();
        let certificate = |index: usize| resolver.named[index].1.key().cert.clone();
        for (name, expected) in [
            ("list.example", Some(0)),
            ("a.LIST.example", Some(0)),
            ("a.certificate.example", Some(1)),
            ("a.b.certificate.example", None),
            ("certificate.example", None),
            ("other", None),
        ] {
            let expected = expected.map_or_else(|| resolver.default.key().cert.clone(), certificate);
            assert_eq!(resolver.choose(Some(name)).cert, expected, "{name}");
        }
        assert_eq!(resolver.choose(None).cert, resolver.default.key().cert);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let scratch = Scratch::new("mismatch");
        scratch.write("a");
        let other = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&scratch.paths()[1], other.serialize_pem()).unwrap();
        assert!(matches!(load(&scratch.paths()), Err(CertificateError::Tls(_))));
    }

    #[test]
    fn a_missing_file_is_named() {
        let paths = ["/nonexistent/tls.crt".into(), "/nonexistent/tls.key".into()];
        assert_eq!(load(&paths).unwrap_err().to_string(), "cannot read /nonexistent/tls.key");
    }
}
