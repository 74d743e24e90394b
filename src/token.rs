//! A compact JWS (RFC 7515 section 7.1), taken apart; nothing in it is to be trusted yet.

use std::cell::RefCell;
use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD;
use memchr::memchr_iter;

use crate::error::{Code, Error, Result, quote};
use crate::json;

/// Stack Auth's tokens have about 880 characters; Node refuses headers of more than 16 KiB.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

pub struct Token<'a> {
    pub header: Arc<Header>,
    text: &'a str,
    /// The index of the dot before the signature.
    last_dot: usize,
    signature: Vec<u8>,
}

/// A JOSE header (RFC 7515 section 4) with `ES256` in it and nothing critical.
#[derive(Debug)]
pub struct Header {
    pub kid: Kid,
    /// As JSON text.
    pub json: String,
    /// `alg` and `kid` as JSON, with a comma between them, if the header has only these members, in this order.
    pub usual_values: Option<String>,
    encoded: String,
}

/// The `kid` of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kid {
    Absent,
    Text(String),
    /// Present, but no string: no key has it.
    NotString,
}

impl Kid {
    /// `None` if no key can have it.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(kid) => Some(kid),
            Self::Absent | Self::NotString => None,
        }
    }
}

impl<'a> Token<'a> {
    /// The token and its decoded payload, which is not to be trusted before the signature is verified.
    pub fn parse(text: &'a str) -> Result<(Self, Vec<u8>)> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Self::too_long());
        }
        let mut dots = memchr_iter(b'.', text.as_bytes());
        let (Some(first_dot), Some(last_dot), None) = (dots.next(), dots.next(), dots.next())
        else {
            return Err(invalid(format!(
                "Invalid Compact JWS: expected three parts joined by dots, found {}",
                text.split('.').count()
            )));
        };
        let header = text.get(..first_dot).unwrap_or_default();
        let payload = text.get(first_dot + 1..last_dot).unwrap_or_default();
        let signature = text.get(last_dot + 1..).unwrap_or_default();

        let header = Header::parse(header)?;
        let payload = decode("payload", payload)?;
        let signature = decode("signature", signature)?;
        Ok((Self { header, text, last_dot, signature }, payload))
    }

    pub fn too_long() -> Error {
        invalid(format!("Compact JWS must have at most {MAX_TOKEN_BYTES} bytes, found more"))
    }

    pub fn text(&self) -> &'a str {
        self.text
    }

    /// What was signed: the encoded header, a dot, the encoded payload.
    pub fn signing_input(&self) -> &'a str {
        self.text.get(..self.last_dot).unwrap_or_default()
    }

    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl std::fmt::Debug for Token<'_> {
    /// Without the token itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("kid", &self.header.kid).finish_non_exhaustive()
    }
}

/// Strict base64url: no padding, no white space, no stray bits.
fn decode(part: &str, text: &str) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|error| {
        let message = format!(
            "Failed to base64url decode the {part}: expected A-Z, a-z, 0-9, - and _ alone, without \
             padding and without \"Bearer\" in front"
        );
        invalid(message).caused_by(&error)
    })
}

impl Header {
    /// The last header is kept, for tokens signed by the same key have the same.
    pub fn parse(encoded: &str) -> Result<Arc<Self>> {
        thread_local! {
            static LAST: RefCell<Option<Arc<Header>>> = const { RefCell::new(None) };
        }
        LAST.with_borrow_mut(|last| match last {
            Some(header) if header.encoded == encoded => Ok(Arc::clone(header)),
            _ => Ok(Arc::clone(last.insert(Arc::new(Self::parse_new(encoded)?)))),
        })
    }

    fn parse_new(encoded: &str) -> Result<Self> {
        let json = json::from_utf8(decode("header", encoded)?).ok_or_else(invalid_header)?;
        let (kid, usual_values) = parse_header(&json)?;
        Ok(Self { kid, json, usual_values, encoded: encoded.to_owned() })
    }

    /// Bytes in memory, roughly: `kid` and `usual_values` are no longer than `json`.
    pub fn size(&self) -> usize {
        size_of::<Self>() + 3 * self.json.len() + self.encoded.len()
    }
}

/// Only `alg`, `kid` and `crit` are looked at, so `jwk`, `jku`, `x5u` and `b64` have no effect.
fn parse_header(text: &str) -> Result<(Kid, Option<String>)> {
    let (members, count) =
        json::members_and_order(text, ["alg", "kid", "crit"]).ok_or_else(invalid_header)?;
    let [alg, kid, crit] = members;

    if let Some(crit) = crit {
        return Err(critical(crit));
    }
    match alg.and_then(json::string).as_deref() {
        Some("ES256") => {}
        None | Some("") => {
            return Err(invalid(r#"JWS "alg" (Algorithm) Header Parameter missing or invalid"#));
        }
        Some(other) => {
            return Err(Error::new(
                Code::JoseAlgNotAllowed,
                format!(
                    r#""alg" (Algorithm) Header Parameter value not allowed: expected "ES256", found {}"#,
                    quote(other)
                ),
            ));
        }
    }
    let usual_values = match (alg, kid, count) {
        (Some(alg), Some(kid), Some(2)) => Some([alg.get(), ",", kid.get()].concat()),
        _ => None,
    };
    let kid = match kid.map(json::string) {
        None => Kid::Absent,
        Some(Some(kid)) => Kid::Text(kid.into_owned()),
        Some(None) => Kid::NotString,
    };
    Ok((kid, usual_values))
}

fn invalid_header() -> Error {
    invalid("JWS Protected Header is invalid: expected the base64url of a JSON object")
}

/// No extension is supported, so a well-formed `crit` is refused as well as a malformed one.
fn critical(crit: json::Raw<'_>) -> Error {
    let names = json::array(crit).unwrap_or_default();
    let names: Option<Vec<_>> = names.into_iter().map(json::string).collect();
    match names.as_deref() {
        Some([first, ..]) if names.iter().flatten().all(|name| !name.is_empty()) => Error::new(
            Code::JoseNotSupported,
            format!("Extension Header Parameter {} is not recognized", quote(first)),
        ),
        _ => invalid(
            r#""crit" (Critical) Header Parameter MUST be an array of non-empty strings when present"#,
        ),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::JwsInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str) -> String {
        URL_SAFE_NO_PAD.encode_to_string(text)
    }

    #[track_caller]
    fn refuses(token: &str, code: Code) {
        assert_eq!(Token::parse(token).unwrap_err().code, code, "{token}");
    }

    #[track_caller]
    fn refuses_header(header: &str, code: Code) {
        refuses(&format!("{}.e30.AA", encode(header)), code);
    }

    #[test]
    fn takes_a_token_apart() {
        let text =
            format!("{}.{}.AA", encode(r#"{"alg":"ES256","kid":"k"}"#), encode(r#"{"a":1}"#));
        let (token, payload) = Token::parse(&text).unwrap();
        assert_eq!(token.header.kid, Kid::Text("k".into()));
        assert_eq!(payload, br#"{"a":1}"#);
        assert_eq!(format!("{}.AA", token.signing_input()), text);
        assert_eq!(token.signature(), [0]);
        assert_eq!(token.header.json, r#"{"alg":"ES256","kid":"k"}"#);
    }

    #[test]
    fn wants_three_parts() {
        let header = encode(r#"{"alg":"ES256"}"#);
        for text in [
            "",
            ".",
            "..",
            "...",
            &header,
            &format!("{header}.e30"),
            &format!("{header}.e30.AA.AA"),
        ] {
            refuses(text, Code::JwsInvalid);
        }
    }

    #[test]
    fn base64url_is_strict() {
        let header = encode(r#"{"alg":"ES256"}"#);
        for (payload, signature) in [
            ("e30=", "AA"), // padding
            ("e3 0", "AA"), // white space
            ("e30\n", "AA"),
            ("e31", "AA"), // stray bits
            ("e30", "AB"),
            ("e30", "A"),  // no whole byte
            ("e30", "++"), // the other alphabet
            ("e30", "é"),
        ] {
            refuses(&format!("{header}.{payload}.{signature}"), Code::JwsInvalid);
        }
        let error = Token::parse(&format!("{header}.+.AA")).unwrap_err();
        assert!(error.context.cause.is_some(), "{error:?}");
    }

    #[test]
    fn the_header_is_a_json_object_with_es256() {
        for header in ["", "null", "[]", r#""x""#, "{", "{}", r#"{"alg":1}"#, r#"{"alg":""}"#] {
            refuses_header(header, Code::JwsInvalid);
        }
        for alg in ["none", "HS256", "ES384", "es256", "ES256 ", "\\u0000"] {
            refuses_header(&format!(r#"{{"alg":"{alg}"}}"#), Code::JoseAlgNotAllowed);
        }
        refuses_header(r#"{"alg":"ES256","alg":"none"}"#, Code::JoseAlgNotAllowed);
    }

    #[test]
    fn crit_is_refused() {
        refuses_header(r#"{"alg":"ES256","crit":["b64"],"b64":true}"#, Code::JoseNotSupported);
        refuses_header(r#"{"alg":"ES256","crit":["x"]}"#, Code::JoseNotSupported);
        for crit in ["null", "[]", "1", r#""exp""#, "[1]", r#"[""]"#, r#"["x",""]"#, "{}"] {
            refuses_header(&format!(r#"{{"alg":"ES256","crit":{crit}}}"#), Code::JwsInvalid);
        }
    }

    #[test]
    fn a_kid_that_is_no_string_is_nobodys() {
        for kid in ["1", "null", "[]", "{}", "true"] {
            let text = format!("{}.e30.AA", encode(&format!(r#"{{"alg":"ES256","kid":{kid}}}"#)));
            assert_eq!(Token::parse(&text).unwrap().0.header.kid, Kid::NotString);
        }
    }

    #[test]
    fn a_header_takes_as_much_as_its_texts() {
        let json = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(3_000));
        let size = Header::parse(&encode(&json)).unwrap().size();
        let texts = 3 * json.len() + encode(&json).len();
        assert!((texts..texts + 300).contains(&size), "{size}");
    }

    #[test]
    fn size_is_bounded() {
        let token =
            |payload: usize| format!("{}.{}.AA", encode(r#"{"alg":"ES256"}"#), "A".repeat(payload));
        let most = MAX_TOKEN_BYTES - token(0).len();
        assert!(Token::parse(&token(most)).is_ok());
        refuses(&token(most + 2), Code::JwsInvalid);
    }
}
