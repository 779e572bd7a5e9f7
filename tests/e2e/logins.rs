//! Every way to log in, against the real Keystone.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloud_tests::{Keystone, Lab};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::product;

/// What a test has made in Keystone, deleted at its end.
struct Made<'a> {
    keystone: &'a Keystone,
    paths: Vec<String>,
}

impl Made<'_> {
    fn add(&mut self, path: String) {
        self.paths.push(path);
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        for path in self.paths.iter().rev() {
            if path.starts_with("/domains/") {
                self.keystone.send("PATCH", path, Some(&json!({"domain": {"enabled": false}})));
            }
            self.keystone.send("DELETE", path, None);
        }
    }
}

/// A directory of the test's own.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("e2e-login-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// Users, a credential and a trust, made for the test.
struct People<'a> {
    project: String,
    me: String,
    other: String,
    credential: String,
    trust: String,
    _by_user: Made<'a>,
    _by_admin: Made<'a>,
}

/// The password of a user of another domain: what cloud.conf's grammar has to be told.
const AWKWARD: &str = r#"s#cret; \ "q""#;

impl<'a> People<'a> {
    fn make(lab: &Lab, admin: &'a Keystone, user: &'a Keystone) -> Self {
        let project = lab.fact("/openstack/users/user/project_id").to_owned();
        let me = admin.id("/users?name=k8s&domain_id=default");
        let other = admin.id("/users?name=k8s2&domain_id=default");
        let member = admin.id("/roles?name=member");
        let mut by_admin = Made { keystone: admin, paths: Vec::new() };
        let mut by_user = Made { keystone: user, paths: Vec::new() };

        // A user of another domain in our project, and with a role in the domain itself.
        let domain = admin.create("/domains", "domain", &json!({"name": "e2e-login"}));
        by_admin.add(format!("/domains/{}", id(&domain)));
        let stranger = json!({"name": "stranger", "domain_id": domain["id"], "password": AWKWARD});
        let stranger = admin.create("/users", "user", &stranger);
        by_admin.add(format!("/users/{}", id(&stranger)));
        for place in [format!("projects/{project}"), format!("domains/{}", id(&domain))] {
            admin.send("PUT", &format!("/{place}/users/{}/roles/{member}", id(&stranger)), None);
        }

        let credential = json!({"name": "e2e-login", "secret": "app s#cret", "roles": [{"name": "member"}]});
        let credentials = format!("/users/{me}/application_credentials");
        let credential = user.create(&credentials, "application_credential", &credential);
        by_user.add(format!("{credentials}/{}", id(&credential)));
        let trust = json!({"trustor_user_id": me, "trustee_user_id": other, "project_id": project,
            "impersonation": false, "roles": [{"id": member}]});
        let trust = user.create("/OS-TRUST/trusts", "trust", &trust);
        by_user.add(format!("/OS-TRUST/trusts/{}", id(&trust)));
        let (credential, trust) = (id(&credential).to_owned(), id(&trust).to_owned());
        Self { project, me, other, credential, trust, _by_user: by_user, _by_admin: by_admin }
    }

    /// What each way is called, its lines of `[Global]`, and whether the token is for our project.
    fn ways(&self, token: &str) -> Vec<(&'static str, Vec<String>, bool)> {
        let Self { project, me, other, credential, trust, .. } = self;
        let quoted = format!("password = \"{}\"", AWKWARD.replace('\\', r"\\").replace('"', r#"\""#));
        let secret = "application-credential-secret = \"app s#cret\"";
        let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
        let way = |name, text: String| (name, lines(&text), true);
        vec![
            way(
                "password, names",
                "username = k8s\npassword = lab\ntenant-name = k8s\ndomain-name = Default".into(),
            ),
            way("password, ids", format!("user-id = {me}\npassword = lab\ntenant-id = {project}")),
            way(
                "password, two domains",
                format!(
                    "username = stranger\n{quoted}\nuser-domain-name = e2e-login\ntenant-name = k8s\ntenant-domain-id = default"
                ),
            ),
            (
                "password, domain scope",
                lines(&format!(
                    "username = stranger\n{quoted}\nuser-domain-name = e2e-login\ndomain-name = e2e-login"
                )),
                false,
            ),
            way("application credential, id", format!("application-credential-id = {credential}\n{secret}")),
            way(
                "application credential, name and user id",
                format!("application-credential-name = e2e-login\n{secret}\nuser-id = {me}"),
            ),
            way(
                "application credential, name and user",
                format!(
                    "application-credential-name = e2e-login\n{secret}\nusername = k8s\nuser-domain-id = default"
                ),
            ),
            way("token, exchanged", format!("token = {token}\ntenant-id = {project}")),
            way("token, as it is", format!("token = {token}")),
            way("trust", format!("trust-id = {trust}\ntrustee-id = {other}\ntrustee-password = lab")),
            way(
                "trust, named user",
                format!("trust-id = {trust}\nusername = k8s2\npassword = lab\ndomain-id = default"),
            ),
        ]
    }
}

#[test]
fn each_way_to_log_in_works() {
    let lab = Lab::take();
    let (admin, user) = (Keystone::of(&lab, "admin"), Keystone::of(&lab, "user"));
    let people = People::make(&lab, &admin, &user);
    let files = Directory::new();
    let base = lab.fact("/openstack/endpoints/keystone");
    for (name, lines, in_project) in people.ways(user.token()) {
        let cloud = product::cloud(&format!("[Global]\nauth-url = {base}\n{}\n", lines.join("\n")), &files.0);
        let found =
            product::run(cloud.session().project_id()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = in_project.then_some(people.project.as_str());
        assert_eq!(found.as_ref().map(openstack::ProjectId::as_str), expected, "{name}");
        if in_project {
            product::read(&cloud).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        eprintln!("logged in: {name}");
    }
    let wrong = [
        "username = k8s\npassword = wr0ng-hunter2\ntenant-name = k8s\ndomain-id = default".to_owned(),
        format!("trust-id = 0123456789abcdef\nuser-id = {}\npassword = lab", people.other),
    ];
    for lines in wrong {
        let cloud = product::cloud(&format!("[Global]\nauth-url = {base}\n{lines}\n"), &files.0);
        let error = product::read(&cloud).unwrap_err().to_string();
        assert!(error.starts_with("token_create: ") && error.contains("req-"), "{lines}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn clouds_yaml_and_client_certificates_log_in() {
    let lab = Lab::take();
    let files = Directory::new();
    files.write("secure.yaml", "clouds: {mine: {auth: {password: lab}}}");
    let url = lab.fact("/openstack/auth_url");
    let auth = format!("{{auth_url: '{url}', username: k8s, project_name: k8s, default_domain: default}}");
    let clouds = files.write("clouds.yaml", &format!("clouds: {{mine: {{auth: {auth}}}}}"));
    let conf = format!("[Global]\nuse-clouds = true\nclouds-file = {clouds}\n");
    product::read(&product::cloud(&conf, &files.0)).unwrap();

    let (served, conf) = client_certificate(&lab, &files);
    product::read(&product::cloud(&conf, &files.0)).unwrap();
    assert_eq!(served.load(Ordering::SeqCst), 1, "it went through the front");
    let without = conf.lines().filter(|line| !line.starts_with("key-file") && !line.starts_with("cert-file"));
    let without = product::cloud(&without.collect::<Vec<_>>().join("\n"), &files.0);
    assert!(product::read(&without).is_err(), "the front of Keystone wants a certificate");
}

/// A front of Keystone that speaks TLS and wants a client certificate; how many came through, and a cloud.conf for it.
fn client_certificate(lab: &Lab, files: &Directory) -> (Arc<AtomicUsize>, String) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let leaf = |name: &str| {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &root).unwrap(), key)
    };
    let (server, server_key) = leaf("localhost");
    let (client, client_key) = leaf("client");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.der().clone()], server_key.serialize_der().try_into().unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let keystone = lab.fact("/openstack/endpoints/keystone").trim_start_matches("http://").to_owned();
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = stream;
            let mut plain = rustls::Stream::new(&mut tls, &mut stream);
            if forward(&mut plain, &keystone).is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let conf = format!(
        "[Global]\nauth-url = https://localhost:{port}/v3\nusername = k8s\npassword = lab\ntenant-name = k8s\ndomain-id = default\nca-file = {}\ncert-file = {}\nkey-file = {}\n",
        files.write("root.pem", &root.pem()),
        files.write("client.pem", &client.pem()),
        files.write("client.key", &client_key.serialize_pem()),
    );
    (served, conf)
}

/// Carries one request to Keystone and its answer back.
fn forward(stream: &mut (impl std::io::Read + std::io::Write), to: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let length = stream.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&request);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.to_ascii_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            body.len() >= length.unwrap_or(0_usize)
        });
        if whole || length == 0 {
            break;
        }
    }
    let mut there = TcpStream::connect(to)?;
    std::io::Write::write_all(&mut there, &request)?;
    // Keystone closes the connection after each answer.
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut there, &mut answer)?;
    stream.write_all(&answer)?;
    stream.flush()
}

/// For `product`: where clouds.yaml's companions are looked for.
pub(crate) fn surroundings(directory: &Path) -> login::Surroundings {
    login::Surroundings { directories: vec![directory.to_owned()], ..login::Surroundings::default() }
}
