//! Observers that are notified of each fetch of keys.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::policy::Snapshot;
use crate::clock::Millis;
use crate::error::Error;

/// A fetch that has ended.
#[derive(Debug)]
pub struct Fetched {
    pub url: Arc<str>,
    pub took: Millis,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    Refreshed(Arc<Snapshot>),
    Failed { error: Error, failures_in_a_row: u32, next_attempt_in: Millis },
}

/// Must return at once; `false` unregisters it.
type Observer = Box<dyn Fn(&Fetched) -> bool + Send>;

/// Registers the observer of this thread, in place of an earlier one: a package that is loaded again, as by test
/// runners, would otherwise be notified twice.
pub fn observe(observer: impl Fn(&Fetched) -> bool + Send + 'static) {
    observers().insert(thread::current().id(), Box::new(observer));
}

pub(super) fn notify(fetched: &Fetched) {
    observers().retain(|_, observer| observer(fetched));
}

fn observers() -> MutexGuard<'static, HashMap<ThreadId, Observer>> {
    static OBSERVERS: LazyLock<Mutex<HashMap<ThreadId, Observer>>> = LazyLock::new(Mutex::default);
    OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}
