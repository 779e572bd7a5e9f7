//! When to look again: steps of one waiter, and the budget of all.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

const LONGEST_STEP: Duration = Duration::from_secs(1);
const GROWTH: f64 = 1.3;
/// Longest time without a look, whatever was learnt.
const SPARSE: Duration = Duration::from_secs(2);

/// Most looks at once after a quiet time.
const BURST: f64 = 20.0;
/// Looks a second in the long run: 60 a minute.
const RATE: f64 = 1.0;

/// The steps of one waiter: short at first, since most changes take tenths of a second, then longer.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub next: Instant,
    step: Duration,
}

impl Pace {
    /// The first step.
    pub(super) const FIRST: Duration = Duration::from_millis(50);

    /// Looks first at `first`.
    pub(super) fn starting(first: Instant) -> Self {
        Self { next: first, step: Self::FIRST }
    }

    /// Whether a look at `now` serves this waiter, too: it would look within one step anyway.
    pub(super) fn is_near(&self, now: Instant) -> bool {
        self.next <= now + self.step
    }

    /// A look at `now` found nothing new.
    pub(super) fn looked(&mut self, now: Instant) {
        if self.is_near(now) {
            self.next = now + self.step;
            self.step = self.step.mul_f64(GROWTH).min(LONGEST_STEP);
        }
    }

    /// A look at `now` found nothing new, and little is expected before `expected`: now and then until there, from
    /// there on in short steps.
    pub(super) fn looked_early(&mut self, now: Instant, expected: Instant) {
        *self = Self::starting(expected.min(now + SPARSE));
    }
}

/// A bucket of looks that fills at a steady rate.
#[derive(Debug)]
pub(super) struct Budget {
    looks: f64,
    at: Instant,
}

impl Budget {
    pub(super) fn full(now: Instant) -> Self {
        Self { looks: BURST, at: now }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.looks = (self.looks + passed * RATE).min(BURST);
        self.at = now;
    }

    /// Takes a look out, if need be on credit.
    pub(super) fn take(&mut self, now: Instant) {
        self.refill(now);
        self.looks -= 1.0;
    }

    /// How long after the last look the next may be: at once while half is left, once a second from an empty bucket,
    /// and in between the slower the less is left, so that a latecomer still finds some.
    pub(super) fn spacing(&mut self, now: Instant) -> Duration {
        self.refill(now);
        let used = (1.0 - 2.0 * self.looks / BURST).max(0.0);
        Duration::from_secs_f64(used * used / RATE)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.looks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn steps_grow_from_50_ms_to_1_s() {
        let start = Instant::now();
        let mut pace = Pace::starting(start);
        let mut looks = Vec::new();
        while looks.len() < 16 {
            pace.looked(pace.next);
            looks.push((pace.next - start).as_millis());
        }
        assert_eq!(looks[..6], [50, 115, 199, 309, 452, 637]);
        assert_eq!(looks[15] - looks[14], 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_shortly_before_the_own_one_replaces_it() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut pace = Pace::starting(start + ms(40));
        pace.looked(start);
        assert_eq!(pace.next, start + ms(50));
        let mut far = Pace::starting(start + ms(400));
        far.looked(start);
        assert_eq!(far.next, start + ms(400));
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_is_a_burst_of_20_and_60_a_minute() {
        let start = Instant::now();
        let mut budget = Budget::full(start);
        let (mut now, mut looks) = (start, 0);
        let mut after_one_second = 0;
        while now < start + Duration::from_secs(120) {
            budget.take(now);
            looks += 1;
            now += budget.spacing(now).max(Duration::from_millis(1));
            if now < start + Duration::from_secs(1) {
                after_one_second = looks;
            }
        }
        assert!((8..=20).contains(&after_one_second), "{after_one_second}");
        assert!((120..=141).contains(&looks), "{looks}");
    }
}
