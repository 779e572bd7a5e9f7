//! Neutron v2.0: ports, networks, subnets, floating IPs.

mod types;

pub use types::{
    FixedIp, FloatingIp, FloatingIpCreate, FloatingIpFilter, FloatingIpUpdate, NetworkFilter, NetworkInfo,
    Port, PortFilter, SubPort, Subnet, SubnetFilter, TrunkDetails,
};

use http::Method;
use serde::Deserialize;

use crate::catalog::ServiceType::Network as NEUTRON;
use crate::error::Error;
use crate::ids::{FloatingIpId, NetworkId, PortId, SubnetId};
use crate::request::Call;
use crate::session::Session;

/// Most ids asked for in one URL. Servers in front of Neutron take request lines of 4 KiB and up.
const IDS_PER_REQUEST: usize = 40;

/// The network calls of a cloud.
#[derive(Clone, Debug)]
pub struct Network {
    session: Session,
}

impl Network {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// One port.
    pub async fn port(&self, id: &PortId) -> Result<Port, Error> {
        self.session.object(Call::get("port_get", NEUTRON, "ports/{}", &[id.as_str()])?, "port").await
    }

    /// All ports that fit the filter.
    pub async fn ports(&self, filter: &PortFilter) -> Result<Vec<Port>, Error> {
        let ids: Vec<&str> = filter.ids.iter().map(PortId::as_str).collect();
        let devices: Vec<&str> = filter.device_ids.iter().map(String::as_str).collect();
        let mut ports = Vec::new();
        for ids in parts(&ids) {
            for devices in parts(&devices) {
                let mut call = Call::get("port_list", NEUTRON, "ports", &[])?
                    .query_if("device_id", filter.device_id.as_deref())
                    .query_if("network_id", filter.network_id.as_ref())
                    .query_if("fixed_ips", filter.fixed_ip.map(|ip| format!("ip_address={ip}")))
                    .query_if("security_groups", filter.security_group.as_ref());
                call = filter.device_owner.iter().fold(call, |call, owner| call.query("device_owner", owner));
                call = ids.iter().fold(call, |call, id| call.query("id", id));
                call = devices.iter().fold(call, |call, id| call.query("device_id", id));
                ports.append(&mut self.session.list(call, "ports").await?);
            }
        }
        Ok(ports)
    }

    /// All networks that fit the filter.
    pub async fn networks(&self, filter: &NetworkFilter) -> Result<Vec<NetworkInfo>, Error> {
        let call = Call::get("network_list", NEUTRON, "networks", &[])?
            .query_if(
                "router:external",
                filter.external.map(|external| if external { "True" } else { "False" }),
            )
            .query_if("name", filter.name.as_deref());
        self.session.list(call, "networks").await
    }

    /// One network.
    pub async fn network(&self, id: &NetworkId) -> Result<NetworkInfo, Error> {
        self.session
            .object(Call::get("network_get", NEUTRON, "networks/{}", &[id.as_str()])?, "network")
            .await
    }

    /// All subnets that fit the filter.
    pub async fn subnets(&self, filter: &SubnetFilter) -> Result<Vec<Subnet>, Error> {
        let call = Call::get("subnet_list", NEUTRON, "subnets", &[])?
            .query_if("network_id", filter.network_id.as_ref());
        self.session.list(call, "subnets").await
    }

    /// One subnet.
    pub async fn subnet(&self, id: &SubnetId) -> Result<Subnet, Error> {
        self.session.object(Call::get("subnet_get", NEUTRON, "subnets/{}", &[id.as_str()])?, "subnet").await
    }

    /// All floating IPs that fit the filter.
    pub async fn floating_ips(&self, filter: &FloatingIpFilter) -> Result<Vec<FloatingIp>, Error> {
        let mut call = Call::get("floating_ip_list", NEUTRON, "floatingips", &[])?
            .query_if("port_id", filter.port_id.as_ref())
            .query_if("floating_ip_address", filter.floating_ip_address.map(|ip| ip.to_string()))
            .query_if("floating_network_id", filter.floating_network_id.as_ref())
            .query_if("description", filter.description.as_deref());
        if !filter.tags.is_empty() {
            call = call.query("tags", &filter.tags.join(","));
        }
        self.session.list(call, "floatingips").await
    }

    /// Creates a floating IP.
    pub async fn create_floating_ip(&self, body: &FloatingIpCreate) -> Result<FloatingIp, Error> {
        let call = Call::new("floating_ip_create", NEUTRON, Method::POST, "floatingips", &[])?;
        self.session.object(call.body("floatingip", body)?, "floatingip").await
    }

    /// Changes a floating IP.
    pub async fn update_floating_ip(
        &self,
        id: &FloatingIpId,
        body: &FloatingIpUpdate,
    ) -> Result<FloatingIp, Error> {
        let call = Call::new("floating_ip_update", NEUTRON, Method::PUT, "floatingips/{}", &[id.as_str()])?;
        self.session.object(call.body("floatingip", body)?, "floatingip").await
    }

    /// Deletes a floating IP.
    pub async fn delete_floating_ip(&self, id: &FloatingIpId) -> Result<(), Error> {
        let call =
            Call::new("floating_ip_delete", NEUTRON, Method::DELETE, "floatingips/{}", &[id.as_str()])?;
        self.session.done(call).await
    }

    /// Makes `tags` the tags of a floating IP.
    pub async fn set_floating_ip_tags(&self, id: &FloatingIpId, tags: &[String]) -> Result<(), Error> {
        let template = "floatingips/{}/tags";
        let call = Call::new("floating_ip_tags_update", NEUTRON, Method::PUT, template, &[id.as_str()])?;
        self.session.done(call.body("tags", tags)?).await
    }

    /// The aliases of the extensions that Neutron has loaded: `standard-attr-tag`, `extraroute-atomic`, ….
    pub async fn extensions(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Extension {
            alias: String,
        }
        let call = Call::get("network_extension_list", NEUTRON, "extensions", &[])?;
        let extensions: Vec<Extension> = self.session.list(call, "extensions").await?;
        Ok(extensions.into_iter().map(|extension| extension.alias).collect())
    }
}

/// Cuts a list of ids into parts that fit a URL; no ids are one part, since then the filter does not restrict.
fn parts<'a, 'b>(ids: &'a [&'b str]) -> Vec<&'a [&'b str]> {
    if ids.is_empty() { vec![ids] } else { ids.chunks(IDS_PER_REQUEST).collect() }
}
