//! What a program has asked of OpenStack, from the APIs' own access logs.

use std::fmt;

use serde_json::Value;

use crate::lab;

/// Requests of one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Requests that a change needs: every write, and every read that is neither of the following.
    pub own: u64,
    /// Reads that only wait for load balancers: of one, of its tree of statuses, or of all of them.
    pub polls: u64,
    /// Tokens and the services' version documents.
    pub overhead: u64,
    /// The own requests that write.
    pub writes: Vec<Write>,
    /// Bytes of all answers.
    pub bytes: u64,
    /// Milliseconds that the services took for all of them.
    pub milliseconds: u64,
    /// One line for each kind of request.
    pub lines: Vec<String>,
}

/// Writes alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// POST, PUT or DELETE.
    pub method: String,
    /// The path with identifiers as `{id}`.
    pub path: String,
    /// How many.
    pub count: u64,
}

enum Kind {
    Own,
    Poll,
    Overhead,
}

impl Calls {
    /// Those of the program whose user agent contains `agent`, begun since `epoch`.
    pub fn since(agent: &str, epoch: f64) -> Self {
        let text = lab::run(&["calls", "--agent", agent, "--since", &epoch.to_string(), "--json"]);
        let counted: Value = serde_json::from_str(&text).expect("the laboratory counts in JSON");
        let mut calls = Self::default();
        for row in counted["calls"].as_array().expect("rows") {
            calls.add(row);
        }
        calls
    }

    fn add(&mut self, row: &Value) {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        let number = |key: &str| row[key].as_u64().unwrap_or_default();
        let (service, method, path, count) = (text("service"), text("method"), text("path"), number("count"));
        let what = match kind(service, method, path) {
            Kind::Own => {
                self.own += count;
                if method != "GET" {
                    self.writes.push(Write { method: method.to_owned(), path: path.to_owned(), count });
                }
                "own"
            }
            Kind::Poll => {
                self.polls += count;
                "poll"
            }
            Kind::Overhead => {
                self.overhead += count;
                "overhead"
            }
        };
        self.bytes += number("bytes");
        self.milliseconds += number("milliseconds");
        self.lines.push(format!("{what:8} {count:3} {service} {method} {path} {}", row["status"]));
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} own, {} polls, {} overhead\n{}",
            self.own,
            self.polls,
            self.overhead,
            self.lines.join("\n")
        )
    }
}

fn kind(service: &str, method: &str, path: &str) -> Kind {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    let is_version = words.len() <= 1;
    if service == "keystone" || is_version {
        return Kind::Overhead;
    }
    let is_named = query.split('&').any(|name| name == "name");
    match words[1..] {
        ["lbaas", "loadbalancers"] if method == "GET" && !is_named => Kind::Poll,
        ["lbaas", "loadbalancers", "{id}"] | ["lbaas", "loadbalancers", "{id}", "status"]
            if method == "GET" =>
        {
            Kind::Poll
        }
        _ => Kind::Own,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counted(rows: &[(&str, &str, &str)]) -> Calls {
        let mut calls = Calls::default();
        for (service, method, path) in rows {
            calls.add(&json!({"service": service, "method": method, "path": path, "count": 2, "bytes": 10}));
        }
        calls
    }

    #[test]
    fn waiting_is_told_from_working() {
        let polls = counted(&[
            ("octavia", "GET", "/v2.0/lbaas/loadbalancers?limit"),
            ("octavia", "GET", "/v2.0/lbaas/loadbalancers/{id}"),
            ("octavia", "GET", "/v2.0/lbaas/loadbalancers/{id}/status"),
        ]);
        assert_eq!((polls.own, polls.polls, polls.overhead), (0, 6, 0));
        let own = counted(&[
            ("octavia", "GET", "/v2.0/lbaas/loadbalancers?limit&name"),
            ("octavia", "GET", "/v2.0/lbaas/pools/{id}/members"),
            ("octavia", "DELETE", "/v2.0/lbaas/loadbalancers/{id}?cascade"),
            ("neutron", "POST", "/v2.0/floatingips"),
        ]);
        assert_eq!((own.own, own.polls, own.overhead), (8, 0, 0));
        assert_eq!(own.writes.len(), 2);
        assert_eq!(own.bytes, 40);
    }

    #[test]
    fn logging_in_and_looking_up_versions_is_overhead() {
        let overhead = counted(&[
            ("keystone", "POST", "/v3/auth/tokens"),
            ("octavia", "GET", "/"),
            ("nova", "GET", "/v2.1/"),
        ]);
        assert_eq!((overhead.own, overhead.polls, overhead.overhead), (0, 0, 6));
    }
}
