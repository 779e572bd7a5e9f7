//! `[Global]`: how to reach a cloud, and who we are there.

use secrecy::SecretString;

use super::table::section;
use crate::gcfg::{Invalid, Value};

section! {
    /// Where Keystone is, and as whom to log in: a token goes before a password, a password before an application credential.
    /// An empty value counts as none.
    ["Global", Optional] read by [CloudController, CinderPlugin]
    pub struct Global {
        /// address of Keystone
        "auth-url" auth_url: Option<String> = None, shown "required";
        /// region whose endpoints are used; value of the Nodes' region labels
        "region" region: Option<String> = None, shown "any";
        /// which of a service's endpoints: `public`, `internal` or `admin`
        "os-endpoint-type" endpoint_type: EndpointType = EndpointType::Public;
        /// user by name; needs a domain
        "username" username: Option<String> = None;
        /// user by id; one of the two
        "user-id" user_id: Option<String> = None;
        /// password of the user
        "password" password: Option<SecretString> = None;
        /// domain of the user
        "user-domain-id" user_domain_id: Option<String> = None;
        /// domain of the user
        "user-domain-name" user_domain_name: Option<String> = None;
        /// project by id
        "tenant-id" tenant_id: Option<String> = None;
        /// project by name; needs a domain
        "tenant-name" tenant_name: Option<String> = None;
        /// domain of the project
        "tenant-domain-id" tenant_domain_id: Option<String> = None;
        /// domain of the project
        "tenant-domain-name" tenant_domain_name: Option<String> = None;
        /// domain where no other is given; without a project, what the token is for
        "domain-id" domain_id: Option<String> = None;
        /// domain where no other is given; without a project, what the token is for
        "domain-name" domain_name: Option<String> = None;
        /// application credential by id; brings its own scope
        "application-credential-id" application_credential_id: Option<String> = None;
        /// application credential by name; needs the user
        "application-credential-name" application_credential_name: Option<String> = None;
        /// secret of the application credential
        "application-credential-secret" application_credential_secret: Option<SecretString> = None;
        /// trust by id: the token is for what the trust is for
        "trust-id" trust_id: Option<String> = None;
        /// user that the trust is given to, in place of `user-id`
        "trustee-id" trustee_id: Option<String> = None;
        /// password of that user, in place of `password`
        "trustee-password" trustee_password: Option<SecretString> = None;
        /// a ready token
        "token" token: Option<SecretString> = None;
        /// PEM file with the authorities that are trusted in place of the system's
        "ca-file" ca_file: Option<String> = None, shown "system's";
        /// the same, written into the file
        "cafilecontents" ca_file_contents: Option<String> = None;
        /// PEM file with a client certificate; goes with `key-file`
        "cert-file" cert_file: Option<String> = None;
        /// PEM file with its key
        "key-file" key_file: Option<String> = None;
        /// accept any certificate; only the word `true` does
        "tls-insecure" tls_insecure: Insecure = Insecure::default(), odd Insecure::odd;
        /// fill what is not set here from clouds.yaml
        "use-clouds" use_clouds: bool = false;
        /// path of clouds.yaml
        "clouds-file" clouds_file: Option<String> = None, shown "searched";
        /// entry of clouds.yaml
        "cloud" cloud: Option<String> = None, shown "the only one";
    }
}

/// Which endpoints of the catalogue are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndpointType {
    /// `public`
    #[default]
    Public,
    /// `internal`
    Internal,
    /// `admin`
    Admin,
}

impl Value for EndpointType {
    const KIND: &'static str = "word";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        match text {
            Some("public") => Ok(Self::Public),
            Some("internal") => Ok(Self::Internal),
            Some("admin") => Ok(Self::Admin),
            _ => Err(Invalid::fatal("expected public, internal or admin")),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
        .to_owned()
    }
}

/// `tls-insecure`, which is a text and no boolean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Insecure {
    /// Certificates are checked.
    #[default]
    No,
    /// They are not.
    Yes,
    /// They are, although somebody seems to have meant otherwise.
    Odd,
}

impl Insecure {
    /// Certificates are not checked.
    pub fn is_on(self) -> bool {
        self == Self::Yes
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the macro hands in every value by reference")]
    fn odd(&self) -> Vec<String> {
        match self {
            Self::Odd => vec!["certificates are checked; only the word `true` turns that off".to_owned()],
            _ => Vec::new(),
        }
    }
}

impl Value for Insecure {
    const KIND: &'static str = "text";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        Ok(match <String as Value>::parse(text)?.as_str() {
            "true" => Self::Yes,
            "" | "false" => Self::No,
            _ => Self::Odd,
        })
    }

    fn show(&self) -> String {
        self.is_on().to_string()
    }
}
