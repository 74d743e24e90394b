//! One attempt to fetch the key set, and what the answer means.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CACHE_CONTROL, ETAG, HeaderMap, IF_NONE_MATCH};

use super::policy::Snapshot;
use crate::clock::Millis;
use crate::error::{Code, Error, Result};
use crate::http::{self, Fault};
use crate::json;
use crate::keys::KeySet;

const MAX_BODY_BYTES: usize = 256 * 1024;
const MAX_ETAG_BYTES: usize = 1024;

#[derive(Debug)]
pub struct Answer {
    pub set: Set,
    pub etag: Option<String>,
    pub max_age: Option<Duration>,
}

#[derive(Debug)]
pub enum Set {
    /// Against this base, whose `ETag` was sent.
    NotModified(Arc<Snapshot>),
    Keys {
        keys: KeySet,
        json: String,
    },
}

/// What a fetch was begun with.
pub struct Attempt {
    pub base: Option<Arc<Snapshot>>,
    pub kid: Option<String>,
    pub began: Millis,
    /// By the wall clock.
    pub unix_began: Millis,
}

impl Attempt {
    /// Keys, validator and time as one value. What a 304 leaves out stays as it was (RFC 9111 section 4.3.4). A set is
    /// as old as the question, for the answer may have been long on its way (section 4.2.3).
    pub fn snapshot(&self, answer: Answer) -> Arc<Snapshot> {
        let &Self { ref base, began, unix_began, .. } = self;
        Arc::new(match answer.set {
            Set::Keys { keys, json } => Snapshot {
                // The same bytes keep the same `Arc`, by which remembered tokens know that their key still counts.
                keys: base
                    .as_ref()
                    .filter(|base| *base.json == *json)
                    .map_or_else(|| Arc::new(keys), |base| Arc::clone(&base.keys)),
                json: json.into(),
                etag: answer.etag,
                server_max_age: answer.max_age,
                fetched_at: began,
                unix_fetched_at: unix_began,
                is_imported: false,
            },
            Set::NotModified(base) => Snapshot {
                etag: answer.etag.or_else(|| base.etag.clone()),
                server_max_age: answer.max_age.or(base.server_max_age),
                fetched_at: began,
                unix_fetched_at: unix_began,
                ..(*base).clone()
            },
        })
    }
}

pub async fn fetch(url: &str, base: Option<Arc<Snapshot>>) -> Result<Answer> {
    let base = base.filter(|base| base.etag.is_some());
    let mut request = http::client(url)
        .map_err(failed)?
        .get(url)
        .header(ACCEPT, "application/json, application/jwk-set+json");
    if let Some(etag) = base.as_ref().and_then(|base| base.etag.as_ref()) {
        request = request.header(IF_NONE_MATCH, etag);
    }
    let response = request.send().await.map_err(|error| failed(error.into()))?;

    let status = response.status();
    let max_age = max_age(response.headers());
    let etag = response
        .headers()
        .get(ETAG)
        .and_then(|etag| etag.to_str().ok())
        // The server may refuse a request with a larger one.
        .filter(|etag| etag.len() <= MAX_ETAG_BYTES)
        .map(str::to_owned);
    if status == StatusCode::NOT_MODIFIED
        && let Some(base) = base
    {
        return Ok(Answer { set: Set::NotModified(base), etag, max_age });
    }
    if status != StatusCode::OK {
        return Err(unexpected_status(status));
    }
    let body = http::body(response, MAX_BODY_BYTES).await.map_err(failed)?;
    let malformed =
        |fault| Error::new(Code::JwksInvalid, format!("JSON Web Key Set malformed: {fault}"));
    let json = json::from_utf8(body).ok_or_else(|| malformed("expected UTF-8".into()))?;
    let keys = KeySet::parse(&json).map_err(malformed)?;
    Ok(Answer { set: Set::Keys { keys, json }, etag, max_age })
}

pub fn late(url: &str) -> Error {
    Error::new(Code::JwksTimeout, "the JSON Web Key Set did not come in time").asked_at(url)
}

fn failed(fault: Fault) -> Error {
    match fault {
        Fault::TooLarge => Error::new(
            Code::JwksInvalid,
            format!(
                "JSON Web Key Set malformed: expected at most {MAX_BODY_BYTES} bytes, found more"
            ),
        ),
        Fault::Transport(error) => {
            Error::new(Code::JwksFetchFailed, "the JSON Web Key Set could not be fetched")
                .caused_by(&*error)
        }
    }
}

/// Stack Auth answers 404 for a project that it does not know.
fn unexpected_status(status: StatusCode) -> Error {
    if status == StatusCode::NOT_FOUND {
        return Error::new(
            Code::Config,
            "the issuer knows no such project: expected 200 for the JSON Web Key Set, found 404; \
             check projectId and baseUrl (which is without /api/v1)",
        );
    }
    Error::new(
        Code::JwksFetchFailed,
        format!("expected 200 for the JSON Web Key Set, found {}", status.as_u16()),
    )
}

/// RFC 9111 section 5.2.2. `no-store` and `no-cache` count as a `max-age` of 0.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .filter_map(|directive| {
            let directive = directive.trim().to_ascii_lowercase();
            if directive == "no-store" || directive == "no-cache" {
                return Some(Duration::ZERO);
            }
            let seconds = directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok()?;
            Some(Duration::from_secs(seconds))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_read() {
        for (value, seconds) in [
            ("public, max-age=3600", Some(3_600)),
            ("Max-Age=\"60\", must-revalidate", Some(60)),
            ("no-store", Some(0)),
            ("max-age=60, no-cache", Some(0)),
            ("max-age=x", None),
            ("private", None),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, value.parse().unwrap())]);
            assert_eq!(max_age(&headers), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
        let mut headers = HeaderMap::new();
        for line in ["public", "max-age=45"] {
            headers.append(CACHE_CONTROL, line.parse().unwrap());
        }
        assert_eq!(max_age(&headers), Some(Duration::from_secs(45)));
    }

    #[test]
    fn an_unknown_project_is_the_operators_fault() {
        assert_eq!(unexpected_status(StatusCode::NOT_FOUND).code, Code::Config);
        for status in [204, 301, 302, 304, 400, 403, 429, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(unexpected_status(status).code, Code::JwksFetchFailed);
        }
    }
}
