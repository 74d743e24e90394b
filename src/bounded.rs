//! Caches that are bounded by the memory that they take.

use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// The share of entries that came again. They are of use for some minutes, and stay until others that came again take
/// their place: with the 97 % of the library, many a new one had to go before it could come again. With much less,
/// those in use would have to go where they nearly fill the cache.
const HOT: f64 = 0.7;

/// For `bytes` in all. An entry that weighs more than [`HOT`] of a shard is not kept. `entries` is an estimate of how
/// many there will be, and only sizes the first allocation.
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

    const CAPACITY: u32 = 1_000;

    fn is_missing(cache: &Cache<u32, (), OneByte>, entry: u32) -> bool {
        let is_missing = cache.get(&entry).is_none();
        if is_missing {
            cache.insert(entry, ());
        }
        is_missing
    }

    /// As tokens do, which are replaced by others every ten minutes.
    #[test]
    fn old_entries_leave_room_for_new_ones_to_come_again() {
        const USERS: u32 = CAPACITY / 4;
        const TIMES: usize = 20;
        let cache = cache(CAPACITY.into(), CAPACITY as usize, Some(1), OneByte);
        let mut random = fastrand::Rng::with_seed(1);
        for generation in 0..20 {
            let first = generation * USERS;
            let mut visits = (first..first + USERS).collect::<Vec<_>>().repeat(TIMES);
            random.shuffle(&mut visits);
            let missed = visits.into_iter().filter(|&entry| is_missing(&cache, entry)).count();
            let most = (USERS + USERS / 20) as usize;
            assert!(missed < most, "{missed} in generation {generation}");
        }
    }

    #[test]
    fn entries_in_use_stay_though_each_is_replaced_at_some_time() {
        const USERS: u32 = CAPACITY * 4 / 5;
        const TIMES: u32 = 50;
        let cache = cache(CAPACITY.into(), CAPACITY as usize, Some(1), OneByte);
        let mut random = fastrand::Rng::with_seed(1);
        let mut current: Vec<u32> = (0..USERS).collect();
        let (mut next, mut missed) = (USERS, 0);
        for _ in 0..USERS * TIMES * 20 {
            let user = random.usize(..current.len());
            if random.u32(..TIMES) == 0 {
                current[user] = next;
                next += 1;
            }
            missed += u32::from(is_missing(&cache, current[user]));
        }
        assert!(missed < next + next / 30, "{missed} of {next}");
    }
}
