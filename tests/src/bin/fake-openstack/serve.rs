//! HTTP around the simulator.

use std::convert::Infallible;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use simulator::Broken;
use tokio::net::TcpListener;

use crate::control;
use crate::setting::Setting;

/// Largest body that is read, in bytes.
const LARGEST: usize = 64 << 20;

/// Serves one of the services, whose own URL is `url`.
pub(crate) async fn service(listener: TcpListener, setting: Setting, url: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let (setting, url) = (setting.clone(), url.clone());
        tokio::spawn(async move {
            let answer = service_fn(|request| forward(setting.clone(), url.clone(), request));
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
            // An error is a client that went, or a fault that breaks the connection.
            let _ = connection.await;
        });
    }
}

/// Serves the control endpoint.
pub(crate) async fn control(listener: TcpListener, setting: Setting) {
    while let Ok((stream, _)) = listener.accept().await {
        let setting = setting.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let setting = setting.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = to_bytes(Body::new(body), LARGEST).await.unwrap_or_default();
                    let path = parts.uri.path().trim_matches('/').to_owned();
                    Ok::<_, Infallible>(control::answer(&setting, parts.method.as_str(), &path, &body))
                }
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// Hands one request to the cloud; without an answer the connection breaks.
async fn forward(
    setting: Setting,
    url: String,
    request: Request<Incoming>,
) -> Result<Response<Body>, Broken> {
    let (mut parts, body) = request.into_parts();
    let body: Bytes = to_bytes(Body::new(body), LARGEST).await.map_err(|_| Broken::Reset)?;
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    parts.uri = format!("{url}{path}").parse::<Uri>().map_err(|_| Broken::Reset)?;
    let agent =
        parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let link = setting.link(agent);
    let answer = setting.cloud.send(&link, Request::from_parts(parts, body)).await?;
    Ok(answer.map(Body::from))
}
