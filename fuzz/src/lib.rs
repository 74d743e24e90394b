//! What the targets share.

use peak_alloc::PeakAlloc;
use serde_json::Value;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What `run` returns. It may take `factor` bytes of memory at a time for each byte of its input, and
/// a few more.
pub fn bounded<T>(input: &[u8], factor: usize, run: impl FnOnce() -> T) -> T {
    /// Messages of errors, and what is kept from one input to the next.
    const FEW: usize = 16 * 1024;
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let result = run();
    let peak = HEAP.peak_usage().saturating_sub(before);
    assert!(peak <= FEW + factor * input.len(), "{peak} bytes for an input of {}", input.len());
    result
}

/// Another reading of the same text. `None` if serde_json refuses what the crate need not: lone
/// surrogates, numbers beyond a double, and nesting of more than 128 levels.
pub fn value(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}
