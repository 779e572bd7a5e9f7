//! The control endpoint: what a test or a person does to the cloud from outside of its APIs.

use axum::body::Body;
use http::{Method, Response, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use simulator::fault::Script;
use simulator::link::Cut;
use simulator::openstack::ServerDraft;

use crate::setting::Setting;

/// All that it answers, for those who ask for something else.
const HELP: &str = "\
GET    /world                 URLs, user, project, networks
GET    /dump                  all objects by kind and id
GET    /ledger                every request
GET    /calls                 requests by client, call and status
GET    /table                 requests, rows and bytes by call, as text
GET    /fronts                what listens, and which members it leads to
GET    /faults                the fault script, and how often each kind happened
PUT    /faults                {\"rules\": [...]}: follow this script from now on
POST   /servers               {\"name\": ...}: a server on the network `nodes`
DELETE /servers/ID            it is gone, with its ports
PUT    /servers/ID            {\"status\": \"SHUTOFF\"}
PUT    /statuses/ID           {\"provisioning_status\": ..., \"operating_status\": ...} of a load balancer or a part of it
PUT    /links/AGENT           {\"service\": \"nova\", \"cut\": \"refused\" | \"silent\" | \"deaf\" | null}
POST   /ask                   {\"method\": ..., \"to\": \"neutron/v2.0/ports\", \"body\": ...}: a request as an administrator
POST   /clock                 {\"jump_ms\": ...}: the wall clock jumps
DELETE /tokens                no token is good any more
";

/// Why there is no answer: status and what to say.
type Wrong = (StatusCode, String);

/// One request.
pub(crate) fn answer(setting: &Setting, method: &str, path: &str, body: &[u8]) -> Response<Body> {
    let segments: Vec<&str> = path.split('/').collect();
    let (status, kind, text) = match act(setting, method, &segments, body) {
        Ok(Value::String(text)) => (StatusCode::OK, "text/plain", text),
        Ok(value) => (StatusCode::OK, "application/json", value.to_string()),
        Err((status, text)) => (status, "text/plain", text),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static(kind));
    response
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))
}

fn found(found: bool) -> Result<Value, Wrong> {
    if found { Ok(json!({})) } else { Err((StatusCode::NOT_FOUND, "there is none\n".to_owned())) }
}

fn act(setting: &Setting, method: &str, path: &[&str], body: &[u8]) -> Result<Value, Wrong> {
    let (world, operator) = (&setting.world, setting.cloud.operator());
    match (method, path) {
        ("GET", ["world"]) => Ok(setting.describe()),
        ("GET", ["dump"]) => Ok(operator.dump()),
        ("GET", ["ledger"]) => Ok(json!(world.ledger().entries())),
        ("GET", ["calls"]) => Ok(calls(setting)),
        ("GET", ["table"]) => Ok(world.ledger().table().into()),
        ("GET", ["fronts"]) => Ok(operator.fronts().iter().map(|front| format!("{front:?}")).collect()),
        ("GET", ["faults"]) => {
            Ok(json!({"script": world.faults().script(), "fired": world.faults().fired()}))
        }
        ("PUT", ["faults"]) => {
            world.faults().follow(read::<Script>(body)?);
            Ok(json!({}))
        }
        ("POST", ["servers"]) => {
            let asked: NewServer = read(body)?;
            let id = operator.server(&ServerDraft::new(&asked.name, &setting.nodes.network));
            let (_, shown) = operator.ask(&Method::GET, &format!("nova/v2.1/servers/{id}"), Value::Null);
            Ok(shown["server"].clone())
        }
        ("DELETE", ["servers", id]) => found(operator.delete_server(id)),
        ("PUT", ["servers", id]) => {
            let asked: ServerStatus = read(body)?;
            found(operator.server_status(id, &asked.status))
        }
        ("PUT", ["statuses", id]) => {
            let asked: Statuses = read(body)?;
            let mut known = true;
            if let Some(status) = asked.provisioning_status {
                known &= operator.provisioning_status(id, &status);
            }
            if let Some(status) = asked.operating_status {
                known &= operator.operating_status(id, status.name());
            }
            found(known)
        }
        ("PUT", ["links", agent]) => {
            let asked: LinkCut = read(body)?;
            let link = setting.link(agent);
            match asked.cut {
                Some(how) => link.cut(&asked.service, how.into()),
                None => link.mend(&asked.service),
            }
            Ok(json!({}))
        }
        ("POST", ["ask"]) => {
            let asked: Question = read(body)?;
            let method = Method::from_bytes(asked.method.as_bytes())
                .map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
            let (status, body) = operator.ask(&method, &asked.to, asked.body);
            Ok(json!({"status": status, "body": body}))
        }
        ("POST", ["clock"]) => {
            let asked: Jump = read(body)?;
            world.jump(SignedDuration::from_millis(asked.jump_ms));
            Ok(json!({"now": world.wall().to_string()}))
        }
        ("DELETE", ["tokens"]) => {
            operator.revoke_all_tokens();
            Ok(json!({}))
        }
        _ => Err((StatusCode::NOT_FOUND, HELP.to_owned())),
    }
}

/// Requests so far by client, call and status, logins left out.
fn calls(setting: &Setting) -> Value {
    let mut sums = std::collections::BTreeMap::<_, usize>::new();
    for entry in setting.world.ledger().select(|entry| entry.service != "keystone") {
        *sums.entry((entry.client, entry.service, entry.method, entry.path, entry.status)).or_default() += 1;
    }
    let row = |((client, service, method, path, status), count)| json!({"client": client, "service": service, "method": method, "path": path, "status": status, "count": count});
    sums.into_iter().map(row).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewServer {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerStatus {
    status: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statuses {
    provisioning_status: Option<String>,
    operating_status: Option<Operating>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Operating {
    Online,
    Offline,
    Degraded,
    Error,
    Draining,
    NoMonitor,
}

impl Operating {
    fn name(self) -> &'static str {
        match self {
            Self::Online => "ONLINE",
            Self::Offline => "OFFLINE",
            Self::Degraded => "DEGRADED",
            Self::Error => "ERROR",
            Self::Draining => "DRAINING",
            Self::NoMonitor => "NO_MONITOR",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkCut {
    #[serde(default)]
    service: String,
    cut: Option<How>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Refused,
    Silent,
    Deaf,
}

impl From<How> for Cut {
    fn from(how: How) -> Self {
        match how {
            How::Refused => Self::Refused,
            How::Silent => Self::Silent,
            How::Deaf => Self::Deaf,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    method: String,
    to: String,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jump {
    jump_ms: i64,
}
