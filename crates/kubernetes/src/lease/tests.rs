//! Elections in virtual time over an API server that is slow, drops requests and loses answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use tower::BoxError;

use super::{Error, Leadership, LeaseOptions, WriteWindow};
use crate::cluster::Cluster;
use crate::testing::{Answer, Asked, cluster};

/// The one Lease, with the API server's rules for it.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    lease: Option<Value>,
    version: u64,
    writes: Vec<String>,
}

impl Stored {
    /// A write that names no version is carried out whatever the version is.
    fn is_out_of_date(&self, sent: &Value) -> bool {
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        !version(sent).is_null() && self.lease.as_ref().map(version) != Some(version(sent))
    }
}

impl Server {
    fn carry_out(&self, asked: &Asked) -> Answer {
        let mut stored = self.0.lock().unwrap();
        match asked.method.as_str() {
            "GET" => match &stored.lease {
                Some(lease) => Answer::json(200, lease),
                None => Answer::refusal(404, "NotFound"),
            },
            "POST" if stored.lease.is_some() => Answer::refusal(409, "AlreadyExists"),
            "PUT" if stored.lease.is_none() => Answer::refusal(404, "NotFound"),
            "PUT" if stored.is_out_of_date(&asked.body) => Answer::refusal(409, "Conflict"),
            "POST" | "PUT" => {
                stored.version += 1;
                let mut lease = asked.body.clone();
                lease["metadata"]["resourceVersion"] = json!(stored.version.to_string());
                stored.writes.push(lease["spec"]["holderIdentity"].as_str().unwrap().to_owned());
                stored.lease = Some(lease.clone());
                Answer::json(200, &lease)
            }
            other => panic!("{other} is not among the usual rights"),
        }
    }

    fn cluster(&self) -> Cluster {
        let server = self.clone();
        cluster(move |asked| {
            let answer = server.carry_out(&asked);
            async move { Ok(answer) }
        })
    }

    /// Requests and answers travel for a while, and may get lost on either way.
    fn cluster_over(&self, network: &Network) -> Cluster {
        let (server, network) = (self.clone(), network.clone());
        cluster(move |asked| {
            let (server, faults) = (server.clone(), network.faults.clone());
            let trip = network.trip();
            async move {
                // Spawned, so that a request that its sender gave up still arrives.
                let arrival = tokio::spawn(async move {
                    tokio::time::sleep(trip.there).await;
                    if trip.lost == Lost::Request {
                        faults.lock().unwrap().requests += 1;
                        return Err(BoxError::from("request lost"));
                    }
                    let answer = server.carry_out(&asked);
                    if trip.lost == Lost::Answer {
                        faults.lock().unwrap().answers += 1;
                        return Err(BoxError::from("answer lost"));
                    }
                    Ok(answer)
                });
                let answer = arrival.await.unwrap()?;
                tokio::time::sleep(trip.back).await;
                Ok(answer)
            }
        })
    }

    fn holder(&self) -> String {
        let stored = self.0.lock().unwrap();
        stored
            .lease
            .as_ref()
            .map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap().to_owned())
            .unwrap_or_default()
    }
}

#[derive(Default)]
struct Faults {
    requests: u32,
    answers: u32,
    cuts: u32,
}

/// The way from one host to the server, with its troubles.
#[derive(Clone)]
struct Network {
    rng: Arc<Mutex<fastrand::Rng>>,
    faults: Arc<Mutex<Faults>>,
    cut_until: Arc<Mutex<Instant>>,
}

struct Trip {
    there: Duration,
    back: Duration,
    lost: Lost,
}

#[derive(PartialEq)]
enum Lost {
    Nothing,
    Request,
    Answer,
}

impl Network {
    fn new(rng: &Arc<Mutex<fastrand::Rng>>, faults: &Arc<Mutex<Faults>>) -> Self {
        let cut_until = Arc::new(Mutex::new(Instant::now()));
        Self { rng: rng.clone(), faults: faults.clone(), cut_until }
    }

    fn trip(&self) -> Trip {
        let mut rng = self.rng.lock().unwrap();
        let mut cut_until = self.cut_until.lock().unwrap();
        let cut = Instant::now() < *cut_until;
        let slow = rng.u8(..8) == 0;
        let mut travel = || Duration::from_millis(if slow { rng.u64(0..6_000) } else { rng.u64(0..50) });
        let (there, back) = (travel(), travel());
        let lost = match rng.u8(..100) {
            _ if cut => Lost::Request,
            0..6 => Lost::Request,
            6..12 => Lost::Answer,
            _ => Lost::Nothing,
        };
        // After a slow answer the host is often cut off for a while.
        if slow && !cut && rng.bool() {
            *cut_until = Instant::now() + there + back + Duration::from_secs(rng.u64(5..40));
            self.faults.lock().unwrap().cuts += 1;
        }
        Trip { there, back, lost }
    }
}

fn options(identity: &str) -> LeaseOptions {
    LeaseOptions { identity: identity.into(), ..LeaseOptions::new("kube-system", "ccm", "h") }
}

fn candidate(server: &Server, identity: &str) -> Leadership {
    Leadership::new(server.cluster(), options(identity), None)
}

/// Until when each process may have a write under way.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Vec<(String, Instant)>>>);

impl Ledger {
    fn watch(&self, leadership: Leadership, who: String) -> Leadership {
        let ledger = self.clone();
        leadership.mirrored_to(move |window| {
            let mut ends = ledger.0.lock().unwrap();
            if let Some(window) = window {
                let now = Instant::now();
                for (other, end) in ends.iter() {
                    assert!(
                        *other == who || *end <= now,
                        "{who} may write while {other} still does for {:?}",
                        *end - now
                    );
                }
                ends.retain(|(name, _)| *name != who);
                ends.push((who.clone(), window.end_before));
            }
        })
    }

    /// All writes of this process have ended.
    fn drained(&self, who: &str) {
        self.0.lock().unwrap().retain(|(name, _)| name != who);
    }
}

#[tokio::test(start_paused = true)]
async fn never_two_writers_whatever_the_network_does() {
    let faults = Arc::new(Mutex::new(Faults::default()));
    let mut reigns = 0;
    for seed in 0..8 {
        let server = Server::default();
        let ledger = Ledger::default();
        let rng = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        let mut processes = tokio::task::JoinSet::new();
        for place in ["a", "b", "c"] {
            let (server, ledger, rng) = (server.clone(), ledger.clone(), rng.clone());
            let network = Network::new(&rng, &faults);
            processes.spawn(async move {
                let mut reigns = 0;
                let end = Instant::now() + Duration::from_mins(20);
                for life in 0.. {
                    let who = format!("{place}{life}");
                    let cluster = server.cluster_over(&network);
                    let mut leadership =
                        ledger.watch(Leadership::new(cluster, options(&who), None), who.clone());
                    if tokio::time::timeout_at(end, leadership.acquire()).await.is_err() {
                        return reigns;
                    }
                    reigns += 1;
                    let stay = Duration::from_secs(rng.lock().unwrap().u64(1..120));
                    if tokio::time::timeout(stay, leadership.hold()).await.is_err() {
                        // Writes are drained, then the Lease is given back.
                        ledger.drained(&who);
                        leadership.release().await;
                    }
                    // Lost: the process ends, but its last write may still be on its way until the window's end.
                }
                reigns
            });
        }
        reigns += processes.join_all().await.into_iter().sum::<u32>();
    }
    let Faults { requests, answers, cuts } = *faults.lock().unwrap();
    assert!(
        reigns > 100 && requests > 100 && answers > 100 && cuts > 100,
        "the test did not test: {reigns} {requests} {answers} {cuts}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_within_two_seconds() {
    for _ in 0..20 {
        let server = Server::default();
        let mut first = candidate(&server, "a");
        first.acquire().await;
        let mut second = candidate(&server, "b");
        let standby = tokio::spawn(async move {
            second.acquire().await;
            Instant::now()
        });
        let _ = tokio::time::timeout(Duration::from_mins(1), first.hold()).await;
        let released = Instant::now();
        first.release().await;
        let taken = standby.await.unwrap();
        assert!(taken - released <= Duration::from_secs(2), "{:?}", taken - released);
        assert_eq!(server.holder(), "b");
    }
}

#[tokio::test(start_paused = true)]
async fn a_vanished_holder_is_replaced_when_its_lease_is_over_and_not_before() {
    let server = Server::default();
    let mut first = candidate(&server, "a");
    first.acquire().await;
    let last_sign = Instant::now();
    drop(first);
    let mut second = candidate(&server, "b");
    second.acquire().await;
    let waited = last_sign.elapsed();
    assert!(waited >= Duration::from_secs(15) && waited < Duration::from_millis(15_100), "{waited:?}");
    assert_eq!(server.0.lock().unwrap().lease.as_ref().unwrap()["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_clock_does_not_matter() {
    for renewed in ["1999-01-01T00:00:00.000000Z", "2199-01-01T00:00:00.000000Z"] {
        let server = Server::default();
        let mut first = candidate(&server, "go");
        first.acquire().await;
        server.0.lock().unwrap().lease.as_mut().unwrap()["spec"]["renewTime"] = json!(renewed);
        let start = Instant::now();
        candidate(&server, "b").acquire().await;
        assert!((15..16).contains(&start.elapsed().as_secs()), "{renewed}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_window_is_counted_from_the_start_of_the_renewal() {
    let server = Server::default();
    let slow = {
        let server = server.clone();
        cluster(move |asked| {
            let answer = server.carry_out(&asked);
            async move {
                tokio::time::sleep(Duration::from_secs(3)).await;
                Ok(answer)
            }
        })
    };
    let mut leadership = Leadership::new(slow, options("a"), None);
    let fence = leadership.fence();
    let start = Instant::now();
    leadership.acquire().await;
    // A look of 3 s, then the write.
    let written = start + Duration::from_secs(3);
    let window = WriteWindow {
        begin_before: written + Duration::from_secs(10),
        end_before: written + Duration::from_secs(15),
    };
    assert_eq!(*fence.borrow(), Some(window));
    leadership.release().await;
    assert_eq!(*fence.borrow(), None);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_has_lost_at_the_deadline() {
    let server = Server::default();
    let dead = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let api = {
        let (server, dead) = (server.clone(), dead.clone());
        cluster(move |asked| {
            let answer = server.carry_out(&asked);
            let dead = dead.load(std::sync::atomic::Ordering::Relaxed);
            async move {
                if dead {
                    futures::future::pending::<()>().await;
                }
                Ok(answer)
            }
        })
    };
    let mut leadership = Leadership::new(api, options("a"), None);
    let fence = leadership.fence();
    leadership.acquire().await;
    let start = Instant::now();
    dead.store(true, std::sync::atomic::Ordering::Relaxed);
    let lost = leadership.hold().await;
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(*fence.borrow(), None);
    assert!(matches!(lost.last, Some(Error::Timeout { call: "lease_update", .. })), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_lease_was_taken_has_lost_at_once() {
    let server = Server::default();
    let mut leadership = candidate(&server, "a");
    leadership.acquire().await;
    {
        let mut stored = server.0.lock().unwrap();
        let lease = stored.lease.as_mut().unwrap();
        lease["spec"]["holderIdentity"] = json!("thief");
        lease["metadata"]["resourceVersion"] = json!("stolen");
    }
    let start = Instant::now();
    let lost = leadership.hold().await;
    assert!(
        lost.last.is_none() && start.elapsed() < Duration::from_secs(3),
        "{lost:?} {:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn renewing_costs_one_request() {
    let server = Server::default();
    let mut leadership = candidate(&server, "a");
    leadership.acquire().await;
    let before = server.0.lock().unwrap().writes.len();
    let _ = tokio::time::timeout(Duration::from_secs(21), leadership.hold()).await;
    assert_eq!(server.0.lock().unwrap().writes.len() - before, 10);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_again_by_its_holder() {
    let server = Server::default();
    let mut leadership = candidate(&server, "a");
    leadership.acquire().await;
    server.0.lock().unwrap().lease = None;
    // The version it knows is gone (404), so it looks, and creates.
    let _ = tokio::time::timeout(Duration::from_secs(9), leadership.hold()).await;
    assert_eq!(server.holder(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_was_lost_does_not_prevent_the_release() {
    let server = Server::default();
    let mut leadership = candidate(&server, "a");
    leadership.acquire().await;
    {
        // The renewal arrived, under a version that the holder does not know.
        let mut stored = server.0.lock().unwrap();
        let lease = stored.lease.as_mut().unwrap();
        lease["metadata"]["resourceVersion"] = json!("unknown");
        lease["spec"]["renewTime"] = json!("2026-01-01T00:00:00.000000Z");
    }
    leadership.release().await;
    assert_eq!(server.holder(), "");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_took_is_not_released() {
    let server = Server::default();
    let mut leadership = candidate(&server, "a");
    leadership.acquire().await;
    {
        let mut stored = server.0.lock().unwrap();
        let lease = stored.lease.as_mut().unwrap();
        lease["metadata"]["resourceVersion"] = json!("unknown");
        lease["spec"]["holderIdentity"] = json!("b");
    }
    leadership.release().await;
    assert_eq!(server.holder(), "b");
}
