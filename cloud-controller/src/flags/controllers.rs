//! `--controllers`: which parts of the program run.

use std::fmt;

/// A controller. Do not change the names: manifests and dashboards hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControllerName {
    /// Initialises Nodes and keeps their addresses.
    Node,
    /// Deletes Nodes whose servers are gone.
    NodeLifecycle,
    /// Load balancers of Services.
    Service,
    /// Routes to the pods.
    Route,
}

impl ControllerName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Node, Self::NodeLifecycle, Self::Service, Self::Route];

    /// The canonical name.
    pub fn canonical(self) -> &'static str {
        match self {
            Self::Node => "cloud-node-controller",
            Self::NodeLifecycle => "cloud-node-lifecycle-controller",
            Self::Service => "service-lb-controller",
            Self::Route => "node-route-controller",
        }
    }

    /// The former name, which metrics go on using.
    pub fn alias(self) -> &'static str {
        match self {
            Self::Node => "cloud-node",
            Self::NodeLifecycle => "cloud-node-lifecycle",
            Self::Service => "service",
            Self::Route => "route",
        }
    }

    fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|controller| controller.canonical() == name || controller.alias() == name)
    }
}

impl fmt::Display for ControllerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.canonical())
    }
}

/// Which controllers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controllers {
    /// In the order of the list; the first that names a controller counts.
    named: Vec<(ControllerName, bool)>,
    by_default: bool,
}

impl Controllers {
    /// Reads the items of the list.
    pub(super) fn parse(items: &[String]) -> Result<Self, Vec<String>> {
        let mut parsed = Self { named: Vec::new(), by_default: false };
        let mut unknown = Vec::new();
        for item in items {
            let (name, on) = item.strip_prefix('-').map_or((item.as_str(), true), |name| (name, false));
            if item == "*" {
                parsed.by_default = true;
            } else if let Some(controller) = ControllerName::find(name) {
                parsed.named.push((controller, on));
            } else {
                unknown.push(format!("--controllers: {name:?} is not in the list of known controllers"));
            }
        }
        if unknown.is_empty() { Ok(parsed) } else { Err(unknown) }
    }

    /// Whether this one runs.
    pub fn is_on(&self, controller: ControllerName) -> bool {
        self.named.iter().find(|(named, _)| *named == controller).map_or(self.by_default, |(_, on)| *on)
    }
}
