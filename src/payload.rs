//! A payload: its claims, and the JSON for JavaScript.

use crate::claims::{Claims, NAMES, Policy, USUAL};
use crate::json;
use crate::token::Header;

#[derive(Debug)]
pub struct Payload {
    pub claims: Claims,
    /// For JavaScript: `[alg, kid, sub, …, exp]` if header and payload have the usual members, for V8 takes longer
    /// for names than for values; `[alg, kid, {…}]` if only the header has; otherwise
    /// `{"payload": {…}, "protectedHeader": {…}}`.
    pub json: String,
}

impl Payload {
    /// `None` if the text is no JSON object.
    pub fn parse(text: &str, header: &Header, policy: &Policy) -> Option<Self> {
        let (members, count) = json::members_and_order(text, NAMES)?;
        let json = match &header.usual_values {
            None => [r#"{"payload":"#, text, r#","protectedHeader":"#, &header.json, "}"].concat(),
            Some(header) if count == Some(USUAL) => {
                let mut json = String::with_capacity(text.len());
                json.push('[');
                json.push_str(header);
                for value in members.iter().flatten() {
                    json.push(',');
                    json.push_str(value.get());
                }
                json.push(']');
                json
            }
            Some(header) => ["[", header, ",", text, "]"].concat(),
        };
        Some(Self { claims: Claims::read(&members, policy), json })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const HEADER: &str = r#"{"alg":"ES256","kid":"k"}"#;

    fn object(names: &[&str]) -> String {
        let members = names.iter().enumerate().map(|(at, name)| format!("\"{name}\" : {at}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
    }

    fn parse(text: &str, header: &str) -> Option<Payload> {
        let header = Header::parse(&URL_SAFE_NO_PAD.encode(header)).unwrap();
        Payload::parse(text, &header, &Policy::default())
    }

    fn json(text: &str, header: &str) -> String {
        parse(text, header).unwrap().json
    }

    #[test]
    fn of_the_usual_members_values_are_enough() {
        let values = r#"["ES256","k",0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"#;
        let text = object(&NAMES[..USUAL]);
        assert_eq!(json(&text, HEADER), values);
        assert_eq!(json(&text, r#" { "alg" : "ES256" , "kid" : "k" } "#), values);
        let text = text.replace("\"sub\" : 0", r#""sub" : {"a":["\ud800"]}"#);
        assert_eq!(json(&text, HEADER), values.replace(",0,", r#",{"a":["\ud800"]},"#));
    }

    #[test]
    fn others_have_their_names() {
        let mut swapped = NAMES[..USUAL].to_vec();
        swapped.swap(3, 4);
        let and = |name| [&NAMES[..USUAL], &[name]].concat();
        let other = [
            &[][..],
            &NAMES[1..USUAL],
            &NAMES[..USUAL - 1],
            &swapped,
            &NAMES,
            &and("a"),
            &and("exp"),
        ];
        for names in other {
            let payload = object(names);
            assert_eq!(json(&payload, HEADER), format!(r#"["ES256","k",{payload}]"#));
        }
        for header in [
            r#"{"alg":"ES256"}"#,
            r#"{"kid":"k","alg":"ES256"}"#,
            r#"{"\u0061lg":"ES256","kid":"k"}"#,
            r#"{"alg":"ES256","kid":"k","kid":"k"}"#,
            r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#,
        ] {
            let payload = object(&NAMES[..USUAL]);
            let both = format!(r#"{{"payload":{payload},"protectedHeader":{header}}}"#);
            assert_eq!(json(&payload, header), both);
        }
    }

    #[test]
    fn a_payload_is_an_object() {
        for text in ["", "[]", "1", "null", "{", r#"{"a":}"#] {
            assert!(parse(text, HEADER).is_none(), "{text}");
        }
    }
}
