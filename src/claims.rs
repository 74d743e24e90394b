//! The claims (RFC 7519 section 4) of a Stack Auth access token, and every rule about them.

use std::ops::Range;

use crate::error::{Code, Error, Reason, Result, quote};
use crate::json::{self, Raw};
use crate::project::{Population, UserType};

/// What a server wants of a token's claims.
#[derive(Debug, Clone)]
pub struct Policy {
    pub populations: Vec<Population>,
    /// Seconds.
    pub clock_tolerance: f64,
}

/// A payload, and where in it the claims are that something checks.
#[derive(Debug)]
pub struct Claims {
    /// The whole payload, as signed.
    pub json: String,
    spans: [Option<Range<usize>>; NAMES.len()],
}

const NAMES: [&str; 8] =
    ["iss", "aud", "sub", "exp", "nbf", "iat", "is_anonymous", "is_restricted"];

impl Claims {
    /// `None` if the payload is no JSON object.
    pub fn parse(payload: Vec<u8>) -> Option<Self> {
        let json = json::text(payload)?;
        let spans = json::members(&json, NAMES)?.map(|raw| Some(raw?.span_in(&json)));
        Some(Self { json, spans })
    }

    fn members(&self) -> [Option<Raw<'_>>; NAMES.len()] {
        self.spans.each_ref().map(|span| Raw::at(&self.json, span.as_ref()?))
    }

    /// In jose's order, so that a token with several faults is refused for the same one.
    pub fn validate(&self, policy: &Policy, now_seconds: f64) -> Result<()> {
        let [iss, aud, sub, exp, nbf, iat, is_anonymous, is_restricted] = self.members();
        let iss = present("iss", iss)?;
        let aud = present("aud", aud)?;
        let sub = present("sub", sub)?;
        let exp = present("exp", exp)?;

        let issuer = json::string(iss);
        let population = policy
            .populations
            .iter()
            .find(|population| population.allowed && population.is_of(issuer.as_deref()))
            .ok_or_else(|| unexpected("iss", &expected_issuers(policy), iss))?;
        if !is_audience(aud, &population.audience) {
            return Err(unexpected("aud", &quote(&population.audience), aud));
        }
        if !json::is_string(sub) {
            return Err(unexpected("sub", "a string", sub));
        }

        if let Some(iat) = iat {
            numeric_date("iat", iat)?;
        }
        if let Some(nbf) = nbf {
            let nbf = numeric_date("nbf", nbf)?;
            if nbf > now_seconds + policy.clock_tolerance {
                return Err(untimely(Code::JwtClaimValidationFailed, "nbf", nbf, now_seconds));
            }
        }
        let exp = numeric_date("exp", exp)?;
        if exp <= now_seconds - policy.clock_tolerance {
            return Err(untimely(Code::JwtExpired, "exp", exp, now_seconds));
        }

        let anonymous = population.user_type == UserType::Anonymous;
        let restricted = population.user_type != UserType::Regular;
        agree("is_anonymous", is_anonymous, anonymous, population.user_type)?;
        agree("is_restricted", is_restricted, restricted, population.user_type)
    }

    /// The user type that the claims are of, if the policy has no place for it.
    pub fn excluded_user_type(&self, policy: &Policy) -> Option<UserType> {
        let [iss, aud, ..] = self.members();
        let (issuer, aud) = (json::string(iss?), aud?);
        policy
            .populations
            .iter()
            .find(|population| !population.allowed && population.is_of(issuer.as_deref()))
            .filter(|population| is_audience(aud, &population.audience))
            .map(|population| population.user_type)
    }
}

/// The backend refuses the same contradictions. Older tokens may lack `is_restricted`.
fn agree(
    claim: &'static str,
    found: Option<Raw<'_>>,
    expected: bool,
    user_type: UserType,
) -> Result<()> {
    match found {
        Some(found) if json::boolean(found) != Some(expected) => {
            let wanted = format!("{expected} for a user of type {}", user_type.name());
            Err(unexpected(claim, &wanted, found))
        }
        _ => Ok(()),
    }
}

/// RFC 7519 section 4.1.3: one string, or an array that holds it.
fn is_audience(aud: Raw<'_>, audience: &str) -> bool {
    let is = |raw| json::string(raw).is_some_and(|found| found == audience);
    if json::is_string(aud) {
        return is(aud);
    }
    json::array(aud).is_some_and(|members| members.into_iter().any(is))
}

fn expected_issuers(policy: &Policy) -> String {
    let allowed = policy.populations.iter().filter(|population| population.allowed);
    let issuers: Vec<_> =
        allowed.flat_map(|population| &population.issuers).map(|issuer| quote(issuer)).collect();
    issuers.join(" or ")
}

fn present<'a>(claim: &'static str, value: Option<Raw<'a>>) -> Result<Raw<'a>> {
    value.ok_or_else(|| {
        Error::claim(
            Code::JwtClaimValidationFailed,
            claim,
            Reason::Missing,
            format!(r#"missing required "{claim}" claim"#),
        )
    })
}

fn numeric_date(claim: &'static str, raw: Raw<'_>) -> Result<f64> {
    json::number(raw).filter(|number| number.is_finite()).ok_or_else(|| {
        Error::claim(
            Code::JwtClaimValidationFailed,
            claim,
            Reason::Invalid,
            format!(r#""{claim}" claim must be a number, found {}"#, quote(raw.get())),
        )
    })
}

fn unexpected(claim: &'static str, expected: &str, found: Raw<'_>) -> Error {
    let found = json::string(found).map_or_else(|| quote(found.get()), |text| quote(&text));
    Error::claim(
        Code::JwtClaimValidationFailed,
        claim,
        Reason::CheckFailed,
        format!(r#"unexpected "{claim}" claim value: expected {expected}, found {found}"#),
    )
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
