//! Octavia's objects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::lifecycle::Task;

/// Provisioning status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    PendingCreate,
    PendingUpdate,
    PendingDelete,
    Error,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::PendingCreate => "PENDING_CREATE",
            Self::PendingUpdate => "PENDING_UPDATE",
            Self::PendingDelete => "PENDING_DELETE",
            Self::Error => "ERROR",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let all = [Self::Active, Self::PendingCreate, Self::PendingUpdate, Self::PendingDelete, Self::Error];
        all.into_iter().find(|status| status.name() == name)
    }
}

/// Operating status.
pub(crate) type Operating = &'static str;

/// What all but members have.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) project: String,
    pub(crate) tags: Vec<String>,
    pub(crate) enabled: bool,
    pub(crate) status: Status,
    pub(crate) operating: Operating,
    pub(crate) created: Timestamp,
    pub(crate) updated: Option<Timestamp>,
}

impl Common {
    pub(crate) fn new(id: String, project: &str, now: Timestamp) -> Self {
        Self {
            id,
            name: String::new(),
            description: String::new(),
            project: project.to_owned(),
            tags: Vec::new(),
            enabled: true,
            status: Status::PendingCreate,
            operating: "OFFLINE",
            created: now,
            updated: None,
        }
    }

    /// Octavia notes the time of every write to the row, that of its status included.
    pub(crate) fn set(&mut self, status: Status, now: Timestamp) {
        self.status = status;
        self.updated = Some(now);
    }
}

/// The address that clients connect to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vip {
    pub(crate) address: String,
    pub(crate) port: String,
    pub(crate) subnet: String,
    pub(crate) network: String,
    /// Octavia made the port, and deletes it.
    pub(crate) owned: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct LoadBalancer {
    pub(crate) common: Common,
    pub(crate) provider: Provider,
    pub(crate) vip: Vip,
    pub(crate) additional_vips: Vec<Vip>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) qos_policy: Option<String>,
    pub(crate) flavor: Option<String>,
    pub(crate) zone: Option<String>,
    /// In order of their making.
    pub(crate) listeners: Vec<String>,
    pub(crate) pools: Vec<String>,
    /// What the provider is still at, the first under way.
    pub(crate) tasks: VecDeque<Task>,
}

/// Who makes load balancers work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Amphora,
    Ovn,
}

impl Provider {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amphora => "amphora",
            Self::Ovn => "ovn",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        match name {
            // The old name of the first provider.
            "amphora" | "octavia" => Some(Self::Amphora),
            "ovn" => Some(Self::Ovn),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Listener {
    pub(crate) common: Common,
    pub(crate) load_balancer: String,
    pub(crate) protocol: String,
    pub(crate) port: u16,
    pub(crate) connection_limit: i64,
    pub(crate) default_pool: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// Client data, member connect, member data, TCP inspect, in milliseconds.
    pub(crate) timeouts: [i64; 4],
    pub(crate) cidrs: Vec<String>,
    pub(crate) certificate: Option<String>,
    pub(crate) sni: Vec<String>,
    /// What is only kept: attributes of TLS and HSTS.
    pub(crate) kept: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) common: Common,
    pub(crate) load_balancer: String,
    pub(crate) protocol: String,
    pub(crate) algorithm: String,
    pub(crate) persistence: Option<Persistence>,
    pub(crate) monitor: Option<String>,
    /// By their ids.
    pub(crate) members: BTreeMap<Box<str>, Member>,
    /// What is only kept: attributes of TLS.
    pub(crate) kept: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Persistence {
    pub(crate) kind: String,
    pub(crate) cookie: Option<String>,
    pub(crate) timeout: Option<i64>,
    pub(crate) granularity: Option<String>,
}

/// Small, since there may be a million of them. Its project is the pool's, its id the key there.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: Box<str>,
    pub(crate) address: Box<str>,
    pub(crate) port: u16,
    pub(crate) weight: u16,
    pub(crate) backup: bool,
    pub(crate) enabled: bool,
    pub(crate) subnet: Option<Arc<str>>,
    pub(crate) monitor_address: Option<Box<str>>,
    pub(crate) monitor_port: Option<u16>,
    pub(crate) tags: Vec<String>,
    pub(crate) status: Status,
    pub(crate) operating: Operating,
    pub(crate) created: Timestamp,
    pub(crate) updated: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    pub(crate) common: Common,
    pub(crate) pool: String,
    pub(crate) kind: String,
    pub(crate) delay: i64,
    pub(crate) timeout: i64,
    pub(crate) max_retries: i64,
    pub(crate) max_retries_down: i64,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) codes: Option<String>,
    pub(crate) version: Option<f64>,
    pub(crate) domain: Option<String>,
}
