//! `clouds.yaml`, `clouds-public.yaml` and `secure.yaml`: their form, which entry counts, and how entries are laid over
//! one another.
//!
//! The form is that of openstacksdk, see
//! <https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html>; read is what the Go cloud provider
//! reads of it. Messages name places and keys, never values: the parser's own would quote the lines around a mistake.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};

/// The three files, as far as they are there.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    clouds: BTreeMap<String, Entry>,
    public: BTreeMap<String, Entry>,
    secure: BTreeMap<String, Entry>,
}

/// One cloud.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Entry {
    cloud: Text,
    profile: Text,
    #[serde(deserialize_with = "null_as_default")]
    pub(crate) auth: Identity,
    pub(crate) region_name: Text,
    endpoint_type: Text,
    interface: Text,
    /// Whether certificates are checked.
    pub(crate) verify: Option<bool>,
    pub(crate) cacert: Text,
    pub(crate) cert: Text,
    pub(crate) key: Text,
}

/// Who we are there.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Identity {
    pub(crate) auth_url: Text,
    pub(crate) token: Text,
    pub(crate) username: Text,
    pub(crate) user_id: Text,
    pub(crate) password: Text,
    pub(crate) project_name: Text,
    pub(crate) project_id: Text,
    pub(crate) user_domain_name: Text,
    pub(crate) user_domain_id: Text,
    pub(crate) project_domain_name: Text,
    pub(crate) project_domain_id: Text,
    pub(crate) domain_name: Text,
    pub(crate) domain_id: Text,
    pub(crate) default_domain: Text,
    pub(crate) application_credential_id: Text,
    pub(crate) application_credential_name: Text,
    pub(crate) application_credential_secret: Text,
}

/// A scalar, as it is written; an empty one counts as missing. Any of them may be a secret.
#[derive(Clone, Default)]
pub(crate) struct Text(Option<SecretString>);

impl Text {
    pub(crate) fn secret(&self) -> Option<SecretString> {
        self.0.clone()
    }

    pub(crate) fn plain(&self) -> Option<String> {
        self.0.as_ref().map(|text| text.expose_secret().to_owned())
    }

    fn or(&self, other: &Self) -> Self {
        if self.0.is_some() { self.clone() } else { other.clone() }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(Self(text.filter(|text| !text.is_empty()).map(SecretString::from)))
    }
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The top of a file.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    #[serde(deserialize_with = "null_as_default")]
    clouds: BTreeMap<String, Option<Entry>>,
    #[serde(rename = "public-clouds", deserialize_with = "null_as_default")]
    public: BTreeMap<String, Option<Entry>>,
}

/// What is wrong with a file, and where: line and column from 1, 0 if unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {what}")]
pub struct Malformed {
    line: u64,
    column: u64,
    what: &'static str,
}

fn parse(text: &str) -> Result<File, Malformed> {
    // Go's parser takes the last of equal keys, and files in the field have them.
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let file: Option<File> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location();
        Malformed {
            line: place.map_or(0, |place| place.line()),
            column: place.map_or(0, |place| place.column()),
            what: "not YAML, or not of the form of clouds.yaml",
        }
    })?;
    Ok(file.unwrap_or_default())
}

fn present(entries: BTreeMap<String, Option<Entry>>) -> BTreeMap<String, Entry> {
    entries.into_iter().map(|(name, entry)| (name, entry.unwrap_or_default())).collect()
}

impl Documents {
    /// Takes `clouds.yaml`.
    ///
    /// # Errors
    /// It is not of this form.
    pub fn clouds(&mut self, text: &str) -> Result<(), Malformed> {
        self.clouds = present(parse(text)?.clouds);
        Ok(())
    }

    /// Takes `clouds-public.yaml`.
    ///
    /// # Errors
    /// It is not of this form.
    pub fn public(&mut self, text: &str) -> Result<(), Malformed> {
        self.public = present(parse(text)?.public);
        Ok(())
    }

    /// Takes `secure.yaml`.
    ///
    /// # Errors
    /// It is not of this form.
    pub fn secure(&mut self, text: &str) -> Result<(), Malformed> {
        self.secure = present(parse(text)?.clouds);
        Ok(())
    }

    /// The entry `name`, or the only one there is.
    pub(crate) fn choose(&self, name: Option<&str>) -> Result<Entry, String> {
        let known = || self.clouds.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let (name, found) = match name {
            Some(name) => {
                let found = self.clouds.get(name).ok_or_else(|| {
                    format!("there is no cloud {name:?} in clouds.yaml, which has {}", known())
                })?;
                (name, found)
            }
            None => match (self.clouds.iter().next(), self.clouds.len(), self.secure.iter().next()) {
                (Some((name, entry)), 1, _) => (name.as_str(), entry),
                (None, _, Some((name, entry))) if self.secure.len() == 1 => (name.as_str(), entry),
                (None, ..) => return Err("there is no cloud in clouds.yaml".to_owned()),
                _ => {
                    return Err(format!(
                        "clouds.yaml has several clouds, `cloud` must name one: {}",
                        known()
                    ));
                }
            },
        };
        let profile = found.profile.or(&found.cloud).plain();
        let whole = match &profile {
            Some(profile) => {
                let public = self.public.get(profile).ok_or_else(|| {
                    format!(
                        "cloud {name:?} has the profile {profile:?}, which clouds-public.yaml does not have"
                    )
                })?;
                found.over(public)
            }
            None => found.clone(),
        };
        Ok(match self.secure.get(name) {
            Some(secure) => secure.over(&whole),
            None => whole,
        })
    }

    /// Everything that choosing looks at, for tests that try any input.
    #[doc(hidden)]
    pub fn try_all(&self) -> usize {
        let names: Vec<Option<&str>> =
            self.clouds.keys().map(|name| Some(name.as_str())).chain([None]).collect();
        names.into_iter().filter(|name| self.choose(*name).is_ok()).count()
    }
}

impl Entry {
    /// `public`, `internal` or `admin`, also written `publicURL` and so on.
    pub(crate) fn interface(&self) -> Option<String> {
        self.endpoint_type.or(&self.interface).plain()
    }

    /// This entry, and what it does not say from `other`.
    fn over(&self, other: &Self) -> Self {
        Self {
            cloud: self.cloud.or(&other.cloud),
            profile: self.profile.or(&other.profile),
            auth: self.auth.over(&other.auth),
            region_name: self.region_name.or(&other.region_name),
            endpoint_type: self.endpoint_type.or(&other.endpoint_type),
            interface: self.interface.or(&other.interface),
            verify: self.verify.or(other.verify),
            cacert: self.cacert.or(&other.cacert),
            cert: self.cert.or(&other.cert),
            key: self.key.or(&other.key),
        }
    }
}

impl Identity {
    fn over(&self, other: &Self) -> Self {
        Self {
            auth_url: self.auth_url.or(&other.auth_url),
            token: self.token.or(&other.token),
            username: self.username.or(&other.username),
            user_id: self.user_id.or(&other.user_id),
            password: self.password.or(&other.password),
            project_name: self.project_name.or(&other.project_name),
            project_id: self.project_id.or(&other.project_id),
            user_domain_name: self.user_domain_name.or(&other.user_domain_name),
            user_domain_id: self.user_domain_id.or(&other.user_domain_id),
            project_domain_name: self.project_domain_name.or(&other.project_domain_name),
            project_domain_id: self.project_domain_id.or(&other.project_domain_id),
            domain_name: self.domain_name.or(&other.domain_name),
            domain_id: self.domain_id.or(&other.domain_id),
            default_domain: self.default_domain.or(&other.default_domain),
            application_credential_id: self.application_credential_id.or(&other.application_credential_id),
            application_credential_name: self
                .application_credential_name
                .or(&other.application_credential_name),
            application_credential_secret: self
                .application_credential_secret
                .or(&other.application_credential_secret),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("auth_url", &self.auth.auth_url.plain()).finish_non_exhaustive()
    }
}
