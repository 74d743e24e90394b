//! A key set of an issuer that cannot be trusted: only the keys in it count, each for itself.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use stack_auth_native::keys::{KeySet, MAX_KEYS, Point, PublicKey};
use stack_auth_native::signature;
use stack_auth_native::token::{Kid, Token};
use stack_auth_native_fuzz::{bounded, value};

// RFC 7515 appendix A.3.1: a key, and a token that is signed by it.
const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let parsed = bounded(input, 64, || KeySet::parse(text));
    let read = value(text);
    let keys = match parsed {
        Ok(keys) => keys,
        Err(fault) => {
            assert!(fault.len() < 200, "{fault}");
            let listed = read.as_ref().and_then(|jwks| jwks["keys"].as_array());
            assert!(listed.is_none_or(|listed| listed.len() > MAX_KEYS), "{fault}");
            return;
        }
    };
    assert!(keys.len() <= MAX_KEYS);
    assert!(keys.kids().count() <= keys.len());
    assert_eq!(keys.select(&Kid::NotString).count(), 0);
    assert_eq!(keys.select(&Kid::Absent).count(), usize::from(keys.len() == 1));
    verifies_by_its_own_key_alone(&keys, &Kid::Absent);

    let expected = read.as_ref().map(expected);
    if let Some(expected) = &expected {
        assert!(keys.len() <= expected.len());
    }
    for name in keys.kids() {
        assert!(keys.has_kid(name));
        let kid = Kid::Text(name.to_owned());
        assert!(keys.select(&kid).all(|key| key.kid.as_deref() == Some(name)));
        verifies_by_its_own_key_alone(&keys, &kid);
        if let Some(expected) = &expected {
            are_those_listed(&keys, &kid, expected);
        }
    }
});

fn verifies_by_its_own_key_alone(keys: &KeySet, kid: &Kid) {
    let (token, _) = Token::parse(TOKEN.into()).expect("it is a token");
    let own = point(X, Y).expect("it is a point");
    let found = signature::verify(&token, keys.select(kid)).ok().map(|key| key.point);
    assert_eq!(found, keys.has_key(kid, &own).then_some(own));
}

/// In the order of the set, without those that are off the curve.
fn are_those_listed(keys: &KeySet, kid: &Kid, expected: &[(Option<String>, Point)]) {
    let mut listed = expected
        .iter()
        .filter(|(name, _)| matches!((kid, name), (Kid::Text(kid), Some(name)) if kid == name))
        .map(|(_, point)| point);
    let selected: Vec<&PublicKey> = keys.select(kid).collect();
    let own = point(X, Y).expect("it is a point");
    assert_eq!(
        listed.clone().filter(|point| **point == own).count(),
        selected.iter().filter(|key| key.point == own).count(),
    );
    for key in selected {
        assert!(listed.any(|point| *point == key.point), "{key:?}");
    }
}

/// RFC 7517 section 4, over again.
fn expected(jwks: &Value) -> Vec<(Option<String>, Point)> {
    let listed = jwks["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    listed.iter().filter_map(key).collect()
}

fn key(jwk: &Value) -> Option<(Option<String>, Point)> {
    let jwk = jwk.as_object()?;
    let is = |name: &str, wanted: &str| jwk.get(name).is_none_or(|found| found == wanted);
    let verifies = jwk.get("key_ops").is_none_or(|operations| *operations == json!(["verify"]));
    let usable = jwk.get("kty")? == "EC"
        && jwk.get("crv")? == "P-256"
        && is("alg", "ES256")
        && is("use", "sig")
        && verifies
        && jwk.get("ext").is_none_or(Value::is_boolean)
        && !jwk.contains_key("d");
    let kid = match jwk.get("kid") {
        None => None,
        Some(kid) => Some(kid.as_str()?.to_owned()),
    };
    let point = point(jwk.get("x")?.as_str()?, jwk.get("y")?.as_str()?)?;
    usable.then_some((kid, point))
}

fn point(x: &str, y: &str) -> Option<Point> {
    let mut point = vec![4];
    for coordinate in [x, y] {
        let bytes = URL_SAFE_NO_PAD.decode(coordinate).ok()?;
        point.resize(point.len() + 32_usize.checked_sub(bytes.len())?, 0);
        point.extend(bytes);
    }
    point.try_into().ok()
}
