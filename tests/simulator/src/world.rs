//! What everything simulated shares: the seed, the clocks, ids, faults and the ledger.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::fault::{Faults, Script};
use crate::ledger::{Entry, Ledger, Number};
use crate::link::Link;

/// When every world begins by its own clock: 2026-01-01T00:00:00Z, in seconds since 1970.
const BEGINNING: i64 = 1_767_225_600;

/// A simulated world; clones share it. Everything random in it follows from the seed.
#[derive(Clone, Debug)]
pub struct World(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    seed: u64,
    began: Instant,
    base: Timestamp,
    /// How far the wall clock was moved by jumps.
    jumped: Mutex<SignedDuration>,
    faults: Faults,
    ledger: Ledger,
    observers: Observers,
}

/// Who is told of every change.
#[derive(Default)]
struct Observers(Mutex<Vec<Observer>>);

type Observer = Arc<dyn Fn(Moment, &Entry) + Send + Sync>;

/// When an observer looks at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Right before its effect.
    Before,
    /// Right after.
    After,
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observers")
    }
}

impl World {
    /// A world without faults whose wall clock begins at the start of 2026.
    pub fn new(seed: u64) -> Self {
        Self::beginning(seed, Timestamp::from_second(BEGINNING).unwrap_or_default())
    }

    /// A world whose wall clock shows `base` now.
    pub fn beginning(seed: u64, base: Timestamp) -> Self {
        let began = Instant::now();
        Self(Arc::new(Shared {
            seed,
            began,
            base,
            jumped: Mutex::default(),
            faults: Faults::new(Script::default(), stream(seed, "faults")),
            ledger: Ledger::default(),
            observers: Observers::default(),
        }))
    }

    /// What all randomness comes from.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// A stream of random numbers of one's own: what others draw does not change it.
    pub fn rng(&self, purpose: &str) -> fastrand::Rng {
        stream(self.0.seed, purpose)
    }

    /// A maker of ids with a stream of its own.
    pub fn ids(&self, purpose: &str) -> Ids {
        Ids(stream(self.0.seed, &format!("ids of {purpose}")))
    }

    /// Time since the beginning, never jumping.
    pub fn elapsed(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// The time since the beginning at `instant`.
    pub fn since_beginning(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.0.began)
    }

    /// What the wall clock shows.
    pub fn wall(&self) -> Timestamp {
        self.wall_at(Instant::now())
    }

    /// What the wall clock shows at `instant`, by the jumps so far.
    pub fn wall_at(&self, instant: Instant) -> Timestamp {
        let passed = SignedDuration::try_from(self.since_beginning(instant)).unwrap_or(SignedDuration::MAX);
        let jumped = *self.0.jumped.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = passed.saturating_add(jumped);
        self.0.base.checked_add(moved).unwrap_or(self.0.base)
    }

    /// Moves the wall clock; timers are not touched.
    pub fn jump(&self, by: SignedDuration) {
        let mut jumped = self.0.jumped.lock().unwrap_or_else(PoisonError::into_inner);
        *jumped = jumped.saturating_add(by);
    }

    /// What goes wrong, and how often it did.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Every request so far.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Has `see` called right before and right after the effect of every write into this world: everything but GET, HEAD
    /// and logins. It may look at the world, and must not wait.
    pub fn on_write(&self, see: impl Fn(Moment, &Entry) + Send + Sync + 'static) {
        self.0.observers.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(see));
    }

    /// Tells the observers that a request is about to take effect, or has. No state may be locked.
    pub(crate) fn tell(&self, moment: Moment, number: Number) {
        let observers = self.0.observers.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if observers.is_empty() {
            return;
        }
        if let Some(entry) = self.0.ledger.get(number).filter(Entry::is_write) {
            for see in &observers {
                see(moment, &entry);
            }
        }
    }

    /// The connection of a new process to everything in this world.
    pub fn link(&self, name: &str) -> Link {
        Link::new(name)
    }
}

/// A stream of random numbers for one purpose.
fn stream(seed: u64, purpose: &str) -> fastrand::Rng {
    // FNV-1a: the same on every machine and in every version of Rust.
    let hash = purpose
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash)
}

/// Makes ids that are the same in every run of a seed.
#[derive(Clone, Debug)]
pub struct Ids(fastrand::Rng);

impl Ids {
    /// A random UUID (version 4).
    pub fn uuid(&mut self) -> String {
        let bits = self.0.u128(..) & !(0xf000_u128 << 64) & !(0xc000_u128 << 48);
        let bits = bits | (0x4000_u128 << 64) | (0x8000_u128 << 48);
        let hex = format!("{bits:032x}");
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// 32 hexadecimal digits, as Keystone names its objects.
    pub fn hex(&mut self) -> String {
        format!("{:032x}", self.0.u128(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_follows_the_time_and_jumps() {
        let world = World::new(1);
        assert_eq!(world.wall().to_string(), "2026-01-01T00:00:00Z");
        tokio::time::advance(Duration::from_secs(61)).await;
        world.jump(SignedDuration::from_secs(-1));
        assert_eq!(world.wall().to_string(), "2026-01-01T00:01:00Z");
        assert_eq!(world.elapsed(), Duration::from_secs(61));
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_gives_the_same_world_and_each_purpose_its_own_numbers() {
        let draw = |seed, purpose: &str| World::new(seed).rng(purpose).u64(..);
        assert_eq!(draw(7, "a"), draw(7, "a"));
        assert_ne!(draw(7, "a"), draw(7, "b"));
        assert_ne!(draw(7, "a"), draw(8, "a"));
    }

    #[tokio::test(start_paused = true)]
    async fn ids_look_like_random_uuids() {
        let mut ids = World::new(3).ids("test");
        for _ in 0..100 {
            let id = ids.uuid();
            assert_eq!(id.len(), 36);
            assert_eq!(&id[14..15], "4");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
        assert_eq!(ids.hex().len(), 32);
    }
}
