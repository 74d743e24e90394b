//! A token of anybody's: what opens is in compact form, and says what it seems to say.
//!
//! An input of three lines or more is header, payload and signature before they are encoded; another
//! one is a token as it is.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use stack_auth_native::claims::Policy;
use stack_auth_native::error::{Code, Error};
use stack_auth_native::jwt::UnverifiedJwt;
use stack_auth_native::token::{Kid, MAX_TOKEN_BYTES, Token};
use stack_auth_native_fuzz::{bounded, value};

fuzz_target!(|input: &[u8]| {
    let lines: Vec<_> = input.splitn(3, |&byte| byte == b'\n').collect();
    let text = match lines[..] {
        [header, payload, signature] => {
            [header, payload, signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
        }
        _ => match str::from_utf8(input) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        },
    };
    let opened = bounded(text.as_bytes(), 8, || Token::parse(&text));
    let jwt = bounded(text.as_bytes(), 64, || UnverifiedJwt::parse(&text, &Policy::default()));
    match opened {
        Ok((token, payload)) => {
            is_compact(&text, &token, &payload);
            says(&token);
            // The second time, the header is remembered.
            let jwt = jwt.expect("what opens, opens");
            assert_eq!(jwt.kid(), &token.header.kid);
        }
        Err(error) => {
            is_told_well(&error, &text);
            assert_eq!(jwt.expect_err("what does not open, does not open"), error);
        }
    }
});

/// Each part is the one encoding of what it holds.
fn is_compact(text: &str, token: &Token<'_>, payload: &[u8]) {
    assert!(text.len() <= MAX_TOKEN_BYTES);
    assert_eq!(token.text(), text);
    let signature = URL_SAFE_NO_PAD.encode(token.signature());
    assert_eq!(format!("{}.{signature}", token.signing_input()), text);
    let (header, encoded) = token.signing_input().split_once('.').expect("two parts were signed");
    assert_eq!(URL_SAFE_NO_PAD.encode(payload), encoded);
    let json = &token.header.json;
    let marked = format!("\u{feff}{json}");
    assert!([json, &marked].iter().any(|json| URL_SAFE_NO_PAD.encode(json) == header));
}

fn says(token: &Token<'_>) {
    let Some(header) = value(&token.header.json) else { return };
    assert_eq!(header["alg"], "ES256");
    assert!(header.get("crit").is_none());
    assert_eq!(
        token.header.kid,
        match header.get("kid") {
            None => Kid::Absent,
            Some(kid) => kid.as_str().map_or(Kid::NotString, |kid| Kid::Text(kid.into())),
        }
    );
}

fn is_told_well(error: &Error, text: &str) {
    /// More than a message quotes of anything.
    const LONG: usize = 200;
    assert!(
        matches!(error.code, Code::JwsInvalid | Code::JoseAlgNotAllowed | Code::JoseNotSupported),
        "{error:?}"
    );
    assert_eq!(error.code.status(), 401);
    assert!(error.message.len() < 2_000, "{error:?}");
    let parts = text.split('.').filter(|part| part.len() > LONG);
    assert!(parts.into_iter().all(|part| !format!("{error:?}").contains(part)), "{error:?}");
}
