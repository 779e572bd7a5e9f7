//! What reads foreign bytes, for tests that try any of them. Each function panics if what must always hold does not.

#![allow(clippy::missing_panics_doc, reason = "a panic is how a test fails")]

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use crate::answer;
use crate::auth::keystone;
use crate::catalog::{self, Interface, ServiceType};
use crate::error::Fault;
use crate::page;
use crate::request::Call;
use crate::retry;
use crate::versions;

/// A small number from the input, so that it decides about everything.
fn choice(input: &[u8], of: usize) -> usize {
    input.iter().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % of
}

/// The body of an answer that is no success: what is shown of it is short, on one line, and plain.
pub fn error_body(input: &[u8]) {
    const STATUSES: [u16; 14] = [300, 302, 400, 401, 403, 404, 406, 409, 412, 413, 429, 500, 501, 503];
    let service = ServiceType::ALL[choice(input, ServiceType::ALL.len())];
    // The one that the body names, where it does, since others do not count as errors of ours.
    let named = |code: &&u16| String::from_utf8_lossy(input).contains(&code.to_string());
    let code = STATUSES.iter().find(named).unwrap_or(&STATUSES[choice(input, STATUSES.len())]);
    let Ok(status) = StatusCode::from_u16(*code) else { return };
    let fault = answer::fault(service, status, None, input);
    let text = fault.to_string();
    assert!(text.len() < 512, "{} bytes are shown", text.len());
    assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    assert!(*code != 404 || matches!(fault, Fault::NotFound | Fault::Unavailable(_)));
    let _ = answer::remark(status, input);
    if let Some(range) = answer::microversions(status, input) {
        assert!(range.least <= range.most);
    }
}

/// Keystone's answer to a login: every endpoint is a URL that calls can be made below.
pub fn token(input: &[u8]) {
    let Some(endpoints) = keystone::endpoints_of(input) else { return };
    for (service, url) in endpoints {
        assert!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{service}: {url}");
        assert!(url.path().ends_with('/') && url.query().is_none() && url.fragment().is_none(), "{url}");
        let document = versions::document(&url);
        assert_eq!(document.origin(), url.origin());
        assert!(url.join("x").is_ok_and(|below| below.origin() == url.origin()));
    }
}

/// A catalogue by itself, for every service and interface.
pub fn catalogue(input: &[u8]) {
    let Ok(entries) = serde_json::from_slice::<Vec<catalog::Entry>>(input) else { return };
    for service in ServiceType::ALL {
        for interface in [Interface::Public, Interface::Internal, Interface::Admin] {
            for region in [None, Some("r1")] {
                let url = catalog::endpoint(&entries, service, interface, region);
                assert!(url.is_none_or(|url| url.path().ends_with('/') && url.has_host()));
            }
        }
    }
}

/// A version document: what it names is a segment of a path.
pub fn version_document(input: &[u8]) {
    for service in ServiceType::ALL {
        if let Some(api) = versions::read(service, input) {
            assert!(api.id.starts_with('v') && !api.id.contains(['/', '?', '#', '\\']), "{}", api.id);
            assert!(api.range.is_none_or(|range| range.least <= range.most));
            let best = versions::best(&["2.69", "2.1", "3.0"], api.range);
            assert!(best.is_none_or(|best| !best.is_empty()));
        }
    }
    let Ok(base) = Url::parse("http://keystone.example:5000/identity/") else { return };
    let chosen = keystone::choose_version(&base, input);
    assert_eq!(chosen.host_str(), base.host_str(), "the password would go to another host");
    assert!(chosen.path().ends_with('/'));
}

/// Ids and filters from outside in the URL of a call: it stays where it belongs.
pub fn call_url(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(base) = Url::parse("http://nova.example/v2.1/") else { return };
    let call = Call::get("server_get", ServiceType::Compute, "servers/{}/os-interface", &[&text]);
    if let Ok(call) = call {
        let call = call.query("name", &text).query_if("tag", Some(&text));
        let Ok(mut url) = base.join(&call.path) else { panic!("{:?} makes no URL", call.path) };
        url.set_query(Some(&call.query));
        assert_eq!(url.origin(), base.origin());
        let segments: Vec<&str> = url.path_segments().map(Iterator::collect).unwrap_or_default();
        assert!(
            matches!(segments[..], ["v2.1", "servers", id, "os-interface"] if !id.is_empty()),
            "{url} is not below servers"
        );
        assert_eq!(url.query_pairs().count(), 2, "{url}");
        assert!(url.query_pairs().all(|(_, value)| value == text), "{url}");
    }
    if let Some(next) = page::next_query("name=x&limit=2", &text) {
        assert!(!next.contains('#') && next.starts_with("name=x"), "{next}");
    }
    let _ = page::is_empty_promise(&text);
}

/// Headers of an answer: a time to come back that can be calculated with, an id that is plain.
pub fn headers(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in ["retry-after", "date", "x-openstack-request-id"] {
        if let Some(value) = parts.next().and_then(|part| HeaderValue::from_bytes(part).ok()) {
            headers.insert(name, value);
        }
    }
    let after = retry::retry_after(&headers);
    for random in [0.0, 0.5, 1.0] {
        let pause = retry::pause(1, after, random);
        assert!(pause <= std::time::Duration::from_secs(100_000), "{pause:?}");
        let _ = tokio::time::Instant::now() + pause;
    }
    let status = StatusCode::TOO_MANY_REQUESTS;
    assert!(retry::may_repeat(&Method::POST, retry::Trouble::status(status, after)));
    if let Some(id) = answer::request_id(&headers) {
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{id}");
    }
}
