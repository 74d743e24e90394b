//! Strings that cross the edge: tokens, copied once and only up to their greatest length, and JSON.

use std::cell::RefCell;
use std::ptr;

use napi::bindgen_prelude::{JsValue, ToNapiValue, Unknown};
use napi::{Error, Status, ValueType, check_status, sys};

use crate::error::{self, Code, Result};
use crate::token::{MAX_TOKEN_BYTES, Token};

/// Enough to see that a string is too long, and for the terminating zero that Node adds.
const BUFFER_UNITS: usize = MAX_TOKEN_BYTES + 2;

thread_local! {
    static BUFFERS: RefCell<(Vec<u16>, Vec<u8>)> =
        RefCell::new((vec![0; BUFFER_UNITS], vec![0; BUFFER_UNITS]));
}

/// The result of `use_text`, or the reason why the value can be no token.
pub fn with<T>(
    value: Unknown<'_>,
    use_text: impl FnOnce(&str) -> Result<T>,
) -> napi::Result<Result<T>> {
    BUFFERS.with_borrow_mut(|(units, bytes)| {
        let raw = value.value();
        let mut length = 0;
        // One call instead of three (type, length, copy), each of which takes as long as the copy. As UTF-16, for V8
        // converts to UTF-8 one character at a time.
        // SAFETY: the value and its environment are those of the call that is being answered; the
        // buffer is as long as is said, and nothing else has it.
        let status = unsafe {
            sys::napi_get_value_string_utf16(
                raw.env,
                raw.value,
                units.as_mut_ptr(),
                units.len(),
                ptr::from_mut(&mut length),
            )
        };
        match Status::from(status) {
            Status::Ok => {}
            Status::StringExpected => {
                let found = match value.get_type()? {
                    ValueType::Object => "an object (a promise, a request?)".to_owned(),
                    other => format!("{other:?}").to_lowercase(),
                };
                let message = format!("Compact JWS must be a string, found {found}");
                return Ok(Err(error::Error::new(Code::JwsInvalid, message)));
            }
            status => return Err(Error::from_status(status)),
        }
        if length > MAX_TOKEN_BYTES {
            return Ok(Err(Token::too_long()));
        }
        let units = units.get(..length).unwrap_or_default();
        let bytes = bytes.get_mut(..length).unwrap_or_default();
        Ok(match narrow(units, bytes) {
            Some(text) => use_text(text),
            None => use_text(&String::from_utf16_lossy(units)),
        })
    })
}

/// JSON for JavaScript to parse.
pub struct Json(pub String);

impl ToNapiValue for Json {
    unsafe fn to_napi_value(env: sys::napi_env, Self(text): Self) -> napi::Result<sys::napi_value> {
        // ASCII is Latin-1 too, which V8 copies without decoding.
        let create = if text.is_ascii() {
            sys::napi_create_string_latin1
        } else {
            sys::napi_create_string_utf8
        };
        let mut value = ptr::null_mut();
        // SAFETY: the environment is that of the call that is being answered, and the text is as long as
        // is said.
        let status = unsafe {
            create(env, text.as_ptr().cast(), text.len().cast_signed(), ptr::from_mut(&mut value))
        };
        check_status!(status)?;
        Ok(value)
    }
}

/// `None` if it is not ASCII, as every good token is.
fn narrow<'a>(units: &[u16], bytes: &'a mut [u8]) -> Option<&'a str> {
    let mut seen = 0;
    for (byte, &unit) in bytes.iter_mut().zip(units) {
        seen |= unit;
        *byte = unit.to_le_bytes()[0];
    }
    if seen < 0x80 { std::str::from_utf8(bytes).ok() } else { None }
}
