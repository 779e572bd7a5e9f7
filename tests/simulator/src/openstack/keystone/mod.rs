//! Keystone: who may come in, and where the services are.

mod auth;
mod directory;
mod operator;
mod scope;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ask::{Ask, Reply};
use super::endpoints::{Endpoints, Service};
use super::state::State;
use crate::world::Ids;
use directory::Directory;
pub use directory::{AccessRule, ApplicationCredential, Trust};
use token::Token;

/// The words that are no ids in Keystone's paths.
pub(crate) const WORDS: &[&str] = &["v3", "auth", "tokens", "catalog", "projects", "domains"];

/// How Keystone begins: one domain, one project, one user.
#[derive(Clone, Debug)]
pub struct KeystoneOptions {
    /// The regions of the catalogue; all services are in each.
    pub regions: Vec<String>,
    /// The interfaces of the catalogue.
    pub interfaces: Vec<String>,
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
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            regions: words(&["RegionOne"]),
            interfaces: words(&["public", "internal", "admin"]),
            token_life: Duration::from_secs(3600),
            project: "demo".into(),
            user: "tester".into(),
            password: "secret".into(),
            roles: words(&["reader", "member", "load-balancer_member"]),
        }
    }
}

/// What Keystone knows.
#[derive(Clone, Debug)]
pub(crate) struct Keystone {
    endpoints: Endpoints,
    regions: Vec<String>,
    interfaces: Vec<String>,
    token_life: Duration,
    first_project: String,
    directory: Directory,
    tokens: BTreeMap<String, Token>,
}

/// Who sent a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    pub(crate) user: String,
    pub(crate) user_name: String,
    /// Empty for a token without one.
    pub(crate) project: String,
    pub(crate) roles: Vec<String>,
    /// What an application credential may do, if it is limited.
    access_rules: Option<Vec<AccessRule>>,
}

impl Who {
    /// An administrator who works in a project.
    pub(crate) fn admin(project: &str) -> Self {
        let mut who = Self { user: "admin".into(), project: project.into(), ..Self::default() };
        who.user_name.clone_from(&who.user);
        who.roles.push("admin".into());
        who
    }

    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    /// Whether every project is its own.
    pub(crate) fn is_admin(&self) -> bool {
        self.has_role("admin")
    }

    /// Whether the token is good for this request to a service.
    pub(crate) fn may_call(&self, service: Service, method: &Method, path: &[&str]) -> bool {
        if service == Service::Keystone && method == Method::GET && path == ["v3", "auth", "tokens"] {
            return true;
        }
        let fits = |rule: &AccessRule| rule.fits(service, method, path);
        self.access_rules.as_ref().is_none_or(|rules| rules.iter().any(fits))
    }
}

impl Keystone {
    pub(crate) fn new(options: &KeystoneOptions, endpoints: &Endpoints, ids: &mut Ids) -> Self {
        let mut directory = Directory::default();
        let project = directory.add_project(ids, &options.project, "default");
        let user = directory.add_user(ids, &options.user, "default", &options.password);
        directory.grant(&user, &project, &options.roles);
        Self {
            endpoints: endpoints.clone(),
            regions: options.regions.clone(),
            interfaces: options.interfaces.clone(),
            token_life: options.token_life,
            first_project: project,
            directory,
            tokens: BTreeMap::new(),
        }
    }

    /// The project that was there first.
    pub(crate) fn first_project(&self) -> &str {
        &self.first_project
    }

    /// Whose token this is, if it is good at `now`.
    pub(crate) fn who(&self, token: &str, now: Timestamp) -> Option<Who> {
        let token = self.good(token, now)?;
        Some(Who {
            user: token.user.clone(),
            user_name: self.directory.user(&token.user)?.name.clone(),
            project: token.scope.project().unwrap_or_default().to_owned(),
            roles: token.roles.clone(),
            access_rules: token.access_rules.clone(),
        })
    }

    /// The token, if it is good at `now`.
    fn good(&self, token: &str, now: Timestamp) -> Option<&Token> {
        self.tokens.get(token).filter(|token| token.expires > now)
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
        ("GET" | "HEAD" | "DELETE", ["v3", "auth", "tokens"]) => subject(state, ask),
        ("GET", ["v3", "auth", "catalog"]) if ask.who.project.is_empty() => {
            error(403, "You are not authorized to perform the requested action.")
        }
        ("GET", ["v3", "auth", "catalog"]) => Reply::new(
            200,
            json!({"catalog": state.keystone.catalog(), "links": {"self": format!("{}/v3/auth/catalog", ask.base)}}),
        ),
        ("GET", ["v3", "auth", "projects"]) => Reply::new(200, own_projects(state, ask)),
        (_, ["v3"] | ["v3", "auth", "tokens" | "catalog" | "projects"]) => {
            error(405, "The method is not allowed for the requested URL.")
        }
        _ => nowhere(),
    }
}

/// Asks about a token, or ends it.
fn subject(state: &mut State, ask: &Ask<'_>) -> Reply {
    let header = |name: &str| ask.headers.get(name)?.to_str().ok();
    let Some(subject) = header("x-subject-token") else {
        return error(400, "X-Subject-Token is required.");
    };
    let Some(token) = state.keystone.good(subject, state.wall) else {
        return error(404, "Could not recognize Fernet token");
    };
    // One's own token, or with a role that is made for asking.
    let own = header("x-auth-token") == Some(subject) || token.user == ask.who.user;
    if !(own || ask.who.is_admin() || ask.who.has_role("service")) {
        return error(
            403,
            "You are not authorized to perform the requested action: identity:validate_token.",
        );
    }
    if ask.method == Method::DELETE {
        let subject = subject.to_owned();
        state.keystone.revoke(&subject);
        return Reply::empty(204);
    }
    let mut shown = state.keystone.show(token);
    if ask.query("nocatalog").is_some()
        && let Some(token) = shown["token"].as_object_mut()
    {
        token.remove("catalog");
    }
    Reply::new(200, shown).header("x-subject-token", subject)
}

fn own_projects(state: &State, ask: &Ask<'_>) -> Value {
    let projects = state.keystone.directory.projects_of(&ask.who.user);
    let shown: Vec<Value> = projects
        .map(|(id, project)| {
            json!({"id": id, "name": project.name, "domain_id": project.domain, "enabled": project.enabled,
                "links": {"self": format!("{}/v3/projects/{id}", ask.base)}})
        })
        .collect();
    json!({"projects": shown, "links": {"self": format!("{}/v3/auth/projects", ask.base), "next": null, "previous": null}})
}

fn version(base: &str) -> Value {
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

/// A URL that leads nowhere: the web framework answers, with a page.
fn nowhere() -> Reply {
    let page = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.</p>\n";
    Reply::new(404, page.into())
}

/// What the token check of every service says to a bad token.
pub(crate) fn unauthorized(keystone: &str) -> Reply {
    error(401, "The request you have made requires authentication.")
        .header("www-authenticate", format!("Keystone uri=\"{keystone}/v3\""))
}
