//! Who is calling? The verification of Stack Auth access tokens, and the question to `users/me`.
//!
//! The road of a token is `verify.rs`. `token`, `keys`, `signature`, `claims` and `cache::policy`
//! take bytes and times, and know neither tokio nor Node; `binding` alone knows Node.

mod binding;
pub mod cache;
pub mod claims;
pub mod clock;
pub mod config;
pub mod error;
mod flight;
mod http;
mod json;
pub mod jwt;
pub mod keys;
pub mod project;
pub mod remembered;
pub mod signature;
mod threads;
pub mod token;
mod users;
pub mod verify;
