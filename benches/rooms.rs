//! The rooms, by themselves: what a token costs before any of it is JavaScript.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a benchmark may")]

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use divan::{Bencher, black_box};
use stack_auth_native::config::Options;
use stack_auth_native::jwt::UnverifiedJwt;
use stack_auth_native::keys::KeySet;
use stack_auth_native::signature;
use stack_auth_native::token::Token;
use stack_auth_native::verify::Client;

const PROJECT: &str = "b3a0c2d4-1e5f-4a6b-8c7d-9e0f1a2b3c4d";
const BASE: &str = "https://auth.example.com";

/// One for all: key sets are shared by address.
static KEY: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());

fn main() {
    divan::main();
}

fn jwks() -> String {
    let (x, y) = KEY.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let jwk = format!(
        r#"{{"kty":"EC","alg":"ES256","crv":"P-256","x":"{x}","y":"{y}","kid":"aqdP1Df4Gg5i"}}"#
    );
    format!(r#"{{"keys":[{jwk}]}}"#)
}

fn client() -> Client {
    let options = Options {
        project_id: Some(PROJECT.into()),
        base_url: Some(BASE.into()),
        ..Options::default()
    };
    let client = Client::new(options).unwrap();
    client.keys().import(&jwks(), i64::MAX / 4).unwrap();
    client
}

#[divan::bench]
fn token(bencher: Bencher) {
    let text = mint();
    let client = client();
    bencher.bench(|| UnverifiedJwt::parse(black_box(&text), client.policy()));
}

/// By the mean of many tokens, as what is compared with it: how long one takes depends on its numbers. On one
/// thread, and on as many as there are processors.
#[divan::bench(name = "signature", sample_count = 14, sample_size = 600, threads = [1, 0])]
fn signature_alone(bencher: Bencher) {
    let keys = KeySet::parse(&jwks()).unwrap();
    bencher.with_inputs(|| Token::parse(mint().leak()).unwrap().0).bench_refs(|token| {
        assert!(signature::verify(token, keys.select(&token.header.kid)).is_ok());
    });
}

#[divan::bench]
fn claims(bencher: Bencher) {
    let client = client();
    let keys = KeySet::parse(&jwks()).unwrap().into();
    let text = mint();
    let jwt = UnverifiedJwt::parse(&text, client.policy()).unwrap().verify(&keys).unwrap().0;
    bencher.bench(|| jwt.validate(black_box(client.policy()), 1_800_000_000.0));
}

#[divan::bench]
fn new_token(bencher: Bencher) {
    let client = client();
    bencher
        .with_inputs(mint)
        .bench_refs(|text| client.verify_at_once(text, None).unwrap().unwrap());
}

/// What a new token takes to make, which counts of instructions have in them.
#[divan::bench]
fn mint() -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"aqdP1Df4Gg5i"}"#);
    let claims = format!(
        r#"{{"sub":"5c2f6e0a-3d1b-4b7e-9a8c-0f1e2d3c4b5a","project_id":"{PROJECT}","branch_id":"main","refresh_token_id":"e7d6c5b4-a392-4817-8605-f4e3d2c1b0a9","role":"authenticated","name":"Ada Lovelace","email":"ada@example.com","email_verified":true,"selected_team_id":null,"signed_up_at":1760000000,"is_anonymous":false,"is_restricted":false,"restricted_reason":null,"requires_totp_mfa":false,"iss":"{BASE}/api/v1/projects/{PROJECT}","iat":1790000000,"aud":"{PROJECT}","exp":4000000000}}"#
    );
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = KEY.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[divan::bench]
fn hit(bencher: Bencher) {
    let client = client();
    let text = mint();
    client.verify_at_once(&text, None).unwrap().unwrap();
    let mut keys = client.keys().reader();
    bencher.bench_local(|| client.recall(black_box(&text), keys.load().as_ref(), None));
}
