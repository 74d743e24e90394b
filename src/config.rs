//! Options, checked. JavaScript has looked at their names and types; what they mean is judged here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use crate::claims::Policy;
use crate::error::{Code, Error, Result};
use crate::project::{AllowedUsers, Project};

/// The cloud service answers on both, and a project can hold valid tokens of either.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_age: Duration,
    pub stale_if_error: Duration,
}

/// What `users/me` is asked with.
#[derive(PartialEq, Eq, Hash)]
pub struct Users {
    pub url: String,
    pub project_id: String,
    pub access: Access,
    pub publishable_client_key: Option<String>,
    pub allowed: AllowedUsers,
}

impl std::fmt::Debug for Users {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("url", &self.url).finish_non_exhaustive()
    }
}

#[derive(PartialEq, Eq, Hash)]
pub enum Access {
    Server { secret: String },
    Client,
}

impl Config {
    pub fn new(options: Options) -> Result<Self> {
        let project_id = project_id(options.project_id)?;
        let base = match &options.base_url {
            Some(text) => base_url("baseUrl", text, options.allow_insecure_http)?,
            None => CLOUD_BASES[0].to_owned(),
        };
        let allowed = match (options.allow_restricted, options.allow_anonymous) {
            (_, true) => AllowedUsers::Anonymous,
            (true, false) => AllowedUsers::Restricted,
            (false, false) => AllowedUsers::Regular,
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
                populations: project.populations(),
                clock_tolerance: options
                    .clock_tolerance
                    .map_or(Ok(0.0), |seconds| at_least_zero("clockTolerance", seconds))?,
            },
            jwks_url: project.jwks_url(&base),
            timeout: match options.timeout {
                Some(0.0) => return Err(config("timeout must be more than 0 ms, found 0")),
                millis => duration("timeout", millis, 5_000.0)?,
            },
            limits: Limits {
                max_age: duration("cacheMaxAge", options.cache_max_age, 600_000.0)?,
                stale_if_error: duration("staleIfError", options.stale_if_error, 3_600_000.0)?,
            },
            users: match access(options.access_type.as_deref(), secret_server_key)? {
                Some(access) => Ok(Arc::new(Users {
                    url: format!("{base}/api/v1/users/me"),
                    project_id,
                    access,
                    publishable_client_key,
                    allowed,
                })),
                None => Err(config(
                    "secretServerKey is missing: pass the option, set HEXCLAVE_SECRET_SERVER_KEY \
                     or STACK_SECRET_SERVER_KEY, or ask with accessType \"client\"",
                )),
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

/// `None` where the secret key that it takes is missing.
fn access(access_type: Option<&str>, secret: Option<String>) -> Result<Option<Access>> {
    match access_type {
        None | Some("server") => Ok(secret.map(|secret| Access::Server { secret })),
        Some("client") => Ok(Some(Access::Client)),
        Some(_) => Err(config(r#"accessType must be "server" or "client", found another string"#)),
    }
}

/// RFC 9110 section 5.5, without white space. The value is a secret and stays out of the message.
fn header_safe(name: &str, value: Option<String>) -> Result<Option<String>> {
    match value {
        Some(value) if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(config(format!(
                "{name} must be visible ASCII characters; found {}",
                if value.is_empty() { "none" } else { "others among them" }
            )))
        }
        value => Ok(value),
    }
}

fn issuer_bases(base: &str, further: &[String]) -> Result<Vec<String>> {
    let mut bases = vec![base.to_owned()];
    for text in further {
        // Names, not addresses: nothing is ever sent there.
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
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
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
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
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
mod tests {
    use super::*;

    fn options() -> Options {
        Options { project_id: Some("p1".into()), ..Options::default() }
    }

    fn base(text: &str) -> Result<Config> {
        Config::new(Options { base_url: Some(text.into()), ..options() })
    }

    fn issuers(config: &Config) -> &[String] {
        &config.policy.populations[0].issuers
    }

    #[track_caller]
    fn refuses(options: Options) -> String {
        let error = Config::new(options).unwrap_err();
        assert_eq!(error.code, Code::Config);
        error.message
    }

    #[test]
    fn a_project_id_is_enough() {
        let config = Config::new(options()).unwrap();
        assert_eq!(
            config.jwks_url,
            "https://api.stack-auth.com/api/v1/projects/p1/.well-known/jwks.json"
        );
        assert_eq!(config.users.unwrap_err().code, Code::Config, "no secret key");
        assert_eq!(config.timeout, Duration::from_secs(5));
        assert_eq!(config.limits.max_age, Duration::from_mins(10));
        assert_eq!(config.limits.stale_if_error, Duration::from_hours(1));
    }

    #[test]
    fn users_are_asked_for_with_a_secret_key_or_as_a_client() {
        let server = Options { secret_server_key: Some("ssk".into()), ..options() };
        let users = Config::new(server).unwrap().users.unwrap();
        assert_eq!(users.url, "https://api.stack-auth.com/api/v1/users/me");
        assert!(users.access == Access::Server { secret: "ssk".into() });
        let client = Options { access_type: Some("client".into()), ..options() };
        assert!(Config::new(client).unwrap().users.unwrap().access == Access::Client);
    }

    #[test]
    fn on_the_cloud_either_brand_counts() {
        for text in ["https://api.stack-auth.com", "https://API.hexclave.com:443//"] {
            let config = base(text).unwrap();
            assert_eq!(issuers(&config).len(), 2, "{text}");
        }
        assert_eq!(issuers(&base("https://auth.example.com").unwrap()).len(), 1);
        assert_eq!(issuers(&base("https://api.stack-auth.com.evil.example").unwrap()).len(), 1);
    }

    #[test]
    fn further_issuers_count() {
        let config = Config::new(Options {
            base_url: Some("http://localhost:8102/".into()),
            issuer_base_urls: vec!["https://auth.example.com/".into(), "http://stack:8102".into()],
            ..options()
        });
        assert_eq!(
            issuers(&config.unwrap()),
            [
                "http://localhost:8102/api/v1/projects/p1",
                "http://stack:8102/api/v1/projects/p1",
                "https://auth.example.com/api/v1/projects/p1",
            ]
        );
    }

    #[test]
    fn plain_http_is_for_loopback() {
        for host in ["localhost", "api.localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(base(&format!("http://{host}:1")).is_ok(), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "10.0.0.1", "[::2]", "0.0.0.0"] {
            assert!(base(&format!("http://{host}:1")).is_err(), "{host}");
        }
        let insecure = Options {
            base_url: Some("http://stack:8102".into()),
            allow_insecure_http: true,
            ..options()
        };
        assert!(Config::new(insecure).is_ok());
    }

    #[test]
    fn odd_addresses_are_refused() {
        for text in
            ["", "x", "ftp://a.b", "https://a.b?c", "https://a.b#c", "https://u:hunter2@a.b"]
        {
            let message = refuses(Options { base_url: Some(text.into()), ..options() });
            assert!(!message.contains("hunter2"));
        }
    }

    #[test]
    fn a_project_id_is_checked_and_never_repeated() {
        refuses(Options::default());
        for id in ["", "a/b", "a?b", "../x", "ä", &"a".repeat(65)] {
            refuses(Options { project_id: Some(id.into()), ..Options::default() });
        }
        let pasted = Options { project_id: Some("ssk_hunter2".into()), ..Options::default() };
        assert!(!refuses(pasted).contains("hunter2"));
    }

    #[test]
    fn keys_can_stand_in_a_header() {
        for key in ["", "a b", "a\n", "ä"] {
            refuses(Options { secret_server_key: Some(key.into()), ..options() });
            refuses(Options { publishable_client_key: Some(key.into()), ..options() });
        }
        refuses(Options { access_type: Some("admin".into()), ..options() });
    }

    #[test]
    fn numbers_are_finite_and_not_negative() {
        for value in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            refuses(Options { clock_tolerance: Some(value), ..options() });
            refuses(Options { timeout: Some(value), ..options() });
            refuses(Options { cache_max_age: Some(value), ..options() });
            refuses(Options { stale_if_error: Some(value), ..options() });
            refuses(Options { max_age: Some(value), ..options() });
        }
        refuses(Options { timeout: Some(0.0), ..options() });
        refuses(Options { timeout: Some(1e12), ..options() });
    }
}
