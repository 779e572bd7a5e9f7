//! Logins.

use jiff::SignedDuration;
use serde_json::Value;

use super::token::Token;
use super::{Keystone, error};
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::state::State;

const REFUSED: &str = "The request you have made requires authentication.";

/// `POST /v3/auth/tokens`.
pub(super) fn log_in(state: &mut State, ask: &Ask<'_>) -> Reply {
    let Some(token) = check(&state.keystone, &ask.body["auth"], state.wall) else {
        return error(401, REFUSED);
    };
    let id = format!("gAAAAA{}{}", state.ids.hex(), state.ids.hex());
    let shown = state.keystone.show(&token);
    state.keystone.tokens.insert(id.clone(), token);
    Reply::new(201, shown).header("x-subject-token", id)
}

fn check(keystone: &Keystone, auth: &Value, now: jiff::Timestamp) -> Option<Token> {
    let asked = &auth["identity"]["password"]["user"];
    let (user, known) = keystone.users.iter().find(|(id, user)| {
        asked["id"] == **id
            || (asked["name"] == user.name && is_domain(keystone, &asked["domain"], &user.domain))
    })?;
    if asked["password"] != known.password {
        return None;
    }
    let wanted = &auth["scope"]["project"];
    let (project, _) = keystone.projects.iter().find(|(id, project)| {
        wanted["id"] == **id
            || (wanted["name"] == project.name && is_domain(keystone, &wanted["domain"], &project.domain))
    })?;
    let roles = keystone.grants.get(&(user.clone(), project.clone()))?;
    let life = SignedDuration::try_from(keystone.token_life).ok()?;
    Some(Token {
        user: user.clone(),
        project: Some(project.clone()),
        roles: roles.clone(),
        methods: vec!["password".into()],
        issued: now,
        expires: now.checked_add(life).ok()?,
    })
}

fn is_domain(keystone: &Keystone, asked: &Value, id: &str) -> bool {
    asked["id"] == *id || keystone.domains.get(id).is_some_and(|name| asked["name"] == *name)
}
