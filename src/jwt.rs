//! A token before and after its signature was checked: two types, so that no claim of the first
//! kind can be taken for one of the second.

use std::sync::Arc;

use crate::claims::{Claims, Policy};
use crate::error::{Code, Error, Result};
use crate::keys::{KeySet, Point};
use crate::project::UserType;
use crate::signature;
use crate::token::{Header, Kid, Token};

#[derive(Debug)]
pub struct UnverifiedJwt {
    token: Token,
    /// `None` if the payload is no JSON object.
    claims: Option<Claims>,
}

/// A token whose signature was found good, and the key that it was good under.
pub struct VerifiedJwt {
    text: String,
    header: Arc<Header>,
    claims: Claims,
    signed_by: Point,
}

impl UnverifiedJwt {
    pub fn parse(text: String) -> Result<Self> {
        let (token, payload) = Token::parse(text)?;
        let claims = Claims::parse(payload);
        Ok(Self { token, claims })
    }

    pub fn text(&self) -> &str {
        self.token.text()
    }

    pub fn kid(&self) -> &Kid {
        &self.token.header.kid
    }

    /// The user type that it says it is of, if the policy has no place for it. Good for refusing a
    /// token and for nothing else; the key set at hand has no key for such a token.
    pub fn excluded_user_type(&self, policy: &Policy) -> Option<UserType> {
        self.claims.as_ref()?.excluded_user_type(policy)
    }

    pub fn verify(self, keys: &KeySet) -> Result<VerifiedJwt> {
        let keys = keys.select(&self.token.header.kid);
        let key = signature::verify(&self.token, keys)?;
        let claims = self.claims.ok_or_else(|| {
            Error::new(Code::JwtInvalid, "JWT Claims Set must be a top-level JSON object")
        })?;
        let signed_by = key.point;
        let (text, header) = self.token.into_parts();
        Ok(VerifiedJwt { text, header, claims, signed_by })
    }
}

impl VerifiedJwt {
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn kid(&self) -> &Kid {
        &self.header.kid
    }

    /// Whether the key that it is good under still counts.
    pub fn is_signed_by(&self, keys: &KeySet) -> bool {
        keys.holds(&self.header.kid, &self.signed_by)
    }

    pub fn excluded_user_type(&self, policy: &Policy) -> Option<UserType> {
        self.claims.excluded_user_type(policy)
    }

    pub fn validate(&self, policy: &Policy, now_seconds: f64) -> Result<()> {
        self.claims.validate(policy, now_seconds)
    }

    /// As JSON text.
    pub fn payload(&self) -> &str {
        &self.claims.json
    }

    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// Bytes that it takes, more or less.
    pub fn size(&self) -> usize {
        let texts = self.text.len() + self.claims.json.len() + self.header.json.len();
        size_of::<Self>() + texts
    }
}

impl std::fmt::Debug for VerifiedJwt {
    /// Without the token itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedJwt").field("kid", self.kid()).finish_non_exhaustive()
    }
}
