//! What goes by which clock, seen from outside: an issuer on loopback, and both clocks as they please.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::config::Options;
use crate::error::{Code, Result};
use crate::http;
use crate::verify::Client;

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

thread_local! {
    pub static MONOTONIC: Cell<Millis> = const { Cell::new(0) };
    pub static WALL: Cell<Millis> = const { Cell::new(0) };
}

fn pass(time: Millis) {
    MONOTONIC.set(MONOTONIC.get() + time);
    WALL.set(WALL.get() + time);
}

/// Runs `test` with the wall clock at its time, an hour ahead, an hour behind, and in 1970.
fn whatever_the_wall_clock_says(test: impl Fn()) {
    for by in [0, HOUR, -HOUR, -100 * 365 * 24 * HOUR] {
        let was = WALL.replace(WALL.get() + by);
        test();
        WALL.set(was);
    }
}

struct Issuer {
    key: EcdsaKeyPair,
    base: String,
    key_requests: AtomicUsize,
    user_requests: AtomicUsize,
}

impl Issuer {
    fn start() -> &'static Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer: &Self = Box::leak(Box::new(Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            base: format!("http://{}", listener.local_addr().unwrap()),
            key_requests: AtomicUsize::new(0),
            user_requests: AtomicUsize::new(0),
        }));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                issuer.answer(stream);
            }
        });
        issuer
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(&stream).lines().map_while(std::result::Result::ok);
        let request = lines.next().unwrap_or_default();
        lines.find(String::is_empty);
        let (counter, body) = if request.contains("/jwks.json") {
            (&self.key_requests, self.jwks())
        } else if request.contains("/users/me") {
            (&self.user_requests, r#"{"id":"u"}"#.to_owned())
        } else {
            return; // A connection that was given up before it was used.
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n");
        _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
    }

    fn jwks(&self) -> String {
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","kid":"k"}}]}}"#)
    }

    /// Good from now on, for so long.
    fn mint(&self, lifetime: Millis) -> String {
        let base = &self.base;
        let (now, exp) = (unix_now() / SECOND, (unix_now() + lifetime) / SECOND);
        let claims = format!(
            r#"{{"iss":"{base}/api/v1/projects/p","aud":"p","sub":"u","nbf":{now},"exp":{exp}}}"#
        );
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"k"}"#);
        let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn client(&self) -> Client {
        client_of(&self.base)
    }

    fn key_requests(&self) -> usize {
        self.key_requests.load(Ordering::Relaxed)
    }

    fn user_requests(&self) -> usize {
        self.user_requests.load(Ordering::Relaxed)
    }
}

fn client_of(base: &str) -> Client {
    // Made here, for under valgrind it takes longer than an attempt may.
    http::client(base).unwrap();
    Client::new(Options {
        project_id: Some("p".into()),
        secret_server_key: Some("ssk".into()),
        base_url: Some(base.into()),
        max_age: Some(1_800_000.0),
        ..Options::default()
    })
    .unwrap()
}

/// On one thread, whose clocks these are.
fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn verify(client: &Client, token: &str) -> Result<()> {
    if client.look_up(token, None)? {
        return Ok(());
    }
    run(client.verify(token, client.call(None))).map(drop)
}

fn get_user(client: &Client, token: &str) -> Result<()> {
    let is_good = client.look_up(token, None)?;
    run(client.get_user(&token.into(), is_good, &client.users()?, client.call(None))).map(drop)
}

#[track_caller]
fn refuses(client: &Client, token: &str, claim: &str) {
    let error = verify(client, token).unwrap_err();
    assert_eq!(error.context.claim, Some(claim), "{error:?}");
}

#[test]
fn keys_age_by_the_monotonic_clock() {
    let issuer = Issuer::start();
    let client = issuer.client();
    run(client.warm_up(client.call(None))).unwrap();
    pass(7 * MINUTE);
    whatever_the_wall_clock_says(|| {
        run(client.warm_up(client.call(None))).unwrap();
        let age = client.keys().stats().age.unwrap();
        assert!((7 * MINUTE..8 * MINUTE).contains(&age), "{age}");
        assert_eq!(issuer.key_requests(), 1);
    });
    pass(3 * MINUTE);
    run(client.warm_up(client.call(None))).unwrap();
    assert_eq!(issuer.key_requests(), 2);
}

#[test]
fn tokens_are_judged_by_the_wall_clock() {
    let issuer = Issuer::start();
    let client = issuer.client();
    let (remembered, new) = (issuer.mint(10 * MINUTE), issuer.mint(11 * MINUTE));
    verify(&client, &remembered).unwrap();
    for token in [&remembered, &new] {
        WALL.set(HOUR);
        refuses(&client, token, "exp");
        WALL.set(-HOUR);
        refuses(&client, token, "nbf");
        WALL.set(0);
        // Only the monotonic one, as where a machine has slept.
        MONOTONIC.set(HOUR);
        verify(&client, token).unwrap();
        MONOTONIC.set(0);
    }
}

#[test]
fn pauses_after_failures_go_by_the_monotonic_clock() {
    // Nobody listens there any more.
    let base =
        format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let client = client_of(&base);
    let attempt = || run(client.warm_up(client.call(None))).unwrap_err().code;
    let fetches = || client.keys().stats().fetches;
    for attempts in 1..=10 {
        assert_eq!((attempt(), fetches()), (Code::JwksFetchFailed, attempts));
        pass(30 * SECOND);
    }
    attempt();
    whatever_the_wall_clock_says(|| {
        assert_eq!((attempt(), fetches()), (Code::JwksFetchFailed, 11));
        let pause = client.keys().stats().next_attempt_in.unwrap();
        assert!((10 * SECOND..=30 * SECOND).contains(&pause), "{pause}");
    });
    MONOTONIC.set(MONOTONIC.get() + 30 * SECOND);
    assert_eq!((attempt(), fetches()), (Code::JwksFetchFailed, 12));
}

#[test]
fn answers_are_shared_by_the_monotonic_clock() {
    let issuer = Issuer::start();
    let client = issuer.client();
    let token = issuer.mint(24 * HOUR);
    WALL.set(2 * HOUR);
    get_user(&client, &token).unwrap();
    for wall in [3 * HOUR, HOUR, 2 * HOUR] {
        WALL.set(wall);
        get_user(&client, &token).unwrap();
        assert_eq!(issuer.user_requests(), 1);
    }
    MONOTONIC.set(30 * MINUTE);
    get_user(&client, &token).unwrap();
    assert_eq!(issuer.user_requests(), 2);
}

#[test]
fn a_machine_that_slept_asks_for_keys_and_users_again() {
    let issuer = Issuer::start();
    let client = issuer.client();
    let token = issuer.mint(24 * HOUR);
    get_user(&client, &token).unwrap();
    get_user(&client, &token).unwrap();
    assert_eq!((issuer.key_requests(), issuer.user_requests()), (1, 1));
    pass(8 * HOUR);
    get_user(&client, &token).unwrap();
    assert_eq!((issuer.key_requests(), issuer.user_requests()), (2, 2));
    pass(16 * HOUR);
    assert_eq!(get_user(&client, &token).unwrap_err().code, Code::JwtExpired);
}

#[test]
fn exported_keys_have_the_time_of_the_wall_clock() {
    let issuer = Issuer::start();
    let client = issuer.client();
    WALL.set(HOUR);
    run(client.warm_up(client.call(None))).unwrap();
    let exported = client.keys().snapshot().unwrap();
    assert!((unix_now() - exported.unix_fetched_at).abs() < MINUTE);

    // In another process, after five minutes.
    pass(5 * MINUTE);
    let other = Issuer::start().client();
    other.keys().import(&exported.json, exported.unix_fetched_at).unwrap();
    whatever_the_wall_clock_says(|| {
        let age = other.keys().stats().age.unwrap();
        assert!((5 * MINUTE..6 * MINUTE).contains(&age), "{age}");
    });
}

#[test]
fn keys_that_seem_to_be_from_the_future_are_from_now() {
    let issuer = Issuer::start();
    let client = issuer.client();
    let exported_at = unix_now();
    WALL.set(-HOUR);
    client.keys().import(&issuer.jwks(), exported_at).unwrap();
    assert!(client.keys().stats().age.unwrap() < MINUTE);
    pass(10 * MINUTE);
    run(client.warm_up(client.call(None))).unwrap();
    assert_eq!(issuer.key_requests(), 1, "they are past their freshness");
}

#[test]
#[cfg(target_os = "linux")]
fn the_monotonic_clock_counts_sleep() {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    #[allow(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
    let apart = (now() as f64 - seconds * 1_000.0).abs();
    assert!(apart < 5_000.0, "{apart}");
}
