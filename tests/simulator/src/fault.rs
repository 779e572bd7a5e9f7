//! Fault scripts: what goes wrong with which requests, as plain data that can be saved, replayed and made smaller.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// All that goes wrong in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// Each looks at every request by itself.
    pub rules: Vec<Rule>,
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The requests it looks at.
    #[serde(default)]
    pub on: Match,
    /// From when on, in milliseconds since the world's beginning.
    #[serde(default)]
    pub from_ms: u64,
    /// Until when; for ever if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// How many fitting requests are let through first.
    #[serde(default)]
    pub skip: u64,
    /// How often it happens at most; as often as it fits if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How probable it is for each request that fits.
    #[serde(default = "always")]
    pub probability: f64,
    /// What happens.
    pub fault: Fault,
}

fn always() -> f64 {
    1.0
}

/// Which requests. What is missing fits all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// `keystone`, `nova`, `neutron`, `octavia`, `kubernetes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// `GET`, …; `write` stands for all but GET and HEAD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path's template as the ledger has it; a `*` at the end fits any rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The name of the process' link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The service answers this status and does nothing.
    Status {
        /// The HTTP status.
        status: u16,
        /// The text of the error; the service's usual one if missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// `Retry-After`, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// A proxy says it, with a page of HTML, instead of the service.
        #[serde(default)]
        foreign: bool,
    },
    /// No connection is made.
    Refused,
    /// The connection breaks before the service has read the request.
    LostBefore,
    /// The service does it, but the answer is lost.
    LostAfter,
    /// The connection breaks, and the service does it that much later.
    Late {
        /// Milliseconds.
        by_ms: u64,
    },
    /// Nothing happens, and nothing is answered.
    Hang,
    /// The service does it, and nothing is answered.
    HangAfter,
    /// It takes longer.
    Slow {
        /// Milliseconds, before the effect.
        by_ms: u64,
    },
    /// The answer's body ends in the middle.
    Truncated,
    /// What is begun by this write ends in ERROR.
    Fail,
    /// A read is answered with what was that long ago.
    Stale {
        /// Milliseconds.
        by_ms: u64,
    },
    /// The rows of a list come in another order.
    Shuffled,
    /// A page of a list has at most so many rows.
    ShortPage {
        /// Rows.
        rows: usize,
    },
    /// The token of the request is revoked just before.
    TokenDeath,
    /// The wall clock of the world jumps just before.
    ClockJump {
        /// Milliseconds; negative is back.
        by_ms: i64,
    },
}

impl Fault {
    /// Its kind, as in the script and in statistics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Status { foreign: true, .. } => "status-foreign",
            Self::Status { status: 400..500, .. } => "status-4xx",
            Self::Status { .. } => "status-5xx",
            Self::Refused => "refused",
            Self::LostBefore => "lost-before",
            Self::LostAfter => "lost-after",
            Self::Late { .. } => "late",
            Self::Hang => "hang",
            Self::HangAfter => "hang-after",
            Self::Slow { .. } => "slow",
            Self::Truncated => "truncated",
            Self::Fail => "fail",
            Self::Stale { .. } => "stale",
            Self::Shuffled => "shuffled",
            Self::ShortPage { .. } => "short-page",
            Self::TokenDeath => "token-death",
            Self::ClockJump { .. } => "clock-jump",
        }
    }
}

/// What a rule sees of a request.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Which service it goes to.
    pub service: &'a str,
    /// Its method, in capitals.
    pub method: &'a str,
    /// Its path, ids replaced by `{id}`.
    pub path: &'a str,
    /// Who sends it.
    pub client: &'a str,
    /// Time since the world's beginning.
    pub at: Duration,
}

impl Match {
    fn fits(&self, seen: &Seen<'_>) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let method = match self.method.as_deref() {
            Some("write") => !matches!(seen.method, "GET" | "HEAD"),
            _ => is(&self.method, seen.method),
        };
        let path = self.path.as_deref().is_none_or(|wanted| match wanted.strip_suffix('*') {
            Some(start) => seen.path.starts_with(start),
            None => wanted == seen.path,
        });
        method && path && is(&self.service, seen.service) && is(&self.client, seen.client)
    }
}

/// The script at work, with counts; clones share it.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    script: Script,
    /// Of each rule: requests that fitted, and how often it happened.
    counts: Vec<(u64, u64)>,
    fired: BTreeMap<&'static str, u64>,
    rng: fastrand::Rng,
}

impl Faults {
    pub(crate) fn new(script: Script, rng: fastrand::Rng) -> Self {
        let counts = vec![(0, 0); script.rules.len()];
        Self(Arc::new(Mutex::new(State { script, counts, fired: BTreeMap::new(), rng })))
    }

    /// Follows this script from now on; the counts of its rules begin anew, those of kinds go on.
    pub fn follow(&self, script: Script) {
        let mut state = self.lock();
        state.counts = vec![(0, 0); script.rules.len()];
        state.script = script;
    }

    /// The script that is followed.
    pub fn script(&self) -> Script {
        self.lock().script.clone()
    }

    /// How often each kind happened.
    pub fn fired(&self) -> BTreeMap<&'static str, u64> {
        self.lock().fired.clone()
    }

    /// How often each rule of the script happened, in its order.
    pub fn fired_by_rule(&self) -> Vec<u64> {
        self.lock().counts.iter().map(|(_, fired)| *fired).collect()
    }

    /// Whether any rule could make an answer stale, and by how much at most.
    pub(crate) fn stalest(&self) -> Option<Duration> {
        let state = self.lock();
        let ages = state.script.rules.iter().filter_map(|rule| match rule.fault {
            Fault::Stale { by_ms } => Some(Duration::from_millis(by_ms)),
            _ => None,
        });
        ages.max()
    }

    /// All that happens to this request.
    pub fn decide(&self, seen: &Seen<'_>) -> Vec<Fault> {
        let mut state = self.lock();
        let State { script, counts, fired, rng } = &mut *state;
        let now = u64::try_from(seen.at.as_millis()).unwrap_or(u64::MAX);
        let mut happening = Vec::new();
        for (rule, (fitted, happened)) in script.rules.iter().zip(counts) {
            let in_time = rule.from_ms <= now && rule.until_ms.is_none_or(|until| now < until);
            if !in_time || !rule.on.fits(seen) {
                continue;
            }
            *fitted += 1;
            let due = *fitted > rule.skip && rule.times.is_none_or(|times| *happened < times);
            // Drawn only where it matters, so that a rule that is certain does not move the others' dice.
            if due && (rule.probability >= 1.0 || rng.f64() < rule.probability) {
                *happened += 1;
                *fired.entry(rule.fault.kind()).or_default() += 1;
                happening.push(rule.fault.clone());
            }
        }
        happening
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    /// A rule for all requests, always.
    pub fn new(fault: Fault) -> Self {
        Self {
            on: Match::default(),
            from_ms: 0,
            until_ms: None,
            skip: 0,
            times: None,
            probability: always(),
            fault,
        }
    }

    /// Only for requests to this service.
    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        self.on.service = Some(service.to_owned());
        self
    }

    /// Only for this method, or `write` for all that change something.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.on.method = Some(method.to_owned());
        self
    }

    /// Only for this path's template.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.on.path = Some(path.to_owned());
        self
    }

    /// Only for the process of this name.
    #[must_use]
    pub fn client(mut self, client: &str) -> Self {
        self.on.client = Some(client.to_owned());
        self
    }

    /// Only between these times since the world's beginning.
    #[must_use]
    pub fn between(mut self, from: Duration, until: Duration) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        (self.from_ms, self.until_ms) = (millis(from), Some(millis(until)));
        self
    }

    /// Only for the `n`-th request that fits, from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        (self.skip, self.times) = (n.saturating_sub(1), Some(1));
        self
    }

    /// At most so often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// With this probability.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(rules: Vec<Rule>) -> Faults {
        Faults::new(Script { rules }, fastrand::Rng::with_seed(1))
    }

    fn seen(method: &'static str, path: &'static str, seconds: u64) -> Seen<'static> {
        Seen { service: "octavia", method, path, client: "a", at: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_rule_fits_by_service_method_path_client_and_time() {
        let rule = Rule::new(Fault::Hang)
            .service("octavia")
            .method("write")
            .path("/v2/lbaas/*")
            .client("a")
            .between(Duration::from_secs(1), Duration::from_secs(2));
        let fits = |seen: &Seen<'_>| !faults(vec![rule.clone()]).decide(seen).is_empty();
        let right = seen("POST", "/v2/lbaas/pools", 1);
        assert!(fits(&right));
        for wrong in [
            seen("GET", "/v2/lbaas/pools", 1),
            seen("POST", "/v2/flavors", 1),
            seen("POST", "/v2/lbaas/pools", 0),
            seen("POST", "/v2/lbaas/pools", 2),
            Seen { service: "nova", ..right },
            Seen { client: "b", ..right },
        ] {
            assert!(!fits(&wrong), "{wrong:?}");
        }
    }

    #[test]
    fn nth_and_times_count_the_fitting_only_and_statistics_count_what_happened() {
        let faults =
            faults(vec![Rule::new(Fault::Hang).method("GET").nth(2), Rule::new(Fault::LostAfter).times(1)]);
        let kinds = |method| faults.decide(&seen(method, "/", 0)).iter().map(Fault::kind).collect::<Vec<_>>();
        assert_eq!(kinds("POST"), ["lost-after"]);
        assert_eq!(kinds("GET"), [""; 0]);
        assert_eq!(kinds("GET"), ["hang"]);
        assert_eq!(kinds("GET"), [""; 0]);
        assert_eq!(faults.fired(), BTreeMap::from([("hang", 1), ("lost-after", 1)]));
        assert_eq!(faults.fired_by_rule(), [1, 1]);
    }

    #[test]
    fn probability_follows_the_seed() {
        let faults = faults(vec![Rule::new(Fault::Refused).probability(0.5)]);
        let happened = (0..1000).filter(|_| !faults.decide(&seen("GET", "/", 0)).is_empty()).count();
        assert!((400..600).contains(&happened), "{happened}");
        assert_eq!(faults.fired()["refused"], happened as u64);
    }

    #[test]
    fn a_script_is_plain_data() {
        let status = Fault::Status { status: 409, message: None, retry_after: None, foreign: false };
        let rules = vec![
            Rule::new(Fault::Late { by_ms: 30_000 }).method("POST").nth(3).probability(0.25),
            Rule::new(status).service("octavia").times(5),
            Rule::new(Fault::TokenDeath),
        ];
        let script = Script { rules };
        let text = serde_json::to_string(&script).unwrap();
        assert!(text.contains(r#""late":{"by_ms":30000}"#) && text.contains(r#""token-death""#), "{text}");
        assert_eq!(serde_json::from_str::<Script>(&text).unwrap(), script);
        assert!(serde_json::from_str::<Script>(r#"{"rules":[{"fault":"hang","evry":1}]}"#).is_err());
    }
}
