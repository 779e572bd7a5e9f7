//! A call before it is sent: method, path, query, body, microversion, and the name it is counted under.

use std::fmt::Write as _;

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::catalog::ServiceType;
use crate::error::{Error, Fault};
use crate::json;
use crate::text::printable;

/// What RFC 3986 calls unreserved stays as it is, all else is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Microversions to try in turn, the best first; empty for calls that need none.
pub(crate) type Microversions = &'static [&'static str];

#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Value of the metrics' `request` label.
    pub name: &'static str,
    pub service: ServiceType,
    pub method: Method,
    /// The path with `{}` for each id, for logs.
    pub template: &'static str,
    /// The path below the service's base, ids filled in.
    pub path: String,
    /// The query, encoded, without `?`.
    pub query: String,
    pub body: Option<Bytes>,
    pub microversions: Microversions,
}

impl Call {
    /// A call to `template`, each `{}` of it replaced by one of `ids`.
    pub(crate) fn new(
        name: &'static str,
        service: ServiceType,
        method: Method,
        template: &'static str,
        ids: &[&str],
    ) -> Result<Self, Error> {
        let mut path = String::with_capacity(template.len() + 40 * ids.len());
        let mut parts = template.split("{}");
        path.push_str(parts.next().unwrap_or_default());
        for (id, rest) in ids.iter().zip(parts) {
            push_segment(&mut path, id).map_err(|fault| Error::new(name, fault))?;
            path.push_str(rest);
        }
        let query = String::new();
        Ok(Self { name, service, method, template, path, query, body: None, microversions: &[] })
    }

    pub(crate) fn get(
        name: &'static str,
        service: ServiceType,
        template: &'static str,
        ids: &[&str],
    ) -> Result<Self, Error> {
        Self::new(name, service, Method::GET, template, ids)
    }

    /// Adds `key=value` to the query.
    pub(crate) fn query(mut self, key: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        let _ = write!(self.query, "{key}={}", utf8_percent_encode(value, RESERVED));
        self
    }

    /// Adds `key=value` if there is a value.
    pub(crate) fn query_if<T: AsRef<str>>(self, key: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.query(key, value.as_ref()),
            None => self,
        }
    }

    /// Sends `{"<name>": object}`.
    pub(crate) fn body<T: Serialize + ?Sized>(mut self, name: &str, object: &T) -> Result<Self, Error> {
        let body = json::wrap(name, object).map_err(|error| {
            Error::new(self.name, Fault::Invalid("body cannot be written".into())).caused_by(error)
        })?;
        self.body = Some(body);
        Ok(self)
    }

    pub(crate) fn microversions(mut self, versions: Microversions) -> Self {
        self.microversions = versions;
        self
    }

    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET && self.method != Method::HEAD
    }
}

/// Appends an id as one path segment.
///
/// Ids come from outside (annotations, provider ids, volume handles). Servers decode `%2F` before they route, and
/// URL libraries fold `%2e%2e`, so encoding alone does not keep `../servers/x` in its place: such ids are refused.
fn push_segment(path: &mut String, id: &str) -> Result<(), Fault> {
    let hostile = id.is_empty()
        || id.len() > 255
        || matches!(id, "." | "..")
        || id.chars().any(|c| matches!(c, '/' | '\\') || c.is_control());
    if hostile {
        return Err(Fault::Invalid(format!("{:?} is not an id", printable(id))));
    }
    let _ = write!(path, "{}", utf8_percent_encode(id, RESERVED));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str) -> Result<String, Fault> {
        Call::get("server_get", ServiceType::Compute, "servers/{}/x", &[id])
            .map(|call| call.path)
            .map_err(|error| error.fault)
    }

    #[test]
    fn ids_fill_one_segment_each() {
        assert_eq!(server("3f0a-b_c.d~e").unwrap(), "servers/3f0a-b_c.d~e/x");
        assert_eq!(server("a b?c#d%2fé").unwrap(), "servers/a%20b%3Fc%23d%252f%C3%A9/x");
    }

    #[test]
    fn ids_that_could_reach_another_resource_are_refused() {
        for id in ["", ".", "..", "../servers/x", "a/b", "a\\b", "a\nb", &"x".repeat(300)] {
            assert!(matches!(server(id), Err(Fault::Invalid(_))), "{id:?}");
        }
    }

    #[test]
    fn query_values_are_encoded() {
        let call = Call::get("port_list", ServiceType::Network, "ports", &[])
            .unwrap()
            .query("name", "a&b=c d+é")
            .query_if("tags", Some("x,y"))
            .query_if("none", None::<&str>);
        assert_eq!(call.query, "name=a%26b%3Dc%20d%2B%C3%A9&tags=x%2Cy");
    }
}
