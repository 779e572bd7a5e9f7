//! Who we are: credentials and scope for Keystone v3.

pub(crate) mod keyring;
pub(crate) mod keystone;

use secrecy::SecretString;

/// Where and as whom to log in.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Keystone's URL. One that ends in `/v3` or `/v3/` is used as it is, any other is asked for its versions.
    pub auth_url: String,
    /// What proves who we are.
    pub credentials: Credentials,
    /// What the token shall be good for. Application credentials carry their own scope, theirs is not sent.
    pub scope: Scope,
}

/// What proves who we are.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A user's password.
    Password {
        /// The user.
        user: User,
        /// The password.
        password: SecretString,
    },
    /// An application credential by its id.
    ApplicationCredentialId {
        /// The credential's id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
    /// An application credential by its name, which is unique per user.
    ApplicationCredentialName {
        /// The user it belongs to.
        user: User,
        /// The credential's name.
        name: String,
        /// Its secret.
        secret: SecretString,
    },
    /// An existing token. With a scope it is exchanged, without one it is used as it is; either way nothing can be
    /// renewed beyond its own expiry.
    Token(SecretString),
}

/// A Keystone user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// By id.
    Id(String),
    /// By name, which is unique per domain.
    Name {
        /// The user's name.
        name: String,
        /// The domain the user lives in.
        domain: Domain,
    },
}

/// A Keystone domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domain {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// A Keystone project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Project {
    /// By id.
    Id(String),
    /// By name, which is unique per domain.
    Name {
        /// The project's name.
        name: String,
        /// The domain the project lives in.
        domain: Domain,
    },
}

/// What a token is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// A project: what every service call needs.
    Project(Project),
    /// A domain.
    Domain(Domain),
    /// What a trust delegates to us: a project and roles of the user who trusts. Holds the trust's id.
    Trust(String),
    /// None asked for; Keystone may then choose the user's default project.
    #[default]
    Unscoped,
}
