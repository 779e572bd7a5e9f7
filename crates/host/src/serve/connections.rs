//! Accepts connections, keeps their number and their patience bounded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::stall::Unstalled;
use crate::tls::{Clients, Peer, Server};

/// Connections open at a time; one more makes the oldest give way.
const MOST: usize = 200;
/// Time for a handshake, for a request's header, for which a connection may be idle, and for which nothing may be read of
/// an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request that may wait to be understood; a header of twice this size is refused in any case.
const HEADER_LIMIT: usize = 64 * 1024;
/// Pause after the system refused a connection, for want of file descriptors for example.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves HTTPS until `stop` is cancelled; open connections are dropped then.
pub async fn serve_tls(listener: TcpListener, tls: Server, router: Router, stop: CancellationToken) {
    let tls = Tls { acceptor: TlsAcceptor::from(tls.config), clients: tls.clients };
    accept(listener, Some(tls), router, stop).await;
}

/// Serves HTTP until `stop` is cancelled; open connections are dropped then.
pub async fn serve_plain(listener: TcpListener, router: Router, stop: CancellationToken) {
    accept(listener, None, router, stop).await;
}

#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
    clients: Option<Arc<Clients>>,
}

async fn accept(listener: TcpListener, tls: Option<Tls>, router: Router, stop: CancellationToken) {
    let mut open = Open::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            // Before the next is let in, so that a flood of connections does not keep the ended ones here.
            Some(ended) = open.tasks.join_next() => {
                if let Ok(number) = ended {
                    open.stops.remove(&number);
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => open.add(stream, tls.clone(), router.clone()),
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

/// The connections, by age.
#[derive(Default)]
struct Open {
    tasks: JoinSet<u64>,
    stops: BTreeMap<u64, CancellationToken>,
    next: u64,
}

impl Open {
    fn add(&mut self, stream: TcpStream, tls: Option<Tls>, router: Router) {
        if self.stops.len() >= MOST
            && let Some((_, oldest)) = self.stops.pop_first()
        {
            oldest.cancel();
        }
        let (number, stop) = (self.next, CancellationToken::new());
        self.next += 1;
        self.stops.insert(number, stop.clone());
        self.tasks.spawn(async move {
            stop.run_until_cancelled(connection(stream, tls, router)).await;
            number
        });
    }
}

async fn connection(stream: TcpStream, tls: Option<Tls>, router: Router) {
    let Some(tls) = tls else { return requests(stream, router).await };
    match tokio::time::timeout(PATIENCE, tls.acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let chain = stream.get_ref().1.peer_certificates();
            let peer = tls.clients.map_or_else(Peer::default, |clients| clients.peer(chain));
            requests(stream, router.layer(Extension(peer))).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, router: Router) {
    let service = TowerToHyperService::new(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEADER_LIMIT)
        .serve_connection(TokioIo::new(Unstalled::new(stream, PATIENCE)), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use rustls::ClientConfig;
    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::serve::listen;
    use crate::tls::{self, Certificate, ServerOptions};

    fn router() -> Router {
        Router::new().route("/", get(|| async { "hello" }))
    }

    fn plain() -> (SocketAddr, CancellationToken) {
        let listener = listen(([127, 0, 0, 1], 0).into(), false).unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        tokio::spawn(serve_plain(listener, router(), stop.clone()));
        (address, stop)
    }

    async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"hello") {
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&piece[..count]);
        }
        String::from_utf8(read).unwrap()
    }

    #[tokio::test]
    async fn https_with_a_certificate_from_files() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let directory = std::env::temp_dir().join(format!("host-serve-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let files = Certificate::Files { certificate: directory.join("c.pem"), key: directory.join("k.pem") };
        std::fs::write(directory.join("c.pem"), certificate.pem()).unwrap();
        std::fs::write(directory.join("k.pem"), key.serialize_pem()).unwrap();
        let options = ServerOptions { certificate: files, ..ServerOptions::default() };
        let config = tls::server(&options).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();

        let listener = listen(([127, 0, 0, 1], 0).into(), false).unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_tls(listener, config, router(), CancellationToken::new()));

        tls::init();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"), "the connection stays open");
    }

    #[tokio::test]
    async fn a_flood_does_not_keep_probes_out() {
        let (address, _stop) = plain();
        let mut flood = Vec::new();
        for _ in 0..MOST + 50 {
            flood.push(TcpStream::connect(address).await.unwrap());
        }
        let mut probe = TcpStream::connect(address).await.unwrap();
        assert!(answer(&mut probe).await.starts_with("HTTP/1.1 200"));
        // The oldest had to go.
        let mut byte = [0];
        let closed = tokio::time::timeout(Duration::from_secs(5), flood[0].read(&mut byte)).await.unwrap();
        assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    }

    #[tokio::test]
    async fn stopping_closes_connections() {
        let (address, stop) = plain();
        let mut stream = TcpStream::connect(address).await.unwrap();
        answer(&mut stream).await;
        stop.cancel();
        let mut byte = [0];
        assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)));
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_cut_off() {
        // In virtual time over a pipe: the time of a real socket does not advance by itself.
        let (mut client, server) = tokio::io::duplex(1024);
        let served = tokio::spawn(requests(server, router()));
        client.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        let start = tokio::time::Instant::now();
        served.await.unwrap();
        assert!(start.elapsed() >= PATIENCE && start.elapsed() < 2 * PATIENCE, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed() {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let served = tokio::spawn(requests(server, router()));
        answer(&mut client).await;
        let start = tokio::time::Instant::now();
        served.await.unwrap();
        assert!(start.elapsed() <= 2 * PATIENCE, "{:?}", start.elapsed());
    }
}
