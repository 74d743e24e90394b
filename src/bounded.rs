//! Caches that are bounded by the memory that they take.

use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// The share of entries that came again. They are of use for some minutes, and stay until others that came again take
/// their place: with the 97 % of the library, many a new one had to go before it could come again.
const HOT: f64 = 0.5;

/// For `bytes` in all. `entries` is an estimate of how many that will be, and only sizes the first allocation.
pub fn cache<K: Eq + Hash, V: Clone, W: Weighter<K, V> + Clone>(
    bytes: u64,
    entries: usize,
    shards: Option<usize>,
    weighter: W,
) -> Cache<K, V, W> {
    let mut options = OptionsBuilder::new();
    options.weight_capacity(bytes).estimated_items_capacity(entries).hot_allocation(HOT);
    if let Some(shards) = shards {
        options.shards(shards);
    }
    #[allow(
        clippy::expect_used,
        reason = "it fails only where one of the two capacities is missing"
    )]
    let options = options.build().expect("both capacities are given");
    Cache::with_options(
        options,
        weighter,
        DefaultHashBuilder::default(),
        DefaultLifecycle::default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct OneByte;

    impl Weighter<u32, ()> for OneByte {
        fn weight(&self, _: &u32, (): &()) -> u64 {
            1
        }
    }

    /// As tokens do, which are replaced by others every ten minutes.
    #[test]
    fn old_entries_leave_room_for_new_ones_to_come_again() {
        const CAPACITY: u32 = 1_000;
        const USERS: u32 = CAPACITY / 4;
        const TIMES: usize = 20;
        let cache = cache(CAPACITY.into(), CAPACITY as usize, Some(1), OneByte);
        let mut random = fastrand::Rng::with_seed(1);
        for generation in 0..20 {
            let first = generation * USERS;
            let mut visits = (first..first + USERS).collect::<Vec<_>>().repeat(TIMES);
            random.shuffle(&mut visits);
            let mut missed = 0;
            for entry in visits {
                if cache.get(&entry).is_none() {
                    cache.insert(entry, ());
                    missed += 1;
                }
            }
            assert!(missed < USERS + USERS / 20, "{missed} in generation {generation}");
        }
    }
}
