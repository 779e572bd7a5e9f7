//! What goes wrong in a run, entry by entry, as plain data: to be printed, replayed and made smaller.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use simulator::link::{Cut, Point};
use simulator::{Fault, Rule};

/// One thing that goes wrong. Times are milliseconds since the run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Trouble {
    /// Requests go wrong.
    Fault(Rule),
    /// A process is killed when its `n`-th request passes a point, and started again.
    Kill {
        /// Which, in the order of their start.
        replica: usize,
        /// Where its request is.
        point: At,
        /// Which request, from 1.
        n: u64,
        /// How long until it is started again.
        back_after_ms: u64,
    },
    /// A process is asked to stop, as by SIGTERM, and started again when it has ended.
    Stop {
        /// Which.
        replica: usize,
        /// When.
        at_ms: u64,
        /// How long until it is started again.
        back_after_ms: u64,
    },
    /// A process cannot reach a service.
    Partition {
        /// Which.
        replica: usize,
        /// From which service, `kubernetes` included; empty for all.
        service: String,
        /// What becomes of requests.
        how: How,
        /// From when.
        from_ms: u64,
        /// Until when.
        until_ms: u64,
    },
    /// The API server forgets old versions: watches end with 410.
    Forget {
        /// When.
        at_ms: u64,
    },
}

/// [`Point`], as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum At {
    /// Before a request leaves.
    Leaves,
    /// When it has taken effect.
    Effect,
    /// When its answer arrives.
    Arrives,
}

/// [`Cut`], as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum How {
    /// Connections are refused.
    Refused,
    /// Nothing comes through.
    Silent,
    /// Requests arrive, answers do not.
    Deaf,
}

impl At {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Leaves, Self::Effect, Self::Arrives];
}

impl From<At> for Point {
    fn from(at: At) -> Self {
        match at {
            At::Leaves => Self::Leaves,
            At::Effect => Self::Effect,
            At::Arrives => Self::Arrives,
        }
    }
}

impl From<How> for Cut {
    fn from(how: How) -> Self {
        match how {
            How::Refused => Self::Refused,
            How::Silent => Self::Silent,
            How::Deaf => Self::Deaf,
        }
    }
}

impl Trouble {
    /// Its kind, as in statistics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Fault(rule) => rule.fault.kind(),
            Self::Kill { point: At::Leaves, .. } => "kill-leaves",
            Self::Kill { point: At::Effect, .. } => "kill-effect",
            Self::Kill { point: At::Arrives, .. } => "kill-arrives",
            Self::Stop { .. } => "stop",
            Self::Partition { how: How::Refused, .. } => "partition-refused",
            Self::Partition { how: How::Silent, .. } => "partition-silent",
            Self::Partition { how: How::Deaf, .. } => "partition-deaf",
            Self::Forget { .. } => "forget",
        }
    }
}

/// Draws troubles from a seed's random numbers.
pub(crate) struct Dice<'a> {
    rng: &'a mut fastrand::Rng,
    /// Troubles happen in this time.
    within: Duration,
}

impl<'a> Dice<'a> {
    /// Dice for troubles in the first `within` of the run.
    pub(crate) fn new(rng: &'a mut fastrand::Rng, within: Duration) -> Self {
        Self { rng, within }
    }

    /// A time in milliseconds.
    pub(crate) fn time(&mut self) -> u64 {
        self.rng.u64(0..millis(self.within))
    }

    /// A rule that holds for a while, for some of the requests that fit.
    pub(crate) fn spell(&mut self, rule: Rule) -> Trouble {
        let from = self.time();
        let long = self.rng.u64(1_000..=20_000);
        let mut rule = rule.between(Duration::from_millis(from), Duration::from_millis(from + long));
        rule.probability = [0.2, 0.5, 1.0][self.rng.usize(..3)];
        Trouble::Fault(rule)
    }

    /// A rule for one of the first `of` requests that fit.
    pub(crate) fn once(&mut self, rule: Rule, of: u64) -> Trouble {
        let n = self.rng.u64(1..=of);
        Trouble::Fault(rule.nth(n))
    }

    /// A kill at one of the first `of` requests of one of `replicas`.
    pub(crate) fn kill(&mut self, replicas: usize, of: u64) -> Trouble {
        Trouble::Kill {
            replica: self.rng.usize(..replicas),
            point: At::ALL[self.rng.usize(..3)],
            n: self.rng.u64(1..=of),
            back_after_ms: self.rng.u64(100..20_000),
        }
    }

    /// A SIGTERM.
    pub(crate) fn stop(&mut self, replicas: usize) -> Trouble {
        Trouble::Stop {
            replica: self.rng.usize(..replicas),
            at_ms: self.time(),
            back_after_ms: self.rng.u64(100..5_000),
        }
    }

    /// A partition between one of `replicas` and one of `services`.
    pub(crate) fn partition(&mut self, replicas: usize, services: &[&str]) -> Trouble {
        let from_ms = self.time();
        Trouble::Partition {
            replica: self.rng.usize(..replicas),
            service: services[self.rng.usize(..services.len())].to_owned(),
            how: [How::Refused, How::Silent, How::Deaf][self.rng.usize(..3)],
            from_ms,
            until_ms: from_ms + self.rng.u64(500..30_000),
        }
    }

    /// One of these.
    pub(crate) fn any<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())].clone()
    }

    /// A number from the range.
    pub(crate) fn number(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.rng.u64(range)
    }

    /// Whether one in `n` holds.
    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    /// One of the ways in which a write to the cloud comes to grief.
    pub(crate) fn write_fault(&mut self) -> Fault {
        // Later than the next try a request to make something makes it twice, and nobody can know.
        let by_ms = self.number(500..=4_000);
        self.any(&[
            status(500),
            status(503),
            status(504),
            status(429),
            Fault::Refused,
            Fault::LostBefore,
            Fault::LostAfter,
            Fault::Late { by_ms },
            Fault::HangAfter,
            Fault::Hang,
            Fault::Slow { by_ms },
            Fault::Truncated,
        ])
    }
}

/// The service answers this status itself.
pub(crate) fn status(status: u16) -> Fault {
    Fault::Status { status, message: None, retry_after: None, foreign: false }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_plain_data() {
        let mut rng = fastrand::Rng::with_seed(4);
        let mut dice = Dice::new(&mut rng, Duration::from_secs(60));
        let fault = dice.write_fault();
        let troubles = [
            dice.spell(Rule::new(fault)),
            dice.kill(3, 100),
            dice.stop(3),
            dice.partition(2, &["octavia"]),
            Trouble::Forget { at_ms: 5 },
        ];
        let text = serde_json::to_string(&troubles).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Trouble>>(&text).unwrap(), troubles, "{text}");
    }
}
