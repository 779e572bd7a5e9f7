//! Takes over rotated credentials and certificates while a program runs.
//!
//! `cloud.conf` and the files it leads to (`clouds.yaml`, `secure.yaml`, certificates) are compared every few seconds.
//! New ones must parse, and a login with them must lead to the same project, region and domains as before; otherwise
//! the old ones stay in use. All other settings take effect at the next start.

use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openstack::transport::TlsOptions;
use openstack::{ReloadError, Session, SessionConfig, Transport, TransportError};
use sha2::{Digest as _, Sha256};
use text::Chain;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::global::Login;

/// How often the files are looked at. A kubelet takes about a minute to bring a changed Secret to a pod anyway.
const LOOK: Duration = Duration::from_secs(10);
/// How long to wait before another login with credentials that did not work, if no file changes: accounts get locked.
const NEXT_LOGIN: Duration = Duration::from_secs(60);

/// What came of files that have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are in use now.
    Taken,
    /// They belong to another project, region or domain; the next change counts.
    OtherIdentity(String),
    /// They cannot be read or understood, as a file that is half written; the next change counts.
    Unusable(String),
    /// They do not log in now. They are tried again.
    NoLogin(String),
}

impl Outcome {
    /// A word for a metric's label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::OtherIdentity(_) => "other_identity",
            Self::Unusable(_) => "unusable",
            Self::NoLogin(_) => "no_login",
        }
    }
}

/// What a program reads from its `cloud.conf`.
#[derive(Debug)]
pub struct Settings {
    /// `[Global]`.
    pub login: Login,
    /// The session that it makes.
    pub session: SessionConfig,
    /// Whether the rest of the file says something else than what the program runs with.
    pub others_changed: bool,
}

/// Why `cloud.conf` cannot be read.
pub type ReadError = Box<dyn StdError + Send + Sync>;

/// Watches the files of one program.
pub struct Reloader<R, C> {
    path: PathBuf,
    session: Session,
    /// Reads `cloud.conf`.
    read: R,
    /// Makes connections with new certificates.
    connect: C,
    /// What the files held when they were last dealt with.
    known: Option<[u8; 32]>,
    /// What they held when they did not log in, and when that was.
    tried: Option<([u8; 32], Instant)>,
}

impl<R, C> Reloader<R, C>
where
    R: Fn(&Path) -> Result<Settings, ReadError>,
    C: Fn(&TlsOptions) -> Result<Transport, TransportError>,
{
    /// A reloader for a session that was made from `login`, read from `path`.
    pub fn new(path: &Path, login: &Login, session: Session, read: R, connect: C) -> Self {
        let known = contents(path, login);
        Self { path: path.to_owned(), session, read, connect, known, tried: None }
    }

    /// Looks again and again, and tells what came of it.
    pub async fn run(mut self, tell: impl Fn(&Outcome)) {
        loop {
            sleep(LOOK).await;
            if let Some(outcome) = self.look().await {
                tell(&outcome);
            }
        }
    }

    /// What came of the files if they have changed.
    pub async fn look(&mut self) -> Option<Outcome> {
        let settings = match (self.read)(&self.path) {
            Ok(settings) => settings,
            Err(error) => {
                let found = fs::read(&self.path).ok().map(|bytes| Sha256::digest(bytes).into());
                let error = Chain(error.as_ref()).to_string();
                if found.is_none() || found == self.known {
                    debug!(error, "cloud.conf cannot be read");
                    return None;
                }
                warn!(error, "cloud.conf has changed and cannot be used, the old settings stay");
                self.known = found;
                return Some(Outcome::Unusable(error));
            }
        };
        let found = contents(&self.path, &settings.login)?;
        if self.known == Some(found) {
            return None;
        }
        if self.tried.is_some_and(|(what, when)| what == found && when.elapsed() < NEXT_LOGIN) {
            return None;
        }
        let outcome = self.take(settings).await;
        if let Outcome::NoLogin(_) = outcome {
            self.tried = Some((found, Instant::now()));
        } else {
            (self.known, self.tried) = (Some(found), None);
        }
        Some(outcome)
    }

    async fn take(&self, settings: Settings) -> Outcome {
        let loaded = settings.login.tls.load().map_err(|error| Chain(&error).to_string());
        let transport =
            loaded.and_then(|tls| (self.connect)(&tls).map_err(|error| Chain(&error).to_string()));
        let transport = match transport {
            Ok(transport) => transport,
            Err(error) => {
                warn!(error, "certificates have changed and cannot be used, the old ones stay");
                return Outcome::Unusable(error);
            }
        };
        match self.session.reload(settings.session, transport).await {
            Ok(()) => {
                info!("credentials and certificates taken over from cloud.conf");
                if settings.others_changed {
                    warn!(
                        "other settings in cloud.conf have changed as well, they take effect at the next start"
                    );
                }
                Outcome::Taken
            }
            Err(error) => {
                let text = Chain(&error).to_string();
                if let ReloadError::OtherIdentity(_) = error {
                    warn!(
                        error = text,
                        "cloud.conf refused: all servers would seem to be gone, the old settings stay"
                    );
                    Outcome::OtherIdentity(text)
                } else {
                    warn!(error = text, retry_in = ?NEXT_LOGIN, "cloud.conf has changed, but does not log in, the old settings stay");
                    Outcome::NoLogin(text)
                }
            }
        }
    }
}

/// A hash over the file and the files it leads to; none if one of them cannot be read, as in the middle of a change.
fn contents(path: &Path, login: &Login) -> Option<[u8; 32]> {
    let mut hash = Sha256::new_with_prefix(fs::read(path).ok()?);
    for file in login.files.iter().chain(login.tls.paths()) {
        hash.update(Sha256::digest(fs::read(file).ok()?));
    }
    Some(hash.finalize().into())
}
