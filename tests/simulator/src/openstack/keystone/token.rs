//! Tokens, and how they are shown.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Keystone;
use super::directory::AccessRule;
use super::scope::Scope;
use crate::openstack::endpoints::Service;

/// What a token stands for.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) user: String,
    pub(crate) scope: Scope,
    pub(crate) roles: Vec<String>,
    pub(crate) methods: Vec<String>,
    /// The id of the application credential it was made by.
    pub(crate) credential: Option<String>,
    pub(crate) access_rules: Option<Vec<AccessRule>>,
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
        let directory = &self.directory;
        let domain = |id: &str| json!({"id": id, "name": directory.domain_name(id)});
        let user = directory.user(&token.user).map(|user| {
            json!({"id": token.user, "name": user.name, "domain": domain(&user.domain), "password_expires_at": null})
        });
        let mut shown = json!({
            "methods": token.methods,
            "user": user,
            "audit_ids": [],
            "issued_at": time(token.issued),
            "expires_at": time(token.expires),
        });
        if let Some(id) = token.scope.project()
            && let Some(project) = directory.project(id)
        {
            shown["project"] = json!({"id": id, "name": project.name, "domain": domain(&project.domain)});
            shown["is_domain"] = false.into();
        }
        match &token.scope {
            Scope::Domain(id) => shown["domain"] = domain(id),
            Scope::Trust { trust: id, .. } => {
                let trust = directory.trust(id);
                shown["OS-TRUST:trust"] = json!({
                    "id": id,
                    "impersonation": trust.map(|trust| trust.impersonation),
                    "trustor_user": {"id": trust.map(|trust| &trust.trustor)},
                    "trustee_user": {"id": trust.map(|trust| &trust.trustee)},
                });
            }
            Scope::Unscoped | Scope::Project(_) => {}
        }
        if let Some(credential) =
            token.credential.as_deref().and_then(|id| Some((id, directory.credential(id)?)))
        {
            let (id, credential) = credential;
            shown["application_credential"] = json!({"id": id, "name": credential.name, "restricted": true});
        }
        if token.scope != Scope::Unscoped {
            shown["roles"] = token.roles.iter().map(|role| json!({"id": role, "name": role})).collect();
            shown["catalog"] = self.catalog();
        }
        json!({ "token": shown })
    }

    /// Every service in every region by every interface.
    pub(super) fn catalog(&self) -> Value {
        let endpoint = |service: Service, region: &String, interface: &String| {
            json!({
                "id": format!("{service}-{region}-{interface}"),
                "interface": interface,
                "region": region,
                "region_id": region,
                "url": format!("{}{}", self.endpoints.of(service), service.root()),
            })
        };
        let entry = |service: Service| {
            let of_region =
                |region| self.interfaces.iter().map(move |interface| endpoint(service, region, interface));
            let endpoints: Vec<Value> = self.regions.iter().flat_map(of_region).collect();
            json!({"id": service.name(), "type": service.kind(), "name": service.name(), "endpoints": endpoints})
        };
        Service::ALL.map(entry).into_iter().collect()
    }
}
