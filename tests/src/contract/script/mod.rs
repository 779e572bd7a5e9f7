//! The script, in parts that need nothing of each other.

mod keystone;
mod neutron;
mod neutron_groups;
mod neutron_setup;
mod nova;
mod octavia;

use super::step::Step;

/// A part of the script.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is about.
    pub name: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// All parts.
pub fn parts() -> Vec<Part> {
    let octavia = |name, range, algorithm| octavia::steps(octavia::Provider { name, range, algorithm });
    let part = |name, steps| Part { name, steps };
    vec![
        part("keystone", keystone::steps()),
        part("nova", nova::steps()),
        part("neutron", neutron::steps()),
        part("security groups", neutron_groups::steps()),
        part("amphora", octavia("amphora", "10.96.1.0/24", "ROUND_ROBIN")),
        part("ovn", octavia("ovn", "10.96.2.0/24", "SOURCE_IP_PORT")),
    ]
}
