//! Reading JSON the way `JSON.parse` does: the last of two members with one name counts, numbers
//! may overflow, escapes may be lone surrogates, nesting has no limit. Only the members that are
//! asked for are read; of the rest, only the syntax is checked.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// JSON text of one value, whose syntax was checked, and which has no white space around it.
#[derive(Debug, Clone, Copy)]
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
    members_and_order(text, names).map(|(values, _)| values)
}

/// As [`members`]; and the number of members, if they are the first of `names` in the same order.
pub fn members_and_order<'a, const N: usize>(
    text: &'a str,
    names: [&'static str; N],
) -> Option<([Option<Raw<'a>>; N], Option<usize>)> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = deserializer.deserialize_map(Members(names)).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

/// UTF-8 text without the byte order mark, as `TextDecoder` in its fatal mode hands it out.
pub fn from_utf8(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    Some(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// `None` for any other type; and for a string with a lone surrogate, which equals nothing that we compare with.
pub fn string(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let inner = quoted(raw)?;
    if memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw.get()).ok().map(Cow::Owned)
}

/// What is between the quotation marks of a string.
fn quoted(raw: Raw<'_>) -> Option<&str> {
    raw.get().strip_prefix('"')?.strip_suffix('"')
}

fn position(names: &[&str], name: Raw<'_>) -> Option<usize> {
    let name = string(name)?;
    names.iter().position(|wanted| *wanted == name)
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
    type Value = ([Option<Raw<'de>>; N], Option<usize>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self(names) = self;
        let mut values = [None; N];
        let mut in_order = true;
        let mut next = 0;
        // Raw, for a name may have lone surrogates.
        while let Some(name) = map.next_key::<Raw<'de>>()? {
            // Most are where they are expected, and without escapes.
            let is_next = names.get(next).is_some_and(|wanted| quoted(name) == Some(*wanted));
            in_order &= is_next;
            let at = if is_next { Some(next) } else { position(&names, name) };
            match at.and_then(|at| Some((at, values.get_mut(at)?))) {
                Some((at, value)) => {
                    *value = Some(map.next_value()?);
                    next = at + 1;
                }
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok((values, in_order.then_some(next)))
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
    fn members_in_order_are_counted() {
        for (text, first) in [
            ("{}", Some(0)),
            (r#"{"a":1}"#, Some(1)),
            (r#" { "a" : 1 , "b":2}"#, Some(2)),
            (r#"{"\u0061":1,"b":2}"#, None),
            (r#"{"a":1,"b":2,"c":3}"#, Some(3)),
            (r#"{"a":1,"b":2,"c":3,"d":4}"#, None),
            (r#"{"a":1,"b":2,"c":3,"c":4}"#, None),
            (r#"{"a":1,"a":2}"#, None),
            (r#"{"a":1,"c":2}"#, None),
            (r#"{"b":1,"a":2}"#, None),
            (r#"{"b":1}"#, None),
            (r#"{"x":1,"a":2}"#, None),
            (r#"{"a":1,"\ud800":2}"#, None),
        ] {
            assert_eq!(members_and_order(text, ["a", "b", "c"]).unwrap().1, first, "{text}");
        }
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
        assert_eq!(from_utf8(b"\xef\xbb\xbf{}".to_vec()).as_deref(), Some("{}"));
        assert_eq!(from_utf8(b"{\"a\":\"\xff\"}".to_vec()), None);
    }
}
