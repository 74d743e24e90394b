use super::*;
use crate::payload::Payload;
use crate::project::{Project, UserType};
use crate::token::Header;

const NOW: f64 = 1_800_000_000.0;
const BASE: &str = "https://api.example.com";

fn policy(allowed: UserType) -> Policy {
    let project = Project { id: "p1".into(), bases: vec![BASE.into()], allowed };
    Policy { issuers: project.issuers(), clock_tolerance: 0.0 }
}

/// A good regular user's claims, with `more` after them (the last of two members counts).
fn claims(more: &str) -> String {
    format!(
        r#"{{"iss":"{BASE}/api/v1/projects/p1","aud":"p1","sub":"u","exp":1800000001,"iat":1799999401,"is_anonymous":false,"is_restricted":false{more}}}"#
    )
}

fn parse(json: &str, policy: &Policy) -> Option<Claims> {
    let header = Header::parse("eyJhbGciOiJFUzI1NiJ9").unwrap();
    Payload::parse(json, &header, policy).map(|payload| payload.claims)
}

fn check(json: &str, policy: &Policy) -> Result<()> {
    let verdict = parse(json, policy).unwrap().validate(policy, NOW);
    // Whose texts they are makes no difference.
    let others = parse(json, &Policy::default()).unwrap();
    assert_eq!(others.validate(policy, NOW), verdict);
    verdict
}

#[track_caller]
fn accepts(more: &str) {
    assert_eq!(check(&claims(more), &policy(UserType::Regular)), Ok(()), "{more}");
}

#[track_caller]
fn refuses(more: &str, claim: &str, reason: Reason) {
    let error = check(&claims(more), &policy(UserType::Regular)).unwrap_err();
    let expired = claim == "exp" && reason == Reason::CheckFailed;
    let code = if expired { Code::JwtExpired } else { Code::JwtClaimValidationFailed };
    assert_eq!((error.code, error.context.claim), (code, Some(claim)), "{more}: {error:?}");
    assert_eq!(error.context.reason, Some(reason), "{more}");
}

#[test]
fn a_good_token_is_good() {
    accepts("");
    accepts(r#","custom":{"deep":[1e999,"\ud800"]},"exp":1800000001.5"#);
}

#[test]
fn four_claims_are_required() {
    for claim in ["iss", "aud", "sub", "exp"] {
        let json = claims("").replace(&format!("\"{claim}\":"), "\"other\":");
        let error = check(&json, &policy(UserType::Regular)).unwrap_err();
        assert_eq!(
            (error.context.claim, error.context.reason),
            (Some(claim), Some(Reason::Missing))
        );
    }
}

#[test]
fn issuer_and_audience_are_a_pair() {
    refuses(r#","iss":"https://evil.example/api/v1/projects/p1""#, "iss", Reason::CheckFailed);
    refuses(r#","iss":["https://api.example.com/api/v1/projects/p1"]"#, "iss", Reason::CheckFailed);
    let excluded =
        format!(r#","iss":"{BASE}/api/v1/projects-restricted-users/p1","aud":"p1:restricted""#);
    refuses(&excluded, "iss", Reason::CheckFailed);
    refuses(r#","iss":null"#, "iss", Reason::CheckFailed);
    refuses(r#","aud":"p2""#, "aud", Reason::CheckFailed);
    refuses(r#","aud":"p1:anon""#, "aud", Reason::CheckFailed);
    refuses(r#","aud":[]"#, "aud", Reason::CheckFailed);
    refuses(r#","aud":["p2","p1:anon"]"#, "aud", Reason::CheckFailed);
    refuses(r#","aud":{"0":"p1"}"#, "aud", Reason::CheckFailed);
    accepts(r#","aud":["x",1,"p1"]"#);
}

#[test]
fn times_are_finite_numbers() {
    for claim in ["iat", "nbf", "exp"] {
        for value in ["\"1\"", "null", "true", "[1]", "1e999", "-1e999"] {
            refuses(&format!(r#","{claim}":{value}"#), claim, Reason::Invalid);
        }
    }
}

#[test]
fn a_token_expires_at_exp() {
    refuses(r#","exp":1800000000"#, "exp", Reason::CheckFailed);
    refuses(r#","exp":-1"#, "exp", Reason::CheckFailed);
    accepts(r#","exp":1800000000.1"#);
    let tolerant = Policy { clock_tolerance: 5.0, ..policy(UserType::Regular) };
    assert!(check(&claims(r#","exp":1799999996"#), &tolerant).is_ok());
    assert!(check(&claims(r#","exp":1799999995"#), &tolerant).is_err());
}

#[test]
fn a_token_begins_at_nbf() {
    accepts(r#","nbf":1800000000"#);
    refuses(r#","nbf":1800000001"#, "nbf", Reason::CheckFailed);
    let tolerant = Policy { clock_tolerance: 1.0, ..policy(UserType::Regular) };
    assert!(check(&claims(r#","nbf":1800000001"#), &tolerant).is_ok());
}

#[test]
fn the_subject_is_a_string() {
    for sub in ["1", "null", "[]", "{}"] {
        refuses(&format!(r#","sub":{sub}"#), "sub", Reason::CheckFailed);
    }
    accepts(r#","sub":"""#);
}

#[test]
fn flags_may_not_contradict_the_audience() {
    let user = |kind: &str, aud: &str, flags: &str| {
        let iss = format!("{BASE}/api/v1/projects{kind}/p1");
        let json = format!(r#"{{"iss":"{iss}","aud":"{aud}","sub":"u","exp":1800000001{flags}}}"#);
        check(&json, &policy(UserType::Anonymous)).map_err(|error| error.context.claim)
    };
    for (kind, aud, anonymous, restricted) in [
        ("", "p1", false, false),
        ("-restricted-users", "p1:restricted", false, true),
        ("-anonymous-users", "p1:anon", true, true),
    ] {
        let (not_anonymous, not_restricted) = (!anonymous, !restricted);
        assert_eq!(user(kind, aud, ""), Ok(()));
        let both = format!(r#","is_anonymous":{anonymous},"is_restricted":{restricted}"#);
        assert_eq!(user(kind, aud, &both), Ok(()));
        for value in [not_anonymous.to_string(), "null".into(), "1".into(), "\"false\"".into()] {
            let flag = format!(r#","is_anonymous":{value}"#);
            assert_eq!(user(kind, aud, &flag), Err(Some("is_anonymous")), "{aud} {value}");
        }
        let flag = format!(r#","is_restricted":{not_restricted}"#);
        assert_eq!(user(kind, aud, &flag), Err(Some("is_restricted")), "{aud}");
    }
}

#[test]
fn an_excluded_user_type_shows_before_any_key_is_needed() {
    let payload =
        format!(r#"{{"iss":"{BASE}/api/v1/projects-anonymous-users/p1","aud":"p1:anon"}}"#);
    let excluded = |json: &str, allowed| {
        let policy = policy(allowed);
        parse(json, &policy).unwrap().excluded_user_type(&policy)
    };
    let found = |allowed| excluded(&payload, allowed);
    assert_eq!(found(UserType::Regular), Some(UserType::Anonymous));
    assert_eq!(found(UserType::Restricted), Some(UserType::Anonymous));
    assert_eq!(found(UserType::Anonymous), None);
    assert_eq!(excluded(&claims(""), UserType::Regular), None);
    let mixed = payload.replace("p1:anon", "p1:restricted");
    assert_eq!(excluded(&mixed, UserType::Regular), None);
}

#[test]
fn the_texts_of_a_policy_are_taken_over_where_they_are_the_same() {
    let policy = policy(UserType::Restricted);
    let has_texts_of = |issuer: &Issuer, claims: &Claims| {
        let iss = matches!(&claims.iss, Claim::Is(iss) if Arc::ptr_eq(iss, &issuer.iss));
        let aud =
            matches!(&claims.aud, Claim::Is(Audience::One(aud)) if Arc::ptr_eq(aud, &issuer.aud));
        (iss, aud)
    };
    for (more, texts) in [
        ("", (true, true)),
        (r#","aud":"p1:restricted""#, (true, false)),
        (r#","aud":["p1"]"#, (true, false)),
        (r#","iss":"https://evil.example/api/v1/projects/p1""#, (false, true)),
    ] {
        let claims = parse(&claims(more), &policy).unwrap();
        assert_eq!(has_texts_of(&policy.issuers[0], &claims), texts, "{more}");
    }
}

#[test]
fn a_refusal_says_what_was_expected_and_found() {
    for (more, found) in [
        (r#","aud":"x""#, r#""x""#),
        (r#","aud":["x", 1]"#, r#""[\"x\", 1]""#),
        (r#","aud":7"#, r#""7""#),
    ] {
        let error = check(&claims(more), &policy(UserType::Regular)).unwrap_err();
        let wanted = format!(r#"unexpected "aud" claim value: expected "p1", found {found}"#);
        assert_eq!(error.message, wanted);
    }
    let error = check(&claims(r#","iss":"x""#), &policy(UserType::Restricted)).unwrap_err();
    let iss = |kind| format!(r#""{BASE}/api/v1/projects{kind}/p1""#);
    let (regular, restricted) = (iss(""), iss("-restricted-users"));
    assert!(error.message.contains(&format!("expected {regular} or {restricted}, found \"x\"")));
}

#[test]
fn many_audiences_take_room() {
    let size = |aud: &[&str]| {
        let json = claims(&format!(r#","aud":{aud:?}"#));
        parse(&json, &Policy::default()).unwrap().size()
    };
    let (one, two, long) = (size(&["a"]), size(&["a", "b"]), size(&["a", &"b".repeat(1_000)]));
    assert!(one > 32 && two > one + 32, "{one}, {two}");
    assert!((two + 1_000..two + 2_000).contains(&long), "{long}");
    assert_eq!(parse(&claims(""), &Policy::default()).unwrap().size(), 0);
}
