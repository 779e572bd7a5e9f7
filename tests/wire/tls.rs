//! TLS as operators set it up: the table of what the Go programs take, and what we make of it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::Job;
use crate::server::{Directory, fixture};

/// A server of OpenSSL's, ended with the test.
struct OpenSsl(Child, u16);

impl OpenSsl {
    fn new(name: &str, options: &[&str]) -> Self {
        let mut child = Command::new("python3")
            .arg(fixture("../serve.py"))
            .args([fixture(&format!("{name}.pem")), fixture(&format!("{name}.key.pem"))])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("{name}: the server does not start"));
        Self(child, port)
    }

    fn get(&self, host: &str) -> Job {
        Job::get(&format!("https://{host}:{}/", self.1))
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn path(name: &str) -> String {
    fixture(name).display().to_string()
}

/// Key or protocol of the server, whether the Go programs connect, whether ours do. Where the two differ, the page
/// docs/reference/differences.md says what to do.
#[test]
fn kinds_of_keys_and_protocols() {
    let cbc = ["TLSv1_2", "ECDHE-RSA-AES128-SHA"];
    let gcm = ["TLSv1_2", "ECDHE-RSA-AES128-GCM-SHA256"];
    for (name, options, go, ours) in [
        ("p384", &[][..], true, true),
        ("ed25519", &[], true, true),
        ("rsa2048", &[], true, true),
        ("rsa8192", &[], true, true),
        ("rsa2048", &gcm, true, true),
        ("p521", &[], true, false),
        ("rsa1024", &[], false, false),
        ("rsa2048", &cbc, true, false),
    ] {
        let server = OpenSsl::new(name, options);
        let outcome = server.get("localhost").with("ca", path(&format!("{name}.pem"))).run();
        assert_eq!(outcome.answer.is_ok(), ours, "{name} {options:?}: {:?}", outcome.answer);
        if go != ours {
            let page = include_str!("../../docs/reference/differences.md");
            let word = if options.is_empty() { "P-521" } else { "CBC" };
            assert!(page.contains(word), "{word} is not on the page of differences");
        }
    }
}

#[test]
fn names_and_addresses_of_the_certificate_count() {
    let server = OpenSsl::new("p384", &[]);
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(server.get(host).with("ca", path("p384.pem")).run().answer.unwrap(), "204");
    }
    let stranger = server.get("localhost").with("ca", path("rsa2048.pem")).run().answer.unwrap_err();
    assert!(stranger.starts_with("cannot connect"), "{stranger}");
    assert!(server.get("localhost").run().answer.is_err(), "the system does not know it");
    assert_eq!(server.get("localhost").with("insecure", true).run().answer.unwrap(), "204");
}

#[test]
fn the_systems_roots_come_from_the_environment() {
    let server = OpenSsl::new("rsa2048", &[]);
    let directory = Directory::new("roots");
    directory.write("any-name.crt", &std::fs::read_to_string(fixture("rsa2048.pem")).unwrap());
    directory.write("README", "not a certificate");
    let answers = [
        server.get("localhost").env("SSL_CERT_FILE", path("rsa2048.pem")),
        server.get("localhost").env("SSL_CERT_DIR", directory.path()),
        server.get("localhost").env("SSL_CERT_DIR", format!("/nowhere:{}", directory.path())),
    ]
    .map(|job| job.run().answer);
    assert_eq!(answers, [Ok("204".to_owned()), Ok("204".to_owned()), Ok("204".to_owned())]);
    let other = server.get("localhost").env("SSL_CERT_FILE", path("p384.pem")).run().answer;
    assert!(other.is_err());
    let replaced =
        server.get("localhost").env("SSL_CERT_FILE", path("rsa2048.pem")).with("ca", path("p384.pem"));
    assert!(replaced.run().answer.is_err(), "a CA file replaces the system's roots");
}

/// A TLS server that may want a client certificate, and offers HTTP/2 first.
fn serve(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    clients: Option<&CertificateDer<'static>>,
) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(root) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(root.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let http = stream.get_ref().1.alpn_protocol() != Some(b"h2");
                    let _ = stream.read(&mut [0; 4096]).await;
                    let answer: &[u8] =
                        if http { b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n" } else { b"" };
                    let _ = stream.write_all(answer).await;
                    let _ = stream.shutdown().await;
                }
            }
        });
    });
    port
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params
}

#[test]
fn an_intermediate_can_be_the_anchor_and_a_client_certificate_is_shown() {
    let directory = Directory::new("chain");
    let root = CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap();
    let middle =
        CertifiedIssuer::signed_by(authority("middle"), KeyPair::generate().unwrap(), &root).unwrap();
    let leaf = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(names).unwrap().signed_by(&key, &middle).unwrap(), key)
    };
    let (server, key) = leaf(&["localhost", "127.0.0.1"]);
    let chain = vec![server.der().clone(), middle.der().clone()];
    let anchors = [directory.write("root.pem", &root.pem()), directory.write("middle.pem", &middle.pem())];
    let port = serve(chain.clone(), &key, None);
    for anchor in &anchors {
        let answer = Job::get(&format!("https://127.0.0.1:{port}/")).with("ca", anchor.as_str()).run().answer;
        assert_eq!(answer.as_deref(), Ok("204"), "{anchor}");
    }

    let port = serve(chain, &key, Some(root.der()));
    let url = format!("https://localhost:{port}/");
    let (client, client_key) = leaf(&["client"]);
    let shown = directory.write("client.pem", &(client.pem() + &middle.pem()));
    let secret = directory.write("client.key", &client_key.serialize_pem());
    let ca = anchors[0].as_str();
    let with = |job: Job| job.with("cert", shown.as_str()).with("key", secret.as_str()).run().answer;
    assert_eq!(with(Job::get(&url).with("ca", ca)).as_deref(), Ok("204"));
    assert_eq!(with(Job::get(&url).with("insecure", true)).as_deref(), Ok("204"));
    assert_eq!(with(Job::get(&url).env("SSL_CERT_FILE", ca)).as_deref(), Ok("204"));
    assert!(Job::get(&url).with("ca", ca).run().answer.is_err(), "without a certificate");
}
