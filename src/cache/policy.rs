//! When to use the cached keys, when to fetch, when to fail: a pure function of (state, kid, now), and the few
//! events that change the state.
//!
//! `kid` is the key ID that is looked for; `None` if a newer set could be of no more use than this one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Millis, millis};
use crate::config::Limits;
use crate::error::{Code, Error};
use crate::keys::KeySet;

/// A shorter `Cache-Control: max-age` wins over `cacheMaxAge`, but not below this.
const MIN_SERVER_MAX_AGE: Millis = 30_000;
/// A set without any key may be a mistake of the issuer, and mended at any time.
const EMPTY_MAX_AGE: Millis = 1_000;
const FIRST_BACK_OFF: Millis = 250;
const MAX_BACK_OFF: Millis = 30_000;
/// After a failure this recent, callers with usable keys do not wait for the next attempt.
const RECENT_FAILURE: Millis = 2 * MAX_BACK_OFF;
/// Fetches for kids that are not in the set: two at once, and one more each 30 s.
const BUDGET_BURST: i64 = 2;
const BUDGET_REFILL: Millis = 30_000;
/// For how long no fetch is made for a kid that an answer lacked; and how many such kids are remembered.
const UNKNOWN_KID_TTL: Millis = BUDGET_REFILL;
const MAX_UNKNOWN_KIDS: usize = 256;
const MAX_UNKNOWN_KID_BYTES: usize = 256;

/// One answer of the issuer: keys, validator and time change together or not at all.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub keys: Arc<KeySet>,
    /// The bytes of the answer, for `exportKeys`.
    pub json: Arc<str>,
    pub etag: Option<String>,
    pub server_max_age: Option<Duration>,
    /// Monotonic; negative if it was before this process began.
    pub fetched_at: Millis,
    /// By the wall clock.
    pub unix_fetched_at: Millis,
    /// Handed over by the operator, not fetched by this process.
    pub is_imported: bool,
}

impl Snapshot {
    /// So fresh that it is not even refreshed ahead.
    pub fn is_fresh(&self, now: Millis, limits: Limits) -> bool {
        now - self.fetched_at < refresh_after(freshness_lifetime(self, limits))
    }
}

#[derive(Debug, Default)]
pub struct State {
    pub snapshot: Option<Arc<Snapshot>>,
    pub failures: Failures,
    budget: Budget,
    unknown: HashMap<String, Millis>,
}

/// The failed attempts since the last answer.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    pub in_a_row: u32,
    pub last: Option<Error>,
    pub last_at: Millis,
    pub retry_at: Millis,
    /// If the last attempt timed out, the time-out that it had.
    timed_out_after: Option<Millis>,
}

impl Failures {
    /// Whether it is too early for another attempt. One that had less time says nothing to a caller with a longer
    /// time-out, who must not be kept from the keys by others with short ones.
    fn hold_back(&self, now: Millis, timeout: Millis) -> bool {
        now < self.retry_at && self.timed_out_after.is_none_or(|had| timeout <= had)
    }
}

#[derive(Debug)]
pub enum Action {
    /// Use this set, even if no key in it has the kid.
    Use(Arc<Snapshot>),
    /// Use this set, and refresh it for later callers.
    UseAndRefresh(Arc<Snapshot>),
    /// A fetch is under way: wait for it.
    Wait,
    Fetch,
    /// No set can answer, and it is too early to fetch again.
    Fail(Error),
}

impl State {
    pub fn decide(
        &self,
        kid: Option<&str>,
        now: Millis,
        timeout: Millis,
        limits: Limits,
        fetching: bool,
    ) -> Action {
        let held_back = self.failures.hold_back(now, timeout);
        let Some(snapshot) = &self.snapshot else {
            return self.wait_fail_or_fetch(fetching, held_back);
        };
        let snapshot = Arc::clone(snapshot);

        let age = now - snapshot.fetched_at;
        let lifetime = freshness_lifetime(&snapshot, limits);
        let usable = is_usable(&snapshot, now, limits);
        let refresh_ahead = age >= refresh_after(lifetime);
        let failing = self.failures.in_a_row > 0
            && (held_back || now - self.failures.last_at < RECENT_FAILURE);
        if age >= lifetime && !(usable && failing) {
            return self.wait_fail_or_fetch(fetching, held_back);
        }

        if self.is_settled(kid, &snapshot, now) {
            return if refresh_ahead && !fetching && !held_back {
                Action::UseAndRefresh(snapshot)
            } else {
                Action::Use(snapshot)
            };
        }
        // A fetch that others need as well is no cost of this kid. After a failure one is needed, once the pause is over,
        // for the issuer may have this key by now.
        let is_needed = refresh_ahead || self.failures.last.is_some();
        // An empty set is fetched again soon in any case. It must not use up what the next rotation needs.
        let spared = i64::from(snapshot.keys.is_empty());
        if fetching || is_needed || self.budget.left(now) > spared {
            return self.wait_fail_or_fetch(fetching, held_back);
        }
        Action::Use(snapshot)
    }

    fn wait_fail_or_fetch(&self, fetching: bool, held_back: bool) -> Action {
        match &self.failures.last {
            _ if fetching => Action::Wait,
            Some(error) if held_back => Action::Fail(error.clone()),
            _ => Action::Fetch,
        }
    }

    /// Whether no newer set is needed to judge that kid: this one has it, or an answer lacked it just now.
    fn is_settled(&self, kid: Option<&str>, snapshot: &Snapshot, now: Millis) -> bool {
        let is_unknown =
            |kid| self.unknown.get(kid).is_some_and(|&since| now - since < UNKNOWN_KID_TTL);
        kid.is_none_or(|kid| snapshot.keys.has_kid(kid) || is_unknown(kid))
    }

    /// The set to use after a fetch that failed, if it is not too old.
    pub fn fallback(
        &self,
        kid: Option<&str>,
        now: Millis,
        limits: Limits,
    ) -> Option<Arc<Snapshot>> {
        let snapshot = self.snapshot.as_ref()?;
        let usable = is_usable(snapshot, now, limits) && self.is_settled(kid, snapshot, now);
        usable.then(|| Arc::clone(snapshot))
    }

    /// An answer came to a fetch on behalf of `kid`. The budget pays if the kid was not in the previous set, or not in
    /// this one if it is the first. Failed fetches cost nothing: they are bounded by the back-off, and an outage must
    /// not use up what the next rotation needs.
    pub fn on_answer(&mut self, snapshot: Arc<Snapshot>, kid: Option<&str>, now: Millis) {
        if let Some(kid) = kid {
            let base = self.snapshot.as_ref().unwrap_or(&snapshot);
            // A set without keys would have been fetched again anyway; the first is nobody's fault.
            let is_due = base.keys.is_empty()
                && (self.snapshot.is_none()
                    || now - base.fetched_at >= refresh_after(EMPTY_MAX_AGE));
            if !base.keys.has_kid(kid) && !is_due {
                self.budget.take(now);
            }
            if !snapshot.keys.has_kid(kid) && !snapshot.keys.is_empty() {
                self.remember_unknown(kid, now);
            }
        }
        self.failures = Failures::default();
        // Keys that were imported while the answer was on its way.
        let is_newer = |known: &Arc<Snapshot>| known.fetched_at > snapshot.fetched_at;
        if !self.snapshot.as_ref().is_some_and(is_newer) {
            self.snapshot = Some(snapshot);
        }
    }

    /// An attempt of `took` failed. `jitter` is between 0 and 1, and shortens the wait by up to half.
    pub fn on_failure(&mut self, error: Error, took: Millis, now: Millis, jitter: f64) {
        let doublings = self.failures.in_a_row.min(16);
        let full = (FIRST_BACK_OFF << doublings).min(MAX_BACK_OFF);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "it is at most 30 s"
        )]
        let wait = (full as f64 * (1.0 - jitter / 2.0)) as Millis;
        self.failures = Failures {
            in_a_row: self.failures.in_a_row.saturating_add(1),
            timed_out_after: (error.code == Code::JwksTimeout).then_some(took),
            last: Some(error),
            last_at: now,
            retry_at: now + wait,
        };
    }

    /// Imported keys; a set without any, or older than the present one, changes nothing. By the wall clock, for only that
    /// is the same in another process. Specs hand over several within a millisecond, of which the last counts.
    pub fn on_import(&mut self, snapshot: Arc<Snapshot>) {
        let replaces = |known: &Arc<Snapshot>| {
            let is_as_old = known.unix_fetched_at == snapshot.unix_fetched_at;
            known.unix_fetched_at < snapshot.unix_fetched_at
                || is_as_old && known.is_imported && known.json != snapshot.json
        };
        if !snapshot.keys.is_empty() && self.snapshot.as_ref().is_none_or(replaces) {
            self.snapshot = Some(snapshot);
        }
    }

    fn remember_unknown(&mut self, kid: &str, now: Millis) {
        if self.unknown.len() >= MAX_UNKNOWN_KIDS {
            self.unknown.retain(|_, since| now - *since < UNKNOWN_KID_TTL);
        }
        if self.unknown.len() < MAX_UNKNOWN_KIDS && kid.len() <= MAX_UNKNOWN_KID_BYTES {
            self.unknown.insert(kid.to_owned(), now);
        }
    }
}

/// A token bucket.
#[derive(Debug)]
struct Budget {
    left: i64,
    since: Millis,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: BUDGET_BURST, since: 0 }
    }
}

impl Budget {
    fn left(&self, now: Millis) -> i64 {
        self.refilled(now).left
    }

    fn take(&mut self, now: Millis) {
        *self = self.refilled(now);
        self.left = (self.left - 1).max(0);
    }

    fn refilled(&self, now: Millis) -> Self {
        let left = self.left + (now - self.since) / BUDGET_REFILL;
        if left >= BUDGET_BURST {
            return Self { left: BUDGET_BURST, since: now };
        }
        Self { left, since: now - (now - self.since) % BUDGET_REFILL }
    }
}

/// Whether it may be used, fresh or stale, while no newer one can be had.
fn is_usable(snapshot: &Snapshot, now: Millis, limits: Limits) -> bool {
    let limit = freshness_lifetime(snapshot, limits) + millis(limits.stale_if_error);
    !snapshot.keys.is_empty() && now - snapshot.fetched_at < limit
}

/// In the last fifth of its freshness lifetime, a set is refreshed ahead.
fn refresh_after(lifetime: Millis) -> Millis {
    lifetime - lifetime / 5
}

/// RFC 9111 section 4.2.1.
fn freshness_lifetime(snapshot: &Snapshot, limits: Limits) -> Millis {
    let own = millis(limits.max_age);
    if snapshot.keys.is_empty() {
        return own.min(EMPTY_MAX_AGE);
    }
    snapshot.server_max_age.map_or(own, |server| own.min(millis(server).max(MIN_SERVER_MAX_AGE)))
}

#[cfg(test)]
mod tests;
