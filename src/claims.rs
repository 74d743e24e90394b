//! The claims (RFC 7519 section 4) of a Stack Auth access token, and every rule about them.

use crate::error::{Code, Error, Reason, Result, quote};
use crate::json::{self, Raw};
use crate::project::{Population, UserType};
use crate::signature::SignedPayload;

/// What a server wants of a token's claims.
#[derive(Debug, Clone)]
pub struct Policy {
    pub populations: Vec<Population>,
    /// Seconds.
    pub clock_tolerance: f64,
}

/// Claims of a payload whose signature is good; those that nothing checks are not looked at.
#[derive(Debug)]
pub struct Claims<'a> {
    /// The whole payload, as signed.
    pub json: &'a str,
    iss: Option<Raw<'a>>,
    aud: Option<Raw<'a>>,
    sub: Option<Raw<'a>>,
    exp: Option<Raw<'a>>,
    nbf: Option<Raw<'a>>,
    iat: Option<Raw<'a>>,
    is_anonymous: Option<Raw<'a>>,
    is_restricted: Option<Raw<'a>>,
}

impl<'a> Claims<'a> {
    pub fn parse(payload: &SignedPayload<'a>) -> Result<Self> {
        let object = json::text(payload.bytes()).and_then(|json| Some((json, members(json)?)));
        let Some((json, [iss, aud, sub, exp, nbf, iat, is_anonymous, is_restricted])) = object
        else {
            return Err(Error::new(
                Code::JwtInvalid,
                "JWT Claims Set must be a top-level JSON object",
            ));
        };
        Ok(Self { json, iss, aud, sub, exp, nbf, iat, is_anonymous, is_restricted })
    }

    /// In jose's order, so that a token with several faults is refused for the same one.
    pub fn validate(&self, policy: &Policy, now_seconds: f64) -> Result<()> {
        let iss = present("iss", self.iss)?;
        let aud = present("aud", self.aud)?;
        let sub = present("sub", self.sub)?;
        let exp = present("exp", self.exp)?;

        let population = policy
            .populations
            .iter()
            .filter(|population| population.allowed)
            .find(|population| is_issuer(iss, population))
            .ok_or_else(|| unexpected("iss", &expected_issuers(policy), iss))?;
        if !is_audience(aud, &population.audience) {
            return Err(unexpected("aud", &quote(&population.audience), aud));
        }
        if !json::is_string(sub) {
            return Err(unexpected("sub", "a string", sub));
        }

        if let Some(iat) = self.iat {
            numeric_date("iat", iat)?;
        }
        if let Some(nbf) = self.nbf {
            let nbf = numeric_date("nbf", nbf)?;
            if nbf > now_seconds + policy.clock_tolerance {
                return Err(untimely(Code::JwtClaimValidationFailed, "nbf", nbf, now_seconds));
            }
        }
        let exp = numeric_date("exp", exp)?;
        if exp <= now_seconds - policy.clock_tolerance {
            return Err(untimely(Code::JwtExpired, "exp", exp, now_seconds));
        }

        self.agree_with(population.user_type)
    }

    /// The backend refuses the same contradictions. Older tokens may lack `is_restricted`.
    fn agree_with(&self, user_type: UserType) -> Result<()> {
        let anonymous = user_type == UserType::Anonymous;
        let restricted = user_type != UserType::Regular;
        for (claim, found, expected) in [
            ("is_anonymous", self.is_anonymous, anonymous),
            ("is_restricted", self.is_restricted, restricted),
        ] {
            if let Some(found) = found
                && json::boolean(found) != Some(expected)
            {
                let wanted = format!("{expected} for a user of type {}", user_type.name());
                return Err(unexpected(claim, &wanted, found));
            }
        }
        Ok(())
    }
}

/// The user type that an unverified payload claims to be of, if this project has no place for it.
/// Good for refusing a token and for nothing else; the key set at hand has no key for such a token.
pub fn excluded_user_type(payload: &[u8], policy: &Policy) -> Option<UserType> {
    let [iss, aud, ..] = members(json::text(payload)?)?;
    let (iss, aud) = (iss?, aud?);
    policy
        .populations
        .iter()
        .find(|population| is_issuer(iss, population) && is_audience(aud, &population.audience))
        .filter(|population| !population.allowed)
        .map(|population| population.user_type)
}

fn members(json: &str) -> Option<[Option<Raw<'_>>; 8]> {
    json::members(json, ["iss", "aud", "sub", "exp", "nbf", "iat", "is_anonymous", "is_restricted"])
}

fn is_issuer(iss: Raw<'_>, population: &Population) -> bool {
    json::string(iss).is_some_and(|iss| population.issuers.iter().any(|issuer| *issuer == iss))
}

/// RFC 7519 section 4.1.3: one string, or an array that holds it.
fn is_audience(aud: Raw<'_>, audience: &str) -> bool {
    let is = |raw| json::string(raw).is_some_and(|found| found == audience);
    is(aud) || json::array(aud).is_some_and(|members| members.into_iter().any(is))
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
