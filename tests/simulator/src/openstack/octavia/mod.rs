//! Octavia: load balancers, by the `amphora` and the `ovn` provider.
//!
//! Facts are from Octavia's and ovn-octavia-provider's sources of 2025.1; each file names its part.

mod admin;
mod body;
mod fronts;
mod graph;
mod lifecycle;
mod list;
mod listener;
mod load_balancer;
mod member;
mod model;
mod monitor;
mod operator;
mod policy;
mod pool;
mod provider;
mod refusal;
mod show;
#[cfg(test)]
mod tests;
mod vip;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::ask::{Ask, Reply};
use super::state::State;
use admin::{Flavor, Quotas};
pub use fronts::Front;
pub use lifecycle::{Build, Span};
use model::{Listener, LoadBalancer, Member, Monitor, Pool, Provider};
pub(crate) use operator::dump;
use refusal::Refusal;
pub(crate) use refusal::error;

/// The words that are no ids in Octavia's paths.
pub(crate) const WORDS: &[&str] = &[
    "v2",
    "v2.0",
    "lbaas",
    "octavia",
    "loadbalancers",
    "listeners",
    "pools",
    "members",
    "healthmonitors",
    "l7policies",
    "rules",
    "quotas",
    "default",
    "status",
    "statuses",
    "stats",
    "failover",
    "flavors",
    "flavorprofiles",
    "availabilityzones",
    "availabilityzoneprofiles",
    "providers",
    "flavor_capabilities",
    "availability_zone_capabilities",
    "amphorae",
];

/// How Octavia is set up.
#[derive(Clone, Debug)]
pub struct OctaviaOptions {
    /// `amphora` or `ovn`: who makes a load balancer that asks for none.
    pub default_provider: String,
    /// Who may be asked for.
    pub providers: Vec<String>,
    /// How long the amphora provider takes.
    pub amphora: Build,
    /// How long the ovn provider takes.
    pub ovn: Build,
    /// Most rows of a page of a list; as many as there are if missing.
    pub page: Option<usize>,
}

impl Default for OctaviaOptions {
    fn default() -> Self {
        Self {
            default_provider: "amphora".into(),
            providers: vec!["amphora".into(), "ovn".into()],
            amphora: Build::AMPHORA,
            ovn: Build::OVN,
            page: None,
        }
    }
}

impl OctaviaOptions {
    /// Every provider takes this long.
    #[must_use]
    pub fn building(mut self, build: Build) -> Self {
        (self.amphora, self.ovn) = (build, build);
        self
    }

    /// This provider by default.
    #[must_use]
    pub fn provider(mut self, name: &str) -> Self {
        name.clone_into(&mut self.default_provider);
        self
    }

    fn build(&self, provider: Provider) -> Build {
        match provider {
            Provider::Amphora => self.amphora,
            Provider::Ovn => self.ovn,
        }
    }
}

/// What Octavia knows.
#[derive(Clone, Debug)]
pub(crate) struct Octavia {
    options: OctaviaOptions,
    load_balancers: BTreeMap<String, LoadBalancer>,
    listeners: BTreeMap<String, Listener>,
    pools: BTreeMap<String, Pool>,
    monitors: BTreeMap<String, Monitor>,
    quotas: Quotas,
    flavors: BTreeMap<String, Flavor>,
    /// Names, and whether they are enabled.
    zones: BTreeMap<String, bool>,
    /// References to certificates that can be read.
    certificates: BTreeSet<String>,
    /// Ids that many members name, each once.
    shared: BTreeSet<Arc<str>>,
}

/// What Octavia does by itself.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The provider is done with its first piece of work on this load balancer.
    Done(String),
}

impl Octavia {
    pub(crate) fn new(options: &OctaviaOptions) -> Self {
        Self {
            options: options.clone(),
            load_balancers: BTreeMap::new(),
            listeners: BTreeMap::new(),
            pools: BTreeMap::new(),
            monitors: BTreeMap::new(),
            quotas: Quotas::default(),
            flavors: BTreeMap::new(),
            zones: BTreeMap::new(),
            certificates: BTreeSet::new(),
            shared: BTreeSet::new(),
        }
    }

    /// The id, in memory only once however often it is named.
    fn shared(&mut self, id: String) -> Arc<str> {
        if let Some(known) = self.shared.get(id.as_str()) {
            return known.clone();
        }
        let new: Arc<str> = id.into();
        self.shared.insert(new.clone());
        new
    }

    fn load_balancer(&self, id: &str) -> Result<&LoadBalancer, Refusal> {
        self.load_balancers.get(id).ok_or_else(|| Refusal::not_found("Load Balancer", id))
    }

    fn listener(&self, id: &str) -> Result<&Listener, Refusal> {
        self.listeners.get(id).ok_or_else(|| Refusal::not_found("Listener", id))
    }

    fn pool(&self, id: &str) -> Result<&Pool, Refusal> {
        self.pools.get(id).ok_or_else(|| Refusal::not_found("Pool", id))
    }

    fn monitor(&self, id: &str) -> Result<&Monitor, Refusal> {
        self.monitors.get(id).ok_or_else(|| Refusal::not_found("Health Monitor", id))
    }

    fn member(&self, pool: &str, id: &str) -> Result<&Member, Refusal> {
        self.pool(pool)?.members.get(id).ok_or_else(|| Refusal::not_found("Member", id))
    }
}

/// Answers a request.
pub(crate) fn answer(state: &mut State, ask: &Ask<'_>) -> Reply {
    if ask.path.is_empty() {
        return versions(state, ask);
    }
    route(state, ask).unwrap_or_else(Reply::from)
}

fn route(state: &mut State, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let ["v2" | "v2.0", rest @ ..] = ask.path.as_slice() else { return Err(nowhere()) };
    // `octavia` is an old name of `lbaas`.
    let ["lbaas" | "octavia", rest @ ..] = rest else { return Err(nowhere()) };
    match (ask.method.as_str(), rest) {
        ("GET", ["loadbalancers"]) => load_balancer::list(state, ask),
        ("POST", ["loadbalancers"]) => load_balancer::create(state, ask),
        ("GET", ["loadbalancers", id]) => load_balancer::get(state, ask, id),
        ("PUT", ["loadbalancers", id]) => load_balancer::update(state, ask, id),
        ("DELETE", ["loadbalancers", id]) => load_balancer::delete(state, ask, id),
        ("GET", ["loadbalancers", id, "status" | "statuses"]) => load_balancer::status(state, ask, id),
        ("GET", ["loadbalancers", id, "stats"]) => load_balancer::stats(state, ask, id),
        ("PUT", ["loadbalancers", id, "failover"]) => load_balancer::failover(state, ask, id),
        ("GET", ["listeners"]) => listener::list(state, ask),
        ("POST", ["listeners"]) => listener::create(state, ask),
        ("GET", ["listeners", id]) => listener::get(state, ask, id),
        ("PUT", ["listeners", id]) => listener::update(state, ask, id),
        ("DELETE", ["listeners", id]) => listener::delete(state, ask, id),
        ("GET", ["pools"]) => pool::list(state, ask),
        ("POST", ["pools"]) => pool::create(state, ask),
        ("GET", ["pools", id]) => pool::get(state, ask, id),
        ("PUT", ["pools", id]) => pool::update(state, ask, id),
        ("DELETE", ["pools", id]) => pool::delete(state, ask, id),
        // Said while the path is still looked up, and so in the web framework's words.
        (_, ["pools", pool, "members", ..]) if !state.octavia.pools.contains_key(*pool) => {
            Err(Refusal::web(404, "Bad Request", &format!("Pool {pool} not found.")))
        }
        ("GET", ["pools", pool, "members"]) => member::list(state, ask, pool),
        ("POST", ["pools", pool, "members"]) => member::create(state, ask, pool),
        ("PUT", ["pools", pool, "members"]) => member::replace(state, ask, pool),
        ("GET", ["pools", pool, "members", id]) => member::get(state, ask, pool, id),
        ("PUT", ["pools", pool, "members", id]) => member::update(state, ask, pool, id),
        ("DELETE", ["pools", pool, "members", id]) => member::delete(state, ask, pool, id),
        ("GET", ["healthmonitors"]) => monitor::list(state, ask),
        ("POST", ["healthmonitors"]) => monitor::create(state, ask),
        ("GET", ["healthmonitors", id]) => monitor::get(state, ask, id),
        ("PUT", ["healthmonitors", id]) => monitor::update(state, ask, id),
        ("DELETE", ["healthmonitors", id]) => monitor::delete(state, ask, id),
        _ => admin::route(state, ask, rest),
    }
}

fn nowhere() -> Refusal {
    Refusal::web(404, "Not Found", "")
}

/// Lets an event happen.
pub(crate) fn advance(state: &mut State, event: Event) {
    match event {
        Event::Done(id) => lifecycle::done(state, &id),
    }
}

/// The list of versions, which needs no token.
fn versions(state: &State, ask: &Ask<'_>) -> Reply {
    let newest = state.profile.octavia_newest();
    let version = |minor: u16| -> Value {
        json!({
            "id": format!("v2.{minor}"),
            "status": if minor == newest { "CURRENT" } else { "SUPPORTED" },
            "updated": "2016-12-11T00:00:00Z",
            "links": [{"href": format!("{}/v2", ask.base), "rel": "self"}],
        })
    };
    Reply::new(200, json!({"versions": (0..=newest).map(version).collect::<Vec<_>>()}))
}
