//! A request as it was sent: what it is for, and by what names the ledger knows it.

use bytes::Bytes;
use http::{Method, Request};

use super::endpoints::Service;
use super::{keystone, neutron, nova, octavia};

/// A request that was read.
pub(super) struct Call {
    pub(super) service: Service,
    pub(super) method: Method,
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Bytes,
}

impl Call {
    pub(super) fn read(service: Service, request: Request<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        let segments = parts.uri.path().split('/').filter(|segment| !segment.is_empty());
        let segments = segments.map(|segment| decode(segment, false)).collect();
        let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        });
        Self { service, query: query.collect(), method: parts.method, segments, headers: parts.headers, body }
    }

    /// The path with `{id}` for everything that is none of the service's words.
    pub(super) fn template(&self) -> String {
        let words = match self.service {
            Service::Keystone => keystone::WORDS,
            Service::Nova => nova::WORDS,
            Service::Neutron => neutron::WORDS,
            Service::Octavia => octavia::WORDS,
        };
        let known = |segment: &String| {
            if words.contains(&segment.as_str()) { segment.clone() } else { "{id}".into() }
        };
        let parts: Vec<String> = self.segments.iter().map(known).collect();
        format!("/{}", parts.join("/"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `2.79` or `latest`, from either of the headers that Nova takes.
    pub(super) fn version_text(&self) -> Option<String> {
        if let Some(both) = self.header("openstack-api-version") {
            let (service, version) = both.split_once(' ')?;
            return (service == self.service.kind()).then(|| version.trim().to_owned());
        }
        let old = (self.service == Service::Nova).then(|| self.header("x-openstack-nova-api-version"))??;
        Some(old.trim().to_owned())
    }

    pub(super) fn microversion(&self) -> Option<(u16, u16)> {
        let text = self.version_text()?;
        if text == "latest" {
            return Some(super::ask::LATEST);
        }
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// Asks for no more than so many rows a page.
    pub(super) fn limit_page(&mut self, rows: usize) {
        let asked = self.query.iter().find(|(key, _)| key == "limit").and_then(|(_, rows)| rows.parse().ok());
        let rows = asked.unwrap_or(usize::MAX).min(rows);
        self.query.retain(|(key, _)| key != "limit");
        self.query.push(("limit".into(), rows.to_string()));
    }
}

/// Percent-decodes; in a query `+` is a space.
fn decode(text: &str, query: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(if query && *first == b'+' { b' ' } else { *first });
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
