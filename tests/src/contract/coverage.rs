//! Whether the script has everything that the programs ask.
//!
//! A *shape* is method, service, path with `{id}` for ids, names of query parameters, microversion, and the class of
//! the status. A program may use no shape in any test that the script does not have: what no contract covers, the
//! simulator may answer wrongly.

use std::collections::BTreeSet;
use std::sync::LazyLock;

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
    let query =
        if entry.query_keys.is_empty() { String::new() } else { format!("?{}", entry.query_keys.join("&")) };
    let version = entry.microversion.as_ref().map(|version| format!(" at {version}")).unwrap_or_default();
    Some(format!("{}{query}{version} -> {}xx", entry.call(), status / 100))
}

/// The shapes of these requests that the script does not have.
pub fn uncovered(entries: &[Entry]) -> BTreeSet<String> {
    entries.iter().filter_map(shape).filter(|shape| !COVERED.contains(shape)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
