//! Decides whether something said becomes a new event, another count of one that exists, or nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{EventTarget, Said};

/// What to do with something said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Create { name: String },
    Repeat { name: String, count: u32 },
    Drop,
}

/// What was said lately. Bounded: the oldest is forgotten, which costs a new event in place of a count.
#[derive(Default)]
pub(super) struct Correlator {
    written: BTreeMap<Said, Written>,
    budgets: BTreeMap<EventTarget, Budget>,
    last_stamp: i128,
}

struct Written {
    name: String,
    count: u32,
    at: Instant,
}

struct Budget {
    tokens: f64,
    at: Instant,
}

/// How much is remembered.
const REMEMBERED: usize = 4096;
/// Events about one object: so many at once, and one more each so often (client-go's numbers).
const BURST: f64 = 25.0;
const REFILL: Duration = Duration::from_mins(5);
/// A message that has not been repeated for so long starts a new event; the API server keeps events for an hour.
const FORGOTTEN: Duration = Duration::from_mins(10);

impl Correlator {
    pub(super) fn next(&mut self, said: &Said) -> Step {
        let now = Instant::now();
        if !self.spend(&said.target, now) {
            return Step::Drop;
        }
        if let Some(written) = self.written.get_mut(said)
            && now.duration_since(written.at) < FORGOTTEN
        {
            written.count += 1;
            written.at = now;
            return Step::Repeat { name: written.name.clone(), count: written.count };
        }
        self.afresh(said)
    }

    /// A new event whatever was there.
    pub(super) fn afresh(&mut self, said: &Said) -> Step {
        // client-go's form: the object's name and the time in hexadecimal nanoseconds.
        self.last_stamp = jiff::Timestamp::now().as_nanosecond().max(self.last_stamp + 1);
        let name = format!("{}.{:x}", said.target.name, self.last_stamp);
        let at = Instant::now();
        make_room(&mut self.written, |written| written.at);
        self.written.insert(said.clone(), Written { name: name.clone(), count: 1, at });
        Step::Create { name }
    }

    fn spend(&mut self, target: &EventTarget, now: Instant) -> bool {
        if !self.budgets.contains_key(target) {
            make_room(&mut self.budgets, |budget| budget.at);
        }
        let budget = self.budgets.entry(target.clone()).or_insert(Budget { tokens: BURST, at: now });
        let gained = now.duration_since(budget.at).as_secs_f64() / REFILL.as_secs_f64();
        budget.tokens = (budget.tokens + gained).min(BURST);
        budget.at = now;
        if budget.tokens < 1.0 {
            return false;
        }
        budget.tokens -= 1.0;
        true
    }
}

/// Forgets the older half when the map is full.
fn make_room<K: Ord, V>(map: &mut BTreeMap<K, V>, at: impl Fn(&V) -> Instant) {
    if map.len() < REMEMBERED {
        return;
    }
    let mut times: Vec<Instant> = map.values().map(&at).collect();
    times.sort_unstable();
    let middle = times[times.len() / 2];
    map.retain(|_, value| at(value) > middle);
}

#[cfg(test)]
mod tests {
    use super::super::EventType;
    use super::*;

    fn said(name: &str, message: &str) -> Said {
        Said {
            target: EventTarget { kind: "Service".into(), name: name.into(), ..EventTarget::default() },
            component: "service-controller".into(),
            kind: EventType::Warning,
            reason: "SyncLoadBalancerFailed".into(),
            message: message.into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_raises_the_count() {
        let mut correlator = Correlator::default();
        let Step::Create { name } = correlator.next(&said("a", "x")) else { panic!("not created") };
        assert!(name.starts_with("a."));
        assert_eq!(correlator.next(&said("a", "x")), Step::Repeat { name: name.clone(), count: 2 });
        assert!(matches!(correlator.next(&said("a", "y")), Step::Create { .. }));
        assert_eq!(correlator.next(&said("a", "x")), Step::Repeat { name, count: 3 });
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_quiet_time_a_new_event_begins() {
        let mut correlator = Correlator::default();
        correlator.next(&said("a", "x"));
        tokio::time::advance(FORGOTTEN).await;
        assert!(matches!(correlator.next(&said("a", "x")), Step::Create { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn one_object_cannot_flood_and_others_are_not_held_back() {
        let mut correlator = Correlator::default();
        let steps: Vec<Step> = (0..100).map(|n| correlator.next(&said("a", &n.to_string()))).collect();
        assert_eq!(steps.iter().filter(|step| **step != Step::Drop).count(), 25);
        assert!(matches!(correlator.next(&said("b", "x")), Step::Create { .. }));
        tokio::time::advance(REFILL).await;
        assert!(matches!(correlator.next(&said("a", "z")), Step::Create { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let mut correlator = Correlator::default();
        for n in 0..3 * REMEMBERED {
            correlator.next(&said(&n.to_string(), "x"));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(correlator.written.len() <= REMEMBERED && correlator.budgets.len() <= REMEMBERED);
        assert!(correlator.written.len() >= REMEMBERED / 2);
    }

    #[test]
    fn names_never_repeat() {
        let mut correlator = Correlator::default();
        let names: std::collections::BTreeSet<String> = (0..1000)
            .map(|_| match correlator.afresh(&said("a", "x")) {
                Step::Create { name } => name,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names.len(), 1000);
    }
}
