//! `GET /api/v1/users/me`: the user of a token, asked for anew or, within `maxAge`, shared.

pub mod answer;
mod request;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time;

use self::request::late;
use crate::bounded;
use crate::clock::{self, Millis};
use crate::config::Users;
use crate::counts::{CacheStats, Counter};
use crate::error::{Party, Result};
use crate::flight::{Deadline, Flight};

/// Bytes of the answers that are kept for sharing.
const MAX_KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// Requests that are equal share an answer.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    users: Arc<Users>,
    token: Arc<str>,
}

#[derive(Clone)]
struct Kept {
    user: Arc<str>,
    asked_at: Millis,
}

struct Shared {
    answers: Cache<Question, Kept, Bytes>,
    flights: Mutex<HashMap<Question, Flight<Arc<str>>>>,
    hits: Counter,
    misses: Counter,
}

/// Where an answer comes from.
enum Source {
    Kept(Arc<str>),
    Flight(Flight<Arc<str>>),
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Question, Kept> for Bytes {
    fn weight(&self, question: &Question, kept: &Kept) -> u64 {
        const OVERHEAD: usize = 256;
        (question.token.len() + kept.user.len() + OVERHEAD) as u64
    }
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| Shared {
    // With one shard: an answer that is larger than its shard would not be kept, and some contain images.
    answers: bounded::cache(MAX_KEPT_BYTES, 1_024, Some(1), Bytes),
    flights: Mutex::default(),
    hits: Counter::default(),
    misses: Counter::default(),
});

/// Which answers to others a call may use.
#[derive(Debug, Clone, Copy)]
pub enum Sharing {
    None,
    /// One that is under way.
    UnderWay,
    /// Also a kept one that is not older than this.
    Kept(Duration),
}

/// The user's JSON, by `deadline`, of a call that had `timeout` in all; must be called on a runtime.
pub async fn current_user(
    users: &Arc<Users>,
    token: &Arc<str>,
    sharing: Sharing,
    deadline: Millis,
    timeout: Duration,
) -> Result<Arc<str>> {
    let question = Question { users: Arc::clone(users), token: Arc::clone(token) };
    let max_age = match sharing {
        Sharing::None => {
            let asked = request::ask(users, token, Deadline::at(deadline));
            let answer = time::timeout(clock::left(deadline), asked).await;
            let user = answer.unwrap_or_else(|_elapsed| Err(late(users)));
            SHARED.forget_if_refused(&mut SHARED.lock(), &question, &user);
            return Ok(user?.into());
        }
        Sharing::UnderWay => Duration::ZERO,
        Sharing::Kept(max_age) => max_age,
    };
    loop {
        let left = clock::left(deadline);
        match SHARED.source(question.clone(), max_age, left) {
            Source::Kept(user) => return Ok(user),
            Source::Flight(flight) => {
                if let Some(landed) = flight.join(deadline, timeout, late(users)).await {
                    return landed;
                }
            }
        }
    }
}

/// Of all answers that are shared in this process; to join one that is under way counts as a hit.
pub fn stats() -> CacheStats {
    let Shared { answers, hits, misses, .. } = &*SHARED;
    CacheStats {
        hits: hits.get(),
        misses: misses.get(),
        entries: answers.len() as u64,
        bytes: answers.weight(),
        max_bytes: answers.capacity(),
    }
}

impl Shared {
    /// A kept answer that is young enough, one that is under way, or a new one.
    fn source(&'static self, question: Question, max_age: Duration, timeout: Duration) -> Source {
        let mut flights = self.lock();
        if let Some(kept) = self.answers.get(&question)
            && clock::now() - kept.asked_at < clock::millis(max_age)
        {
            self.hits.add_one();
            return Source::Kept(kept.user);
        }
        if let Some(flight) = flights.get(&question).filter(|flight| flight.is_under_way()) {
            self.hits.add_one();
            return Source::Flight(flight.clone());
        }
        self.misses.add_one();
        let asked_at = clock::now();
        let (asked, landed) = (question.clone(), question.clone());
        let work =
            |deadline| async move { request::ask(&asked.users, &asked.token, deadline).await };
        let land = move |user: Result<String>, _| {
            let mut flights = self.lock();
            // No longer, once the API has refused the token, or a newer request has taken its place.
            let is_current = flights
                .get_key_value(&landed)
                .is_some_and(|(asked, _)| Arc::ptr_eq(&asked.token, &landed.token));
            if is_current {
                flights.remove(&landed);
            }
            self.forget_if_refused(&mut flights, &landed, &user);
            let user: Arc<str> = user?.into();
            // Without a `max_age`, nobody has verified the token, and the answer may be no user.
            if is_current && !max_age.is_zero() {
                self.answers.insert(landed, Kept { user: Arc::clone(&user), asked_at });
            }
            Ok(user)
        };
        let flight = Flight::launch(timeout, work, late(&question.users), land);
        // A map keeps its key when a value is replaced, and `land` goes by it.
        flights.remove(&question);
        flights.insert(question, flight.clone());
        Source::Flight(flight)
    }

    /// Whom the API has refused by now is not let in by an answer to an older question, even if it is yet to come.
    fn forget_if_refused(
        &self,
        flights: &mut HashMap<Question, Flight<Arc<str>>>,
        question: &Question,
        user: &Result<String>,
    ) {
        if user.as_ref().is_err_and(|error| error.code.party() == Party::Caller) {
            flights.remove(question);
            self.answers.remove(question);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Flight<Arc<str>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::UserType;

    /// Begins a request whose runtime ends before it lands.
    fn lose(question: &Question) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            SHARED.source(question.clone(), Duration::ZERO, Duration::from_secs(5))
        });
    }

    #[test]
    fn a_request_that_is_lost_makes_room_for_a_newer_one() {
        let users = Arc::new(Users {
            url: "http://127.0.0.1:9/".into(),
            project_id: "project".into(),
            secret_server_key: None,
            publishable_client_key: None,
            allowed: UserType::Regular,
        });
        let question = || Question { users: Arc::clone(&users), token: "token".into() };
        let [older, newer] = [question(), question()];
        lose(&older);
        lose(&newer);
        let flights = SHARED.lock();
        let (current, _) = flights.get_key_value(&newer).unwrap();
        assert!(Arc::ptr_eq(&current.token, &newer.token), "or its answer would not be kept");
    }
}
