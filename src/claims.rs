//! The claims (RFC 7519 section 4) of a Stack Auth access token, and every rule about them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{Code, Error, Reason, Result, quote};
use crate::json::{self, Raw};
use crate::project::{Issuer, UserType};

/// The claims of Stack Auth's tokens in their order, as in `lib/verified.js`; then `nbf`, which is checked as
/// well where there is one.
pub const NAMES: [&str; 1 + USUAL] = [
    "sub",
    "project_id",
    "branch_id",
    "refresh_token_id",
    "role",
    "name",
    "email",
    "email_verified",
    "selected_team_id",
    "signed_up_at",
    "is_anonymous",
    "is_restricted",
    "restricted_reason",
    "requires_totp_mfa",
    "iss",
    "iat",
    "aud",
    "exp",
    "nbf",
];
pub const USUAL: usize = 18;

/// What a server requires of the claims.
#[derive(Debug, Default)]
pub struct Policy {
    pub issuers: Box<[Issuer]>,
    /// Seconds.
    pub clock_tolerance: f64,
}

/// The claims that are checked, read once.
#[derive(Debug)]
pub struct Claims {
    iss: Claim<Arc<str>>,
    aud: Claim<Audience>,
    sub: Claim<()>,
    exp: Claim<f64>,
    nbf: Claim<f64>,
    iat: Claim<f64>,
    is_anonymous: Claim<bool>,
    is_restricted: Claim<bool>,
}

#[derive(Debug)]
enum Claim<T> {
    Absent,
    Is(T),
    /// Of another type than it should be; described for a message. Boxed twice, to be one word: remembered tokens
    /// have none of these, and should be small.
    Other(Box<Box<str>>),
}

/// RFC 7519 section 4.1.3: one string, or an array.
#[derive(Debug)]
enum Audience {
    One(Arc<str>),
    Many(Box<Members>),
}

#[derive(Debug)]
struct Members {
    /// Those that are strings.
    strings: Vec<String>,
    /// All of the array, for a message.
    words: Box<str>,
}

impl Claims {
    /// From the members that [`NAMES`] lists. `iss` and `aud` that the policy has too become its own `Arc`s, so that
    /// validating by that policy again need not compare the texts.
    pub fn read(members: &[Option<Raw<'_>>; NAMES.len()], policy: &Policy) -> Self {
        let [sub, .., is_anonymous, is_restricted, _, _, iss, iat, aud, exp, nbf] = *members;
        let time = |raw| json::number(raw).filter(|number| number.is_finite());
        Self {
            iss: Claim::read(iss, |iss| Some(policy.intern(&json::string(iss)?, |it| &it.iss))),
            aud: Claim::read(aud, |aud| Audience::read(aud, policy)),
            sub: Claim::read(sub, |sub| json::is_string(sub).then_some(())),
            exp: Claim::read(exp, time),
            nbf: Claim::read(nbf, time),
            iat: Claim::read(iat, time),
            is_anonymous: Claim::read(is_anonymous, json::boolean),
            is_restricted: Claim::read(is_restricted, json::boolean),
        }
    }

    /// In jose's order, so that a token with several faults is refused for the same one as there.
    pub fn validate(&self, policy: &Policy, now_seconds: f64) -> Result<()> {
        self.iss.present("iss")?;
        self.aud.present("aud")?;
        self.sub.present("sub")?;
        self.exp.present("exp")?;

        let issuer = self.issuer(policy).filter(|issuer| issuer.allowed).ok_or_else(|| {
            unexpected("iss", &expected_issuers(policy), &self.iss.found(|iss| quote(iss)))
        })?;
        if !self.is_for(&issuer.aud) {
            let found = self.aud.found(Audience::found);
            return Err(unexpected("aud", &quote(&issuer.aud), &found));
        }
        if let Claim::Other(found) = &self.sub {
            return Err(unexpected("sub", "a string", found));
        }

        self.iat.time("iat")?;
        if let Some(nbf) = self.nbf.time("nbf")?
            && nbf > now_seconds + policy.clock_tolerance
        {
            return Err(untimely(Code::JwtClaimValidationFailed, "nbf", nbf, now_seconds));
        }
        if let Some(exp) = self.exp.time("exp")?
            && self.has_expired(policy, now_seconds)
        {
            return Err(untimely(Code::JwtExpired, "exp", exp, now_seconds));
        }

        let user_type = issuer.user_type;
        let (anonymous, restricted) =
            (user_type == UserType::Anonymous, user_type != UserType::Regular);
        self.is_anonymous.agree("is_anonymous", anonymous, user_type)?;
        self.is_restricted.agree("is_restricted", restricted, user_type)
    }

    pub fn has_expired(&self, policy: &Policy, now_seconds: f64) -> bool {
        matches!(self.exp, Claim::Is(exp) if exp <= now_seconds - policy.clock_tolerance)
    }

    /// The user type that the claims are of, if the policy does not allow it.
    pub fn excluded_user_type(&self, policy: &Policy) -> Option<UserType> {
        self.issuer(policy)
            .filter(|issuer| !issuer.allowed && self.is_for(&issuer.aud))
            .map(|issuer| issuer.user_type)
    }

    /// Bytes on the heap, without what is shared.
    pub fn size(&self) -> usize {
        match &self.aud {
            Claim::Is(Audience::Many(many)) => {
                /// Of the allocator, for each text.
                const OVERHEAD: usize = 32;
                let Members { strings, words } = &**many;
                let members = strings.iter().map(|member| member.len() + OVERHEAD).sum::<usize>()
                    + strings.capacity() * size_of::<String>();
                size_of::<Members>() + members + words.len()
            }
            _ => 0,
        }
    }

    fn issuer<'a>(&self, policy: &'a Policy) -> Option<&'a Issuer> {
        let Claim::Is(iss) = &self.iss else { return None };
        policy.issuers.iter().find(|issuer| is_same(&issuer.iss, iss))
    }

    fn is_for(&self, aud: &Arc<str>) -> bool {
        match &self.aud {
            Claim::Is(Audience::One(found)) => is_same(found, aud),
            Claim::Is(Audience::Many(many)) => many.strings.iter().any(|found| **found == **aud),
            _ => false,
        }
    }
}

impl Policy {
    /// The policy's own copy of the text if it has one.
    fn intern(&self, text: &str, of: impl Fn(&Issuer) -> &Arc<str>) -> Arc<str> {
        let own = self.issuers.iter().map(of).find(|own| ***own == *text);
        own.map_or_else(|| text.into(), Arc::clone)
    }
}

impl<T> Claim<T> {
    fn read<'a>(raw: Option<Raw<'a>>, read: impl FnOnce(Raw<'a>) -> Option<T>) -> Self {
        match raw {
            None => Self::Absent,
            Some(raw) => {
                read(raw).map_or_else(|| Self::Other(Box::new(describe(raw).into())), Self::Is)
            }
        }
    }

    fn present(&self, claim: &'static str) -> Result<()> {
        match self {
            Self::Absent => Err(Error::claim(
                Code::JwtClaimValidationFailed,
                claim,
                Reason::Missing,
                format!(r#"missing required "{claim}" claim"#),
            )),
            _ => Ok(()),
        }
    }

    fn found(&self, describe: impl FnOnce(&T) -> String) -> String {
        match self {
            Self::Absent => "none".into(),
            Self::Is(value) => describe(value),
            Self::Other(found) => found.to_string(),
        }
    }
}

impl Claim<f64> {
    fn time(&self, claim: &'static str) -> Result<Option<f64>> {
        match self {
            Self::Absent => Ok(None),
            Self::Is(time) => Ok(Some(*time)),
            Self::Other(found) => Err(Error::claim(
                Code::JwtClaimValidationFailed,
                claim,
                Reason::Invalid,
                format!(r#""{claim}" claim must be a number, found {found}"#),
            )),
        }
    }
}

impl Claim<bool> {
    /// The backend refuses the same contradictions. Older tokens may lack `is_restricted`.
    fn agree(&self, claim: &'static str, expected: bool, user_type: UserType) -> Result<()> {
        match self {
            Self::Absent => Ok(()),
            Self::Is(found) if *found == expected => Ok(()),
            _ => {
                let wanted = format!("{expected} for a user of type {}", user_type.name());
                Err(unexpected(claim, &wanted, &self.found(bool::to_string)))
            }
        }
    }
}

impl Audience {
    fn read(raw: Raw<'_>, policy: &Policy) -> Option<Self> {
        if let Some(audience) = json::string(raw) {
            return Some(Self::One(policy.intern(&audience, |issuer| &issuer.aud)));
        }
        let members = json::array(raw)?.into_iter().filter_map(json::string);
        let strings = members.map(Cow::into_owned).collect();
        Some(Self::Many(Box::new(Members { strings, words: describe(raw).into() })))
    }

    fn found(&self) -> String {
        match self {
            Self::One(audience) => quote(audience),
            Self::Many(many) => many.words.to_string(),
        }
    }
}

/// Compares the addresses first, which `==` does not do for an `Arc<str>`.
fn is_same(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

fn expected_issuers(policy: &Policy) -> String {
    let allowed = policy.issuers.iter().filter(|issuer| issuer.allowed);
    allowed.map(|issuer| quote(&issuer.iss)).collect::<Vec<_>>().join(" or ")
}

fn unexpected(claim: &'static str, expected: &str, found: &str) -> Error {
    Error::claim(
        Code::JwtClaimValidationFailed,
        claim,
        Reason::CheckFailed,
        format!(r#"unexpected "{claim}" claim value: expected {expected}, found {found}"#),
    )
}

fn describe(found: Raw<'_>) -> String {
    json::string(found).map_or_else(|| quote(found.get()), |text| quote(&text))
}

fn untimely(code: Code, claim: &'static str, found: f64, now: f64) -> Error {
    Error::claim(
        code,
        claim,
        Reason::CheckFailed,
        format!(r#""{claim}" claim timestamp check failed: it is {found}, and the time is {now}"#),
    )
}

#[cfg(test)]
mod tests;
