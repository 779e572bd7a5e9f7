//! Over real connections: certificates of clients, versions and suites, hostile headers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::tls::{self, Certificate, ClientFiles, MinVersion, ServerOptions};

/// Files that go away with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("host-tls-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Authority(Issuer<'static, KeyPair>, String);

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self(Issuer::new(parameters, key), pem)
    }

    fn client(&self, name: &str, group: &str) -> Identity {
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.distinguished_name.push(DnType::OrganizationName, group);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
}

/// Refuses everybody, and says who it was.
struct Refuser;

impl Authorizer for Refuser {
    fn authorize<'a>(&'a self, caller: &'a Caller, _: &'a str, _: &'a str) -> DecisionFuture<'a> {
        let user = match caller {
            Caller::User(user) => format!("{}:{}", user.name, user.groups.join("+")),
            Caller::Bearer(token) => format!("bearer {token}"),
            Caller::Anonymous => "anybody".to_owned(),
        };
        Box::pin(async { Decision::Forbidden { user } })
    }
}

struct Served {
    address: SocketAddr,
    root: CertificateDer<'static>,
    _stop: tokio_util::sync::DropGuard,
    _files: Directory,
}

fn serve(files: Directory, options: ServerOptions) -> Served {
    tls::init();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let pair = Certificate::Files {
        certificate: files.write("serving.crt", &certificate.pem()),
        key: files.write("serving.key", &key.serialize_pem()),
    };
    let server = tls::server(&ServerOptions { certificate: pair, ..options }).unwrap();
    let one = |name: &str| vec![name.to_owned()];
    let endpoint = Endpoint {
        registry: Arc::new(metrics::registry()),
        health: Health::default(),
        config: json!({}),
        debug: false,
        proxy_headers: ProxyHeaders {
            name: one("x-remote-user"),
            group: one("x-remote-group"),
            ..ProxyHeaders::default()
        },
        always_allow: vec!["/healthz".to_owned()],
        authorizer: Arc::new(Refuser),
    };
    let listener = listen(([127, 0, 0, 1], 0).into(), false).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve_tls(listener, server, endpoint.router(), stop.clone()));
    Served { address, root: certificate.der().clone(), _stop: stop.drop_guard(), _files: files }
}

impl Served {
    /// The answer to `request`, or why the handshake or the connection failed.
    async fn ask(
        &self,
        identity: Option<&Identity>,
        versions: &[&'static rustls::SupportedProtocolVersion],
        request: &str,
    ) -> Result<String, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let builder = ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots);
        let config = match identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap(),
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let text = |error: std::io::Error| error.to_string();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(text)?;
        stream.write_all(request.as_bytes()).await.map_err(text)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map_err(text)?;
        Ok(answer)
    }

    async fn get(&self, identity: Option<&Identity>, headers: &str) -> Result<String, String> {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        self.ask(identity, rustls::ALL_VERSIONS, &request).await
    }

    /// Who the server thinks it was.
    async fn known_as(&self, identity: Option<&Identity>, headers: &str) -> String {
        let answer = self.get(identity, headers).await.unwrap();
        answer
            .split("User \\\"")
            .nth(1)
            .and_then(|rest| rest.split("\\\"").next())
            .unwrap_or(&answer)
            .to_owned()
    }
}

#[tokio::test]
async fn clients_are_known_by_their_certificates() {
    let files = Directory::new("clients");
    let (users, proxies, strangers) =
        (Authority::new("users"), Authority::new("proxies"), Authority::new("strangers"));
    let clients = ClientFiles {
        users: Some(files.write("users.crt", &users.1)),
        proxies: Some(files.write("proxies.crt", &proxies.1)),
        proxy_names: vec!["front-proxy".to_owned()],
    };
    let served = serve(files, ServerOptions { clients, ..ServerOptions::default() });
    let scraper = users.client("scraper", "monitoring");
    let forged = "x-remote-user: admin\r\nx-remote-group: system:masters\r\n";
    assert_eq!(served.known_as(Some(&scraper), "").await, "scraper:monitoring+system:authenticated");
    assert_eq!(served.known_as(Some(&scraper), forged).await, "scraper:monitoring+system:authenticated");
    assert_eq!(served.known_as(None, forged).await, "anybody");
    assert_eq!(served.known_as(None, "Authorization: Bearer abc\r\n").await, "bearer abc");
    let proxy = proxies.client("front-proxy", "");
    assert_eq!(served.known_as(Some(&proxy), forged).await, "admin:system:masters+system:authenticated");
    assert_eq!(served.known_as(Some(&proxy), "").await, "anybody", "it is no user itself");
    let other = proxies.client("another-proxy", "");
    assert_eq!(served.known_as(Some(&other), forged).await, "anybody", "its name is not allowed");
    assert!(served.get(Some(&strangers.client("scraper", "monitoring")), "").await.is_err());
}

#[tokio::test]
async fn authorities_are_replaced_while_serving() {
    let files = Directory::new("authorities");
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let path = files.write("users.crt", &old.1);
    let clients = ClientFiles { users: Some(path.clone()), ..ClientFiles::default() };
    let clients = tls::Clients::new(&clients).unwrap().unwrap();
    let (before, after) = (old.client("u", "g").0, new.client("u", "g").0);
    let is_user = |chain: &[CertificateDer<'_>]| clients.peer(Some(chain)).user.is_some();
    assert!(is_user(&before) && !is_user(&after));
    std::fs::write(&path, &new.1).unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(2);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(6)).await;
    assert!(!is_user(&before) && is_user(&after));
    assert!(tls::Clients::new(&ClientFiles::default()).unwrap().is_none());
    let empty = ClientFiles { users: Some(files.write("empty.crt", "")), ..ClientFiles::default() };
    assert!(tls::Clients::new(&empty).is_err());
}

#[tokio::test]
async fn versions_and_suites_are_bounded_from_below() {
    use rustls::version::{TLS12, TLS13};
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let usual = serve(Directory::new("usual"), ServerOptions::default());
    let high = ServerOptions { min_version: MinVersion::Tls13, ..ServerOptions::default() };
    let high = serve(Directory::new("high"), high);
    let weak = ServerOptions {
        cipher_suites: vec!["TLS_RSA_WITH_AES_128_CBC_SHA".to_owned()],
        ..ServerOptions::default()
    };
    let weak = serve(Directory::new("weak"), weak);
    for (served, tls12, what) in
        [(&usual, true, "usual"), (&high, false, "high"), (&weak, false, "weak suites only")]
    {
        assert!(served.ask(None, &[&TLS13], request).await.unwrap().ends_with("\r\n\r\nok"), "{what}");
        assert_eq!(served.ask(None, &[&TLS12], request).await.is_ok(), tls12, "{what}");
    }
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let served = serve(Directory::new("header"), ServerOptions::default());
    let long = format!("x-long: {}\r\n", "a".repeat(300_000));
    match served.get(None, &long).await {
        Ok(answer) => assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}"),
        Err(_closed) => {}
    }
    let many = "x: y\r\n".repeat(200);
    match served.get(None, &many).await {
        Ok(answer) => assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}"),
        Err(_closed) => {}
    }
    assert_eq!(served.known_as(None, "").await, "anybody", "others are served as before");
}
