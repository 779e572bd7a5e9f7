//! The Keystone v3 exchange: finding the API, asking for a token, reading what comes with it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::{HeaderValue, Method, Request, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt as _;
use url::Url;

use super::{AuthConfig, Credentials, Domain, Project, Scope, User};
use crate::answer;
use crate::catalog::{self, Interface, ServiceType};
use crate::error::{Error, Fault};
use crate::ids::ProjectId;
use crate::retry::{self, Trouble};
use crate::session::SessionConfig;
use crate::transport::{Transport, TransportError};

/// The name logins are reported under.
pub(crate) const CALL: &str = "token_create";

/// A token with what came with it.
#[derive(Debug)]
pub(crate) struct Login {
    /// Marked sensitive, so that it is not printed.
    pub token: HeaderValue,
    pub identity: Identity,
    pub endpoints: BTreeMap<ServiceType, Url>,
    /// When it was asked for.
    pub begun: Instant,
    /// From here on it is renewed.
    pub renew_at: Instant,
    /// From here on it is not used.
    pub expires_at: Instant,
}

/// Whose token it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub project: Option<ProjectId>,
    /// The domain that the token is good for, if it is not a project's.
    pub domain: Option<String>,
    pub user_domain: Option<String>,
}

/// Logs in, finding the API first.
pub(crate) async fn log_in(config: &SessionConfig, transport: &Transport) -> Result<Login, Error> {
    let base = find_api(config, transport).await?;
    let begun = Instant::now();
    let response = match token_request(&config.auth) {
        TokenRequest::Create(body) => {
            let body = serde_json::to_vec(&body).map_err(|error| {
                failure(Fault::Invalid("login cannot be written".into())).caused_by(error)
            })?;
            let url = join(&base, "auth/tokens")?;
            exchange(config, transport, || {
                request(config, Method::POST, &url, Bytes::from(body.clone()), None)
            })
            .await?
        }
        TokenRequest::Use(token) => {
            let token = sensitive(token.expose_secret())?;
            let url = join(&base, "auth/tokens")?;
            exchange(config, transport, || request(config, Method::GET, &url, Bytes::new(), Some(&token)))
                .await?
        }
    };
    if !response.status().is_success() {
        return Err(refusal(&response));
    }
    let token = match &config.auth.credentials {
        Credentials::Token(token) if response.status() == http::StatusCode::OK => {
            sensitive(token.expose_secret())?
        }
        _ => {
            let mut token = response
                .headers()
                .get("x-subject-token")
                .cloned()
                .ok_or_else(|| failure(Fault::Decode("no token in Keystone's answer".into())))?;
            token.set_sensitive(true);
            token
        }
    };
    read_login(config, token, &response, begun)
}

fn failure(fault: Fault) -> Error {
    Error::new(CALL, fault)
}

fn sensitive(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(token)
        .map_err(|_| failure(Fault::Invalid("the token has characters that no header may have".into())))?;
    value.set_sensitive(true);
    Ok(value)
}

fn join(base: &Url, path: &str) -> Result<Url, Error> {
    base.join(path).map_err(|error| failure(Fault::Invalid("auth-url".into())).caused_by(error))
}

#[derive(Deserialize)]
struct Token {
    expires_at: Option<jiff::Timestamp>,
    issued_at: Option<jiff::Timestamp>,
    project: Option<Named>,
    domain: Option<Named>,
    user: Option<TokenUser>,
    #[serde(default)]
    catalog: Vec<catalog::Entry>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct TokenUser {
    domain: Option<Named>,
}

fn read_login(
    config: &SessionConfig,
    header: HeaderValue,
    response: &Response<Bytes>,
    begun: Instant,
) -> Result<Login, Error> {
    let token: Token = crate::json::unwrap("token", response.body())
        .map_err(|error| failure(Fault::Decode(answer::unreadable(&error))))?;
    // The token's life is measured on Keystone's clock, since ours may be wrong: from its issue, or for a token that
    // was issued earlier, from the date of the answer.
    let given = matches!(&config.auth.credentials, Credentials::Token(_));
    let dated =
        response.headers().get(http::header::DATE).and_then(|date| retry::http_date(date.to_str().ok()?));
    let from = if given { dated.or(token.issued_at) } else { token.issued_at.or(dated) };
    let life = match (token.expires_at, from) {
        (Some(until), Some(from)) => Duration::try_from(until.duration_since(from)).unwrap_or_default(),
        _ => UNKNOWN_LIFE,
    };
    let endpoints = endpoints(&token.catalog, config.interface, config.region.as_deref());
    let identity = Identity {
        project: token.project.map(|project| project.id.into()),
        domain: token.domain.map(|domain| domain.id),
        user_domain: token.user.and_then(|user| user.domain).map(|domain| domain.id),
    };
    Ok(Login {
        token: header,
        identity,
        endpoints,
        begun,
        // A token that is made from another one ends when that one does.
        renew_at: begun + if given { life } else { renewal(life) },
        expires_at: begun + life,
    })
}

/// Where the services of a catalogue are.
fn endpoints(
    catalogue: &[catalog::Entry],
    interface: Interface,
    region: Option<&str>,
) -> BTreeMap<ServiceType, Url> {
    let url = |service| Some((service, catalog::endpoint(catalogue, service, interface, region)?));
    ServiceType::ALL.into_iter().filter_map(url).collect()
}

/// The endpoints of an answer to a login; `None` if it is none.
#[cfg(feature = "fuzz")]
pub(crate) fn endpoints_of(body: &[u8]) -> Option<BTreeMap<ServiceType, Url>> {
    let token: Token = crate::json::unwrap("token", body).ok()?;
    let _ = token.expires_at.zip(token.issued_at).map(|(until, from)| until.duration_since(from));
    Some(endpoints(&token.catalog, Interface::Public, None))
}

/// Keystone's own default, for a token that does not say.
const UNKNOWN_LIFE: Duration = Duration::from_secs(3600);

/// After what part of its life a token is renewed: a quarter before the end, but at most a quarter of an hour.
fn renewal(life: Duration) -> Duration {
    life.saturating_sub((life / 4).min(Duration::from_secs(900)))
}

/// Sends a request to Keystone, again where that helps; authentication changes nothing, so that even POST repeats.
///
/// Any answer that repeating would not change is given back, whatever its status.
async fn exchange(
    config: &SessionConfig,
    transport: &Transport,
    build: impl Fn() -> Result<Request<Bytes>, Error>,
) -> Result<Response<Bytes>, Error> {
    let deadline = Instant::now() + config.auth_timeout;
    let mut attempt = 1;
    loop {
        let sent = tokio::time::timeout_at(deadline, first_answer(transport, &build)).await;
        let (error, trouble, after) = match sent.map_err(|_| failure(Fault::Timeout))?? {
            Err(error) => {
                let trouble = error.trouble();
                (Error::unanswered(CALL, error), trouble, None)
            }
            Ok(response) => {
                let after = retry::retry_after(response.headers());
                let trouble = Trouble::status(response.status(), after);
                if !retry::may_repeat(&Method::GET, trouble) {
                    return Ok(response);
                }
                (refusal(&response), trouble, after)
            }
        };
        let pause = retry::pause(attempt, after, fastrand::f64());
        let again = attempt < retry::MAX_ATTEMPTS && retry::may_repeat(&Method::GET, trouble);
        if !again || Instant::now() + pause >= deadline {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

/// After what time without an answer another request is made beside the first.
const IMPATIENCE: Duration = Duration::from_secs(2);

/// Sends the request, and again as long as none of them is answered: a connection that leads nowhere, to a Keystone
/// that went away without a word, must not keep us from the one that has come back. A slow Keystone still has all the
/// time to answer the first.
async fn first_answer(
    transport: &Transport,
    build: &impl Fn() -> Result<Request<Bytes>, Error>,
) -> Result<Result<Response<Bytes>, TransportError>, Error> {
    let mut running = FuturesUnordered::new();
    loop {
        running.push(transport.clone().oneshot(build()?));
        if let Ok(Some(answer)) = tokio::time::timeout(IMPATIENCE, running.next()).await {
            return Ok(answer);
        }
    }
}

/// What an answer that is not a success means.
fn refusal(response: &Response<Bytes>) -> Error {
    let after = retry::retry_after(response.headers());
    let mut error = failure(answer::fault(ServiceType::Identity, response.status(), after, response.body()));
    error.request_id = answer::request_id(response.headers());
    error
}

/// A request with the headers that all have; `token` is asked about and proves itself.
fn request(
    config: &SessionConfig,
    method: Method,
    url: &Url,
    body: Bytes,
    token: Option<&HeaderValue>,
) -> Result<Request<Bytes>, Error> {
    let mut builder = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(http::header::USER_AGENT, &config.user_agent)
        .header(http::header::ACCEPT, "application/json");
    if !body.is_empty() {
        builder = builder.header(http::header::CONTENT_TYPE, "application/json");
    }
    if let Some(token) = token {
        builder = builder.header("x-auth-token", token).header("x-subject-token", token);
    }
    builder
        .body(body)
        .map_err(|error| failure(Fault::Invalid("auth-url or user agent".into())).caused_by(error))
}

/// The base of the v3 API, ending in a slash.
async fn find_api(config: &SessionConfig, transport: &Transport) -> Result<Url, Error> {
    let mut url = Url::parse(config.auth.auth_url.trim())
        .map_err(|error| failure(Fault::Invalid("auth-url is not a URL".into())).caused_by(error))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(failure(Fault::Invalid("auth-url is neither http nor https".into())));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    if path.ends_with("/v3/") {
        return Ok(url);
    }
    if path.ends_with("/v2.0/") {
        return Err(failure(Fault::Invalid(
            "auth-url names the Identity API v2.0, which Keystone no longer has".into(),
        )));
    }
    let response =
        exchange(config, transport, || request(config, Method::GET, &url, Bytes::new(), None)).await?;
    // A list of versions comes with status 300. Without one the API may still be in its usual place.
    let is_list = response.status().is_success() || response.status() == http::StatusCode::MULTIPLE_CHOICES;
    Ok(choose_version(&url, if is_list { response.body() } else { b"" }))
}

/// The v3 API by a list of versions, or where it always lies if the list does not help.
///
/// The list's link is followed only on the same host and not from https down to http: the password goes there.
pub(crate) fn choose_version(base: &Url, body: &[u8]) -> Url {
    let usual = || base.join("v3/").unwrap_or_else(|_| base.clone());
    let Ok(list) = serde_json::from_slice::<Value>(body) else { return usual() };
    let versions =
        list.pointer("/versions/values").or_else(|| list.get("versions")).and_then(Value::as_array);
    let link = versions
        .into_iter()
        .flatten()
        .filter(|version| version["id"].as_str().is_some_and(|id| id.starts_with("v3")))
        .find_map(|version| {
            version["links"].as_array()?.iter().find(|link| link["rel"] == "self")?["href"].as_str()
        });
    let Some(Ok(mut link)) = link.map(Url::parse) else { return usual() };
    if link.host_str() != base.host_str() || (base.scheme() == "https" && link.scheme() != "https") {
        return usual();
    }
    let path = format!("{}/", link.path().trim_end_matches('/'));
    link.set_path(&path);
    link
}

enum TokenRequest<'a> {
    /// Ask for a new token with this body.
    Create(Value),
    /// Use this token as it is; ask only what it is good for.
    Use(&'a SecretString),
}

/// The body of `POST /v3/auth/tokens`, see <https://docs.openstack.org/api-ref/identity/v3/>.
fn token_request(auth: &AuthConfig) -> TokenRequest<'_> {
    let method = |name: &str, value: Value| json!({"methods": [name], name: value});
    let (identity, scoped) = match &auth.credentials {
        Credentials::Password { user, password } => {
            let mut who = user_body(user);
            who["password"] = password.expose_secret().into();
            (method("password", json!({ "user": who })), true)
        }
        Credentials::ApplicationCredentialId { id, secret } => {
            (method("application_credential", json!({"id": id, "secret": secret.expose_secret()})), false)
        }
        Credentials::ApplicationCredentialName { user, name, secret } => {
            let credential = json!({"name": name, "secret": secret.expose_secret(), "user": user_body(user)});
            (method("application_credential", credential), false)
        }
        Credentials::Token(token) if auth.scope == Scope::Unscoped => return TokenRequest::Use(token),
        Credentials::Token(token) => (method("token", json!({"id": token.expose_secret()})), true),
    };
    let mut body = json!({ "identity": identity });
    if scoped && let Some(scope) = scope_body(&auth.scope) {
        body["scope"] = scope;
    }
    TokenRequest::Create(json!({ "auth": body }))
}

fn user_body(user: &User) -> Value {
    match user {
        User::Id(id) => json!({ "id": id }),
        User::Name { name, domain } => json!({"name": name, "domain": domain_body(domain)}),
    }
}

fn domain_body(domain: &Domain) -> Value {
    match domain {
        Domain::Id(id) => json!({ "id": id }),
        Domain::Name(name) => json!({ "name": name }),
    }
}

fn scope_body(scope: &Scope) -> Option<Value> {
    match scope {
        Scope::Project(Project::Id(id)) => Some(json!({"project": {"id": id}})),
        Scope::Project(Project::Name { name, domain }) => {
            Some(json!({"project": {"name": name, "domain": domain_body(domain)}}))
        }
        Scope::Domain(domain) => Some(json!({ "domain": domain_body(domain) })),
        Scope::Trust(id) => Some(json!({"OS-TRUST:trust": {"id": id}})),
        Scope::Unscoped => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(credentials: Credentials, scope: Scope) -> Option<Value> {
        let auth = AuthConfig { auth_url: String::new(), credentials, scope };
        match token_request(&auth) {
            TokenRequest::Create(body) => Some(body),
            TokenRequest::Use(_) => None,
        }
    }

    fn by_name(name: &str) -> User {
        User::Name { name: name.into(), domain: Domain::Id("default".into()) }
    }

    #[test]
    fn a_token_in_a_header_is_not_printed() {
        assert_eq!(format!("{:?}", sensitive("hush").unwrap()), "Sensitive");
    }

    #[test]
    fn password_bodies() {
        let password = || SecretString::from("p");
        let project = Project::Name { name: "demo".into(), domain: Domain::Name("Default".into()) };
        assert_eq!(
            body(Credentials::Password { user: by_name("u"), password: password() }, Scope::Project(project))
                .unwrap(),
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user":
                    {"name": "u", "domain": {"id": "default"}, "password": "p"}}},
                "scope": {"project": {"name": "demo", "domain": {"name": "Default"}}}}})
        );
        let by_id = Credentials::Password { user: User::Id("uid".into()), password: password() };
        assert_eq!(
            body(by_id, Scope::Domain(Domain::Id("d".into()))).unwrap(),
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user": {"id": "uid", "password": "p"}}},
                "scope": {"domain": {"id": "d"}}}})
        );
        let trustee = Credentials::Password { user: User::Id("uid".into()), password: password() };
        assert_eq!(
            body(trustee, Scope::Trust("t".into())).unwrap()["auth"]["scope"],
            json!({"OS-TRUST:trust": {"id": "t"}})
        );
    }

    #[test]
    fn application_credentials_send_no_scope() {
        let scope = || Scope::Project(Project::Id("p".into()));
        let by_id = Credentials::ApplicationCredentialId { id: "i".into(), secret: "s".into() };
        assert_eq!(
            body(by_id, scope()).unwrap(),
            json!({"auth": {"identity": {"methods": ["application_credential"],
                "application_credential": {"id": "i", "secret": "s"}}}})
        );
        let by_name = Credentials::ApplicationCredentialName {
            user: by_name("u"),
            name: "n".into(),
            secret: "s".into(),
        };
        assert_eq!(
            body(by_name, scope()).unwrap(),
            json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential":
                {"name": "n", "secret": "s", "user": {"name": "u", "domain": {"id": "default"}}}}}})
        );
    }

    #[test]
    fn a_token_is_exchanged_for_a_scope_and_used_as_it_is_without_one() {
        let token = || Credentials::Token("t".into());
        assert_eq!(
            body(token(), Scope::Project(Project::Id("p".into()))).unwrap(),
            json!({"auth": {"identity": {"methods": ["token"], "token": {"id": "t"}},
                "scope": {"project": {"id": "p"}}}})
        );
        assert!(body(token(), Scope::Unscoped).is_none());
    }

    #[test]
    fn tokens_are_renewed_before_they_expire() {
        assert_eq!(renewal(Duration::from_secs(86_400)), Duration::from_secs(85_500));
        assert_eq!(renewal(Duration::from_secs(60)), Duration::from_secs(45));
        assert_eq!(renewal(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn the_listed_link_is_used_on_the_same_host_only() {
        let list = |href: &str| {
            json!({"versions": {"values": [
                {"id": "v2.0", "links": [{"rel": "self", "href": "http://k/v2.0/"}]},
                {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": href}]}]}})
            .to_string()
        };
        for (base, body, expected) in [
            ("http://k:5000/", list("http://k:5000/v3/"), "http://k:5000/v3/"),
            ("http://k/identity/", list("http://k/identity/v3"), "http://k/identity/v3/"),
            ("https://k/", list("http://k/v3/"), "https://k/v3/"),
            ("http://k/", list("http://evil/v3/"), "http://k/v3/"),
            ("http://k/identity/", "not json".into(), "http://k/identity/v3/"),
        ] {
            assert_eq!(
                choose_version(&Url::parse(base).unwrap(), body.as_bytes()).as_str(),
                expected,
                "{base}"
            );
        }
    }
}
