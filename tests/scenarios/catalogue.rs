//! The scenarios: what is there, what goes wrong, what people do meanwhile.

mod acts;
mod troubles;

use std::time::Duration;

use crate::boundaries::{CREATE_AND_DELETE, CREATE_AND_DELETE_OVN};
use crate::harness::{Scenario, Setup};

const MINUTE: Duration = Duration::from_secs(60);

/// All of them.
pub(crate) static ALL: [Scenario; 12] = [
    Scenario {
        name: "services-come-and-go",
        setup: |rng| Setup { provider: Setup::any_provider(rng), ..Setup::default() },
        within: MINUTE,
        troubles: troubles::writes_and_kills,
        act: acts::churn,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "nodes-come-and-go",
        setup: |rng| Setup { provider: Setup::any_provider(rng), nodes: 5, ..Setup::default() },
        within: MINUTE,
        troubles: troubles::writes_and_kills,
        act: acts::nodes,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "nodes-are-initialised",
        setup: |_| Setup { nodes: 4, replicas: 2, ..Setup::default() },
        within: MINUTE,
        troubles: troubles::nodes,
        act: acts::register,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "storms",
        setup: |rng| Setup { provider: Setup::any_provider(rng), ..Setup::default() },
        within: MINUTE,
        troubles: troubles::storms,
        act: acts::churn,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "errors",
        setup: |rng| Setup { provider: Setup::any_provider(rng), ..Setup::default() },
        within: MINUTE,
        troubles: troubles::errors,
        act: acts::create_only,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "leaders",
        setup: |rng| Setup {
            provider: Setup::any_provider(rng),
            replicas: rng.usize(2..=3),
            ..Setup::default()
        },
        within: Duration::from_secs(120),
        troubles: troubles::partitions,
        act: acts::long_churn,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "two-clusters-of-one-name",
        setup: |rng| Setup { provider: Setup::any_provider(rng), clusters: 2, ..Setup::default() },
        within: MINUTE,
        troubles: troubles::writes_and_kills,
        act: acts::same_names,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "keystone-away",
        setup: |rng| Setup { provider: Setup::any_provider(rng), token_life: 300, ..Setup::default() },
        within: MINUTE,
        troubles: troubles::keystone,
        act: acts::churn,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "odd-lists",
        setup: |rng| Setup { provider: Setup::any_provider(rng), nodes: 6, ..Setup::default() },
        within: MINUTE,
        troubles: troubles::lists,
        act: acts::churn,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "api-server",
        setup: |rng| Setup { provider: Setup::any_provider(rng), replicas: 2, ..Setup::default() },
        within: Duration::from_secs(120),
        troubles: troubles::api_server,
        act: acts::long_churn,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "credentials-rotate",
        setup: |rng| Setup { provider: Setup::any_provider(rng), token_life: 600, ..Setup::default() },
        within: MINUTE,
        troubles: troubles::keystone,
        act: acts::rotate,
        bound: Duration::from_secs(900),
    },
    Scenario {
        name: "three-replicas-rolled",
        setup: |rng| Setup { provider: Setup::any_provider(rng), replicas: 3, ..Setup::default() },
        within: Duration::from_secs(120),
        troubles: troubles::rolling,
        act: acts::long_churn,
        bound: Duration::from_secs(900),
    },
];

/// The scenario of this name.
pub(crate) fn named(name: &str) -> &'static Scenario {
    let mut all = ALL.iter().chain([&CREATE_AND_DELETE, &CREATE_AND_DELETE_OVN]);
    all.find(|scenario| scenario.name == name).unwrap_or_else(|| panic!("no scenario {name}"))
}
