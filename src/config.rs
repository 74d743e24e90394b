//! The options and what they mean. Their names and types were checked in JavaScript.

use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use crate::claims::Policy;
use crate::error::{Code, Error, Result};
use crate::project::{Project, UserType};

/// The cloud service has both addresses, and tokens of a project may name either as their issuer.
const CLOUD_BASES: [&str; 2] = ["https://api.stack-auth.com", "https://api.hexclave.com"];
/// The longest time-out that timers take, as in Node.
const MAX_MILLIS: f64 = 2_147_483_647.0;

/// As they come from outside; defaults are filled in by [`Config::new`].
#[derive(Default)]
pub struct Options {
    pub project_id: Option<String>,
    pub secret_server_key: Option<String>,
    pub publishable_client_key: Option<String>,
    pub access_type: Option<String>,
    pub base_url: Option<String>,
    pub allow_insecure_http: bool,
    pub issuer_base_urls: Vec<String>,
    pub allow_restricted: bool,
    pub allow_anonymous: bool,
    pub clock_tolerance: Option<f64>,
    pub timeout: Option<f64>,
    pub cache_max_age: Option<f64>,
    pub stale_if_error: Option<f64>,
    pub max_age: Option<f64>,
    pub token_cache_bytes: Option<f64>,
}

#[derive(Debug)]
pub struct Config {
    pub policy: Policy,
    pub jwks_url: String,
    pub timeout: Duration,
    pub limits: Limits,
    /// An error where the secret key is missing, which only `getUser` needs.
    pub users: Result<Arc<Users>>,
    /// How old a shared `users/me` answer may be; zero shares nothing.
    pub user_max_age: Duration,
    /// Zero remembers nothing.
    pub token_cache_bytes: u64,
}

/// How long a key set counts.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub max_age: Duration,
    pub stale_if_error: Duration,
}

/// What `users/me` is asked with.
#[derive(PartialEq, Eq, Hash)]
pub struct Users {
    pub url: String,
    pub project_id: String,
    /// Without, it is asked as a client.
    pub secret_server_key: Option<String>,
    pub publishable_client_key: Option<String>,
    pub allowed: UserType,
}

impl std::fmt::Debug for Users {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Config {
    pub fn new(options: Options) -> Result<Self> {
        let project_id = project_id(options.project_id)?;
        let base = match &options.base_url {
            Some(text) => base_url("baseUrl", text, options.allow_insecure_http)?,
            None => CLOUD_BASES[0].to_owned(),
        };
        let allowed = match (options.allow_restricted, options.allow_anonymous) {
            (_, true) => UserType::Anonymous,
            (true, false) => UserType::Restricted,
            (false, false) => UserType::Regular,
        };
        let project = Project {
            bases: issuer_bases(&base, &options.issuer_base_urls)?,
            id: project_id.clone(),
            allowed,
        };
        let secret_server_key = header_safe("secretServerKey", options.secret_server_key)?;
        let publishable_client_key =
            header_safe("publishableClientKey", options.publishable_client_key)?;
        Ok(Self {
            policy: Policy {
                issuers: project.issuers(),
                clock_tolerance: options
                    .clock_tolerance
                    .map_or(Ok(0.0), |seconds| at_least_zero("clockTolerance", seconds))?,
            },
            jwks_url: project.jwks_url(&base),
            timeout: timeout(options.timeout)?,
            limits: Limits {
                max_age: duration("cacheMaxAge", options.cache_max_age, 600_000.0)?,
                stale_if_error: duration("staleIfError", options.stale_if_error, 3_600_000.0)?,
            },
            users: match (is_client(options.access_type.as_deref())?, secret_server_key) {
                (false, None) => Err(config(
                    "secretServerKey is missing: pass the option, set HEXCLAVE_SECRET_SERVER_KEY \
                     or STACK_SECRET_SERVER_KEY, or ask with accessType \"client\"",
                )),
                (is_client, key) => Ok(Arc::new(Users {
                    url: format!("{base}/api/v1/users/me"),
                    project_id,
                    secret_server_key: key.filter(|_| !is_client),
                    publishable_client_key,
                    allowed,
                })),
            },
            user_max_age: duration("maxAge", options.max_age, 0.0)?,
            token_cache_bytes: bytes("tokenCacheBytes", options.token_cache_bytes)?,
        })
    }
}

fn config(message: impl Into<String>) -> Error {
    Error::new(Code::Config, message)
}

/// The value is not repeated in the message: keys have been pasted here by mistake.
fn project_id(value: Option<String>) -> Result<String> {
    const MAX: usize = 64;
    let id = value.ok_or_else(|| {
        config(
            "projectId is missing: pass the option or set HEXCLAVE_PROJECT_ID or STACK_PROJECT_ID",
        )
    })?;
    let wanted = "projectId must be 1 to 64 characters of A-Z, a-z, 0-9 and -";
    if id.is_empty() || id.len() > MAX {
        return Err(config(format!("{wanted}; found {} characters", id.chars().count())));
    }
    match id.chars().find(|&char| !char.is_ascii_alphanumeric() && char != '-') {
        Some(char) => Err(config(format!("{wanted}; found {char:?}"))),
        None => Ok(id),
    }
}

fn is_client(access_type: Option<&str>) -> Result<bool> {
    match access_type {
        None | Some("server") => Ok(false),
        Some("client") => Ok(true),
        Some(_) => Err(config(r#"accessType must be "server" or "client", found another string"#)),
    }
}

/// RFC 9110 section 5.5, without white space. The value is a secret and stays out of the message.
fn header_safe(name: &str, value: Option<String>) -> Result<Option<String>> {
    match value {
        Some(value) if value.is_empty() || !is_graphic(&value) => {
            let found = match value.trim() {
                "" => "none",
                // A key that was read from a file often ends with a line break.
                trimmed if is_graphic(trimmed) => "white space before or after them",
                _ => "others among them",
            };
            Err(config(format!("{name} must be visible ASCII characters; found {found}")))
        }
        value => Ok(value),
    }
}

fn is_graphic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn issuer_bases(base: &str, further: &[String]) -> Result<Vec<String>> {
    let mut bases = vec![base.to_owned()];
    for text in further {
        // `http:` is safe here: they are only compared with `iss`, and nothing is sent there.
        bases.push(base_url("issuerBaseUrls", text, true)?);
    }
    if bases.iter().any(|base| CLOUD_BASES.contains(&base.as_str())) {
        bases.extend(CLOUD_BASES.map(String::from));
    }
    bases.sort_unstable();
    bases.dedup();
    Ok(bases)
}

/// Normalised as the issuer normalises its own address, without a trailing slash.
fn base_url(option: &str, text: &str, allow_insecure_http: bool) -> Result<String> {
    let url = Url::parse(text).map_err(|error| {
        config(format!("{option} must be an http(s) URL, found one that cannot be parsed"))
            .caused_by(&error)
    })?;
    match url.scheme() {
        "https" => {}
        "http" if allow_insecure_http || is_loopback(&url) => {}
        "http" => {
            return Err(config(format!(
                "{option} must be https, found http to a host that is not loopback; \
                 allowInsecureHttp: true permits it"
            )));
        }
        _ => return Err(config(format!("{option} must be http(s), found another scheme"))),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(config(format!("{option} must not hold a user name or password")));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(config(format!("{option} must not have a query or a fragment")));
    }
    let base = url.as_str().trim_end_matches('/');
    if base.ends_with("/api/v1") || base.contains("/api/v1/projects") {
        // Mostly the whole issuer, as in jose's `issuer` option.
        return Err(config(format!("{option} must be without /api/v1 and what follows it")));
    }
    Ok(base.to_owned())
}

pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

pub fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn timeout(millis: Option<f64>) -> Result<Duration> {
    let timeout = duration("timeout", millis, 5_000.0)?;
    if timeout < Duration::from_millis(1) {
        return Err(config("timeout must be at least 1 ms, found less"));
    }
    Ok(timeout)
}

fn duration(option: &str, millis: Option<f64>, default: f64) -> Result<Duration> {
    let millis = at_least_zero(option, millis.unwrap_or(default))?;
    if millis > MAX_MILLIS {
        return Err(config(format!("{option} must be at most {MAX_MILLIS} ms, found {millis}")));
    }
    Ok(Duration::from_secs_f64(millis / 1_000.0))
}

fn bytes(option: &str, value: Option<f64>) -> Result<u64> {
    const DEFAULT: f64 = 16.0 * 1_024.0 * 1_024.0;
    const MAX: f64 = 64.0 * 1_024.0 * 1_024.0 * 1_024.0;
    let value = at_least_zero(option, value.unwrap_or(DEFAULT))?;
    if value > MAX {
        return Err(config(format!("{option} must be at most {MAX}, found {value}")));
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and MAX"
    )]
    Ok(value as u64)
}

fn at_least_zero(option: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(config(format!("{option} must be a finite number of at least 0, found {value}")))
    }
}

#[cfg(test)]
mod tests;
