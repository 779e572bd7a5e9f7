//! Credentials that change under the running program.

use std::time::Duration;

use cloud_tests::{Controller, Keystone, Lab, Options, eventually};
use serde_json::json;

const NAME: &str = "e2e-rotation";
/// The program looks every ten seconds.
const NOTICED: Duration = Duration::from_secs(40);

/// How often changed files led to `result`.
fn reloads(controller: &Controller, result: &str) -> f64 {
    let name = format!("cloudprovider_openstack_credentials_reloads_total{{result=\"{result}\"}}");
    controller.metric(&name).unwrap_or(0.0)
}

fn noticed(controller: &Controller, result: &str) {
    eventually(NOTICED, result, || {
        if reloads(controller, result) >= 1.0 { Ok(()) } else { Err("not counted".to_owned()) }
    });
}

#[test]
fn rotated_credentials_are_taken_over_and_those_of_another_project_refused() {
    let lab = Lab::take();
    let cluster = lab.cluster();
    let user = Keystone::of(&lab, "user");
    let me = Keystone::of(&lab, "admin").id("/users?name=k8s&domain_id=default");
    let controller = Controller::lead(&lab, &cluster, &Options::new(NAME));

    // The new credential of the same user: an application credential in place of the password.
    let path = format!("/users/{me}/application_credentials");
    let roles = json!([{"name": "member"}, {"name": "load-balancer_member"}]);
    let body = json!({"name": NAME, "secret": "rotated", "roles": roles});
    let credential = user.create(&path, "application_credential", &body);
    let id = credential["id"].as_str().unwrap();
    let rotated = format!("application-credential-id = {id}\napplication-credential-secret = rotated\n");
    controller.rewrite_conf(|conf| {
        let kept: Vec<&str> = conf
            .lines()
            .filter(|line| {
                !["username", "password", "domain-id", "tenant-name"].iter().any(|key| line.starts_with(key))
            })
            .collect();
        kept.join("\n").replace("[Global]", &format!("[Global]\n{rotated}"))
    });
    noticed(&controller, "taken");

    controller.rewrite_conf(|conf| {
        let other = "username = k8s2\npassword = lab\ntenant-name = k8s2\ndomain-id = default\n";
        conf.replace(&rotated, other)
    });
    noticed(&controller, "other_identity");
    eventually(NOTICED, "an event on the lease", || {
        let events = cluster.events("kube-system", "cloud-controller-manager", "CredentialsRefused");
        events.into_iter().find(|text| text.contains("another project")).ok_or_else(|| "none".to_owned())
    });
    assert!(controller.is_leading(), "it goes on as before");
    drop(controller);
    user.send("DELETE", &format!("{path}/{id}"), None);
}
