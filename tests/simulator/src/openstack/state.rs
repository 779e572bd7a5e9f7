//! The state of a whole cloud, and what becomes of it by itself as time passes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::keystone::Keystone;
use super::neutron::Neutron;
use super::nova::Nova;
use super::octavia::Octavia;
use super::{CloudOptions, Profile, neutron, nova, octavia};
use crate::world::{Ids, World};

/// Everything that the services know. A copy of it is a look into the past.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The instant up to which everything that was due has been applied.
    pub(crate) now: Instant,
    /// What the wall clock shows at `now`.
    pub(crate) wall: Timestamp,
    pub(crate) rng: fastrand::Rng,
    pub(crate) ids: Ids,
    pub(crate) profile: Profile,
    pub(crate) keystone: Keystone,
    pub(crate) nova: Nova,
    pub(crate) neutron: Neutron,
    pub(crate) octavia: Octavia,
    world: World,
    due: BTreeMap<(Instant, u64), Event>,
    scheduled: u64,
}

/// Something that a service does by itself at its time.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Nova(nova::Event),
    Neutron(neutron::Event),
    Octavia(octavia::Event),
}

impl State {
    pub(crate) fn new(world: &World, options: &CloudOptions) -> Self {
        let mut ids = world.ids("openstack");
        Self {
            now: Instant::now(),
            wall: world.wall(),
            rng: world.rng("openstack"),
            profile: options.profile,
            keystone: Keystone::new(&options.keystone, &options.endpoints, &mut ids),
            nova: Nova::default(),
            neutron: Neutron::default(),
            octavia: Octavia::new(&options.octavia),
            ids,
            world: world.clone(),
            due: BTreeMap::new(),
            scheduled: 0,
        }
    }

    /// Lets `event` happen `after` so long; events of one instant in the order in which they were scheduled.
    pub(crate) fn schedule(&mut self, after: Duration, event: Event) {
        self.scheduled += 1;
        self.due.insert((self.now + after, self.scheduled), event);
    }

    /// Lets everything happen that is due by `to`, each at its own time.
    pub(crate) fn advance(&mut self, to: Instant) {
        while let Some(entry) = self.due.first_entry() {
            let at = entry.key().0;
            if at > to {
                break;
            }
            let event = entry.remove();
            self.set_time(at);
            match event {
                Event::Nova(event) => nova::advance(self, event),
                Event::Neutron(event) => neutron::advance(self, event),
                Event::Octavia(event) => octavia::advance(self, event),
            }
        }
        self.set_time(to);
    }

    /// When the next thing happens by itself.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The wall clock at `now` has jumped.
    pub(crate) fn reset_wall(&mut self) {
        self.wall = self.world.wall_at(self.now);
    }

    fn set_time(&mut self, now: Instant) {
        // Never back: a copy of the past may be asked about an instant that has passed for it.
        self.now = self.now.max(now);
        self.reset_wall();
    }
}
