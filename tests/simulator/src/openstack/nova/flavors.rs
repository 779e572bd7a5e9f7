//! Flavors.

use serde_json::{Value, json};

use super::error;
use super::microversion::Version;
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::state::State;

/// A flavor.
#[derive(Clone, Debug)]
pub(crate) struct Flavor {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) vcpus: u32,
    /// MiB.
    pub(crate) ram: u32,
    /// GiB.
    pub(crate) disk: u32,
}

impl Flavor {
    fn links(&self, base: &str) -> Value {
        json!([
            {"rel": "self", "href": format!("{base}/v2.1/flavors/{}", self.id)},
            {"rel": "bookmark", "href": format!("{base}/flavors/{}", self.id)},
        ])
    }

    fn show(&self, version: Version, base: &str) -> Value {
        let mut shown = json!({
            "id": self.id,
            "name": self.name,
            "ram": self.ram,
            "disk": self.disk,
            "vcpus": self.vcpus,
            "swap": if version >= (2, 75) { json!(0) } else { json!("") },
            "OS-FLV-EXT-DATA:ephemeral": 0,
            "OS-FLV-DISABLED:disabled": false,
            "os-flavor-access:is_public": true,
            "rxtx_factor": 1.0,
            "links": self.links(base),
        });
        if version >= (2, 55) {
            shown["description"] = Value::Null;
        }
        if version >= (2, 61) {
            shown["extra_specs"] = json!({});
        }
        shown
    }
}

/// Answers `/flavors`, `/flavors/detail` and `/flavors/<id>`.
pub(super) fn answer(state: &State, ask: &Ask, version: Version, rest: &[&str]) -> Result<Reply, Reply> {
    if ask.method.as_str() != "GET" {
        return Err(super::no_method());
    }
    let all = state.nova.flavors.iter();
    match rest {
        [] => {
            let brief = |one: &Flavor| json!({"id": one.id, "name": one.name, "links": one.links(ask.base)});
            Ok(Reply::new(200, json!({"flavors": all.map(brief).collect::<Vec<_>>()})))
        }
        ["detail"] => {
            let shown: Vec<_> = all.map(|one| one.show(version, ask.base)).collect();
            Ok(Reply::new(200, json!({ "flavors": shown })))
        }
        [id] => {
            let mut all = all;
            let found = all.find(|one| one.id == *id);
            let found = found.ok_or_else(|| error(404, &format!("Flavor {id} could not be found.")))?;
            Ok(Reply::new(200, json!({"flavor": found.show(version, ask.base)})))
        }
        _ => Err(super::nowhere()),
    }
}
