//! A token before and after its signature was checked: two types, so that no claim of the first
//! kind can be taken for one of the second.

use std::ptr;
use std::sync::{Arc, Weak};

use crate::claims::{Claims, Policy};
use crate::error::{Code, Error, Result};
use crate::json;
use crate::keys::{KeySet, Point};
use crate::project::UserType;
use crate::signature;
use crate::token::{self, Header, Kid, Token};

#[derive(Debug)]
pub struct UnverifiedJwt {
    token: Token,
    /// As JSON text, with the claims in it; `None` if it is no JSON object.
    payload: Option<(String, Claims)>,
}

/// A token whose signature was found good, and the key that it was good under. The payload is in the
/// text, and whoever wants it besides decodes it again.
pub struct VerifiedJwt {
    text: Arc<str>,
    header: Arc<Header>,
    claims: Claims,
    signed_by: Point,
    /// The set that the key was in. Weak, and not an address, which a later set could have.
    keys: Weak<KeySet>,
}

impl UnverifiedJwt {
    pub fn parse(text: Arc<str>) -> Result<Self> {
        let (token, payload) = Token::parse(text)?;
        let payload = json::text(payload).and_then(|payload| {
            let claims = Claims::parse(&payload)?;
            Some((payload, claims))
        });
        Ok(Self { token, payload })
    }

    pub fn text(&self) -> &Arc<str> {
        self.token.text()
    }

    pub fn kid(&self) -> &Kid {
        &self.token.header.kid
    }

    /// The user type that it says it is of, if the policy has no place for it. Good for refusing a
    /// token and for nothing else; the key set at hand has no key for such a token.
    pub fn excluded_user_type(&self, policy: &Policy) -> Option<UserType> {
        self.payload.as_ref()?.1.excluded_user_type(policy)
    }

    /// The verified token, and its payload as JSON text.
    pub fn verify(self, keys: &Arc<KeySet>) -> Result<(VerifiedJwt, String)> {
        let key = signature::verify(&self.token, keys.select(&self.token.header.kid))?;
        let (payload, claims) = self.payload.ok_or_else(|| {
            Error::new(Code::JwtInvalid, "JWT Claims Set must be a top-level JSON object")
        })?;
        let signed_by = key.point;
        let (text, header) = self.token.into_parts();
        let keys = Arc::downgrade(keys);
        Ok((VerifiedJwt { text, header, claims, signed_by, keys }, payload))
    }
}

impl VerifiedJwt {
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub fn kid(&self) -> &Kid {
        &self.header.kid
    }

    /// Whether the key that it is good under still counts. In the very set that it was in, it does.
    pub fn is_signed_by(&self, keys: &Arc<KeySet>) -> bool {
        ptr::eq(self.keys.as_ptr(), Arc::as_ptr(keys))
            || keys.holds(&self.header.kid, &self.signed_by)
    }

    pub fn excluded_user_type(&self, policy: &Policy) -> Option<UserType> {
        self.claims.excluded_user_type(policy)
    }

    pub fn validate(&self, policy: &Policy, now_seconds: f64) -> Result<()> {
        self.claims.validate(policy, now_seconds)
    }

    /// For a policy that will validate it again: see [`Claims::intern`].
    pub fn intern(&mut self, policy: &Policy) {
        self.claims.intern(policy);
    }

    /// As JSON text.
    pub fn payload(&self) -> String {
        token::payload(&self.text).and_then(json::text).unwrap_or_default()
    }

    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// Bytes that it takes, more or less.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.header.size() + self.claims.size()
    }
}

impl std::fmt::Debug for VerifiedJwt {
    /// Without the token itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedJwt").field("kid", self.kid()).finish_non_exhaustive()
    }
}
