//! Asking `users/me`, with a second and third try where that can help.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use tokio::time::sleep;

use super::answer::{self, Answer};
use crate::config::Users;
use crate::error::{Code, Error, Result};
use crate::flight::Deadline;
use crate::http::{self, Fault};
use crate::project::UserType;

const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
const MAX_TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A failed try; and if another may go better, how long the API wants to be left alone before it.
struct Failure {
    error: Error,
    retry_after: Option<Duration>,
}

/// Tries again while that can help, but never begins a pause that would outlast the deadline.
pub async fn ask(users: &Users, token: &str, deadline: Deadline) -> Result<String> {
    let headers = headers(users, token)?;
    let mut tries = 1;
    loop {
        let Failure { mut error, retry_after } = match exchange(users, token, headers.clone()).await
        {
            Ok(user) => return Ok(user),
            Err(failure) => failure,
        };
        let Some(retry_after) = retry_after else { return Err(error) };
        // 100 and 200 ms, with jitter, so that calls that failed together are not repeated together.
        let soon = (FIRST_PAUSE * tries).mul_f64(1.0 - fastrand::f64() / 2.0);
        let pause = retry_after.saturating_add(soon);
        if tries == MAX_TRIES || pause >= deadline.left() {
            error.context.retry_after = whole_seconds(retry_after);
            return Err(error);
        }
        tries += 1;
        sleep(pause).await;
    }
}

pub fn late(users: &Users) -> Error {
    Error::new(Code::ApiTimeout, "users/me did not answer in time").asked_at(&users.url)
}

fn headers(users: &Users, token: &str) -> Result<HeaderMap> {
    let secret = users.secret_server_key.as_deref();
    let access_type = if secret.is_some() { "server" } else { "client" };
    let allows = |user_type| (users.allowed == user_type).then_some("true");
    let pairs = [
        ("x-stack-access-type", Some(access_type)),
        ("x-stack-project-id", Some(users.project_id.as_str())),
        ("x-stack-publishable-client-key", users.publishable_client_key.as_deref()),
        ("x-stack-secret-server-key", secret),
        ("x-stack-access-token", Some(token)),
        ("x-stack-allow-restricted-user", allows(UserType::Restricted)),
        ("x-stack-allow-anonymous-user", allows(UserType::Anonymous)),
    ];

    let mut headers =
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    for (name, value) in pairs {
        let Some(value) = value else { continue };
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Error::new(Code::Config, format!("the value of {name} cannot be sent")))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

async fn exchange(
    users: &Users,
    token: &str,
    headers: HeaderMap,
) -> std::result::Result<String, Failure> {
    let failed = |fault| failed(fault, &users.url);
    let client = http::client(&users.url).map_err(failed)?;
    let request = client.get(&users.url).headers(headers);
    let response = request.send().await.map_err(|error| failed(error.into()))?;

    let status = response.status();
    let known_error = response.headers().get("x-stack-known-error").cloned();
    let may_pass = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let retry_after = may_pass.then(|| retry_after(response.headers()).unwrap_or_default());
    let body = http::body(response, MAX_BODY_BYTES).await.map_err(|fault| {
        let failure = failed(fault);
        Failure { retry_after: retry_after.or(failure.retry_after), ..failure }
    })?;

    let answer = Answer {
        status: status.as_u16(),
        known_error: known_error.as_ref().and_then(|value| value.to_str().ok()),
        body: &body,
    };
    let (secret, publishable) = (&users.secret_server_key, &users.publishable_client_key);
    let secrets = [Some(token), secret.as_deref(), publishable.as_deref()];
    let secrets: Vec<&str> = secrets.into_iter().flatten().collect();
    answer::read(&answer, &secrets).map_err(|error| Failure { error, retry_after })
}

fn failed(fault: Fault, url: &str) -> Failure {
    match fault {
        Fault::TooLarge => Failure {
            error: Error::new(
                Code::ApiUnavailable,
                format!("users/me answered more than {MAX_BODY_BYTES} bytes"),
            )
            .asked_at(url),
            retry_after: None,
        },
        Fault::Transport(error) => Failure {
            error: Error::new(Code::ApiUnavailable, "users/me could not be reached")
                .asked_at(url)
                .caused_by(&*error),
            retry_after: Some(Duration::ZERO),
        },
    }
}

/// `None` if it is no time at all.
fn whole_seconds(duration: Duration) -> Option<u32> {
    let seconds = duration.as_millis().div_ceil(1_000);
    (seconds > 0).then(|| u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// RFC 9110 section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |value: &str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]))
        };
        assert_eq!(read("2"), Some(Duration::from_secs(2)));
        assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        assert!(read("Fri, 01 Jan 2100 00:00:00 GMT").unwrap() > Duration::from_secs(1_000_000));
        assert_eq!(read("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn callers_are_told_whole_seconds() {
        let told = |millis| whole_seconds(Duration::from_millis(millis));
        assert_eq!((told(0), told(1), told(1_001)), (None, Some(1), Some(2)));
        assert_eq!(whole_seconds(Duration::from_secs(u64::MAX)), Some(u32::MAX));
    }
}
