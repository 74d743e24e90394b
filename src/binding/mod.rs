//! The edge to Node, and the only module that knows Node. An outcome is either the JSON of a result or a plain object
//! that describes a failure: an async native function cannot reject with a class or code of ours (napi-rs#1205), so
//! `lib/calls.js` throws.

#![allow(unsafe_code, reason = "written by the napi macros")]

mod batch;
mod clients;
mod events;
mod outcome;
mod text;

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use napi::Env;
use napi::bindgen_prelude::{Either, FnArgs, Function, Object, Unknown};
use napi_derive::napi;
use tokio::sync::Notify;

use self::outcome::{Failure, Outcome, Stats, failure, rejection};
use crate::config::Options;
use crate::error::{Code, Error, Result};
use crate::threads;
use crate::verify::Client;

/// From `Cargo.toml`. `binding.js` refuses a binary whose version is not that of `package.json`.
#[cfg_attr(test, allow(dead_code, reason = "napi registers nothing in tests"))]
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Options whose names and types were checked in JavaScript.
#[napi(object, object_to_js = false)]
pub struct ClientOptions {
    pub project_id: Option<String>,
    pub secret_server_key: Option<String>,
    pub publishable_client_key: Option<String>,
    pub access_type: Option<String>,
    pub base_url: Option<String>,
    pub allow_insecure_http: Option<bool>,
    pub issuer_base_urls: Option<Vec<String>>,
    pub allow_restricted: Option<bool>,
    pub allow_anonymous: Option<bool>,
    pub clock_tolerance: Option<f64>,
    pub timeout: Option<f64>,
    pub cache_max_age: Option<f64>,
    pub stale_if_error: Option<f64>,
    pub max_age: Option<f64>,
    pub token_cache_bytes: Option<f64>,
}

/// A key set as JSON, and when it was asked for (milliseconds since 1970).
#[napi(object)]
pub struct ExportedKeys {
    pub jwks: String,
    pub uat: f64,
}

/// Ends the wait of one call; what its promise then settles to is ignored.
#[napi]
pub struct Abort(Arc<Notify>);

#[napi]
impl Abort {
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::new_without_default, reason = "JavaScript calls it")]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    #[napi(catch_unwind)]
    pub fn abort(&self) {
        self.0.notify_one();
    }
}

#[napi]
pub struct NativeClient {
    client: Arc<Client>,
    /// By which `verify` finds it.
    #[napi(readonly)]
    pub number: i64,
}

impl Drop for NativeClient {
    fn drop(&mut self) {
        clients::remove(self.number);
    }
}

#[napi]
impl NativeClient {
    /// A factory, since a constructor cannot return a failure.
    #[napi(catch_unwind)]
    pub fn create(options: ClientOptions) -> Either<NativeClient, Failure> {
        match client_of(options) {
            Ok(client) => {
                let client = Arc::new(client);
                let number = clients::add(Arc::clone(&client));
                Either::A(Self { client, number })
            }
            Err(error) => Either::B(failure(error)),
        }
    }

    /// Verifies a token whose keys must be waited for.
    #[napi(catch_unwind, ts_return_type = "Failure | Promise<Outcome>")]
    pub fn verify_with_keys<'env>(
        &self,
        env: &'env Env,
        access_token: Unknown<'env>,
        current_date: Option<f64>,
        abort: Option<&Abort>,
    ) -> napi::Result<Either<Failure, Object<'env>>> {
        let text = match text::with(access_token, |text| Ok(text.to_owned()))? {
            Ok(text) => text,
            Err(error) => return Ok(Either::A(rejection(&self.client, error))),
        };
        let call = self.client.call(current_date);
        let work = |client: Arc<Client>| async move { client.verify(&text, call).await };
        self.promise(env, work, abort, Code::JwksFetchFailed).map(Either::B)
    }

    #[napi(catch_unwind, ts_return_type = "Failure | Promise<Outcome>")]
    pub fn get_user<'env>(
        &self,
        env: &'env Env,
        access_token: Unknown<'env>,
        current_date: Option<f64>,
        abort: Option<&Abort>,
    ) -> napi::Result<Either<Failure, Object<'env>>> {
        let looked_up = match self.client.users() {
            Ok(users) => text::with(access_token, |text| {
                let is_good = self.client.look_up(text, current_date)?;
                Ok((Arc::from(text), is_good, users))
            })?,
            Err(error) => Err(error),
        };
        let (text, is_good, users) = match looked_up {
            Ok(found) => found,
            Err(error) => return Ok(Either::A(rejection(&self.client, error))),
        };
        let call = self.client.call(current_date);
        let work = |client: Arc<Client>| async move {
            client.get_user(&text, is_good, &users, call).await.map(|user| user.as_ref().to_owned())
        };
        self.promise(env, work, abort, Code::ApiUnavailable).map(Either::B)
    }

    /// Settles to `null`, as JSON.
    #[napi(catch_unwind, ts_return_type = "Promise<Outcome>")]
    pub fn warm_up<'env>(
        &self,
        env: &'env Env,
        abort: Option<&Abort>,
    ) -> napi::Result<Object<'env>> {
        let call = self.client.call(None);
        let work = |client: Arc<Client>| async move {
            client.warm_up(call).await.map(|()| "null".to_owned())
        };
        self.promise(env, work, abort, Code::JwksFetchFailed)
    }

    #[napi(catch_unwind)]
    pub fn export_keys(&self) -> Option<ExportedKeys> {
        // An empty set may be a mistake of the issuer, and is of no use to another process.
        let snapshot = self.client.keys().snapshot().filter(|set| !set.keys.is_empty())?;
        #[allow(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
        let uat = snapshot.unix_fetched_at as f64;
        Some(ExportedKeys { jwks: snapshot.json.as_ref().to_owned(), uat })
    }

    /// For all clients of the same address. A failure if they are malformed.
    #[napi(catch_unwind)]
    #[allow(clippy::needless_pass_by_value, reason = "as napi hands it over")]
    pub fn import_keys(&self, keys: ExportedKeys) -> Option<Failure> {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "whole milliseconds are enough, and `as` saturates"
        )]
        let imported = self.client.keys().import(&keys.jwks, keys.uat as i64);
        imported.err().map(failure)
    }

    /// Calls `listener` after each fetch of keys in this process, as long as this thread lives.
    #[napi(catch_unwind)]
    #[allow(clippy::needless_pass_by_value, reason = "as napi hands it over")]
    pub fn on_key_fetch(
        listener: Function<'_, FnArgs<(events::KeyFetch,)>, ()>,
    ) -> napi::Result<()> {
        events::register(&listener)
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> Stats {
        self.client.as_ref().into()
    }

    /// `refused` is the code if the system has nothing left to wait by.
    fn promise<'env, W: Future<Output = Result<String>> + Send + 'static>(
        &self,
        env: &'env Env,
        work: impl FnOnce(Arc<Client>) -> W,
        abort: Option<&Abort>,
        refused: Code,
    ) -> napi::Result<Object<'env>> {
        let client = Arc::clone(&self.client);
        let work = work(Arc::clone(&client));
        let aborted = abort.map(|abort| Arc::clone(&abort.0));
        let outcome_of = move |result: Result<String>| -> Outcome {
            match result {
                Ok(json) => Either::A(json),
                Err(error) => Either::B(rejection(&client, error)),
            }
        };
        let (deferred, promise) = env.create_deferred()?;
        let settle = move |outcome: napi::Result<Outcome>| match outcome {
            Ok(outcome) => deferred.resolve(|_| Ok(outcome)),
            Err(error) => deferred.reject(error),
        };
        match threads::network() {
            Ok(network) => drop(network.spawn(async move {
                let outcome = contained(async move {
                    outcome_of(match aborted {
                        None => work.await,
                        Some(aborted) => tokio::select! {
                            result = work => result,
                            () = aborted.notified() => Ok(String::new()),
                        },
                    })
                });
                settle(outcome.await);
            })),
            Err(error) => {
                let message = "what waits for the network could not be started";
                let mut refusal = Error::new(refused, message).caused_by(&error);
                refusal.context.retry_after = Some(1);
                settle(Ok(outcome_of(Err(refusal))));
            }
        }
        Ok(promise)
    }
}

/// A panic would leave the promise pending for ever.
async fn contained<T>(work: impl Future<Output = T>) -> napi::Result<T> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(napi::Error::from_reason("a call panicked"))),
    })
    .await
}

fn client_of(options: ClientOptions) -> Result<Client> {
    Client::new(Options {
        project_id: options.project_id,
        secret_server_key: options.secret_server_key,
        publishable_client_key: options.publishable_client_key,
        access_type: options.access_type,
        base_url: options.base_url,
        allow_insecure_http: options.allow_insecure_http.unwrap_or(false),
        issuer_base_urls: options.issuer_base_urls.unwrap_or_default(),
        allow_restricted: options.allow_restricted.unwrap_or(false),
        allow_anonymous: options.allow_anonymous.unwrap_or(false),
        clock_tolerance: options.clock_tolerance,
        timeout: options.timeout,
        cache_max_age: options.cache_max_age,
        stale_if_error: options.stale_if_error,
        max_age: options.max_age,
        token_cache_bytes: options.token_cache_bytes,
    })
}
