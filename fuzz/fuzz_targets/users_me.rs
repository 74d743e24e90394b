//! An answer to `users/me`: handed through or refused, by whose fault it is, and without the secrets.
//!
//! The first line of an input is the status and the `x-stack-known-error`; the rest is the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use stack_auth_native::error::{Error, Party};
use stack_auth_native::users::answer::{Answer, read};
use stack_auth_native_fuzz::{bounded, value};

const SECRETS: [&str; 3] = ["eyJh.eyJz.c2ln", "ssk_x1", r#"pck"\y"#];
/// What Stack Auth says of who calls, and not of who asks it.
const OF_THE_CALLER: [&str; 6] = [
    "CANNOT_GET_OWN_USER_WITHOUT_USER",
    "UNPARSABLE_ACCESS_TOKEN",
    "ACCESS_TOKEN_EXPIRED",
    "INVALID_PROJECT_FOR_ACCESS_TOKEN",
    "ANONYMOUS_AUTHENTICATION_NOT_ALLOWED",
    "RESTRICTED_USER_NOT_ALLOWED",
];

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|&byte| byte == b'\n') else { return };
    let (Ok(line), body) = (str::from_utf8(&input[..end]), &input[end + 1..]) else { return };
    let (status, known_error) = line.split_once(' ').unwrap_or((line, ""));
    let Ok(status) = status.parse() else { return };
    let known_error = (!known_error.is_empty()).then_some(known_error);

    let answer = Answer { status, known_error, body };
    match bounded(input, 256, || read(&answer, &SECRETS)) {
        Ok(user) => {
            assert_eq!(status, 200);
            let text = String::from_utf8_lossy(body);
            assert_eq!(user, text.strip_prefix('\u{feff}').unwrap_or(&text));
            assert!(user.trim_ascii_start().starts_with('{'));
            assert!(value(&user).is_none_or(|user| user.is_object()));
        }
        Err(error) => {
            is_put_down_to_the_right_party(&error, status);
            is_told_well(&error);
        }
    }
});

fn is_put_down_to_the_right_party(error: &Error, status: u16) {
    let code = error.context.stack_code.as_deref();
    let of_the_caller = code.is_some_and(|code| OF_THE_CALLER.contains(&code));
    let expected = match status {
        408 | 425 | 429 if !of_the_caller => Party::Service,
        429 => Party::Service,
        400..=499 if of_the_caller => Party::Caller,
        400..=499 => Party::Operator,
        _ => Party::Service,
    };
    assert_eq!(error.code.party(), expected, "{status}: {error:?}");
}

fn is_told_well(error: &Error) {
    assert!(error.message.len() < 2_000, "{error:?}");
    assert!(!error.message.chars().any(char::is_control), "{error:?}");
    // As it was quoted, and as it is.
    is_clean(&error.message);
    is_clean(&error.message.replace("\\\"", "\"").replace("\\\\", "\\"));
    let details = error.context.details.as_deref();
    let details = details.map(|details| value(details).expect("it is JSON"));
    details.iter().for_each(has_clean_texts);
    [&error.context.stack_code, &error.context.cause]
        .into_iter()
        .flatten()
        .for_each(|text| is_clean(text));
}

fn has_clean_texts(value: &Value) {
    match value {
        Value::String(text) => is_clean(text),
        Value::Array(items) => items.iter().for_each(has_clean_texts),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            is_clean(name);
            has_clean_texts(member);
        }),
        _ => {}
    }
}

fn is_clean(text: &str) {
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
}
