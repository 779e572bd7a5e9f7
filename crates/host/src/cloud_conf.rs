//! The section of cloud.conf that all programs share: `[Global]`, how to reach a cloud and who we are there.

use std::fmt;

use secrecy::SecretString;

use crate::gcfg::{Error, Section};

/// `[Global]` as written; empty values count as missing. What the combinations mean is decided where the login is made.
#[derive(Clone, Default)]
pub struct Global {
    /// Keystone's URL.
    pub auth_url: Option<String>,
    /// Name of the user.
    pub username: Option<String>,
    /// Id of the user.
    pub user_id: Option<String>,
    /// Password of the user.
    pub password: Option<SecretString>,
    /// Id of the project.
    pub tenant_id: Option<String>,
    /// Name of the project.
    pub tenant_name: Option<String>,
    /// Domain where no other is given.
    pub domain_id: Option<String>,
    /// Domain where no other is given.
    pub domain_name: Option<String>,
    /// Domain of the project.
    pub tenant_domain_id: Option<String>,
    /// Domain of the project.
    pub tenant_domain_name: Option<String>,
    /// Domain of the user.
    pub user_domain_id: Option<String>,
    /// Domain of the user.
    pub user_domain_name: Option<String>,
    /// Region whose endpoints are used; the first of any where empty.
    pub region: Option<String>,
    /// Which of a service's endpoints is used.
    pub endpoint_type: EndpointType,
    /// PEM file of the certificate authorities that are trusted in place of the system's.
    pub ca_file: Option<String>,
    /// The same inline. Undocumented, but some files have it.
    pub ca_file_contents: Option<String>,
    /// PEM file of the client certificate.
    pub cert_file: Option<String>,
    /// PEM file of its key.
    pub key_file: Option<String>,
    /// Certificates are not verified. Only the word `true` turns verification off.
    pub tls_insecure: bool,
    /// `tls-insecure` is neither empty, `true` nor `false`: it has no effect, which deserves a warning.
    pub tls_insecure_odd: bool,
    /// Id of the application credential.
    pub application_credential_id: Option<String>,
    /// Name of the application credential.
    pub application_credential_name: Option<String>,
    /// Secret of the application credential.
    pub application_credential_secret: Option<SecretString>,
    /// Id of the trust.
    pub trust_id: Option<String>,
    /// User that the trust is given to.
    pub trustee_id: Option<String>,
    /// Password of that user.
    pub trustee_password: Option<SecretString>,
    /// A ready token.
    pub token: Option<SecretString>,
    /// Read clouds.yaml as well.
    pub use_clouds: bool,
    /// Path of clouds.yaml.
    pub clouds_file: Option<String>,
    /// Entry of clouds.yaml.
    pub cloud: Option<String>,
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

impl Global {
    /// Takes the keys from a `[Global]` section.
    ///
    /// # Errors
    /// A value is not of its type.
    pub fn take(section: &mut Section) -> Result<Self, Error> {
        let mut text =
            |key: &str| Ok::<_, Error>(section.take::<String>(key)?.filter(|text| !text.is_empty()));
        let tls_insecure = text("tls-insecure")?;
        Ok(Self {
            auth_url: text("auth-url")?,
            username: text("username")?,
            user_id: text("user-id")?,
            tenant_id: text("tenant-id")?,
            tenant_name: text("tenant-name")?,
            domain_id: text("domain-id")?,
            domain_name: text("domain-name")?,
            tenant_domain_id: text("tenant-domain-id")?,
            tenant_domain_name: text("tenant-domain-name")?,
            user_domain_id: text("user-domain-id")?,
            user_domain_name: text("user-domain-name")?,
            region: text("region")?,
            ca_file: text("ca-file")?,
            ca_file_contents: text("cafilecontents")?,
            cert_file: text("cert-file")?,
            key_file: text("key-file")?,
            application_credential_id: text("application-credential-id")?,
            application_credential_name: text("application-credential-name")?,
            trust_id: text("trust-id")?,
            trustee_id: text("trustee-id")?,
            clouds_file: text("clouds-file")?,
            cloud: text("cloud")?,
            password: secret(section, "password")?,
            application_credential_secret: secret(section, "application-credential-secret")?,
            trustee_password: secret(section, "trustee-password")?,
            token: secret(section, "token")?,
            tls_insecure: tls_insecure.as_deref() == Some("true"),
            tls_insecure_odd: !matches!(tls_insecure.as_deref(), None | Some("true" | "false")),
            endpoint_type: section.take_with("os-endpoint-type", endpoint_type)?.unwrap_or_default(),
            use_clouds: section.take("use-clouds")?.unwrap_or_default(),
        })
    }
}

fn secret(section: &mut Section, key: &str) -> Result<Option<SecretString>, Error> {
    section
        .take_with(key, |text| match text {
            None => Err("a value is missing".to_owned()),
            Some(text) => Ok((!text.is_empty()).then(|| SecretString::from(text))),
        })
        .map(Option::flatten)
}

fn endpoint_type(text: Option<&str>) -> Result<EndpointType, String> {
    match text {
        Some("public") => Ok(EndpointType::Public),
        Some("internal") => Ok(EndpointType::Internal),
        Some("admin") => Ok(EndpointType::Admin),
        _ => Err("expected public, internal or admin".to_owned()),
    }
}

impl fmt::Debug for Global {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Global")
            .field("auth_url", &self.auth_url)
            .field("region", &self.region)
            .field("cloud", &self.cloud)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::gcfg::File;

    fn global(lines: &str) -> Result<Global, Error> {
        let mut section =
            File::parse("cloud.conf", &format!("[Global]\n{lines}")).unwrap().take_section("Global");
        let global = Global::take(&mut section)?;
        assert!(section.finish().is_empty());
        Ok(global)
    }

    #[test]
    fn empty_values_are_missing_and_defaults_are_go_s() {
        let global =
            global("auth-url = https://keystone/v3\nusername =\npassword=\"p;#\"\ntoken=\n").unwrap();
        assert_eq!(global.auth_url.as_deref(), Some("https://keystone/v3"));
        assert_eq!(global.password.unwrap().expose_secret(), "p;#");
        assert!(global.username.is_none() && global.token.is_none() && !global.use_clouds);
        assert_eq!(global.endpoint_type, EndpointType::Public);
    }

    #[test]
    fn only_the_word_true_turns_verification_off() {
        for (value, insecure, odd) in [
            ("true", true, false),
            ("yes", false, true),
            ("True", false, true),
            ("false", false, false),
            ("", false, false),
        ] {
            let global = global(&format!("tls-insecure={value}")).unwrap();
            assert_eq!((global.tls_insecure, global.tls_insecure_odd), (insecure, odd), "{value:?}");
        }
    }

    #[test]
    fn endpoint_types_are_exact() {
        assert_eq!(global("os-endpoint-type=internal").unwrap().endpoint_type, EndpointType::Internal);
        for value in ["internalURL", "", "Public"] {
            let error = global(&format!("os-endpoint-type={value}")).unwrap_err();
            assert_eq!(
                error.to_string(),
                "cloud.conf:2:1: os-endpoint-type: expected public, internal or admin"
            );
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let global =
            global("password=hush\napplication-credential-secret=hush\ntrustee-password=hush\ntoken=hush")
                .unwrap();
        assert!(!format!("{global:?}").contains("hush"));
    }
}
