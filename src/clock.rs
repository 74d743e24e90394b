//! The two clocks: ages and pauses go by the monotonic one, the times in tokens by the wall clock.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Signed, since keys from outside can be older than this process.
pub type Millis = i64;

/// Monotonic milliseconds.
pub fn now() -> Millis {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    millis(START.elapsed())
}

/// Milliseconds since 1970.
pub fn unix_now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// Far from overflow, for sums of a few.
pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX / 4)
}

/// What is left until `deadline`.
pub fn left(deadline: Millis) -> Duration {
    Duration::from_millis(u64::try_from(deadline - now()).unwrap_or(0))
}
