//! A watch of one kind of object: a store with the latest state, and for each listener a stream of what changed.
//!
//! Listeners never hold the watch up and memory stays bounded: a listener that is behind finds the changes of one object
//! merged into one, so that it holds at most one entry per object that exists or has vanished since. Losing the
//! connection, an expired version or a refused list are retried for ever with growing pauses; after a new list, objects
//! that vanished meanwhile are reported as deleted.

mod changes;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::Api;
use kube::runtime::watcher;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::limiter::Priority;
use crate::node::Node;
use crate::object::{Object, Watched};
use crate::service::Service;
use text::printable;

pub use changes::{Change, Changes};
pub use store::Store;

/// Objects asked for at a time in the initial list: bounds what is in memory unparsed.
const PAGE_SIZE: u32 = 100;
/// Pauses after failures grow from the first to the last of these and start over after a quiet time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// When resuming has been refused so often, the objects are listed anew. kube's watcher would go on asking for the version
/// it knows, which may never exist again: after etcd was restored from a backup, for example.
const REFUSALS: u32 = 3;

/// A watch that has not been started.
pub struct Watch<T> {
    cluster: Cluster,
    kind: std::marker::PhantomData<fn() -> T>,
}

impl Cluster {
    /// All Services.
    pub fn services(&self) -> Watch<Service> {
        Watch { cluster: self.clone(), kind: std::marker::PhantomData }
    }

    /// All Nodes.
    pub fn nodes(&self) -> Watch<Node> {
        Watch { cluster: self.clone(), kind: std::marker::PhantomData }
    }
}

impl<T: Object> Watch<T> {
    /// Watches until `stop` is cancelled. More listeners can be added by [`Store::subscribe`].
    pub fn start(self, stop: CancellationToken) -> (Store<T>, Changes<T>) {
        let store = Store::new();
        let changes = store.subscribe();
        let feed = store.clone();
        tokio::spawn(async move { stop.run_until_cancelled(supervise(self.cluster, feed)).await });
        (store, changes)
    }
}

/// Starts over should the watch ever panic: without it everything would stand still unnoticed.
async fn supervise<T: Object>(cluster: Cluster, store: Store<T>) {
    loop {
        // The set aborts the watch when we are dropped.
        let mut watch = JoinSet::new();
        watch.spawn(run(cluster.clone(), store.clone()));
        if let Some(Err(error)) = watch.join_next().await {
            tracing::error!(kind = T::KIND, error = %printable(&error.to_string(), 512), "watch failed, starting over");
        }
        tokio::time::sleep(FIRST_PAUSE).await;
    }
}

async fn run<T: Object>(cluster: Cluster, store: Store<T>) {
    let watch = || {
        let api: Api<Watched<T>> = Api::all_with(cluster.client.clone(), &());
        watcher::watcher(api, watcher::Config::default().page_size(PAGE_SIZE))
    };
    let mut events = std::pin::pin!(watch());
    let mut trouble = Trouble::default();
    cluster.limit(Priority::Object).await;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                trouble.refusals = 0;
                store.apply(simplify(event));
            }
            Err(error) => {
                let pause = trouble.count(&error);
                tracing::warn!(kind = T::KIND, error = %printable(&error.to_string(), 512), retry_in = ?pause, "watch interrupted");
                tokio::time::sleep(pause).await;
                if trouble.refusals >= REFUSALS {
                    trouble.refusals = 0;
                    events.set(watch());
                }
                cluster.limit(Priority::Object).await;
            }
        }
    }
}

/// What has gone wrong lately.
#[derive(Default)]
struct Trouble {
    last: Option<(Instant, Duration)>,
    /// How often in a row the server has refused to resume the watch.
    refusals: u32,
}

impl Trouble {
    /// How long to wait now.
    fn count(&mut self, error: &watcher::Error) -> Duration {
        if let watcher::Error::WatchStartFailed(kube::Error::Api(status)) = error {
            self.refusals = if status.code == 410 { REFUSALS } else { self.refusals + 1 };
        }
        let pause = match self.last {
            Some((at, pause)) if at.elapsed() < 2 * LONGEST_PAUSE => (2 * pause).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.last = Some((Instant::now(), pause));
        pause.mul_f64(0.5 + fastrand::f64())
    }
}

/// What the API server reported, with the model in place of kube's wrapper.
enum Event<T> {
    ListBegins,
    Listed(Arc<T>),
    ListEnds,
    Applied(Arc<T>),
    Deleted(Arc<T>),
}

fn simplify<T: Object>(event: watcher::Event<Watched<T>>) -> Event<T> {
    match event {
        watcher::Event::Init => Event::ListBegins,
        watcher::Event::InitApply(object) => Event::Listed(object.object),
        watcher::Event::InitDone => Event::ListEnds,
        watcher::Event::Apply(object) => Event::Applied(object.object),
        watcher::Event::Delete(object) => Event::Deleted(object.object),
    }
}
