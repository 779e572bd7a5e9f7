//! `[Global]`, completed from `clouds.yaml` where it asks for that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::cloud_conf::{EndpointType, Global};
use host::gcfg::{self, Section, Warning};
use openstack::{AuthConfig, Interface, SessionConfig};

use crate::clouds::Entry;
use crate::identity;
use crate::search::Surroundings;
use crate::tls::{ClientCertificateFiles, TlsFiles};

/// How to reach a cloud, and as whom.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where and as whom to log in.
    pub auth: AuthConfig,
    /// The region whose endpoints are used; also the value of the Nodes' region labels.
    pub region: Option<String>,
    /// Which of the endpoints.
    pub interface: Interface,
    /// What to trust and what to show.
    pub tls: TlsFiles,
    /// The files besides cloud.conf that this was read from.
    pub files: Vec<PathBuf>,
}

/// Why `[Global]` is no login. Never holds a value that may be secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value is not of its type.
    #[error(transparent)]
    Value(#[from] gcfg::Error),
    /// Settings make no sense, or are missing.
    #[error("{place}: {message}")]
    Setting {
        /// File, with the line where there is one.
        place: String,
        /// What is wrong.
        message: String,
    },
}

impl Login {
    /// Reads `[Global]` of the file called `file`, and `clouds.yaml` if it says so.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn read(
        file: &str,
        section: &mut Section,
        surroundings: &Surroundings,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, Error> {
        // Once they are taken, keys have no place any more.
        let places = Places::of(file, section);
        let mut said = Global::take(section)?;
        let mut login = Draft { places, surroundings, warnings, verify: None };
        if said.tls_insecure_odd {
            let message = "tls-insecure: certificates are checked; only the word `true` turns that off";
            login.warn("tls-insecure", message.to_owned());
        }
        let files = login.complete(&mut said)?;
        if !login.places.has("tls-insecure") && login.verify == Some(false) {
            said.tls_insecure = true;
        }
        let source = if files.is_empty() { "[Global]" } else { "[Global], with clouds.yaml," };
        let auth = identity::auth(&said)
            .map_err(|fault| login.places.error(fault.key, format!("{source} {}", fault.message)))?;
        if said.cert_file.is_some() != said.key_file.is_some() {
            let message = "cert-file and key-file: one without the other has no effect";
            login.warn("cert-file", message.to_owned());
        }
        Ok(Self {
            auth,
            region: said.region.clone(),
            interface: interface(said.endpoint_type),
            tls: tls(&said),
            files,
        })
    }

    /// The settings of a session.
    pub fn session(&self, request_timeout: Duration, user_agent: String) -> SessionConfig {
        SessionConfig {
            region: self.region.clone(),
            interface: self.interface,
            request_timeout,
            user_agent,
            ..SessionConfig::new(self.auth.clone())
        }
    }
}

fn interface(endpoint_type: EndpointType) -> Interface {
    match endpoint_type {
        EndpointType::Public => Interface::Public,
        EndpointType::Internal => Interface::Internal,
        EndpointType::Admin => Interface::Admin,
    }
}

fn tls(said: &Global) -> TlsFiles {
    let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
    TlsFiles {
        ca_file: path(&said.ca_file),
        ca_pem: said.ca_file_contents.clone(),
        client_certificate: path(&said.cert_file)
            .zip(path(&said.key_file))
            .map(|(certificate, key)| ClientCertificateFiles { certificate, key }),
        insecure: said.tls_insecure,
    }
}

/// A login that is being put together.
struct Draft<'a> {
    places: Places,
    surroundings: &'a Surroundings,
    warnings: &'a mut Vec<Warning>,
    /// `verify` of clouds.yaml.
    verify: Option<bool>,
}

impl Draft<'_> {
    /// Fills what `said` leaves open from `clouds.yaml`; the files that were read.
    ///
    /// `cloud` alone asks for it as well as `use-clouds` does.
    fn complete(&mut self, said: &mut Global) -> Result<Vec<PathBuf>, Error> {
        if !said.use_clouds && said.cloud.is_none() {
            return Ok(Vec::new());
        }
        let key = if said.use_clouds { "use-clouds" } else { "cloud" };
        let found = self
            .surroundings
            .read(said.clouds_file.as_deref().map(Path::new))
            .map_err(|error| self.places.error(key, error.to_string()))?;
        if let Some(missing) = &found.missing {
            let message = format!("{} is not there, another clouds.yaml is used instead", missing.display());
            self.warn("clouds-file", message);
        }
        let name = said.cloud.as_deref().or(self.surroundings.cloud.as_deref());
        let entry = found.documents.choose(name).map_err(|message| self.places.error(key, message))?;
        self.fill(said, &entry);
        Ok(found.files)
    }

    /// What stands in cloud.conf goes before what stands in `clouds.yaml`. An id and a name for one thing are one
    /// setting: the name given here is not contradicted by an id from there.
    fn fill(&mut self, said: &mut Global, entry: &Entry) {
        let auth = &entry.auth;
        let pair =
            |id: &mut Option<String>, name: &mut Option<String>, other: (Option<String>, Option<String>)| {
                if id.is_none() && name.is_none() {
                    (*id, *name) = other;
                }
            };
        pair(&mut said.user_id, &mut said.username, (auth.user_id.plain(), auth.username.plain()));
        pair(
            &mut said.tenant_id,
            &mut said.tenant_name,
            (auth.project_id.plain(), auth.project_name.plain()),
        );
        pair(
            &mut said.user_domain_id,
            &mut said.user_domain_name,
            (auth.user_domain_id.plain(), auth.user_domain_name.plain()),
        );
        pair(
            &mut said.tenant_domain_id,
            &mut said.tenant_domain_name,
            (auth.project_domain_id.plain(), auth.project_domain_name.plain()),
        );
        pair(&mut said.domain_id, &mut said.domain_name, (auth.domain_id.plain(), auth.domain_name.plain()));
        if said.domain_id.is_none() && said.domain_name.is_none() {
            let default = || (auth.default_domain.plain(), None);
            pair(&mut said.user_domain_id, &mut said.user_domain_name, default());
            pair(&mut said.tenant_domain_id, &mut said.tenant_domain_name, default());
        }
        let text = |ours: &mut Option<String>, theirs: Option<String>| *ours = ours.take().or(theirs);
        text(&mut said.auth_url, auth.auth_url.plain());
        text(&mut said.region, entry.region_name.plain());
        text(&mut said.application_credential_id, auth.application_credential_id.plain());
        text(&mut said.application_credential_name, auth.application_credential_name.plain());
        if said.ca_file_contents.is_none() {
            text(&mut said.ca_file, entry.cacert.plain());
        }
        text(&mut said.cert_file, entry.cert.plain());
        text(&mut said.key_file, entry.key.plain());
        said.password = said.password.take().or(auth.password.secret());
        said.token = said.token.take().or(auth.token.secret());
        said.application_credential_secret =
            said.application_credential_secret.take().or(auth.application_credential_secret.secret());
        self.verify = entry.verify;
        if !self.places.has("os-endpoint-type")
            && let Some(interface) = entry.interface()
        {
            match interface.trim_end_matches("URL") {
                "public" => said.endpoint_type = EndpointType::Public,
                "internal" => said.endpoint_type = EndpointType::Internal,
                "admin" => said.endpoint_type = EndpointType::Admin,
                _ => self.warn(
                    "cloud",
                    "clouds.yaml: interface is neither public, internal nor admin, public is used".to_owned(),
                ),
            }
        }
    }

    fn warn(&mut self, key: &str, message: String) {
        let file = self.places.file.as_str().into();
        self.warnings.push(Warning { file, line: self.places.line(key), message });
    }
}

/// Where the keys stand that messages are about.
struct Places {
    file: String,
    lines: BTreeMap<&'static str, u32>,
}

/// Keys that messages are about.
const PLACED: [&str; 13] = [
    "application-credential-secret",
    "auth-url",
    "cert-file",
    "cloud",
    "clouds-file",
    "domain-id",
    "os-endpoint-type",
    "tenant-domain-id",
    "tls-insecure",
    "trust-id",
    "use-clouds",
    "user-domain-id",
    "user-id",
];

impl Places {
    fn of(file: &str, section: &Section) -> Self {
        let place = |key| Some((key, section.position(key)?.0));
        Self { file: file.to_owned(), lines: PLACED.into_iter().filter_map(place).collect() }
    }

    fn has(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    fn line(&self, key: &str) -> u32 {
        self.lines.get(key).copied().unwrap_or(0)
    }

    fn error(&self, key: &str, message: String) -> Error {
        let place = match self.line(key) {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        };
        Error::Setting { place, message }
    }
}
