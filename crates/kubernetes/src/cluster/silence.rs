//! Nobody is waited for without end: an API server, or a proxy before it, may keep a connection alive and say nothing.
//!
//! Calls have time limits of their own, which are shorter. This is for lists and watches, which would stay blind for ever.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tower::BoxError;

/// Longest time until an answer begins.
const HEAD: Duration = Duration::from_secs(60);
/// Longest silence within an answer. The server ends a watch after the 290 s that kube asks for, and says before once a minute
/// that it is alive.
const BODY: Duration = Duration::from_secs(330);

/// Waits for the answer, and makes a body of it that fails when nothing more comes.
pub(super) async fn limited<B>(
    answer: impl Future<Output = Result<Response<B>, BoxError>>,
) -> Result<Response<Limited<B>>, BoxError> {
    let answer = timeout(HEAD, answer).await.map_err(|_| format!("no answer within {HEAD:?}"))??;
    Ok(answer.map(|body| Limited { body: Box::pin(body), silence: Box::pin(sleep(BODY)) }))
}

/// A body whose sender may not be silent for too long.
pub(super) struct Limited<B> {
    body: Pin<Box<B>>,
    silence: Pin<Box<Sleep>>,
}

impl<B> Body for Limited<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) {
            this.silence.as_mut().reset(Instant::now() + BODY);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let silent = || Some(Err(format!("nothing more within {BODY:?}").into()));
        this.silence.as_mut().poll(cx).map(|()| silent())
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use futures::stream;

    use super::super::{Chunks, Cluster};
    use crate::node::Node;

    use super::*;

    /// The first list is answered with `first` and nothing more, all later ones as they should be.
    async fn synced_after(first: Option<Chunks>) -> Duration {
        let first = std::sync::Arc::new(std::sync::Mutex::new(Some(first)));
        let cluster = Cluster::from_service(tower::service_fn(move |request: http::Request<Bytes>| {
            let first = first.lock().unwrap().take();
            async move {
                let body = match first {
                    Some(None) => std::future::pending().await,
                    Some(Some(body)) => body,
                    None if request.uri().query().is_some_and(|query| query.contains("watch=")) => {
                        stream::pending().boxed()
                    }
                    None => {
                        let list = r#"{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#;
                        stream::iter([Ok(Bytes::from_static(list.as_bytes()))]).boxed()
                    }
                };
                Ok::<_, BoxError>(Response::new(body))
            }
        }));
        let began = Instant::now();
        let (nodes, _changes) = cluster.nodes().start(tokio_util::sync::CancellationToken::new());
        let _: &crate::watch::Store<Node> = &nodes;
        nodes.ready().await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_never_answered_is_asked_for_again() {
        let took = synced_after(None).await;
        assert!(took >= HEAD && took < HEAD + Duration::from_secs(2), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stops_in_the_middle_is_given_up() {
        let half = stream::iter([Ok(Bytes::from_static(b"{\"kind\":"))]).chain(stream::pending()).boxed();
        let took = synced_after(Some(half)).await;
        assert!(took >= BODY && took < BODY + Duration::from_secs(2), "{took:?}");
    }
}
