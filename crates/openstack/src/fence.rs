//! The write fence: no write begins outside a window, and none is still running when the window has ended.
//!
//! Several replicas of a program may exist; the one that holds the lease may write. It knows until when it
//! certainly holds the lease and publishes that as a [`WriteWindow`]; a [`Session`](crate::Session) with a fence
//! asks it before each request that changes something. Reads and authentication are not fenced.

use tokio::sync::watch;
use tokio::time::Instant;

/// The span in which this process may change the cloud, on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteWindow {
    /// A write may begin before this instant.
    pub begin_before: Instant,
    /// A write that has begun is given up at this instant. When the window is renewed meanwhile, the new end counts.
    pub end_before: Instant,
}

/// The present window; `None` forbids writes.
pub type Fence = watch::Receiver<Option<WriteWindow>>;

/// The window that a write beginning at `now` runs in.
pub(crate) fn open_window(fence: &Fence, now: Instant) -> Option<WriteWindow> {
    fence.borrow().filter(|window| now < window.begin_before && now < window.end_before)
}

/// Waits until the window of a running write is over.
///
/// A renewed lease moves the end; a lost one (`None`) leaves it where it was, since until then nobody else writes.
pub(crate) async fn window_ended(mut fence: Fence, window: WriteWindow) {
    let mut end = window.end_before;
    loop {
        tokio::select! {
            biased;
            changed = fence.changed() => {
                if let Some(window) = *fence.borrow_and_update() {
                    end = end.max(window.end_before);
                }
                if changed.is_err() {
                    return tokio::time::sleep_until(end).await;
                }
            }
            () = tokio::time::sleep_until(end) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn window(begin: u64, end: u64) -> WriteWindow {
        let now = Instant::now();
        WriteWindow {
            begin_before: now + Duration::from_secs(begin),
            end_before: now + Duration::from_secs(end),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_is_open_until_its_begin_limit() {
        let (sender, fence) = watch::channel(None);
        assert_eq!(open_window(&fence, Instant::now()), None);
        let expected = window(10, 15);
        sender.send_replace(Some(expected));
        assert_eq!(open_window(&fence, Instant::now()), Some(expected));
        assert_eq!(open_window(&fence, Instant::now() + Duration::from_secs(10)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_window_moves_the_end_and_a_lost_one_does_not() {
        let (sender, fence) = watch::channel(None);
        let first = window(10, 15);
        sender.send_replace(Some(first));
        let start = Instant::now();
        let ended = tokio::spawn(window_ended(fence, first));
        tokio::time::sleep(Duration::from_secs(8)).await;
        sender.send_replace(Some(window(10, 15)));
        tokio::time::sleep(Duration::from_secs(1)).await;
        sender.send_replace(None);
        drop(sender);
        ended.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(23));
    }
}
