//! What the project holds in OpenStack at one moment, to be compared with another one.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::cloud::Cloud;

/// Lists that together show everything a Service can leave behind.
const LISTS: [(&str, &str); 7] = [
    ("octavia", "lbaas/loadbalancers"),
    ("octavia", "lbaas/listeners"),
    ("octavia", "lbaas/pools"),
    ("octavia", "lbaas/healthmonitors"),
    ("neutron", "floatingips"),
    ("neutron", "ports"),
    ("neutron", "security-groups"),
];

/// Fields that change without anybody writing.
const RESTLESS: [&str; 2] = ["operating_status", "provisioning_status"];

/// Objects by kind and id.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot(BTreeMap<(String, String), Value>);

impl Snapshot {
    /// Everything in the project.
    pub fn of_project(cloud: &Cloud) -> Self {
        let mut all = BTreeMap::new();
        for (service, path) in LISTS {
            for mut item in cloud.list(service, path) {
                let id = item["id"].as_str().expect("an id").to_owned();
                if path == "lbaas/pools" {
                    // A pool that has gone meanwhile has no members.
                    let members = cloud.get(service, &format!("{path}/{id}/members"));
                    item["members"] = members.map_or(Value::Null, |mut members| members["members"].take());
                }
                calm(&mut item);
                all.insert((path.to_owned(), id), item);
            }
        }
        Self(all)
    }

    /// What belongs to the load balancer with this id: itself, what is in it, its floating IP and port.
    #[must_use]
    pub fn part_of(&self, load_balancer: &str) -> Self {
        let belongs = |(_, id): &(String, String), item: &Value| {
            id == load_balancer || item.to_string().contains(load_balancer)
        };
        Self(
            self.0
                .iter()
                .filter(|(key, item)| belongs(key, item))
                .map(|(key, item)| (key.clone(), item.clone()))
                .collect(),
        )
    }

    /// What is in this one and was not in `before`, however it looked.
    #[must_use]
    pub fn added_since(&self, before: &Self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(key, _)| !before.0.contains_key(*key))
                .map(|(key, item)| (key.clone(), item.clone()))
                .collect(),
        )
    }

    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((kind, id), item) in &self.0 {
            writeln!(out, "{kind} {id} {} {}", item["name"], item["description"])?;
        }
        Ok(())
    }
}

fn calm(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !RESTLESS.contains(&name.as_str()));
            fields.values_mut().for_each(calm);
        }
        Value::Array(items) => items.iter_mut().for_each(calm),
        _ => {}
    }
}
