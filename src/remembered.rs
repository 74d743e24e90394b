//! Tokens whose signature was found good, so that it need not be checked again.
//!
//! What is remembered is the signature and not the verdict: claims, times, options and whether the
//! key still counts are checked at each use, so that nothing outlives what it depends on. Whole
//! tokens are compared, not digests of them (fast-jwt's GHSA-rp9m-7r4c-75qg); and only good
//! signatures get in, so that nobody without a key can fill it.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::bounded;
use crate::counts::CacheStats;
use crate::jwt::VerifiedJwt;

/// One per capacity, shared by all threads.
pub struct Remembered(Cache<ByText, VerifiedJwt, Bytes>);

impl Remembered {
    pub fn of(capacity: u64) -> Option<Arc<Self>> {
        static ALL: LazyLock<Mutex<HashMap<u64, Arc<Remembered>>>> = LazyLock::new(Mutex::default);
        const TYPICAL_ENTRY: u64 = 2_048;

        if capacity == 0 {
            return None;
        }
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = all.entry(capacity).or_insert_with(|| {
            let typical = usize::try_from(capacity / TYPICAL_ENTRY).unwrap_or(usize::MAX);
            Arc::new(Self(bounded::cache(capacity, typical, None, Bytes)))
        });
        Some(Arc::clone(remembered))
    }

    pub fn get(&self, text: &str) -> Option<VerifiedJwt> {
        self.0.get(&Text(text))
    }

    /// Not counted in the statistics.
    pub fn peek(&self, text: &str) -> Option<VerifiedJwt> {
        self.0.peek(&Text(text))
    }

    pub fn stats(&self) -> CacheStats {
        let Self(cache) = self;
        CacheStats {
            hits: cache.hits(),
            misses: cache.misses(),
            entries: cache.len() as u64,
            bytes: cache.weight(),
            max_bytes: cache.capacity(),
        }
    }

    pub fn insert(&self, jwt: VerifiedJwt) {
        self.0.insert(ByText(jwt.clone()), jwt);
    }
}

/// A token as the key of its own entry.
struct ByText(VerifiedJwt);

/// A token that is looked for.
struct Text<'a>(&'a str);

/// Of a good token, the end of the signature is as good as random, and nobody without a key can choose it.
fn hash_end<H: Hasher>(text: &str, state: &mut H) {
    text.as_bytes().last_chunk::<16>().hash(state);
}

impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_end(self.0.text(), state);
    }
}

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_end(self.0, state);
    }
}

impl PartialEq for ByText {
    fn eq(&self, other: &Self) -> bool {
        self.0.text() == other.0.text()
    }
}

impl Eq for ByText {}

impl Equivalent<ByText> for Text<'_> {
    fn equivalent(&self, key: &ByText) -> bool {
        self.0 == key.0.text()
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<ByText, VerifiedJwt> for Bytes {
    fn weight(&self, _: &ByText, jwt: &VerifiedJwt) -> u64 {
        /// The cache's own slots, and what the allocator leaves unused: glibc has an arena for each
        /// thread, and what one of them has free is of no use to another.
        const OVERHEAD: usize = 1_024;
        (jwt.size() + OVERHEAD) as u64
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::claims::Policy;
    use crate::error::Result;
    use crate::jwt::UnverifiedJwt;
    use crate::keys::KeySet;
    use crate::token::Header;

    fn parse(text: &str) -> Result<UnverifiedJwt<'_>> {
        UnverifiedJwt::parse(text, &Policy::default())
    }

    struct Issuer {
        key: EcdsaKeyPair,
        jwks: String,
        keys: Arc<KeySet>,
    }

    impl Issuer {
        fn new() -> Self {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let (x, y) = key.public_key().as_ref()[1..].split_at(32);
            let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
            let jwks = format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}]}}"#);
            let keys = KeySet::parse(&jwks).unwrap().into();
            Self { key, jwks, keys }
        }

        fn jwt(&self, n: usize) -> VerifiedJwt {
            let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"n":{n}}}"#));
            let input = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#));
            let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
            let text = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
            parse(&text).unwrap().verify(&self.keys).unwrap().0
        }
    }

    #[test]
    fn those_that_come_again_outlast_those_that_come_once() {
        const HOT: usize = 40;
        let issuer = Issuer::new();
        // For a tenth of those that come.
        let remembered = Remembered::of(512 * 1_000).unwrap();
        let hot: Vec<String> = (0..HOT)
            .map(|n| {
                let jwt = issuer.jwt(n);
                let text = jwt.text().to_owned();
                remembered.insert(jwt);
                text
            })
            .collect();
        for n in HOT..5_000 {
            remembered.insert(issuer.jwt(n));
            remembered.get(&hot[n % HOT]);
        }
        let left = hot.iter().filter(|text| remembered.get(text).is_some()).count();
        assert!(left > HOT * 9 / 10, "{left}");
        assert!(remembered.0.weight() <= remembered.0.capacity());
        assert!(remembered.0.len() < 1_500, "{}", remembered.0.len());
    }

    #[test]
    fn a_key_counts_while_it_is_in_the_set() {
        let issuer = Issuer::new();
        let jwt = issuer.jwt(0);
        let another = |jwks: &str| Arc::new(KeySet::parse(jwks).unwrap());
        assert!(jwt.is_signed_by(&issuer.keys));
        assert!(jwt.is_signed_by(&another(&issuer.jwks)));
        assert!(!jwt.is_signed_by(&Issuer::new().keys));
        assert!(!jwt.is_signed_by(&another(r#"{"keys":[]}"#)));
        // What comes after a set, even where that was in memory, is another one.
        let Issuer { keys, jwks, .. } = issuer;
        drop(keys);
        let others: Vec<_> = (0..100).map(|_| another(r#"{"keys":[]}"#)).collect();
        assert!(!others.iter().any(|keys| jwt.is_signed_by(keys)));
        assert!(jwt.is_signed_by(&another(&jwks)));
    }

    #[test]
    fn numbers_follow_on_one_another_as_they_are_asked_for() {
        let issuer = Issuer::new();
        let [one, _, other] = [0, 1, 2].map(|n| issuer.jwt(n));
        let id = one.id();
        assert_eq!(other.id(), id + 1);
        assert_eq!(one.clone().id(), id);
    }

    #[test]
    fn whole_tokens_are_compared() {
        let remembered = Remembered::of(64 * 1_024).unwrap();
        let jwt = Issuer::new().jwt(0);
        let text = jwt.text().to_owned();
        remembered.insert(jwt);
        assert!(remembered.get(&text).is_some());
        for other in [format!("A{}", &text[1..]), format!("{text}A"), text[1..].to_owned()] {
            assert!(remembered.get(&other).is_none());
        }
    }

    #[test]
    fn a_token_takes_its_room_once() {
        assert!(Remembered::of(0).is_none());
        let remembered = Remembered::of(80 * 1_024).unwrap();
        let issuer = Issuer::new();
        let jwt = issuer.jwt(0);
        remembered.insert(jwt.clone());
        remembered.insert(jwt.clone());
        let stats = remembered.stats();
        assert_eq!((stats.entries, stats.max_bytes), (1, 80 * 1_024));
        let size = jwt.size();
        assert!(size > jwt.text().len() + 2 * size_of::<Header>(), "{size}");
        assert!(stats.bytes > size as u64);
        remembered.insert(issuer.jwt(1));
        assert_eq!(remembered.stats().entries, 2);
    }

    /// Who has no key can choose what a token ends with, and so where it is looked for.
    #[test]
    fn forged_tokens_neither_get_in_nor_collide() {
        let issuer = Issuer::new();
        let remembered = Remembered::of(96 * 1_024).unwrap();
        let good = issuer.jwt(0);
        let (input, signature) = good.text().rsplit_once('.').unwrap();
        let (input, signature) = (input.to_owned(), signature.to_owned());
        remembered.insert(good);
        let forged: Vec<String> = (0..2_000)
            .map(|n| {
                let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"forged":{n}}}"#));
                format!("{}.{payload}.{signature}", input.split('.').next().unwrap())
            })
            .collect();
        for text in &forged {
            assert!(remembered.get(text).is_none());
            let jwt = parse(text).unwrap();
            assert!(jwt.verify(&issuer.keys).is_err());
        }
        assert_eq!(remembered.0.len(), 1);

        let others: Vec<String> =
            (0..2_000).map(|n| format!("{input}.{}{n:06}", &signature[6..])).collect();
        let best = |tokens: &[String]| {
            let time = |_| {
                let begun = std::time::Instant::now();
                assert!(tokens.iter().all(|text| remembered.get(text).is_none()));
                begun.elapsed()
            };
            (0..10).map(time).min().unwrap()
        };
        let (colliding, other) = (best(&forged), best(&others));
        assert!(colliding < 4 * other, "{colliding:?}, and {other:?} for others");
    }
}
