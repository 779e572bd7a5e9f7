//! Running the script on a world.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::normal::{self, Names};
use super::script::Part;
use super::step::{Call, Step, User};

/// How long a step is repeated that waits for something, and how often.
const PATIENCE: Duration = Duration::from_secs(120);
const PACE: Duration = Duration::from_millis(300);

/// Where a script runs.
pub trait World {
    /// `simulator` or `laboratory`.
    fn name(&self) -> &'static str;

    /// What is known from the beginning: ids, names, passwords, and each service's URL as `url of <service>`.
    fn given(&self) -> BTreeMap<String, String>;

    /// Sends a request.
    fn send(&mut self, request: &Request) -> Answer;

    /// Lets time pass.
    fn pass(&mut self, time: Duration);
}

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: &'static str,
    /// Its whole URL.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its body; null for none.
    pub body: Value,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body; null for none, a text if it is no JSON.
    pub body: Value,
}

/// A step and its normalised answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The request in short.
    pub what: String,
    /// The answer: status, some headers, body.
    pub answer: Value,
}

/// What a world has answered.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// One for each request of the script, in its order.
    pub exchanges: Vec<Exchange>,
    /// Where the world did not do what the script says: the status was another, or what was waited for did not come.
    pub broken: Vec<String>,
}

struct Run<'a> {
    world: &'a mut dyn World,
    names: Names,
    /// Texts that were saved to be compared with others, not to be used.
    notes: BTreeMap<&'static str, String>,
    tokens: BTreeMap<User, String>,
    transcript: Transcript,
}

/// Runs a part of the script, and cleans up after it whatever happened.
pub fn run(part: &Part, world: &mut dyn World) -> Transcript {
    let names = Names::new(world.given());
    let mut run = Run {
        world,
        names,
        notes: BTreeMap::new(),
        tokens: BTreeMap::new(),
        transcript: Transcript::default(),
    };
    for (number, step) in part.steps.iter().enumerate() {
        run.step(&format!("{} {}", part.name, number + 1), step);
    }
    run.transcript
}

impl Run<'_> {
    fn step(&mut self, number: &str, step: &Step) {
        match step {
            Step::Call(call) => self.call(number, call),
            Step::Pause(time) => self.world.pass(*time),
            Step::Differ(a, b) | Step::Same(a, b) => {
                let is_same = self.notes.get(a).is_some_and(|text| self.notes.get(b) == Some(text));
                if is_same != matches!(step, Step::Same(..)) {
                    self.broken(&format!(
                        "{number}: {step:?}, but they are {:?} and {:?}",
                        self.notes.get(a),
                        self.notes.get(b)
                    ));
                }
            }
        }
    }

    fn broken(&mut self, what: &str) {
        self.transcript.broken.push(format!("{}: {what}", self.world.name()));
    }

    fn call(&mut self, number: &str, call: &Call) {
        let what = format!("{number}: {} {}", call.method, call.to);
        if self.names.fill(&call.to).contains('{') {
            self.broken(&format!("{what}: an earlier step gave no value"));
            self.transcript.exchanges.push(Exchange { what, answer: Value::Null });
            return;
        }
        let mut waited = Duration::ZERO;
        let answer = loop {
            let answer = self.send(call);
            // What is absent is null.
            let at = |(at, value): &(String, Value)| answer.body.pointer(at).unwrap_or(&Value::Null) == value;
            let is_there = call.until.iter().all(at)
                && (!call.is_awaited || answer.status == call.expect)
                && (!call.is_settled || !answer.body.to_string().contains("\"PENDING_"));
            if is_there || waited >= PATIENCE {
                if !is_there {
                    self.broken(&format!(
                        "{number}: {} {} waits in vain: {}",
                        call.method, call.to, answer.body
                    ));
                }
                break answer;
            }
            self.world.pass(PACE);
            waited += PACE;
        };
        if answer.status != call.expect {
            self.broken(&format!(
                "{what}: status {} instead of {}: {}",
                answer.status, call.expect, answer.body
            ));
        }
        for (name, at) in &call.saves {
            let found = match at.strip_prefix('@') {
                Some(header) => answer.headers.get(header).cloned(),
                None => answer
                    .body
                    .pointer(at)
                    .map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned)),
            };
            match found {
                Some(text) if name.starts_with("note") => drop(self.notes.insert(name, text)),
                Some(text) => self.names.add(name, text),
                None => self.broken(&format!("{what}: nothing at {at}: {}", answer.body)),
            }
        }
        let answer = normal::answer(&self.names, call, &answer);
        self.transcript.exchanges.push(Exchange { what, answer });
    }

    fn send(&mut self, call: &Call) -> Answer {
        let (service, path) = call.to.split_once('/').unwrap_or((&call.to, ""));
        let url = self.names.url(service);
        let mut headers: Vec<_> =
            call.headers.iter().map(|(name, value)| (*name, self.names.fill(value))).collect();
        if let Some(token) = self.token(call.user) {
            headers.push(("x-auth-token", token));
        }
        let body = self.names.fill_all(&call.body);
        let url = format!("{url}/{}", self.names.fill(path));
        self.world.send(&Request { method: call.method, url, headers, body })
    }

    fn token(&mut self, user: User) -> Option<String> {
        let key = match user {
            User::Nobody => return None,
            User::Stranger => return Some("gAAAAABnot-a-token".to_owned()),
            User::Project => "user",
            User::Other => "other",
            User::Admin => "admin",
        };
        if let Some(token) = self.tokens.get(&user) {
            return Some(token.clone());
        }
        let name = |what: &str| self.names.fill(&format!("{{{what} of {key}}}"));
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user":
                {"name": name("name"), "password": name("password"), "domain": domain}}},
            "scope": {"project": {"name": name("project"), "domain": domain}},
        }});
        let url = format!("{}/v3/auth/tokens", self.names.url("keystone"));
        let answer = self.world.send(&Request { method: "POST", url, headers: Vec::new(), body });
        let token =
            answer.headers.get("x-subject-token").unwrap_or_else(|| panic!("no token for {key}: {answer:?}"));
        self.tokens.insert(user, token.clone());
        Some(token.clone())
    }
}
