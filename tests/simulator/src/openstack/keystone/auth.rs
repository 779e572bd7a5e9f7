//! Logins: who it is, by which method, and what for.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::directory::Directory;
use super::scope::{self, Scope};
use super::token::Token;
use super::{Keystone, error};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::state::State;

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Keystone does not tell what was wrong.
    Unauthorized,
    /// By a token that was itself lent.
    Forbidden(&'static str),
    Invalid(String),
    NotFound(String),
}

impl Refusal {
    /// Something has the wrong form.
    pub(super) fn invalid(field: &str, what: &str) -> Self {
        Self::Invalid(format!("Invalid input for field {field}: {what}."))
    }

    /// Something is not there.
    pub(super) fn missing(attribute: &str, target: &str) -> Self {
        Self::Invalid(format!(
            "Expecting to find {attribute} in {target}. The server could not comply with the request since it is \
             either malformed or otherwise incorrect. The client is assumed to be in error."
        ))
    }

    pub(super) fn no_trust(id: &str) -> Self {
        Self::NotFound(format!("Could not find trust: {id}."))
    }
}

/// A string of an object: absent, or a complaint if it is of another type.
pub(super) fn string<'v>(object: &'v Value, key: &str) -> Result<Option<&'v str>, Refusal> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Refusal::invalid(key, &format!("{other} is not of type 'string'"))),
    }
}

/// Who it is, once that is proved.
struct Proved {
    user: String,
    methods: Vec<String>,
    /// An application credential brings what it is for, its roles and its rules along.
    credential: Option<String>,
    /// A token made of another one lives no longer.
    until: Option<Timestamp>,
}

/// `POST /v3/auth/tokens`.
pub(super) fn log_in(state: &mut State, ask: &Ask<'_>) -> Reply {
    match issue(&state.keystone, &ask.body, state.wall) {
        Ok(token) => {
            let id = format!("gAAAAA{}{}", state.ids.hex(), state.ids.hex());
            let mut shown = state.keystone.show(&token);
            if ask.query("nocatalog").is_some()
                && let Some(token) = shown["token"].as_object_mut()
            {
                token.remove("catalog");
            }
            state.keystone.tokens.insert(id.clone(), token);
            // What has died is of no use to anybody: without this a long run keeps them all.
            let now = state.wall;
            state.keystone.tokens.retain(|_, token| token.expires + SignedDuration::from_hours(24) > now);
            Reply::new(201, shown).header("x-subject-token", id)
        }
        Err(Refusal::Unauthorized) => super::unauthorized(ask.base),
        Err(Refusal::Forbidden(action)) => {
            error(403, &format!("You are not authorized to perform the requested action: {action}."))
        }
        Err(Refusal::Invalid(message)) => error(400, &message),
        Err(Refusal::NotFound(message)) => error(404, &message),
    }
}

fn issue(keystone: &Keystone, body: &Value, now: Timestamp) -> Result<Token, Refusal> {
    let auth = body.get("auth").ok_or_else(|| Refusal::missing("auth", "request body"))?;
    let identity =
        auth.get("identity").ok_or_else(|| Refusal::Invalid("'identity' is a required property".into()))?;
    let methods = identity
        .get("methods")
        .and_then(Value::as_array)
        .ok_or_else(|| Refusal::Invalid("'methods' is a required property".into()))?;
    // Keystone takes several; nothing here needs more than one.
    let [Value::String(method)] = methods.as_slice() else { return Err(Refusal::Unauthorized) };
    let said = identity.get(method.as_str()).ok_or_else(|| Refusal::missing(method, "identity"))?;
    let directory = &keystone.directory;
    let proved = match method.as_str() {
        "password" => by_password(directory, said)?,
        "token" => by_token(keystone, said, now)?,
        "application_credential" => by_credential(directory, said, now)?,
        _ => return Err(Refusal::Unauthorized),
    };
    if !directory.user(&proved.user).is_some_and(|user| user.enabled) {
        return Err(Refusal::Unauthorized);
    }
    let life = SignedDuration::try_from(keystone.token_life).unwrap_or(SignedDuration::MAX);
    let life_ends = now.checked_add(life).unwrap_or(Timestamp::MAX);
    let mut token = Token {
        user: proved.user,
        scope: Scope::Unscoped,
        roles: Vec::new(),
        methods: proved.methods,
        credential: proved.credential,
        access_rules: None,
        issued: now,
        expires: proved.until.map_or(life_ends, |until| until.min(life_ends)),
    };
    if let Some(credential) = token.credential.as_deref().and_then(|id| directory.credential(id)) {
        if auth.get("scope").is_some() {
            return Err(Refusal::Unauthorized);
        }
        token.roles = still_held(directory, &credential.user, &credential.project, &credential.roles);
        token.scope = Scope::Project(credential.project.clone());
        token.access_rules.clone_from(&credential.access_rules);
        let enabled = directory.project(&credential.project).is_some_and(|project| project.enabled);
        if token.roles.len() < credential.roles.len() || !enabled {
            return Err(Refusal::Unauthorized);
        }
        return Ok(token);
    }
    token.scope = Scope::read(directory, auth.get("scope"))?;
    token.roles = match &token.scope {
        Scope::Unscoped => return Ok(token),
        Scope::Project(place) | Scope::Domain(place) => directory.roles(&token.user, place).to_vec(),
        Scope::Trust { trust, .. } => {
            let trust = directory.trust(trust).ok_or(Refusal::Unauthorized)?;
            if trust.trustee != token.user {
                return Err(Refusal::Forbidden("using a trust of somebody else"));
            }
            let roles = still_held(directory, &trust.trustor, &trust.project, &trust.roles);
            if trust.impersonation {
                token.user.clone_from(&trust.trustor);
            }
            if roles.len() < trust.roles.len() { Vec::new() } else { roles }
        }
    };
    // Without a role there, one has no business there.
    if token.roles.is_empty() { Err(Refusal::Unauthorized) } else { Ok(token) }
}

/// Those of the roles that their owner still has.
fn still_held(directory: &Directory, user: &str, project: &str, roles: &[String]) -> Vec<String> {
    let held = directory.roles(user, project);
    roles.iter().filter(|role| held.contains(role)).cloned().collect()
}

/// The id of a user who is named by id, or by name and domain.
fn user(directory: &Directory, asked: &Value) -> Result<String, Refusal> {
    let found = match (string(asked, "id")?, string(asked, "name")?) {
        (Some(id), _) => Some(id),
        (None, Some(name)) => {
            let place = asked.get("domain").ok_or_else(|| Refusal::missing("domain", "user"))?;
            directory.user_by_name(name, &scope::domain(directory, place)?)
        }
        (None, None) => {
            return Err(Refusal::invalid("identity/password/user", "id or name must be present"));
        }
    };
    found.map(str::to_owned).ok_or(Refusal::Unauthorized)
}

fn by_password(directory: &Directory, said: &Value) -> Result<Proved, Refusal> {
    let asked = said.get("user").ok_or_else(|| Refusal::missing("user", "password"))?;
    let user = user(directory, asked)?;
    let known = directory.user(&user).ok_or(Refusal::Unauthorized)?;
    let password = string(asked, "password")?.ok_or(Refusal::Unauthorized)?;
    if password != known.password {
        return Err(Refusal::Unauthorized);
    }
    Ok(Proved { user, methods: vec!["password".into()], credential: None, until: None })
}

fn by_token(keystone: &Keystone, said: &Value, now: Timestamp) -> Result<Proved, Refusal> {
    let id = string(said, "id")?.ok_or_else(|| Refusal::Invalid("'id' is a required property".into()))?;
    let Some(token) = keystone.good(id, now) else {
        // Unlike a wrong password, an unknown token is told as 404.
        return Err(Refusal::NotFound("Failed to validate token".into()));
    };
    if matches!(token.scope, Scope::Trust { .. }) {
        let what =
            "Using trust-scoped token to create another token. Create a new trust-scoped token instead";
        return Err(Refusal::Forbidden(what));
    }
    if token.credential.is_some() {
        return Err(Refusal::Forbidden("Using a delegated token to create another token is not allowed."));
    }
    let mut methods = token.methods.clone();
    if !methods.iter().any(|method| method == "token") {
        methods.insert(0, "token".into());
    }
    Ok(Proved { user: token.user.clone(), methods, credential: None, until: Some(token.expires) })
}

fn by_credential(directory: &Directory, said: &Value, now: Timestamp) -> Result<Proved, Refusal> {
    let id = match (string(said, "id")?, string(said, "name")?) {
        (Some(id), _) => id,
        (None, Some(name)) => {
            let owner = said.get("user").ok_or_else(|| Refusal::missing("user", "application_credential"))?;
            directory.credential_by_name(&user(directory, owner)?, name).ok_or(Refusal::Unauthorized)?
        }
        (None, None) => return Err(Refusal::missing("id or name", "application_credential")),
    };
    let credential = directory.credential(id).ok_or(Refusal::Unauthorized)?;
    let alive = credential.expires.is_none_or(|expires| expires > now);
    if !alive || string(said, "secret")? != Some(&credential.secret) {
        return Err(Refusal::Unauthorized);
    }
    let methods = vec!["application_credential".into()];
    let (user, until) = (credential.user.clone(), credential.expires);
    Ok(Proved { user, methods, credential: Some(id.to_owned()), until })
}
