//! Answers without what cannot be alike in two worlds.
//!
//! Ids and addresses that the script has saved become their names; other ids, times, MAC addresses become signs that
//! say what they were. Lists are sorted where their order follows from random ids. Fields that say nothing are taken
//! out; each stands in [`IGNORED`] with its reason.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::run::Answer;
use super::step::Call;

/// A field that is not compared.
#[derive(Clone, Copy, Debug)]
pub struct Ignored {
    /// Whose answers.
    pub service: &'static str,
    /// The field, wherever it stands.
    pub field: &'static str,
    /// Why.
    pub reason: &'static str,
}

const fn ignored(service: &'static str, field: &'static str, reason: &'static str) -> Ignored {
    Ignored { service, field, reason }
}

/// All fields that are not compared.
pub const IGNORED: &[Ignored] = &[
    ignored("keystone", "audit_ids", "random"),
    ignored(
        "keystone",
        "catalog",
        "what services there are is the installation's affair; its form is compared by a login in the product's tests",
    ),
    ignored("keystone", "roles", "the laboratory grants roles that imply others"),
    ignored(
        "neutron",
        "revision_number",
        "ML2/OVN's own steps count too; that it moves, and If-Match, are compared",
    ),
    ignored("neutron", "standard_attr_id", "a row's number"),
    ignored(
        "octavia",
        "operating_status",
        "comes from the data plane: the laboratory's amphorae have none, and others take their time",
    ),
    ignored("nova", "hostId", "a hash of the host's name"),
    ignored("nova", "adminPass", "random"),
];

/// Response headers that are compared; of others a client sees nothing.
const HEADERS: [&str; 5] =
    ["openstack-api-version", "x-openstack-nova-api-version", "location", "retry-after", "www-authenticate"];

/// Response headers of which only the presence is compared.
const PRESENT: [&str; 3] = ["x-openstack-request-id", "x-compute-request-id", "x-subject-token"];

/// Lists whose order means something.
const ORDERED: [&str; 2] = ["servers", "methods"];

static SIGNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        // Keystone quotes its whole schema behind the sentence.
        (r"(?s)\n\nFailed validating.*", ""),
        // Octavia lists a set, in an order of its own.
        (r"Value should be one of: .*", "Value should be one of: <some>"),
        (r"req-[0-9a-f-]{36}", "<request>"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
        (r"\b[0-9a-f]{32}\b", "<id>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "<time>"),
        (r"fa:16:3e(:[0-9a-f]{2}){3}", "<mac>"),
        // Addresses of the external network that the script does not name: Neutron draws them.
        (r"\b172\.24\.4\.\d+\b", "<public address>"),
        (
            r"Constrained to \d+, but current revision is \d+",
            "Constrained to <n>, but current revision is <n>",
        ),
    ]
    .map(|(pattern, sign)| (Regex::new(pattern).expect("a pattern"), sign))
    .into()
});

/// What is known of a world, and by what names.
pub(super) struct Names {
    known: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn new(known: BTreeMap<String, String>) -> Self {
        Self { known }
    }

    pub(super) fn add(&mut self, name: &str, value: String) {
        self.known.insert(name.to_owned(), value);
    }

    pub(super) fn url(&self, service: &str) -> String {
        self.known.get(&format!("url of {service}")).cloned().unwrap_or_else(|| panic!("no URL of {service}"))
    }

    /// The text with every `{name}` replaced by what it stands for.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.known {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }

    pub(super) fn fill_all(&self, value: &Value) -> Value {
        map(value, &|text| self.fill(text))
    }

    /// The text with everything known replaced by its name, and all else that is a world's own by its sign.
    fn name(&self, text: &str) -> String {
        let mut known: Vec<(&String, &String)> = self
            .known
            .iter()
            // Times are alike by chance.
            .filter(|(name, value)| value.len() > 6 && !name.starts_with("when"))
            .collect();
        known.sort_by_key(|(name, value)| (std::cmp::Reverse(value.len()), name.as_str()));
        let mut named = text.to_owned();
        for (name, value) in known {
            named = replace_whole(&named, value, &format!("{{{name}}}"));
        }
        for (pattern, sign) in SIGNS.iter() {
            named = pattern.replace_all(&named, *sign).into_owned();
        }
        named
    }
}

/// Replaces a text where it is not a part of a longer number or word: `10.0.0.1` is not in `10.0.0.10`.
fn replace_whole(text: &str, part: &str, by: &str) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(part) {
        let (before, after) = (&rest[..at], &rest[at + part.len()..]);
        let joins = |edge: Option<char>| edge.is_some_and(|edge| edge.is_ascii_alphanumeric());
        let is_whole = !joins(before.chars().last()) && !joins(after.chars().next());
        replaced.push_str(before);
        replaced.push_str(if is_whole { by } else { part });
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

/// The normalised answer to a call.
pub(super) fn answer(names: &Names, call: &Call, answer: &Answer) -> Value {
    let service = call.to.split('/').next().unwrap_or_default();
    let mut body = map(&answer.body, &|text| names.name(text));
    strip(&mut body, service);
    if call.to.ends_with("/extensions") {
        keep_asked_extensions(&mut body);
    }
    if call.is_own_rows {
        keep_own_rows(&mut body);
    }
    sort(&mut body, "");
    let mut headers = Map::new();
    for name in HEADERS {
        if let Some(value) = answer.headers.get(name) {
            headers.insert(name.to_owned(), names.name(value).into());
        }
    }
    for name in PRESENT.into_iter().filter(|name| answer.headers.contains_key(*name)) {
        headers.insert(name.to_owned(), "present".into());
    }
    json!({"status": answer.status, "headers": headers, "body": body})
}

/// Extensions that the programs ask for; a real Neutron has some hundred more, with descriptions.
fn keep_asked_extensions(body: &mut Value) {
    let asked = [
        "allowed-address-pairs",
        "extraroute",
        "extraroute-atomic",
        "standard-attr-tag",
        "trunk-details",
        "revision-if-match",
    ];
    if let Some(list) = body["extensions"].as_array_mut() {
        list.retain(|one| one["alias"].as_str().is_some_and(|alias| asked.contains(&alias)));
        for one in list {
            *one = json!({"alias": one["alias"]});
        }
    }
}

fn keep_own_rows(body: &mut Value) {
    let Some(body) = body.as_object_mut() else { return };
    body.retain(|key, _| !key.ends_with("_links"));
    for rows in body.values_mut().filter_map(Value::as_array_mut) {
        rows.retain(|row| row["id"].as_str().is_some_and(|id| id.starts_with('{')));
    }
}

fn strip(value: &mut Value, service: &str) {
    match value {
        Value::Array(list) => {
            for one in list {
                strip(one, service);
            }
        }
        Value::Object(object) => {
            object.retain(|key, _| !IGNORED.iter().any(|one| one.service == service && one.field == key));
            object.values_mut().for_each(|one| strip(one, service));
        }
        _ => {}
    }
}

fn sort(value: &mut Value, key: &str) {
    match value {
        Value::Array(list) => {
            for one in list.iter_mut() {
                sort(one, "");
            }
            if !ORDERED.contains(&key) {
                list.sort_by_key(ToString::to_string);
            }
        }
        Value::Object(object) => object.iter_mut().for_each(|(key, one)| sort(one, key)),
        _ => {}
    }
}

fn map(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => change(text).into(),
        Value::Array(list) => list.iter().map(|one| map(one, change)).collect(),
        Value::Object(object) => {
            object.iter().map(|(key, one)| (change(key), map(one, change))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}
