//! The edge to Node, and the only place that knows of it. An outcome is either the JSON of a
//! result or a plain object that tells of a failure: the classes and codes of JavaScript errors
//! do not survive the way through an async native function (napi-rs#1205), so `index.js` throws.

#![allow(unsafe_code, reason = "written by the napi macros")]

mod outcome;

use std::sync::Arc;

use napi::bindgen_prelude::{Either, Either3, FromNapiValue, PromiseRaw, Unknown};
use napi::{Env, JsString, ValueType};
use napi_derive::napi;
use tokio::sync::Notify;

use self::outcome::{Failure, Outcome, failure};
use crate::config::Options;
use crate::error::{Code, Error};
use crate::token::{MAX_TOKEN_BYTES, Token};
use crate::verify::{Call, Client};

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
    pub keys: Option<ExportedKeys>,
}

/// A key set as JSON, and when it was fetched (milliseconds since 1970).
#[napi(object)]
pub struct ExportedKeys {
    pub jwks: String,
    pub uat: f64,
}

/// Ends the waiting of one call; the promise then settles to nothing of interest.
#[napi]
pub struct Abort(Arc<Notify>);

#[napi]
impl Abort {
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    #[napi(catch_unwind)]
    pub fn abort(&self) {
        self.0.notify_one();
    }
}

#[napi]
pub struct NativeClient(Arc<Client>);

#[napi]
impl NativeClient {
    /// A factory, since a constructor cannot return a failure.
    #[napi(catch_unwind)]
    pub fn create(options: ClientOptions) -> Either<NativeClient, Failure> {
        let keys = options.keys;
        let client = Client::new(Options {
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
        });
        let client = client.and_then(|client| {
            if let Some(keys) = keys {
                #[allow(clippy::cast_possible_truncation)]
                client.keys().import(&keys.jwks, keys.uat as i64)?;
            }
            Ok(client)
        });
        match client {
            Ok(client) => Either::A(Self(Arc::new(client))),
            Err(error) => Either::B(failure(error)),
        }
    }

    /// A refusal that needs neither keys nor cryptography is answered on the spot.
    #[napi(catch_unwind)]
    pub fn verify<'env>(
        &self,
        env: &'env Env,
        access_token: Unknown<'env>,
        current_date: Option<f64>,
        abort: Option<&Abort>,
    ) -> napi::Result<Either3<String, Failure, PromiseRaw<'env, Outcome>>> {
        let opened = text(access_token)?
            .and_then(|text| self.0.open(text))
            .and_then(|token| self.0.refusal_at_hand(&token).map_or(Ok(token), Err));
        self.answer(env, opened, current_date, abort, |client, token, call| async move {
            client.verify(&token, call).await
        })
    }

    #[napi(catch_unwind)]
    pub fn get_user<'env>(
        &self,
        env: &'env Env,
        access_token: Unknown<'env>,
        current_date: Option<f64>,
        abort: Option<&Abort>,
    ) -> napi::Result<Either3<String, Failure, PromiseRaw<'env, Outcome>>> {
        let opened = text(access_token)?.and_then(|text| self.0.open_for_user(text));
        self.answer(env, opened, current_date, abort, |client, (token, users), call| async move {
            client.get_user(&token, &users, call).await.map(|user| user.as_ref().to_owned())
        })
    }

    /// Settles to `null`, as JSON.
    #[napi(catch_unwind)]
    pub fn warm_up<'env>(
        &self,
        env: &'env Env,
    ) -> napi::Result<Either3<String, Failure, PromiseRaw<'env, Outcome>>> {
        self.answer(env, Ok(()), None, None, |client, (), call| async move {
            client.warm_up(call).await.map(|()| "null".to_owned())
        })
    }

    #[napi(catch_unwind)]
    pub fn export_keys(&self) -> Option<ExportedKeys> {
        let snapshot = self.0.keys().snapshot()?;
        #[allow(clippy::cast_precision_loss)]
        let uat = snapshot.unix_fetched_at as f64;
        Some(ExportedKeys { jwks: snapshot.json.as_ref().to_owned(), uat })
    }

    #[napi(catch_unwind)]
    pub fn stats(&self) -> outcome::KeyStats {
        self.0.keys().stats().into()
    }

    fn answer<'env, T, F>(
        &self,
        env: &'env Env,
        opened: crate::error::Result<T>,
        current_date: Option<f64>,
        abort: Option<&Abort>,
        work: impl FnOnce(Arc<Client>, T, Call) -> F,
    ) -> napi::Result<Either3<String, Failure, PromiseRaw<'env, Outcome>>>
    where
        F: Future<Output = crate::error::Result<String>> + Send + 'static,
    {
        let input = match opened {
            Ok(input) => input,
            Err(error) => return Ok(Either3::B(failure(error))),
        };
        let call = self.0.call(current_date);
        let work = work(Arc::clone(&self.0), input, call);
        let aborted = abort.map(|abort| Arc::clone(&abort.0));
        let outcome = async move {
            let result = match aborted {
                None => work.await,
                Some(aborted) => tokio::select! {
                    result = work => result,
                    () = aborted.notified() => Ok(String::new()),
                },
            };
            Ok(outcome::of(result))
        };
        env.spawn_future(outcome).map(Either3::C)
    }
}

/// Looked at before it is copied.
fn text(access_token: Unknown<'_>) -> napi::Result<crate::error::Result<String>> {
    let found = access_token.get_type()?;
    if found != ValueType::String {
        let message = format!("Compact JWS must be a string, found {}", outcome::type_name(found));
        return Ok(Err(Error::new(Code::JwsInvalid, message)));
    }
    let text = JsString::from_unknown(access_token)?;
    let bytes = text.utf8_len()?;
    if bytes > MAX_TOKEN_BYTES {
        return Ok(Err(Token::too_long(bytes)));
    }
    text.into_utf8()?.into_owned().map(Ok)
}
