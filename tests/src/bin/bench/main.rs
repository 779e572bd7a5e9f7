//! What the controller costs on the laboratory, as tables: times beside the time that OpenStack itself takes for the same
//! change, API calls, memory; and what the Go provider needed on the same kind of laboratory.
//!
//! `tests/lab/lab inside cargo run --offline --release --package cloud-tests --features lab --bin bench`

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed measurement ends with what failed")]
#![allow(clippy::print_stdout, reason = "tables are the purpose")]
#![allow(clippy::disallowed_methods, reason = "real time is measured")]

mod bare;
mod nodes;
mod process;
mod services;
mod table;

use cloud_tests::Lab;

/// `--cluster-name` of the controllers, and the name of the namespace.
pub(crate) const NAME: &str = "bench";

fn main() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "On {cores} cores; times are medians (lowest to highest); `load` is the load average when the row was done."
    );
    println!(
        "Own: what OpenStack takes for the same change by bare calls, looked at every 20 ms, alternating with ours."
    );
    println!(
        "Calls: own calls + polls; logins are left out, as they are in the Go provider's figures where it says so."
    );
    println!(
        "Go: kubernetes/cloud-provider-openstack v1.36 on the same kind of laboratory, 2 cores, load as given."
    );
    process::start(&lab, &cluster);
    process::hand_over(&lab, &cluster);
    let fleet = nodes::three(&lab, &cluster);
    process::idle(&lab, &cluster);
    services::create(&lab, &cluster);
    services::node_change(&lab, &cluster);
    drop(fleet);
    nodes::twenty(&lab, &cluster);
}
