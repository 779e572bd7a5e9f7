//! `/debug/flags/v`: the log's verbosity, changed while the program runs.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::put;

/// Longest body: a number.
const LONGEST: usize = 16;

pub(super) fn router() -> Router {
    Router::new().route("/debug/flags/v", put(set)).layer(DefaultBodyLimit::max(LONGEST))
}

async fn set(body: String) -> (StatusCode, String) {
    match body.trim().parse::<i32>() {
        Ok(verbosity) => {
            crate::logging::set_verbosity(verbosity);
            tracing::info!(verbosity, "verbosity changed");
            (StatusCode::OK, format!("successfully set klog.logging.verbosity to {verbosity}"))
        }
        Err(_) => (StatusCode::BAD_REQUEST, "expected a number".to_owned()),
    }
}
