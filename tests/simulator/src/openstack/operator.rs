//! Who changes the cloud from within: an administrator, or a service by itself. Each service adds what it lets be done.

use super::Cloud;
use super::state::State;

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
}
