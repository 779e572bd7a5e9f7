//! Rules for Services: defaults, and the addresses and ports that are given out.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{entries, text};
use crate::kubernetes::refusal::Problem;

/// Where node ports are from, the server's default.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// Cluster IPs and node ports that are in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allocator {
    cluster_ips: BTreeSet<String>,
    /// Protocol and port.
    node_ports: BTreeSet<(String, u16)>,
}

impl Allocator {
    fn cluster_ip(&mut self, rng: &mut fastrand::Rng) -> String {
        loop {
            let ip = format!("10.96.{}.{}", rng.u8(..), rng.u8(1..255));
            if self.cluster_ips.insert(ip.clone()) {
                return ip;
            }
        }
    }

    fn node_port(&mut self, protocol: &str, rng: &mut fastrand::Rng) -> u16 {
        loop {
            let port = rng.u16(NODE_PORTS);
            if self.node_ports.insert((protocol.to_owned(), port)) {
                return port;
            }
        }
    }

    /// Takes back all that a Service has.
    pub(super) fn release(&mut self, service: &Value) {
        for ip in entries(service, "/spec/clusterIPs") {
            self.cluster_ips.remove(ip.as_str().unwrap_or_default());
        }
        for (protocol, port) in node_ports(service) {
            self.node_ports.remove(&(protocol, port));
        }
    }

    fn take(&mut self, service: &Value) {
        for ip in entries(service, "/spec/clusterIPs") {
            self.cluster_ips.insert(ip.as_str().unwrap_or_default().to_owned());
        }
        self.node_ports.extend(node_ports(service));
    }
}

fn number(value: &Value) -> u16 {
    value.as_u64().and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

fn node_ports(service: &Value) -> Vec<(String, u16)> {
    let ports = entries(service, "/spec/ports").iter();
    let mut used: Vec<_> =
        ports.map(|port| (text(port, "/protocol").to_owned(), number(&port["nodePort"]))).collect();
    used.push(("TCP".into(), number(&service["spec"]["healthCheckNodePort"])));
    used.retain(|(_, port)| *port != 0);
    used
}

fn kind_of(service: &Value) -> &str {
    text(service, "/spec/type")
}

fn is_load_balancer(service: &Value) -> bool {
    kind_of(service) == "LoadBalancer"
}

fn needs_cluster_ip(service: &Value) -> bool {
    kind_of(service) != "ExternalName"
}

fn needs_node_ports(service: &Value) -> bool {
    match kind_of(service) {
        "NodePort" => true,
        "LoadBalancer" => service["spec"]["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

fn is_external(service: &Value) -> bool {
    ["NodePort", "LoadBalancer"].contains(&kind_of(service))
}

fn needs_health_port(service: &Value) -> bool {
    is_load_balancer(service) && text(service, "/spec/externalTrafficPolicy") == "Local"
}

pub(super) fn create(
    service: &mut Value,
    allocator: &mut Allocator,
    rng: &mut fastrand::Rng,
) -> Vec<Problem> {
    service["status"] = json!({"loadBalancer": {}});
    default(service);
    let problems = check(service, None, allocator);
    if problems.is_empty() {
        allocate(service, allocator, rng);
    }
    problems
}

pub(super) fn update(
    old: &Value,
    service: &mut Value,
    status: bool,
    allocator: &mut Allocator,
    rng: &mut fastrand::Rng,
) -> Vec<Problem> {
    default(service);
    if status {
        return check_status(service);
    }
    keep_allocated(old, service);
    drop_dependent(old, service);
    allocator.release(old);
    let problems = check(service, Some(old), allocator);
    if problems.is_empty() {
        allocate(service, allocator, rng);
    } else {
        allocator.take(old);
    }
    problems
}

fn default(service: &mut Value) {
    let load_balancer = {
        let spec = &mut service["spec"];
        let or = |spec: &mut Value, key: &str, value: Value| {
            if spec[key].is_null() || spec[key] == "" {
                spec[key] = value;
            }
        };
        or(spec, "type", json!("ClusterIP"));
        or(spec, "sessionAffinity", json!("None"));
        if spec["sessionAffinity"] == "ClientIP" && spec["sessionAffinityConfig"].is_null() {
            spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 10800}});
        }
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            or(port, "protocol", json!("TCP"));
            let own = port["port"].clone();
            or(port, "targetPort", own);
        }
        if spec["type"] != "ExternalName" {
            or(spec, "internalTrafficPolicy", json!("Cluster"));
        }
        if spec["type"] == "NodePort" || spec["type"] == "LoadBalancer" {
            or(spec, "externalTrafficPolicy", json!("Cluster"));
        }
        if spec["type"] == "LoadBalancer" {
            or(spec, "allocateLoadBalancerNodePorts", json!(true));
        }
        spec["type"] == "LoadBalancer"
    };
    if load_balancer {
        let ingress = service.pointer_mut("/status/loadBalancer/ingress");
        for entry in ingress.and_then(Value::as_array_mut).into_iter().flatten() {
            if !text(entry, "/ip").is_empty() && entry["ipMode"].is_null() {
                entry["ipMode"] = json!("VIP");
            }
        }
    }
    prune(service);
}

/// Fields with `omitempty` are not shown when they are empty.
fn prune(service: &mut Value) {
    if let Some(spec) = service["spec"].as_object_mut() {
        spec.retain(|key, value| {
            let empty = value.is_null()
                || value == ""
                || value.as_array().is_some_and(Vec::is_empty)
                || (value == 0 && key == "healthCheckNodePort");
            !empty
        });
    }
    for port in service.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.retain(|key, value| !(value.is_null() || value == "" || (key == "nodePort" && value == 0)));
        }
    }
    let status = &mut service["status"];
    if !status["loadBalancer"].is_object() {
        status["loadBalancer"] = json!({});
    }
    if let Some(balancer) = status["loadBalancer"].as_object_mut() {
        balancer.retain(|_, value| !(value.is_null() || value.as_array().is_some_and(Vec::is_empty)));
    }
}

/// Whoever replaces a Service need not repeat what the server gave to it.
fn keep_allocated(old: &Value, service: &mut Value) {
    let inherit = |service: &mut Value, key: &str| {
        if service["spec"][key].is_null() && !old["spec"][key].is_null() {
            service["spec"][key] = old["spec"][key].clone();
        }
    };
    if needs_cluster_ip(old) && needs_cluster_ip(service) {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            inherit(service, key);
        }
    }
    if needs_health_port(old) && needs_health_port(service) {
        inherit(service, "healthCheckNodePort");
    }
    if needs_node_ports(old) && needs_node_ports(service) {
        let known: Vec<Value> = entries(old, "/spec/ports").to_vec();
        for port in service.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            let same =
                |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
            if port["nodePort"].is_null()
                && let Some(old) = known.iter().find(same)
            {
                port["nodePort"] = old["nodePort"].clone();
            }
        }
    }
    prune(service);
}

/// What another type does not have goes, unless this request sets it.
fn drop_dependent(old: &Value, service: &mut Value) {
    let same = |service: &Value, key: &str| old["spec"].get(key) == service["spec"].get(key);
    let mut gone = Vec::new();
    if needs_cluster_ip(old) && !needs_cluster_ip(service) {
        gone.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]);
    }
    if needs_health_port(old) && !needs_health_port(service) {
        gone.push("healthCheckNodePort");
    }
    if is_load_balancer(old) && !is_load_balancer(service) {
        gone.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if is_external(old) && !is_external(service) {
        gone.push("externalTrafficPolicy");
        let before: Vec<u16> = node_ports(old).into_iter().map(|(_, port)| port).collect();
        if node_ports(service).iter().all(|(_, port)| before.contains(port)) {
            for port in service.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten()
            {
                port["nodePort"] = Value::Null;
            }
        }
    }
    for key in gone {
        if same(service, key) {
            service["spec"][key] = Value::Null;
        }
    }
    if !is_load_balancer(service) {
        service["status"]["loadBalancer"] = json!({});
    }
    prune(service);
}

fn allocate(service: &mut Value, allocator: &mut Allocator, rng: &mut fastrand::Rng) {
    allocator.take(service);
    if needs_cluster_ip(service) {
        if service["spec"]["clusterIP"].is_null() {
            service["spec"]["clusterIP"] = json!(allocator.cluster_ip(rng));
        }

        // A headless Service without selector may have endpoints of both families.
        let both = service["spec"]["clusterIP"] == "None" && service["spec"]["selector"].is_null();
        let (families, policy) = if both {
            (json!(["IPv4", "IPv6"]), "RequireDualStack")
        } else {
            (json!(["IPv4"]), "SingleStack")
        };
        let (ip, spec) = (service["spec"]["clusterIP"].clone(), &mut service["spec"]);
        for (key, value) in
            [("clusterIPs", json!([ip])), ("ipFamilies", families), ("ipFamilyPolicy", json!(policy))]
        {
            if spec[key].is_null() {
                spec[key] = value;
            }
        }
    }
    if needs_node_ports(service) {
        for port in service.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if number(&port["nodePort"]) == 0 {
                let protocol = text(port, "/protocol").to_owned();
                port["nodePort"] = json!(allocator.node_port(&protocol, rng));
            }
        }
    }
    if needs_health_port(service) && number(&service["spec"]["healthCheckNodePort"]) == 0 {
        service["spec"]["healthCheckNodePort"] = json!(allocator.node_port("TCP", rng));
    }
}

fn check(service: &Value, old: Option<&Value>, allocator: &Allocator) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(old) = old {
        let first =
            |service: &Value| entries(service, "/spec/clusterIPs").first().cloned().unwrap_or(Value::Null);
        if needs_cluster_ip(old) && needs_cluster_ip(service) && first(old) != first(service) {
            let wanted = Value::Array(entries(service, "/spec/clusterIPs").to_vec());
            problems.push(Problem::invalid("spec.clusterIPs[0]", &wanted, "may not change once set"));
        }
        let class = |service: &Value| service["spec"]["loadBalancerClass"].clone();
        if is_load_balancer(old) && is_load_balancer(service) && class(old) != class(service) {
            problems.push(Problem::invalid(
                "spec.loadBalancerClass",
                &class(service),
                "may not change once set",
            ));
        }
    }
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !kinds.contains(&kind_of(service)) {
        problems.push(Problem::unsupported("spec.type", &service["spec"]["type"], &kinds));
    }
    let ports = entries(service, "/spec/ports");
    let headless = text(service, "/spec/clusterIP") == "None";
    if ports.is_empty() && needs_cluster_ip(service) && !headless {
        problems.push(Problem::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        problems.extend(check_port(port, &format!("spec.ports[{index}]"), ports, index, allocator));
    }
    if !is_load_balancer(service) && !service["spec"]["loadBalancerClass"].is_null() {
        problems.push(Problem::forbidden(
            "spec.loadBalancerClass",
            "may only be used when `type` is 'LoadBalancer'",
        ));
    }
    if service["spec"]["externalTrafficPolicy"].is_string() && !is_external(service) {
        let why = "may only be set for externally-accessible services";
        problems.push(Problem::invalid(
            "spec.externalTrafficPolicy",
            &service["spec"]["externalTrafficPolicy"],
            why,
        ));
    }
    problems
}

fn check_port(port: &Value, field: &str, all: &[Value], index: usize, allocator: &Allocator) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = text(port, "/name");
    if all.len() > 1 && name.is_empty() {
        problems.push(Problem::required(format!("{field}.name"), ""));
    } else if !name.is_empty() && all[..index].iter().any(|other| text(other, "/name") == name) {
        problems.push(Problem::duplicate(format!("{field}.name"), &format!("{name:?}")));
    }
    if number(&port["port"]) == 0 {
        let value = if port["port"].is_null() { json!(0) } else { port["port"].clone() };
        problems.push(Problem::invalid(
            format!("{field}.port"),
            &value,
            "must be between 1 and 65535, inclusive",
        ));
    }

    if port["targetPort"].as_i64().is_some_and(|port| !(1..=65_535).contains(&port)) {
        let why = "must be between 1 and 65535, inclusive";
        problems.push(Problem::invalid(format!("{field}.targetPort"), &port["targetPort"], why));
    }
    let protocols = ["SCTP", "TCP", "UDP"];
    if !protocols.contains(&text(port, "/protocol")) {
        problems.push(Problem::unsupported(format!("{field}.protocol"), &port["protocol"], &protocols));
    }
    let same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
    if all[..index].iter().any(|other| same(&other)) {
        let key = format!(
            "{{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}",
            port["protocol"], port["port"]
        );
        problems.push(Problem::duplicate(field, &key));
    }
    let node_port = number(&port["nodePort"]);
    if node_port != 0 {
        let field = format!("{field}.nodePort");
        if !NODE_PORTS.contains(&node_port) {
            let why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
            problems.push(Problem::invalid(field, &port["nodePort"], why));
        } else if allocator.node_ports.contains(&(text(port, "/protocol").to_owned(), node_port)) {
            problems.push(Problem::invalid(field, &port["nodePort"], "provided port is already allocated"));
        }
    }
    problems
}

fn check_status(service: &Value) -> Vec<Problem> {
    let ingress = entries(service, "/status/loadBalancer/ingress");
    let field = "status.loadBalancer.ingress";
    if !is_load_balancer(service) && !ingress.is_empty() {
        return vec![Problem::forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'")];
    }
    let mut problems = Vec::new();
    for (index, entry) in ingress.iter().enumerate() {
        let ip = text(entry, "/ip");
        if !ip.is_empty() && ip.parse::<IpAddr>().is_err() {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            problems.push(Problem::invalid(format!("{field}[{index}].ip"), &entry["ip"], why));
        }
        let modes = ["Proxy", "VIP"];
        if ip.is_empty() && !entry["ipMode"].is_null() {
            let why = "may not be specified when `ip` is not set";
            problems.push(Problem::forbidden(format!("{field}[{index}].ipMode"), why));
        } else if !entry["ipMode"].is_null() && !modes.contains(&text(entry, "/ipMode")) {
            problems.push(Problem::unsupported(format!("{field}[{index}].ipMode"), &entry["ipMode"], &modes));
        }
        if text(entry, "/hostname").parse::<IpAddr>().is_ok() {
            let why = "must be a DNS name, not an IP address";
            problems.push(Problem::invalid(format!("{field}[{index}].hostname"), &entry["hostname"], why));
        }
    }
    problems
}
