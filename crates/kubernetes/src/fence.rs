//! The time in which this process may begin writes, derived from its leader lease.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// When writes may begin and by when they must be over, on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteWindow {
    /// No write begins at or after this instant: the renew deadline.
    pub begin_before: Instant,
    /// Every write has been answered or given up before this instant: the lease may be taken by another from here on.
    pub end_before: Instant,
}

/// The current window; `None` while no write may begin.
pub type Fence = watch::Receiver<Option<WriteWindow>>;

impl WriteWindow {
    /// The time a write that begins at `now` may take, at most `wanted`; `None` if it may not begin.
    pub fn allows(&self, now: Instant, wanted: Duration) -> Option<Duration> {
        let left = self.end_before.saturating_duration_since(now);
        (now < self.begin_before && !left.is_zero()).then(|| wanted.min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_begins_before_the_deadline_and_ends_before_the_lease_does() {
        let now = Instant::now();
        let s = Duration::from_secs;
        let window = WriteWindow { begin_before: now + s(10), end_before: now + s(15) };
        assert_eq!(window.allows(now, s(5)), Some(s(5)));
        assert_eq!(window.allows(now + s(9), s(10)), Some(s(6)));
        assert_eq!(window.allows(now + s(10), s(1)), None);
        let closed = WriteWindow { begin_before: now + s(20), end_before: now };
        assert_eq!(closed.allows(now, s(1)), None);
    }
}
