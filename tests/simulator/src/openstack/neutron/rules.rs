//! Rules of security groups.

use serde_json::{Map, Value, json};

use super::attributes::{Attribute, Body, DESCRIPTION, ID, PROJECT, REVISION, TENANT};
use super::fault::Fault;
use super::form::Form;
use super::net::Cidr;
use super::object::{self, Kind, Object, Standard, Table};
use super::{Neutron, SecurityGroup};
use crate::openstack::keystone::Who;
use crate::openstack::state::State;

const ATTRIBUTES: &[Attribute] = &[
    ID,
    DESCRIPTION,
    PROJECT,
    TENANT,
    REVISION,
    Attribute::new("security_group_id", Form::Text(36)).required().filter(),
    Attribute::new("direction", Form::OneOf(&["ingress", "egress"])).required().filter(),
    Attribute::new("ethertype", Form::EtherType).post().filter(),
    Attribute::new("protocol", Form::Protocol).post().filter(),
    Attribute::new("port_range_min", Form::PortOrNull).post().filter(),
    Attribute::new("port_range_max", Form::PortOrNull).post().filter(),
    Attribute::new("remote_ip_prefix", Form::CidrOrNull).post().filter(),
    Attribute::new("remote_group_id", Form::UuidOrNull).post().filter(),
];

/// A rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) standard: Standard,
    pub(crate) group: String,
    pub(crate) direction: String,
    pub(crate) ethertype: String,
    pub(crate) protocol: Option<String>,
    pub(crate) ports: (Option<i64>, Option<i64>),
    pub(crate) remote_ip: Option<String>,
    pub(crate) remote_group: Option<String>,
    /// Whether its group is a project's default one.
    of_default: bool,
    /// Whether somebody has made it; else it came with its group.
    is_made: bool,
}

impl Rule {
    /// As its group shows it: nothing there is filtered.
    pub(super) fn show_embedded(&self, neutron: &Neutron, who: &Who) -> Map<String, Value> {
        let mut shown = self.show(neutron, who);
        shown.insert("tags".to_owned(), json!([]));
        shown.insert("standard_attr_id".to_owned(), 0.into());
        shown
    }
}

impl Object for Rule {
    const IS_SEEN_BY_POLICY_ONLY: bool = true;

    const KIND: Kind = Kind {
        singular: "security_group_rule",
        plural: "security_group_rules",
        missing: ("SecurityGroupRuleNotFound", "Security group rule {} does not exist"),
        attributes: &[ATTRIBUTES],
    };

    fn table(neutron: &Neutron) -> &Table<Self> {
        &neutron.rules
    }

    fn table_mut(neutron: &mut Neutron) -> &mut Table<Self> {
        &mut neutron.rules
    }

    fn standard(&self) -> &Standard {
        &self.standard
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }

    fn show(&self, _neutron: &Neutron, _who: &Who) -> Map<String, Value> {
        let normalised =
            self.remote_ip.as_deref().and_then(Cidr::parse).map(|cidr| cidr.network().to_string());
        let mut shown = self.standard.show(json!({
            "security_group_id": self.group,
            "direction": self.direction,
            "ethertype": self.ethertype,
            "protocol": self.protocol,
            "port_range_min": self.ports.0,
            "port_range_max": self.ports.1,
            "remote_ip_prefix": self.remote_ip,
            "remote_group_id": self.remote_group,
            "remote_address_group_id": null,
            "normalized_cidr": normalised,
            "belongs_to_default_sg": self.of_default,
        }));
        shown.remove("name");
        shown.remove("tags");
        if !self.is_made {
            shown.insert("description".to_owned(), Value::Null);
        }
        shown
    }

    fn has(&self, attribute: &str, value: &str) -> bool {
        match attribute {
            "security_group_id" => self.group == value,
            "direction" => self.direction == value,
            "ethertype" => self.ethertype == value,
            "protocol" => self.protocol.as_deref() == Some(value),
            "port_range_min" => self.ports.0.is_some_and(|port| port.to_string() == value),
            "port_range_max" => self.ports.1.is_some_and(|port| port.to_string() == value),
            "remote_ip_prefix" => self.remote_ip.as_deref() == Some(value),
            "remote_group_id" => self.remote_group.as_deref() == Some(value),
            _ => false,
        }
    }

    fn create(state: &mut State, body: &Body, who: &Who) -> Result<String, Fault> {
        let group_id = body.text("security_group_id").unwrap_or_default();
        let group: &SecurityGroup = object::find(&state.neutron, &group_id, who)?;
        let of_default = group.is_default();
        let remote_group = body.text("remote_group_id");
        if let Some(remote) = &remote_group {
            object::find::<SecurityGroup>(&state.neutron, remote, who)?;
        }
        let rule = Rule {
            standard: super::new_standard(state, body),
            group: group_id,
            direction: body.text("direction").unwrap_or_default(),
            ethertype: body.text("ethertype").unwrap_or_else(|| "IPv4".to_owned()),
            protocol: body.text("protocol"),
            ports: (body.number("port_range_min"), body.number("port_range_max")),
            remote_ip: body.text("remote_ip_prefix"),
            remote_group,
            of_default,
            is_made: true,
        };
        check(&rule)?;
        if let Some(other) = state.neutron.rules.values().find(|other| is_same(other, &rule)) {
            let text = format!("Security group rule already exists. Rule id is {}.", other.standard.id);
            return Err(Fault::conflict("SecurityGroupRuleExists", text));
        }
        touch_group(state, &rule.group);
        let id = rule.standard.id.clone();
        state.neutron.rules.insert(id.clone(), rule);
        Ok(id)
    }

    fn update(_state: &mut State, _id: &str, _body: &Body, _who: &Who) -> Result<(), Fault> {
        Err(Fault::no_method())
    }

    fn delete(state: &mut State, id: &str, _who: &Who) -> Result<(), Fault> {
        if let Some(rule) = state.neutron.rules.remove(id) {
            touch_group(state, &rule.group);
        }
        Ok(())
    }
}

/// A rule that a group has from the beginning.
pub(super) fn add_initial(
    state: &mut State,
    group: &SecurityGroup,
    direction: &str,
    ethertype: &str,
    remote_group: Option<String>,
) {
    let id = state.ids.uuid();
    let standard = Standard::new(id.clone(), &group.standard.project_id, "", state.wall);
    let rule = Rule {
        standard,
        group: group.standard.id.clone(),
        direction: direction.to_owned(),
        ethertype: ethertype.to_owned(),
        protocol: None,
        ports: (None, None),
        remote_ip: None,
        remote_group,
        of_default: group.is_default(),
        is_made: false,
    };
    state.neutron.rules.insert(id, rule);
}

fn touch_group(state: &mut State, group: &str) {
    let wall = state.wall;
    if let Some(group) = state.neutron.security_groups.get_mut(group) {
        group.standard.touch(wall);
    }
}

/// Whether what a rule says makes sense.
fn check(rule: &Rule) -> Result<(), Fault> {
    let invalid = |kind: &'static str, text: String| Err(Fault::new(400, kind, text));
    if rule.remote_ip.is_some() && rule.remote_group.is_some() {
        let text =
            "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.";
        return invalid("SecurityGroupMultipleRemoteEntites", text.to_owned());
    }
    check_ports(rule)?;
    let base = rule.remote_ip.as_deref().and_then(Cidr::parse);
    let version = if rule.ethertype == "IPv4" { 4 } else { 6 };
    if let Some(cidr) = base.filter(|cidr| cidr.version() != version) {
        let text = format!("Conflicting value ethertype {} for CIDR {cidr}", rule.ethertype);
        return invalid("SecurityGroupRuleParameterConflict", text);
    }
    Ok(())
}

fn check_ports(rule: &Rule) -> Result<(), Fault> {
    let invalid = |kind: &'static str, text: &str| Err(Fault::new(400, kind, text));
    let (least, most) = rule.ports;
    if least.is_none() && most.is_none() {
        return Ok(());
    }
    match rule.protocol.as_deref() {
        None => invalid(
            "SecurityGroupProtocolRequiredWithPorts",
            "Must also specify protocol if port range is given.",
        ),
        Some("icmp" | "icmpv6" | "ipv6-icmp" | "1" | "58") => match (least, most) {
            (None, Some(code)) => {
                let text = format!(
                    "ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing."
                );
                invalid("SecurityGroupMissingIcmpType", &text)
            }
            _ => Ok(()),
        },
        Some("tcp" | "udp" | "sctp" | "6" | "17" | "132") => {
            if least == Some(0) || most == Some(0) {
                return invalid("SecurityGroupInvalidPortValue", "Invalid value for port 0");
            }
            if least.is_none() || most.is_none() || least > most {
                return invalid(
                    "SecurityGroupInvalidPortRange",
                    "For TCP/UDP protocols, port_range_min must be <= port_range_max",
                );
            }
            Ok(())
        }
        Some(other) => {
            let text = format!(
                "Ports cannot be specified for protocol {}. Ports are only supported for DCCP, SCTP, TCP, UDP, UDPLITE.",
                protocol_number(other)
            );
            invalid("SecurityGroupInvalidProtocolForPort", &text)
        }
    }
}

/// The number of a protocol, as IANA gives it; one that is not known here stays as it is.
fn protocol_number(name: &str) -> &str {
    match name {
        "igmp" => "2",
        "gre" => "47",
        "esp" => "50",
        "ah" => "51",
        "ospf" => "89",
        "vrrp" => "112",
        other => other,
    }
}

/// Whether two rules say the same; descriptions do not count.
fn is_same(a: &Rule, b: &Rule) -> bool {
    // A range of everything is no restriction.
    let range =
        |rule: &Rule| rule.remote_ip.as_deref().and_then(Cidr::parse).filter(|cidr| !cidr.is_everything());
    let range = |rule: &Rule| range(rule).map(|cidr| cidr.network().to_string());
    a.group == b.group
        && a.direction == b.direction
        && a.ethertype == b.ethertype
        && a.protocol == b.protocol
        && a.ports == b.ports
        && range(a) == range(b)
        && a.remote_group == b.remote_group
}
