//! A stand-in for the API server in unit tests: a function from request to answer.

use std::future::Future;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Request, Response};
use serde_json::{Value, json};
use tower::BoxError;

use crate::cluster::{Chunks, Cluster};

/// A request as the stand-in sees it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

/// What it answers.
pub(crate) struct Answer(u16, Chunks);

impl Answer {
    pub(crate) fn json(code: u16, body: &Value) -> Self {
        Self::pieces(code, futures::stream::iter([Bytes::from(body.to_string())]))
    }

    pub(crate) fn pieces(code: u16, pieces: impl futures::Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(code, pieces.map(Ok).boxed())
    }

    /// The status line comes, the body does not.
    pub(crate) fn broken() -> Self {
        let error: BoxError = "connection reset".into();
        Self(200, futures::stream::iter([Err(error)]).boxed())
    }

    pub(crate) fn refusal(code: u16, reason: &str) -> Self {
        Self::json(
            code,
            &json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no"}),
        )
    }
}

/// A cluster whose requests are answered by `answer`; an error stands for a broken connection.
pub(crate) fn cluster<F, Fut>(answer: F) -> Cluster
where
    F: Fn(Asked) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<Answer, BoxError>> + Send + 'static,
{
    Cluster::from_service(tower::service_fn(move |request: Request<Bytes>| {
        let asked = Asked {
            method: request.method().to_string(),
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            content_type: request
                .headers()
                .get("content-type")
                .map(|kind| kind.to_str().unwrap().to_owned())
                .unwrap_or_default(),
            body: serde_json::from_slice(request.body()).unwrap_or_default(),
        };
        let answer = answer(asked);
        async move {
            let Answer(code, chunks) = answer.await?;
            Ok::<_, BoxError>(Response::builder().status(code).body(chunks).unwrap())
        }
    }))
}
