//! ES256 (RFC 7518 section 3.4), by way of aws-lc.

use crate::error::{Code, Error, Result};
use crate::keys::PublicKey;
use crate::token::Token;

/// The key that the signature verifies with. All of `keys` are tried, for several may share the token's `kid`.
pub fn verify<'a>(
    token: &Token<'_>,
    mut keys: impl Iterator<Item = &'a PublicKey>,
) -> Result<&'a PublicKey> {
    let message = token.signing_input().as_bytes();
    keys.find(|key| verifies(key, message, token.signature())).ok_or_else(|| {
        Error::new(
            Code::JwsSignatureVerificationFailed,
            "signature verification failed: it is not by the key that the header names",
        )
    })
}

fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    key.parsed.verify_sig(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{Algorithm, DecodingKey, crypto};
    use serde_json::Value;

    use super::*;
    use crate::keys::KeySet;
    use crate::token::Kid;

    fn hex(text: &Value) -> Vec<u8> {
        let digits = text.as_str().unwrap().as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// As the issuer would publish it: without leading zero bytes.
    fn coordinate(group: &Value, name: &str) -> String {
        let bytes = hex(&group["publicKey"]["uncompressed"]);
        let coordinate = if name == "x" { &bytes[1..33] } else { &bytes[33..] };
        let start = coordinate.iter().position(|&byte| byte != 0).unwrap();
        URL_SAFE_NO_PAD.encode(&coordinate[start..])
    }

    #[test]
    fn wycheproof() {
        let vectors = include_str!("../__test__/vectors/wycheproof-ecdsa-p256-sha256-p1363.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let mut agreed = 0;
        for group in vectors["testGroups"].as_array().unwrap() {
            let jwks = format!(
                r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}]}}"#,
                coordinate(group, "x"),
                coordinate(group, "y"),
            );
            let keys = KeySet::parse(&jwks).unwrap();
            let key = keys.select(&Kid::Absent).next().expect(&jwks);
            for case in group["tests"].as_array().unwrap() {
                let (message, signature) = (hex(&case["msg"]), hex(&case["sig"]));
                let found = verifies(key, &message, &signature);
                assert_eq!(found, case["result"] == "valid", "{case}");
                // The same by another library.
                let text = URL_SAFE_NO_PAD.encode(&signature);
                let other = DecodingKey::from_ec_der(&key.point);
                let other = crypto::verify(&text, &message, &other, Algorithm::ES256);
                assert_eq!(found, other.unwrap_or(false), "{case}");
                agreed += 1;
            }
        }
        assert_eq!(agreed, 262);
    }
}
