//! From a service's reply to what comes over the network.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::ask::Reply;
use super::endpoints::Service;

/// The key under which an answer has its rows.
fn list_key(body: &Value) -> Option<String> {
    let object = body.as_object()?;
    object
        .iter()
        .find(|(key, value)| value.is_array() && !key.ends_with("_links"))
        .map(|(key, _)| key.clone())
}

pub(super) fn rows(body: &Value) -> usize {
    match list_key(body).and_then(|key| body[key.as_str()].as_array().map(Vec::len)) {
        Some(rows) => rows,
        None => usize::from(body.is_object()),
    }
}

pub(super) fn shuffle(body: &mut Value, rng: &mut fastrand::Rng) {
    if let Some(key) = list_key(body)
        && let Some(rows) = body[key.as_str()].as_array_mut()
    {
        rng.shuffle(rows);
    }
}

pub(super) fn respond(
    reply: Reply,
    service: Service,
    request_id: &str,
    wall: jiff::Timestamp,
    foreign: bool,
    truncated: bool,
) -> Response<Bytes> {
    let mut body = if foreign {
        // What a proxy says, without a word of the service.
        format!("<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>", reply.status)
    } else if reply.body.is_null() {
        String::new()
    } else {
        // A text is a page, not JSON.
        reply.body.as_str().map_or_else(|| reply.body.to_string(), str::to_owned)
    };
    let length = body.len();
    if truncated {
        // JSON of ours is ASCII or escaped at no place that matters: cut where a character ends.
        let half = (0..=length / 2).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
        body.truncate(half);
    }
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() =
        http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if foreign || reply.body.is_string() { "text/html" } else { "application/json" };
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&wall);
    let mut headers = vec![("date", date.unwrap_or_default())];
    if !foreign && reply.has_id {
        headers.push(("x-openstack-request-id", request_id.to_owned()));
        if service == Service::Nova {
            headers.push(("x-compute-request-id", request_id.to_owned()));
        }
    }
    if length > 0 {
        headers.push(("content-type", kind.to_owned()));
    }
    headers.extend(reply.headers);
    for (name, value) in headers {
        if let Ok(value) = http::HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
