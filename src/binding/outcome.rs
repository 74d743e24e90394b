//! Results and errors of the crate, as values that cross to JavaScript.

use std::collections::HashMap;

use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::error::{Error, Party, Reason};
use crate::verify::Client;
use crate::{cache, counts, users};

pub type Outcome = Either<String, Failure>;

/// What `StackAuthError` is made of.
#[napi(object, object_from_js = false)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    pub status: u16,
    pub retryable: bool,
    pub claim: Option<&'static str>,
    pub reason: Option<&'static str>,
    pub stack_code: Option<String>,
    /// JSON.
    pub details: Option<String>,
    pub cause: Option<String>,
    /// Seconds.
    pub retry_after: Option<u32>,
}

#[napi(object, object_from_js = false)]
pub struct Stats {
    pub keys: KeyStats,
    pub verifications: Verifications,
    #[napi(ts_type = "Record<string, number>")]
    pub rejections: HashMap<&'static str, i64>,
    pub token_cache: CacheStats,
    pub user_cache: CacheStats,
}

#[napi(object, object_from_js = false)]
pub struct Verifications {
    pub remembered: i64,
    pub new: i64,
    pub refused: i64,
}

#[napi(object, object_from_js = false)]
pub struct KeyStats {
    pub url: String,
    pub kids: Vec<String>,
    pub age: Option<i64>,
    pub fetches: i64,
    pub failed_fetches: i64,
    pub last_fetch_at: Option<i64>,
    pub failures_in_a_row: u32,
    pub last_error: Option<&'static str>,
    pub next_attempt_in: Option<i64>,
}

#[napi(object, object_from_js = false)]
pub struct CacheStats {
    pub hits: i64,
    pub misses: i64,
    pub entries: i64,
    pub bytes: i64,
    pub max_bytes: i64,
}

/// What a call of this client is rejected with.
pub fn rejection(client: &Client, error: Error) -> Failure {
    client.counts().reject(&error);
    failure(error)
}

pub fn failure(error: Error) -> Failure {
    Failure {
        code: error.code.as_str(),
        status: error.code.status(),
        retryable: error.code.party() == Party::Service,
        message: error.message,
        claim: error.context.claim,
        reason: error.context.reason.map(Reason::as_str),
        stack_code: error.context.stack_code,
        details: error.context.details,
        cause: error.context.cause,
        retry_after: error.context.retry_after,
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl From<&Client> for Stats {
    fn from(client: &Client) -> Self {
        let counts = client.counts();
        Self {
            keys: client.keys().stats().into(),
            verifications: Verifications {
                remembered: count(counts.remembered.get()),
                new: count(counts.new.get()),
                refused: count(counts.refused.get()),
            },
            rejections: counts.rejections().into_iter().map(|(code, n)| (code, count(n))).collect(),
            token_cache: client.token_cache_stats().into(),
            user_cache: users::stats().into(),
        }
    }
}

impl From<counts::CacheStats> for CacheStats {
    fn from(stats: counts::CacheStats) -> Self {
        Self {
            hits: count(stats.hits),
            misses: count(stats.misses),
            entries: count(stats.entries),
            bytes: count(stats.bytes),
            max_bytes: count(stats.max_bytes),
        }
    }
}

impl From<cache::Stats> for KeyStats {
    fn from(stats: cache::Stats) -> Self {
        Self {
            url: stats.url,
            kids: stats.kids,
            age: stats.age,
            fetches: count(stats.fetches),
            failed_fetches: count(stats.failed_fetches),
            last_fetch_at: stats.last_fetch_at,
            failures_in_a_row: stats.failures_in_a_row,
            last_error: stats.last_error.map(crate::error::Code::as_str),
            next_attempt_in: stats.next_attempt_in,
        }
    }
}
