//! Kubernetes' API as an administrator.

use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{Answer, Http};
use crate::lab::{self, Lab};
use crate::wait::eventually;

/// The harness's own service account.
const ACCOUNT: &str = "e2e";

/// One of the laboratory's clusters.
pub struct Cluster {
    /// Its letter in the laboratory.
    pub letter: String,
    http: Http,
    server: String,
    bearer: String,
    audit_log: String,
    controller_kubeconfig: OnceLock<String>,
}

impl Cluster {
    pub(crate) fn connect(lab: &Lab, letter: &str) -> Self {
        let facts = |info: &Value| info["kubernetes"]["clusters"][letter].clone();
        let mut known = facts(&lab.info);
        if known.is_null() {
            lab::run(&["up", "kubernetes", "--cluster", letter]);
            let info: Value = serde_json::from_str(&lab::run(&["info", "--json"])).expect("facts");
            known = facts(&info);
        }
        let text = |key: &str| {
            known[key].as_str().unwrap_or_else(|| panic!("cluster {letter} has no {key}")).to_owned()
        };
        let path = lab::run(&["kubeconfig", ACCOUNT, "kube-system", "--cluster", letter]);
        let content = std::fs::read_to_string(path.trim()).expect("a kubeconfig");
        let kubeconfig: Value = serde_json::from_str(&content).expect("a kubeconfig in JSON");
        let token = kubeconfig["users"][0]["user"]["token"].as_str().expect("a token");
        let cluster = Self {
            letter: letter.to_owned(),
            http: lab.http.clone(),
            server: text("apiserver"),
            bearer: format!("Bearer {token}"),
            audit_log: text("audit_log"),
            controller_kubeconfig: OnceLock::new(),
        };
        if cluster.send(Method::GET, "/api/v1/namespaces", None).expect("the API server answers").status
            == 403
        {
            let account = format!("--serviceaccount=kube-system:{ACCOUNT}");
            cluster.kubectl(&[
                "create",
                "clusterrolebinding",
                ACCOUNT,
                "--clusterrole=cluster-admin",
                &account,
            ]);
        }
        cluster
    }

    /// Runs kubectl as the laboratory's administrator.
    pub fn kubectl(&self, words: &[&str]) -> String {
        lab::run(&[&["kubectl", "--cluster", &self.letter], words].concat())
    }

    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let headers = [("content-type", kind), ("authorization", self.bearer.as_str())];
        self.http.send(method, &format!("{}{path}", self.server), &headers, body)
    }

    /// Reads; `None` if it does not exist.
    pub fn get(&self, path: &str) -> Option<Value> {
        let answer = self.send(Method::GET, path, None).expect("the API server answers");
        if answer.status == 404 {
            return None;
        }
        Some(answer.json().unwrap_or_else(|error| panic!("GET {path}: {error}")))
    }

    /// The items of a list.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let mut answer = self.get(path).unwrap_or_else(|| panic!("no list {path}"));
        answer["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Creates; `None` if it exists.
    pub fn create(&self, path: &str, body: &Value) -> Option<Value> {
        let answer = self.send(Method::POST, path, Some(body)).expect("the API server answers");
        if answer.status == 409 {
            return None;
        }
        Some(answer.json().unwrap_or_else(|error| panic!("POST {path}: {error}")))
    }

    /// Changes by a merge patch.
    pub fn patch(&self, path: &str, body: &Value) -> Value {
        let answer = self.send(Method::PATCH, path, Some(body)).expect("the API server answers");
        answer.json().unwrap_or_else(|error| panic!("PATCH {path}: {error}"))
    }

    /// Deletes; what is gone already is fine.
    pub fn delete(&self, path: &str) {
        let answer = self.send(Method::DELETE, path, None).expect("the API server answers");
        if answer.status != 404 {
            answer.json().unwrap_or_else(|error| panic!("DELETE {path}: {error}"));
        }
    }

    /// One Node.
    pub fn node(&self, name: &str) -> Option<Value> {
        self.get(&format!("/api/v1/nodes/{name}"))
    }

    /// UID of the namespace `kube-system`: what tells this cluster from others.
    pub fn uid(&self) -> String {
        let system = self.get("/api/v1/namespaces/kube-system").expect("kube-system exists");
        system["metadata"]["uid"].as_str().expect("a UID").to_owned()
    }

    /// Messages of the events with this reason about an object.
    pub fn events(&self, namespace: &str, name: &str, reason: &str) -> Vec<String> {
        let selector = format!("fieldSelector=involvedObject.name={name},reason={reason}");
        let events = self.list(&format!("/api/v1/namespaces/{namespace}/events?{selector}"));
        events.iter().filter_map(|event| event["message"].as_str()).map(str::to_owned).collect()
    }

    /// What this user has written since `epoch`, from the audit log: verb and resource of each request that is
    /// neither a read nor a question about rights.
    pub fn writes_by(&self, user: &str, epoch: f64) -> Vec<String> {
        let log = std::fs::read_to_string(&self.audit_log).expect("an audit log");
        let is_write = |event: &Value| {
            let verb = event["verb"].as_str().unwrap_or_default();
            let asks = event["requestURI"].as_str().is_some_and(|uri| uri.contains("reviews"));
            event["user"]["username"] == user && !asks && !["get", "list", "watch"].contains(&verb)
        };
        let received = |event: &Value| {
            let at = event["requestReceivedTimestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            at.map_or(0.0, |at| at.as_duration().as_secs_f64())
        };
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|event| received(event) >= epoch)
            .filter(is_write)
            .map(|event| format!("{} {}", event["verb"], event["requestURI"]))
            .collect()
    }

    /// The kubeconfig of the service account that the controller runs as, with the rights that our manifests give.
    pub fn controller_kubeconfig(&self) -> &str {
        self.controller_kubeconfig.get_or_init(|| {
            let rights = lab::repository().join("deploy/manifests/cloud-controller-manager/rbac.yaml");
            self.kubectl(&["apply", "-f", rights.to_str().expect("a UTF-8 path")]);
            let account =
                ["kubeconfig", "cloud-controller-manager", "kube-system", "--cluster", &self.letter];
            lab::run(&account).trim().to_owned()
        })
    }

    /// Creates a namespaced object of the core group.
    pub(crate) fn create_in(&self, namespace: &str, kind: &str, body: &Value) -> Option<Value> {
        self.create(&format!("/api/v1/namespaces/{namespace}/{kind}"), body)
    }

    /// Makes the namespace, after a former one of the name has gone.
    pub(crate) fn make_namespace(&self, name: &str) {
        let path = format!("/api/v1/namespaces/{name}");
        eventually(Duration::from_secs(120), &format!("namespace {name} can be made"), || {
            match self.get(&path) {
                Some(there) if there["status"]["phase"] == "Terminating" => {
                    Err("is being deleted".to_owned())
                }
                Some(_) => Ok(()),
                None => {
                    self.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
                    Ok(())
                }
            }
        });
    }
}
