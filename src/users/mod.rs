//! `GET /api/v1/users/me`: the user of a token, asked for anew or, within `maxAge`, shared.

mod answer;
mod request;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time::timeout;

use self::request::late;
use crate::clock::{self, Millis};
use crate::config::Users;
use crate::error::Result;
use crate::flight::{Deadline, Flight};

/// Bytes of the answers that are kept for sharing.
const MAX_KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// The same question has the same answer, whoever asks.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    users: Arc<Users>,
    token: Arc<str>,
}

#[derive(Debug, Clone)]
struct Kept {
    user: Arc<str>,
    asked_at: Millis,
}

struct Shared {
    answers: Cache<Question, Kept, Bytes>,
    flights: Mutex<HashMap<Question, Flight<Kept>>>,
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
    answers: Cache::with_weighter(1_024, MAX_KEPT_BYTES, Bytes),
    flights: Mutex::default(),
});

/// Which answers will do in place of one of one's own.
#[derive(Debug, Clone, Copy)]
pub enum Sharing {
    None,
    /// One that is on its way.
    UnderWay,
    /// Also one that is not older than this.
    Kept(Duration),
}

/// The user's JSON, by `deadline`; must be called on a runtime.
pub async fn current_user(
    users: &Arc<Users>,
    token: &str,
    sharing: Sharing,
    deadline: Millis,
) -> Result<Arc<str>> {
    let max_age = match sharing {
        Sharing::None => {
            let asked = request::ask(users, token, Deadline::at(deadline));
            let answer = timeout(clock::left(deadline), asked).await;
            return Ok(answer.unwrap_or_else(|_elapsed| Err(late()))?.into());
        }
        Sharing::UnderWay => Duration::ZERO,
        Sharing::Kept(max_age) => max_age,
    };
    let question = Question { users: Arc::clone(users), token: token.into() };
    if let Some(kept) = SHARED.answers.get(&question)
        && clock::now() - kept.asked_at < clock::millis(max_age)
    {
        return Ok(kept.user);
    }
    let allowed = clock::left(deadline);
    Ok(SHARED.flight(question, allowed).join(deadline, allowed, late()).await?.user)
}

impl Shared {
    fn flight(&'static self, question: Question, allowed: Duration) -> Flight<Kept> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| flight.is_under_way());
        if let Some(flight) = flights.get(&question) {
            return flight.clone();
        }
        let asked_at = clock::now();
        let asked = question.clone();
        let work =
            |deadline| async move { request::ask(&asked.users, &asked.token, deadline).await };
        let kept_for = question.clone();
        let land = move |user: Result<String>| {
            let kept = Kept { user: user?.into(), asked_at };
            self.answers.insert(kept_for, kept.clone());
            Ok(kept)
        };
        let flight = Flight::launch(allowed, work, late(), land);
        flights.insert(question, flight.clone());
        flight
    }
}
