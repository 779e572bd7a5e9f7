//! Keystone: who may come in, and where the services are.

mod auth;
mod token;

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::ask::{Ask, Reply};
use super::endpoints::Endpoints;
use super::state::State;
use crate::world::Ids;
use token::Token;

/// The words that are no ids in Keystone's paths.
pub(crate) const WORDS: &[&str] = &["v3", "auth", "tokens", "catalog", "projects", "domains"];

/// How Keystone begins: one domain, one project, one user.
#[derive(Clone, Debug)]
pub struct KeystoneOptions {
    /// The regions of the catalogue; all services are in each.
    pub regions: Vec<String>,
    /// How long a token lives.
    pub token_life: Duration,
    /// The project's name.
    pub project: String,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The user's roles in the project.
    pub roles: Vec<String>,
}

impl Default for KeystoneOptions {
    fn default() -> Self {
        Self {
            regions: vec!["RegionOne".into()],
            token_life: Duration::from_secs(3600),
            project: "demo".into(),
            user: "tester".into(),
            password: "secret".into(),
            roles: ["reader", "member", "load-balancer_member"].map(str::to_owned).to_vec(),
        }
    }
}

/// What Keystone knows.
#[derive(Clone, Debug)]
pub(crate) struct Keystone {
    endpoints: Endpoints,
    regions: Vec<String>,
    token_life: Duration,
    domains: BTreeMap<String, String>,
    projects: BTreeMap<String, Project>,
    users: BTreeMap<String, User>,
    /// Roles by (user, project or domain).
    grants: BTreeMap<(String, String), Vec<String>>,
    tokens: BTreeMap<String, Token>,
}

#[derive(Clone, Debug)]
struct Project {
    name: String,
    domain: String,
}

#[derive(Clone, Debug)]
struct User {
    name: String,
    domain: String,
    password: String,
}

/// Who sent a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    pub(crate) user: String,
    pub(crate) user_name: String,
    /// Empty for a token without one.
    pub(crate) project: String,
    pub(crate) roles: Vec<String>,
}

impl Who {
    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    /// Whether every project is its own.
    pub(crate) fn is_admin(&self) -> bool {
        self.has_role("admin")
    }
}

impl Keystone {
    pub(crate) fn new(options: &KeystoneOptions, endpoints: &Endpoints, ids: &mut Ids) -> Self {
        let (project, user) = (ids.hex(), ids.hex());
        let domain = || "default".to_owned();
        Self {
            endpoints: endpoints.clone(),
            regions: options.regions.clone(),
            token_life: options.token_life,
            domains: BTreeMap::from([(domain(), "Default".to_owned())]),
            projects: BTreeMap::from([(
                project.clone(),
                Project { name: options.project.clone(), domain: domain() },
            )]),
            users: BTreeMap::from([(
                user.clone(),
                User { name: options.user.clone(), domain: domain(), password: options.password.clone() },
            )]),
            grants: BTreeMap::from([((user, project), options.roles.clone())]),
            tokens: BTreeMap::new(),
        }
    }

    /// The project that was there first.
    pub(crate) fn first_project(&self) -> &str {
        // By name it may not be the first of the map; the one grant of the beginning tells.
        self.grants.keys().next().map_or("", |(_, project)| project)
    }

    /// Whose token this is, if it is good at `now`.
    pub(crate) fn who(&self, token: &str, now: Timestamp) -> Option<Who> {
        let token = self.tokens.get(token).filter(|token| token.expires > now)?;
        let user = self.users.get(&token.user)?;
        Some(Who {
            user: token.user.clone(),
            user_name: user.name.clone(),
            project: token.project.clone().unwrap_or_default(),
            roles: token.roles.clone(),
        })
    }

    /// Makes a token worthless.
    pub(crate) fn revoke(&mut self, token: &str) {
        self.tokens.remove(token);
    }
}

/// Whether a request needs no token.
pub(crate) fn is_open(method: &Method, path: &[&str]) -> bool {
    (method == Method::GET && path == ["v3"]) || (method == Method::POST && path == ["v3", "auth", "tokens"])
}

/// Answers a request.
pub(crate) fn answer(state: &mut State, ask: &Ask<'_>) -> Reply {
    match (ask.method.as_str(), ask.path.as_slice()) {
        ("GET", []) => Reply::new(300, json!({"versions": {"values": [version(ask.base)]}})),
        ("GET", ["v3"]) => Reply::new(200, json!({"version": version(ask.base)})),
        ("POST", ["v3", "auth", "tokens"]) => auth::log_in(state, ask),
        _ => error(404, "(http://keystone): The resource could not be found."),
    }
}

fn version(base: &str) -> serde_json::Value {
    json!({
        "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{base}/v3/")}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    })
}

/// An error in Keystone's form.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    let title = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    Reply::new(
        status,
        json!({"error": {"code": status, "message": message, "title": title.unwrap_or("Error")}}),
    )
}

/// What the token check of every service says to a bad token.
pub(crate) fn unauthorized(keystone: &str) -> Reply {
    error(401, "The request you have made requires authentication.")
        .header("www-authenticate", format!("Keystone uri=\"{keystone}\""))
}
