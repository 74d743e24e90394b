//! Who is calling? The verification of Stack Auth access tokens, and the request to `users/me`.
//!
//! `verify.rs` calls the other modules in the order of a verification; `DESIGN.md` says what each may depend on.

mod binding;
mod bounded;
mod cache;
pub mod claims;
mod clock;
pub mod config;
mod counts;
pub mod error;
mod flight;
mod http;
mod json;
pub mod jwt;
pub mod keys;
mod lookup;
pub mod payload;
pub mod project;
mod remembered;
pub mod signature;
mod threads;
mod tls;
pub mod token;
pub mod users;
pub mod verify;
