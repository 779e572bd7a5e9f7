//! Lets the API server decide who may read `/metrics` and `/configz`.

use std::path::PathBuf;

use host::serve::{Authorizer, Caller, Decision, DecisionFuture};
use kubernetes::{Cluster, ConnectOptions, Error, Lifetimes, Requester, Reviewer, UserInfo, Verdict};
use text::Chain;
use tracing::warn;

use crate::flags::Flags;

/// Asks the API server with this program's account, or with others made for that.
pub struct Reviewed(Reviewer);

impl Reviewed {
    /// Uses the kubeconfigs that the flags name for it, else `own`.
    ///
    /// # Errors
    /// A kubeconfig is unusable.
    pub async fn connect(flags: &Flags, own: &Cluster) -> Result<Self, Error> {
        let (authentication, authorization) = (&flags.authentication, &flags.authorization);
        let lifetimes = Lifetimes {
            token: authentication.authentication_token_webhook_cache_ttl,
            allowed: authorization.authorization_webhook_cache_authorized_ttl,
            refused: authorization.authorization_webhook_cache_unauthorized_ttl,
        };
        let who = account(&authentication.authentication_kubeconfig, flags, own).await?;
        let what = account(&authorization.authorization_kubeconfig, flags, own).await?;
        Ok(Self(Reviewer::new(who, what, lifetimes)))
    }
}

async fn account(kubeconfig: &str, flags: &Flags, own: &Cluster) -> Result<Cluster, Error> {
    if kubeconfig.is_empty() {
        return Ok(own.clone());
    }
    let kubeconfig = Some(PathBuf::from(kubeconfig));
    Cluster::connect(ConnectOptions { kubeconfig, master: None, ..flags.connect_options() }).await
}

impl Authorizer for Reviewed {
    fn authorize<'a>(&'a self, caller: &'a Caller, verb: &'a str, path: &'a str) -> DecisionFuture<'a> {
        Box::pin(async move {
            match self.0.review(&requester(caller), verb, path).await {
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

fn requester(caller: &Caller) -> Requester {
    match caller.clone() {
        Caller::Anonymous => Requester::Anonymous,
        Caller::Bearer(token) => Requester::Bearer(token),
        Caller::User(user) => Requester::User(UserInfo {
            name: user.name,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
        }),
    }
}
