//! How Octavia's objects are shown (octavia/api/v2/types).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Octavia;
use super::model::{Common, Listener, LoadBalancer, Member, Monitor, Pool, Vip};
use crate::openstack::profile::Profile;

/// A time as Octavia writes it: to the second, without a zone.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Ids as objects.
fn ids<'a>(ids: impl Iterator<Item = &'a String>) -> Value {
    ids.map(|id| json!({ "id": id })).collect()
}

fn with(common: &Common, mut own: Value) -> Value {
    let shown = json!({
        "id": common.id,
        "name": common.name,
        "project_id": common.project,
        "tenant_id": common.project,
        "tags": common.tags,
        "admin_state_up": common.enabled,
        "provisioning_status": common.status.name(),
        "operating_status": common.operating,
        "created_at": time(common.created),
        "updated_at": common.updated.map(time),
    });
    if let (Some(own), Value::Object(shown)) = (own.as_object_mut(), shown) {
        own.extend(shown);
    }
    own
}

fn keep(shown: &mut Value, names: &[(&str, Value)], kept: &Map<String, Value>) {
    for (name, default) in names {
        shown[*name] = kept.get(*name).unwrap_or(default).clone();
    }
}

impl Octavia {
    /// A load balancer with everything in it, which only its making shows.
    pub(super) fn show_full(&self, one: &LoadBalancer, profile: Profile) -> Value {
        let mut shown = show_bare(one, profile);
        let listeners = one.listeners.iter().filter_map(|id| self.listeners.get(id));
        shown["listeners"] = listeners
            .map(|listener| {
                let mut shown = show_listener(listener, profile);
                if let Some(object) = shown.as_object_mut() {
                    object.remove("loadbalancers");
                }
                shown
            })
            .collect();
        let pools = one.pools.iter().filter_map(|id| self.pools.get(id));
        shown["pools"] = pools
            .map(|pool| {
                let mut shown = self.show_pool(pool, profile);
                if let Some(object) = shown.as_object_mut() {
                    object.remove("loadbalancers");
                    object.remove("healthmonitor_id");
                }
                shown["members"] = pool
                    .members
                    .iter()
                    .map(|(id, member)| show_member(id, member, &pool.common.project))
                    .collect();
                if let Some(monitor) = pool.monitor.as_ref().and_then(|id| self.monitors.get(id)) {
                    let mut monitor = show_monitor(monitor);
                    if let Some(object) = monitor.as_object_mut() {
                        object.remove("pools");
                    }
                    shown["healthmonitor"] = monitor;
                }
                shown
            })
            .collect();
        shown
    }

    pub(super) fn show_pool(&self, one: &Pool, profile: Profile) -> Value {
        let persistence = one.persistence.as_ref().map(|persistence| {
            json!({"type": persistence.kind, "cookie_name": persistence.cookie,
                "persistence_timeout": persistence.timeout, "persistence_granularity": persistence.granularity})
        });
        let mut shown = with(
            &one.common,
            json!({
                "description": one.common.description,
                "protocol": one.protocol,
                "lb_algorithm": one.algorithm,
                "session_persistence": persistence,
                "loadbalancers": [{"id": one.load_balancer}],
                "listeners": ids(self.listeners_of(&one.common.id).iter()),
                "members": one.members.keys().map(|id| json!({ "id": id })).collect::<Vec<_>>(),
            }),
        );
        if let Some(monitor) = &one.monitor {
            shown["healthmonitor_id"] = monitor.as_str().into();
        }
        let mut kept = vec![
            ("tls_container_ref", Value::Null),
            ("ca_tls_container_ref", Value::Null),
            ("crl_container_ref", Value::Null),
            ("tls_enabled", false.into()),
        ];
        let newest = profile.octavia_newest();
        if newest >= 18 {
            kept.push(("tls_ciphers", Value::Null));
            kept.push(("tls_versions", Value::Null));
        }
        if newest >= 24 {
            kept.push(("alpn_protocols", Value::Null));
        }
        keep(&mut shown, &kept, &one.kept);
        shown
    }

    /// The statuses of a load balancer and of what its listeners use: a pool without a listener is not in it.
    pub(super) fn show_statuses(&self, one: &LoadBalancer) -> Value {
        let status = |common: &Common, mut own: Value| {
            own["id"] = common.id.as_str().into();
            own["name"] = common.name.as_str().into();
            own["provisioning_status"] = common.status.name().into();
            own["operating_status"] = common.operating.into();
            own
        };
        let member = |id: &str, member: &Member| {
            json!({"id": id, "name": member.name, "address": member.address, "protocol_port": member.port,
                "provisioning_status": member.status.name(), "operating_status": member.operating})
        };
        let pool = |pool: &Pool| {
            let members: Vec<Value> = pool.members.iter().map(|(id, one)| member(id, one)).collect();
            let monitor = pool.monitor.as_ref().and_then(|id| self.monitors.get(id));
            let monitor = monitor.map(|monitor| status(&monitor.common, json!({"type": monitor.kind})));
            let own = json!({ "members": members, "health_monitor": monitor });
            status(&pool.common, own)
        };
        let listener = |listener: &Listener| {
            let pools: Vec<Value> =
                listener.default_pool.iter().filter_map(|id| self.pools.get(id)).map(pool).collect();
            status(&listener.common, json!({ "pools": pools }))
        };
        let listeners: Vec<Value> =
            one.listeners.iter().filter_map(|id| self.listeners.get(id)).map(listener).collect();
        json!({"statuses": {"loadbalancer": status(&one.common, json!({ "listeners": listeners }))}})
    }
}

pub(super) fn show_member(id: &str, one: &Member, project: &str) -> Value {
    json!({
        "id": id,
        "name": one.name,
        "project_id": project,
        "tenant_id": project,
        "tags": one.tags,
        "admin_state_up": one.enabled,
        "provisioning_status": one.status.name(),
        "operating_status": one.operating,
        "created_at": time(one.created),
        "updated_at": one.updated.map(time),
        "address": one.address,
        "protocol_port": one.port,
        "weight": one.weight,
        "backup": one.backup,
        "subnet_id": one.subnet.as_deref(),
        "monitor_address": one.monitor_address,
        "monitor_port": one.monitor_port,
        "vnic_type": "normal",
    })
}

pub(super) fn show_monitor(one: &Monitor) -> Value {
    with(
        &one.common,
        json!({
            "type": one.kind,
            "delay": one.delay,
            "timeout": one.timeout,
            "max_retries": one.max_retries,
            "max_retries_down": one.max_retries_down,
            "http_method": one.method,
            "url_path": one.path,
            "expected_codes": one.codes,
            "http_version": one.version,
            "domain_name": one.domain,
            "pools": [{"id": one.pool}],
        }),
    )
}

fn show_bare(one: &LoadBalancer, profile: Profile) -> Value {
    let mut shown = with(
        &one.common,
        json!({
            "description": one.common.description,
            "provider": one.provider.name(),
            "vip_address": one.vip.address,
            "vip_port_id": one.vip.port,
            "vip_subnet_id": one.vip.subnet,
            "vip_network_id": one.vip.network,
            "vip_qos_policy_id": one.qos_policy,
            "flavor_id": one.flavor,
        }),
    );
    let newest = profile.octavia_newest();
    if newest >= 14 {
        shown["availability_zone"] = json!(one.zone);
    }
    if newest >= 26 {
        let vip =
            |vip: &Vip| json!({"subnet_id": vip.subnet, "ip_address": vip.address, "port_id": vip.port});
        shown["additional_vips"] = one.additional_vips.iter().map(vip).collect();
    }
    if newest >= 28 {
        shown["vip_vnic_type"] = "normal".into();
    }
    if newest >= 29 {
        shown["vip_sg_ids"] = json!(one.security_groups);
    }
    shown
}

pub(super) fn show_listener(one: &Listener, profile: Profile) -> Value {
    let mut shown = with(
        &one.common,
        json!({
            "description": one.common.description,
            "protocol": one.protocol,
            "protocol_port": one.port,
            "connection_limit": one.connection_limit,
            "default_tls_container_ref": one.certificate,
            "sni_container_refs": one.sni,
            "default_pool_id": one.default_pool,
            "l7policies": [],
            "insert_headers": one.headers,
            "loadbalancers": [{"id": one.load_balancer}],
            "timeout_client_data": one.timeouts[0],
            "timeout_member_connect": one.timeouts[1],
            "timeout_member_data": one.timeouts[2],
            "timeout_tcp_inspect": one.timeouts[3],
            // None is null, whatever was given.
            "allowed_cidrs": (!one.cidrs.is_empty()).then_some(&one.cidrs),
        }),
    );
    let mut kept = vec![
        ("client_ca_tls_container_ref", Value::Null),
        ("client_authentication", "NONE".into()),
        ("client_crl_container_ref", Value::Null),
    ];
    let newest = profile.octavia_newest();
    let is_tls = one.protocol == "TERMINATED_HTTPS";
    if newest >= 17 {
        kept.push(("tls_ciphers", Value::Null));
        kept.push(("tls_versions", if is_tls { json!(["TLSv1.2", "TLSv1.3"]) } else { Value::Null }));
    }
    if newest >= 20 {
        kept.push((
            "alpn_protocols",
            if is_tls { json!(["h2", "http/1.1", "http/1.0"]) } else { Value::Null },
        ));
    }
    if newest >= 27 {
        kept.push(("hsts_max_age", Value::Null));
        kept.push(("hsts_include_subdomains", false.into()));
        kept.push(("hsts_preload", false.into()));
    }
    keep(&mut shown, &kept, &one.kept);
    shown
}

/// A load balancer with the ids of what is in it.
pub(super) fn show_load_balancer(one: &LoadBalancer, profile: Profile) -> Value {
    let mut shown = show_bare(one, profile);
    shown["listeners"] = ids(one.listeners.iter());
    shown["pools"] = ids(one.pools.iter());
    shown
}
