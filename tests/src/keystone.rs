//! Keystone as an administrator and as its users, and a second one whose tokens live shortly.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::http::Http;
use crate::lab::Lab;
use crate::wait::eventually;

/// Keystone, asked by one user.
pub struct Keystone {
    http: Http,
    url: String,
    token: String,
}

impl Keystone {
    /// As `admin`, `user` or `other`, in the user's project.
    pub fn of(lab: &Lab, who: &str) -> Self {
        let user = &lab.info["openstack"]["users"][who];
        let domain = json!({"id": user["domain_id"]});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": user["name"], "password": user["password"], "domain": domain}}},
            "scope": {"project": {"name": user["project"], "domain": domain}},
        }});
        let http = lab.http.clone();
        let url = lab.fact("/openstack/auth_url").to_owned();
        let headers = [("content-type", "application/json")];
        let answer = http.send(Method::POST, &format!("{url}/auth/tokens"), &headers, Some(&body));
        let token = answer.expect("Keystone answers").token.expect("Keystone gives a token");
        Self { http, url, token }
    }

    /// Its token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends a request; a path such as `/users`.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let headers = [("content-type", "application/json"), ("x-auth-token", self.token.as_str())];
        let method = method.parse().expect("a method");
        let answer = self.http.send(method, &format!("{}{path}", self.url), &headers, body);
        answer.and_then(|answer| answer.json()).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The id of what was made at `path`, in the object `key`.
    pub fn create(&self, path: &str, key: &str, object: &Value) -> Value {
        self.send("POST", path, Some(&json!({ key: object })))[key].take()
    }

    /// The id of the only object that a filtered list gives, e.g. `/users?name=k8s`.
    pub fn id(&self, list: &str) -> String {
        let key = list.trim_start_matches('/').split('?').next().unwrap_or_default();
        let found = self.send("GET", list, None);
        assert_eq!(found[key].as_array().map_or(0, Vec::len), 1, "{list}: {found}");
        found[key][0]["id"].as_str().expect("an id").to_owned()
    }
}

/// A second Keystone on the same database and keys, whose tokens end sooner. Stopped when dropped.
pub struct ShortLived {
    process: Child,
    directory: PathBuf,
    address: String,
}

impl ShortLived {
    /// Starts one whose tokens live for this long.
    pub fn start(lab: &Lab, life: Duration) -> Self {
        let state = PathBuf::from(lab.fact("/state"));
        let conf = fs::read_to_string(state.join("openstack/etc/keystone.conf")).expect("keystone.conf");
        let changed = conf
            .lines()
            .map(|line| {
                let is_life = line.split('=').next().is_some_and(|key| key.trim() == "expiration");
                if is_life { format!("expiration = {}", life.as_secs()) } else { line.to_owned() }
            })
            .collect::<Vec<_>>()
            .join("\n");
        assert_ne!(changed, conf.trim_end(), "keystone.conf does not say how long tokens live");
        let directory = std::env::temp_dir().join(format!("e2e-keystone-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join("keystone.conf"), changed).expect("a file");
        let port = crate::controller::free_port();
        let address = format!("127.0.0.1:{port}");
        let bin = PathBuf::from(lab.fact("/openstack/python")).parent().expect("bin").to_owned();
        let log = fs::File::create(directory.join("log")).expect("a log");
        let process = Command::new(bin.join("uwsgi"))
            .args(["--http-socket", &address, "--module", "keystone.wsgi.api:application"])
            .args(["--virtualenv", bin.parent().and_then(|path| path.to_str()).expect("a path")])
            .args(["--processes", "1", "--threads", "6", "--enable-threads", "--die-on-term", "--need-app"])
            .args(["--single-interpreter", "--buffer-size", "65535", "--add-header", "Connection: close"])
            .env("OS_KEYSTONE_CONFIG_DIR", &directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("uwsgi starts");
        let keystone = Self { process, directory, address };
        let url = format!("http://{}/v3", keystone.address);
        eventually(Duration::from_secs(60), "a second Keystone", || {
            lab.http.send(Method::GET, &url, &[], None).and_then(|answer| answer.json())
        });
        keystone
    }

    /// Where it listens, `127.0.0.1:…`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for ShortLived {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
