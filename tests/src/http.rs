//! JSON over HTTP, blocking, for the harness's own requests.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::runtime::Runtime;

/// A client that can be used from several threads at once.
#[derive(Clone)]
pub(crate) struct Http {
    runtime: Arc<Runtime>,
    client: reqwest::Client,
}

/// What a server has answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    /// Keystone hands out its tokens in a header.
    pub(crate) token: Option<String>,
}

impl Http {
    pub(crate) fn new() -> Self {
        // Fails only if there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let client = reqwest::Client::builder()
            .no_proxy()
            // Loopback only; both API server and controller have certificates of their own making.
            .tls_danger_accept_invalid_certs(true)
            .user_agent("lab-e2e")
            .timeout(Duration::from_secs(60))
            .build();
        Self { runtime: Arc::new(runtime.expect("a runtime")), client: client.expect("a client") }
    }

    /// Sends one request. The error says what happened to the connection.
    pub(crate) fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        self.runtime
            .block_on(async {
                let response = request.send().await?;
                let status = response.status().as_u16();
                let token = response.headers().get("x-subject-token").and_then(|token| token.to_str().ok());
                let token = token.map(str::to_owned);
                Ok(Answer { status, token, text: response.text().await? })
            })
            .map_err(|error: reqwest::Error| format!("{url}: {error:?}"))
    }
}

impl Answer {
    /// The body as JSON, if the status is a success.
    pub(crate) fn json(&self) -> Result<Value, String> {
        if !(200..300).contains(&self.status) {
            return Err(format!("status {}: {}", self.status, self.text));
        }
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.text).map_err(|error| format!("{error}: {}", self.text))
    }
}
