//! `[Global]`: where the cloud is, and as whom to log in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use host::cloud_conf::{self, EndpointType};
use host::gcfg::Section;
use openstack::transport::{ClientCertificate, TlsOptions};
use openstack::{AuthConfig, Credentials, Domain, Interface, Project, Scope, SessionConfig, User};
use secrecy::SecretString;

use super::Error;
use super::read::{Reader, line_of};

/// How to reach the cloud.
#[derive(Clone, Debug)]
pub struct Global {
    /// Where and as whom to log in.
    pub auth: AuthConfig,
    /// The region whose endpoints are used; also the value of the Nodes' region labels.
    pub region: Option<String>,
    /// Which of the endpoints.
    pub interface: Interface,
    /// What to trust and what to show.
    pub tls: TlsFiles,
}

/// TLS material by path.
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

impl Global {
    pub(super) fn read(reader: &mut Reader, section: &mut Section) -> Result<Self, Error> {
        // Once they are taken, keys have no place any more.
        let login = Login { places: Places::of(reader, section), said: cloud_conf::Global::take(section)? };
        login.refuse_unsupported()?;
        if login.said.tls_insecure_odd {
            let message = "tls-insecure: certificates are checked; only the word `true` turns that off";
            reader.warn(login.places.line("tls-insecure"), message);
        }
        let said = &login.said;
        Ok(Self {
            auth: login.auth()?,
            region: said.region.clone(),
            interface: match said.endpoint_type {
                EndpointType::Public => Interface::Public,
                EndpointType::Internal => Interface::Internal,
                EndpointType::Admin => Interface::Admin,
            },
            tls: TlsFiles::of(said),
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

impl TlsFiles {
    fn of(said: &cloud_conf::Global) -> Self {
        let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
        Self {
            ca_file: path(&said.ca_file),
            ca_pem: said.ca_file_contents.clone(),
            client_certificate: path(&said.cert_file)
                .zip(path(&said.key_file))
                .map(|(certificate, key)| ClientCertificateFiles { certificate, key }),
            insecure: said.tls_insecure,
        }
    }

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
}

/// Where the keys stand that messages are about.
struct Places {
    file: String,
    lines: BTreeMap<&'static str, u32>,
}

impl Places {
    fn of(reader: &Reader, section: &Section) -> Self {
        let keys = [
            "auth-url",
            "user-id",
            "tls-insecure",
            "use-clouds",
            "cloud",
            "trust-id",
            "trustee-id",
            "trustee-password",
        ];
        Self { file: reader.name().to_owned(), lines: keys.map(|key| (key, line_of(section, key))).into() }
    }

    fn line(&self, key: &str) -> u32 {
        self.lines.get(key).copied().unwrap_or(0)
    }

    fn error(&self, key: &str, message: impl Into<String>) -> Error {
        let place = match self.line(key) {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        };
        Error::Setting { place, message: message.into() }
    }
}

/// The section as written, and what it means.
struct Login {
    places: Places,
    said: cloud_conf::Global,
}

impl Login {
    /// Settings that choose other credentials than those in this section: ignoring them would log in as somebody else.
    fn refuse_unsupported(&self) -> Result<(), Error> {
        let said = &self.said;
        for (key, given) in [
            ("use-clouds", said.use_clouds),
            ("cloud", said.cloud.is_some()),
            ("trust-id", said.trust_id.is_some()),
            ("trustee-id", said.trustee_id.is_some()),
            ("trustee-password", said.trustee_password.is_some()),
        ] {
            if given {
                let message = "not supported by this version; put the credentials into [Global]";
                return Err(self.places.error(key, format!("{key}: {message}")));
            }
        }
        Ok(())
    }

    fn auth(&self) -> Result<AuthConfig, Error> {
        let Some(auth_url) = self.said.auth_url.clone() else {
            return Err(self.fault("needs auth-url, the address of Keystone"));
        };
        Ok(AuthConfig { auth_url, credentials: self.credentials()?, scope: self.scope()? })
    }

    /// A token goes before a password, a password before an application credential.
    fn credentials(&self) -> Result<Credentials, Error> {
        let said = &self.said;
        if let Some(token) = &said.token {
            return Ok(Credentials::Token(token.clone()));
        }
        if let Some(password) = &said.password {
            return Ok(Credentials::Password { user: self.user()?, password: password.clone() });
        }
        let secret = said.application_credential_secret.clone();
        match (&said.application_credential_id, &said.application_credential_name, secret) {
            (Some(id), _, Some(secret)) => Ok(Credentials::ApplicationCredentialId { id: id.clone(), secret }),
            (None, Some(name), Some(secret)) => {
                Ok(Credentials::ApplicationCredentialName { user: self.user()?, name: name.clone(), secret })
            }
            _ => Err(self.fault(
                "needs credentials: a password with username or user-id, an application credential, or a token",
            )),
        }
    }

    fn user(&self) -> Result<User, Error> {
        match (&self.said.user_id, &self.said.username) {
            (Some(_), Some(_)) => Err(self.places.error("user-id", "[Global] has both username and user-id")),
            (Some(id), None) => Ok(User::Id(id.clone())),
            (None, Some(name)) => {
                // The general domain is the user's only where it is not itself what the token is for.
                let general = self
                    .general_domain()
                    .filter(|_| self.names_a_project() || self.uses_application_credential());
                let domain = domain(self.said.user_domain_id.as_ref(), self.said.user_domain_name.as_ref())
                    .or(general);
                let missing =
                    "names the user by username and needs its domain: user-domain-name or domain-name";
                Ok(User::Name { name: name.clone(), domain: domain.ok_or_else(|| self.fault(missing))? })
            }
            (None, None) => Err(self.fault("has a secret but neither username nor user-id")),
        }
    }

    fn scope(&self) -> Result<Scope, Error> {
        let said = &self.said;
        if self.uses_application_credential() {
            // Keystone refuses a scope beside an application credential; Go then sends none for a password either.
            return Ok(Scope::Unscoped);
        }
        if let Some(id) = &said.tenant_id {
            return Ok(Scope::Project(Project::Id(id.clone())));
        }
        let Some(name) = &said.tenant_name else {
            return Ok(self.general_domain().map_or(Scope::Unscoped, Scope::Domain));
        };
        let own = domain(said.tenant_domain_id.as_ref(), said.tenant_domain_name.as_ref());
        let missing =
            "names the project by tenant-name and needs its domain: tenant-domain-name or domain-name";
        let domain = own.or(self.general_domain()).ok_or_else(|| self.fault(missing))?;
        Ok(Scope::Project(Project::Name { name: name.clone(), domain }))
    }

    fn names_a_project(&self) -> bool {
        self.said.tenant_id.is_some() || self.said.tenant_name.is_some()
    }

    fn uses_application_credential(&self) -> bool {
        let said = &self.said;
        said.application_credential_id.is_some()
            || said.application_credential_name.is_some()
            || said.application_credential_secret.is_some()
    }

    fn general_domain(&self) -> Option<Domain> {
        domain(self.said.domain_id.as_ref(), self.said.domain_name.as_ref())
    }

    fn fault(&self, what: &str) -> Error {
        self.places.error("auth-url", format!("[Global] {what}"))
    }
}

/// The id wins.
fn domain(id: Option<&String>, name: Option<&String>) -> Option<Domain> {
    id.cloned().map(Domain::Id).or(name.cloned().map(Domain::Name))
}
