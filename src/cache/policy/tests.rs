use super::*;

mod kids;

const LIMITS: Limits =
    Limits { max_age: Duration::from_mins(10), stale_if_error: Duration::from_hours(1) };
const FAIL_CLOSED: Limits = Limits { stale_if_error: Duration::ZERO, ..LIMITS };
const SECOND: Millis = 1_000;
const TIMEOUT: Millis = 5 * SECOND;
const MINUTE: Millis = 60 * SECOND;

// RFC 7515 appendix A.3.1
const JWK: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;

fn snapshot(kids: &[&str], fetched_at: Millis) -> Arc<Snapshot> {
    let keys: Vec<_> = kids.iter().map(|kid| format!(r#"{{"kid":"{kid}",{JWK}}}"#)).collect();
    let json = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    Arc::new(Snapshot {
        keys: Arc::new(KeySet::parse(&json).unwrap()),
        json: json.into(),
        etag: None,
        server_max_age: None,
        fetched_at,
        unix_fetched_at: fetched_at,
        is_imported: false,
    })
}

fn warm(kids: &[&str]) -> State {
    State { snapshot: Some(snapshot(kids, 0)), ..State::default() }
}

fn down() -> Error {
    Error::new(Code::JwksFetchFailed, "down")
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Use(_) => "use",
        Action::UseAndRefresh(_) => "use and refresh",
        Action::Wait => "wait",
        Action::Fetch => "fetch",
        Action::Fail(_) => "fail",
    }
}

#[track_caller]
fn decides(state: &State, asked: &str, now: Millis, limits: Limits, expected: &str) {
    assert_eq!(
        name(&state.decide(Some(asked), now, TIMEOUT, limits, false)),
        expected,
        "idle, at {now}"
    );
}

#[track_caller]
fn decides_while_fetching(state: &State, asked: &str, now: Millis, expected: &str) {
    assert_eq!(
        name(&state.decide(Some(asked), now, TIMEOUT, LIMITS, true)),
        expected,
        "fetching, at {now}"
    );
}

#[test]
fn the_age_of_the_set_decides() {
    let state = warm(&["a"]);
    for (now, idle, fetching) in [
        (0, "use", "use"),
        (8 * MINUTE - 1, "use", "use"),
        (8 * MINUTE, "use and refresh", "use"), // the last fifth
        (10 * MINUTE - 1, "use and refresh", "use"),
        (10 * MINUTE, "fetch", "wait"),
        (100 * MINUTE, "fetch", "wait"),
    ] {
        decides(&state, "a", now, LIMITS, idle);
        decides_while_fetching(&state, "a", now, fetching);
    }
}

#[test]
fn a_shorter_server_max_age_wins_down_to_its_floor() {
    for (server, fresh_for) in
        [(3_600, 600 * SECOND), (60, 60 * SECOND), (5, 30 * SECOND), (0, 30 * SECOND)]
    {
        let mut aged = Arc::unwrap_or_clone(snapshot(&["a"], 0));
        aged.server_max_age = Some(Duration::from_secs(server));
        let state = State { snapshot: Some(Arc::new(aged)), ..State::default() };
        decides(&state, "a", fresh_for - 1, LIMITS, "use and refresh");
        decides(&state, "a", fresh_for, LIMITS, "fetch");
    }
    let own = Limits { max_age: Duration::from_secs(1), ..LIMITS };
    decides(&warm(&["a"]), "a", SECOND, own, "fetch");
}

#[test]
fn a_cold_cache_fetches_once_and_backs_off() {
    let mut state = State::default();
    decides(&state, "a", 0, LIMITS, "fetch");
    decides_while_fetching(&state, "a", 0, "wait");

    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..10 {
        state.on_failure(down(), 0, now, 0.0);
        decides(&state, "a", now, LIMITS, "fail");
        decides(&state, "a", state.failures.retry_at - 1, LIMITS, "fail");
        decides(&state, "a", state.failures.retry_at, LIMITS, "fetch");
        waits.push(state.failures.retry_at - now);
        now = state.failures.retry_at;
    }
    assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);

    state.on_failure(down(), 0, now, 1.0);
    assert_eq!(state.failures.retry_at - now, 15_000, "jitter takes up to half");
}

#[test]
fn the_impatient_do_not_hold_the_patient_back() {
    let mut state = State::default();
    state.on_failure(Error::new(Code::JwksTimeout, "late"), 50, 0, 0.0);
    for (timeout, expected) in [(10, "fail"), (50, "fail"), (51, "fetch"), (5_000, "fetch")] {
        assert_eq!(name(&state.decide(Some("a"), 1, timeout, LIMITS, false)), expected);
    }
    state.on_failure(down(), 50, 1, 0.0);
    assert_eq!(name(&state.decide(Some("a"), 2, 5_000, LIMITS, false)), "fail");
}

#[test]
fn failures_in_a_row_never_overflow() {
    let mut state = State::default();
    for _ in 0..100 {
        state.on_failure(down(), 0, 0, 0.0);
    }
    assert_eq!(state.failures.retry_at, MAX_BACK_OFF);
}

#[test]
fn known_keys_outlast_an_outage() {
    let mut state = warm(&["a"]);
    let now = 10 * MINUTE;
    decides(&state, "a", now, LIMITS, "fetch");
    state.on_failure(down(), 0, now, 0.0);
    assert!(state.fallback(Some("a"), now, LIMITS).is_some());
    decides(&state, "a", now + 1, LIMITS, "use");
    // Nobody waits while the issuer is known to be down …
    decides(&state, "a", now + 250, LIMITS, "use and refresh");
    // … but what is long past says nothing about now.
    decides(&state, "a", now + RECENT_FAILURE, LIMITS, "fetch");

    let end = 70 * MINUTE;
    state.on_failure(down(), 0, end - 1, 0.0);
    decides(&state, "a", end - 1, LIMITS, "use");
    decides(&state, "a", end, LIMITS, "fail");
    assert!(state.fallback(Some("a"), end, LIMITS).is_none());
}

#[test]
fn zero_stale_if_error_fails_closed() {
    let mut state = warm(&["a"]);
    let now = 10 * MINUTE;
    state.on_failure(down(), 0, now - 1, 0.0);
    decides(&state, "a", now - 1, FAIL_CLOSED, "use");
    decides(&state, "a", now, FAIL_CLOSED, "fail");
    assert!(state.fallback(Some("a"), now, FAIL_CLOSED).is_none());
}

#[test]
fn a_set_ages_from_when_it_was_fetched() {
    let fetched_at = 100 * MINUTE;
    let set = snapshot(&["a"], fetched_at);
    assert!(set.is_fresh(fetched_at + 8 * MINUTE - 1, LIMITS));
    assert!(!set.is_fresh(fetched_at + 8 * MINUTE, LIMITS));
    let state = State { snapshot: Some(set), ..State::default() };
    assert!(state.fallback(Some("a"), fetched_at + 70 * MINUTE - 1, LIMITS).is_some());
    assert!(state.fallback(Some("a"), fetched_at + 70 * MINUTE, LIMITS).is_none());
}

#[test]
fn one_unknown_kid_is_remembered_for_a_while() {
    let mut state = warm(&["a"]);
    state.on_answer(snapshot(&["a"], 0), Some("b"), 0);
    decides(&state, "b", 1, LIMITS, "use");
    decides(&state, "b", UNKNOWN_KID_TTL - 1, LIMITS, "use");
    decides(&state, "b", UNKNOWN_KID_TTL, LIMITS, "fetch");
}

#[test]
fn a_withdrawal_costs_nothing() {
    let mut state = warm(&["a"]);
    state.on_answer(snapshot(&["b"], 10 * MINUTE), Some("a"), 10 * MINUTE);
    assert_eq!(state.budget.left, BUDGET_BURST);
    decides(&state, "a", 10 * MINUTE, LIMITS, "use");
}

#[test]
fn an_empty_set_says_nothing_of_the_next() {
    let mut state = warm(&["a"]);
    state.on_answer(snapshot(&[], 1), Some("a"), 1);
    decides(&state, "a", 2, LIMITS, "fetch");
    state.on_answer(snapshot(&["a"], 3), Some("a"), 3);
    decides(&state, "a", 4, LIMITS, "use");
}

#[test]
fn an_empty_set_is_soon_asked_about_again_by_whoever_comes() {
    let state = warm(&[]);
    let decide = |now| name(&state.decide(None, now, TIMEOUT, LIMITS, false));
    let decided = [0, 799, 800, 1_000].map(decide);
    assert_eq!(decided, ["use", "use", "use and refresh", "fetch"]);
    let own = Limits { max_age: Duration::from_millis(500), ..LIMITS };
    assert_eq!(name(&state.decide(None, 500, TIMEOUT, own, false)), "fetch");
    assert!(state.fallback(None, 500, LIMITS).is_none());
}

#[test]
fn an_empty_set_uses_one_of_the_budget_only_before_it_is_due() {
    let mut state = State::default();
    state.on_answer(snapshot(&[], 0), Some("a"), 1);
    assert_eq!(state.budget.left, BUDGET_BURST);
    for now in [SECOND, 2 * SECOND, 3 * SECOND] {
        decides(&state, "a", now, LIMITS, "fetch");
        state.on_answer(snapshot(&[], now), Some("a"), now);
    }
    assert_eq!(state.budget.left, BUDGET_BURST);
    decides(&state, "a", 3 * SECOND + 1, LIMITS, "fetch");
    state.on_answer(snapshot(&[], 3 * SECOND + 1), Some("a"), 3 * SECOND + 1);
    assert_eq!(state.budget.left, BUDGET_BURST - 1);
    decides(&state, "a", 3 * SECOND + 2, LIMITS, "use");
    // In the last fifth of its second, a refresh is due.
    decides(&state, "a", 3 * SECOND + 801, LIMITS, "fetch");
    state.on_answer(snapshot(&["a"], 3 * SECOND + 801), Some("a"), 3 * SECOND + 801);
    decides(&state, "b", 3 * SECOND + 802, LIMITS, "fetch");
}

#[test]
fn while_the_issuer_is_down_an_unknown_kid_is_nobodys_fault() {
    let mut state = warm(&["a"]);
    state.on_failure(down(), 0, 0, 0.0);
    decides(&state, "b", 1, LIMITS, "fail");
    assert!(state.fallback(Some("b"), 1, LIMITS).is_none());
    decides(&state, "b", 250, LIMITS, "fetch");
    decides(&state, "a", 250, LIMITS, "use");

    state.on_answer(snapshot(&["a"], 300), Some("x"), 300);
    state.on_answer(snapshot(&["a"], 301), Some("y"), 301);
    state.on_failure(down(), 0, 302, 0.0);
    // The budget is spent, but the attempt after a failure is due in any case.
    decides(&state, "b", 302 + 249, LIMITS, "fail");
    decides(&state, "b", 302 + 250, LIMITS, "fetch");
    decides(&state, "a", 302 + 250, LIMITS, "use");
}

#[test]
fn an_outage_leaves_the_budget_for_the_rotation_after_it() {
    let mut state = warm(&["a"]);
    for attempt in 0..5 {
        state.on_failure(down(), 0, attempt, 0.0);
    }
    decides(&state, "b", state.failures.retry_at, LIMITS, "fetch");
}

#[test]
fn an_older_set_is_not_imported() {
    let imported = |kids: &[&str], fetched_at| {
        Arc::new(Snapshot { is_imported: true, ..(*snapshot(kids, fetched_at)).clone() })
    };
    let fetched = snapshot(&["a"], 5);
    let mut state = State { snapshot: Some(Arc::clone(&fetched)), ..State::default() };
    let mut import = |set: &Arc<Snapshot>| {
        state.on_import(Arc::clone(set));
        Arc::clone(state.snapshot.as_ref().unwrap())
    };
    for set in [imported(&["b"], 4), imported(&["b"], 5)] {
        assert!(Arc::ptr_eq(&import(&set), &fetched));
    }
    let newer = imported(&["a"], 6);
    assert!(Arc::ptr_eq(&import(&newer), &newer));
    assert!(Arc::ptr_eq(&import(&imported(&["a"], 6)), &newer), "the same");
    let other = imported(&["b"], 6);
    assert!(Arc::ptr_eq(&import(&other), &other));
}

#[test]
fn what_was_imported_while_an_older_set_was_on_its_way_stays() {
    for (imported_at, expected) in [(4, "a"), (5, "a"), (6, "b")] {
        let mut state = warm(&["x"]);
        state.on_import(snapshot(&["b"], imported_at));
        state.on_answer(snapshot(&["a"], 5), None, 7);
        let current = state.snapshot.as_ref().unwrap();
        assert!(current.keys.has_kid(expected), "imported at {imported_at}");
    }
}

#[test]
fn a_set_without_keys_is_not_imported() {
    let mut state = State::default();
    state.on_import(snapshot(&[], 6));
    assert!(state.snapshot.is_none());
    let mut state = warm(&["a"]);
    state.on_import(snapshot(&[], 6));
    assert!(state.snapshot.unwrap().keys.has_kid("a"));
}

#[test]
fn stale_keys_count_in_every_pause() {
    let mut state = warm(&["a"]);
    let now = 11 * MINUTE;
    state.on_failure(down(), 0, now - RECENT_FAILURE, 0.0);
    decides(&state, "a", now, LIMITS, "fetch");
    state.failures.retry_at = now + 1;
    decides(&state, "a", now, LIMITS, "use");
}
