//! Claims under all kinds of options: accepted exactly if each rule of the README holds.
//!
//! The first line of an input is the user types that are allowed, the clock tolerance and the time; the
//! rest is the payload.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use stack_auth_native::claims::{Claims, Policy};
use stack_auth_native::error::{Code, Error};
use stack_auth_native::payload::Payload;
use stack_auth_native::project::{Project, UserType};
use stack_auth_native::token::Header;
use stack_auth_native_fuzz::{bounded, value};

const BASES: [&str; 2] = ["https://a.example", "http://b.example:8102"];
/// Path of `iss`, `aud`, `is_anonymous`, `is_restricted`; each includes those before it.
const USER_TYPES: [(&str, &str, bool, bool); 3] = [
    ("projects", "p1", false, false),
    ("projects-restricted-users", "p1:restricted", false, true),
    ("projects-anonymous-users", "p1:anon", true, true),
];

struct Options {
    allowed: UserType,
    tolerance: f64,
    now: f64,
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let Some((options, payload)) = text.split_once('\n') else { return };
    let options = Options::read(options);
    let read = value(payload);

    let header = Header::parse("eyJhbGciOiJFUzI1NiJ9").expect("ES256");
    let policy = options.policy();
    let parse = |policy| Payload::parse(payload, &header, policy).map(|payload| payload.claims);
    let Some(claims) = bounded(input, 64, || parse(&policy)) else {
        assert!(!read.is_some_and(|read| read.is_object()));
        return;
    };
    assert!(claims.size() <= 64 * input.len());
    let verdict = bounded(input, 64, || claims.validate(&policy, options.now));
    if let Some(excluded) = claims.excluded_user_type(&policy) {
        assert!(excluded > options.allowed);
        assert!(verdict.is_err());
    }
    match &verdict {
        Ok(()) => is_accepted_by_wider_options(&claims, &options),
        Err(error) => is_told_well(error),
    }
    let others = parse(&Policy::default()).expect("whose texts they are makes no difference");
    assert_eq!(others.validate(&policy, options.now), verdict);
    if let Some(read) = read {
        assert_eq!(verdict.is_ok(), options.accept(&read), "{verdict:?}");
    }
});

impl Options {
    fn read(line: &str) -> Self {
        let mut words = line.split(' ');
        let allowed = match words.next() {
            Some("anonymous") => UserType::Anonymous,
            Some("restricted") => UserType::Restricted,
            _ => UserType::Regular,
        };
        let mut number = |default| {
            let number = words.next().and_then(|word| word.parse().ok());
            number.filter(|number: &f64| number.is_finite()).unwrap_or(default)
        };
        Self { allowed, tolerance: number(0.0).abs(), now: number(1_800_000_000.0) }
    }

    fn policy(&self) -> Policy {
        let bases = BASES.map(String::from).into();
        let project = Project { id: "p1".into(), bases, allowed: self.allowed };
        Policy { issuers: project.issuers(), clock_tolerance: self.tolerance }
    }

    /// The same rules, over again.
    fn accept(&self, claims: &Value) -> bool {
        let allowed = USER_TYPES.iter().take(1 + self.allowed as usize);
        let Some(&(_, audience, anonymous, restricted)) = allowed.into_iter().find(|(path, ..)| {
            BASES.iter().any(|base| claims["iss"] == format!("{base}/api/v1/{path}/p1"))
        }) else {
            return false;
        };
        let is_for = match &claims["aud"] {
            Value::Array(members) => members.iter().any(|member| member == audience),
            one => one == audience,
        };
        let time_or_absent = |name: &str, test: &dyn Fn(f64) -> bool| {
            claims.get(name).is_none_or(|time| time.as_f64().is_some_and(test))
        };
        let same_or_absent =
            |name: &str, flag: bool| claims.get(name).is_none_or(|found| *found == flag);
        is_for
            && claims["sub"].is_string()
            && claims["exp"].as_f64().is_some_and(|exp| exp > self.now - self.tolerance)
            && time_or_absent("nbf", &|nbf| nbf <= self.now + self.tolerance)
            && time_or_absent("iat", &|_| true)
            && same_or_absent("is_anonymous", anonymous)
            && same_or_absent("is_restricted", restricted)
    }
}

fn is_accepted_by_wider_options(claims: &Claims, options: &Options) {
    for allowed in [UserType::Restricted, UserType::Anonymous] {
        for tolerance in [options.tolerance, options.tolerance * 2.0 + 1.0] {
            let wider = Options { allowed: allowed.max(options.allowed), tolerance, ..*options };
            assert_eq!(claims.validate(&wider.policy(), wider.now), Ok(()));
        }
    }
}

fn is_told_well(error: &Error) {
    assert!(matches!(error.code, Code::JwtExpired | Code::JwtClaimValidationFailed), "{error:?}");
    assert_eq!(
        error.code == Code::JwtExpired,
        error.message.starts_with(r#""exp" claim timestamp"#)
    );
    assert!(error.context.claim.is_some() && error.context.reason.is_some(), "{error:?}");
    assert!(error.message.len() < 4_000, "{error:?}");
    assert!(!error.message.chars().any(char::is_control), "{error:?}");
}
