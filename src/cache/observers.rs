//! Who wants to be told of each fetch of keys.

use std::sync::{Arc, Mutex, PoisonError};

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

static OBSERVERS: Mutex<Vec<Observer>> = Mutex::new(Vec::new());

pub fn observe(observer: impl Fn(&Fetched) -> bool + Send + 'static) {
    observers().push(Box::new(observer));
}

pub(super) fn tell(fetched: &Fetched) {
    observers().retain(|observer| observer(fetched));
}

fn observers() -> std::sync::MutexGuard<'static, Vec<Observer>> {
    OBSERVERS.lock().unwrap_or_else(PoisonError::into_inner)
}
