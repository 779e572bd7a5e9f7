//! Lists: filters, sorting, pages, chosen fields.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Neutron;
use super::fault::Fault;
use super::form;
use super::object::{Kind, Object};
use crate::openstack::ask::{Ask, Reply, query_string};

/// Parameters that are no filters.
const PARAMETERS: [&str; 6] = ["fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"];

/// Answers a list of objects.
pub(super) fn list<T: Object>(neutron: &Neutron, ask: &Ask) -> Result<Reply, Fault> {
    let filters = filters(&T::KIND, &ask.query)?;
    let page = Page::read(&ask.query)?;
    let found = T::table(neutron).values().filter(|one| one.is_visible(ask.who) && passes(*one, &filters));
    let mut found: Vec<&T> = found.collect();
    neutron.order.apply(&mut found, |one| one.standard().id.as_str());
    sort(&mut found, neutron, ask)?;
    let rows = page.cut(found, &T::KIND)?;
    let fields: Vec<&str> = values(&ask.query, "fields").filter(|field| !field.is_empty()).collect();
    let shown: Vec<Value> = rows.iter().map(|one| row(*one, neutron, ask, &fields)).collect();
    let mut body = json!({ T::KIND.plural: shown });
    let ends = rows
        .first()
        .zip(rows.last())
        .map(|(first, last)| (first.standard().id.as_str(), last.standard().id.as_str()));
    if let Some(links) = page.links(ask, rows.len(), ends) {
        body[format!("{}_links", T::KIND.plural)] = links;
    }
    Ok(Reply::new(200, body))
}

fn row<T: Object>(object: &T, neutron: &Neutron, ask: &Ask, fields: &[&str]) -> Value {
    let mut shown = object.show(neutron, ask.who);
    object.show_in_list(&mut shown);
    chosen(shown, fields)
}

/// An object with those of its attributes that were asked for; all if none were.
pub(super) fn chosen(mut object: Map<String, Value>, fields: &[&str]) -> Value {
    if !fields.is_empty() {
        object.retain(|name, _| fields.contains(&name.as_str()));
    }
    object.into()
}

/// The values of a query parameter, which may be given several times.
pub(super) fn values<'a>(query: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Filters by attribute; one with several values passes what has any of them.
struct Filter<'a> {
    attribute: &'a str,
    values: Vec<&'a str>,
}

fn filters<'a>(kind: &Kind, query: &'a [(String, String)]) -> Result<Vec<Filter<'a>>, Fault> {
    let table = kind.table();
    let mut filters: Vec<Filter<'a>> = Vec::new();
    let mut unknown = BTreeSet::new();
    for (key, value) in query.iter().filter(|(key, _)| !PARAMETERS.contains(&key.as_str())) {
        if !table.iter().any(|one| one.name == key && one.filter) {
            unknown.insert(key.as_str());
            continue;
        }
        if kind.is_flag(key) {
            form::boolean(&Value::from(value.as_str()))?;
        }
        match filters.iter_mut().find(|filter| filter.attribute == key) {
            Some(filter) => filter.values.push(value),
            None => filters.push(Filter { attribute: key, values: vec![value] }),
        }
    }
    if unknown.is_empty() {
        return Ok(filters);
    }
    let named = form::python(&unknown.into_iter().collect::<Vec<_>>().into());
    Err(Fault::malformed(format!("{named} is invalid attribute for filtering")))
}

fn passes<T: Object>(object: &T, filters: &[Filter]) -> bool {
    filters.iter().all(|filter| match filter.attribute {
        "tags" | "tags-any" | "not-tags" | "not-tags-any" => {
            let tags = &object.standard().tags;
            let mut asked = filter.values.iter().flat_map(|value| value.split(','));
            match filter.attribute {
                "tags" => asked.all(|tag| tags.contains(tag)),
                "tags-any" => asked.any(|tag| tags.contains(tag)),
                "not-tags" => !asked.all(|tag| tags.contains(tag)),
                _ => !asked.any(|tag| tags.contains(tag)),
            }
        }
        // Addresses and subnets are two filters in one.
        "fixed_ips" => ["ip_address=", "subnet_id="].into_iter().all(|part| {
            let mut asked = filter.values.iter().filter(|value| value.starts_with(part)).peekable();
            asked.peek().is_none() || asked.any(|value| object.has("fixed_ips", value))
        }),
        attribute => filter.values.iter().any(|value| standard_or_own(object, attribute, value)),
    })
}

fn standard_or_own<T: Object>(object: &T, attribute: &str, value: &str) -> bool {
    let standard = object.standard();
    match attribute {
        "id" => standard.id == value,
        "name" => standard.name == value,
        "description" => standard.description == value,
        "project_id" | "tenant_id" => standard.project_id == value,
        "revision_number" => standard.revision.to_string() == value,
        _ => object.has(attribute, value),
    }
}

fn sort<T: Object>(found: &mut [&T], neutron: &Neutron, ask: &Ask) -> Result<(), Fault> {
    let keys: Vec<&str> = values(&ask.query, "sort_key").collect();
    let directions: Vec<&str> = values(&ask.query, "sort_dir").collect();
    if keys.len() != directions.len() {
        return Err(Fault::malformed("The number of sort_keys and sort_dirs must be same"));
    }
    let table = T::KIND.table();
    let unknown: Vec<&str> =
        keys.iter().copied().filter(|key| !table.iter().any(|one| one.name == *key)).collect();
    if !unknown.is_empty() {
        return Err(Fault::malformed(format!(
            "{} is invalid attribute for sort_keys",
            form::python(&unknown.into())
        )));
    }
    if let Some(wrong) = directions.iter().find(|direction| !["asc", "desc"].contains(direction)) {
        let text = format!("['{wrong}'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'");
        return Err(Fault::malformed(text));
    }
    for (key, direction) in keys.into_iter().zip(directions).rev() {
        found.sort_by(|a, b| {
            let (a, b) = (a.show(neutron, ask.who).remove(key), b.show(neutron, ask.who).remove(key));
            let order = compare(a.as_ref(), b.as_ref());
            if direction == "asc" { order } else { order.reverse() }
        });
    }
    Ok(())
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    let number = |value: Option<&Value>| value.and_then(Value::as_i64);
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.map(ToString::to_string).cmp(&b.map(ToString::to_string)),
    }
}

/// Which part of a list is wanted.
struct Page<'a> {
    limit: Option<usize>,
    marker: Option<&'a str>,
    reverse: bool,
}

impl<'a> Page<'a> {
    fn read(query: &'a [(String, String)]) -> Result<Self, Fault> {
        let one = |name| values(query, name).last();
        let limit = match one("limit") {
            None => 0,
            Some(text) => text.parse::<usize>().map_err(|_| {
                Fault::bad_request(
                    "limit",
                    &format!("Limit must be an integer 0 or greater and not '{text}'"),
                )
            })?,
        };
        let limit = (limit > 0).then_some(limit);
        let marker = one("marker").filter(|_| limit.is_some());
        Ok(Self {
            limit,
            marker,
            reverse: one("page_reverse").is_some_and(|text| text.eq_ignore_ascii_case("true")),
        })
    }

    fn cut<'b, T: Object>(&self, mut found: Vec<&'b T>, kind: &Kind) -> Result<Vec<&'b T>, Fault> {
        let Some(limit) = self.limit else { return Ok(found) };
        let at = match self.marker {
            None => None,
            Some(marker) => {
                let at = found.iter().position(|one| one.standard().id == marker);
                Some(at.ok_or_else(|| kind.not_found(marker))?)
            }
        };
        if self.reverse {
            found.truncate(at.unwrap_or(found.len()));
            return Ok(found.split_off(found.len().saturating_sub(limit)));
        }
        let mut rest = found.split_off(at.map_or(0, |at| at + 1));
        rest.truncate(limit);
        Ok(rest)
    }

    fn links(&self, ask: &Ask, rows: usize, ends: Option<(&str, &str)>) -> Option<Value> {
        let limit = self.limit?;
        let link = |relation: &str, marker: Option<&str>| {
            let is_new = |(key, _): &&(String, String)| key != "marker" && key != "page_reverse";
            let mut query: Vec<(String, String)> = ask.query.iter().filter(is_new).cloned().collect();
            query.extend(marker.map(|marker| ("marker".to_owned(), marker.to_owned())));
            if relation == "previous" {
                query.push(("page_reverse".to_owned(), "True".to_owned()));
            }
            let path = ask.path.join("/");
            json!({"rel": relation, "href": format!("{}/{path}?{}", ask.base.trim_end_matches('/'), query_string(&query))})
        };
        let mut links = Vec::new();
        if rows >= limit || self.reverse {
            links.push(link("next", ends.map(|(_, last)| last)));
        }
        if rows >= limit || !self.reverse {
            links.push(link("previous", ends.map(|(first, _)| first)));
        }
        Some(links.into())
    }
}

/// In what order lists come that nobody asked to be sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// By id, as Neutron does with native paging.
    #[default]
    ById,
    /// In an order of its own, the same as long as the number is: what a plugin without native sorting gives.
    Scrambled(u64),
}

impl Order {
    fn apply<T>(self, found: &mut [&T], id: impl Fn(&T) -> &str) {
        if let Self::Scrambled(seed) = self {
            found.sort_by_key(|one| scramble(seed, id(one)));
        }
    }
}

/// FNV-1a: small, and the same on every machine.
fn scramble(seed: u64, id: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed;
    id.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
