//! The API server: a script of requests, and the answers of a real one (kube-apiserver 1.36) in `kubernetes.txt`.
//!
//! To record anew after a change of the script: `CONTRACT_RECORD=1 tests/lab/lab inside cargo test --offline --package
//! cloud-tests --features lab --test contract kubernetes`.

mod answers;
mod leases;
mod nodes;
mod reads;
mod rights;
mod services;
mod small;
mod target;

use simulator::{ApiServer, World};
use target::Target;

const RECORD: &str = include_str!("kubernetes.txt");

/// All steps, as text.
async fn script(target: Target) -> String {
    let mut steps = answers::Steps::new(target);
    steps.tidy().await;
    nodes::script(&mut steps).await;
    services::script(&mut steps).await;
    leases::script(&mut steps).await;
    small::script(&mut steps).await;
    reads::script(&mut steps).await;
    rights::script(&mut steps).await;
    steps.tidy().await;
    steps.told()
}

#[tokio::test(start_paused = true)]
async fn the_simulated_api_server_answers_as_the_real_one() {
    let world = World::new(1);
    let target = Target::simulated(ApiServer::new(&world), world.link("contract"));
    answers::compare(RECORD, &script(target).await);
}

/// Needs the laboratory's Kubernetes and nothing of its OpenStack.
#[cfg(feature = "lab")]
#[tokio::test]
async fn the_real_api_server_answers_as_recorded() {
    let told = script(Target::real()).await;
    if std::env::var_os("CONTRACT_RECORD").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/contract/kubernetes.txt");
        std::fs::write(path, &told).unwrap();
        return;
    }
    answers::compare(RECORD, &told);
}
