//! Whether the script has everything that the programs ask.
//!
//! A *shape* is method, service, path with `{id}` for ids, names of query parameters, microversion, and the class of
//! the status. A program may use no shape in any test that the script does not have: what no contract covers, the
//! simulator may answer wrongly.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;
use simulator::Entry;

use super::{Simulated, parts, run};

/// The shapes of the script, from a run of it on the simulator.
static COVERED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let mut covered = BTreeSet::new();
    for part in parts() {
        let mut world = Simulated::new();
        run(&part, &mut world);
        covered.extend(world.ledger().entries().iter().filter_map(shape));
    }
    covered
});

/// The shape of a request that OpenStack has answered by itself; others have none.
fn shape(entry: &Entry) -> Option<String> {
    let status = entry.status.filter(|_| entry.faults.is_empty() && entry.service != "kubernetes")?;
    // Tokens are checked in front of every service in the same way; the script has it once for each.
    if status == 401 {
        return None;
    }
    let query =
        if entry.query_keys.is_empty() { String::new() } else { format!("?{}", entry.query_keys.join("&")) };
    let version = entry.microversion.as_ref().map(|version| format!(" at {version}")).unwrap_or_default();
    Some(format!("{}{query}{version} -> {}xx", entry.call(), status / 100))
}

/// The shapes of what the laboratory has counted (`lab calls --json`) that the script does not have. Access logs know
/// nothing of microversions.
pub fn uncovered_calls(counted: &Value) -> BTreeSet<String> {
    let covered: BTreeSet<String> = COVERED.iter().map(|shape| without_version(shape)).collect();
    let rows = counted["calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    // A service that has failed under load cannot be made to by a script.
    let failed = |row: &&Value| row["status"].as_u64().is_some_and(|status| status >= 500 || status == 401);
    let shape = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let status = row["status"].as_u64().unwrap_or_default();
        // A version's document has a slash at its end in some places.
        let path = text("path");
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { &path };
        format!("{} {} {path} -> {}xx", text("method"), text("service"), status / 100)
    };
    rows.iter().filter(|row| !failed(row)).map(shape).filter(|shape| !covered.contains(shape)).collect()
}

fn without_version(shape: &str) -> String {
    match (shape.find(" at "), shape.find(" -> ")) {
        (Some(at), Some(end)) if at < end => format!("{}{}", &shape[..at], &shape[end..]),
        _ => shape.to_owned(),
    }
}

/// The shapes of these requests that the script does not have.
pub fn uncovered(entries: &[Entry]) -> BTreeSet<String> {
    entries.iter().filter_map(shape).filter(|shape| !COVERED.contains(shape)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn access_logs_are_compared_without_microversions() {
        let row = |path: &str, status: u16| json!({"method": "GET", "service": "nova", "path": path, "status": status});
        let counted = json!({"calls": [
            row("/v2.1/servers/detail?name", 200), row("/v2.1/servers/{id}", 404), row("/v2.1/limits", 200),
        ]});
        assert_eq!(Vec::from_iter(uncovered_calls(&counted)), ["GET nova /v2.1/limits -> 2xx"]);
    }

    #[test]
    fn what_the_script_does_not_ask_is_found() {
        let entry = |path: &str, faults: Vec<&'static str>| Entry {
            service: "neutron".to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            status: Some(200),
            faults,
            ..Entry::default()
        };
        let asked = [
            entry("/v2.0/ports/{id}", vec![]),
            entry("/v2.0/trunks", vec![]),
            entry("/v2.0/trunks/{id}", vec!["hang"]),
        ];
        assert_eq!(Vec::from_iter(uncovered(&asked)), ["GET neutron /v2.0/trunks -> 2xx"]);
    }
}
