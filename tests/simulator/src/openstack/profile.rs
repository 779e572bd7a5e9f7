//! Which OpenStack it is: what it can, and how long it takes.

use std::time::Duration;

/// A release of OpenStack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 2019.2.
    Train,
    /// 2022.1.
    Yoga,
    /// 2024.1.
    Caracal,
    /// 2026.2, which the laboratory runs.
    #[default]
    Newest,
}

/// Which OpenStack a cloud is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Its release.
    pub release: Release,
}

impl From<Release> for Profile {
    fn from(release: Release) -> Self {
        Self { release }
    }
}

impl Profile {
    /// Nova's highest microversion, by its release notes.
    pub(crate) fn nova_newest(self) -> (u16, u16) {
        match self.release {
            Release::Train => (2, 79),
            Release::Yoga => (2, 90),
            Release::Caracal => (2, 96),
            Release::Newest => (2, 104),
        }
    }

    /// Octavia's highest minor version, by its release notes.
    pub(crate) fn octavia_newest(self) -> u16 {
        match self.release {
            Release::Train => 13,
            Release::Yoga => 25,
            Release::Caracal => 28,
            Release::Newest => 30,
        }
    }

    /// Whether Neutron has the extension `extraroute-atomic` (since Ussuri).
    pub(crate) fn has_extraroute_atomic(self) -> bool {
        self.release > Release::Train
    }
}

/// How long a request takes without its effect: drawn evenly between the two for each way.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// The least.
    pub least: Duration,
    /// The most.
    pub most: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self { least: Duration::from_millis(5), most: Duration::from_millis(60) }
    }
}

impl Latency {
    /// None at all.
    pub const NONE: Self = Self { least: Duration::ZERO, most: Duration::ZERO };

    pub(crate) fn draw(self, rng: &mut fastrand::Rng) -> Duration {
        let spread = self.most.saturating_sub(self.least);
        self.least + spread.mul_f64(rng.f64())
    }
}
