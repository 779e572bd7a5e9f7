//! `[Global]`: where the cloud is, and as whom to log in.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use host::gcfg::Section;
use openstack::transport::{ClientCertificate, TlsOptions};
use openstack::{AuthConfig, Credentials, Domain, Interface, Project, Scope, SessionConfig, User};
use secrecy::{ExposeSecret as _, SecretString};

use super::Error;
use super::read::{Reader, line_of, text};

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
        refuse_unsupported(reader, section)?;
        let interface = reader
            .checked(section, "os-endpoint-type", |kind| match kind {
                "public" => Ok(Interface::Public),
                "internal" => Ok(Interface::Internal),
                "admin" => Ok(Interface::Admin),
                _ => Err("expected public, internal or admin".to_owned()),
            })?
            .unwrap_or(Interface::Public);
        let region = text(section, "region")?;
        let tls = TlsFiles::read(reader, section)?;
        let auth = auth_of(reader, section)?;
        Ok(Self { auth, region, interface, tls })
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
    fn read(reader: &mut Reader, section: &mut Section) -> Result<Self, Error> {
        let line = line_of(section, "tls-insecure");
        let insecure = section.take::<String>("tls-insecure")?.unwrap_or_default();
        if !matches!(insecure.as_str(), "" | "true" | "false") {
            reader.warn(line, "tls-insecure: certificates are checked; only the word `true` turns that off");
        }
        let certificate = text(section, "cert-file")?.map(PathBuf::from);
        let key = text(section, "key-file")?.map(PathBuf::from);
        Ok(Self {
            ca_file: text(section, "ca-file")?.map(PathBuf::from),
            ca_pem: text(section, "cafilecontents")?,
            client_certificate: certificate
                .zip(key)
                .map(|(certificate, key)| ClientCertificateFiles { certificate, key }),
            insecure: insecure == "true",
        })
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

/// Settings that choose other credentials than those in this section: ignoring them would log in as somebody else.
fn refuse_unsupported(reader: &Reader, section: &mut Section) -> Result<(), Error> {
    let message = "not supported by this version; put the credentials into [Global]";
    let unplaced = |section: &Section, key: &str| reader.error(section, key, format!("{key}: {message}"));
    let refused = unplaced(section, "use-clouds");
    if section.take("use-clouds")?.unwrap_or(false) {
        return Err(refused);
    }
    for key in ["cloud", "trust-id", "trustee-id", "trustee-password"] {
        let refused = unplaced(section, key);
        if secret(section, key)?.is_some() {
            return Err(refused);
        }
    }
    // Without use-clouds it names a file that nobody reads.
    section.take::<String>("clouds-file")?;
    Ok(())
}

fn auth_of(reader: &Reader, section: &mut Section) -> Result<AuthConfig, Error> {
    let missing =
        |section: &Section, what: &str| reader.error(section, "auth-url", format!("[Global] {what}"));
    let no_url = missing(section, "needs auth-url, the address of Keystone");
    let incomplete = missing(
        section,
        "needs credentials: a password with username or user-id, an application credential, or a token",
    );
    let no_user_domain =
        missing(section, "names the user by username and needs its domain: user-domain-name or domain-name");
    let no_project_domain = missing(
        section,
        "names the project by tenant-name and needs its domain: tenant-domain-name or domain-name",
    );
    let twice = reader.error(section, "user-id", "[Global] has both username and user-id");
    let no_user = missing(section, "has a secret but neither username nor user-id");

    let auth_url = text(section, "auth-url")?.ok_or(no_url)?;
    let domain = domain(section, "domain-id", "domain-name")?;
    let user_domain = self::domain(section, "user-domain-id", "user-domain-name")?;
    let project_domain = self::domain(section, "tenant-domain-id", "tenant-domain-name")?;
    let (user_id, username) = (text(section, "user-id")?, text(section, "username")?);
    let (project_id, project_name) = (text(section, "tenant-id")?, text(section, "tenant-name")?);
    let token = secret(section, "token")?;
    let password = secret(section, "password")?;
    let credential_id = text(section, "application-credential-id")?;
    let credential_name = text(section, "application-credential-name")?;
    let credential_secret = secret(section, "application-credential-secret")?;

    let by_credential = credential_id.is_some() || credential_name.is_some() || credential_secret.is_some();
    let by_project = project_id.is_some() || project_name.is_some();
    let user = || match (user_id, username) {
        (Some(_), Some(_)) => Err(twice),
        (Some(id), None) => Ok(User::Id(id)),
        (None, Some(name)) => {
            // The general domain is the user's only where it is not itself what the token is for.
            let general = domain.clone().filter(|_| by_project || by_credential);
            let domain = user_domain.or(general).ok_or(no_user_domain)?;
            Ok(User::Name { name, domain })
        }
        (None, None) => Err(no_user),
    };
    let credentials = match (token, password, credential_id, credential_name, credential_secret) {
        (Some(token), ..) => Credentials::Token(token),
        (None, Some(password), ..) => Credentials::Password { user: user()?, password },
        (None, None, Some(id), _, Some(secret)) => Credentials::ApplicationCredentialId { id, secret },
        (None, None, None, Some(name), Some(secret)) => {
            Credentials::ApplicationCredentialName { user: user()?, name, secret }
        }
        _ => return Err(incomplete),
    };
    let scope = match (project_id, project_name, domain) {
        // Keystone refuses a scope beside an application credential; Go then sends none for a password either.
        _ if by_credential => Scope::Unscoped,
        (Some(id), _, _) => Scope::Project(Project::Id(id)),
        (None, Some(name), general) => {
            let domain = project_domain.or(general).ok_or(no_project_domain)?;
            Scope::Project(Project::Name { name, domain })
        }
        (None, None, Some(domain)) => Scope::Domain(domain),
        (None, None, None) => Scope::Unscoped,
    };
    Ok(AuthConfig { auth_url, credentials, scope })
}

fn domain(section: &mut Section, id: &str, name: &str) -> Result<Option<Domain>, Error> {
    let (id, name) = (text(section, id)?, text(section, name)?);
    Ok(id.map(Domain::Id).or(name.map(Domain::Name)))
}

fn secret(section: &mut Section, key: &str) -> Result<Option<SecretString>, Error> {
    Ok(section.take::<SecretString>(key)?.filter(|secret| !secret.expose_secret().is_empty()))
}
