//! A token before and after its signature was checked: two types, so that no claim of the first
//! kind can be taken for one of the second.

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use triomphe::HeaderSlice;

use crate::claims::{Claims, Policy};
use crate::error::{Code, Error, Result};
use crate::json;
use crate::keys::{KeySet, Point};
use crate::payload::Payload;
use crate::project::UserType;
use crate::signature;
use crate::token::{Header, Kid, Token};

#[derive(Debug)]
pub struct UnverifiedJwt<'a> {
    token: Token<'a>,
    /// `None` if it is no JSON object.
    payload: Option<Payload>,
}

/// A token whose signature was verified, and the key that it was verified with. The payload is only in the text, and
/// is decoded again if it is wanted. One allocation, with the text at its end: among many tokens, cache misses are
/// what takes time.
#[derive(Clone)]
pub struct VerifiedJwt(triomphe::Arc<HeaderSlice<Facts, str>>);

struct Facts {
    header: Arc<Header>,
    claims: Claims,
    signed_by: Point,
    /// The set that the key was in. Weak, and not just its address, which a later set could have too.
    keys: Weak<KeySet>,
    id: OnceLock<u64>,
}

impl<'a> UnverifiedJwt<'a> {
    pub fn parse(text: &'a str, policy: &Policy) -> Result<Self> {
        let (token, payload) = Token::parse(text)?;
        let payload =
            json::from_utf8(payload).and_then(|text| Payload::parse(&text, &token.header, policy));
        Ok(Self { token, payload })
    }

    pub fn kid(&self) -> &Kid {
        &self.token.header.kid
    }

    /// The user type that it claims, if the policy does not allow that. Only for refusing a token early: the key set
    /// has no key for it.
    pub fn excluded_user_type(&self, policy: &Policy) -> Option<UserType> {
        self.payload.as_ref()?.claims.excluded_user_type(policy)
    }

    pub fn has_expired(&self, policy: &Policy, now_seconds: f64) -> bool {
        self.payload.as_ref().is_some_and(|payload| payload.claims.has_expired(policy, now_seconds))
    }

    /// Why its claims are refused, whatever its signature, and without `now_seconds` whatever the time. Only for saving a
    /// request.
    pub fn refusal(&self, policy: &Policy, now_seconds: Option<f64>) -> Option<Error> {
        /// Neither before nor after any time.
        const NO_TIME: f64 = f64::NAN;
        let now = now_seconds.unwrap_or(NO_TIME);
        let payload = self.payload.as_ref().ok_or_else(not_an_object);
        payload.and_then(|payload| payload.claims.validate(policy, now)).err()
    }

    /// The verified token, and its [`Payload::json`].
    pub fn verify(self, keys: &Arc<KeySet>) -> Result<(VerifiedJwt, String)> {
        let key = signature::verify(&self.token, keys.select(&self.token.header.kid))?;
        let Payload { claims, json } = self.payload.ok_or_else(not_an_object)?;
        let signed_by = key.point;
        let keys = Arc::downgrade(keys);
        let header = Arc::clone(&self.token.header);
        let facts = Facts { header, claims, signed_by, keys, id: OnceLock::new() };
        let jwt = triomphe::Arc::from_header_and_str(facts, self.token.text());
        Ok((VerifiedJwt(jwt), json))
    }
}

fn not_an_object() -> Error {
    Error::new(Code::JwtInvalid, "JWT Claims Set must be a top-level JSON object")
}

impl VerifiedJwt {
    pub fn text(&self) -> &str {
        &self.0.slice
    }

    pub fn kid(&self) -> &Kid {
        &self.facts().header.kid
    }

    /// [`Payload::json`], made anew.
    pub fn json(&self, policy: &Policy) -> Option<String> {
        let jwt = UnverifiedJwt::parse(self.text(), policy).ok()?;
        jwt.payload.map(|payload| payload.json)
    }

    /// Unique in this process. Assigned at the first use, so that the numbers in use are consecutive, however many
    /// tokens never come again.
    pub fn id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        *self.facts().id.get_or_init(|| NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the key that it was verified with is in this set. If it is the same set as then, nothing is searched.
    pub fn is_signed_by(&self, keys: &Arc<KeySet>) -> bool {
        let Facts { signed_by, keys: own, .. } = self.facts();
        ptr::eq(own.as_ptr(), Arc::as_ptr(keys)) || keys.has_key(self.kid(), signed_by)
    }

    pub fn excluded_user_type(&self, policy: &Policy) -> Option<UserType> {
        self.facts().claims.excluded_user_type(policy)
    }

    pub fn validate(&self, policy: &Policy, now_seconds: f64) -> Result<()> {
        self.facts().claims.validate(policy, now_seconds)
    }

    /// Bytes in memory, roughly.
    pub fn size(&self) -> usize {
        let Facts { header, claims, .. } = self.facts();
        size_of::<Facts>() + self.text().len() + header.size() + claims.size()
    }

    fn facts(&self) -> &Facts {
        &self.0.header
    }
}
