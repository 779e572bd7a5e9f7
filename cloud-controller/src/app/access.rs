//! Lets the API server decide who may read `/metrics` and `/configz`.

use std::path::PathBuf;

use host::serve::{Authorizer, Decision, DecisionFuture};
use kubernetes::{Cluster, ConnectOptions, Error, Reviewer, Verdict};
use text::Chain;
use tracing::warn;

use crate::flags::Flags;

/// Asks the API server with this program's account, or with another one made for that.
pub struct Reviewed(Reviewer);

impl Reviewed {
    /// Uses the kubeconfig that the flags name for it, else `own`.
    ///
    /// # Errors
    /// The kubeconfig is unusable.
    pub async fn connect(flags: &Flags, own: &Cluster) -> Result<Self, Error> {
        let access = &flags.access;
        let named = [&access.authentication_kubeconfig, &access.authorization_kubeconfig];
        let cluster = match named.into_iter().find(|path| !path.is_empty()) {
            Some(path) => {
                let kubeconfig = Some(PathBuf::from(path));
                Cluster::connect(ConnectOptions { kubeconfig, master: None, ..flags.connect_options() })
                    .await?
            }
            None => own.clone(),
        };
        Ok(Self(Reviewer::new(cluster)))
    }
}

impl Authorizer for Reviewed {
    fn authorize<'a>(&'a self, token: Option<&'a str>, verb: &'a str, path: &'a str) -> DecisionFuture<'a> {
        Box::pin(async move {
            match self.0.review(token, verb, path).await {
                Ok(Verdict::Allowed) => Decision::Allow,
                Ok(Verdict::Unauthenticated) => Decision::Unauthenticated,
                Ok(Verdict::Forbidden { user }) => Decision::Forbidden { user },
                Err(error) => {
                    warn!(path, error = %Chain(&error), "access not reviewed");
                    Decision::Unavailable
                }
            }
        })
    }
}
