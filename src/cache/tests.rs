use std::net::TcpListener;

use super::fetch::Set;
use super::*;
use crate::clock::tests::MONOTONIC;

#[test]
fn an_answer_that_is_the_same_leaves_the_set_as_it_is() {
    let parsed = |json: &str| KeySet::parse(json).unwrap();
    let answer = |json: &str| {
        let set = Set::Keys { keys: parsed(json), json: json.into() };
        Answer { set, etag: Some(json.len().to_string()), max_age: None }
    };
    let attempt = |base: Option<&Arc<Snapshot>>, began| Attempt {
        base: base.map(Arc::clone),
        kid: None,
        began,
        unix_began: began + 1_000,
    };
    let (one, other) = (r#"{"keys":[]}"#, r#"{"keys": []}"#);
    let first = attempt(None, 1).snapshot(answer(one));
    let same = attempt(Some(&first), 2).snapshot(answer(one));
    assert!(Arc::ptr_eq(&first.keys, &same.keys));
    assert_eq!((first.fetched_at, same.fetched_at), (1, 2));
    assert_eq!((first.unix_fetched_at, same.unix_fetched_at), (1_001, 1_002));
    let changed = attempt(Some(&first), 3).snapshot(answer(other));
    assert!(!Arc::ptr_eq(&first.keys, &changed.keys));
    assert_eq!((&*changed.json, changed.etag.as_deref()), (other, Some("12")));

    let max_age = Some(Duration::from_secs(45));
    let changed = Arc::new(Snapshot { server_max_age: max_age, ..(*changed).clone() });
    let set = Set::NotModified(Arc::clone(&changed));
    let kept = attempt(Some(&changed), 4).snapshot(Answer { set, etag: None, max_age: None });
    assert_eq!(kept.server_max_age, max_age);
    assert!(Arc::ptr_eq(&changed.keys, &kept.keys));
    assert_eq!((kept.fetched_at, kept.etag.as_deref()), (4, Some("12")));
    assert_eq!(kept.unix_fetched_at, 1_004);
}

#[test]
fn of_many_caches_those_that_somebody_holds_are_kept() {
    let of = |n| KeyCache::of(&format!("http://localhost/many/{n}"));
    let held = of(0);
    let dropped = Arc::downgrade(&of(1));
    for n in 2..1_100 {
        of(n);
    }
    assert!(Arc::ptr_eq(&held, &of(0)));
    assert!(dropped.upgrade().is_none());
}

// RFC 7515 appendix A.3.1
const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

#[test]
fn who_waits_in_vain_spares_others_the_wait() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits =
        Limits { max_age: Duration::from_mins(10), stale_if_error: Duration::from_hours(1) };
    let (timeout, long_ago) = (Duration::from_secs(5), clock::now() - 61_000);
    for failed_before in [false, true] {
        // Connections are taken there, and never answered.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cache = KeyCache::of(&format!("http://{}/", listener.local_addr().unwrap()));
        cache.import(JWKS, clock::unix_now() - 11 * 60_000).unwrap();
        if failed_before {
            let error = Error::new(Code::JwksFetchFailed, "down");
            cache.lock().state.on_failure(error, 0, long_ago, 0.0);
        }
        let found = runtime.block_on(cache.get(None, limits, clock::now() + 50, timeout));
        assert_eq!(found.unwrap().keys.len(), 1);
        let Stats { fetches, failures_in_a_row, next_attempt_in, last_error, .. } = cache.stats();
        let failures = 1 + u32::from(failed_before);
        assert_eq!((fetches, failures_in_a_row), (1, failures));
        assert_eq!(last_error, Some(Code::JwksTimeout));
        assert!(next_attempt_in > Some(100));
        assert!(cache.cached(None, limits, timeout).is_some());
    }
}

#[test]
fn a_fetch_that_is_late_and_then_fails_is_one_failure() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let timeout = Duration::from_secs(5);
    let launch = || async {
        let pending = |_| std::future::pending::<Result<Answer>>();
        Flight::launch(timeout, pending, late("late"), |_, _| Err(late("late")))
    };
    let [flight, other] = [runtime.block_on(launch()), runtime.block_on(launch())];
    let cache = KeyCache::of("http://localhost/late");
    let error = || Error::new(Code::JwksTimeout, "late");
    for (is_late, failures) in [(false, 1), (true, 2), (true, 3), (false, 4)] {
        let mut inner = cache.lock();
        inner.fetch = Some(Fetch { flight: flight.clone(), began: 0, overdue: None });
        inner.count_if_late(&other, &error(), timeout, clock::now());
        assert_eq!(inner.state.failures.in_a_row + 1, failures);
        let told = is_late.then(|| {
            inner.count_if_late(&flight, &error(), timeout, clock::now());
            let told = inner.state.failures.retry_at;
            inner.count_if_late(&flight, &error(), timeout, clock::now());
            assert_eq!(inner.state.failures.retry_at, told);
            // The pause is over, and it is still under way.
            inner.state.failures.retry_at = clock::now();
            inner.count_if_late(&flight, &error(), timeout, clock::now());
            assert_eq!(inner.state.failures.in_a_row, failures);
            inner.state.failures.retry_at
        });
        drop(inner);
        assert!(told.is_none_or(|told| told > clock::now()));
        let now = clock::now();
        let attempt = Attempt { base: None, kid: None, began: now, unix_began: 0 };
        assert!(cache.land(Err(error()), &attempt, now).is_err());
        assert_eq!(cache.stats().failures_in_a_row, failures);
        assert!(told.is_none_or(|told| cache.lock().state.failures.retry_at == told));
    }
    assert_eq!(cache.stats().failed_fetches, 4);
}

#[test]
fn the_pause_after_a_time_out_begins_with_it_and_not_when_a_suspended_process_learns_of_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (timeout, error) = (Duration::from_secs(3), late("suspended"));
    let limits =
        Limits { max_age: Duration::from_secs(1), stale_if_error: Duration::from_hours(1) };
    let began = clock::now() - 90_000;
    let ended = began + 3_000;
    for caller_learns_first in [false, true] {
        let cache = KeyCache::of(&format!("http://localhost/suspended/{caller_learns_first}"));
        cache.import(JWKS, clock::unix_now() - 95_000).unwrap();
        let mut inner = cache.lock();
        if caller_learns_first {
            let pending = |_| std::future::pending::<Result<Answer>>();
            let flight = runtime.block_on(async {
                Flight::launch(timeout, pending, error.clone(), |_, _| Err(late("suspended")))
            });
            inner.fetch = Some(Fetch { flight: flight.clone(), began: 0, overdue: None });
            inner.count_if_late(&flight, &error, timeout, ended);
            let told = inner.state.failures.retry_at;
            inner.count_if_late(&flight, &error, timeout, ended + 10);
            let Failures { last_at, retry_at, .. } = inner.state.failures;
            assert_eq!((last_at, retry_at), (ended + 10, told));
        }
        drop(inner);
        let attempt = Attempt { base: None, kid: None, began, unix_began: 0 };
        assert!(cache.land(Err(error.clone()), &attempt, ended).is_err());
        let Stats { failures_in_a_row, next_attempt_in, .. } = cache.stats();
        assert_eq!((failures_in_a_row, next_attempt_in), (1, Some(0)));
        assert!(matches!(cache.lock().decide(None, timeout, limits), Action::Fetch));
    }
}

#[test]
fn who_gave_up_while_the_process_was_suspended_did_so_then() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = KeyCache::of(&format!("http://{}/", listener.local_addr().unwrap()));
    let limits = Limits { max_age: Duration::from_mins(10), stale_if_error: Duration::ZERO };
    let waits = cache.get(None, limits, clock::now() + 50, Duration::from_secs(5));
    let is_suspended = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        MONOTONIC.set(MONOTONIC.get() + 90_000);
    };
    let (found, ()) = runtime.block_on(async { tokio::join!(waits, is_suspended) });
    assert!(found.is_err());
    let Stats { failures_in_a_row, next_attempt_in, .. } = cache.stats();
    assert_eq!((failures_in_a_row, next_attempt_in), (1, Some(0)));
}

#[test]
fn what_was_imported_while_a_fetch_was_under_way_counts_if_it_is_newer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let began = clock::now() - 1_000;
    for (uat, stays) in [(-500, true), (-1_500, false), (500, false)] {
        let cache = KeyCache::of(&format!("http://localhost/imported/{uat}"));
        let flight = runtime.block_on(async {
            let pending = |_| std::future::pending::<Result<Answer>>();
            Flight::launch(Duration::from_secs(5), pending, late("late"), |_, _| Err(late("late")))
        });
        cache.lock().fetch = Some(Fetch { flight, began, overdue: None });
        cache.import(JWKS, clock::unix_now() + uat).unwrap();
        let json = JWKS.replace("[{", "[ {");
        let keys = KeySet::parse(&json).unwrap();
        let answer = Answer { set: Set::Keys { keys, json }, etag: None, max_age: None };
        let attempt = Attempt { base: None, kid: None, began, unix_began: 0 };
        let landed = cache.land(Ok(answer), &attempt, clock::now()).unwrap();
        assert_ne!(&*landed.json, JWKS);
        let current = cache.snapshot().unwrap();
        assert_eq!(current.is_imported, stays, "{uat} ms from now");
        assert!(Arc::ptr_eq(&current, cache.lock().state.snapshot.as_ref().unwrap()));
    }
}

#[test]
fn a_fetch_that_is_lost_leaves_nothing_to_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = KeyCache::of(&format!("http://{}/", listener.local_addr().unwrap()));
    let limits =
        Limits { max_age: Duration::from_mins(10), stale_if_error: Duration::from_hours(1) };
    for failures in 1..4 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let timeout = Duration::from_secs(5);
        let found = runtime.block_on(cache.get(None, limits, clock::now() + 50, timeout));
        assert!(found.is_err());
        assert_eq!(cache.stats().failures_in_a_row, failures);
        cache.lock().state.failures.retry_at = clock::now();
    }
}
