//! Who is calling? The verification of Stack Auth access tokens, and the question to `users/me`.
//!
//! The road of a token is `verify.rs`; `DESIGN.md` says which of the others know what.

mod binding;
pub mod cache;
pub mod claims;
pub mod clock;
pub mod config;
pub mod counts;
pub mod error;
mod flight;
mod http;
mod json;
pub mod jwt;
pub mod keys;
mod lookup;
pub mod payload;
pub mod project;
pub mod remembered;
pub mod signature;
mod threads;
mod tls;
pub mod token;
pub mod users;
pub mod verify;
