//! A request as a service sees it, and its answer.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::keystone::Who;

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a Method,
    /// The path's segments, decoded, with the version first: `["v2.1", "servers", "…"]`.
    pub(crate) path: Vec<&'a str>,
    /// The query, decoded, in its order.
    pub(crate) query: Vec<(String, String)>,
    /// The microversion asked for; `latest` is [`LATEST`].
    pub(crate) microversion: Option<(u16, u16)>,
    pub(crate) headers: &'a HeaderMap,
    /// The JSON body, null if there is none.
    pub(crate) body: Value,
    /// Whose token it bore. For what needs no token, nobody.
    pub(crate) who: &'a Who,
    /// The service's own URL without path and slash at the end, for links.
    pub(crate) base: &'a str,
    /// What this write begins ends in ERROR.
    pub(crate) fails: bool,
}

/// The microversion `latest`.
pub(crate) const LATEST: (u16, u16) = (u16::MAX, u16::MAX);

impl Ask<'_> {
    /// The first value of a query parameter.
    pub(crate) fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// All values of a query parameter.
    pub(crate) fn query_all<'q>(&'q self, key: &'q str) -> impl Iterator<Item = &'q str> {
        self.query.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Null for no body.
    pub(crate) body: Value,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Whether it names the request by its id.
    pub(crate) has_id: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new(), has_id: true }
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self::new(status, Value::Null)
    }

    /// The same from something in front of the service, which gives requests no ids.
    pub(crate) fn without_id(mut self) -> Self {
        self.has_id = false;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A query as links have it: form encoding, spaces as `+`.
pub(crate) fn query_string(pairs: &[(String, String)]) -> String {
    let encode = |text: &str| -> String {
        let one = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(one).collect()
    };
    let pairs: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    pairs.join("&")
}
