//! Who wants to be told of each fetch of keys.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use super::policy::Snapshot;
use crate::clock::Millis;
use crate::error::Error;

/// A fetch that has ended.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub url: Arc<str>,
    pub took: Millis,
    pub outcome: Outcome,
}

#[derive(Debug, Clone)]
pub enum Outcome {
    Refreshed(Arc<Snapshot>),
    Failed { error: Error, failures_in_a_row: u32, next_attempt_in: Millis },
}

/// Is to return at once; false if it does not want to be told again.
type Observer = Box<dyn Fn(&Fetched) -> bool + Send>;

/// In place of the one that this thread had before: a package that is loaded again there, as test runners
/// do, would be told of each fetch once more.
pub fn observe(observer: impl Fn(&Fetched) -> bool + Send + 'static) {
    observers().insert(thread::current().id(), Box::new(observer));
}

pub(super) fn tell(fetched: &Fetched) {
    observers().retain(|_, observer| observer(fetched));
}

fn observers() -> MutexGuard<'static, HashMap<ThreadId, Observer>> {
    static OBSERVERS: LazyLock<Mutex<HashMap<ThreadId, Observer>>> = LazyLock::new(Mutex::default);
    OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}
