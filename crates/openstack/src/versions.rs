//! Version documents: which API lies where, and which microversions it takes.
//!
//! | asked | answered |
//! |---|---|
//! | the root, `/` | `{"versions": [{"id": "v2.1", "min_version": "2.1", "version": "2.96", "links": …}]}`, Cinder's and Manila's with status 300 |
//! | the root of Keystone, and of Barbican before Zed | `{"versions": {"values": […]}}` |
//! | `/v2.1/` of Nova | `{"version": {…}}` |
//! | `/v3/` of Cinder, `/v2/` of Manila | `{"versions": [{…}]}` |
//!
//! Links in them are not followed: they often name the wrong host, behind a proxy.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use url::Url;

use crate::catalog::ServiceType;

/// A microversion: within one major version a service takes all from its least to its most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion {
    /// The API's major version.
    pub major: u16,
    /// What is counted up.
    pub minor: u16,
}

impl FromStr for Microversion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if digits { text.parse().map_err(|_| ()) } else { Err(()) }
        };
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The microversions that a service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The oldest.
    pub least: Microversion,
    /// The newest.
    pub most: Microversion,
}

impl Range {
    /// Whether the service takes this one.
    pub fn contains(self, version: Microversion) -> bool {
        self.least <= version && version <= self.most
    }
}

/// An API as its version document describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Api {
    /// Its version as it stands in paths: `v2.1`.
    pub(crate) id: String,
    pub(crate) range: Option<Range>,
}

/// The API that we speak, if the document has it.
pub(crate) fn read(service: ServiceType, body: &[u8]) -> Option<Api> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let one = document.get("version").filter(|one| one.is_object());
    let many = document
        .pointer("/versions/values")
        .or_else(|| document.get("versions"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let wanted = service.version();
    let fits = |id: &str| {
        // `v3.14` is Keystone's `v3`; `v2.0` is not Nova's `v2.1`.
        let plain = id.len() <= 8 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        plain && id.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let entry = one.into_iter().chain(many).find(|entry| entry["id"].as_str().is_some_and(fits))?;
    let id = if service == ServiceType::Identity { wanted } else { entry["id"].as_str()? };
    let version = |key: &str| entry.get(key)?.as_str()?.parse::<Microversion>().ok();
    let most = version("version").or_else(|| version("max_version"));
    let range = version("min_version").zip(most).map(|(least, most)| Range { least, most });
    Some(Api {
        id: id.trim_end_matches(".0").to_owned(),
        range: range.filter(|range| range.least <= range.most),
    })
}

/// Where the version document of a base lies: the base itself without what follows its version (Cinder's project).
pub(crate) fn document(base: &Url) -> Url {
    let mut url = base.clone();
    let mut kept = Vec::new();
    for segment in base.path().split('/').filter(|segment| !segment.is_empty()) {
        kept.push(segment);
        if segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            break;
        }
    }
    let path = if kept.is_empty() { "/".to_owned() } else { format!("/{}/", kept.join("/")) };
    url.set_path(&path);
    url
}

/// The best of the wanted microversions that a service takes, in the order of preference.
pub(crate) fn best<'a>(wanted: &[&'a str], range: Option<Range>) -> Option<&'a str> {
    let takes = |text: &str| {
        range.is_none_or(|range| text.parse().is_ok_and(|version: Microversion| range.contains(version)))
    };
    wanted.iter().copied().find(|text| takes(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceType::{BlockStorage, Compute, Identity, KeyManager, SharedFileSystem};

    fn version(text: &str) -> Microversion {
        text.parse().unwrap()
    }

    #[test]
    fn documents_of_all_forms_are_read() {
        let range = |least: &str, most: &str| Some(Range { least: version(least), most: version(most) });
        for (service, body, id, expected) in [
            (
                Compute,
                r#"{"versions": [{"id": "v2.0", "version": "", "min_version": ""}, {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1"}]}"#,
                "v2.1",
                range("2.1", "2.96"),
            ),
            (
                Compute,
                r#"{"version": {"id": "v2.1", "version": "2.90", "min_version": "2.1"}}"#,
                "v2.1",
                range("2.1", "2.90"),
            ),
            (
                BlockStorage,
                r#"{"versions": [{"id": "v3.0", "version": "3.71", "min_version": "3.0"}]}"#,
                "v3",
                range("3.0", "3.71"),
            ),
            (
                SharedFileSystem,
                r#"{"versions": [{"id": "v1.0", "version": "", "min_version": ""}, {"id": "v2.0", "version": "2.87", "min_version": "2.0"}]}"#,
                "v2",
                range("2.0", "2.87"),
            ),
            (KeyManager, r#"{"versions": {"values": [{"id": "v1", "status": "stable"}]}}"#, "v1", None),
            (
                KeyManager,
                r#"{"versions": [{"id": "v1", "min_version": "1.0", "max_version": "1.1"}]}"#,
                "v1",
                range("1.0", "1.1"),
            ),
            (Identity, r#"{"versions": {"values": [{"id": "v3.14"}]}}"#, "v3", None),
        ] {
            assert_eq!(
                read(service, body.as_bytes()),
                Some(Api { id: id.into(), range: expected }),
                "{body}"
            );
        }
        for body in
            ["", "[]", "{}", r#"{"versions": 3}"#, r#"{"versions": [{"id": "v2.1/../x"}, {"id": 7}]}"#]
        {
            assert_eq!(read(Compute, body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn the_document_lies_at_the_version() {
        for (base, expected) in [
            ("http://c/v3/0123/", "http://c/v3/"),
            ("http://n/compute/v2.1/", "http://n/compute/v2.1/"),
            ("http://n/compute/", "http://n/compute/"),
            ("http://n/", "http://n/"),
        ] {
            assert_eq!(document(&Url::parse(base).unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn the_best_wanted_microversion_within_the_range_is_chosen() {
        let range = Range { least: version("2.1"), most: version("2.65") };
        assert_eq!(best(&["2.69", "2.47", "2.1"], Some(range)), Some("2.47"));
        assert_eq!(best(&["2.69", "2.47"], None), Some("2.69"));
        assert_eq!(best(&["2.69"], Some(range)), None);
        assert!(version("2.9") < version("2.10"));
        for wrong in ["2", "2.", ".1", "2.1.1", "-1.2", "2.99999999", "+2.1"] {
            assert!(wrong.parse::<Microversion>().is_err(), "{wrong}");
        }
    }
}
