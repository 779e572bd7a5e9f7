//! Nova v2.1: servers and flavors, read only.
//!
//! Field names and meanings: <https://docs.openstack.org/api-ref/compute/>.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use crate::catalog::ServiceType::Compute as NOVA;
use crate::error::Error;
use crate::ids::{FlavorId, ProjectId, ServerId};
use crate::json::null_as_default;
use crate::request::{Call, Microversions};
use crate::session::Session;

/// From 2.47 on the flavor is embedded with its name, so that it need not be asked for by id.
const EMBEDDED_FLAVOR: Microversions = &["2.47"];

/// From 2.69 on a server in a cell that is down is shown with status `UNKNOWN` instead of an error.
const DOWN_CELLS: Microversions = &["2.69", "2.47"];

/// A server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Server {
    /// Its id.
    pub id: ServerId,
    /// Its name; not unique, and missing while its cell is down.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// `ACTIVE`, `SHUTOFF`, `ERROR`, …; `UNKNOWN` while its cell is down.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status: String,
    /// The zone it runs in.
    #[serde(default, rename = "OS-EXT-AZ:availability_zone", deserialize_with = "null_as_default")]
    pub availability_zone: String,
    /// Its flavor.
    #[serde(default, deserialize_with = "null_as_default")]
    pub flavor: Flavor,
    /// Its addresses by network name, as Nova last heard of them.
    #[serde(default, deserialize_with = "null_as_default")]
    pub addresses: BTreeMap<String, Vec<ServerAddress>>,
    /// An address for access that the user gave, or empty.
    #[serde(default, rename = "accessIPv4", deserialize_with = "null_as_default")]
    pub access_ipv4: String,
    /// An address for access that the user gave, or empty.
    #[serde(default, rename = "accessIPv6", deserialize_with = "null_as_default")]
    pub access_ipv6: String,
    /// Its metadata.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: BTreeMap<String, String>,
    /// The project it belongs to.
    #[serde(default)]
    pub tenant_id: Option<ProjectId>,
    /// When it was created, RFC 3339.
    #[serde(default, deserialize_with = "null_as_default")]
    pub created: String,
}

/// A flavor: by id from an old Nova, with its name from 2.47 on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Flavor {
    /// Its id, where Nova shows it.
    #[serde(default)]
    pub id: Option<FlavorId>,
    /// Its name when the server was made.
    #[serde(default)]
    pub original_name: Option<String>,
    /// Its name now; only when asked for by id.
    #[serde(default)]
    pub name: Option<String>,
}

/// An address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerAddress {
    /// The address.
    pub addr: IpAddr,
    /// 4 or 6.
    #[serde(default, deserialize_with = "null_as_default")]
    pub version: u8,
    /// `fixed` or `floating`.
    #[serde(default, rename = "OS-EXT-IPS:type", deserialize_with = "null_as_default")]
    pub kind: String,
    /// The interface's MAC address.
    #[serde(default, rename = "OS-EXT-IPS-MAC:mac_addr", deserialize_with = "null_as_default")]
    pub mac: String,
}

/// Which servers to list; unset fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerFilter {
    /// A regular expression that the name contains; Nova's database decides on the dialect.
    pub name_regex: Option<String>,
}

/// The compute calls of a cloud.
#[derive(Clone, Debug)]
pub struct Compute {
    session: Session,
}

impl Compute {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// One server. `NotFound` means that Nova has no such server in this project; a server whose cell is down is
    /// found, with status `UNKNOWN` (microversion 2.69).
    pub async fn server(&self, id: &ServerId) -> Result<Server, Error> {
        let call = Call::get("server_get", NOVA, "servers/{}", &[id.as_str()])?.microversions(DOWN_CELLS);
        self.session.object(call, "server").await
    }

    /// All servers of the project that fit the filter. Servers of a cell that is down may be missing.
    pub async fn servers(&self, filter: &ServerFilter) -> Result<Vec<Server>, Error> {
        let call = Call::get("server_list", NOVA, "servers/detail", &[])?
            .microversions(EMBEDDED_FLAVOR)
            .query_if("name", filter.name_regex.as_deref());
        self.session.list(call, "servers").await
    }

    /// The id of a server's flavor, which newer microversions hide behind its name.
    pub async fn flavor_of(&self, id: &ServerId) -> Result<Option<FlavorId>, Error> {
        let call = Call::get("server_get", NOVA, "servers/{}", &[id.as_str()])?;
        Ok(self.session.object::<Server>(call, "server").await?.flavor.id)
    }

    /// One flavor, with its present name.
    pub async fn flavor(&self, id: &FlavorId) -> Result<Flavor, Error> {
        self.session.object(Call::get("flavor_get", NOVA, "flavors/{}", &[id.as_str()])?, "flavor").await
    }
}
