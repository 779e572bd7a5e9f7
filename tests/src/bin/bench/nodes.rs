//! Nodes: the three that the other measurements need, and twenty that join at once.

use std::time::{Duration, Instant};

use cloud_tests::{Cluster, Controller, Fleet, Lab, Options, eligible_nodes, epoch, eventually};

use crate::NAME;
use crate::process::end;
use crate::table::Table;

const AT_ONCE: usize = 20;
const LONGEST: Duration = Duration::from_secs(120);

/// Adds nodes without pods until there are three that take traffic.
pub(crate) fn three(lab: &Lab, cluster: &Cluster) -> Option<Fleet> {
    let present = cluster.list("/api/v1/nodes").len();
    let missing = 3_usize.saturating_sub(present);
    let fleet = (missing > 0).then(|| {
        let fleet = Fleet::servers(cluster, "bench-n", missing);
        fleet.register(missing);
        fleet
    });
    let controller = Controller::lead(lab, cluster, &Options::new(NAME));
    let wanted = present.max(3);
    eventually(LONGEST, "the nodes are ready", || {
        let eligible = eligible_nodes(cluster);
        if eligible.len() == wanted { Ok(()) } else { Err(format!("{eligible:?}")) }
    });
    end(controller);
    fleet
}

/// Twenty Nodes registered at once, until the last has lost its taint.
pub(crate) fn twenty(lab: &Lab, cluster: &Cluster) {
    let fleet = Fleet::servers(cluster, "bench-f", AT_ONCE);
    let controller = Controller::lead(lab, cluster, &Options::new(NAME));
    let begun = epoch();
    let count = |wanted: fn(&serde_json::Value) -> bool| {
        let nodes = cluster.list("/api/v1/nodes");
        let of_fleet = nodes
            .iter()
            .filter(|node| node["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("bench-f")));
        of_fleet.filter(|node| wanted(node)).count()
    };
    let (registered, initialised) = std::thread::scope(|scope| {
        scope.spawn(|| fleet.register(AT_ONCE));
        let reached = |wanted: fn(&serde_json::Value) -> bool, many: usize| {
            eventually(LONGEST, "nodes", || match count(wanted) {
                enough if enough >= many => Ok(Instant::now()),
                few => Err(format!("{few} of {many}")),
            })
        };
        let first = reached(|_| true, 1);
        let all = reached(|_| true, AT_ONCE);
        let done = reached(|node| !node["spec"]["taints"].to_string().contains("uninitialized"), AT_ONCE);
        (all - first, done - first)
    });
    let calls = controller.calls(begun);
    Table::new()
        .row("first Node there to all there", format!("{:.2} s", registered.as_secs_f64()))
        .row("first Node there to no taint left", format!("{:.2} s", initialised.as_secs_f64()))
        .row("calls", format!("{} + {} polls", calls.own, calls.polls))
        .row("Go", "2.8 s calm, 6.2 / 6.4 / 9.4 s at load 9 (n=3); 80 calls")
        .print(&format!("{AT_ONCE} nodes join at once"));
    end(controller);
}
