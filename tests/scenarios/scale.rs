//! Very many objects: what virtual time, real time and memory they take.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::harness::{Provider, Run, Setup, alone, real_time};

/// Everything about many objects that is not about what goes wrong.
fn calm(nodes: usize, work: Duration) -> Setup {
    Setup { nodes, compared: false, work: Some(work), provider: Provider::Amphora, ..Setup::default() }
}

/// Waits until all Services show an address; how long that took.
async fn served(run: &Run, count: usize) -> Duration {
    let began = Instant::now();
    loop {
        let services = run.stage().api(0).list("/api/v1/services");
        let shown =
            services.iter().filter(|service| !service["status"]["loadBalancer"]["ingress"].is_null()).count();
        if shown == count {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(7_200), "{shown} of {count} Services have an address");
        sleep(Duration::from_secs(2)).await;
    }
}

/// Waits until `count` lists of members have been written and everything has settled; how long that took.
async fn members_written(run: &Run, count: usize) -> Duration {
    let (began, since) = (Instant::now(), run.stage().world.elapsed());
    loop {
        let done = run.stage().world.ledger().count(|entry| {
            let is_list = entry.method == "PUT" && entry.path.ends_with("/members");
            is_list && entry.status == Some(202) && entry.begun >= since
        });
        if done >= count && run.stage().cloud.operator().next_change().is_none() {
            return began.elapsed();
        }
        assert!(
            began.elapsed() < Duration::from_secs(7_200),
            "{done} of {count} lists of members are written"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

/// One more node is up: how long until all pools have it.
async fn a_node_joins(run: &Run, pools: usize) -> Duration {
    run.add_node(0, "joined");
    members_written(run, pools).await
}

fn node_change(nodes: usize) -> Duration {
    alone(7, &calm(nodes, Duration::from_secs(6)), move |run| async move {
        for n in 0..50 {
            run.create_service(0, &format!("web-{n}"), &[80, 443, 8080]);
        }
        served(&run, 50).await;
        sleep(Duration::from_secs(60)).await;
        let mark = run.stage().world.ledger().len();
        let took = a_node_joins(&run, 150).await;
        sleep(Duration::from_secs(60)).await;
        let since = run.stage().world.ledger().since(mark);
        let (reads, writes): (Vec<_>, Vec<_>) =
            since.iter().filter(|entry| entry.service == "octavia").partition(|entry| !entry.is_write());
        eprintln!(
            "{nodes} nodes, 50 Services with 3 ports, 6 s a write: a node joined in {:.1} virtual s, {} writes, {} reads of Octavia",
            took.as_secs_f64(),
            writes.len(),
            reads.len()
        );
        assert_eq!(writes.len(), 150, "one write for each pool");
        // 60 shared looks a minute and a burst of 20, and for each Service one look whether all is as it was.
        assert!(reads.len() <= 80 + 50, "{} reads", reads.len());
        took
    })
}

#[test]
fn fifty_services_with_three_ports_follow_a_node_change_within_22_seconds() {
    let took = node_change(20);
    assert!(took <= Duration::from_secs(22), "{took:?}");
}

#[test]
#[ignore = "takes long: make soak"]
fn fifty_services_with_three_ports_follow_a_change_of_500_nodes_within_22_seconds() {
    let took = node_change(500);
    assert!(took <= Duration::from_secs(22), "{took:?}");
}

#[test]
#[ignore = "takes long: make soak"]
fn a_thousand_services_and_five_hundred_nodes() {
    let began = real_time();
    let edited = alone(8, &calm(500, Duration::from_millis(300)), |run| async move {
        for n in 0..1_000 {
            run.create_service(0, &format!("web-{n}"), &[80]);
        }
        let created = served(&run, 1_000).await;
        let joined = a_node_joins(&run, 1_000).await;
        eprintln!(
            "1 000 Services, 500 nodes, 0.3 s a write: made in {:.0} virtual s, a node joined in {:.0}",
            created.as_secs_f64(),
            joined.as_secs_f64()
        );
        sleep(Duration::from_secs(60)).await;
        restart_and_edit(&run).await
    });
    let (took, memory) = (began.elapsed(), peak_memory());
    eprintln!(
        "an edit during a restart was done in {:.2} virtual s; all of it took {took:.0?} and {memory} MiB",
        edited.as_secs_f64()
    );
    assert!(edited < Duration::from_secs(2), "{edited:?}");
    assert!(took < Duration::from_secs(120), "{took:?}");
    assert!(memory < 2_048, "{memory} MiB");
}

#[test]
fn a_service_that_is_edited_during_a_restart_is_done_within_2_seconds() {
    let took = alone(9, &calm(5, Duration::from_millis(300)), |run| async move {
        for n in 0..100 {
            run.create_service(0, &format!("web-{n}"), &[80]);
        }
        served(&run, 100).await;
        sleep(Duration::from_secs(60)).await;
        restart_and_edit(&run).await
    });
    eprintln!("100 Services: an edit during a restart was done in {:.2} virtual s", took.as_secs_f64());
    assert!(took < Duration::from_secs(2), "{took:?}");
}

/// Restarts the program and edits a Service as soon as it leads; how long until its members have the new node port.
async fn restart_and_edit(run: &Run) -> Duration {
    run.restart(0).await;
    let mark = run.stage().world.ledger().len();
    let leads = |run: &Run| {
        run.stage().world.ledger().since(mark).iter().any(|entry| {
            entry.method == "GET" && entry.path.ends_with("/services") && entry.answered.is_some()
        })
    };
    while !leads(run) {
        sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    let path = "/api/v1/namespaces/default/services/web-7";
    let mut ports = run.stage().api(0).get(path)["spec"]["ports"].clone();
    let node_port = 30_000 + run.stage().next_number();
    ports[0]["nodePort"] = json!(node_port);
    run.stage().api(0).change(path, &json!({"spec": {"ports": ports}}));
    let ask = |what: &str| {
        let path = format!("octavia/v2.0/lbaas/{what}");
        run.stage().cloud.operator().ask(&http::Method::GET, &path, serde_json::Value::Null).1
    };
    let pools = ask("pools?name=pool_0_kube_service_kubernetes_default_web-7");
    let members = format!("pools/{}/members", pools["pools"][0]["id"].as_str().unwrap());
    loop {
        let found = ask(&members);
        let member = &found["members"][0];
        if member["protocol_port"] == node_port && member["provisioning_status"] == "ACTIVE" {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(600), "{found}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The most memory that this process has had, in MiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes / 1_024
}
