//! One error type for the whole crate: what went wrong, and who is at fault.

/// Stable error codes. Where jose has one for the same failure, it is jose's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    JwtExpired,
    JwtClaimValidationFailed,
    JwtInvalid,
    JwsInvalid,
    JwsSignatureVerificationFailed,
    JoseAlgNotAllowed,
    JoseNotSupported,
    JwksNoMatchingKey,
    JwksInvalid,
    JwksTimeout,
    JwksFetchFailed,
    UserTypeNotAllowed,
    UserUnauthenticated,
    ApiTimeout,
    ApiUnavailable,
    ApiRateLimited,
    Config,
}

impl Code {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JwtExpired => "ERR_JWT_EXPIRED",
            Self::JwtClaimValidationFailed => "ERR_JWT_CLAIM_VALIDATION_FAILED",
            Self::JwtInvalid => "ERR_JWT_INVALID",
            Self::JwsInvalid => "ERR_JWS_INVALID",
            Self::JwsSignatureVerificationFailed => "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
            Self::JoseAlgNotAllowed => "ERR_JOSE_ALG_NOT_ALLOWED",
            Self::JoseNotSupported => "ERR_JOSE_NOT_SUPPORTED",
            Self::JwksNoMatchingKey => "ERR_JWKS_NO_MATCHING_KEY",
            Self::JwksInvalid => "ERR_JWKS_INVALID",
            Self::JwksTimeout => "ERR_JWKS_TIMEOUT",
            Self::JwksFetchFailed => "ERR_JWKS_FETCH_FAILED",
            Self::UserTypeNotAllowed => "ERR_USER_TYPE_NOT_ALLOWED",
            Self::UserUnauthenticated => "ERR_USER_UNAUTHENTICATED",
            Self::ApiTimeout => "ERR_API_TIMEOUT",
            Self::ApiUnavailable => "ERR_API_UNAVAILABLE",
            Self::ApiRateLimited => "ERR_API_RATE_LIMITED",
            Self::Config => "ERR_CONFIG",
        }
    }

    /// Three parties can be at fault, and only the caller is told to sign in again.
    pub const fn party(self) -> Party {
        match self {
            Self::JwtExpired
            | Self::JwtClaimValidationFailed
            | Self::JwtInvalid
            | Self::JwsInvalid
            | Self::JwsSignatureVerificationFailed
            | Self::JoseAlgNotAllowed
            | Self::JoseNotSupported
            | Self::JwksNoMatchingKey
            | Self::UserTypeNotAllowed
            | Self::UserUnauthenticated => Party::Caller,
            Self::Config => Party::Operator,
            Self::JwksInvalid
            | Self::JwksTimeout
            | Self::JwksFetchFailed
            | Self::ApiTimeout
            | Self::ApiUnavailable
            | Self::ApiRateLimited => Party::Service,
        }
    }

    /// The HTTP status that a server should answer with.
    pub const fn status(self) -> u16 {
        match (self, self.party()) {
            (Self::UserTypeNotAllowed, _) => 403,
            (_, Party::Caller) => 401,
            (_, Party::Operator) => 500,
            (_, Party::Service) => 503,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    Caller,
    Operator,
    Service,
}

/// What a failed claim check found; the words are jose's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Missing,
    Invalid,
    CheckFailed,
}

impl Reason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::CheckFailed => "check_failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub code: Code,
    /// Never holds a token or a secret.
    pub message: String,
    pub context: Box<Context>,
}

/// What only some errors have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    pub claim: Option<&'static str>,
    pub reason: Option<Reason>,
    /// The `x-stack-known-error` of an API answer.
    pub stack_code: Option<String>,
    /// The `details` of an API answer, as JSON.
    pub details: Option<String>,
    /// The message of the underlying library.
    pub cause: Option<String>,
    /// After how many seconds another try is worth it.
    pub retry_after: Option<u32>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), context: Box::default() }
    }

    pub fn claim(code: Code, claim: &'static str, reason: Reason, message: String) -> Self {
        let mut error = Self::new(code, message);
        error.context.claim = Some(claim);
        error.context.reason = Some(reason);
        error
    }

    /// Adds the address to the message: options and environment may name several.
    #[must_use]
    pub fn asked_at(mut self, url: &str) -> Self {
        self.message = [&self.message, "; it was asked for at ", url].concat();
        self
    }

    #[must_use]
    pub fn caused_by(mut self, cause: &dyn std::error::Error) -> Self {
        self.context.cause = Some(chain(cause));
        self
    }
}

/// A library error and all it was caused by: "error sending request: … connection refused".
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Text from outside for a message: quoted, on one line, of bounded length, and cut before what may be a token.
pub fn quote(text: &str) -> String {
    const MAX_CHARS: usize = 120;
    /// The base64url of `{"`.
    const TOKEN_START: &str = "eyJ";
    const MIN_TOKEN: usize = 20;
    let token = text.find(TOKEN_START).filter(|at| text.len() - at >= MIN_TOKEN);
    let before = token.and_then(|at| text.get(..at)).unwrap_or(text);
    let start: String = before.chars().take(MAX_CHARS).collect();
    let cut = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{cut}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_bounded_and_on_one_line() {
        assert_eq!(quote("a\n\"b\""), r#""a\n\"b\"""#);
        assert_eq!(quote(&"é".repeat(1_000)).chars().count(), 123);
        assert_eq!(quote("é eyJhbGciOiJFUzI1NiJ9.e30"), r#""é "…"#);
        assert_eq!(quote("aqdPeyJf4Gg5i"), r#""aqdPeyJf4Gg5i""#);
        let of = |length| format!("a {:x<length$}", "eyJ");
        assert_eq!(quote(&of(20)), r#""a "…"#);
        assert_eq!(quote(&of(19)), format!("{:?}", of(19)));
    }

    #[test]
    fn each_party_has_its_status() {
        assert_eq!(Code::JwtExpired.status(), 401);
        assert_eq!(Code::UserTypeNotAllowed.status(), 403);
        assert_eq!(Code::Config.status(), 500);
        assert_eq!(Code::JwksTimeout.status(), 503);
    }
}
