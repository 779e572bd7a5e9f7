//! Versions and extensions: what this Neutron can.

use serde_json::{Value, json};

use super::fault::Fault;
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::profile::Profile;

/// Aliases of the extensions that this service answers for. A real one has some fifty more.
const ALIASES: [(&str, &str); 24] = [
    ("address-scope", "Address scope"),
    ("allowed-address-pairs", "Allowed Address Pairs"),
    ("dns-integration", "DNS Integration"),
    ("empty-string-filtering", "Empty String Filtering Extension"),
    ("ext-gw-mode", "Neutron L3 Configurable external gateway mode"),
    ("external-net", "Neutron external network"),
    ("extraroute", "Neutron Extra Route"),
    ("extraroute-atomic", "Atomically add/remove extra routes"),
    ("filter-validation", "Filter parameters validation"),
    ("fip-port-details", "Floating IP Port Details Extension"),
    ("pagination", "Pagination support"),
    ("port-security", "Port Security"),
    ("project-id", "project_id field enabled"),
    ("quotas", "Quota management support"),
    ("revision-if-match", "If-Match constraints based on revision_number"),
    ("router", "Neutron L3 Router"),
    ("security-group", "security-group"),
    ("sorting", "Sorting support"),
    ("standard-attr-description", "standard-attr-description"),
    ("standard-attr-revisions", "Resource revision numbers"),
    ("standard-attr-tag", "Tag support for resources with standard attribute"),
    ("standard-attr-timestamp", "Resource timestamps"),
    ("trunk", "Trunk Extension"),
    ("trunk-details", "Trunk port details"),
];

/// Whether this Neutron has an extension.
pub(super) fn has(profile: Profile, alias: &str) -> bool {
    ALIASES.iter().any(|(known, _)| *known == alias)
        && (alias != "extraroute-atomic" || profile.has_extraroute_atomic())
}

/// Answers `/v2.0/extensions` and `/v2.0/extensions/<alias>`.
pub(super) fn answer(profile: Profile, ask: &Ask, alias: Option<&str>) -> Result<Reply, Fault> {
    if ask.method.as_str() != "GET" {
        return Err(Fault::no_method());
    }
    let shown = |(alias, name): &(&str, &str)| json!({"alias": alias, "name": name, "description": name, "updated": "2013-01-01T10:00:00-00:00", "links": []});
    let mut known = ALIASES.iter().filter(|(known, _)| has(profile, known));
    match alias {
        None => Ok(Reply::new(200, json!({"extensions": known.map(shown).collect::<Vec<_>>()}))),
        Some(alias) => match known.find(|(known, _)| *known == alias) {
            Some(found) => Ok(Reply::new(200, json!({"extension": shown(found)}))),
            None => Err(Fault::nowhere()),
        },
    }
}

/// Answers `/`.
pub(super) fn versions(ask: &Ask) -> Reply {
    let links = json!([{"rel": "self", "href": format!("{}/v2.0/", ask.base)}]);
    Reply::new(200, json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})).without_id()
}

/// Answers `/v2.0/`.
pub(super) fn resources(ask: &Ask) -> Reply {
    let one = |(name, collection): (&str, &str)| -> Value {
        let href = format!("{}/v2.0/{collection}", ask.base);
        json!({"name": name, "collection": collection, "links": [{"rel": "self", "href": href}]})
    };
    let core =
        [("network", "networks"), ("subnet", "subnets"), ("subnetpool", "subnetpools"), ("port", "ports")];
    Reply::new(200, json!({"resources": core.map(one)}))
}
