//! How the calls of a client ended, for who operates the server.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Code, Party};

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

#[derive(Debug, Default)]
pub struct Counts {
    /// Good tokens that were seen before.
    pub remembered: Counter,
    /// Good tokens whose signature was checked.
    pub new: Counter,
    rejections: [Counter; Code::ALL.len()],
}

impl Counts {
    pub fn reject(&self, code: Code) {
        if let Some(counter) = self.rejections.get(code as usize) {
            counter.add_one();
        }
    }

    /// Of each code that occurred, how often.
    pub fn rejections(&self) -> impl Iterator<Item = (Code, u64)> {
        let counts = self.rejections.iter().map(Counter::get);
        Code::ALL.into_iter().zip(counts).filter(|&(_, count)| count > 0)
    }

    /// Tokens that were found bad here, and not by the API.
    pub fn refused(&self) -> u64 {
        let here = |code: Code| code.party() == Party::Caller && code != Code::UserUnauthenticated;
        self.rejections().filter(|&(code, _)| here(code)).map(|(_, count)| count).sum()
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
