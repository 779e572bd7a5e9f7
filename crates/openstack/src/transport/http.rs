//! The transport of production: reqwest over rustls.

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use bytes::{Bytes, BytesMut};
use secrecy::ExposeSecret as _;
use tower::util::BoxCloneSyncService;
use url::Url;

use super::{TlsOptions, Transport, TransportError, trust};

/// Largest answer that is read, in bytes after decompression. A list of ten thousand servers has about 30 MB.
const LARGEST_BODY: usize = 64 << 20;

/// What is set aside for an answer before it comes, at most.
const FIRST_BUFFER: usize = 64 << 10;

/// Most redirects that one request follows.
const MOST_REDIRECTS: usize = 5;

/// How long an idle connection is kept. Proxies before OpenStack commonly close theirs after 10 s; a POST on a
/// connection that is being closed is a POST that may have happened.
const IDLE_CONNECTION: Duration = Duration::from_secs(8);

/// Builds the HTTP transport. Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY`); without a CA file the
/// system's roots count, `SSL_CERT_FILE` and `SSL_CERT_DIR` included.
pub fn reqwest(options: &TlsOptions) -> Result<Transport, TransportError> {
    let tls = |error: ::reqwest::Error| TransportError::Tls(error.without_url().into());
    // reqwest takes the process's provider. Programs install it first of all; tools that did not get the same one.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = ::reqwest::Client::builder()
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(IDLE_CONNECTION)
        .redirect(::reqwest::redirect::Policy::none())
        .tls_backend_rustls();
    match &options.ca_pem {
        Some(pem) if !options.insecure => {
            let config = trust::client_config(pem, options.client_certificate.as_ref())?;
            builder = builder.tls_backend_preconfigured(config);
        }
        _ => {
            if let Some(client) = &options.client_certificate {
                let mut pem = client.certificate_pem.clone();
                pem.push(b'\n');
                pem.extend_from_slice(client.key_pem.expose_secret().as_bytes());
                builder = builder.identity(::reqwest::Identity::from_pem(&pem).map_err(tls)?);
            }
            builder = builder.tls_danger_accept_invalid_certs(options.insecure);
        }
    }
    let client = Arc::new(builder.build().map_err(tls)?);
    Ok(BoxCloneSyncService::new(tower::service_fn(move |request| {
        let client = Arc::clone(&client);
        async move { exchange(&client, request).await }
    })))
}

async fn exchange(
    client: &::reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, TransportError> {
    let (parts, body) = request.into_parts();
    let mut url =
        Url::parse(&parts.uri.to_string()).map_err(|error| TransportError::Connect(error.into()))?;
    for _ in 0..MOST_REDIRECTS {
        let response = client
            .request(parts.method.clone(), url.clone())
            .headers(parts.headers.clone())
            .body(body.clone())
            .send()
            .await
            .map_err(failed)?;
        match redirect(&parts.method, &url, response.status(), response.headers()) {
            Some(target) => url = target,
            None => return read(response).await,
        }
    }
    Err(TransportError::Connect("too many redirects".into()))
}

/// Where to send the request instead, if the answer redirects within the same origin.
///
/// The token goes along, so another origin is never followed; the answer is then given back as it is. Only 307 and
/// 308 keep the method, so only they are followed for anything but GET.
fn redirect(method: &Method, from: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Url> {
    let keeps_method = matches!(status.as_u16(), 307 | 308);
    let for_reads = matches!(status.as_u16(), 301..=303) && (method == Method::GET || method == Method::HEAD);
    if !keeps_method && !for_reads {
        return None;
    }
    let target = from.join(headers.get(header::LOCATION)?.to_str().ok()?).ok()?;
    (target.origin() == from.origin()).then_some(target)
}

fn failed(error: ::reqwest::Error) -> TransportError {
    let connecting = error.is_connect() || error.is_builder();
    let cause = error.without_url().into();
    if connecting { TransportError::Connect(cause) } else { TransportError::Interrupted(cause) }
}

/// Reads an answer to its end, within bounds.
async fn read(mut response: ::reqwest::Response) -> Result<Response<Bytes>, TransportError> {
    let too_large = || TransportError::TooLarge { limit: LARGEST_BODY };
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if announced > LARGEST_BODY {
        return Err(too_large());
    }
    // What is announced is not believed before it comes.
    let mut body = BytesMut::with_capacity(announced.min(FIRST_BUFFER));
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = Response::new(body.freeze());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn redirects_stay_within_the_origin() {
        let from = Url::parse("https://nova:8774/v2.1/servers").unwrap();
        let to = |method: Method, status: u16, location: &'static str| {
            let headers =
                HeaderMap::from_iter([(header::LOCATION, ::http::HeaderValue::from_static(location))]);
            redirect(&method, &from, StatusCode::from_u16(status).unwrap(), &headers).map(String::from)
        };
        let here = Some("https://nova:8774/x".to_owned());
        assert_eq!(to(Method::GET, 302, "/x"), here);
        assert_eq!(to(Method::POST, 307, "https://nova:8774/x"), here);
        assert_eq!(to(Method::POST, 302, "/x"), None);
        assert_eq!(to(Method::GET, 300, "/x"), None);
        for other in ["https://evil:8774/x", "http://nova:8774/x", "https://nova:9999/x", "//evil/x"] {
            assert_eq!(to(Method::GET, 308, other), None, "{other}");
        }
    }

    /// Answers each connection with the next of `answers`, and gives back what was asked.
    async fn serve(answers: Vec<Vec<u8>>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                asked.push(String::from_utf8_lossy(&request[..length]).into_owned());
                let _ = stream.write_all(&answer).await;
            }
            asked
        });
        (base, served)
    }

    async fn get(url: String) -> Result<Response<Bytes>, TransportError> {
        let request = Request::get(url).header("x-auth-token", "s3cret").body(Bytes::new()).unwrap();
        reqwest(&TlsOptions::default()).unwrap().oneshot(request).await
    }

    fn answer(head: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    }

    #[tokio::test]
    async fn status_headers_and_body_arrive() {
        let (base, served) =
            serve(vec![answer("404 Not Found\r\nx-openstack-request-id: req-1", "{}")]).await;
        let response = get(format!("{base}/v2.1/servers/x?a=b%20c")).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (404, &b"{}"[..]));
        assert_eq!(response.headers()["x-openstack-request-id"], "req-1");
        let asked = served.await.unwrap().remove(0);
        assert!(asked.starts_with("GET /v2.1/servers/x?a=b%20c HTTP/1.1"), "{asked}");
        assert!(asked.contains("x-auth-token: s3cret"), "{asked}");
    }

    #[tokio::test]
    async fn the_token_never_follows_a_redirect_to_another_origin() {
        let (other, stolen) = serve(vec![answer("200 OK", "loot")]).await;
        let moved = answer(&format!("302 Found\r\nlocation: {other}/x"), "");
        let here = answer("302 Found\r\nlocation: /again", "");
        let (base, served) = serve(vec![here, moved]).await;
        let response = get(format!("{base}/x")).await.unwrap();
        assert_eq!(response.status(), StatusCode::FOUND);
        assert!(served.await.unwrap()[1].starts_with("GET /again "));
        stolen.abort();
        assert!(stolen.await.unwrap_err().is_cancelled(), "the other origin was asked");
    }

    #[tokio::test]
    async fn faults_tell_whether_the_request_left() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let refused = get(format!("http://{closed}/")).await.unwrap_err();
        assert!(matches!(refused, TransportError::Connect(_)), "{refused:?}");
        assert!(!format!("{refused:?}").contains("s3cret"));

        let (base, _served) = serve(vec![Vec::new()]).await;
        let dropped = get(base).await.unwrap_err();
        assert!(matches!(dropped, TransportError::Interrupted(_)), "{dropped:?}");

        let (base, _served) =
            serve(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec()]).await;
        let truncated = get(base).await.unwrap_err();
        assert!(matches!(truncated, TransportError::Interrupted(_)), "{truncated:?}");

        let huge = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", LARGEST_BODY + 1);
        let (base, _served) = serve(vec![huge.into_bytes()]).await;
        let large = get(base).await.unwrap_err();
        assert!(matches!(large, TransportError::TooLarge { .. }), "{large:?}");
    }

    #[tokio::test]
    async fn an_endless_body_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            let junk = vec![b'x'; 1 << 20];
            while stream.write_all(&junk).await.is_ok() {}
        });
        let large = tokio::time::timeout(Duration::from_secs(60), get(base)).await.unwrap().unwrap_err();
        assert!(matches!(large, TransportError::TooLarge { limit: LARGEST_BODY }), "{large:?}");
        server.await.unwrap();
    }
}
