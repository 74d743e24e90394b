//! One piece of work that many callers wait for. It is a task of its own, so it goes on when one of them gives up.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{self, sleep};

use crate::clock::{self, Millis, millis};
use crate::error::{Error, Result};

pub struct Flight<T> {
    outcome: watch::Receiver<Option<Result<T>>>,
    began: Millis,
    until: Deadline,
}

/// When work must be done. Callers that join a flight can put off its deadline.
#[derive(Clone)]
pub struct Deadline(Arc<AtomicI64>);

/// What a deadline becomes when it has passed. From then on, it cannot be put off.
const PASSED: Millis = 0;

impl Deadline {
    pub fn at(deadline: Millis) -> Self {
        Self(Arc::new(AtomicI64::new(deadline)))
    }

    pub fn left(&self) -> Duration {
        clock::left(self.0.load(Ordering::Relaxed))
    }

    /// Makes it no earlier than `at`; false if it has passed, if only by the clock: a process that was suspended learns
    /// of it later.
    fn put_off(&self, at: Millis) -> bool {
        let now = clock::now();
        let later = |deadline: Millis| (deadline > now).then(|| deadline.max(at));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).is_ok()
    }

    /// Resolves when it has passed, even if it is put off meanwhile; to the time that it was.
    async fn passed(&self) -> Millis {
        loop {
            let deadline = self.0.load(Ordering::Relaxed);
            let left = clock::left(deadline);
            let swap =
                || self.0.compare_exchange(deadline, PASSED, Ordering::Relaxed, Ordering::Relaxed);
            if left.is_zero() && swap().is_ok() {
                return deadline;
            }
            sleep(left).await;
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// Begins `work`, whose result is `late` if it takes longer than `timeout`, and than that of all who join. `land`
    /// makes of the result what they get; it is told when the work ended.
    pub fn launch<A: Send, W: Future<Output = Result<A>> + Send + 'static>(
        timeout: Duration,
        work: impl FnOnce(Deadline) -> W,
        late: Error,
        land: impl FnOnce(Result<A>, Millis) -> Result<T> + Send + 'static,
    ) -> Self {
        let (sender, outcome) = watch::channel(None);
        let began = clock::now();
        let until = Deadline::at(began + millis(timeout));
        let (work, shared) = (work(until.clone()), until.clone());
        tokio::spawn(async move {
            let (result, ended) = tokio::select! {
                // What came while this thread was busy with something else came in time.
                biased;
                result = work => (result, clock::now()),
                deadline = shared.passed() => (Err(late), deadline),
            };
            sender.send_replace(Some(land(result, ended)));
        });
        Self { outcome, began, until }
    }

    /// False once it has landed, or is lost by a panic.
    pub fn is_under_way(&self) -> bool {
        self.outcome.borrow().is_none() && self.outcome.has_changed().is_ok()
    }

    pub fn is_same(&self, other: &Self) -> bool {
        self.outcome.same_channel(&other.outcome)
    }

    /// Waits until `deadline`. The flight may take the caller's whole `timeout`, counted from its own beginning, but no
    /// longer than the caller waits. `None` if callers with less time gave it up just before, and this one has time left
    /// for another.
    pub async fn join(
        &self,
        deadline: Millis,
        timeout: Duration,
        late: Error,
    ) -> Option<Result<T>> {
        let may_last = self.until.put_off(deadline.min(self.began + millis(timeout)));
        let mut outcome = self.outcome.clone();
        match time::timeout(clock::left(deadline), outcome.wait_for(Option::is_some)).await {
            Ok(Ok(_)) if !may_last && !clock::left(deadline).is_zero() => None,
            Ok(Ok(landed)) => Some(landed.clone().unwrap_or(Err(late))),
            _lost_or_elapsed => Some(Err(late)),
        }
    }
}

impl<T> Clone for Flight<T> {
    fn clone(&self) -> Self {
        Self { outcome: self.outcome.clone(), began: self.began, until: self.until.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::MONOTONIC;
    use crate::error::Code;

    const LONG: Duration = Duration::from_secs(5);
    const SHORT: Duration = Duration::from_millis(50);

    fn late() -> Error {
        Error::new(Code::JwksTimeout, "late")
    }

    fn launch(timeout: Duration, takes: Duration) -> Flight<u8> {
        let work = move |_| async move {
            sleep(takes).await;
            Ok(7)
        };
        Flight::launch(timeout, work, late(), |result, _| result)
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn all_who_wait_get_the_outcome() {
        run(async {
            let flight = launch(LONG, SHORT);
            let deadline = clock::now() + 5_000;
            let (a, b) = tokio::join!(
                flight.join(deadline, LONG, late()),
                flight.join(deadline, LONG, late())
            );
            assert_eq!((a, b), (Some(Ok(7)), Some(Ok(7))));
            assert!(!flight.is_under_way());
        });
    }

    #[test]
    fn who_gives_up_early_leaves_it_flying() {
        run(async {
            let (answer, answered) = tokio::sync::oneshot::channel();
            let work = |_| async move { Ok(answered.await.unwrap()) };
            let flight = Flight::launch(LONG, work, late(), |result, _| result);
            assert_eq!(flight.join(clock::now() + 10, LONG, late()).await, Some(Err(late())));
            assert!(flight.is_under_way());
            answer.send(7).unwrap();
            assert_eq!(flight.join(clock::now() + 5_000, LONG, late()).await, Some(Ok(7)));
        });
    }

    #[test]
    fn who_has_more_time_puts_the_end_off() {
        run(async {
            let flight = launch(SHORT, 3 * SHORT);
            assert_eq!(flight.join(clock::now() + 5_000, LONG, late()).await, Some(Ok(7)));
        });
    }

    #[test]
    fn those_with_the_same_time_do_not_put_the_end_off() {
        run(async {
            let flight = launch(SHORT, LONG);
            let end = || flight.until.0.load(Ordering::Relaxed);
            let before = end();
            sleep(SHORT / 2).await;
            let joined = flight.join(clock::now() + 5_000, SHORT, late()).await;
            assert_eq!((joined, before, end()), (Some(Err(late())), flight.began + 50, PASSED));
        });
    }

    #[test]
    fn what_was_given_up_is_no_outcome_for_who_has_more_time() {
        run(async {
            let flight = launch(SHORT, LONG);
            let deadline = clock::now() + 5_000;
            // `land` may take a while after that.
            flight.until.passed().await;
            assert_eq!(flight.join(deadline, LONG, late()).await, None);
            assert_eq!(flight.join(clock::now(), LONG, late()).await, Some(Err(late())));
        });
    }

    #[test]
    fn what_ran_out_while_the_process_was_suspended_ended_then_and_is_no_outcome_for_others() {
        run(async {
            let (told, ended) = tokio::sync::oneshot::channel();
            let work = |_| std::future::pending::<Result<u8>>();
            let land = |result, ended| {
                told.send(ended).unwrap();
                result
            };
            let flight = Flight::launch(LONG, work, late(), land);
            MONOTONIC.set(MONOTONIC.get() + 60_000);
            let waits = |timeout| flight.join(clock::now() + timeout, LONG, late());
            let (joined, own) = tokio::join!(waits(5_000), waits(0));
            assert_eq!((joined, own), (None, Some(Err(late()))));
            assert_eq!(ended.await.unwrap(), flight.began + 5_000);
        });
    }

    #[test]
    fn a_flight_that_is_lost_is_over() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let flight = runtime.block_on(async { launch(LONG, LONG) });
        assert!(flight.is_under_way());
        drop(runtime);
        assert!(!flight.is_under_way());
    }
}
