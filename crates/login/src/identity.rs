//! What the keys for a login mean together: which credentials, which user, which scope. Precedence is that of the Go
//! cloud provider: a token before a password, a password before an application credential, ids before names.

use host::cloud_conf::Global;
use openstack::{AuthConfig, Credentials, Domain, Project, Scope, User};

/// A combination of keys that makes no login: the key to look at, and what is wrong.
pub(crate) struct Fault {
    pub(crate) key: &'static str,
    pub(crate) message: &'static str,
}

fn fault(key: &'static str, message: &'static str) -> Fault {
    Fault { key, message }
}

/// The login that `said` describes.
pub(crate) fn auth(said: &Global) -> Result<AuthConfig, Fault> {
    let missing = "needs auth-url, the address of Keystone";
    let auth_url = said.auth_url.clone().ok_or_else(|| fault("auth-url", missing))?;
    Ok(AuthConfig { auth_url, credentials: credentials(said)?, scope: scope(said)? })
}

fn credentials(said: &Global) -> Result<Credentials, Fault> {
    if let Some(token) = &said.token {
        return Ok(Credentials::Token(token.clone()));
    }
    if let Some(password) = said.trustee_password.as_ref().or(said.password.as_ref()) {
        return Ok(Credentials::Password { user: user(said)?, password: password.clone() });
    }
    let secret = said.application_credential_secret.clone();
    match (&said.application_credential_id, &said.application_credential_name, secret) {
        (Some(id), _, Some(secret)) => Ok(Credentials::ApplicationCredentialId { id: id.clone(), secret }),
        (None, Some(name), Some(secret)) => {
            Ok(Credentials::ApplicationCredentialName { user: user(said)?, name: name.clone(), secret })
        }
        (Some(_), _, None) | (None, Some(_), None) => {
            Err(fault("application-credential-secret", "needs application-credential-secret"))
        }
        _ => Err(fault(
            "auth-url",
            "needs credentials: a password with username or user-id, an application credential, or a token",
        )),
    }
}

fn user(said: &Global) -> Result<User, Fault> {
    if let Some(id) = &said.trustee_id {
        return Ok(User::Id(id.clone()));
    }
    match (&said.user_id, &said.username) {
        (Some(_), Some(_)) => Err(fault("user-id", "has both username and user-id")),
        (Some(id), None) => Ok(User::Id(id.clone())),
        (None, Some(name)) => {
            // The general domain is the user's only where it is not itself what the token is for.
            let general = general_domain(said)?.filter(|_| {
                names_a_project(said) || uses_application_credential(said) || said.trust_id.is_some()
            });
            let own = domain(
                said.user_domain_id.as_ref(),
                said.user_domain_name.as_ref(),
                fault("user-domain-id", "has both user-domain-id and user-domain-name"),
            )?;
            let missing = "names the user by username and needs its domain: user-domain-name or domain-name";
            let domain = own.or(general).ok_or_else(|| fault("auth-url", missing))?;
            Ok(User::Name { name: name.clone(), domain })
        }
        (None, None) => Err(fault("auth-url", "has a secret but neither username nor user-id")),
    }
}

fn scope(said: &Global) -> Result<Scope, Fault> {
    if let Some(trust) = &said.trust_id {
        if uses_application_credential(said) {
            let message = "has a trust and an application credential, which Keystone does not combine";
            return Err(fault("trust-id", message));
        }
        return Ok(Scope::Trust(trust.clone()));
    }
    if uses_application_credential(said) {
        // Keystone refuses a scope beside an application credential; Go then sends none for a password either.
        return Ok(Scope::Unscoped);
    }
    if let Some(id) = &said.tenant_id {
        return Ok(Scope::Project(Project::Id(id.clone())));
    }
    let Some(name) = &said.tenant_name else {
        return Ok(general_domain(said)?.map_or(Scope::Unscoped, Scope::Domain));
    };
    let own = domain(
        said.tenant_domain_id.as_ref(),
        said.tenant_domain_name.as_ref(),
        fault("tenant-domain-id", "has both tenant-domain-id and tenant-domain-name"),
    )?;
    let missing = "names the project by tenant-name and needs its domain: tenant-domain-name or domain-name";
    let domain = match own {
        Some(own) => own,
        None => general_domain(said)?.ok_or_else(|| fault("auth-url", missing))?,
    };
    Ok(Scope::Project(Project::Name { name: name.clone(), domain }))
}

fn names_a_project(said: &Global) -> bool {
    said.tenant_id.is_some() || said.tenant_name.is_some()
}

fn uses_application_credential(said: &Global) -> bool {
    said.application_credential_id.is_some()
        || said.application_credential_name.is_some()
        || said.application_credential_secret.is_some()
}

fn general_domain(said: &Global) -> Result<Option<Domain>, Fault> {
    domain(
        said.domain_id.as_ref(),
        said.domain_name.as_ref(),
        fault("domain-id", "has both domain-id and domain-name"),
    )
}

/// Id and name together are refused, as by Go: only Keystone could tell whether they are one domain.
fn domain(id: Option<&String>, name: Option<&String>, both: Fault) -> Result<Option<Domain>, Fault> {
    match (id, name) {
        (Some(_), Some(_)) => Err(both),
        (Some(id), None) => Ok(Some(Domain::Id(id.clone()))),
        (None, name) => Ok(name.cloned().map(Domain::Name)),
    }
}
