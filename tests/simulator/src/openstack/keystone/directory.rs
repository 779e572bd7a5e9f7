//! Whom Keystone knows: domains, projects, users, roles, application credentials, trusts.

use std::collections::BTreeMap;

use http::Method;
use jiff::Timestamp;

use crate::openstack::endpoints::Service;
use crate::world::Ids;

/// All that may log in, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    /// Names by id.
    domains: BTreeMap<String, String>,
    projects: BTreeMap<String, Project>,
    users: BTreeMap<String, User>,
    /// Roles by user and by project or domain.
    grants: BTreeMap<(String, String), Vec<String>>,
    credentials: BTreeMap<String, ApplicationCredential>,
    trusts: BTreeMap<String, Trust>,
}

#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) enabled: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) password: String,
    pub(crate) enabled: bool,
}

/// A credential of a user for one project.
#[derive(Clone, Debug)]
pub struct ApplicationCredential {
    /// Its name, unique for the user.
    pub name: String,
    /// Its secret.
    pub secret: String,
    /// The user's id.
    pub user: String,
    /// The project's id.
    pub project: String,
    /// The roles it hands on.
    pub roles: Vec<String>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// All that it may do; everything if missing.
    pub access_rules: Option<Vec<AccessRule>>,
}

/// One kind of request that an application credential may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// The service's type in the catalogue: `load-balancer`.
    pub service: String,
    /// The method.
    pub method: String,
    /// The path, where `*` and `{name}` stand for one segment and `**` at the end for any rest.
    pub path: String,
}

impl AccessRule {
    pub(crate) fn fits(&self, service: Service, method: &Method, path: &[&str]) -> bool {
        let mut wanted = self.path.split('/').filter(|segment| !segment.is_empty());
        let mut segments = path.iter();
        let fits = loop {
            match (wanted.next(), segments.next()) {
                (Some("**"), Some(_)) | (None, None) => break true,
                (Some(want), Some(segment)) if want == "*" || want.starts_with('{') || want == *segment => {}
                _ => break false,
            }
        };
        fits && self.service == service.kind() && self.method == method.as_str()
    }
}

/// A user lets another one act in a project.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Who lets: the user's id.
    pub trustor: String,
    /// Who is let: the user's id.
    pub trustee: String,
    /// Whether the other one acts under the first one's name.
    pub impersonation: bool,
    /// The project's id.
    pub project: String,
    /// The roles that are handed on.
    pub roles: Vec<String>,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            domains: BTreeMap::from([("default".to_owned(), "Default".to_owned())]),
            projects: BTreeMap::new(),
            users: BTreeMap::new(),
            grants: BTreeMap::new(),
            credentials: BTreeMap::new(),
            trusts: BTreeMap::new(),
        }
    }
}

impl Directory {
    pub(crate) fn add_domain(&mut self, ids: &mut Ids, name: &str) -> String {
        let id = ids.hex();
        self.domains.insert(id.clone(), name.to_owned());
        id
    }

    pub(crate) fn add_project(&mut self, ids: &mut Ids, name: &str, domain: &str) -> String {
        let id = ids.hex();
        let project = Project { name: name.to_owned(), domain: domain.to_owned(), enabled: true };
        self.projects.insert(id.clone(), project);
        id
    }

    pub(crate) fn add_user(&mut self, ids: &mut Ids, name: &str, domain: &str, password: &str) -> String {
        let id = ids.hex();
        let [name, domain, password] = [name, domain, password].map(str::to_owned);
        self.users.insert(id.clone(), User { name, domain, password, enabled: true });
        id
    }

    /// Gives a user these roles in a project or domain, and no others.
    pub(crate) fn grant(&mut self, user: &str, place: &str, roles: &[String]) {
        self.grants.insert((user.to_owned(), place.to_owned()), roles.to_vec());
    }

    pub(crate) fn add_credential(&mut self, ids: &mut Ids, credential: ApplicationCredential) -> String {
        let id = ids.hex();
        self.credentials.insert(id.clone(), credential);
        id
    }

    pub(crate) fn remove_credential(&mut self, id: &str) {
        self.credentials.remove(id);
    }

    pub(crate) fn add_trust(&mut self, ids: &mut Ids, trust: Trust) -> String {
        let id = ids.hex();
        self.trusts.insert(id.clone(), trust);
        id
    }

    pub(crate) fn domain_name(&self, id: &str) -> Option<&str> {
        self.domains.get(id).map(String::as_str)
    }

    pub(crate) fn domain_by_name(&self, name: &str) -> Option<&str> {
        self.domains.iter().find(|(_, own)| *own == name).map(|(id, _)| id.as_str())
    }

    pub(crate) fn project(&self, id: &str) -> Option<&Project> {
        self.projects.get(id)
    }

    pub(crate) fn project_by_name(&self, name: &str, domain: &str) -> Option<&str> {
        let fits = |project: &Project| project.name == name && project.domain == domain;
        self.projects.iter().find(|(_, project)| fits(project)).map(|(id, _)| id.as_str())
    }

    pub(crate) fn projects_of(&self, user: &str) -> impl Iterator<Item = (&String, &Project)> {
        self.projects.iter().filter(move |(id, _)| !self.roles(user, id).is_empty())
    }

    pub(crate) fn user(&self, id: &str) -> Option<&User> {
        self.users.get(id)
    }

    pub(crate) fn user_mut(&mut self, id: &str) -> Option<&mut User> {
        self.users.get_mut(id)
    }

    pub(crate) fn project_mut(&mut self, id: &str) -> Option<&mut Project> {
        self.projects.get_mut(id)
    }

    pub(crate) fn user_by_name(&self, name: &str, domain: &str) -> Option<&str> {
        let fits = |user: &User| user.name == name && user.domain == domain;
        self.users.iter().find(|(_, user)| fits(user)).map(|(id, _)| id.as_str())
    }

    pub(crate) fn roles(&self, user: &str, place: &str) -> &[String] {
        self.grants.get(&(user.to_owned(), place.to_owned())).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn credential(&self, id: &str) -> Option<&ApplicationCredential> {
        self.credentials.get(id)
    }

    pub(crate) fn credential_by_name(&self, user: &str, name: &str) -> Option<&str> {
        let fits = |credential: &ApplicationCredential| credential.user == user && credential.name == name;
        self.credentials.iter().find(|(_, credential)| fits(credential)).map(|(id, _)| id.as_str())
    }

    pub(crate) fn trust(&self, id: &str) -> Option<&Trust> {
        self.trusts.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_rule_fits_service_method_and_path() {
        let rule = |path: &str| AccessRule {
            service: "load-balancer".into(),
            method: "GET".into(),
            path: path.into(),
        };
        let path = ["v2", "lbaas", "pools", "x"];
        let fits = |rule: &AccessRule| rule.fits(Service::Octavia, &Method::GET, &path);
        for good in ["/v2/lbaas/pools/x", "/v2/lbaas/pools/*", "/v2/lbaas/pools/{pool_id}", "/v2/**"] {
            assert!(fits(&rule(good)), "{good}");
        }
        for bad in ["/v2/lbaas/pools", "/v2/lbaas/pools/x/members", "/v2/lbaas/*", "/v2/lbaas/pools/x/**"] {
            assert!(!fits(&rule(bad)), "{bad}");
        }
        assert!(!rule("/v2/**").fits(Service::Nova, &Method::GET, &path));
        assert!(!rule("/v2/**").fits(Service::Octavia, &Method::POST, &path));
    }
}
