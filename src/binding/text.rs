//! The text of a token, copied once, and no more of it than a token can have.

use std::cell::RefCell;
use std::ptr;

use napi::bindgen_prelude::{JsValue, Unknown};
use napi::{Error, Status, sys};

use crate::error::{self, Code, Result};
use crate::token::{MAX_TOKEN_BYTES, Token};

/// Enough to see that a text is too long, although Node does not cut a character of four bytes in two,
/// and ends with a zero.
const BUFFER_BYTES: usize = MAX_TOKEN_BYTES + 8;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// Hands the text to `look`, or the reason why it can be no token.
pub fn with<T>(
    value: Unknown<'_>,
    look: impl FnOnce(&str) -> Result<T>,
) -> napi::Result<Result<T>> {
    BUFFER.with_borrow_mut(|buffer| {
        let raw = value.value();
        let mut length = 0;
        // One call in place of three (type, length, copy), each of which takes as long as the copy.
        // SAFETY: the value and its environment are those of the call that is being answered; the
        // buffer is as long as is said, and nothing else has it.
        let status = unsafe {
            sys::napi_get_value_string_utf8(
                raw.env,
                raw.value,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                ptr::from_mut(&mut length),
            )
        };
        match Status::from(status) {
            Status::Ok => {}
            Status::StringExpected => {
                let found = format!("{:?}", value.get_type()?).to_lowercase();
                let message = format!("Compact JWS must be a string, found {found}");
                return Ok(Err(error::Error::new(Code::JwsInvalid, message)));
            }
            status => return Err(Error::from_status(status)),
        }
        if length > MAX_TOKEN_BYTES {
            return Ok(Err(Token::too_long()));
        }
        let text = buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
        Ok(look(text.unwrap_or_default()))
    })
}
