//! Metrics: what every process tells about itself, and the two text forms in which scrapers ask for them.

mod process;

use std::fmt::Write as _;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// `OpenMetrics` text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The older Prometheus text.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A registry with the usual `process_*` metrics.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(process::Process));
    registry
}

/// The metrics in the form that `accept` (the request's header) asks for, with its content type.
pub fn exposition(registry: &Registry, accept: Option<&str>) -> (&'static str, String) {
    let mut text = String::new();
    // Writing to a string fails only if a metric refuses to be written; what was written so far is still true.
    if encode(&mut text, registry).is_err() {
        tracing::error!("metrics are incomplete");
    }
    if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        (OPEN_METRICS, text)
    } else {
        (PLAIN, plain(&text))
    }
}

/// `OpenMetrics` text in the older form: counters are declared under their full name, and some types are unknown there.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // HELP comes before TYPE, which decides the name. Writing to a string cannot fail.
    let mut help: Option<(&str, &str)> = None;
    for line in text.lines() {
        if let Some((name, words)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help = Some((name, words));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, words)) = help.take().filter(|(of, _)| *of == name) {
                let _ = writeln!(out, "# HELP {name}{suffix} {words}");
            }
            let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::histogram::Histogram;

    use super::*;

    fn sample() -> Registry {
        let mut registry = Registry::default();
        let calls = Family::<Vec<(String, String)>, Counter>::default();
        calls.get_or_create(&vec![("request".into(), "server_get".into())]).inc();
        registry.register("openstack_api_requests", "Calls", calls);
        let duration = Histogram::new([0.5, 1.0]);
        duration.observe(0.7);
        registry.register("openstack_api_request_duration_seconds", "Durations", duration);
        registry
    }

    #[test]
    fn scrapers_get_the_form_they_ask_for() {
        let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";
        let (kind, text) = exposition(&sample(), Some(accept));
        assert_eq!(kind, OPEN_METRICS);
        assert!(text.contains("# TYPE openstack_api_requests counter\n") && text.ends_with("# EOF\n"));
        assert_eq!(exposition(&sample(), None).0, PLAIN);
        assert_eq!(exposition(&sample(), Some("*/*")).0, PLAIN);
    }

    #[test]
    fn the_older_form_names_counters_in_full() {
        assert_eq!(
            exposition(&sample(), None).1,
            "# HELP openstack_api_requests_total Calls.\n\
             # TYPE openstack_api_requests_total counter\n\
             openstack_api_requests_total{request=\"server_get\"} 1\n\
             # HELP openstack_api_request_duration_seconds Durations.\n\
             # TYPE openstack_api_request_duration_seconds histogram\n\
             openstack_api_request_duration_seconds_sum 0.7\n\
             openstack_api_request_duration_seconds_count 1\n\
             openstack_api_request_duration_seconds_bucket{le=\"0.5\"} 0\n\
             openstack_api_request_duration_seconds_bucket{le=\"1.0\"} 1\n\
             openstack_api_request_duration_seconds_bucket{le=\"+Inf\"} 1\n"
        );
    }

    #[test]
    fn a_process_tells_about_itself() {
        let (_, text) = exposition(&registry(), None);
        let value = |name: &str| -> f64 {
            let line =
                text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
            line.unwrap_or_else(|| panic!("{name} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_cpu_seconds_total") >= 0.0);
        let started = value("process_start_time_seconds");
        let now = jiff::Timestamp::now().as_duration().as_secs_f64();
        assert!(started <= now + 2.0 && now - started < 3600.0, "{started} {now}");
    }
}
