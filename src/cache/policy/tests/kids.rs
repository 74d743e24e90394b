//! Kids that are in no set, and what they may cost.

use super::*;

#[test]
fn an_unknown_kid_is_asked_about_at_once() {
    let mut state = warm(&["a"]);
    decides(&state, "b", 1, LIMITS, "fetch");
    decides_while_fetching(&state, "b", 1, "wait");
    state.on_answer(snapshot(&["b"], 2), Some("b"), 2);
    assert_eq!(state.budget.left, BUDGET_BURST - 1);
    decides(&state, "b", 3, LIMITS, "use");
    decides(&state, "c", 3, LIMITS, "fetch");
}

#[test]
fn no_kid_is_no_reason_to_fetch() {
    let state = warm(&["a"]);
    assert_eq!(name(&state.decide(None, 0, TIMEOUT, LIMITS, false)), "use");
}

/// Asks about ever new kids, one every `step`, and answers each fetch; counts the fetches.
fn flood(state: &mut State, until: Millis, step: usize) -> usize {
    let mut fetches = 0;
    for now in (0..until).step_by(step) {
        let random = Some(&*format!("random-{now}"));
        if let Action::Fetch = state.decide(random, now, TIMEOUT, LIMITS, false) {
            fetches += 1;
            state.on_answer(snapshot(&["a"], now), random, now);
        }
    }
    fetches
}

#[test]
fn a_flood_of_random_kids_stays_within_the_budget() {
    assert_eq!(flood(&mut warm(&["a"]), 20 * SECOND, 10), 2);
    assert_eq!(flood(&mut State::default(), 20 * SECOND, 10), 2, "the first fetch included");
    assert_eq!(flood(&mut warm(&["a"]), 5 * MINUTE, 100), 2 + 9);
}

#[test]
fn answers_beyond_the_budget_are_no_debt() {
    let mut state = warm(&["a"]);
    for n in 0..10 {
        state.on_answer(snapshot(&["a"], 0), Some(&n.to_string()), 0);
    }
    decides(&state, "b", BUDGET_REFILL - 1, LIMITS, "use");
    decides_while_fetching(&state, "b", BUDGET_REFILL - 1, "wait");
    decides(&state, "b", BUDGET_REFILL, LIMITS, "fetch");
}

#[test]
fn a_refresh_that_is_due_needs_no_budget() {
    let mut state = warm(&["a"]);
    let due = 8 * MINUTE;
    for kid in ["x", "y"] {
        state.on_answer(snapshot(&["a"], 0), Some(kid), due - 1);
    }
    decides(&state, "b", due - 1, LIMITS, "use");
    decides(&state, "b", due, LIMITS, "fetch");
    state.on_answer(snapshot(&["a"], due), Some("z"), due);
    decides(&state, "b", due, LIMITS, "use");
}

#[test]
fn what_is_left_of_the_time_to_the_next_fetch_is_kept() {
    let mut state = warm(&["a"]);
    let begin = 10 * SECOND;
    for kid_of in ["b", "c"] {
        state.on_answer(snapshot(&["a"], 0), Some(kid_of), begin);
    }
    decides(&state, "e", begin + BUDGET_REFILL - 1, LIMITS, "use");
    state.on_answer(snapshot(&["a"], 0), Some("d"), begin + BUDGET_REFILL + 10 * SECOND);
    decides(&state, "e", begin + 2 * BUDGET_REFILL - 1, LIMITS, "use");
    decides(&state, "e", begin + 2 * BUDGET_REFILL, LIMITS, "fetch");
}

#[test]
fn memory_of_unknown_kids_is_bounded() {
    let mut state = warm(&["a"]);
    for n in 0..10_000 {
        state.on_answer(snapshot(&["a"], 0), Some(&n.to_string()), n);
    }
    state.on_answer(snapshot(&["a"], 0), Some(&"x".repeat(10_000)), 100 * MINUTE);
    assert!(state.unknown.len() <= MAX_UNKNOWN_KIDS);
    assert!(state.unknown.keys().all(|kid| kid.len() <= MAX_UNKNOWN_KID_BYTES));
}

#[test]
fn unknown_kids_make_room_when_their_time_is_over() {
    let mut state = warm(&["a"]);
    for n in 1..MAX_UNKNOWN_KIDS {
        state.on_answer(snapshot(&["a"], 0), Some(&n.to_string()), 0);
    }
    let longest = "x".repeat(MAX_UNKNOWN_KID_BYTES);
    state.on_answer(snapshot(&["a"], 0), Some(&longest), 1);
    assert!(state.unknown.contains_key(&longest));
    state.on_answer(snapshot(&["a"], 0), Some("b"), UNKNOWN_KID_TTL - 1);
    assert!(!state.unknown.contains_key("b"));
    state.on_answer(snapshot(&["a"], 0), Some("b"), UNKNOWN_KID_TTL);
    assert_eq!((state.unknown.contains_key("b"), state.unknown.len()), (true, 2));
}

#[test]
fn a_kid_that_an_answer_had_is_not_unknown() {
    let mut state = warm(&["a"]);
    state.on_answer(snapshot(&["b"], 1), Some("b"), 1);
    state.on_import(snapshot(&["a"], 2));
    decides(&state, "b", 3, LIMITS, "fetch");
}
