//! A JWK set (RFC 7517), reduced to the keys that can verify an ES256 signature.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64_simd::URL_SAFE_NO_PAD;

use crate::json::{self, Raw};
use crate::token::Kid;

pub const MAX_KEYS: usize = 64;
const COORDINATE_BYTES: usize = 32;
const UNCOMPRESSED: u8 = 4;

#[derive(Debug)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Debug)]
pub struct PublicKey {
    pub kid: Option<String>,
    pub point: Point,
    /// Parsed once: to do so for each signature takes a fortieth of the check itself.
    pub parsed: ParsedPublicKey,
}

/// A point on P-256, uncompressed (SEC 1 section 2.3.3): the key itself, whatever its `kid`.
pub type Point = [u8; 1 + 2 * COORDINATE_BYTES];

impl KeySet {
    /// Skips keys that cannot be used: one of them must not make the whole set unusable.
    pub fn parse(jwks: &str) -> Result<Self, String> {
        let [keys] = json::members(jwks, ["keys"]).ok_or("expected a JSON object")?;
        let keys = keys.and_then(json::array).ok_or(r#"expected "keys" to be an array"#)?;
        if keys.len() > MAX_KEYS {
            return Err(format!("expected at most {MAX_KEYS} keys, found {}", keys.len()));
        }
        Ok(Self { keys: keys.into_iter().filter_map(PublicKey::parse).collect() })
    }

    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.kid.as_deref())
    }

    pub fn has_kid(&self, kid: &str) -> bool {
        self.kids().any(|known| known == kid)
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether this very key is in the set, and a token with this `kid` can mean it.
    pub fn has_key(&self, kid: &Kid, point: &Point) -> bool {
        self.select(kid).any(|key| key.point == *point)
    }

    /// The keys that a token can mean: those with its `kid`, or the only one there is.
    pub fn select<'a>(&'a self, kid: &'a Kid) -> impl Iterator<Item = &'a PublicKey> {
        let only_one = self.keys.len() == 1;
        self.keys.iter().filter(move |key| match kid {
            Kid::Text(kid) => key.kid.as_deref() == Some(kid),
            Kid::Absent => only_one,
            Kid::NotString => false,
        })
    }
}

impl PublicKey {
    fn parse(jwk: Raw<'_>) -> Option<Self> {
        let [kty, crv, alg, usage, key_ops, ext, kid, x, y, d] = json::members(
            jwk.get(),
            ["kty", "crv", "alg", "use", "key_ops", "ext", "kid", "x", "y", "d"],
        )?;
        let is = |member: Option<Raw<'_>>, value| {
            member.and_then(json::string).is_some_and(|found| found == value)
        };
        let usable = is(kty, "EC")
            && is(crv, "P-256")
            && (alg.is_none() || is(alg, "ES256"))
            && (usage.is_none() || is(usage, "sig"))
            && key_ops.is_none_or(is_verify_alone)
            && ext.is_none_or(|ext| json::boolean(ext).is_some())
            && d.is_none();
        if !usable {
            return None;
        }
        let kid = match kid {
            Some(kid) => Some(json::string(kid)?.into_owned()),
            None => None,
        };
        let mut point: Point = [UNCOMPRESSED; _];
        let (x_bytes, y_bytes) = point.get_mut(1..)?.split_at_mut(COORDINATE_BYTES);
        read_coordinate(x?, x_bytes)?;
        read_coordinate(y?, y_bytes)?;
        // Fails for a point that is not on the curve.
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
        Some(Self { kid, point, parsed })
    }
}

/// RFC 7517 section 4.3. `WebCrypto`, and so jose, takes no other operation for a public key.
fn is_verify_alone(key_ops: Raw<'_>) -> bool {
    let operations = json::array(key_ops).unwrap_or_default();
    matches!(operations[..], [only] if json::string(only).as_deref() == Some("verify"))
}

/// Left-padded: Stack Auth strips leading zero bytes, against RFC 7518 section 6.2.1.2.
fn read_coordinate(raw: Raw<'_>, padded: &mut [u8]) -> Option<()> {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(json::string(raw)?.as_bytes()).ok()?;
    let start = padded.len().checked_sub(bytes.len())?;
    padded.fill(0);
    padded.get_mut(start..)?.copy_from_slice(&bytes);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7515 appendix A.3.1
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn set(keys: &str) -> KeySet {
        KeySet::parse(&format!(r#"{{"keys":[{keys}]}}"#)).unwrap()
    }

    fn jwk(more: &str) -> String {
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}"{more}}}"#)
    }

    fn kid(text: &str) -> Kid {
        Kid::Text(text.into())
    }

    #[test]
    fn keys_are_selected_by_kid() {
        let keys =
            set(&[jwk(r#","kid":"a""#), jwk(r#","kid":"b""#), jwk(r#","kid":"b""#)].join(","));
        assert_eq!(keys.select(&kid("a")).count(), 1);
        assert_eq!(keys.select(&kid("b")).count(), 2);
        assert_eq!(keys.select(&kid("c")).count(), 0);
        assert_eq!(keys.select(&Kid::Absent).count(), 0);
        assert_eq!(keys.select(&Kid::NotString).count(), 0);
    }

    #[test]
    fn without_a_kid_only_the_only_key_can_be_meant() {
        let keys = set(&jwk(r#","kid":"a""#));
        assert_eq!(keys.select(&Kid::Absent).count(), 1);
        assert_eq!(keys.select(&Kid::NotString).count(), 0);
        let nameless = set(&jwk(""));
        assert_eq!(nameless.select(&Kid::Absent).count(), 1);
        assert_eq!(nameless.select(&kid("a")).count(), 0);
    }

    #[test]
    fn unusable_keys_are_stepped_over() {
        let good =
            jwk(r#","kid":"good","alg":"ES256","use":"sig","key_ops":["verify"],"ext":true"#);
        let odd = [
            "null".into(),
            "1".into(),
            "[]".into(),
            "{}".into(),
            jwk(r#","kty":"RSA""#),
            jwk(r#","crv":"P-384""#),
            jwk(r#","alg":"ES384""#),
            jwk(r#","alg":null"#),
            jwk(r#","use":"enc""#),
            jwk(r#","key_ops":["sign"]"#),
            jwk(r#","key_ops":[]"#),
            jwk(r#","key_ops":["verify","verify"]"#),
            jwk(r#","key_ops":["sign","verify"]"#),
            jwk(r#","key_ops":"verify""#),
            jwk(r#","key_ops":["verify",1]"#),
            jwk(r#","ext":"yes""#),
            jwk(r#","kid":7"#),
            jwk(r#","d":"AA""#),
            jwk(r#","x":"AA""#), // off the curve
            jwk(r#","x":"""#),
            jwk(r#","x":"!""#),
            jwk(r#","x":5"#),
            jwk(&format!(r#","x":"AAAA{X}""#)), // longer than a coordinate
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}"}}"#),
        ];
        for key in &odd {
            let keys = set(&format!("{key},{good}"));
            assert_eq!(keys.kids().collect::<Vec<_>>(), ["good"], "{key}");
            assert_eq!(keys.select(&Kid::Absent).count(), 1, "{key}");
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, "<html>"] {
            assert!(KeySet::parse(text).is_err(), "{text}");
        }
        assert_eq!(set("").select(&Kid::Absent).count(), 0);
        let many = vec!["{}"; MAX_KEYS + 1].join(",");
        assert!(KeySet::parse(&format!(r#"{{"keys":[{many}]}}"#)).is_err());
    }
}
