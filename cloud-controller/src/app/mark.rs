//! Finds out which cluster this is: UIDs that no other cluster has.

use std::time::Duration;

use kubernetes::{Cluster, Error, ObjectKey};
use text::Chain;
use tokio::time::sleep;
use tracing::warn;

use crate::load_balancer::ClusterMark;

/// Pause between tries while the API server cannot be asked.
const PAUSE: Duration = Duration::from_secs(2);

/// The mark of this cluster; tries until the API server has said what it has to say.
///
/// The namespace `kube-system` lives as long as its cluster. Where it may not be read, the Service `default/kubernetes`
/// stands in, which is made anew when somebody deletes it.
pub(super) async fn find(cluster: &Cluster) -> ClusterMark {
    let namespace = patiently(|| async { cluster.namespace_uid("kube-system").await.map(Some) }).await;
    let key = ObjectKey::new("default", "kubernetes");
    let service = patiently(|| cluster.service_uid(&key)).await;
    if namespace.is_none() {
        warn!(
            "the namespace kube-system cannot be read: grant `get` on it, so that this cluster's load balancers can be told from another's"
        );
    }
    ClusterMark::new(namespace.into_iter().chain(service).filter(|uid| !uid.is_empty()).collect())
}

/// The answer, or none where it is refused or there is nothing.
async fn patiently<F>(mut ask: impl FnMut() -> F) -> Option<String>
where
    F: Future<Output = Result<Option<String>, Error>>,
{
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) if error.is_forbidden() || error.is_not_found() => return None,
            Err(error) => warn!(error = %Chain(&error), "cluster not identified yet"),
        }
        sleep(PAUSE).await;
    }
}
