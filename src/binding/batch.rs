//! The verification of tokens as far as it goes without waiting, and of many at once on other threads.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{Either5, FnArgs, Function, Null, Object, Undefined, Unknown};
use napi::{Env, Error};
use napi_derive::napi;

use super::clients;
use super::outcome::{Failure, rejection};
use super::text::{self, Json};
use crate::cache::Snapshot;
use crate::error::Result;
use crate::threads;
use crate::verify::{Client, Opened};

/// The number of a remembered token, the JSON of a token, or a failure; `null` if the token was put into the batch,
/// and `undefined` if its keys must be waited for.
type Verdict = Either5<f64, Json, Failure, Null, Undefined>;

/// Takes a client's number, a token, [`How`] to verify it, and the time to judge it by. The last two may be left out
/// together, for [`How::InPlace`] and now: each argument that crosses takes time.
type Verifier<'env> = Function<'env, FnArgs<(i64, Unknown<'env>, i64, Option<f64>)>, Verdict>;

/// What `verify` does with a token. JavaScript passes it as a number.
#[derive(Clone, Copy)]
enum How {
    /// If it is new, its signature is checked here and now.
    InPlace,
    /// If it is remembered, its JSON is returned: the thread has no payload for its number yet.
    Recall,
    /// If it is new, it is put into the batch, under this ticket.
    Gather(i64),
}

impl From<i64> for How {
    fn from(number: i64) -> Self {
        match number {
            0 => Self::InPlace,
            ..0 => Self::Recall,
            ticket => Self::Gather(ticket),
        }
    }
}

/// Tokens whose signatures are to be checked on other threads, gathered from several calls: one hop for many takes a
/// tenth of the event loop's time that a hop for each takes. Each has a ticket, by which its outcome is matched:
/// JavaScript can be interrupted between putting a token here and waiting for it.
#[napi]
pub struct Batch(Arc<Mutex<Jobs>>);

type Jobs = BTreeMap<i64, Job>;

struct Job {
    client: Arc<Client>,
    text: String,
    current_date: Option<f64>,
}

/// The outcomes of some tokens of a batch, in the order of their tickets.
#[napi(object, object_from_js = false)]
pub struct Checked {
    /// An array with the JSON of each token; `null` if it was refused, and 0 if its keys must be waited for. One string
    /// is parsed faster than many.
    #[napi(ts_type = "string")]
    pub json: Json,
    /// One for each `null`.
    pub failures: Vec<Failure>,
}

#[napi]
impl Batch {
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::new_without_default, reason = "JavaScript calls it")]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Checks the tokens with these tickets. One that is no longer there gets 0, as if its keys had to be waited for.
    #[napi(catch_unwind, ts_return_type = "Promise<Checked>")]
    pub fn run<'env>(&self, env: &'env Env, tickets: Vec<i64>) -> napi::Result<Object<'env>> {
        let jobs = self.take(tickets);
        let (deferred, promise) = env.create_deferred()?;
        threads::spawn(move || match catch_unwind(AssertUnwindSafe(move || check_all(&jobs))) {
            Ok(checked) => deferred.resolve(|_| Ok(checked)),
            Err(_) => deferred.reject(Error::from_reason("a check panicked")),
        });
        Ok(promise)
    }

    fn take(&self, tickets: Vec<i64>) -> Vec<Option<Job>> {
        let oldest = tickets.iter().min().copied();
        let mut jobs = lock(&self.0);
        let taken = tickets.into_iter().map(|ticket| jobs.remove(&ticket)).collect();
        // Nobody waits for older ones: their calls were interrupted.
        if let Some(oldest) = oldest {
            *jobs = jobs.split_off(&oldest);
        }
        taken
    }

    /// Verifies a token as far as possible without waiting. A function and not a method, which would look up its object
    /// and take a lock of the whole process at each call; and one for all clients of the thread.
    #[napi(
        catch_unwind,
        ts_return_type = "(client: number, accessToken: unknown, how?: number, currentDate?: number) => number | string | Failure | null | undefined"
    )]
    pub fn verifier<'env>(&self, env: &'env Env) -> napi::Result<Verifier<'env>> {
        let batch = Arc::clone(&self.0);
        env.create_function_from_closure("verify", move |context| {
            let number = context.get(0)?;
            let (how, current_date) = match context.length() {
                2 => (How::InPlace, None),
                _ => (context.get::<i64>(2)?.into(), context.get::<Option<f64>>(3)?),
            };
            let verdict = text::with(context.get(1)?, |text| {
                let verdict = clients::with(number, |client, keys| {
                    verify(client, keys.load().as_ref(), text, current_date, how, &batch)
                });
                verdict.transpose()
            })?;
            verdict
                .unwrap_or_else(|error| {
                    clients::with(number, |client, _| Either5::C(rejection(client, error)))
                })
                .ok_or_else(|| Error::from_reason("no client has this number"))
        })
    }
}

fn verify(
    client: &Arc<Client>,
    current: Option<&Arc<Snapshot>>,
    text: &str,
    current_date: Option<f64>,
    how: How,
    batch: &Mutex<Jobs>,
) -> Result<Verdict> {
    if let How::Recall = how {
        if let Some(json) = client.recall_again(text, current, current_date)? {
            return Ok(Either5::B(Json(json)));
        }
    } else if let Some(jwt) = client.recall(text, current, current_date)? {
        #[allow(clippy::cast_precision_loss, reason = "a process never counts up to 2^53")]
        return Ok(Either5::A(jwt.id() as f64));
    }
    if let How::Gather(ticket) = how {
        let job = Job { client: Arc::clone(client), text: text.to_owned(), current_date };
        lock(batch).insert(ticket, job);
        return Ok(Either5::D(Null));
    }
    Ok(match client.verify_at_once(text, current_date)? {
        Some(json) => Either5::B(Json(json)),
        None => Either5::E(()),
    })
}

/// In three rounds, so that the code of each stays in the processor's cache.
fn check_all(jobs: &[Option<Job>]) -> Checked {
    let opened: Vec<_> = jobs
        .iter()
        .map(|job| job.as_ref().map(|job| job.client.open(&job.text)).transpose())
        .collect();
    let verified: Vec<_> =
        opened.into_iter().map(|opened| opened?.map_or(Ok(None), Opened::verify)).collect();

    let mut json = String::from("[");
    let mut failures = Vec::new();
    for (job, verified) in jobs.iter().zip(verified) {
        if json.len() > 1 {
            json.push(',');
        }
        let Some(job) = job else {
            json.push('0');
            continue;
        };
        let accept = |verified| job.client.accept(verified, job.current_date);
        match verified.and_then(|verified| verified.map(accept).transpose()) {
            Ok(Some(verified)) => json.push_str(&verified),
            // To wait here would delay the others.
            Ok(None) => json.push('0'),
            Err(error) => {
                json.push_str("null");
                failures.push(rejection(&job.client, error));
            }
        }
    }
    json.push(']');
    Checked { json: Json(json), failures }
}

fn lock(jobs: &Mutex<Jobs>) -> MutexGuard<'_, Jobs> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner)
}
