//! How the calls of a client ended, for who operates the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Party};

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub struct Counts {
    /// Good tokens that were seen before.
    pub remembered: Counter,
    /// Good tokens whose signature was checked.
    pub new: Counter,
    /// Tokens that were found bad here.
    pub refused: Counter,
    rejections: Mutex<HashMap<&'static str, u64>>,
}

impl Counts {
    pub fn reject(&self, error: &Error) {
        // What the API refused has the API's own code.
        if error.code.party() == Party::Caller && error.context.stack_code.is_none() {
            self.refused.add_one();
        }
        *self.lock().entry(error.code.as_str()).or_default() += 1;
    }

    /// Of each code that occurred, how often.
    pub fn rejections(&self) -> HashMap<&'static str, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, u64>> {
        self.rejections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How well a cache does, and how full it is.
#[derive(Debug, Default)]
pub struct CacheStats {
    pub hits: u64,
    pub misses: u64,
    pub entries: u64,
    pub bytes: u64,
    pub max_bytes: u64,
}
