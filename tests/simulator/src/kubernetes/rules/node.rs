//! Rules for Nodes.

use serde_json::{Value, json};

use super::{entries, text};
use crate::kubernetes::refusal::Problem;

/// What the admission plugin `TaintNodesByCondition` puts on every new Node.
const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub(super) fn create(node: &mut Value) -> Vec<Problem> {
    if node["spec"].is_null() {
        node["spec"] = json!({});
    }
    let taints = entries(node, "/spec/taints");
    if taints.iter().all(|taint| taint["key"] != NOT_READY) {
        let mut taints = taints.to_vec();
        taints.push(json!({"key": NOT_READY, "effect": "NoSchedule"}));
        node["spec"]["taints"] = json!(taints);
    }
    fill(node);
    check(node)
}

pub(super) fn update(old: &Value, node: &mut Value) -> Vec<Problem> {
    if node["spec"]["taints"].as_array().is_some_and(Vec::is_empty)
        && let Some(spec) = node["spec"].as_object_mut()
    {
        spec.remove("taints");
    }
    fill(node);
    let mut problems = check(node);
    // The rules of an update look at the taints once more.
    problems.extend(check_taints(node));
    let before = text(old, "/spec/providerID");
    if !before.is_empty() && before != text(node, "/spec/providerID") {
        let why = "node updates may not change providerID except from \"\" to valid";
        problems.push(Problem::forbidden("spec.providerID", why));
    }
    let cidrs = entries(old, "/spec/podCIDRs");
    if !cidrs.is_empty() && cidrs != entries(node, "/spec/podCIDRs") {
        let why = "node updates may not change podCIDR except from \"\" to valid";
        problems.push(Problem::forbidden("spec.podCIDRs", why));
    }
    problems
}

/// Parts of the status are structs, not pointers: they are there even when empty.
fn fill(node: &mut Value) {
    // The old form of the ranges and the new one are two views of the same.
    let (one, list) = (node["spec"].get("podCIDR").cloned(), node["spec"].get("podCIDRs").cloned());
    match (one, list) {
        (Some(one), None) => node["spec"]["podCIDRs"] = json!([one]),
        (None, Some(list)) => node["spec"]["podCIDR"] = list[0].clone(),
        _ => {}
    }
    let status = &mut node["status"];
    if status["daemonEndpoints"].is_null() {
        status["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": 0}});
    }
    for key in [
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "kubeletVersion",
        "machineID",
        "operatingSystem",
        "osImage",
        "systemUUID",
    ] {
        if status["nodeInfo"][key].is_null() {
            status["nodeInfo"][key] = json!("");
        }
    }
    // Not by index, which would put a null where nothing is.
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(condition) = condition.as_object_mut() else { continue };
        for time in ["lastHeartbeatTime", "lastTransitionTime"] {
            condition.entry(time).or_insert(Value::Null);
        }
    }
}

fn check(node: &Value) -> Vec<Problem> {
    let mut problems = check_taints(node);
    let addresses = entries(node, "/status/addresses");
    for (index, address) in addresses.iter().enumerate() {
        if addresses[..index].contains(address) {
            let shown = format!("{{\"Type\":{},\"Address\":{}}}", address["type"], address["address"]);
            problems.push(Problem::duplicate(format!("status.addresses[{index}]"), &shown));
        }
    }
    problems
}

fn check_taints(node: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let taints = entries(node, "/spec/taints");
    for (index, taint) in taints.iter().enumerate() {
        let field = format!("metadata.taints[{index}]");
        let same = |other: &Value| other["key"] == taint["key"] && other["effect"] == taint["effect"];
        if taints[..index].iter().any(same) {
            let (key, value, effect) = (&taint["key"], text(taint, "/value"), &taint["effect"]);
            let shown =
                format!("{{\"Key\":{key},\"Value\":{value:?},\"Effect\":{effect},\"TimeAdded\":null}}");
            problems.push(Problem::duplicate(
                field,
                &format!("{shown}: taints must be unique by key and effect pair"),
            ));
        } else if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&text(taint, "/effect")) {
            let supported = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            problems.push(Problem::unsupported(format!("{field}.effect"), &taint["effect"], &supported));
        }
    }
    problems
}
