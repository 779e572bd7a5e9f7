//! Who changes the cloud from within: an administrator, or a service by itself. Each service adds what it lets be done.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::ask::{Ask, LATEST};
use super::endpoints::Service;
use super::keystone::Who;
use super::state::State;
use super::{Cloud, neutron, nova, octavia};

/// Does what no request of a program could do.
#[derive(Clone, Debug)]
pub struct Operator(Cloud);

impl Operator {
    pub(crate) fn new(cloud: Cloud) -> Self {
        Self(cloud)
    }

    /// Hands over the state as it is at this instant.
    pub(crate) fn state<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        self.0.with_state(act)
    }

    /// How long until the cloud changes by itself; `None` if nothing is under way.
    pub fn next_change(&self) -> Option<std::time::Duration> {
        self.state(|state| state.next_due().map(|due| due.saturating_duration_since(state.now)))
    }

    /// All objects of all services by kind and id, each as an administrator sees it.
    pub fn dump(&self) -> Value {
        self.state(|state| {
            let mut all = nova::dump(state);
            all.append(&mut neutron::dump(&state.neutron));
            all.append(&mut octavia::dump(&state.octavia, state.profile));
            all.into()
        })
    }

    /// A request as an administrator whose project is the first one, past network, faults and ledger: status and body.
    /// `to` is service, path and query without escapes: `neutron/v2.0/ports?device_id=x`.
    pub fn ask(&self, method: &Method, to: &str, body: Value) -> (u16, Value) {
        let (path, query) = to.split_once('?').unwrap_or((to, ""));
        let mut segments = path.split('/');
        let service = segments.next();
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key.to_owned(), value.to_owned())
        };
        let endpoints = &self.0.options().endpoints;
        let headers = HeaderMap::new();
        let reply = self.state(|state| {
            let who = Who::admin(state.keystone.first_project());
            let ask = |service: Service| Ask {
                method,
                path: segments.collect(),
                query: query.split('&').filter(|one| !one.is_empty()).map(pair).collect(),
                microversion: Some(LATEST),
                headers: &headers,
                body,
                who: &who,
                base: endpoints.of(service),
                fails: false,
            };
            match service {
                Some("nova") => Some(nova::answer(state, &ask(Service::Nova))),
                Some("neutron") => Some(neutron::answer(state, &ask(Service::Neutron))),
                Some("octavia") => Some(octavia::answer(state, &ask(Service::Octavia))),
                _ => None,
            }
        });
        reply.map_or((404, Value::Null), |reply| (reply.status, reply.body))
    }
}
