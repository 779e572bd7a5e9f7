//! The process itself: start, hand-over, memory, idling.

use std::thread::sleep;
use std::time::{Duration, Instant};

use cloud_tests::{Cluster, Controller, Lab, Options, epoch};

use crate::NAME;
use crate::table::{Series, Table};

const ROUNDS: usize = 10;
const IDLE: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30);

/// From exec to the lease, when nobody holds it.
pub(crate) fn start(lab: &Lab, cluster: &Cluster) {
    let (mut to_lease, mut processor) = (Series::default(), Series::default());
    // The lease may still be held by a process that was killed.
    end(Controller::lead(lab, cluster, &Options::new(NAME)));
    for _ in 0..ROUNDS {
        let controller = Controller::start(lab, cluster, &Options::new(NAME));
        to_lease.add_time(controller.led(controller.started));
        sleep(Duration::from_secs(2));
        processor.add(controller.processor_seconds());
        end(controller);
    }
    Table::new()
        .row("exec to lease", to_lease.seconds())
        .row("processor time of the first 2 s", processor.seconds())
        .row("Go", "0.87 / 1.07 / 1.10 s; processor 0.38-0.40 s of the first 5 s (n=3)")
        .print(&format!("Start, lease free ({ROUNDS} rounds)"));
}

/// From SIGTERM to the leader until the other one leads.
pub(crate) fn hand_over(lab: &Lab, cluster: &Cluster) {
    let mut took = Series::default();
    let mut leader = Controller::lead(lab, cluster, &Options::new(NAME));
    for _ in 0..ROUNDS {
        let standby = Controller::start(lab, cluster, &Options::new(NAME));
        sleep(Duration::from_secs(2));
        let asked = Instant::now();
        leader.terminate();
        took.add_time(standby.led(asked));
        leader.ended(LONGEST);
        leader = standby;
    }
    end(leader);
    Table::new()
        .row("SIGTERM to the other's lease", took.seconds())
        .row("Go", "16.3 / 17.9 s (n=2): the lease runs out")
        .print(&format!("Hand-over ({ROUNDS} rounds)"));
}

/// Memory and calls while nothing happens.
pub(crate) fn idle(lab: &Lab, cluster: &Cluster) {
    let controller = Controller::lead(lab, cluster, &Options::new(NAME));
    sleep(Duration::from_secs(5));
    let (begun, processor) = (epoch(), controller.processor_seconds());
    sleep(IDLE);
    let calls = controller.calls(begun);
    let kib = u32::try_from(controller.resident()).unwrap_or(u32::MAX);
    Table::new()
        .row("VmRSS", format!("{:.1} MiB", f64::from(kib) / 1024.0))
        .row("calls to OpenStack in 60 s", format!("{} + {} polls", calls.own, calls.polls))
        .row("processor time in 60 s", format!("{:.2} s", controller.processor_seconds() - processor))
        .row(
            "executable",
            std::env::current_exe()
                .unwrap_or_default()
                .parent()
                .map_or_else(String::new, |p| p.display().to_string()),
        )
        .row("Go", "58.7 MiB after 30 s; 2.4 calls/min (12 in 5 min); 0.08 s/min (3 nodes)")
        .print("Idle for 60 s, 3 nodes");
    end(controller);
}

/// Ends it in good order, so that the lease is free.
pub(crate) fn end(mut controller: Controller) {
    controller.terminate();
    controller.ended(LONGEST);
}
