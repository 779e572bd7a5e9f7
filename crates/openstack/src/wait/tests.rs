//! A cloud whose load balancers settle at given times, watched in virtual time.

use serde_json::{Value, json};

use super::*;
use crate::Cloud;
use crate::testing::{self, Fake, Outcome, Seen, answer};

/// One load balancer of the cloud.
#[derive(Clone)]
struct Fate {
    id: &'static str,
    provider: &'static str,
    settles: Instant,
    end: &'static str,
}

#[derive(Clone, Default)]
struct Octavia {
    fates: Arc<Mutex<Vec<Fate>>>,
    latency: Arc<Mutex<Duration>>,
    fault: Arc<Mutex<Option<u16>>>,
}

impl Octavia {
    fn put(&self, id: &'static str, settles_in: Duration, end: &'static str) {
        let fate = Fate { id, provider: "ovn", settles: Instant::now() + settles_in, end };
        let mut fates = self.fates.lock().unwrap();
        fates.retain(|other| other.id != id);
        fates.push(fate);
    }

    fn read(&self, seen: &Seen) -> Outcome {
        if let Some(status) = *self.fault.lock().unwrap() {
            return answer(status, &json!({"faultcode": "Server", "faultstring": "no", "debuginfo": null}));
        }
        let path = seen.line.split_once("/lbaas/loadbalancers").unwrap().1;
        let fates = self.fates.lock().unwrap().clone();
        let now = Instant::now();
        let shown = |fate: &Fate| -> Option<Value> {
            let status = if now < fate.settles { "PENDING_UPDATE" } else { fate.end };
            (status != "DELETED")
                .then(|| json!({"id": fate.id, "provider": fate.provider, "provisioning_status": status}))
        };
        match path.strip_prefix('/') {
            None => {
                answer(200, &json!({"loadbalancers": fates.iter().filter_map(shown).collect::<Vec<_>>()}))
            }
            Some(id) => match fates.iter().find(|fate| fate.id == id).and_then(shown) {
                Some(found) => answer(200, &json!({ "loadbalancer": found })),
                None => {
                    answer(404, &json!({"faultcode": "Client", "faultstring": "no such", "debuginfo": null}))
                }
            },
        }
    }

    /// A waiter on this cloud; an answer shows the state at the time it was asked.
    fn waiter(&self) -> (LoadBalancerWaiter, Fake) {
        let octavia = self.clone();
        let (session, fake) = testing::slow_session(move |seen| {
            let outcome = octavia.read(&seen);
            let latency = *octavia.latency.lock().unwrap();
            Box::pin(async move {
                tokio::time::sleep(latency).await;
                outcome
            })
        });
        (LoadBalancerWaiter::new(Cloud::new(session).load_balancer()), fake)
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn lists(fake: &Fake) -> usize {
    fake.lines().iter().filter(|line| line.ends_with("/lbaas/loadbalancers")).count()
}

/// Logs in first, so that the time of the login is not measured.
async fn ready(octavia: &Octavia) -> (LoadBalancerWaiter, Fake) {
    let (waiter, fake) = octavia.waiter();
    octavia.put("first", Duration::ZERO, "ACTIVE");
    waiter.settled(&"first".into(), Instant::now(), 10 * SECOND).await.unwrap();
    (waiter, fake)
}

#[tokio::test(start_paused = true)]
async fn a_change_is_noticed_soon_after_it_is_done() {
    let octavia = Octavia::default();
    let (waiter, fake) = ready(&octavia).await;
    for done in [30, 200, 600] {
        tokio::time::sleep(60 * SECOND).await;
        octavia.put("a", ms(done), "ACTIVE");
        let start = Instant::now();
        let settled = waiter.settled(&"a".into(), start, 60 * SECOND).await.unwrap();
        assert!(matches!(settled, Settlement::Active(ref found) if found.id.as_str() == "a"), "{settled:?}");
        let late = start.elapsed().saturating_sub(ms(done));
        assert!(late <= ms(done / 4 + 60), "{done} ms: {late:?} late");
    }
    assert_eq!(lists(&fake), 0, "one waiter needs no list");
}

#[tokio::test(start_paused = true)]
async fn what_is_learnt_saves_looks_and_keeps_the_delay_small() {
    let octavia = Octavia::default();
    let (waiter, fake) = ready(&octavia).await;
    let mut looks = Vec::new();
    for _ in 0..12 {
        tokio::time::sleep(60 * SECOND).await;
        let before = fake.seen().len();
        octavia.put("a", 10 * SECOND, "ACTIVE");
        let start = Instant::now();
        waiter.settled(&"a".into(), start, 60 * SECOND).await.unwrap();
        let late = start.elapsed().checked_sub(10 * SECOND).unwrap();
        looks.push((fake.seen().len() - before, late));
    }
    let (first, last) = (looks[0], looks[11]);
    assert!(first.0 <= 20 && first.1 <= SECOND, "{looks:?}");
    assert!(last.0 <= 12 && last.1 <= ms(200), "{looks:?}");
    assert!(looks[4..].iter().all(|look| look.1 <= ms(400)), "{looks:?}");
}

#[tokio::test(start_paused = true)]
async fn error_and_absence_settle_too() {
    let octavia = Octavia::default();
    let (waiter, fake) = ready(&octavia).await;
    octavia.put("broken", ms(100), "ERROR");
    octavia.put("leaving", ms(100), "DELETED");
    octavia.put("going", ms(100), "DELETED");
    let now = Instant::now();
    let ids = ["broken", "leaving", "going"].map(LoadBalancerId::from);
    let settled = join_all(ids.iter().map(|id| waiter.settled(id, now, 9 * SECOND))).await;
    assert!(matches!(settled[0], Ok(Settlement::Error(_))));
    // Two are missing in every list; only their own 404 shows that they are gone.
    assert!(settled[1..].iter().all(|settled| matches!(settled, Ok(Settlement::Gone))), "{settled:?}");
    assert!(lists(&fake) > 0 && now.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_over_when_the_load_balancer_is_gone() {
    let octavia = Octavia::default();
    let (waiter, _) = ready(&octavia).await;
    octavia.put("a", Duration::ZERO, "ACTIVE");
    let start = Instant::now();
    let leave = {
        let octavia = octavia.clone();
        async move {
            tokio::time::sleep(2 * SECOND).await;
            octavia.put("a", Duration::ZERO, "DELETED");
        }
    };
    let id = LoadBalancerId::from("a");
    let (gone, ()) = tokio::join!(waiter.gone(&id, start, 60 * SECOND), leave);
    assert_eq!(gone.unwrap(), Settlement::Gone);
    assert!((2..3).contains(&start.elapsed().as_secs()));
    octavia.put("a", ms(100), "ERROR");
    let failed = waiter.gone(&id, Instant::now(), 60 * SECOND).await.unwrap();
    assert!(matches!(failed, Settlement::Error(_)));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_lesson_costs_two_seconds_at_most() {
    let octavia = Octavia::default();
    let (waiter, _) = ready(&octavia).await;
    for seconds in [60_u32, 60, 60, 60, 5] {
        octavia.put("a", SECOND * seconds, "ACTIVE");
        let start = Instant::now();
        waiter.settled(&"a".into(), start, 90 * SECOND).await.unwrap();
        assert!(start.elapsed() <= SECOND * (seconds + 2), "{seconds}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_waiters_share_one_list_a_look() {
    let octavia = Octavia::default();
    let (waiter, fake) = ready(&octavia).await;
    let ids: Vec<&'static str> = (0..50).map(|n| &*Box::leak(format!("lb-{n}").into_boxed_str())).collect();
    for (n, id) in ids.iter().enumerate() {
        octavia.put(id, ms(300 + 100 * n as u64), "ACTIVE");
    }
    let start = Instant::now();
    let before = fake.seen().len();
    let waits = ids.iter().map(|id| {
        let (waiter, id) = (waiter.clone(), LoadBalancerId::from(*id));
        async move { waiter.settled(&id, start, 60 * SECOND).await }
    });
    let settled = join_all(waits).await;
    assert!(settled.iter().all(|settled| matches!(settled, Ok(Settlement::Active(_)))));
    let took = start.elapsed();
    assert!(took <= ms(300 + 4_900 + 1_000), "{took:?}");
    let looks = fake.seen().len() - before;
    assert!(looks <= 30, "{looks} looks in {took:?}");
    let singles = looks - lists(&fake);
    assert!(singles <= 4, "{singles} single reads");
}

#[tokio::test(start_paused = true)]
async fn a_list_begun_before_the_change_settles_nothing() {
    let octavia = Octavia::default();
    let (waiter, fake) = ready(&octavia).await;
    *octavia.latency.lock().unwrap() = ms(500);
    octavia.put("other", 10 * SECOND, "ACTIVE");
    octavia.put("another", 10 * SECOND, "ACTIVE");
    octavia.put("a", Duration::ZERO, "ACTIVE");
    let start = Instant::now();
    let others = ["other", "another"].map(|id| {
        let waiter = waiter.clone();
        tokio::spawn(async move { waiter.settled(&id.into(), start, 60 * SECOND).await })
    });
    // A list is under way and has seen `a` ACTIVE when a change of `a` begins.
    tokio::time::sleep(ms(300)).await;
    assert_eq!(lists(&fake), 1);
    octavia.put("a", 5 * SECOND, "ACTIVE");
    let start = Instant::now();
    let settled = waiter.settled(&"a".into(), start, 60 * SECOND).await.unwrap();
    assert!(matches!(settled, Settlement::Active(_)));
    assert!(start.elapsed() >= 5 * SECOND, "settled by an old list after {:?}", start.elapsed());
    for other in others {
        other.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_deadline_with_the_last_trouble() {
    let octavia = Octavia::default();
    let (waiter, _) = ready(&octavia).await;
    octavia.put("a", 3600 * SECOND, "ACTIVE");
    let start = Instant::now();
    let error = waiter.settled(&"a".into(), start, 30 * SECOND).await.unwrap_err();
    assert_eq!((error.fault.clone(), start.elapsed()), (Fault::Timeout, 30 * SECOND));

    *octavia.fault.lock().unwrap() = Some(503);
    let error = waiter.settled(&"a".into(), start, 30 * SECOND).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("loadbalancer_get: unavailable"), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_is_waited_out_and_a_refusal_is_not() {
    let octavia = Octavia::default();
    let (waiter, _) = ready(&octavia).await;
    octavia.put("a", SECOND, "ACTIVE");
    *octavia.fault.lock().unwrap() = Some(503);
    let over = {
        let octavia = octavia.clone();
        async move {
            tokio::time::sleep(20 * SECOND).await;
            *octavia.fault.lock().unwrap() = None;
        }
    };
    let id = LoadBalancerId::from("a");
    let (settled, ()) = tokio::join!(waiter.settled(&id, Instant::now(), 60 * SECOND), over);
    assert!(matches!(settled.unwrap(), Settlement::Active(_)));
    *octavia.fault.lock().unwrap() = Some(403);
    let error = waiter.settled(&id, Instant::now(), 60 * SECOND).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Forbidden(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_for_a_waiter_who_left() {
    let octavia = Octavia::default();
    let (waiter, fake) = ready(&octavia).await;
    octavia.put("a", 3600 * SECOND, "ACTIVE");
    let id = LoadBalancerId::from("a");
    let gave_up = tokio::time::timeout(5 * SECOND, waiter.settled(&id, Instant::now(), 600 * SECOND)).await;
    assert!(gave_up.is_err());
    let before = fake.seen().len();
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(fake.seen().len(), before);
    octavia.put("b", ms(100), "ACTIVE");
    waiter.settled(&"b".into(), Instant::now(), 10 * SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_waiting_costs_at_most_the_budget() {
    let octavia = Octavia::default();
    let (waiter, fake) = ready(&octavia).await;
    tokio::time::sleep(60 * SECOND).await;
    octavia.put("a", 3600 * SECOND, "ACTIVE");
    octavia.put("b", 3600 * SECOND, "ACTIVE");
    let before = fake.seen().len();
    let start = Instant::now();
    // Newcomers want short steps all the time.
    let stream = async {
        for n in 0..200 {
            let id = LoadBalancerId::from(if n % 2 == 0 { "a" } else { "b" });
            let _ = waiter.settled(&id, Instant::now(), ms(300)).await;
        }
    };
    let steady = async { waiter.settled(&"a".into(), start, 60 * SECOND).await };
    let ((), error) = tokio::join!(stream, steady);
    assert_eq!(error.unwrap_err().fault, Fault::Timeout);
    let looks = fake.seen().len() - before;
    assert!((30..=82).contains(&looks), "{looks} looks in {:?}", start.elapsed());
}
