//! `--dry-run`: what would be written is told and not written, by construction and not by good will.

use futures::StreamExt as _;
use futures::stream;
use kubernetes::{Chunks, Cluster};
use serde_json::Value;
use tokio::sync::watch;
use tracing::info;

/// A fence that no write to Kubernetes passes, whatever the controllers try. The gate to the cloud stays closed as well.
pub(super) fn closed_fence() -> kubernetes::Fence {
    watch::channel(None).1
}

/// A cluster for events alone: they are logged.
pub(super) fn logged_events() -> Cluster {
    Cluster::from_service(tower::service_fn(|request: http::Request<bytes::Bytes>| async move {
        let event: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let text =
            |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        info!(
            kind = text("/involvedObject/kind"),
            namespace = text("/involvedObject/namespace"),
            name = text("/involvedObject/name"),
            reason = text("/reason"),
            message = text("/message"),
            "event, not written"
        );
        let body = request.into_body();
        let chunks: Chunks = stream::once(async { Ok(body) }).boxed();
        Ok::<_, tower::BoxError>(http::Response::new(chunks))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ApiServer;

    #[tokio::test(start_paused = true)]
    async fn who_forgets_that_it_is_a_dry_run_is_stopped_at_the_fence() {
        let server = ApiServer::default();
        let cluster = server.cluster().with_fence(closed_fence());
        let refused = cluster.set_node_addresses("n1", &[]).await;
        assert!(matches!(refused, Err(kubernetes::Error::Fenced { .. })), "{refused:?}");
        assert_eq!(server.writes(), Vec::<String>::new());
    }
}
