//! When the cloud may be changed, and what is on its way there.
//!
//! Asked to stop, the program begins no change any more and waits for the answers to those that are under way. What then
//! still runs only waits for the cloud, and can be dropped at any point, as a killed process would drop it.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use openstack::{Fence, Transport, WriteWindow};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::queue::InFlight;

/// Long enough for a program that works without a lease.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The gate that all changes of the cloud pass. Clones are the same gate.
#[derive(Clone)]
pub(super) struct Gate {
    window: Arc<watch::Sender<Option<WriteWindow>>>,
    stop: CancellationToken,
}

impl Gate {
    /// A closed gate, which never opens once `stop` is cancelled.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { window: Arc::new(watch::Sender::new(None)), stop }
    }

    /// What the client asks before each change.
    pub(super) fn fence(&self) -> Fence {
        self.window.subscribe()
    }

    /// Opens as far as the lease goes.
    pub(super) fn follow(&self, lease: Option<kubernetes::WriteWindow>) {
        self.set(
            lease.map(|lease| WriteWindow { begin_before: lease.begin_before, end_before: lease.end_before }),
        );
    }

    /// Opens without a lease.
    pub(super) fn open(&self) {
        let end = Instant::now() + FOR_EVER;
        self.set(Some(WriteWindow { begin_before: end, end_before: end }));
    }

    /// Nothing more begins; what is under way may end.
    pub(super) fn close(&self) {
        self.set(None);
    }

    fn set(&self, window: Option<WriteWindow>) {
        self.window.send_replace(window.filter(|_| !self.stop.is_cancelled()));
    }
}

/// Counts the changes that are on their way to the cloud.
#[derive(Clone, Default)]
pub(super) struct Traffic(Arc<watch::Sender<usize>>);

impl Traffic {
    /// How many there are.
    pub(super) fn changes(&self) -> InFlight {
        self.0.subscribe()
    }

    /// The same transport, counted. Logins change nothing.
    pub(super) fn counted(&self, transport: Transport) -> Transport {
        let traffic = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |request: http::Request<bytes::Bytes>| {
            let is_change = ![Method::GET, Method::HEAD].contains(request.method())
                && !request.uri().path().ends_with("/auth/tokens");
            let under_way = is_change.then(|| UnderWay::begin(&traffic));
            let transport = transport.clone();
            async move {
                let answer = transport.oneshot(request).await;
                drop(under_way);
                answer
            }
        }))
    }
}

/// One change without an answer yet.
struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    fn begin(traffic: &Traffic) -> Self {
        traffic.0.send_modify(|count| *count += 1);
        Self(Arc::clone(&traffic.0))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeCloud;

    fn request(method: Method, uri: &str) -> http::Request<bytes::Bytes> {
        http::Request::builder().method(method).uri(uri).body(bytes::Bytes::new()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_counted_until_they_are_answered_or_given_up() {
        let traffic = Traffic::default();
        let transport = traffic.counted(FakeCloud::default().transport());
        let count = traffic.changes();
        let change = tokio::spawn(transport.clone().oneshot(request(Method::POST, "http://octavia/v2.0/x")));
        let given_up =
            tokio::spawn(transport.clone().oneshot(request(Method::DELETE, "http://octavia/v2.0/x")));
        let look = tokio::spawn(transport.clone().oneshot(request(Method::GET, "http://octavia/v2.0/x")));
        let login = tokio::spawn(transport.oneshot(request(Method::POST, "http://keystone/v3/auth/tokens")));
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(*count.borrow(), 2);
        given_up.abort();
        let _ = given_up.await;
        assert_eq!(*count.borrow(), 1);
        change.await.unwrap().unwrap();
        assert_eq!(*count.borrow(), 0);
        look.await.unwrap().unwrap();
        login.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_that_is_to_stop_never_opens_again() {
        let stop = CancellationToken::new();
        let gate = Gate::new(stop.clone());
        let fence = gate.fence();
        assert_eq!(*fence.borrow(), None);
        gate.open();
        assert!(fence.borrow().is_some());
        stop.cancel();
        gate.close();
        gate.open();
        assert_eq!(*fence.borrow(), None);
    }
}
