//! Keystone: logging in, and what a token is worth.

use serde_json::{Value, json};

use crate::contract::step::{Step, User, get, post};

fn password(name: &str, password: &str, scope: Value) -> Value {
    let user = json!({"name": name, "password": password, "domain": {"id": "default"}});
    let mut auth = json!({"identity": {"methods": ["password"], "password": {"user": user}}});
    if !scope.is_null() {
        auth["scope"] = scope;
    }
    json!({ "auth": auth })
}

pub(super) fn steps() -> Vec<Step> {
    let tokens = "keystone/v3/auth/tokens";
    let project = |name: &str| json!({"project": {"name": name, "domain": {"id": "default"}}});
    let login = |body: Value, expect| post(tokens, body, expect).by(User::Nobody);
    vec![
        get("keystone/v3", 200).by(User::Nobody).into(),
        login(password("{name of user}", "{password of user}", project("{project of user}")), 201)
            .saves("token", "@x-subject-token")
            .saves("user id", "/token/user/id")
            .into(),
        login(password("{name of user}", "{password of user}", json!({"project": {"id": "{project}"}})), 201)
            .into(),
        login(password("{name of user}", "wrong", project("{project of user}")), 401).into(),
        login(password("nobody", "wrong", project("{project of user}")), 401).into(),
        login(password("{name of user}", "{password of user}", project("no-such-project")), 401).into(),
        login(password("{name of user}", "{password of user}", project("{project of other}")), 401).into(),
        login(json!({"auth": {}}), 400).into(),
        get(tokens, 200).header("x-subject-token", "{token}").into(),
        get(tokens, 404).header("x-subject-token", "gAAAAABno-such-token").into(),
        get(tokens, 401).by(User::Stranger).header("x-subject-token", "{token}").into(),
        get("keystone/v3/auth/catalog-of-nothing", 404).into(),
    ]
}
