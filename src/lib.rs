//! Who is calling? The verification of Stack Auth access tokens, and the question to `users/me`.
//!
//! The road of a token is `verify.rs`. `token`, `keys`, `signature`, `claims` and `cache::policy`
//! take bytes and times, and know neither tokio nor Node; `binding` alone knows Node.

mod binding;
mod cache;
mod claims;
mod clock;
mod config;
mod error;
mod flight;
mod http;
mod json;
mod jwt;
mod keys;
mod project;
mod remembered;
mod signature;
mod token;
mod users;
mod verify;
