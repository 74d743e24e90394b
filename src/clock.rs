//! Two clocks: the monotonic one is for ages and pauses, the wall clock for the times in tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Signed, since imported keys can be older than this process.
pub type Millis = i64;

/// Monotonic milliseconds.
pub fn now() -> Millis {
    let now = millis(monotonic());
    #[cfg(test)]
    let now = now + tests::MONOTONIC.get();
    now
}

/// Not by `Instant`, which stands still while Linux or macOS sleeps (rust-lang/rust#147503): keys age all the same.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn monotonic() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(target_os = "linux")]
    const GOES_ON: ClockId = ClockId::Boottime;
    #[cfg(target_os = "macos")]
    const GOES_ON: ClockId = ClockId::Monotonic;

    clock_gettime(GOES_ON).try_into().unwrap_or_default()
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn monotonic() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// Milliseconds since 1970.
pub fn unix_now() -> Millis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis);
    #[cfg(test)]
    let now = (now + tests::WALL.get()).max(0);
    now
}

/// Saturates far below the maximum, so that a few can be added up.
pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX / 4)
}

/// What is left until `deadline`.
pub fn left(deadline: Millis) -> Duration {
    Duration::from_millis(u64::try_from(deadline - now()).unwrap_or(0))
}

#[cfg(test)]
pub mod tests;
