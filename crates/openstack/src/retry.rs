//! When a request is sent again, and after what pause. All of it is decided here, by method and fault.
//!
//! | | GET, HEAD | PUT, DELETE | POST, PATCH |
//! |---|---|---|---|
//! | connection never made | again | again | again |
//! | 429, 413 with Retry-After | again | again | again |
//! | 503 with Retry-After | again | again | again |
//! | connection broke, 408, 500, 502, 503, 504 | again | again | no: it may have happened |
//! | time is up, answer too large | no | no | no |
//! | any other answer | no | no | no |
//!
//! PUT and DELETE describe an end state in every API we call, so that a second one does no harm; the caller must
//! take a 404 after DELETE as success anyway. A 503 that names a time to come back is a rate limiter or a service
//! that turns requests away before it works on them; one without may be a proxy that lost the answer.

use std::time::Duration;

use http::{Method, StatusCode};

/// Most times that one request is sent, unless the answers name a time to come back.
pub(crate) const MAX_ATTEMPTS: u32 = 4;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What came of an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection was never made.
    NotSent,
    /// The connection broke after the request may have been sent.
    Interrupted,
    /// No answer in time.
    TimedOut,
    /// An answer that is not a success.
    Status {
        /// The status.
        status: StatusCode,
        /// Whether the answer names a time to come back.
        named_a_time: bool,
    },
}

impl Trouble {
    /// An answer with this status that names this time to come back.
    ///
    /// Cinder and Manila answer a full quota with 413 and `Retry-After: 0`, which is no time to come back.
    pub(crate) fn status(status: StatusCode, after: Option<Duration>) -> Self {
        let quota = status == StatusCode::PAYLOAD_TOO_LARGE && after == Some(Duration::ZERO);
        Self::Status { status, named_a_time: after.is_some() && !quota }
    }
}

/// Whether the request may be sent again.
pub(crate) fn may_repeat(method: &Method, trouble: Trouble) -> bool {
    let harmless = *method != Method::POST && *method != Method::PATCH;
    match trouble {
        Trouble::NotSent => true,
        Trouble::Interrupted => harmless,
        Trouble::TimedOut => false,
        Trouble::Status { status, named_a_time } => match status.as_u16() {
            429 => true,
            413 => named_a_time,
            503 => harmless || named_a_time,
            408 | 500 | 502 | 504 => harmless,
            _ => false,
        },
    }
}

/// Whether there may be an attempt after number `attempt` (from 1).
///
/// A service that names a time to come back has heard us and will take us later: for it only the caller's deadline counts.
pub(crate) fn may_go_on(attempt: u32, trouble: Trouble) -> bool {
    attempt < MAX_ATTEMPTS || matches!(trouble, Trouble::Status { named_a_time: true, .. })
}

/// Whether a request that failed like this may have been carried out all the same.
pub(crate) fn may_have_happened(trouble: Trouble) -> bool {
    match trouble {
        Trouble::NotSent => false,
        Trouble::Interrupted | Trouble::TimedOut => true,
        Trouble::Status { status, named_a_time } => match status.as_u16() {
            503 => !named_a_time,
            408 | 500 | 502 | 504 => true,
            _ => false,
        },
    }
}

/// The pause after the attempt number `attempt` (from 1); `random` is in 0..1.
///
/// 200 ms doubling to 5 s, of which a random half is taken off; with a time named by the service at least that time,
/// and up to a tenth more so that the callers do not come back together.
pub(crate) fn pause(attempt: u32, after: Option<Duration>, random: f64) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    let own = full.mul_f64(0.5 + random / 2.0);
    after.map_or(own, |after| {
        // A time of nothing, named again and again, is no reason to ask without pause.
        after.mul_f64(1.0 + random / 10.0).max(if after.is_zero() { own } else { Duration::ZERO })
    })
}

/// Longest time to come back that is believed: longer than any caller waits, short enough to calculate with.
const LONGEST_AFTER: Duration = Duration::from_secs(86_400);

/// `Retry-After`: seconds, or a date that is compared with the answer's own `Date`, so that clocks may differ.
pub(crate) fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    named_time(headers).map(|after| after.min(LONGEST_AFTER))
}

fn named_time(headers: &http::HeaderMap) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().map_or(LONGEST_AFTER, Duration::from_secs));
    }
    let date = headers.get(http::header::DATE)?.to_str().ok()?;
    let seconds = http_date(value)?.duration_since(http_date(date)?).as_secs();
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Reads an HTTP date (RFC 9110), which is an RFC 2822 date with `GMT`.
pub(crate) fn http_date(value: &str) -> Option<jiff::Timestamp> {
    Some(jiff::fmt::rfc2822::parse(value).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, named_a_time: bool) -> Trouble {
        Trouble::Status { status: StatusCode::from_u16(code).unwrap(), named_a_time }
    }

    #[test]
    fn the_table() {
        // trouble, GET, PUT and DELETE, POST, may have happened
        let rows = [
            (Trouble::NotSent, true, true, true, false),
            (Trouble::Interrupted, true, true, false, true),
            (Trouble::TimedOut, false, false, false, true),
            (status(429, false), true, true, true, false),
            (status(429, true), true, true, true, false),
            (status(503, true), true, true, true, false),
            (status(503, false), true, true, false, true),
            (status(500, false), true, true, false, true),
            (status(502, false), true, true, false, true),
            (status(504, true), true, true, false, true),
            (status(408, false), true, true, false, true),
            (status(413, false), false, false, false, false),
            (status(413, true), true, true, true, false),
            (status(400, false), false, false, false, false),
            (status(401, false), false, false, false, false),
            (status(404, false), false, false, false, false),
            (status(409, true), false, false, false, false),
            (status(501, false), false, false, false, false),
        ];
        for (trouble, get, put, post, happened) in rows {
            assert_eq!(may_repeat(&Method::GET, trouble), get, "GET {trouble:?}");
            assert_eq!(may_repeat(&Method::HEAD, trouble), get, "HEAD {trouble:?}");
            assert_eq!(may_repeat(&Method::PUT, trouble), put, "PUT {trouble:?}");
            assert_eq!(may_repeat(&Method::DELETE, trouble), put, "DELETE {trouble:?}");
            assert_eq!(may_repeat(&Method::POST, trouble), post, "POST {trouble:?}");
            assert_eq!(may_repeat(&Method::PATCH, trouble), post, "PATCH {trouble:?}");
            assert_eq!(may_have_happened(trouble), happened, "{trouble:?}");
            assert!(
                !(may_repeat(&Method::POST, trouble) && may_have_happened(trouble)),
                "POST twice: {trouble:?}"
            );
        }
    }

    #[test]
    fn who_names_a_time_is_asked_again_until_the_deadline() {
        for (trouble, on) in
            [(status(503, true), true), (status(503, false), false), (Trouble::NotSent, false)]
        {
            assert!(may_go_on(MAX_ATTEMPTS - 1, trouble));
            assert_eq!(may_go_on(MAX_ATTEMPTS, trouble), on, "{trouble:?}");
        }
    }

    #[test]
    fn a_full_quota_is_no_rate_limit() {
        let trouble = |seconds| Trouble::status(StatusCode::PAYLOAD_TOO_LARGE, seconds);
        assert_eq!(trouble(Some(Duration::ZERO)), status(413, false));
        assert_eq!(trouble(Some(Duration::from_secs(1))), status(413, true));
        assert_eq!(Trouble::status(StatusCode::TOO_MANY_REQUESTS, Some(Duration::ZERO)), status(429, true));
    }

    #[test]
    fn pauses_grow_and_stay_within_bounds() {
        let ms = Duration::from_millis;
        assert_eq!([1, 2, 3].map(|attempt| pause(attempt, None, 1.0)), [ms(200), ms(400), ms(800)]);
        assert_eq!(pause(1, None, 0.0), ms(100));
        assert_eq!(pause(30, None, 1.0), LONGEST_PAUSE);
        assert_eq!(pause(1, Some(ms(1000)), 0.0), ms(1000));
        assert_eq!(pause(9, Some(ms(1000)), 1.0), ms(1100));
        assert_eq!(pause(2, Some(Duration::ZERO), 1.0), ms(400));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let headers = |retry: &str, date: Option<&str>| {
            let mut headers = http::HeaderMap::new();
            headers.insert("retry-after", retry.parse().unwrap());
            if let Some(date) = date {
                headers.insert("date", date.parse().unwrap());
            }
            retry_after(&headers)
        };
        let now = Some("Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(headers("7", None), Some(Duration::from_secs(7)));
        assert_eq!(headers("Wed, 21 Oct 2026 07:28:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(headers("Wed, 21 Oct 2026 07:27:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(headers("Wed, 21 Oct 2026 07:28:30 GMT", None), None);
        assert_eq!(headers("soon", now), None);
        for endless in ["18446744073709551615", "99999999999999999999999"] {
            let after = headers(endless, None);
            assert_eq!(after, Some(LONGEST_AFTER));
            assert!(pause(1, after, 1.0) > LONGEST_AFTER, "and it can be calculated with");
        }
        assert_eq!(headers("-1", None), None);
    }
}
