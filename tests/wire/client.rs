//! One request in a process of its own: the test binary starts itself again with a job in its environment.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use openstack::transport::{ClientCertificate, TlsOptions};
use openstack::{AuthConfig, Cloud, Credentials, Domain, Scope, ServerId, Session, SessionConfig, User};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Environment variable with the job.
const JOB: &str = "WIRE_JOB";
/// What a line with the result begins with.
const RESULT: &str = "WIRE_RESULT ";
/// The password of logins.
pub(crate) const PASSWORD: &str = "pa55word-hunter2";

/// What to ask, and how.
pub(crate) struct Job {
    value: Value,
    environment: Vec<(&'static str, String)>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The status, or `ok` for a login or a call.
    pub(crate) answer: Result<String, String>,
    /// How long it took.
    pub(crate) took: Duration,
    /// The most memory that the process had resident, in KiB.
    pub(crate) peak: u64,
}

impl Job {
    /// A plain GET.
    pub(crate) fn get(url: &str) -> Self {
        Self { value: json!({"kind": "get", "url": url}), environment: Vec::new() }
    }

    /// A login to a Keystone at `url`; `limit` says within how many seconds.
    pub(crate) fn login(url: &str) -> Self {
        Self { value: json!({"kind": "login", "url": url}), environment: Vec::new() }
    }

    /// A login, and then a server read from Nova, each within `limit` seconds.
    pub(crate) fn call(url: &str) -> Self {
        Self { value: json!({"kind": "call", "url": url}), environment: Vec::new() }
    }

    /// With this setting: `ca`, `cert`, `key` (paths), `insecure` (anything).
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.value[key] = value.into();
        self
    }

    /// With this in the environment.
    pub(crate) fn env(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((key, value.into()));
        self
    }

    /// Does it, and waits for the end.
    pub(crate) fn run(self) -> Outcome {
        let mut command = Command::new(std::env::current_exe().unwrap());
        for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        let start = Instant::now();
        let output = command
            .args(["--exact", "client::a_client_is_a_process_of_its_own", "--nocapture", "--test-threads=1"])
            .env(JOB, self.value.to_string())
            .envs(self.environment)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let took = start.elapsed();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find_map(|line| line.split_once(RESULT)).map(|(_, result)| result);
        let Some(line) = line.filter(|_| output.status.success()) else {
            panic!("the client broke on {}: {text}{errors}", self.value);
        };
        assert!(!text.contains(PASSWORD) && !errors.contains(PASSWORD), "{text}{errors}");
        let result: Value = serde_json::from_str(line).unwrap();
        let said = |key: &str| result[key].as_str().map(str::to_owned);
        Outcome {
            answer: said("ok").ok_or_else(|| said("error").unwrap_or_default()),
            took,
            peak: result["peak"].as_u64().unwrap(),
        }
    }
}

#[test]
fn a_client_is_a_process_of_its_own() {
    if let Ok(job) = std::env::var(JOB) {
        let job: Value = serde_json::from_str(&job).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut result = match runtime.block_on(act(&job)) {
            Ok(answer) => json!({ "ok": answer }),
            Err(error) => json!({ "error": error }),
        };
        result["peak"] = peak().into();
        println!("\n{RESULT}{result}");
        return;
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = Job::get(&format!("http://{closed}/")).run();
    assert!(outcome.answer.unwrap_err().starts_with("cannot connect: "));
    assert!(outcome.peak > 1_000, "{} KiB", outcome.peak);
}

/// The most memory that this process has had resident, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn act(job: &Value) -> Result<String, String> {
    let path = |key: &str| job[key].as_str().map(PathBuf::from);
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    let key = path("key").map(|path| std::fs::read_to_string(path).unwrap());
    let options = TlsOptions {
        ca_pem: path("ca").map(read),
        client_certificate: path("cert")
            .zip(key)
            .map(|(cert, key)| ClientCertificate { certificate_pem: read(cert), key_pem: key.into() }),
        insecure: !job["insecure"].is_null(),
        connect_timeout: Duration::from_secs(20),
    };
    let transport = openstack::transport::reqwest(&options).map_err(|error| chain(&error))?;
    let url = job["url"].as_str().unwrap();
    if job["kind"] == "get" {
        let request = http::Request::get(url).body(bytes::Bytes::new()).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), transport.oneshot(request)).await;
        let response = answer.map_err(|_| "timed out".to_owned())?.map_err(|error| chain(&error))?;
        return Ok(response.status().as_u16().to_string());
    }
    let user = User::Name { name: "u".to_owned(), domain: Domain::Id("default".to_owned()) };
    let auth = AuthConfig {
        auth_url: format!("{url}/v3"),
        credentials: Credentials::Password { user, password: PASSWORD.into() },
        scope: Scope::Unscoped,
    };
    let limit = Duration::from_secs(job["limit"].as_u64().unwrap());
    let config = SessionConfig { auth_timeout: limit, request_timeout: limit, ..SessionConfig::new(auth) };
    let session = Session::new(config, transport);
    session.project_id().await.map_err(|error| chain(&error))?;
    if job["kind"] == "call" {
        let server = Cloud::new(session).compute().server(&ServerId::from("s")).await;
        server.map_err(|error| chain(&error))?;
    }
    Ok("ok".to_owned())
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
