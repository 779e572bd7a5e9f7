//! Creating and deleting a Service, killed at every boundary of every request, with and without a late commit.

use std::time::Duration;

use futures::FutureExt as _;
use simulator::link::Point;
use simulator::{Fault, Rule};
use tokio::time::sleep;

use crate::harness::{At, Provider, Scenario, Setup, Statistics, Trouble, untouched};

pub(crate) static CREATE_AND_DELETE: Scenario =
    scenario("killed-at-a-boundary-amphora", |_| setup(Provider::Amphora));
pub(crate) static CREATE_AND_DELETE_OVN: Scenario =
    scenario("killed-at-a-boundary-ovn", |_| setup(Provider::Ovn));

fn setup(provider: Provider) -> Setup {
    Setup { provider, nodes: 2, ..Setup::default() }
}

const fn scenario(name: &'static str, setup: fn(&mut fastrand::Rng) -> Setup) -> Scenario {
    Scenario {
        name,
        setup,
        within: Duration::from_secs(60),
        troubles: |_| Vec::new(),
        act: |run| {
            async move {
                run.create_service(0, "stays", &[80]);
                run.create_service(0, "goes", &[80, 443]);
                sleep(Duration::from_secs(40)).await;
                run.delete_service(0, "goes");
                sleep(Duration::from_secs(40)).await;
            }
            .boxed()
        },
        bound: Duration::from_secs(700),
    }
}

/// Kills at each of the requests of a run without kills, at `point`, every `step`-th request.
fn kill_everywhere(scenario: &'static Scenario, point: At, step: usize, late: bool) -> Statistics {
    let calm = scenario.run_with(1, &[], untouched);
    assert!(calm.failure.is_none(), "{}", calm.failure.unwrap());
    // Only what the first program sent until all was done, not the idling afterwards.
    let last_write =
        calm.ledger.iter().rposition(|entry| entry.is_write() && !entry.path.contains("/leases")).unwrap();
    let mut sum = Statistics::default();
    for n in (1..=last_write as u64 + 1).step_by(step) {
        let mut troubles = vec![Trouble::Kill { replica: 0, point, n, back_after_ms: 500 }];
        if late {
            // The request that is on its way when the process dies takes effect when the next one is at work.
            let by_ms = 100 + n * 37 % 3_000;
            let rule = Rule::new(Fault::Late { by_ms }).method("POST").service("octavia");
            troubles.push(Trouble::Fault(rule.nth(1 + n % 2)));
        }
        let outcome = scenario.run_with(n, &troubles, untouched);
        assert!(outcome.failure.is_none(), "{}", outcome.failure.unwrap());
        sum.add(&outcome.statistics);
    }
    sum
}

/// In `make check` every so many-th boundary, in `make soak` each.
const COARSE: usize = 17;

#[test]
fn a_process_may_be_killed_at_some_boundaries() {
    for (at, point) in At::ALL.into_iter().enumerate() {
        for scenario in [&CREATE_AND_DELETE, &CREATE_AND_DELETE_OVN] {
            let sum = kill_everywhere(scenario, point, COARSE, at == 1);
            let kind = Trouble::Kill { replica: 0, point, n: 1, back_after_ms: 0 }.kind();
            assert!(sum.happened.get(kind).is_some_and(|count| *count > 1), "{kind}: {sum}");
        }
    }
}

#[test]
#[ignore = "takes long: make soak"]
fn a_process_may_be_killed_at_every_boundary() {
    let mut sum = Statistics::default();
    for point in At::ALL {
        for scenario in [&CREATE_AND_DELETE, &CREATE_AND_DELETE_OVN] {
            for late in [false, true] {
                sum.add(&kill_everywhere(scenario, point, 1, late));
            }
        }
    }
    eprintln!("{sum}");
    assert_eq!(sum.idle(1), Vec::<String>::new());
}

#[test]
fn requests_are_counted_at_each_point() {
    // The kills above count requests of one process; that is only right if they are counted where they should be.
    assert_eq!(Point::from(At::Effect), Point::Effect);
    let outcome = CREATE_AND_DELETE.run_with(1, &[], untouched);
    let answered = outcome.ledger.iter().filter(|entry| entry.answered.is_some()).count();
    assert!(answered > 50, "{answered}");
}
