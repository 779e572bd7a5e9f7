//! What a Node is told about its server: provider ID, instance type, zone, region. Pure.

use std::collections::BTreeMap;
use std::fmt;

use openstack::{Server, ServerId};

/// Start of every provider ID. Do not change: Nodes in the field carry it, and the field is immutable.
const SCHEME: &str = "openstack://";

/// Do not change: the labels that the Kubernetes scheduler and users' selectors know, old and new name of each.
pub mod label {
    /// Instance type, former name.
    pub const INSTANCE_TYPE_BETA: &str = "beta.kubernetes.io/instance-type";
    /// Instance type.
    pub const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
    /// Zone, former name.
    pub const ZONE_BETA: &str = "failure-domain.beta.kubernetes.io/zone";
    /// Zone.
    pub const ZONE: &str = "topology.kubernetes.io/zone";
    /// Region, former name.
    pub const REGION_BETA: &str = "failure-domain.beta.kubernetes.io/region";
    /// Region.
    pub const REGION: &str = "topology.kubernetes.io/region";

    /// Each former name with the one that replaced it.
    pub const SUCCESSORS: [(&str, &str); 3] =
        [(ZONE_BETA, ZONE), (REGION_BETA, REGION), (INSTANCE_TYPE_BETA, INSTANCE_TYPE)];
}

/// `spec.providerID` of a Node: `openstack:///<server>` or, with regions, `openstack://<region>/<server>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderId {
    /// The region; empty in most clusters.
    pub region: String,
    /// The server.
    pub server: ServerId,
}

/// A provider ID that is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider ID {0:?} does not have the form openstack://<region>/<server>")]
pub struct NotOurs(pub String);

impl ProviderId {
    /// Reads one. The scheme may be missing, so `/<server>` and `<region>/<server>` are good as well.
    ///
    /// # Errors
    /// Anything else, for example the bare id of a server.
    pub fn parse(text: &str) -> Result<Self, NotOurs> {
        let not_ours = || NotOurs(text.to_owned());
        let rest = if text.contains("://") { text.strip_prefix(SCHEME).ok_or_else(not_ours)? } else { text };
        match rest.split_once('/') {
            Some((region, server)) if !server.is_empty() && !server.contains('/') => {
                Ok(Self { region: region.to_owned(), server: server.into() })
            }
            _ => Err(not_ours()),
        }
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.region, self.server)
    }
}

/// The labels for a Node; parts that the cloud does not tell, or that cannot be a label, are left out.
pub fn labels(instance_type: Option<&str>, zone: &str, region: Option<&str>) -> BTreeMap<String, String> {
    let zone = zone_label(zone);
    let parts = [
        (label::INSTANCE_TYPE_BETA, label::INSTANCE_TYPE, instance_type.unwrap_or_default()),
        (label::ZONE_BETA, label::ZONE, zone.as_str()),
        (label::REGION_BETA, label::REGION, region.unwrap_or_default()),
    ];
    parts
        .into_iter()
        .filter(|(_, _, value)| !value.is_empty() && is_label_value(value))
        .flat_map(|(beta, stable, value)| {
            [(beta.to_owned(), value.to_owned()), (stable.to_owned(), value.to_owned())]
        })
        .collect()
}

/// Labels of an initialised Node that must follow their former names, which users may still set.
pub fn labels_to_follow(labels: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    label::SUCCESSORS
        .into_iter()
        .filter_map(|(beta, stable)| {
            let value = labels.get(beta)?;
            (labels.get(stable) != Some(value)).then(|| (stable.to_owned(), Some(value.clone())))
        })
        .collect()
}

/// The flavor's name, when Nova shows it with the server and it can be a label.
pub fn instance_type(server: &Server) -> Option<&str> {
    server.flavor.original_name.as_deref().filter(|name| !name.is_empty() && is_label_value(name))
}

/// A zone's name as a label: other characters become `-`, at most 63 of them, letters or digits at both ends.
fn zone_label(zone: &str) -> String {
    let mut label = String::new();
    let mut in_run = false;
    for c in zone.chars() {
        let allowed = c.is_ascii_alphanumeric() || SEPARATORS.contains(&c);
        if allowed || !in_run {
            label.push(if allowed { c } else { '-' });
        }
        in_run = !allowed;
    }
    let trimmed = label.trim_matches(SEPARATORS);
    // Cutting may bring a separator to the end again, which the API server would refuse.
    trimmed[..trimmed.len().min(LABEL_LIMIT)].trim_end_matches(SEPARATORS).to_owned()
}

const SEPARATORS: [char; 3] = ['-', '_', '.'];
const LABEL_LIMIT: usize = 63;

/// Whether Kubernetes takes it as a label's value.
pub fn is_label_value(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || SEPARATORS.contains(&c);
    value.len() <= LABEL_LIMIT
        && value.chars().all(inner)
        && !value.starts_with(SEPARATORS)
        && !value.ends_with(SEPARATORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_ids_in_all_accepted_forms() {
        for (text, region, server) in [
            ("openstack:///1b2c", "", "1b2c"),
            ("openstack://north/1b2c", "north", "1b2c"),
            ("/1b2c", "", "1b2c"),
            ("north/1b2c", "north", "1b2c"),
        ] {
            let id = ProviderId::parse(text).unwrap();
            assert_eq!((id.region.as_str(), id.server.as_str()), (region, server), "{text}");
        }
        for text in [
            "1b2c",
            "openstack://1b2c",
            "openstack:///",
            "openstack://a/b/c",
            "aws:///eu/i-1",
            "",
            "OPENSTACK:///x",
        ] {
            assert_eq!(ProviderId::parse(text), Err(NotOurs(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn provider_ids_are_written_as_they_are_read() {
        for text in ["openstack:///1b2c", "openstack://north/1b2c"] {
            assert_eq!(ProviderId::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn zones_become_labels() {
        let long = format!("{}-{}", "a".repeat(62), "b".repeat(9));
        for (zone, expected) in [
            ("nova", "nova"),
            ("Zone 1 / rack (7)", "Zone-1-rack-7"),
            ("--.zone_1.--", "zone_1"),
            ("zürich", "z-rich"),
            ("a - b", "a---b"),
            ("***", ""),
            (&long, &"a".repeat(62)),
        ] {
            assert_eq!(zone_label(zone), expected, "{zone}");
        }
    }

    #[test]
    fn labels_come_under_both_names_and_only_with_a_value() {
        let labels = labels(Some("m1.small"), "nova", None);
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            pairs,
            [
                "beta.kubernetes.io/instance-type=m1.small",
                "failure-domain.beta.kubernetes.io/zone=nova",
                "node.kubernetes.io/instance-type=m1.small",
                "topology.kubernetes.io/zone=nova"
            ]
        );
    }

    #[test]
    fn a_label_follows_its_former_name_but_not_the_other_way() {
        let labels = BTreeMap::from([
            (label::ZONE_BETA.to_owned(), "b".to_owned()),
            (label::ZONE.to_owned(), "a".to_owned()),
            (label::REGION.to_owned(), "north".to_owned()),
            (label::INSTANCE_TYPE_BETA.to_owned(), "small".to_owned()),
            (label::INSTANCE_TYPE.to_owned(), "small".to_owned()),
        ]);
        assert_eq!(
            labels_to_follow(&labels),
            BTreeMap::from([(label::ZONE.to_owned(), Some("b".to_owned()))])
        );
    }

    #[test]
    fn a_flavor_name_that_cannot_be_a_label_is_no_instance_type() {
        for (name, expected) in
            [("m1.small", Some("m1.small")), ("big box", None), ("", None), (".hidden", None)]
        {
            let server: Server =
                serde_json::from_value(serde_json::json!({"id": "s", "flavor": {"original_name": name}}))
                    .unwrap();
            assert_eq!(instance_type(&server), expected, "{name}");
        }
    }
}
