//! Waiting for a state, whatever led to it.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(40);

/// Looks until there is a result, and returns it.
///
/// # Panics
/// With the last reason, when there is none after `within`.
pub fn eventually<T>(within: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) if begun.elapsed() > within => {
                panic!("not within {} s: {what}; the last look said: {why}", within.as_secs())
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

/// Now, in seconds since 1970, as the laboratory's logs count.
pub fn epoch() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
