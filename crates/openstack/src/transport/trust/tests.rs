//! Handshakes with certificates as operators make them.

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::*;
use crate::transport::{TlsOptions, reqwest};

type Issuer = CertifiedIssuer<'static, KeyPair>;

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap()
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(&[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params
}

fn root() -> Issuer {
    CertifiedIssuer::self_signed(authority("root"), KeyPair::generate().unwrap()).unwrap()
}

fn signed(params: &CertificateParams, issuer: &Issuer) -> Identity {
    let key = KeyPair::generate().unwrap();
    let cert = params.signed_by(&key, issuer).unwrap();
    Identity { chain: vec![cert.der().clone(), issuer.der().clone()], key: key.serialize_der() }
}

fn self_signed(params: &CertificateParams) -> (Identity, String) {
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    (Identity { chain: vec![cert.der().clone()], key: key.serialize_der() }, cert.pem())
}

/// Talks to a server that shows `identity`; what the client made of it.
async fn handshake(
    identity: Identity,
    clients: Option<RootCertStore>,
    options: TlsOptions,
    host: &str,
) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(roots) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
        ),
    };
    let key = PrivateKeyDer::try_from(identity.key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(identity.chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let mut request = [0; 2048];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    let request = http::Request::get(format!("https://{host}:{port}/")).body(Bytes::new()).unwrap();
    let transport = reqwest(&options).map_err(|error| error.to_string())?;
    let result = transport.oneshot(request).await;
    server.await.unwrap();
    match result {
        Ok(response) => {
            assert_eq!(response.status(), 204);
            Ok(())
        }
        Err(error) => Err(chain(&error)),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn trusting(pem: &str) -> TlsOptions {
    TlsOptions { ca_pem: Some(pem.as_bytes().to_vec()), ..TlsOptions::default() }
}

#[tokio::test]
async fn a_chain_to_the_ca_file_is_trusted_by_name_and_address() {
    let root = root();
    for host in ["localhost", "127.0.0.1"] {
        let identity = signed(&params(&["localhost", "127.0.0.1"]), &root);
        handshake(identity, None, trusting(&root.pem()), host).await.unwrap();
    }
    let other = signed(&params(&["keystone.example.org"]), &root);
    let refused = handshake(other, None, trusting(&root.pem()), "localhost").await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn an_intermediate_is_enough() {
    let root = root();
    let middle =
        CertifiedIssuer::signed_by(authority("middle"), KeyPair::generate().unwrap(), &root).unwrap();
    let identity = signed(&params(&["localhost"]), &middle);
    handshake(identity, None, trusting(&middle.pem()), "localhost").await.unwrap();
}

#[tokio::test]
async fn a_self_signed_certificate_is_its_own_ca_file() {
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = params(&["localhost"]);
        params.is_ca = is_ca;
        let (identity, pem) = self_signed(&params);
        handshake(identity, None, trusting(&pem), "localhost")
            .await
            .unwrap_or_else(|error| panic!("{is_ca:?}: {error}"));
    }
}

#[tokio::test]
async fn a_pinned_certificate_still_needs_name_and_date() {
    let ca = |names: &[&str]| {
        let mut params = params(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let (identity, pem) = self_signed(&ca(&["elsewhere"]));
    let refused = handshake(identity, None, trusting(&pem), "localhost").await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");

    let mut expired = ca(&["localhost"]);
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let (identity, pem) = self_signed(&expired);
    let refused = handshake(identity, None, trusting(&pem), "localhost").await.unwrap_err();
    assert!(refused.contains("expired"), "{refused}");
}

#[tokio::test]
async fn strangers_are_refused_unless_anyone_is_welcome() {
    let (_, trusted) = self_signed(&params(&["localhost"]));
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = params(&["localhost"]);
        params.is_ca = is_ca;
        let refused = handshake(self_signed(&params).0, None, trusting(&trusted), "localhost").await;
        assert!(refused.is_err());
        let refused = handshake(self_signed(&params).0, None, TlsOptions::default(), "localhost").await;
        assert!(refused.is_err(), "the system's roots do not know it");
        let anyone = TlsOptions { insecure: true, ..trusting(&trusted) };
        handshake(self_signed(&params).0, None, anyone, "localhost").await.unwrap();
    }
}

#[tokio::test]
async fn the_client_certificate_is_shown() {
    let root = root();
    let mut clients = RootCertStore::empty();
    clients.add(root.der().clone()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params(&["client"]).signed_by(&key, &root).unwrap();
    let client = ClientCertificate {
        certificate_pem: certificate.pem().into_bytes(),
        key_pem: key.serialize_pem().into(),
    };
    let server = || signed(&params(&["localhost"]), &root);
    let with = TlsOptions { client_certificate: Some(client.clone()), ..trusting(&root.pem()) };
    handshake(server(), Some(clients.clone()), with, "localhost").await.unwrap();
    let insecure = TlsOptions { insecure: true, client_certificate: Some(client), ..TlsOptions::default() };
    handshake(server(), Some(clients.clone()), insecure, "localhost").await.unwrap();
    assert!(handshake(server(), Some(clients), trusting(&root.pem()), "localhost").await.is_err());
}

#[test]
fn unusable_files_are_named_and_not_quoted() {
    let bad_key = ClientCertificate { certificate_pem: root().pem().into_bytes(), key_pem: "hunter2".into() };
    let with_key = TlsOptions { client_certificate: Some(bad_key), ..trusting(&root().pem()) };
    for (options, text) in [(trusting("nothing"), "no certificate"), (with_key, "client key")] {
        let error = reqwest(&options).err().map(|error| chain(&error)).unwrap();
        assert!(error.contains(text) && !error.contains("hunter2"), "{error}");
    }
}
