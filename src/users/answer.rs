//! What an answer of `users/me` means, and who is at fault if there is no user in it.

use std::borrow::Cow;

use serde_json::Value;

use crate::error::{Code, Error, Result, quote};
use crate::json;
use crate::token::Token;

/// An answer as it came.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    /// The header `x-stack-known-error`.
    pub known_error: Option<&'a str>,
    pub body: &'a [u8],
}

/// The user as JSON, every field as it came. `secrets` are kept out of errors, should the answer
/// repeat them.
pub fn read(answer: &Answer<'_>, secrets: &[&str]) -> Result<String> {
    if answer.status != 200 {
        return Err(refusal(answer, secrets));
    }
    let text = String::from_utf8_lossy(answer.body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match json::members(text, []) {
        Some([]) => Ok(text.to_owned()),
        None => Err(nonsense("a JSON object")),
    }
}

/// For a token that was not verified, where the answer alone says that it is good. A proxy in between can answer with
/// JSON too, with the id of a request.
pub fn require_user(user: &str, token: &str) -> Result<()> {
    let (_, payload) = Token::parse(token)?;
    let payload = json::from_utf8(payload).unwrap_or_default();
    let text = |json, name| {
        let [value] = json::members(json, [name])?;
        json::string(value?)
    };
    match (text(user, "id"), text(&payload, "sub")) {
        (Some(id), Some(sub)) if id == sub => Ok(()),
        _ => Err(nonsense("the user of the token")),
    }
}

fn nonsense(expected: &str) -> Error {
    Error::new(Code::ApiUnavailable, format!("users/me answered nonsense: expected {expected}"))
}

fn refusal(answer: &Answer<'_>, secrets: &[&str]) -> Error {
    let body = String::from_utf8_lossy(answer.body);
    let members = json::members(&body, ["code", "error", "details"]);
    let [code, text, details] = members.unwrap_or_default();
    let redacted = |text: &str| redact(text, secrets);
    let body_code = code.and_then(json::string);
    let stack_code = answer
        .known_error
        .or(body_code.as_deref())
        .filter(|code| is_code(code) && redacted(code) == **code);

    let name = stack_code.unwrap_or("no known error");
    let mut message = format!("users/me answered {} with {name}", answer.status);
    if let Some(text) = text.and_then(json::string) {
        message = format!("{message}: {}", quote(&redacted(&text)));
    }
    let mut error = Error::new(code_of(answer.status, stack_code), message);
    error.context.stack_code = stack_code.map(str::to_owned);
    error.context.details = details
        .and_then(|details| serde_json::from_str::<Value>(details.get()).ok())
        .map(|details| map_strings(details, &redacted).to_string());
    error
}

/// Without the secrets, and without long pieces of them. In one pass, for the text can be as long as an answer.
fn redact(text: &str, secrets: &[&str]) -> String {
    const LONG: usize = 16;
    const REDACTED: &str = "[redacted]";
    let is_separator = |char: char| !char.is_ascii_alphanumeric() && !"-_.".contains(char);
    let text = secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED));
    let words = text.split_inclusive(is_separator).map(|word| {
        let piece = word.trim_end_matches(is_separator).trim_matches('.');
        let is_of_secret = piece.len() >= LONG && secrets.iter().any(|it| it.contains(piece));
        if is_of_secret { Cow::Owned(word.replace(piece, REDACTED)) } else { Cow::Borrowed(word) }
    });
    words.collect()
}

/// Whether it looks like `ACCESS_TOKEN_EXPIRED`; otherwise it is no code of Stack Auth, and may be anything.
fn is_code(text: &str) -> bool {
    let is_of_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(is_of_code)
}

/// Names of members included. On decoded text, for escapes could hide a secret.
fn map_strings(value: Value, map: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(map(&text)),
        Value::Array(items) => items.into_iter().map(|item| map_strings(item, map)).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (map(&name), map_strings(member, map)))
            .collect(),
        other => other,
    }
}

/// The code for a token of another project.
const INVALID_PROJECT: &str = "INVALID_PROJECT_FOR_ACCESS_TOKEN";

/// Whether the API refused a token since its project is another than the one that was asked about.
pub fn is_about_project(error: &Error) -> bool {
    error.code == Code::UserUnauthenticated
        && error.context.stack_code.as_deref() == Some(INVALID_PROJECT)
}

/// Only what is known to be about the caller is put down to the caller: a wrong key, a rate limit
/// or an outage that signs users out is the commonest bug of servers that use this API.
fn code_of(status: u16, stack_code: Option<&str>) -> Code {
    match (status, stack_code) {
        (429, _) => Code::ApiRateLimited,
        (
            400..=499,
            Some(
                // Although it comes with a 400, this one means: there is no such user.
                "CANNOT_GET_OWN_USER_WITHOUT_USER"
                | "UNPARSABLE_ACCESS_TOKEN"
                | "ACCESS_TOKEN_EXPIRED"
                | INVALID_PROJECT,
            ),
        ) => Code::UserUnauthenticated,
        (
            400..=499,
            Some("ANONYMOUS_AUTHENTICATION_NOT_ALLOWED" | "RESTRICTED_USER_NOT_ALLOWED"),
        ) => Code::UserTypeNotAllowed,
        (408 | 425, _) => Code::ApiUnavailable,
        (400..=499, _) => Code::Config,
        _ => Code::ApiUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer<'a>(status: u16, known_error: Option<&'a str>, body: &'a str) -> Answer<'a> {
        Answer { status, known_error, body: body.as_bytes() }
    }

    #[track_caller]
    fn refuses(status: u16, known_error: Option<&str>, code: Code) {
        let error = read(&answer(status, known_error, "text"), &[]).unwrap_err();
        assert_eq!(error.code, code, "{status} {known_error:?}");
        assert_eq!(error.context.stack_code.as_deref(), known_error);
    }

    #[test]
    fn a_user_is_handed_through() {
        let json = r#"{"id":"u","new_field":[1e999,"\ud800"]}"#;
        assert_eq!(read(&answer(200, None, json), &[]).unwrap(), json);
        for body in ["", "null", "[]", "<html>", r#"{"id""#] {
            let error = read(&answer(200, None, body), &[]).unwrap_err();
            assert_eq!(error.code, Code::ApiUnavailable, "{body}");
        }
    }

    #[test]
    fn a_user_is_that_of_the_token() {
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1In0.AA"; // {"sub":"u"}
        assert!(require_user(r#"{"id":"u"}"#, token).is_ok());
        for body in ["{}", r#"{"id":1}"#, r#"{"id":null}"#, r#"{"id":"request"}"#] {
            assert_eq!(require_user(body, token).unwrap_err().code, Code::ApiUnavailable, "{body}");
        }
    }

    #[test]
    fn three_parties_are_told_apart() {
        refuses(400, Some("CANNOT_GET_OWN_USER_WITHOUT_USER"), Code::UserUnauthenticated);
        refuses(401, Some("ACCESS_TOKEN_EXPIRED"), Code::UserUnauthenticated);
        refuses(401, Some("ANONYMOUS_AUTHENTICATION_NOT_ALLOWED"), Code::UserTypeNotAllowed);
        refuses(403, Some("RESTRICTED_USER_NOT_ALLOWED"), Code::UserTypeNotAllowed);
        refuses(401, Some("INVALID_SECRET_SERVER_KEY"), Code::Config);
        refuses(400, Some("SCHEMA_ERROR"), Code::Config);
        for status in [400, 401, 403, 404, 407, 431] {
            refuses(status, None, Code::Config);
        }
        refuses(429, None, Code::ApiRateLimited);
        refuses(429, Some("ACCESS_TOKEN_EXPIRED"), Code::ApiRateLimited);
        for status in [101, 204, 206, 301, 302, 304, 408, 500, 502, 503, 599] {
            refuses(status, None, Code::ApiUnavailable);
        }
    }

    #[test]
    fn a_code_may_be_in_the_body_alone() {
        let body = r#"{"code":"UNPARSABLE_ACCESS_TOKEN","error":"Bad.","details":{"a":1}}"#;
        let error = read(&answer(401, None, body), &[]).unwrap_err();
        assert_eq!(error.code, Code::UserUnauthenticated);
        assert_eq!(error.context.stack_code.as_deref(), Some("UNPARSABLE_ACCESS_TOKEN"));
        assert_eq!(error.context.details.as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(error.message, r#"users/me answered 401 with UNPARSABLE_ACCESS_TOKEN: "Bad.""#);
    }

    #[test]
    fn what_looks_otherwise_is_no_code() {
        for code in ["", "lower_case", "A-B", "A B", "É", &"A".repeat(65)] {
            let error = read(&answer(400, Some(code), "text"), &[]).unwrap_err();
            assert_eq!(error.context.stack_code, None, "{code}");
        }
        for code in ["A", "E_404", &"A".repeat(64)] {
            refuses(400, Some(code), Code::Config);
        }
    }

    #[test]
    fn secrets_that_an_answer_repeats_are_kept_out() {
        let body =
            r#"{"code":"ssk_1","error":"got ssk_1 and a.b.c","details":{"seen":["\u0073sk_1"]}}"#;
        let error = read(&answer(400, None, body), &["ssk_1", "a.b.c"]).unwrap_err();
        let whole = format!("{error:?}");
        assert!(!whole.contains("ssk_1") && !whole.contains("a.b.c"), "{whole}");
        let error = read(&answer(400, Some("SSK_1"), "text"), &["SSK_1"]).unwrap_err();
        assert!(!format!("{error:?}").contains("SSK_1"), "{error:?}");
    }

    #[test]
    fn long_pieces_of_secrets_are_kept_out() {
        let (header, payload) = ("eyJhbGciOiJFUzI1NiJ9", "eyJzdWIiOiJhbGljZSJ9");
        let token = format!("{header}.{payload}.c2lnbmF0dXJlIG9mIGFsaWNl");
        for piece in
            [&token[..token.len() - 1], &token[3..], header, payload, &token[..16], &token[..30]]
        {
            let text = format!("the token '{piece}...' of user-0123456789abcdef is odd");
            let redacted = redact(&text, &[&token]);
            assert_eq!(redacted, "the token '[redacted]...' of user-0123456789abcdef is odd");
        }
    }
}
