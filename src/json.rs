//! Reading JSON the way `JSON.parse` does: the last of two members with one name counts, numbers
//! may overflow, escapes may be lone surrogates, nesting has no limit. Only the members that are
//! asked for are looked at; for the rest it is enough that they are JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// JSON text of one value, whose syntax was checked, and which has no white space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    pub fn get(self) -> &'a str {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Raw(raw.get()))
    }
}

/// The members of a top-level object, in the order of `names`; `None` if `text` is no JSON object.
pub fn members<'a, const N: usize>(
    text: &'a str,
    names: [&'static str; N],
) -> Option<[Option<Raw<'a>>; N]> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = deserializer.deserialize_map(Members(names)).ok()?;
    deserializer.end().ok()?;
    Some(found)
}

/// UTF-8 text without the byte order mark, as `TextDecoder` in its fatal mode hands it out.
pub fn text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    Some(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// A string value, or `None` for any other type; and for a string with a lone surrogate, which no
/// text that we compare with can have.
pub fn string(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw.get()).ok().map(Cow::Owned)
}

pub fn is_string(raw: Raw<'_>) -> bool {
    raw.get().starts_with('"')
}

/// A number; one that is too large for a double is infinite, as in JavaScript.
pub fn number(raw: Raw<'_>) -> Option<f64> {
    raw.get().parse().ok()
}

pub fn boolean(raw: Raw<'_>) -> Option<bool> {
    raw.get().parse().ok()
}

pub fn array(raw: Raw<'_>) -> Option<Vec<Raw<'_>>> {
    serde_json::from_str(raw.get()).ok()
}

struct Members<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Members<N> {
    type Value = [Option<Raw<'de>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        // As raw text, for a name need not be well-formed Unicode.
        while let Some(name) = map.next_key::<Raw<'de>>()? {
            let name = string(name).unwrap_or_default();
            let slot = self.0.iter().zip(&mut found).find(|(wanted, _)| **wanted == name);
            match slot {
                Some((_, slot)) => *slot = Some(map.next_value()?),
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(text: &str) -> Option<String> {
        members(text, ["a"])?[0].map(|raw| raw.get().to_owned())
    }

    #[test]
    fn the_last_of_two_members_counts() {
        assert_eq!(member(r#"{"a":1,"b":2,"a":3}"#).as_deref(), Some("3"));
        assert_eq!(member(r#"{"a":1,"\u0061":2}"#).as_deref(), Some("2"));
    }

    #[test]
    fn only_a_whole_object_is_read() {
        for text in [
            "",
            "[]",
            "null",
            "1",
            r#""a""#,
            "{",
            "{}x",
            "{a:1}",
            r#"{"a":01}"#,
            "{\"a\":\"\t\"}",
            "{\"b\n\":1}",
        ] {
            assert!(members(text, ["a"]).is_none(), "{text}");
        }
        assert!(members(" {\r\n\t} ", ["a"]).is_some());
    }

    #[test]
    fn what_json_parse_takes_is_taken() {
        assert_eq!(
            member(r#"{"b":"\ud800","\udfff":1e999,"a":"\ud800"}"#).as_deref(),
            Some(r#""\ud800""#)
        );
        let deep = format!(r#"{{"b":{}{},"a":1}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(member(&deep).as_deref(), Some("1"));
    }

    #[test]
    fn values_have_their_types() {
        let [a, b, c, d] =
            members(r#"{"a":"x\u0041","b":1e999,"c":true,"d":["p",1]}"#, ["a", "b", "c", "d"])
                .unwrap()
                .map(Option::unwrap);
        assert_eq!(string(a).as_deref(), Some("xA"));
        assert_eq!((string(b), number(a), boolean(a)), (None, None, None));
        assert_eq!(number(b), Some(f64::INFINITY));
        assert_eq!(boolean(c), Some(true));
        assert_eq!(array(d).unwrap().len(), 2);
    }

    #[test]
    fn text_has_no_byte_order_mark_and_no_broken_utf8() {
        assert_eq!(text(b"\xef\xbb\xbf{}".to_vec()).as_deref(), Some("{}"));
        assert_eq!(text(b"{\"a\":\"\xff\"}".to_vec()), None);
    }
}
