//! Lists of servers: filters, pages.

use std::cmp::Reverse;

use jiff::Timestamp;
use regex::RegexBuilder;
use serde_json::{Value, json};

use super::error;
use super::microversion::Version;
use super::servers::{Server, Status};
use super::show::{Scene, View};
use crate::openstack::ask::{Ask, Reply, query_string};
use crate::openstack::state::State;

/// Most servers in one answer (`api.max_limit`).
const PAGE: usize = 1000;

/// Parameters that are understood.
const KNOWN: [&str; 9] = [
    "name",
    "status",
    "limit",
    "marker",
    "changes-since",
    "changes-before",
    "all_tenants",
    "deleted",
    "project_id",
];

/// Parameters that Nova understands and this does not.
const MISSING: [&str; 12] = [
    "sort_key",
    "sort_dir",
    "ip",
    "ip6",
    "image",
    "flavor",
    "host",
    "tags",
    "tags-any",
    "not-tags",
    "not-tags-any",
    "uuid",
];

/// Answers `GET /servers` and `GET /servers/detail`.
pub(super) fn answer(state: &State, ask: &Ask, version: Version, is_detail: bool) -> Result<Reply, Reply> {
    check(ask, version)?;
    let wanted = Wanted::read(ask, version, is_detail)?;
    let nova = &state.nova;
    let mut found: Vec<&Server> = nova.servers.values().filter(|server| wanted.wants(server, ask)).collect();
    found.sort_by_key(|server| (Reverse(server.created), Reverse(server.id.as_str())));
    let (down, mut found): (Vec<&Server>, Vec<&Server>) =
        found.into_iter().partition(|server| nova.down_cells.contains(&server.cell));
    if let Some(marker) = ask.query("marker") {
        let at = found.iter().position(|server| server.id == marker);
        let at = at.ok_or_else(|| error(400, &format!("marker [{marker}] not found")))?;
        found.drain(..=at);
    }
    found.truncate(wanted.limit);
    let scene = Scene { nova, neutron: &state.neutron, version, base: ask.base };
    let show =
        |server: &&Server| if is_detail { scene.full(server, View::List) } else { scene.brief(server) };
    let mut rows: Vec<Value> = found.iter().map(show).collect();
    let next = found.last().filter(|_| found.len() == wanted.limit && wanted.limit > 0);
    // Servers of down cells can be neither filtered nor sorted, so they show in whole lists only.
    if version >= (2, 69) && ask.query.is_empty() {
        rows.extend(down.iter().map(|server| scene.of_down_cell(server, View::List)));
    }
    let mut body = json!({ "servers": rows });
    if let Some(last) = next {
        let mut query = ask.query.clone();
        query.sort();
        match query.iter_mut().find(|(key, _)| key == "marker") {
            Some((_, marker)) => marker.clone_from(&last.id),
            None => query.push(("marker".to_owned(), last.id.clone())),
        }
        let href = format!("{}/{}?{}", ask.base, ask.path.join("/"), query_string(&query));
        body["servers_links"] = json!([{"rel": "next", "href": href}]);
    }
    Ok(Reply::new(200, body))
}

fn check(ask: &Ask, version: Version) -> Result<(), Reply> {
    for (key, _) in &ask.query {
        if MISSING.contains(&key.as_str()) {
            return Err(error(501, &format!("the simulated Nova does not know the parameter {key}")));
        }
        if version >= (2, 75) && !KNOWN.contains(&key.as_str()) {
            return Err(error(400, &format!("'{key}' does not match any of the regexes: '^_'")));
        }
    }
    Ok(())
}

/// Which servers are wanted.
struct Wanted {
    name: Option<regex::Regex>,
    statuses: Vec<Status>,
    has_status: bool,
    since: Option<Timestamp>,
    before: Option<Timestamp>,
    all_projects: bool,
    limit: usize,
}

impl Wanted {
    fn read(ask: &Ask, version: Version, is_detail: bool) -> Result<Self, Reply> {
        let names: Vec<&str> = ask.query_all("status").collect();
        let statuses: Vec<Status> = Status::ALL
            .into_iter()
            .filter(|status| names.iter().any(|name| name.eq_ignore_ascii_case(status.name())))
            .collect();
        if !names.is_empty() && statuses.is_empty() && version >= (2, 38) {
            return Err(error(400, "Invalid status value"));
        }
        if statuses == [Status::Deleted] && !ask.who.is_admin() {
            return Err(error(403, "Only administrators may list deleted instances"));
        }
        let all_projects =
            ask.query("all_tenants").is_some_and(|value| !matches!(value, "0" | "false" | "False"));
        if all_projects && !ask.who.is_admin() {
            let rule = if is_detail { "detail" } else { "index" };
            let text = format!(
                "Policy doesn't allow os_compute_api:servers:{rule}:get_all_tenants to be performed."
            );
            return Err(error(403, &text));
        }
        Ok(Self {
            name: ask.query("name").map(name_filter).transpose()?,
            has_status: !names.is_empty(),
            statuses,
            since: time(ask, "changes-since")?,
            before: time(ask, "changes-before")?,
            all_projects,
            limit: limit(ask)?,
        })
    }

    fn wants(&self, server: &Server, ask: &Ask) -> bool {
        let asks_for_changes = self.since.is_some() || self.before.is_some();
        (self.all_projects || server.project == ask.who.project)
            && (server.status != Status::Deleted || asks_for_changes)
            && self.name.as_ref().is_none_or(|name| name.is_match(&server.name))
            && (!self.has_status || self.statuses.contains(&server.status))
            && self.since.is_none_or(|since| server.updated >= since)
            && self.before.is_none_or(|before| server.updated <= before)
    }
}

/// A filter by name is a regular expression that the name contains, without regard to case, as its database does it.
/// Nova escapes `|`, so there are no alternatives.
fn name_filter(text: &str) -> Result<regex::Regex, Reply> {
    let text = text.replace('|', "\\|");
    let filter = RegexBuilder::new(&text).case_insensitive(true).build();
    filter.map_err(|_| error(500, "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if possible.\n<class 'oslo_db.exception.DBError'>"))
}

fn invalid(key: &str, value: &str, why: &str) -> Reply {
    error(400, &format!("Invalid input for query parameters {key}. Value: {value}. {why}"))
}

fn time(ask: &Ask, key: &str) -> Result<Option<Timestamp>, Reply> {
    let Some(text) = ask.query(key) else { return Ok(None) };
    // Nova takes times without a zone for UTC.
    let parsed = text.parse().or_else(|_| format!("{text}Z").parse());
    parsed.map(Some).map_err(|_| invalid(key, text, &format!("'{text}' is not a 'date-time'")))
}

fn limit(ask: &Ask) -> Result<usize, Reply> {
    let Some(text) = ask.query("limit") else { return Ok(PAGE) };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid("limit", text, &format!("'{text}' does not match '^[0-9]*$'")));
    }
    Ok(text.parse().unwrap_or(PAGE).min(PAGE))
}
