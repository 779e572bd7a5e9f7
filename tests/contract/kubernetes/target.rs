//! Where the script's requests go.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request};
use serde_json::Value;
#[cfg(feature = "lab")]
use serde_json::json;
use simulator::kubernetes::{AccessRule, Chunks, User};
use simulator::{ApiServer, Link};

/// An API server.
pub(crate) enum Target {
    Simulated(ApiServer, Link),
    #[cfg(feature = "lab")]
    Real(real::Server),
}

/// An answer, its body still coming.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Chunks,
}

impl Target {
    pub(crate) fn simulated(server: ApiServer, link: Link) -> Self {
        Self::Simulated(server, link)
    }

    #[cfg(feature = "lab")]
    pub(crate) fn real() -> Self {
        Self::Real(real::Server::connect())
    }

    /// Sends a request, as the administrator if there is no token.
    pub(crate) async fn send(
        &self,
        method: &Method,
        uri: &str,
        kind: &str,
        body: &[u8],
        token: Option<&str>,
    ) -> Response {
        match self {
            Self::Simulated(server, link) => {
                let mut request = Request::builder().method(method).uri(uri);
                if !body.is_empty() {
                    request = request.header("content-type", kind);
                }
                if let Some(token) = token {
                    request = request.header("authorization", format!("Bearer {token}"));
                }
                let request = request.body(Bytes::copy_from_slice(body)).unwrap();
                let answer = server.send(link, request).await.unwrap();
                let header = |name: &str| {
                    answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
                };
                Response {
                    status: answer.status().as_u16(),
                    kind: header("content-type").unwrap_or_default(),
                    retry_after: header("retry-after"),
                    body: answer.into_body().boxed(),
                }
            }
            #[cfg(feature = "lab")]
            Self::Real(server) => server.send(method, uri, kind, body, token).await,
        }
    }

    /// Lets the service account `kube-system/<account>`, which is there, do what the rules of a role say.
    pub(crate) async fn grant(&self, account: &str, rules: &Value, namespace: Option<&str>) {
        let user = User::service_account("kube-system", account).name;
        match self {
            Self::Simulated(server, _) => {
                let rules = rules.as_array().unwrap();
                server.grant(&user, rules.iter().map(|rule| AccessRule::from_json(rule, namespace)));
            }
            #[cfg(feature = "lab")]
            Self::Real(_) => {
                let (place, prefix) = match namespace {
                    Some(namespace) => (format!("/namespaces/{namespace}"), ""),
                    None => (String::new(), "cluster"),
                };
                let kind = if prefix.is_empty() { "Role" } else { "ClusterRole" };
                let name = format!("contract-{account}-{kind}").to_lowercase();
                let root = format!("/apis/rbac.authorization.k8s.io/v1{place}/{prefix}role");
                let role = json!({"metadata": {"name": name}, "rules": rules});
                let binding = json!({
                    "metadata": {"name": name},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
                    "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": account}]
                });
                for (path, body) in [("s", &role), ("bindings", &binding)] {
                    let bytes = body.to_string().into_bytes();
                    self.send(&Method::DELETE, &format!("{root}{path}/{name}"), "", &[], None).await;
                    let path = format!("{root}{path}");
                    let made = self.send(&Method::POST, &path, "application/json", &bytes, None).await;
                    assert_eq!(made.status, 201, "{path}");
                }
            }
        }
        // The authorizer follows the roles by a watch of its own.
        self.settle().await;
    }

    /// Time for what the server does by itself.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[cfg(feature = "lab")]
mod real {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// The laboratory's API server.
    pub(crate) struct Server {
        client: reqwest::Client,
        url: String,
        administrator: String,
    }

    fn lab(words: &[&str]) -> String {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/lab");
        let output = Command::new(program).args(words).output().unwrap();
        assert!(output.status.success(), "lab {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    impl Server {
        pub(crate) fn connect() -> Self {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let info: Value = serde_json::from_str(&lab(&["info", "--json"])).unwrap();
            let cluster = &info["kubernetes"]["clusters"]["a"];
            let file = lab(&["kubeconfig", "contract", "kube-system"]);
            let config: Value = serde_json::from_str(&std::fs::read_to_string(file.trim()).unwrap()).unwrap();
            let binding = lab(&["kubectl", "get", "clusterrolebindings", "-o", "name"]);
            if !binding.contains("/contract\n") {
                let account = "--serviceaccount=kube-system:contract";
                lab(&[
                    "kubectl",
                    "create",
                    "clusterrolebinding",
                    "contract",
                    "--clusterrole=cluster-admin",
                    account,
                ]);
            }
            let client = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true);
            Self {
                client: client.build().unwrap(),
                url: cluster["apiserver"].as_str().unwrap().to_owned(),
                administrator: config["users"][0]["user"]["token"].as_str().unwrap().to_owned(),
            }
        }

        pub(crate) async fn send(
            &self,
            method: &Method,
            uri: &str,
            kind: &str,
            body: &[u8],
            token: Option<&str>,
        ) -> Response {
            let mut request = self
                .client
                .request(method.clone(), format!("{}{uri}", self.url))
                .bearer_auth(token.unwrap_or(&self.administrator));
            if !body.is_empty() {
                request = request.header("content-type", kind).body(body.to_vec());
            }
            let answer = request.send().await.unwrap();
            let header = |name: &str| {
                answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
            };
            Response {
                status: answer.status().as_u16(),
                kind: header("content-type").unwrap_or_default(),
                retry_after: header("retry-after"),
                body: answer.bytes_stream().map(|chunk| chunk.map_err(tower::BoxError::from)).boxed(),
            }
        }
    }
}
