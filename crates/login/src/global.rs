//! `[Global]`, completed from `clouds.yaml` where it asks for that.

use std::path::{Path, PathBuf};
use std::time::Duration;

use host::cloud_conf::{EndpointType, Global, Insecure};
use host::gcfg::Report;
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

impl Login {
    /// What `[Global]` says, completed from `clouds.yaml` where it asks for that; none where `report` got a fault.
    pub fn read(mut said: Global, surroundings: &Surroundings, report: &mut Report) -> Option<Self> {
        let mut login = Draft { surroundings, report, verify: None };
        let files = login.complete(&mut said)?;
        if !said.places.has("tls-insecure") && login.verify == Some(false) {
            said.tls_insecure = Insecure::Yes;
        }
        let source = if files.is_empty() { "[Global]" } else { "[Global], with clouds.yaml," };
        let auth = match identity::auth(&said) {
            Ok(auth) => auth,
            Err(fault) => {
                report.error(said.places.of(fault.key), format!("{source} {}", fault.message));
                return None;
            }
        };
        if said.cert_file.is_some() != said.key_file.is_some() {
            let key = if said.cert_file.is_some() { "cert-file" } else { "key-file" };
            report.warn(said.places.of(key), "cert-file and key-file: one without the other has no effect");
        }
        Some(Self {
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
        insecure: said.tls_insecure.is_on(),
    }
}

/// A login that is being put together.
struct Draft<'a> {
    surroundings: &'a Surroundings,
    report: &'a mut Report,
    /// `verify` of clouds.yaml.
    verify: Option<bool>,
}

impl Draft<'_> {
    /// Fills what `said` leaves open from `clouds.yaml`; the files that were read, none after a fault.
    ///
    /// `cloud` alone asks for it as well as `use-clouds` does.
    fn complete(&mut self, said: &mut Global) -> Option<Vec<PathBuf>> {
        if !said.use_clouds && said.cloud.is_none() {
            return Some(Vec::new());
        }
        let place = said.places.of(if said.use_clouds { "use-clouds" } else { "cloud" });
        let found = match self.surroundings.read(said.clouds_file.as_deref().map(Path::new)) {
            Ok(found) => found,
            Err(error) => {
                self.report.error(place, error.to_string());
                return None;
            }
        };
        if let Some(missing) = &found.missing {
            let message = format!("{} is not there, another clouds.yaml is used instead", missing.display());
            self.report.warn(said.places.of("clouds-file"), message);
        }
        let name = said.cloud.as_deref().or(self.surroundings.cloud.as_deref());
        match found.documents.choose(name) {
            Ok(entry) => self.fill(said, &entry),
            Err(message) => {
                self.report.error(place, message);
                return None;
            }
        }
        Some(found.files)
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
        if !said.places.has("os-endpoint-type")
            && let Some(interface) = entry.interface()
        {
            match interface.trim_end_matches("URL") {
                "public" => said.endpoint_type = EndpointType::Public,
                "internal" => said.endpoint_type = EndpointType::Internal,
                "admin" => said.endpoint_type = EndpointType::Admin,
                _ => self.report.warn(
                    said.places.of("cloud"),
                    "clouds.yaml: interface is neither public, internal nor admin, public is used",
                ),
            }
        }
    }
}
