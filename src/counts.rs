//! How the calls of a client ended, for the operator of the server.

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
    /// Good tokens that were remembered.
    pub remembered: Counter,
    /// Good tokens whose signature was checked.
    pub new: Counter,
    /// Tokens that were refused without the API.
    pub refused: Counter,
    rejections: Mutex<HashMap<&'static str, u64>>,
}

impl Counts {
    pub fn reject(&self, error: &Error) {
        // Refusals of the API have a `stack_code`.
        if error.code.party() == Party::Caller && error.context.stack_code.is_none() {
            self.refused.add_one();
        }
        *self.lock().entry(error.code.as_str()).or_default() += 1;
    }

    /// How often each error code occurred.
    pub fn rejections(&self) -> HashMap<&'static str, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, u64>> {
        self.rejections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a cache helps, and how full it is.
#[derive(Debug, Default)]
pub struct CacheStats {
    pub hits: u64,
    pub misses: u64,
    pub entries: u64,
    pub bytes: u64,
    pub max_bytes: u64,
}
