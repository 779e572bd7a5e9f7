//! Lists: filters, tags, order, pages (`octavia/api/common/pagination.py`).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::model::{Common, Listener, LoadBalancer, Member, Monitor, Pool};
use super::policy;
use super::refusal::Refusal;
use crate::openstack::ask::{Ask, Reply};

/// Something that is listed.
pub(super) trait Row {
    fn id(&self) -> &str;
    fn created(&self) -> Timestamp;
    fn name(&self) -> &str;
    fn tags(&self) -> &[String];
    /// The attributes that are filters, besides [`COMMON`].
    const FILTERS: &'static [&'static str];
    /// Whether an attribute that is a filter has this value.
    fn has(&self, key: &str, value: &str) -> bool;
}

/// Query parameters that are no filters.
const AUXILIARY: [&str; 7] = ["limit", "marker", "sort", "sort_key", "sort_dir", "fields", "page_reverse"];
/// Filters of everything.
const COMMON: [&str; 6] =
    ["id", "name", "description", "provisioning_status", "operating_status", "admin_state_up"];
const TAGS: [&str; 4] = ["tags", "tags-any", "not-tags", "not-tags-any"];

/// The projects whose objects a list may show: one, or all.
pub(super) fn project<'a>(ask: &'a Ask<'_>) -> Result<Option<&'a str>, Refusal> {
    let asked = ask.query("project_id").or_else(|| ask.query("tenant_id"));
    if policy::sees_all(ask.who) {
        return Ok(asked);
    }
    let project = asked.unwrap_or(&ask.who.project);
    policy::may_read(ask.who, project)?;
    Ok(Some(project))
}

/// The page of `rows` that was asked for.
pub(super) fn page<T: Row>(
    ask: &Ask<'_>,
    key: &str,
    rows: impl Iterator<Item = T>,
    most: Option<usize>,
    show: impl Fn(&T) -> Value,
) -> Result<Reply, Refusal> {
    let filters: Vec<(&str, &str)> = ask
        .query
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .filter(|(key, _)| !AUXILIARY.contains(key) && !TAGS.contains(key))
        .filter(|(key, _)| !matches!(*key, "project_id" | "tenant_id"))
        .collect();
    if filters.iter().any(|(key, _)| !COMMON.contains(key) && !T::FILTERS.contains(key)) {
        return Err(Refusal::new(400, "One or more arguments are either duplicate or invalid"));
    }
    let fits = |row: &T| filters.iter().all(|(key, value)| row.has(key, value)) && fits_tags(ask, row.tags());
    let mut chosen: Vec<T> = rows.filter(fits).collect();
    sort(ask, &mut chosen)?;
    if let Some(marker) = ask.query("marker") {
        let at = chosen.iter().position(|row| row.id() == marker).ok_or_else(|| {
            Refusal::new(400, &format!("Supplied pagination marker '{marker}' is not valid."))
        })?;
        chosen.drain(..=at);
    }
    let limit = limit(ask, most)?;
    let is_full = limit.is_none_or(|limit| chosen.len() >= limit);
    chosen.truncate(limit.unwrap_or(usize::MAX));
    let links = links(ask, &chosen, limit, is_full);
    let fields: Vec<&str> = ask.query_all("fields").collect();
    let shown: Vec<Value> = chosen.iter().map(|row| only(show(row), &fields)).collect();
    Ok(Reply::new(200, json!({ key: shown, format!("{key}_links"): links })))
}

/// An object with these attributes only, if any are named.
pub(super) fn only(mut shown: Value, fields: &[&str]) -> Value {
    if let Some(object) = shown.as_object_mut().filter(|_| !fields.is_empty()) {
        object.retain(|key, _| fields.contains(&key.as_str()));
    }
    shown
}

/// Tags in one parameter are separated by commas; parameters may come several times.
fn fits_tags(ask: &Ask<'_>, tags: &[String]) -> bool {
    let has = |tag: &str| tags.iter().any(|own| own == tag);
    let wanted = |key: &'static str| ask.query_all(key).flat_map(|value| value.split(',')).peekable();
    let all = wanted("tags").all(has);
    let any = wanted("tags-any").peek().is_none() || wanted("tags-any").any(has);
    let not_all = wanted("not-tags").peek().is_none() || !wanted("not-tags").all(has);
    let not_any = !wanted("not-tags-any").any(has);
    all && any && not_all && not_any
}

/// By time of making, to the second, then by id: two of one second come in any order.
fn sort<T: Row>(ask: &Ask<'_>, rows: &mut [T]) -> Result<(), Refusal> {
    let mut keys: Vec<(String, bool)> = Vec::new();
    let dir = |word: &str| match word.to_lowercase().as_str() {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(Refusal::new(400, &format!("Supplied sort direction '{word}' is not valid."))),
    };
    if let Some(sort) = ask.query("sort") {
        for key in sort.split(',') {
            let (key, down) = key
                .split_once(':')
                .map_or(Ok((key, false)), |(key, word)| dir(word).map(|down| (key, down)))?;
            keys.push((key.to_owned(), down));
        }
    } else if let Some(sort) = ask.query("sort_key") {
        let mut dirs = ask.query("sort_dir").into_iter().flat_map(|dirs| dirs.split(','));
        for key in sort.split(',') {
            keys.push((key.to_owned(), dirs.next().map_or(Ok(false), dir)?));
        }
    }
    if let Some((key, _)) = keys.iter().find(|(key, _)| !["id", "name", "created_at"].contains(&key.as_str()))
    {
        return Err(Refusal::new(400, &format!("Supplied sort key '{key}' is not valid.")));
    }
    for key in ["created_at", "id"] {
        if !keys.iter().any(|(own, _)| own == key) {
            keys.push((key.to_owned(), false));
        }
    }
    rows.sort_by(|a, b| {
        let orders = keys.iter().map(|(key, down)| {
            let order = match key.as_str() {
                "name" => a.name().cmp(b.name()),
                "created_at" => a.created().as_second().cmp(&b.created().as_second()),
                _ => a.id().cmp(b.id()),
            };
            if *down { order.reverse() } else { order }
        });
        orders.reduce(std::cmp::Ordering::then).unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(())
}

fn limit(ask: &Ask<'_>, most: Option<usize>) -> Result<Option<usize>, Refusal> {
    // Without a limit of its own, Octavia takes the largest number there is.
    let most = most.unwrap_or(usize::MAX);
    let Some(asked) = ask.query("limit") else { return Ok(Some(most)) };
    if asked == "infinite" {
        return Ok(None);
    }
    match asked.parse::<i64>() {
        Ok(asked) => Ok(usize::try_from(asked).ok().filter(|asked| *asked > 0).map(|asked| asked.min(most))),
        Err(_) => Err(Refusal::web(
            400,
            "Bad Request",
            &format!("Supplied pagination limit '{asked}' is not valid."),
        )),
    }
}

/// A full page has a link to the next one, which does not carry the filters on.
fn links<T: Row>(ask: &Ask<'_>, rows: &[T], limit: Option<usize>, is_full: bool) -> Vec<Value> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
    let mut common = format!(
        "{}/{}?limit={}",
        ask.base,
        ask.path.join("/"),
        limit.map_or_else(|| "None".to_owned(), |limit| limit.to_string())
    );
    for key in ["sort", "sort_key"] {
        if let Some(value) = ask.query(key) {
            common = format!("{common}&{key}={value}");
        }
    }
    let mut links = Vec::new();
    if ask.query("marker").is_some() {
        let href = format!("{common}&marker={}&page_reverse=True", first.id());
        links.push(json!({"rel": "previous", "href": href}));
    }
    if is_full {
        links.push(json!({"rel": "next", "href": format!("{common}&marker={}", last.id())}));
    }
    links
}

fn flag(value: &str) -> bool {
    matches!(value.to_lowercase().as_str(), "true" | "t" | "1" | "yes" | "on")
}

/// Whether a filter that all have fits; `None` if it is one of the kind's own.
fn common(common: &Common, key: &str, value: &str) -> Option<bool> {
    Some(match key {
        "id" => common.id == value,
        "name" => common.name == value,
        "description" => common.description == value,
        "provisioning_status" => common.status.name() == value,
        "operating_status" => common.operating == value,
        "admin_state_up" => flag(value) == common.enabled,
        _ => return None,
    })
}

macro_rules! row {
    ($kind:ty, $filters:expr, |$this:ident, $key:ident, $value:ident| $own:expr) => {
        impl Row for &$kind {
            const FILTERS: &'static [&'static str] = &$filters;
            fn id(&self) -> &str {
                &self.common.id
            }
            fn created(&self) -> Timestamp {
                self.common.created
            }
            fn name(&self) -> &str {
                &self.common.name
            }
            fn tags(&self) -> &[String] {
                &self.common.tags
            }
            fn has(&self, $key: &str, $value: &str) -> bool {
                let $this = self;
                common(&self.common, $key, $value).unwrap_or_else(|| $own)
            }
        }
    };
}

row!(
    LoadBalancer,
    [
        "vip_address",
        "vip_port_id",
        "vip_subnet_id",
        "vip_network_id",
        "provider",
        "flavor_id",
        "availability_zone"
    ],
    |this, key, value| match key {
        "vip_address" => this.vip.address == value,
        "vip_port_id" => this.vip.port == value,
        "vip_subnet_id" => this.vip.subnet == value,
        "vip_network_id" => this.vip.network == value,
        "provider" => this.provider.name() == value,
        "flavor_id" => this.flavor.as_deref() == Some(value),
        _ => this.zone.as_deref() == Some(value),
    }
);
row!(
    Listener,
    [
        "loadbalancer_id",
        "load_balancer_id",
        "protocol",
        "protocol_port",
        "default_pool_id",
        "connection_limit"
    ],
    |this, key, value| match key {
        "protocol" => this.protocol == value,
        "protocol_port" => this.port.to_string() == value,
        "default_pool_id" => this.default_pool.as_deref() == Some(value),
        "connection_limit" => this.connection_limit.to_string() == value,
        _ => this.load_balancer == value,
    }
);
row!(
    Pool,
    ["loadbalancer_id", "load_balancer_id", "protocol", "lb_algorithm"],
    |this, key, value| match key {
        "protocol" => this.protocol == value,
        "lb_algorithm" => this.algorithm == value,
        _ => this.load_balancer == value,
    }
);
row!(Monitor, ["pool_id", "type", "delay", "timeout", "max_retries"], |this, key, value| match key {
    "type" => this.kind == value,
    "delay" => this.delay.to_string() == value,
    "timeout" => this.timeout.to_string() == value,
    "max_retries" => this.max_retries.to_string() == value,
    _ => this.pool == value,
});

impl Row for (&Box<str>, &Member) {
    const FILTERS: &'static [&'static str] = &["address", "protocol_port", "weight", "subnet_id"];
    fn id(&self) -> &str {
        self.0
    }
    fn created(&self) -> Timestamp {
        self.1.created
    }
    fn name(&self) -> &str {
        &self.1.name
    }
    fn tags(&self) -> &[String] {
        &self.1.tags
    }
    fn has(&self, key: &str, value: &str) -> bool {
        let (id, one) = self;
        match key {
            "id" => &***id == value,
            "name" => &*one.name == value,
            "address" => &*one.address == value,
            "protocol_port" => one.port.to_string() == value,
            "weight" => one.weight.to_string() == value,
            "subnet_id" => one.subnet.as_deref() == Some(value),
            "provisioning_status" => one.status.name() == value,
            "operating_status" => one.operating == value,
            "admin_state_up" => flag(value) == one.enabled,
            // Members have no description.
            _ => value.is_empty(),
        }
    }
}
