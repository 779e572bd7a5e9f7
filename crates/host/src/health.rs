//! Named checks behind `/healthz`, `/livez` and `/readyz`.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a check decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The process should be started anew when this fails. Part of `/livez` and `/healthz`.
    Live,
    /// The process cannot work now. Part of `/readyz` only.
    Ready,
}

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The checks of a process. Filled before it serves.
#[derive(Clone, Default)]
pub struct Health {
    checks: Vec<(Probe, String, Check)>,
    last: Family<Asked, Gauge>,
    counted: Family<Answered, Counter>,
}

/// A check and the page that asked.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    name: String,
    r#type: String,
}

/// The same with the answer.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    name: String,
    status: &'static str,
    r#type: String,
}

impl Health {
    /// Adds a check, which must not block. Its error is logged, but not shown: who asks may be anybody.
    pub fn add(
        &mut self,
        probe: Probe,
        name: &str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.checks.push((probe, name.to_owned(), Arc::new(check)));
    }

    /// The metrics of `/metrics/slis`. Do not change the names: they are Kubernetes' own.
    pub(crate) fn slis(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register(
            "kubernetes_healthcheck",
            "Result of a health check the last time it was asked: 1 is good",
            self.last.clone(),
        );
        registry.register("kubernetes_healthchecks", "Results of health checks", self.counted.clone());
        registry
    }

    fn count(&self, name: &str, page: &str, good: bool) {
        let asked = Asked { name: name.to_owned(), r#type: page.to_owned() };
        self.last.get_or_create(&asked).set(i64::from(good));
        let status = if good { "success" } else { "error" };
        self.counted.get_or_create(&Answered { name: asked.name, status, r#type: asked.r#type }).inc();
    }

    /// Whether all is well, and the page that says so; `query` may ask to be `verbose` and `exclude` checks by name.
    pub(crate) fn page(&self, path: &str, query: &str) -> (bool, String) {
        let parameters: Vec<(&str, &str)> =
            query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
        let excluded = |name: &str| parameters.contains(&("exclude", name));
        let mut lines = vec!["[+]ping ok".to_owned()];
        let mut healthy = true;
        self.count("ping", path, true);
        for (probe, name, check) in &self.checks {
            if path != "readyz" && *probe == Probe::Ready {
                continue;
            }
            if excluded(name) {
                lines.push(format!("[+]{name} excluded: ok"));
                continue;
            }
            let result = check();
            self.count(name, path, result.is_ok());
            lines.push(match result {
                Ok(()) => format!("[+]{name} ok"),
                Err(reason) => {
                    tracing::warn!(check = name, reason, "{path} check failed");
                    healthy = false;
                    format!("[-]{name} failed: reason withheld")
                }
            });
        }
        if healthy && !parameters.iter().any(|(name, _)| *name == "verbose") {
            return (true, "ok".to_owned());
        }
        lines.push(format!("{path} check {}\n", if healthy { "passed" } else { "failed" }));
        (healthy, lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        let mut health = Health::default();
        health.add(Probe::Live, "leaderElection", || Ok(()));
        health.add(Probe::Live, "queue", || Err("stuck: secret".into()));
        health.add(Probe::Ready, "cloud", || Err("down".into()));
        health
    }

    #[test]
    fn failures_are_listed_without_reasons() {
        let page =
            "[+]ping ok\n[+]leaderElection ok\n[-]queue failed: reason withheld\nhealthz check failed\n";
        assert_eq!(health().page("healthz", ""), (false, page.to_owned()));
        assert!(health().page("readyz", "").1.contains("[-]cloud failed"));
    }

    #[test]
    fn what_is_excluded_is_not_asked() {
        assert_eq!(health().page("livez", "exclude=queue"), (true, "ok".to_owned()));
        let (healthy, page) = health().page("livez", "verbose&exclude=queue");
        assert!(healthy && page.ends_with("[+]queue excluded: ok\nlivez check passed\n"), "{page}");
    }

    #[test]
    fn without_checks_all_is_well() {
        assert_eq!(Health::default().page("healthz", ""), (true, "ok".to_owned()));
    }
}
