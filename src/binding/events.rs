//! Notifies each thread of Node that has a listener of each fetch of keys.

use napi::Status;
use napi::bindgen_prelude::{FnArgs, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode::NonBlocking;
use napi_derive::napi;

use super::outcome::{Failure, failure};
use crate::cache::{Fetched, Outcome, observe};

/// A fetch of keys that has ended; `failure` says that it brought none.
#[napi(object, object_from_js = false)]
pub struct KeyFetch {
    pub url: String,
    /// Milliseconds.
    pub duration: i64,
    pub kids: Vec<String>,
    pub failure: Option<Failure>,
    pub failures_in_a_row: u32,
    pub next_attempt_in: Option<i64>,
}

impl From<&Fetched> for KeyFetch {
    fn from(Fetched { url, took, outcome }: &Fetched) -> Self {
        let fetch = Self {
            url: url.as_ref().to_owned(),
            duration: *took,
            kids: Vec::new(),
            failure: None,
            failures_in_a_row: 0,
            next_attempt_in: None,
        };
        match outcome {
            Outcome::Refreshed(snapshot) => {
                Self { kids: snapshot.keys.kids().map(str::to_owned).collect(), ..fetch }
            }
            Outcome::Failed { error, failures_in_a_row, next_attempt_in } => Self {
                failure: Some(failure(error.clone())),
                failures_in_a_row: *failures_in_a_row,
                next_attempt_in: Some(*next_attempt_in),
                ..fetch
            },
        }
    }
}

/// Calls `listener` until the thread ends, and does not keep the thread from ending.
pub fn register(listener: &Function<'_, FnArgs<(KeyFetch,)>, ()>) -> napi::Result<()> {
    /// A thread that is blocked misses further fetches.
    const QUEUE: usize = 64;
    let listener = listener
        .build_threadsafe_function::<FnArgs<(KeyFetch,)>>()
        .weak::<true>()
        .max_queue_size::<QUEUE>()
        .build()?;
    observe(move |fetched| {
        listener.call(FnArgs { data: (fetched.into(),) }, NonBlocking) != Status::Closing
    });
    Ok(())
}
