//! Tokens, and how they are shown.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Keystone;
use crate::openstack::endpoints::Service;

/// What a token stands for.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) user: String,
    pub(crate) project: Option<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

/// A time as Keystone writes it: `2026-01-01T00:00:00.000000Z`.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

impl Keystone {
    /// The body of an answer about a token.
    pub(super) fn show(&self, token: &Token) -> Value {
        let named = |id: &str| json!({"id": id, "name": self.domains.get(id)});
        let user = self.users.get(&token.user).map(|user| {
            json!({"id": token.user, "name": user.name, "domain": named(&user.domain), "password_expires_at": null})
        });
        let mut shown = json!({
            "methods": token.methods,
            "user": user,
            "audit_ids": [],
            "issued_at": time(token.issued),
            "expires_at": time(token.expires),
        });
        if let Some((id, project)) = token.project.as_ref().and_then(|id| Some((id, self.projects.get(id)?)))
        {
            shown["project"] = json!({"id": id, "name": project.name, "domain": named(&project.domain)});
            shown["is_domain"] = false.into();
            let roles = token.roles.iter().map(|role| json!({"id": role, "name": role}));
            shown["roles"] = roles.collect();
            shown["catalog"] = self.catalog();
        }
        json!({ "token": shown })
    }

    fn catalog(&self) -> Value {
        let entry = |service: Service| {
            let url = format!("{}{}", self.endpoints.of(service), service.root());
            let endpoints: Vec<Value> = self
                .regions
                .iter()
                .flat_map(|region| {
                    ["public", "internal", "admin"].map(|interface| {
                        json!({
                            "id": format!("{service}-{region}-{interface}"), "interface": interface,
                            "region": region, "region_id": region, "url": url,
                        })
                    })
                })
                .collect();
            json!({"id": service.name(), "type": service.kind(), "name": service.name(), "endpoints": endpoints})
        };
        Service::ALL.map(entry).into_iter().collect()
    }
}
