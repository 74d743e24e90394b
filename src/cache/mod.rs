//! The key sets of this process, one per JWKS URL, shared by every client and every thread.

mod fetch;
mod observers;
mod policy;

use std::collections::HashMap;
use std::mem::replace;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Cache};

use self::fetch::{Answer, Attempt, late};
use self::policy::{Action, Failures, State};
use crate::clock::{self, Millis, millis};
use crate::config::Limits;
use crate::error::{Code, Error, Result};
use crate::flight::Flight;
use crate::keys::KeySet;

pub use self::observers::{Fetched, Outcome, observe};
pub use self::policy::Snapshot;

/// However long a caller's time-out is, a connection that hangs is given up; the next caller tries again.
const MAX_ATTEMPT: Duration = Duration::from_secs(10);

pub struct KeyCache {
    url: Arc<str>,
    /// The same as the state's snapshot, for readers that must not wait for a lock.
    current: Arc<ArcSwapOption<Snapshot>>,
    /// Held for a moment only, never across I/O.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    state: State,
    fetch: Option<Fetch>,
    fetches: u64,
    failed_fetches: u64,
    /// When the last fetch ended, by the wall clock.
    unix_last_fetch_at: Option<Millis>,
}

/// The fetch under way.
struct Fetch {
    flight: Flight<Arc<Snapshot>>,
    began: Millis,
    /// If it was counted as a failure already, when a caller's time-out was over: the failures before.
    overdue: Option<Failures>,
}

/// What an operator may want to know of one key set.
#[derive(Debug)]
pub struct Stats {
    pub url: String,
    pub kids: Vec<String>,
    pub age: Option<Millis>,
    pub fetches: u64,
    pub failed_fetches: u64,
    pub last_fetch_at: Option<Millis>,
    pub failures_in_a_row: u32,
    pub last_error: Option<Code>,
    pub next_attempt_in: Option<Millis>,
}

/// A thread's own reference to the current set: to read it is no more than to see that the set is still the same.
/// Where nobody reads it, it keeps an old set in memory.
pub type Reader = Cache<Arc<ArcSwapOption<Snapshot>>, Option<Arc<Snapshot>>>;

impl KeyCache {
    /// The cache of that URL, which may outlive its clients.
    pub fn of(url: &str) -> Arc<Self> {
        /// Past this many, those that no client holds are dropped.
        const MANY: usize = 1_024;
        static CACHES: LazyLock<Mutex<HashMap<String, Arc<KeyCache>>>> =
            LazyLock::new(Mutex::default);

        let mut caches = CACHES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = caches.get(url) {
            return Arc::clone(cache);
        }
        if caches.len() >= MANY {
            caches.retain(|_, cache| Arc::strong_count(cache) > 1);
        }
        let cache =
            Arc::new(Self { url: url.into(), current: Arc::default(), inner: Mutex::default() });
        caches.insert(url.to_owned(), Arc::clone(&cache));
        cache
    }

    pub fn reader(&self) -> Reader {
        Cache::new(Arc::clone(&self.current))
    }

    /// The set to use for `kid`, if [`Self::get`] would neither wait for it nor refresh it. Without a `kid`, any usable
    /// set will do.
    pub fn cached(
        &self,
        kid: Option<&str>,
        limits: Limits,
        timeout: Duration,
    ) -> Option<Arc<Snapshot>> {
        // A fresh set needs no refresh, and so no lock.
        if let Some(set) = self.current.load().as_ref()
            && set.is_fresh(clock::now(), limits)
            && kid.is_none_or(|kid| set.keys.has_kid(kid))
        {
            return Some(Arc::clone(set));
        }
        match self.lock().decide(kid, timeout, limits) {
            Action::Use(snapshot) => Some(snapshot),
            Action::UseAndRefresh(_) | Action::Wait | Action::Fetch | Action::Fail(_) => None,
        }
    }

    /// Whether there are keys that can be used without a wait, whichever they are.
    pub fn is_usable_now(&self, limits: Limits) -> bool {
        let action = self.lock().decide(None, Duration::ZERO, limits);
        matches!(action, Action::Use(set) | Action::UseAndRefresh(set) if !set.keys.is_empty())
    }

    /// The set to use for `kid`, by `deadline`, fetched if need be; must be called on a runtime.
    pub async fn get(
        self: &Arc<Self>,
        kid: Option<&str>,
        limits: Limits,
        deadline: Millis,
        timeout: Duration,
    ) -> Result<Arc<Snapshot>> {
        let timeout = timeout.min(MAX_ATTEMPT);
        let mut is_retry = false;
        loop {
            let (flight, is_own) = {
                let mut inner = self.lock();
                match (inner.decide(kid, timeout, limits), &inner.fetch) {
                    (Action::Use(snapshot), _) => return Ok(snapshot),
                    (Action::Fail(error), _) => return Err(inner.for_caller(error)),
                    (Action::UseAndRefresh(snapshot), _) => {
                        self.launch(&mut inner, kid, timeout);
                        return Ok(snapshot);
                    }
                    (Action::Wait, Some(fetch)) => (fetch.flight.clone(), false),
                    (Action::Wait | Action::Fetch, _) => {
                        (self.launch(&mut inner, kid, timeout), true)
                    }
                }
            };
            match flight.join(deadline, timeout, late(&self.url)).await {
                None => {}
                Some(Ok(snapshot)) => {
                    if kid.is_none_or(|kid| snapshot.keys.has_kid(kid)) {
                        return Ok(snapshot);
                    }
                    if is_own || is_retry {
                        // Newer keys may have been imported meanwhile.
                        let current = self.lock().state.fallback(kid, clock::now(), limits);
                        return Ok(current.unwrap_or(snapshot));
                    }
                    // That fetch may have begun before the issuer had this kid: ask once more.
                    is_retry = true;
                }
                Some(Err(error)) => {
                    let mut inner = self.lock();
                    let fallback = inner.state.fallback(kid, clock::now(), limits);
                    inner.count_if_late(&flight, &error, timeout, clock::now().min(deadline));
                    return fallback.ok_or_else(|| inner.for_caller(error));
                }
            }
        }
    }

    fn launch(
        self: &Arc<Self>,
        inner: &mut Inner,
        kid: Option<&str>,
        timeout: Duration,
    ) -> Flight<Arc<Snapshot>> {
        inner.fetches += 1;
        let attempt = Attempt {
            base: inner.state.snapshot.clone(),
            kid: kid.map(str::to_owned),
            began: clock::now(),
            unix_began: clock::unix_now(),
        };
        let began = attempt.began;
        let base = attempt.base.clone();
        let (url, cache) = (Arc::clone(&self.url), Arc::clone(self));
        let work =
            |_| async move { fetch::fetch(&url, base).await.map_err(|error| error.asked_at(&url)) };
        let land = move |result: Result<Answer>, ended| cache.land(result, &attempt, ended);
        let flight = Flight::launch(timeout, work, late(&self.url), land);
        inner.fetch = Some(Fetch { flight: flight.clone(), began, overdue: None });
        flight
    }

    /// `ended` may be long ago if the process was suspended; the pause after a failure began then. The answer is for all
    /// who waited, but newer keys that were imported meanwhile stay.
    fn land(
        &self,
        result: Result<Answer>,
        attempt: &Attempt,
        ended: Millis,
    ) -> Result<Arc<Snapshot>> {
        let (now, took) = (clock::now(), ended - attempt.began);
        let result = result.map(|answer| attempt.snapshot(answer));
        let mut inner = self.lock();
        let overdue = inner.fetch.take().and_then(|fetch| fetch.overdue);
        inner.unix_last_fetch_at = Some(clock::unix_now());
        let outcome = match &result {
            Ok(snapshot) => {
                inner.state.on_answer(Arc::clone(snapshot), attempt.kid.as_deref(), now);
                self.current.store(inner.state.snapshot.clone());
                Outcome::Refreshed(Arc::clone(snapshot))
            }
            Err(error) => {
                inner.failed_fetches += 1;
                // One fetch must not count as two failures.
                let counted = overdue.map(|before| replace(&mut inner.state.failures, before));
                inner.state.on_failure(error.clone(), took, ended, fastrand::f64());
                // Callers were told to try again then.
                if let Some(told) = counted.map(|it| it.retry_at).filter(|&told| told > now) {
                    inner.state.failures.retry_at = told;
                }
                Outcome::Failed {
                    error: inner.for_caller(error.clone()),
                    failures_in_a_row: inner.state.failures.in_a_row,
                    next_attempt_in: (inner.state.failures.retry_at - now).max(0),
                }
            }
        };
        drop(inner);
        observers::notify(&Fetched { url: Arc::clone(&self.url), took, outcome });
        result
    }

    /// Keys from outside, as `exportKeys` gave them.
    pub fn import(&self, jwks: &str, unix_fetched_at: Millis) -> Result<()> {
        let keys = KeySet::parse(jwks).map_err(|fault| {
            Error::new(Code::Config, format!("keys.jwks is malformed: {fault}"))
        })?;
        let mut inner = self.lock();
        let (now, unix_now) = (clock::now(), clock::unix_now());
        let mut age = unix_now - unix_fetched_at.max(0);
        if age < 0 {
            if inner.state.snapshot.is_some() {
                // If it is imported again, it must not seem newer than a set that was fetched in between.
                return Ok(());
            }
            // A time in the future counts as now, or the set would stay fresh for too long. Nor must it seem newer than
            // the answer of a fetch under way.
            age = inner.fetch.as_ref().map_or(0, |fetch| now - fetch.began);
        }
        inner.state.on_import(Arc::new(Snapshot {
            keys: Arc::new(keys),
            json: jwks.into(),
            etag: None,
            server_max_age: None,
            fetched_at: now - age,
            unix_fetched_at: unix_now - age,
            is_imported: true,
        }));
        self.current.store(inner.state.snapshot.clone());
        Ok(())
    }

    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.current.load_full()
    }

    pub fn stats(&self) -> Stats {
        let inner = self.lock();
        let now = clock::now();
        let snapshot = inner.state.snapshot.as_deref();
        let failures = &inner.state.failures;
        Stats {
            url: self.url.as_ref().to_owned(),
            kids: snapshot.iter().flat_map(|set| set.keys.kids()).map(str::to_owned).collect(),
            age: snapshot.map(|snapshot| now - snapshot.fetched_at),
            fetches: inner.fetches,
            failed_fetches: inner.failed_fetches,
            last_fetch_at: inner.unix_last_fetch_at,
            failures_in_a_row: failures.in_a_row,
            last_error: failures.last.as_ref().map(|error| error.code),
            next_attempt_in: failures.last.as_ref().map(|_| (failures.retry_at - now).max(0)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn decide(&self, kid: Option<&str>, timeout: Duration, limits: Limits) -> Action {
        let fetching = self.fetch.as_ref().is_some_and(|fetch| fetch.flight.is_under_way());
        let timeout = millis(timeout.min(MAX_ATTEMPT));
        self.state.decide(kid, clock::now(), timeout, limits, fetching)
    }

    /// The error of a fetch, which many may get at different times, with when there can be another.
    fn for_caller(&self, mut error: Error) -> Error {
        let wait = (self.state.failures.retry_at - clock::now()).max(1);
        error.context.retry_after = u32::try_from(wait.unsigned_abs().div_ceil(1_000)).ok();
        error
    }

    /// A caller waited for that flight until `gave_up`, in vain. If it is still under way, it may come yet. But others
    /// need not wait for it too if they have a fallback, and callers without one must be told when to try again.
    fn count_if_late(
        &mut self,
        flight: &Flight<Arc<Snapshot>>,
        error: &Error,
        timeout: Duration,
        gave_up: Millis,
    ) {
        let Some(fetch) = self.fetch.as_mut().filter(|fetch| fetch.flight.is_same(flight)) else {
            return;
        };
        let failures = &mut self.state.failures;
        if fetch.overdue.is_some() && failures.retry_at > gave_up {
            failures.last_at = gave_up;
            return;
        }
        // It counts once, however many wait for it.
        *failures = fetch.overdue.get_or_insert_with(|| failures.clone()).clone();
        self.state.on_failure(error.clone(), millis(timeout), gave_up, fastrand::f64());
    }
}

#[cfg(test)]
mod tests;
