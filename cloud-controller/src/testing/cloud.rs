//! A cloud with servers and ports, and an Octavia that never finishes a load balancer.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use openstack::{Transport, TransportError};
use serde_json::{Value, json};
use tower::util::BoxCloneSyncService;

/// How long each request takes.
const LATENCY: Duration = Duration::from_millis(100);

/// The stand-in; clones share it.
#[derive(Clone, Default)]
pub(crate) struct FakeCloud(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    servers: Vec<Value>,
    ports: Vec<Value>,
    asked: Vec<String>,
    /// Servers and ports in all answers.
    rows: usize,
    /// Being created, for ever.
    load_balancers: Vec<Value>,
    down: bool,
}

impl FakeCloud {
    /// Adds a server with one active port for each address.
    pub(crate) fn server(&self, id: &str, name: &str, addresses: &[&str]) {
        let mut state = self.lock();
        state.servers.push(json!({
            "id": id, "name": name, "status": "ACTIVE", "OS-EXT-AZ:availability_zone": "nova",
            "flavor": {"original_name": "m1.small"},
            "addresses": {"nodes": addresses.iter().map(|ip| json!({"addr": ip, "version": 4, "OS-EXT-IPS:type": "fixed"})).collect::<Vec<_>>()}
        }));
        for ip in addresses {
            state.ports.push(json!({
                "id": format!("port-{ip}"), "device_id": id, "device_owner": "compute:nova", "network_id": "nodes",
                "status": "ACTIVE", "fixed_ips": [{"subnet_id": "subnet", "ip_address": ip}]
            }));
        }
    }

    /// Gives a server a flavor; one with a name is shown by name, or by id to those who ask in the old way.
    pub(crate) fn set_flavor(&self, server: &str, id: &str, name: Option<&str>) {
        let mut state = self.lock();
        let server = state.servers.iter_mut().find(|known| known["id"] == server).unwrap();
        server["flavor"] =
            name.map_or_else(|| json!({"id": id}), |name| json!({"original_name": name, "hidden_id": id}));
    }

    /// Makes every connection fail, or all well again.
    pub(crate) fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// Turns the order of the ports around, as an index in Neutron's database may at any time.
    pub(crate) fn reverse_ports(&self) {
        self.lock().ports.reverse();
    }

    /// Calls so far, as `GET http://nova/servers/detail`; logins and version documents left out.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.lock().asked.clone()
    }

    /// Servers and ports in all answers so far.
    pub(crate) fn rows(&self) -> usize {
        self.lock().rows
    }

    /// Calls that change something.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.calls().into_iter().filter(|call| !call.starts_with("GET ")).collect()
    }

    /// The program's way to it.
    pub(crate) fn transport(&self) -> Transport {
        let cloud = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
            let cloud = cloud.clone();
            async move {
                tokio::time::sleep(LATENCY).await;
                cloud.answer(&request)
            }
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let mut state = self.lock();
        if state.down {
            return Err(TransportError::Connect("refused".into()));
        }
        let (host, path) = (request.uri().host().unwrap_or_default(), request.uri().path());
        let queries: Vec<(&str, &str)> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        if host == "keystone" {
            return Ok(token());
        }
        if path.trim_matches('/').is_empty() || path == "/v2.1/" {
            return Ok(answer(
                200,
                &json!({"versions": [{"id": "v2.27", "status": "CURRENT", "version": "2.96", "min_version": "2.1"}]}),
            ));
        }
        state.asked.push(format!("{} http://{host}{path}", request.method()));
        if request.method() == Method::POST && path.ends_with("/loadbalancers") {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            let mut created = body["loadbalancer"].clone();
            let details = json!({"id": "lb-1", "provisioning_status": "PENDING_CREATE", "vip_address": "10.0.0.99", "listeners": [], "pools": []});
            created.as_object_mut().unwrap().extend(details.as_object().unwrap().clone());
            state.load_balancers.push(created.clone());
            return Ok(answer(201, &json!({"loadbalancer": created})));
        }
        if request.method() != Method::GET {
            return Ok(answer(409, &json!({"error": "nothing can be changed here"})));
        }
        let having = |all: &[Value], key: &str, values: Vec<&str>| -> Vec<Value> {
            let wanted =
                |object: &&Value| values.is_empty() || values.iter().any(|value| object[key] == *value);
            all.iter().filter(wanted).cloned().collect()
        };
        let values = |name: &str| {
            queries.iter().filter(|(key, _)| *key == name).map(|(_, value)| *value).collect::<Vec<_>>()
        };
        let body = match path.rsplit('/').next().unwrap_or_default() {
            "detail" => {
                let name = values("name").first().map(|expression| unquoted(expression));
                let fits = |server: &&Value| match (&name, server["name"].as_str().unwrap()) {
                    (None, _) => true,
                    (Some((text, true)), name) => name == text,
                    (Some((text, false)), name) => name.starts_with(text.as_str()),
                };
                let servers: Vec<Value> = state.servers.iter().filter(fits).cloned().collect();
                state.rows += servers.len();
                json!({"servers": servers})
            }
            "ports" => {
                let ports = having(&state.ports, "device_id", values("device_id"));
                state.rows += ports.len();
                json!({"ports": ports})
            }
            "loadbalancers" => json!({"loadbalancers": state.load_balancers}),
            "lb-1" => json!({"loadbalancer": state.load_balancers[0]}),
            kind @ ("listeners" | "pools" | "healthmonitors" | "floatingips") => {
                json!({kind: []})
            }
            id => match having(&state.servers, "id", vec![id]).pop() {
                Some(mut server) => {
                    let old_way = !request.headers().contains_key("openstack-api-version");
                    if old_way && let Some(id) = server["flavor"].get("hidden_id").cloned() {
                        server["flavor"] = json!({"id": id});
                    }
                    json!({"server": server})
                }
                None if id == "flavor-7" => json!({"flavor": {"id": id, "name": "m1.tiny"}}),
                None => {
                    return Ok(answer(
                        404,
                        &json!({"itemNotFound": {"code": 404, "message": "no such thing"}}),
                    ));
                }
            },
        };
        Ok(answer(200, &body))
    }
}

/// The text of an expression that is anchored at its beginning, as it stands in an address, and whether at its end too.
fn unquoted(expression: &str) -> (String, bool) {
    let plain = [("%5E", "^"), ("%24", "$"), ("%5C", "")];
    let text =
        plain.iter().fold(expression.to_owned(), |text, (from, to)| text.replace(from, to)).replace('\\', "");
    let text = text.strip_prefix('^').unwrap();
    (text.trim_end_matches('$').to_owned(), text.ends_with('$'))
}

fn token() -> Response<Bytes> {
    let endpoint = |kind: &str, url: &str| json!({"type": kind, "endpoints": [{"interface": "public", "region_id": "north", "region": "north", "url": url}]});
    let now = jiff::Timestamp::now();
    let body = json!({"token": {
        "issued_at": now.to_string(), "expires_at": (now + Duration::from_secs(86_400)).to_string(),
        "project": {"id": "project", "name": "p"}, "user": {"id": "u", "name": "u", "domain": {"id": "default"}},
        "catalog": [
            endpoint("compute", "http://nova/v2.1"),
            endpoint("network", "http://neutron"),
            endpoint("load-balancer", "http://octavia"),
        ],
    }});
    let mut response = answer(201, &body);
    response.headers_mut().insert("x-subject-token", "token".parse().unwrap());
    response
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap()
}
