//! Tokens that end, a Keystone that goes away, services that refuse or move: on real services, through proxies that do
//! the harm.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloud_tests::{Fault, FaultProxy, Lab, ShortLived};
use openstack::Cloud;
use openstack::network::{FloatingIpCreate, FloatingIpFilter, NetworkFilter};

use crate::product;

/// How long tokens live where they are to end during the test.
const LIFE: Duration = Duration::from_secs(60);
/// Environment variable with the seconds that Keystone is away, for long runs.
const OUTAGE: &str = "E2E_KEYSTONE_OUTAGE";

fn cloud(keystone: &str) -> Cloud {
    let conf = format!(
        "[Global]\nauth-url = http://{keystone}/v3\nusername = k8s\npassword = lab\ntenant-name = k8s\ndomain-id = default\n"
    );
    product::cloud(&conf, Path::new("/nowhere"))
}

async fn read(cloud: &Cloud) -> Result<(), openstack::Error> {
    cloud.network().networks(&NetworkFilter::default()).await.map(|_| ())
}

/// Waits until a call succeeds; how long that took.
async fn until_it_works(cloud: &Cloud) -> Duration {
    let start = Instant::now();
    while let Err(error) = read(cloud).await {
        assert!(start.elapsed() < Duration::from_secs(60), "still {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    start.elapsed()
}

#[test]
fn tokens_of_a_minute_and_a_keystone_that_is_away_cost_no_call() {
    let lab = Lab::take();
    let keystone = ShortLived::start(&lab, LIFE);
    let plain = lab.fact("/openstack/endpoints/keystone").trim_start_matches("http://").to_owned();
    let neutron = lab.fact("/openstack/endpoints/neutron").trim_start_matches("http://").to_owned();
    product::run(async {
        tokio::join!(busy(keystone.address()), away(keystone.address()), moved(&plain, &neutron));
    });
}

/// Callers who never rest, over more than the life of a token.
async fn busy(keystone: &str) {
    let front = FaultProxy::new(keystone);
    let cloud = cloud(front.address());
    let end = Instant::now() + LIFE + Duration::from_secs(15);
    let workers = (0..3).map(|_| {
        let cloud = cloud.clone();
        tokio::spawn(async move {
            let mut calls = 0_u32;
            while Instant::now() < end {
                read(&cloud).await.unwrap_or_else(|error| panic!("call {calls}: {error}"));
                calls += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            calls
        })
    });
    let mut calls = 0;
    for worker in workers.collect::<Vec<_>>() {
        calls += worker.await.unwrap();
    }
    let (logins, _) = front.asked();
    eprintln!("tokens of {LIFE:?}: {calls} calls, none lost, {logins} logins");
    assert!(calls > 100, "only {calls} calls");
    // One at first and one before the end, and others beside those that a busy machine does not answer for 2 s.
    assert!((2..20).contains(&logins), "{logins} logins");
}

/// Keystone goes away without a word and comes back after the token has ended.
async fn away(keystone: &str) {
    let front = FaultProxy::new(keystone);
    let cloud = cloud(front.address());
    let start = Instant::now();
    read(&cloud).await.unwrap();
    front.set(Fault::Silence);
    let mut longest = Duration::ZERO;
    // The token may have been issued a moment before the answer came.
    while start.elapsed() + Duration::from_secs(5) < LIFE {
        let call = Instant::now();
        read(&cloud).await.unwrap_or_else(|error| panic!("with a valid token: {error}"));
        longest = longest.max(call.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(longest < Duration::from_secs(10), "a call waited {longest:?} for Keystone");
    let outage = std::env::var(OUTAGE).map_or(0, |seconds| seconds.parse().unwrap());
    let outage = Duration::from_secs(outage).max(LIFE + Duration::from_secs(3));
    tokio::time::sleep(outage.saturating_sub(start.elapsed())).await;
    let error = tokio::time::timeout(Duration::from_secs(40), read(&cloud)).await.unwrap().unwrap_err();
    assert_eq!(error.call, "token_create", "{error}");
    front.set(Fault::None);
    let took = until_it_works(&cloud).await;
    eprintln!(
        "Keystone away for {:?}: the longest call meanwhile {longest:?}, well again after {took:?}",
        start.elapsed()
    );
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// A service moves to another address; the catalogue knows, the old address refuses.
async fn moved(keystone: &str, neutron: &str) {
    let (front, old) = (FaultProxy::new(keystone), FaultProxy::new(neutron));
    front.rewrite(&[(neutron, old.address())]);
    let cloud = cloud(front.address());
    read(&cloud).await.unwrap();
    assert!(old.asked().0 > 0, "the catalogue's address is used");
    // A catalogue is not doubted while it is fresh.
    tokio::time::sleep(Duration::from_secs(61)).await;
    let new = FaultProxy::new(neutron);
    front.rewrite(&[(neutron, new.address())]);
    drop(old);
    let took = until_it_works(&cloud).await;
    eprintln!("Neutron has moved: followed after {took:?}");
    assert!(new.asked().0 > 0 && took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn storms_of_refusals_lose_no_call_and_double_none() {
    let lab = Lab::take();
    let network = lab.fact("/openstack/external/network").to_owned();
    let plain = lab.fact("/openstack/endpoints/keystone").trim_start_matches("http://").to_owned();
    let neutron = lab.fact("/openstack/endpoints/neutron").trim_start_matches("http://").to_owned();
    let (front, storm) = (FaultProxy::new(&plain), FaultProxy::new(&neutron));
    front.rewrite(&[(&neutron, storm.address())]);
    let cloud = cloud(front.address());
    for status in [429, 503] {
        storm.set(Fault::Storm(status, 3));
        let (before, start) = (storm.asked(), Instant::now());
        let calls = product::run(weather(&cloud, &network, Duration::from_secs(5)));
        let (asked, refused) = (storm.asked().0 - before.0, storm.asked().1 - before.1);
        storm.set(Fault::None);
        eprintln!(
            "storm of {status}: {calls} calls in {:?}, {refused} of {asked} requests refused",
            start.elapsed()
        );
        assert!(refused > 10 && calls > 5, "the storm did not blow");
        // The bound on requests in flight is low now, and grows again with good answers.
        let _ = storm.most_at_once();
        product::run(async {
            let many = (0..24).map(|_| {
                let cloud = cloud.clone();
                tokio::spawn(async move { read(&cloud).await.unwrap() })
            });
            for one in many.collect::<Vec<_>>() {
                one.await.unwrap();
            }
        });
        let most = storm.most_at_once();
        assert!(most < 16, "{most} requests at once right after a storm");
    }
}

/// Readers and writers for a while; each floating IP is made once and gone afterwards. How many calls were made.
async fn weather(cloud: &Cloud, network: &str, lasting: Duration) -> u64 {
    let end = Instant::now() + lasting;
    let calls = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let readers = (0..3).map(|_| {
        let (cloud, calls, stop) = (cloud.clone(), Arc::clone(&calls), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                read(&cloud).await.unwrap_or_else(|error| panic!("a read was lost: {error}"));
                calls.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    let mut number = 0;
    while Instant::now() < end {
        number += 1;
        let description = format!("e2e-storm-{number}");
        let filter =
            FloatingIpFilter { description: Some(description.clone()), ..FloatingIpFilter::default() };
        let body = FloatingIpCreate {
            floating_network_id: network.into(),
            description: Some(description),
            port_id: None,
            subnet_id: None,
            floating_ip_address: None,
        };
        let made = cloud.network().create_floating_ip(&body).await;
        let made = made.unwrap_or_else(|error| panic!("a create was lost: {error}"));
        let found = cloud.network().floating_ips(&filter).await.unwrap();
        cloud.network().delete_floating_ip(&made.id).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.len(), 1, "made twice");
        calls.fetch_add(3, Ordering::SeqCst);
    }
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    calls.load(Ordering::SeqCst)
}
