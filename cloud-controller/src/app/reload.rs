//! Takes over rotated credentials and certificates while running.
//!
//! The configuration file and the files it names are compared every few seconds. New ones must parse, and a login with
//! them must lead to the same project, region and domain as before; otherwise the old ones stay in use. All other
//! settings take effect at the next start.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use openstack::{ReloadError, Session};
use sha2::{Digest as _, Sha256};
use text::Chain;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::Connect;
use crate::config::{CloudConf, Config, Global};

/// How often the files are looked at. A kubelet takes about a minute to bring a changed Secret to a pod anyway.
const LOOK: Duration = Duration::from_secs(10);
/// How long to wait before another login with credentials that did not work: accounts get locked.
const NEXT_LOGIN: Duration = Duration::from_secs(60);

/// What a look at the files led to.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// They are as they were.
    Same,
    /// They have been taken over.
    Taken,
    /// They cannot be used as they are; the next change counts.
    Refused,
    /// They may be usable later without being changed.
    NotYet,
}

/// Watches the files of one program.
pub(super) struct Reloader {
    path: PathBuf,
    session: Session,
    config: Config,
    user_agent: String,
    /// Makes connections with new certificates.
    connect: Connect,
    /// What the files held when they were last dealt with.
    known: Option<[u8; 32]>,
}

impl Reloader {
    /// A reloader for a session that was made from `conf`, read from `path`.
    pub(super) fn new(
        path: &Path,
        conf: &CloudConf,
        session: Session,
        user_agent: String,
        connect: Connect,
    ) -> Self {
        let known = contents(path, &conf.global);
        Self { path: path.to_owned(), session, config: conf.config.clone(), user_agent, connect, known }
    }

    /// Looks again and again.
    pub(super) async fn run(mut self) {
        loop {
            sleep(LOOK).await;
            if self.look().await == Look::NotYet {
                sleep(NEXT_LOGIN).await;
            }
        }
    }

    async fn look(&mut self) -> Look {
        let conf = match CloudConf::read(&self.path) {
            Ok(conf) => conf,
            Err(error) => {
                let found = fs::read(&self.path).ok().map(|bytes| Sha256::digest(bytes).into());
                if found.is_none() || found == self.known {
                    debug!(error = %Chain(&error), "cloud.conf cannot be read");
                    return Look::Same;
                }
                warn!(error = %Chain(&error), "cloud.conf has changed and cannot be used, the old settings stay");
                self.known = found;
                return Look::Refused;
            }
        };
        let found = contents(&self.path, &conf.global);
        if found.is_none() || found == self.known {
            return Look::Same;
        }
        let transport = match conf
            .global
            .tls
            .load()
            .map_err(|error| Chain(&error).to_string())
            .and_then(|tls| (self.connect)(&tls).map_err(|error| Chain(&error).to_string()))
        {
            Ok(transport) => transport,
            Err(error) => {
                warn!(error, "certificates have changed and cannot be used, the old ones stay");
                self.known = found;
                return Look::Refused;
            }
        };
        let settings = conf.global.session(self.config.request_timeout, self.user_agent.clone());
        match self.session.reload(settings, transport).await {
            Ok(()) => {
                info!("credentials and certificates taken over from cloud.conf");
                if conf.config != self.config {
                    warn!(
                        "other settings in cloud.conf have changed as well, they take effect at the next start"
                    );
                }
                self.known = found;
                Look::Taken
            }
            Err(error @ ReloadError::OtherIdentity(_)) => {
                warn!(error = %Chain(&error), "cloud.conf refused: all servers would seem to be gone, the old settings stay");
                self.known = found;
                Look::Refused
            }
            Err(error @ ReloadError::Login(_)) => {
                warn!(error = %Chain(&error), retry_in = ?NEXT_LOGIN, "cloud.conf has changed, but does not log in, the old settings stay");
                Look::NotYet
            }
        }
    }
}

/// A hash over the file and the files it names; none if one of them cannot be read, as in the middle of a change.
fn contents(path: &Path, global: &Global) -> Option<[u8; 32]> {
    let certificate = global.tls.client_certificate.as_ref();
    let named = [
        global.tls.ca_file.as_deref(),
        certificate.map(|files| files.certificate.as_path()),
        certificate.map(|files| files.key.as_path()),
    ];
    let mut hash = Sha256::new_with_prefix(fs::read(path).ok()?);
    for file in named.into_iter().flatten() {
        hash.update(Sha256::digest(fs::read(file).ok()?));
    }
    Some(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::FakeCloud;

    /// A directory of its own for each test, deleted at its end.
    struct Files(PathBuf);

    impl Files {
        fn new(test: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("reload-{test}-{}", std::process::id()));
            fs::create_dir_all(&directory).unwrap();
            let files = Self(directory);
            files.write("cloud.conf", &files.conf("old"));
            files.write("ca.pem", "first");
            files
        }

        fn path(&self) -> PathBuf {
            self.0.join("cloud.conf")
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.join(name), text).unwrap();
        }

        fn conf(&self, password: &str) -> String {
            let ca = self.0.join("ca.pem");
            format!(
                "[Global]\nauth-url=http://keystone/v3\nuser-id=u\npassword={password}\ntenant-id=project\nca-file={}\n",
                ca.display()
            )
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    async fn reloader(files: &Files, cloud: &FakeCloud) -> Reloader {
        let conf = CloudConf::read(&files.path()).unwrap();
        let session =
            Session::new(conf.global.session(Duration::from_secs(60), String::new()), cloud.transport());
        session.project_id().await.unwrap();
        let cloud = cloud.clone();
        let connect: Connect = Arc::new(move |_| Ok(cloud.transport()));
        Reloader::new(&files.path(), &conf, session, String::new(), connect)
    }

    #[tokio::test(start_paused = true)]
    async fn changed_files_are_taken_over_once() {
        let files = Files::new("taken");
        let mut reloader = reloader(&files, &FakeCloud::default()).await;
        assert_eq!(reloader.look().await, Look::Same);
        files.write("cloud.conf", &files.conf("new"));
        assert_eq!(reloader.look().await, Look::Taken);
        assert_eq!(reloader.look().await, Look::Same);
        files.write("ca.pem", "second");
        assert_eq!(reloader.look().await, Look::Taken, "certificates count as well");
        assert_eq!(reloader.look().await, Look::Same);
    }

    #[tokio::test(start_paused = true)]
    async fn half_written_and_missing_files_change_nothing() {
        let files = Files::new("broken");
        let mut reloader = reloader(&files, &FakeCloud::default()).await;
        files.write("cloud.conf", "[Global]\nauth-url=http://keyst");
        assert_eq!(reloader.look().await, Look::Refused);
        assert_eq!(reloader.look().await, Look::Same, "said once");
        fs::remove_file(files.path()).unwrap();
        assert_eq!(reloader.look().await, Look::Same);
        files.write("cloud.conf", &files.conf("new"));
        assert_eq!(reloader.look().await, Look::Taken);
    }

    #[tokio::test(start_paused = true)]
    async fn another_project_is_refused_and_a_failed_login_tried_again() {
        let files = Files::new("other");
        let cloud = FakeCloud::default();
        let mut reloader = reloader(&files, &cloud).await;
        cloud.set_project("another");
        files.write("cloud.conf", &files.conf("new"));
        assert_eq!(reloader.look().await, Look::Refused);
        assert_eq!(reloader.look().await, Look::Same);
        assert_eq!(reloader.session.project_id().await.unwrap().unwrap().as_str(), "project");

        cloud.set_project("project");
        cloud.set_down(true);
        files.write("cloud.conf", &files.conf("newer"));
        assert_eq!(reloader.look().await, Look::NotYet);
        cloud.set_down(false);
        assert_eq!(reloader.look().await, Look::Taken);
    }
}
