//! What an administrator does in Keystone.

use jiff::Timestamp;

use super::{ApplicationCredential, Trust};
use crate::openstack::operator::Operator;

impl Operator {
    /// The id of the project that was there first.
    pub fn project(&self) -> String {
        self.state(|state| state.keystone.first_project().to_owned())
    }

    /// The id of the user of this name in the domain `default`.
    pub fn user(&self, name: &str) -> Option<String> {
        self.state(|state| state.keystone.directory.user_by_name(name, "default").map(str::to_owned))
    }

    /// Makes a domain; gives its id.
    pub fn add_domain(&self, name: &str) -> String {
        self.state(|state| state.keystone.directory.add_domain(&mut state.ids, name))
    }

    /// Makes a project in a domain (`default` is there); gives its id.
    pub fn add_project(&self, name: &str, domain: &str) -> String {
        self.state(|state| state.keystone.directory.add_project(&mut state.ids, name, domain))
    }

    /// Makes a user in a domain; gives its id.
    pub fn add_user(&self, name: &str, domain: &str, password: &str) -> String {
        self.state(|state| state.keystone.directory.add_user(&mut state.ids, name, domain, password))
    }

    /// Gives a user these roles, and no others, in a project or domain; none takes them all. Tokens of before keep theirs.
    pub fn grant(&self, user: &str, place: &str, roles: &[&str]) {
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        self.state(|state| state.keystone.directory.grant(user, place, &roles));
    }

    /// Makes an application credential; gives its id.
    pub fn add_application_credential(&self, credential: ApplicationCredential) -> String {
        self.state(|state| state.keystone.directory.add_credential(&mut state.ids, credential))
    }

    /// Deletes an application credential, and the tokens that were made by it.
    pub fn delete_application_credential(&self, id: &str) {
        self.state(|state| {
            state.keystone.directory.remove_credential(id);
            state.keystone.tokens.retain(|_, token| token.credential.as_deref() != Some(id));
        });
    }

    /// Makes a trust; gives its id.
    pub fn add_trust(&self, trust: Trust) -> String {
        self.state(|state| state.keystone.directory.add_trust(&mut state.ids, trust))
    }

    /// Changes a password; tokens of before end.
    pub fn set_password(&self, user: &str, password: &str) {
        self.state(|state| {
            if let Some(user) = state.keystone.directory.user_mut(user) {
                password.clone_into(&mut user.password);
            }
            state.keystone.tokens.retain(|_, token| token.user != user);
        });
    }

    /// Lets a user in or out; let out, the tokens end.
    pub fn enable_user(&self, user: &str, enabled: bool) {
        self.state(|state| {
            if let Some(user) = state.keystone.directory.user_mut(user) {
                user.enabled = enabled;
            }
            state.keystone.tokens.retain(|_, token| enabled || token.user != user);
        });
    }

    /// Opens or closes a project; closed, its tokens end.
    pub fn enable_project(&self, project: &str, enabled: bool) {
        self.state(|state| {
            if let Some(project) = state.keystone.directory.project_mut(project) {
                project.enabled = enabled;
            }
            state.keystone.tokens.retain(|_, token| enabled || token.scope.project() != Some(project));
        });
    }

    /// Ends all tokens.
    pub fn revoke_all_tokens(&self) {
        self.state(|state| state.keystone.tokens.clear());
    }

    /// The latest instant at which a token of today still is good.
    pub fn last_expiry(&self) -> Option<Timestamp> {
        self.state(|state| state.keystone.tokens.values().map(|token| token.expires).max())
    }
}
