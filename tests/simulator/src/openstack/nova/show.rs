//! Servers as the API shows them, by microversion.
//!
//! <https://docs.openstack.org/nova/latest/reference/api-microversion-history.html>

use serde_json::{Map, Value, json};

use super::Nova;
use super::flavors::Flavor;
use super::microversion::Version;
use super::servers::{Server, Status};
use crate::openstack::neutron::Neutron;

/// One server or many: by id there is a little more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    One,
    List,
}

/// What a view needs to know.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) nova: &'a Nova,
    pub(super) neutron: &'a Neutron,
    pub(super) version: Version,
    pub(super) base: &'a str,
}

impl Scene<'_> {
    /// The least that is said of a server.
    pub(super) fn brief(&self, server: &Server) -> Value {
        json!({"id": server.id, "name": server.name, "links": self.links("servers", &server.id)})
    }

    /// All that the owner may know.
    pub(super) fn full(&self, server: &Server, view: View) -> Value {
        let status = server.status;
        let addresses: Map<String, Value> = server
            .addresses
            .iter()
            .map(|(network, all)| {
                let one = |address: &super::servers::Address| {
                    json!({
                        "addr": address.ip, "version": if address.ip.is_ipv4() { 4 } else { 6 },
                        "OS-EXT-IPS:type": if address.is_floating { "floating" } else { "fixed" },
                        "OS-EXT-IPS-MAC:mac_addr": address.mac,
                    })
                };
                (network.clone(), all.iter().map(one).collect::<Vec<_>>().into())
            })
            .collect();
        let is_on_host = server.launched.is_some();
        let mut shown = json!({
            "id": server.id,
            "name": server.name,
            "status": status.name(),
            "tenant_id": server.project,
            "user_id": server.user,
            "metadata": server.metadata,
            "hostId": if is_on_host { host_id(server) } else { String::new() },
            "image": self.image(server),
            "flavor": self.flavor(server),
            "created": time(server.created),
            "updated": time(server.updated),
            "addresses": addresses,
            "accessIPv4": server.access_v4,
            "accessIPv6": server.access_v6,
            "links": self.links("servers", &server.id),
            "OS-DCF:diskConfig": "MANUAL",
            "OS-EXT-AZ:availability_zone": server.zone,
            "config_drive": "",
            "key_name": null,
            "OS-SRV-USG:launched_at": server.launched.map(precise),
            "OS-SRV-USG:terminated_at": server.terminated.map(precise),
            "OS-EXT-STS:task_state": if status == Status::Build { json!("spawning") } else { Value::Null },
            "OS-EXT-STS:vm_state": status.vm_state(),
            "OS-EXT-STS:power_state": status.power_state(),
            "os-extended-volumes:volumes_attached": [],
        });
        if matches!(status, Status::Active | Status::Build) {
            shown["progress"] = 0.into();
        }
        if status == Status::Error {
            shown["fault"] =
                json!({"code": 500, "created": time(server.updated), "message": "No valid host was found. "});
        }
        let groups = self.security_groups(server);
        if !groups.is_empty() {
            shown["security_groups"] = groups.into();
        }
        self.add_newer(&mut shown, server, view);
        shown
    }

    fn add_newer(&self, shown: &mut Value, server: &Server, view: View) {
        let newer = [
            ((2, 9), "locked", json!(false)),
            ((2, 19), "description", json!(server.name)),
            ((2, 26), "tags", json!([])),
            ((2, 63), "trusted_image_certificates", Value::Null),
            ((2, 73), "locked_reason", Value::Null),
            ((2, 90), "OS-EXT-SRV-ATTR:hostname", json!(server.host_name())),
            ((2, 96), "pinned_availability_zone", Value::Null),
            ((2, 100), "scheduler_hints", json!({})),
        ];
        for (since, name, value) in newer {
            if self.version >= since {
                shown[name] = value;
            }
        }
        if self.version >= (2, 71) && view == View::One {
            shown["server_groups"] = json!([]);
        }
        if self.version >= (2, 98) && !server.image.is_empty() {
            shown["image"]["properties"] = json!({});
        }
    }

    /// What is known of a server whose cell does not answer, from 2.69 on.
    pub(super) fn of_down_cell(&self, server: &Server, view: View) -> Value {
        let mut shown = json!({
            "id": server.id,
            "status": "UNKNOWN",
            "tenant_id": server.project,
            "created": time(server.created),
            "links": self.links("servers", &server.id),
        });
        if view == View::One {
            shown["image"] = self.image(server);
            shown["flavor"] = self.flavor(server);
            shown["user_id"] = server.user.as_str().into();
            // The zone that was asked for, which these servers do not have.
            shown["OS-EXT-AZ:availability_zone"] = "UNKNOWN".into();
            shown["OS-EXT-STS:power_state"] = 0.into();
            if self.version >= (2, 71) {
                shown["server_groups"] = json!([]);
            }
        }
        shown
    }

    fn image(&self, server: &Server) -> Value {
        if server.image.is_empty() {
            return "".into();
        }
        let href = format!("{}/images/{}", self.base, server.image);
        json!({"id": server.image, "links": [{"rel": "bookmark", "href": href}]})
    }

    fn flavor(&self, server: &Server) -> Value {
        let flavor = self.nova.flavors.iter().find(|flavor| flavor.id == server.flavor);
        match flavor {
            Some(flavor) if self.version >= (2, 47) => embedded(flavor),
            _ => {
                let href = format!("{}/flavors/{}", self.base, server.flavor);
                json!({"id": server.flavor, "links": [{"rel": "bookmark", "href": href}]})
            }
        }
    }

    /// The names of the groups of the server's ports.
    fn security_groups(&self, server: &Server) -> Vec<Value> {
        let ports = super::servers::ports(self.neutron, &server.id);
        let groups = ports.flat_map(|port| port.security_groups.iter());
        let name = |id: &String| {
            self.neutron.security_groups.get(id).map(|group| json!({"name": group.standard.name}))
        };
        groups.filter_map(name).collect()
    }

    fn links(&self, collection: &str, id: &str) -> Value {
        json!([
            {"rel": "self", "href": format!("{}/v2.1/{collection}/{id}", self.base)},
            {"rel": "bookmark", "href": format!("{}/{collection}/{id}", self.base)},
        ])
    }
}

fn embedded(flavor: &Flavor) -> Value {
    json!({
        "original_name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram, "disk": flavor.disk,
        "ephemeral": 0, "swap": 0, "extra_specs": {},
    })
}

/// A made-up hash of host and project.
fn host_id(server: &Server) -> String {
    format!("{:0>56}", server.project)
}

/// A time to the second.
pub(super) fn time(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as Python prints one without a zone.
fn precise(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000000").to_string()
}
