//! The queue in virtual time.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{advance, sleep};

use super::*;

type Log = Arc<Mutex<Vec<(u64, String)>>>;

/// A queue whose work writes down when (in seconds since the start) it ran for which key.
struct World {
    queue: Queue<String>,
    metrics: QueueMetrics,
    cancel: CancellationToken,
    began: Instant,
    log: Log,
}

impl World {
    fn new() -> Self {
        let metrics = QueueMetrics::default();
        Self {
            queue: Queue::new("test", &metrics),
            metrics,
            cancel: CancellationToken::new(),
            began: Instant::now(),
            log: Log::default(),
        }
    }

    /// Starts the workers; every run takes a second and ends with what `verdict` says of the key and the run's number.
    fn start(&self, workers: usize, verdict: fn(&str, usize) -> Verdict) -> tokio::task::JoinHandle<usize> {
        let (log, began) = (Arc::clone(&self.log), self.began);
        let (queue, cancel) = (self.queue.clone(), self.cancel.clone());
        tokio::spawn(async move {
            queue
                .run(workers, cancel, move |key: String| {
                    let log = Arc::clone(&log);
                    async move {
                        let nth = {
                            let mut log = log.lock().unwrap();
                            let earlier = log.iter().filter(|(_, k)| *k == key).count();
                            log.push((began.elapsed().as_secs(), key.clone()));
                            earlier
                        };
                        sleep(Duration::from_secs(1)).await;
                        verdict(&key, nth)
                    }
                })
                .await
        })
    }

    fn add(&self, key: &str, lane: Lane) {
        self.queue.add(key.to_owned(), lane);
    }

    fn ran(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().map(|(at, key)| format!("{at}:{key}")).collect()
    }
}

async fn seconds(n: u64) {
    sleep(Duration::from_secs(n)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_run_in_order_of_arrival_and_once() {
    let world = World::new();
    for key in ["c", "a", "b", "a"] {
        world.add(key, Lane::Resync);
    }
    assert_eq!(world.queue.len(), 3);
    world.start(1, |_, _| Verdict::Done);
    seconds(10).await;
    assert_eq!(world.ran(), ["0:c", "1:a", "2:b"]);
    assert_eq!(world.metrics.counts("test"), metrics::Counts { adds: 3, retries: 0, panics: 0 });
    assert!(world.queue.lock().keys.is_empty(), "nothing is remembered of finished keys");
}

#[tokio::test(start_paused = true)]
async fn an_edit_overtakes_a_flood_of_resyncs_even_of_its_own_key() {
    let world = World::new();
    for n in 0..1000 {
        world.add(&format!("s{n:03}"), Lane::Resync);
    }
    world.start(1, |_, _| Verdict::Done);
    sleep(Duration::from_millis(1500)).await;
    world.add("s999", Lane::Edit);
    world.add("new", Lane::Edit);
    seconds(4).await;
    assert_eq!(world.ran()[..5], ["0:s000", "1:s001", "2:s999", "3:new", "4:s002"]);
}

#[tokio::test(start_paused = true)]
async fn an_edit_finds_a_free_worker_however_many_resyncs_wait() {
    let world = World::new();
    for n in 0..6 {
        world.add(&format!("s{n}"), Lane::Resync);
    }
    world.start(4, |_, _| Verdict::Done);
    sleep(Duration::from_millis(100)).await;
    world.add("edit", Lane::Edit);
    seconds(4).await;
    assert_eq!(world.ran(), ["0:s0", "0:s1", "0:edit", "1:s2", "1:s3", "2:s4", "2:s5"]);
}

#[tokio::test(start_paused = true)]
async fn edits_without_end_do_not_starve_resyncs() {
    let world = World::new();
    world.add("resync", Lane::Resync);
    for n in 0..20 {
        world.add(&format!("edit{n:02}"), Lane::Edit);
    }
    world.start(1, |_, _| Verdict::Done);
    seconds(30).await;
    let place = world.ran().iter().position(|run| run.ends_with("resync"));
    assert_eq!(place, Some(EDITS_IN_A_ROW as usize));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_never_run_twice_at_once_but_again_when_added_meanwhile() {
    let world = World::new();
    world.start(8, |_, _| Verdict::Done);
    world.add("a", Lane::Edit);
    sleep(Duration::from_millis(500)).await;
    world.add("a", Lane::Edit);
    world.add("a", Lane::Resync);
    world.add("b", Lane::Edit);
    seconds(5).await;
    assert_eq!(world.ran(), ["0:a", "0:b", "1:a"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_workers_run_at_once() {
    let world = World::new();
    for key in ["a", "b", "c", "d", "e"] {
        world.add(key, Lane::Edit);
    }
    world.start(2, |_, _| Verdict::Done);
    seconds(10).await;
    assert_eq!(world.ran(), ["0:a", "0:b", "1:c", "1:d", "2:e"]);
}

#[tokio::test(start_paused = true)]
async fn failures_wait_five_seconds_and_twice_as_long_each_time_up_to_five_minutes() {
    let world = World::new();
    world.start(1, |_, nth| if nth < 9 { Verdict::Backoff } else { Verdict::Done });
    world.add("a", Lane::Edit);
    seconds(3000).await;
    let at: Vec<u64> = world.log.lock().unwrap().iter().map(|(at, _)| *at).collect();
    let waits: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0] - 1).collect();
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    assert_eq!(world.metrics.counts("test").retries, 9);
}

#[tokio::test(start_paused = true)]
async fn success_forgets_earlier_failures() {
    let world = World::new();
    world.start(1, |_, nth| if nth == 2 { Verdict::Done } else { Verdict::Backoff });
    world.add("a", Lane::Edit);
    seconds(50).await;
    world.add("a", Lane::Edit);
    seconds(8).await;
    assert_eq!(world.ran(), ["0:a", "6:a", "17:a", "50:a", "56:a"]);
}

#[tokio::test(start_paused = true)]
async fn an_added_key_does_not_wait_out_its_backoff() {
    let world = World::new();
    world.start(1, |_, nth| if nth == 0 { Verdict::Backoff } else { Verdict::Done });
    world.add("a", Lane::Edit);
    seconds(2).await;
    world.add("a", Lane::Edit);
    seconds(30).await;
    assert_eq!(world.ran(), ["0:a", "2:a"], "and the delayed run is gone");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_no_failure_and_keeps_the_lane() {
    let world = World::new();
    for n in 0..10 {
        world.add(&format!("s{n}"), Lane::Resync);
    }
    world.start(1, |key, nth| {
        if key == "edit" && nth < 2 { Verdict::RetryAfter(Duration::from_secs(2)) } else { Verdict::Done }
    });
    world.add("edit", Lane::Edit);
    seconds(30).await;
    let edits: Vec<String> = world.ran().into_iter().filter(|run| run.ends_with("edit")).collect();
    assert_eq!(edits, ["0:edit", "3:edit", "6:edit"]);
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_two_delays_wins() {
    let world = World::new();
    world.start(1, |_, _| Verdict::Done);
    world.queue.add_after("a".to_owned(), Duration::from_secs(20));
    world.queue.add_after("a".to_owned(), Duration::from_secs(5));
    world.queue.add_after("a".to_owned(), Duration::from_secs(9));
    seconds(60).await;
    assert_eq!(world.ran(), ["5:a"]);
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_ends_during_a_run_leads_to_another_run() {
    let world = World::new();
    world.start(1, |_, _| Verdict::Done);
    world.add("a", Lane::Edit);
    sleep(Duration::from_millis(100)).await;
    world.queue.add_after("a".to_owned(), Duration::from_millis(100));
    seconds(10).await;
    assert_eq!(world.ran(), ["0:a", "1:a"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_hurts_only_its_own_key() {
    let world = World::new();
    world.start(1, |key, nth| {
        assert!(key != "bad" || nth > 0, "planted");
        Verdict::Done
    });
    world.add("bad", Lane::Edit);
    world.add("good", Lane::Edit);
    seconds(30).await;
    assert_eq!(world.ran(), ["0:bad", "1:good", "6:bad"]);
    assert_eq!(world.metrics.counts("test"), metrics::Counts { adds: 3, retries: 1, panics: 1 });
}

#[tokio::test(start_paused = true)]
async fn cancelling_lets_work_in_flight_end_and_starts_nothing_more() {
    let world = World::new();
    world.add("a", Lane::Edit);
    world.add("b", Lane::Edit);
    let run = world.start(1, |_, _| Verdict::Done);
    sleep(Duration::from_millis(500)).await;
    world.cancel.cancel();
    assert_eq!(run.await.unwrap(), 0);
    assert_eq!(world.began.elapsed(), Duration::from_secs(1));
    assert_eq!(world.ran(), ["0:a"]);
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_is_abandoned_and_reported() {
    let queue: Queue<String> = Queue::new("test", &QueueMetrics::default());
    let cancel = CancellationToken::new();
    let started = Arc::new(AtomicUsize::new(0));
    queue.add("stuck".to_owned(), Lane::Edit);
    let run = tokio::spawn({
        let (queue, cancel, started) = (queue.clone(), cancel.clone(), Arc::clone(&started));
        async move {
            let work = move |_| {
                started.fetch_add(1, Ordering::SeqCst);
                std::future::pending()
            };
            queue.run(1, cancel, work).await
        }
    });
    advance(Duration::from_secs(1)).await;
    let before = Instant::now();
    cancel.cancel();
    assert_eq!(run.await.unwrap(), 1);
    assert_eq!(before.elapsed(), DRAIN_LIMIT);
    assert_eq!(started.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn work_that_only_waits_is_dropped_once_nothing_is_in_flight() {
    let in_flight = watch::Sender::new(1);
    let queue: Queue<String> =
        Queue::new("test", &QueueMetrics::default()).with_in_flight(in_flight.subscribe());
    let cancel = CancellationToken::new();
    queue.add("waiting".to_owned(), Lane::Edit);
    let run = tokio::spawn({
        let (queue, cancel) = (queue.clone(), cancel.clone());
        async move { queue.run(1, cancel, |_| std::future::pending()).await }
    });
    seconds(1).await;
    let before = Instant::now();
    cancel.cancel();
    seconds(2).await;
    assert!(!run.is_finished(), "a change is still on its way");
    in_flight.send_replace(0);
    assert_eq!(run.await.unwrap(), 0);
    assert_eq!(before.elapsed(), Duration::from_secs(2));
}

#[test]
fn metrics_carry_the_names_that_dashboards_know() {
    let metrics = QueueMetrics::default();
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let _queue: Queue<String> = Queue::new("service", &metrics);
    metrics.waited("service", Duration::from_millis(5));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "workqueue_depth{name=\"service\"} 0",
        "workqueue_adds_total{name=\"service\"} 0",
        "workqueue_retries_total{name=\"service\"} 0",
        "workqueue_queue_duration_seconds_bucket{le=\"0.01\",name=\"service\"} 1",
        "workqueue_unfinished_work_seconds{name=\"service\"} 0.0",
        "workqueue_longest_running_processor_seconds{name=\"service\"} 0.0",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
