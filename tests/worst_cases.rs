//! What is made to take long, takes as long as it is: time grows with size and not faster, and the
//! stack does not grow at all.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stack_auth_native::claims::Policy;
use stack_auth_native::jwt::UnverifiedJwt;
use stack_auth_native::keys::KeySet;
use stack_auth_native::payload::Payload;
use stack_auth_native::token::{Header, Kid, MAX_TOKEN_BYTES, Token};
use stack_auth_native::users::answer::{Answer, read};

/// Half of what a thread of tokio's has, which is the smallest that this runs on.
const STACK: usize = 1024 * 1024;
const SECRETS: [&str; 2] = ["ssk_secret", "aaaaaaaa"];

/// Sixteen times the input must not take more than 40 times as long; what is quadratic takes 256. Caches
/// that others have emptied only add to a time, so what does not hold is tried again.
fn is_linear(
    name: &'static str,
    size: usize,
    work: impl Fn(usize) -> Box<dyn Fn()> + Send + 'static,
) {
    let checked = thread::Builder::new().stack_size(STACK).spawn(move || {
        let (short, long) = (work(size / 16), work(size));
        let time = |work: &dyn Fn()| {
            let begun = processor_time();
            work();
            processor_time().saturating_sub(begun)
        };
        // Too short a time says nothing.
        let holds = |short, long| long <= 40 * short + Duration::from_millis(1);
        let (mut best_short, mut best_long) = (Duration::MAX, Duration::MAX);
        for round in 1..=30 {
            best_short = best_short.min(time(&short));
            best_long = best_long.min(time(&long));
            if round >= 5 && holds(best_short, best_long) {
                break;
            }
        }
        assert!(
            holds(best_short, best_long),
            "{name}: {best_short:?} for a sixteenth, {best_long:?} for the whole"
        );
    });
    checked.unwrap().join().unwrap();
}

/// Of this thread, for the machine may be busy with something else.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

#[cfg(not(target_os = "linux"))]
fn processor_time() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

fn repeated(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

/// Makes a JSON value of about so many bytes.
type Shape = fn(usize) -> String;

const SHAPES: [(&str, Shape); 7] = [
    ("nested arrays", |bytes| nested("[", "]", bytes / 2)),
    ("nested objects", |bytes| nested(r#"{"a":"#, "}", bytes / 6)),
    ("nothing but openings", |bytes| "[".repeat(bytes)),
    ("many members", |bytes| object(bytes, |n| format!(r#""m{n}":{n}"#))),
    ("one member many times", |bytes| object(bytes, |_| r#""exp":12345"#.into())),
    ("many items", |bytes| format!("[{}]", repeated(bytes / 2, |_| "0".into()))),
    ("escapes", |bytes| format!(r#""{}""#, r"\u0061".repeat(bytes / 6))),
];

fn object(bytes: usize, member: impl Fn(usize) -> String) -> String {
    format!("{{{}}}", repeated(bytes / 12, member))
}

/// Each shape at the place of the `@` in each of the templates.
fn are_linear(
    size: usize,
    templates: &'static [&str],
    work: impl Fn(String) -> Box<dyn Fn()> + Copy + Send + 'static,
) {
    for (name, shape) in SHAPES {
        for template in templates {
            is_linear(name, size, move |bytes| work(template.replace('@', &shape(bytes))));
        }
    }
}

#[test]
fn claims_of_any_shape() {
    are_linear(200_000, &["@", r#"{"exp":@}"#, r#"{"aud":@}"#, r#"{"else":@}"#], |payload| {
        let header = Header::parse("eyJhbGciOiJFUzI1NiJ9").unwrap();
        Box::new(move || _ = black_box(Payload::parse(&payload, &header, &Policy::default())))
    });
}

#[test]
fn key_sets_of_any_shape() {
    const TEMPLATES: [&str; 7] = [
        "@",
        r#"{"keys":@}"#,
        r#"{"else":@}"#,
        r#"{"keys":[@]}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":@}]}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","key_ops":@}]}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-256","y":"AA","x":@}]}"#,
    ];
    are_linear(200_000, &TEMPLATES, |jwks| Box::new(move || _ = black_box(KeySet::parse(&jwks))));
    is_linear("operations", 20_000, |count| {
        let operations = repeated(count, |n| format!(r#""{n}""#));
        let jwks = format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","key_ops":[{operations}]}}]}}"#);
        Box::new(move || _ = black_box(KeySet::parse(&jwks)))
    });
}

#[test]
fn a_hundred_thousand_keys_are_refused() {
    let jwks = format!(r#"{{"keys":[{}]}}"#, repeated(100_000, |n| format!(r#"{{"kid":"{n}"}}"#)));
    assert_eq!(KeySet::parse(&jwks).unwrap_err(), "expected at most 64 keys, found 100000");
}

#[test]
fn keys_of_one_kid_are_as_many_as_there_may_be() {
    // RFC 7515 appendix A.3.1
    let jwk = r#"{"kid":"k","kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let keys = KeySet::parse(&format!(r#"{{"keys":[{}]}}"#, repeated(64, |_| jwk.into()))).unwrap();
    assert_eq!(keys.select(&Kid::Text("k".into())).count(), 64);
}

#[test]
fn tokens_of_any_shape() {
    const HEADERS: [&str; 4] =
        ["@", r#"{"alg":@}"#, r#"{"alg":"ES256","kid":@}"#, r#"{"alg":"ES256","crit":@}"#];
    are_linear(10_000, &HEADERS, |header| {
        let text = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
        Box::new(move || {
            // Another one in between, for the last header is kept.
            _ = black_box(Token::parse("e30.e30.AA"));
            _ = black_box(UnverifiedJwt::parse(&text, &Policy::default()));
        })
    });
    are_linear(10_000, &["@", r#"{"aud":@}"#], |payload| {
        let text = format!("eyJhbGciOiJFUzI1NiJ9.{}.AA", URL_SAFE_NO_PAD.encode(payload));
        Box::new(move || _ = black_box(UnverifiedJwt::parse(&text, &Policy::default())))
    });
    is_linear("dots", MAX_TOKEN_BYTES, |bytes| {
        Box::new(move || _ = black_box(Token::parse(&".".repeat(bytes))))
    });
}

#[test]
fn a_token_that_is_too_long_is_not_looked_at() {
    let text = format!("eyJhbGciOiJFUzI1NiJ9.{}.AA", "A".repeat(50_000_000));
    let time = |_| {
        let begun = processor_time();
        assert!(Token::parse(&text).is_err());
        processor_time().saturating_sub(begun)
    };
    let best = (0..5).map(time).min().unwrap();
    assert!(best < Duration::from_millis(1), "{best:?}");
}

#[test]
fn answers_of_any_shape() {
    const BODIES: [&str; 4] = ["@", r#"{"details":@}"#, r#"{"error":@}"#, r#"{"code":@}"#];
    for status in [200, 400] {
        are_linear(200_000, &BODIES, move |body| {
            Box::new(move || {
                let answer = Answer { status, known_error: None, body: body.as_bytes() };
                _ = black_box(read(&answer, &SECRETS));
            })
        });
    }
    is_linear("pieces of a secret", 200_000, |bytes| {
        let mut random = fastrand::Rng::with_seed(1);
        let secret: String = (0..900).map(|_| random.lowercase()).collect();
        let pieces = (0..bytes / 20).map(|n| &secret[n % 800..][..16 + n % 7]);
        let body = format!(r#"{{"error":"{}"}}"#, pieces.collect::<Vec<_>>().join(" "));
        Box::new(move || {
            let answer = Answer { status: 400, known_error: None, body: body.as_bytes() };
            _ = black_box(read(&answer, &[&secret]));
        })
    });
    is_linear("bytes that are no text", 200_000, |bytes| {
        let body = vec![0xff; bytes];
        Box::new(move || {
            let answer = Answer { status: 400, known_error: None, body: &body };
            _ = black_box(read(&answer, &SECRETS));
        })
    });
}
