//! Shared snapshots of the project's servers and their ports.

use std::sync::Arc;
use std::time::Duration;

use crate::Cloud;
use crate::compute::Server;
use crate::error::Error;
use crate::ids::{PortId, ServerId};
use crate::network::Port;

/// Snapshots of servers and ports, refreshed when someone asks for fresher ones.
#[derive(Clone, Debug)]
pub struct Inventory {
    _cloud: Cloud,
}

/// All servers of the project at one time.
#[derive(Debug, Default)]
pub struct Servers {}

/// The servers' ports at one time.
#[derive(Debug, Default)]
pub struct Ports {}

impl Inventory {
    /// An empty inventory.
    pub fn new(cloud: Cloud) -> Self {
        Self { _cloud: cloud }
    }

    /// The servers, as they were at most `max_age` ago.
    pub async fn servers(&self, _max_age: Duration) -> Result<Arc<Servers>, Error> {
        unimplemented!()
    }

    /// The servers' ports, as they were at most `max_age` ago.
    pub async fn ports(&self, _max_age: Duration) -> Result<Arc<Ports>, Error> {
        unimplemented!()
    }
}

impl Servers {
    /// The server with this id.
    pub fn by_id(&self, _id: &ServerId) -> Option<&Server> {
        unimplemented!()
    }

    /// All servers of this name; names are not unique.
    pub fn by_name(&self, _name: &str) -> Vec<&Server> {
        unimplemented!()
    }

    /// How many servers there are.
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Ports {
    /// The ports of a server, in Neutron's order.
    pub fn of_device(&self, _device: &str) -> &[Port] {
        unimplemented!()
    }

    /// The port with this id.
    pub fn by_id(&self, _id: &PortId) -> Option<&Port> {
        unimplemented!()
    }
}
