//! Metrics of the queues, named and bucketed as client-go's, so that existing dashboards and alerts go on working.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::task::Id;
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    name: &'static str,
}

/// The `workqueue_*` metrics of all queues of a process; clones share the counts.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    depth: Family<Name, Gauge>,
    adds: Family<Name, Counter>,
    retries: Family<Name, Counter>,
    panics: Family<Name, Counter>,
    queue_duration: Family<Name, Histogram>,
    work_duration: Family<Name, Histogram>,
    in_flight: InFlight,
}

impl Default for QueueMetrics {
    fn default() -> Self {
        Self {
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            panics: Family::default(),
            queue_duration: Family::new_with_constructor(durations),
            work_duration: Family::new_with_constructor(durations),
            in_flight: InFlight::default(),
        }
    }
}

/// client-go's buckets: decades from 10 ns to 10 s.
fn durations() -> Histogram {
    Histogram::new((-8..=1).map(|exponent| 10_f64.powi(exponent)))
}

impl QueueMetrics {
    /// Adds them to what the process exposes.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("workqueue_depth", "Current depth of workqueue", self.depth.clone());
        registry.register("workqueue_adds", "Number of adds handled by workqueue", self.adds.clone());
        registry.register(
            "workqueue_retries",
            "Number of retries handled by workqueue",
            self.retries.clone(),
        );
        registry.register("workqueue_panics", "Number of runs that panicked", self.panics.clone());
        registry.register(
            "workqueue_queue_duration_seconds",
            "How long an item stays in workqueue before being requested",
            self.queue_duration.clone(),
        );
        registry.register(
            "workqueue_work_duration_seconds",
            "How long processing an item from workqueue takes",
            self.work_duration.clone(),
        );
        registry.register_collector(Box::new(self.in_flight.clone()));
    }

    /// Makes the queue's series appear with zeros, before anything has happened.
    pub(super) fn announce(&self, name: &'static str) {
        let label = Name { name };
        self.depth.get_or_create(&label).set(0);
        self.adds.get_or_create(&label).inc_by(0);
        self.retries.get_or_create(&label).inc_by(0);
        self.panics.get_or_create(&label).inc_by(0);
        self.in_flight.lock().entry(name).or_default();
    }

    pub(super) fn depth(&self, name: &'static str, depth: usize) {
        self.depth.get_or_create(&Name { name }).set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    pub(super) fn added(&self, name: &'static str, keys: usize) {
        self.adds.get_or_create(&Name { name }).inc_by(keys as u64);
    }

    pub(super) fn retried(&self, name: &'static str) {
        self.retries.get_or_create(&Name { name }).inc();
    }

    pub(super) fn panicked(&self, name: &'static str) {
        self.panics.get_or_create(&Name { name }).inc();
    }

    pub(super) fn waited(&self, name: &'static str, time: Duration) {
        self.queue_duration.get_or_create(&Name { name }).observe(time.as_secs_f64());
    }

    pub(super) fn started(&self, name: &'static str, run: Id) {
        self.in_flight.lock().entry(name).or_default().insert(run, Instant::now());
    }

    pub(super) fn finished(&self, name: &'static str, run: Id) {
        let started = self.in_flight.lock().get_mut(name).and_then(|runs| runs.remove(&run));
        if let Some(started) = started {
            self.work_duration.get_or_create(&Name { name }).observe(started.elapsed().as_secs_f64());
        }
    }

    #[cfg(test)]
    pub(super) fn counts(&self, name: &'static str) -> Counts {
        let label = Name { name };
        Counts {
            adds: self.adds.get_or_create(&label).get(),
            retries: self.retries.get_or_create(&label).get(),
            panics: self.panics.get_or_create(&label).get(),
        }
    }
}

#[cfg(test)]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) adds: u64,
    pub(super) retries: u64,
    pub(super) panics: u64,
}

/// When the runs in progress began, by queue: read out when somebody scrapes, so that a stuck run is seen growing.
#[derive(Clone, Debug, Default)]
struct InFlight(Arc<Mutex<BTreeMap<&'static str, BTreeMap<Id, Instant>>>>);

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, BTreeMap<Id, Instant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn encode_gauge(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        fold: fn(&BTreeMap<Id, Instant>) -> f64,
    ) -> Result<(), fmt::Error> {
        let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (&queue, runs) in self.lock().iter() {
            let label = Name { name: queue };
            ConstGauge::new(fold(runs)).encode(encoder.encode_family(&label)?)?;
        }
        Ok(())
    }
}

impl Collector for InFlight {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.encode_gauge(
            &mut encoder,
            (
                "workqueue_unfinished_work_seconds",
                "Seconds of work in progress that work_duration has not seen yet",
            ),
            |runs| runs.values().map(|start| start.elapsed().as_secs_f64()).fold(0.0, |sum, more| sum + more),
        )?;
        self.encode_gauge(
            &mut encoder,
            (
                "workqueue_longest_running_processor_seconds",
                "Seconds that the longest run in progress has taken so far",
            ),
            |runs| runs.values().map(|start| start.elapsed().as_secs_f64()).fold(0.0, f64::max),
        )
    }
}
