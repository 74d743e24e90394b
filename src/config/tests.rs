use super::*;

fn options() -> Options {
    Options { project_id: Some("p1".into()), ..Options::default() }
}

fn base(text: &str) -> Result<Config> {
    Config::new(Options { base_url: Some(text.into()), ..options() })
}

fn issuers(config: &Config) -> Vec<&str> {
    config
        .policy
        .issuers
        .iter()
        .filter(|issuer| issuer.allowed)
        .map(|issuer| &*issuer.iss)
        .collect()
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
    assert_eq!(config.user_max_age, Duration::ZERO);
    assert_eq!(config.token_cache_bytes, 16 * 1_024 * 1_024);
    assert!(config.policy.clock_tolerance == 0.0);
}

#[test]
fn users_are_asked_for_with_a_secret_key_or_as_a_client() {
    for (access_type, key, sent) in [
        (None, Some("ssk"), Some("ssk")),
        (Some("server"), Some("ssk"), Some("ssk")),
        (Some("client"), Some("ssk"), None),
        (Some("client"), None, None),
    ] {
        let (access_type, key) = (access_type.map(String::from), key.map(String::from));
        let options = Options { access_type, secret_server_key: key, ..options() };
        let users = Config::new(options).unwrap().users.unwrap();
        assert_eq!(users.url, "https://api.stack-auth.com/api/v1/users/me");
        assert_eq!(users.secret_server_key.as_deref(), sent);
    }
}

#[test]
fn on_the_cloud_either_brand_counts() {
    for text in ["https://api.stack-auth.com", "https://API.hexclave.com:443//"] {
        let config = base(text).unwrap();
        assert_eq!(issuers(&config).len(), 2, "{text}");
    }
    let further = vec!["https://auth.example.com".into(), "https://api.hexclave.com".into()];
    let own = Options { base_url: Some("https://a.example.com".into()), ..options() };
    let config = Config::new(Options { issuer_base_urls: further, ..own }).unwrap();
    assert_eq!(issuers(&config).len(), 4);
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
    for host in
        ["example.com", "notlocalhost", "localhost.example.com", "10.0.0.1", "[::2]", "0.0.0.0"]
    {
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
    for text in [
        "",
        "x",
        "ftp://a.b",
        "https://a.b?c",
        "https://a.b#c",
        "https://u:hunter2@a.b",
        "https://u@a.b",
        "https://:hunter2@a.b",
    ] {
        let message = refuses(Options { base_url: Some(text.into()), ..options() });
        assert!(!message.contains("hunter2"));
    }
    let cause = base("x").unwrap_err().context.cause;
    assert_eq!(cause.as_deref(), Some("relative URL without a base"));
}

#[test]
fn an_issuer_is_no_base() {
    for path in ["/api/v1", "/api/v1/", "/stack/api/v1", "/api/v1/projects/p1"] {
        let text = format!("https://auth.example.com{path}");
        let wanted = "must be without /api/v1";
        assert!(base(&text).unwrap_err().message.contains(wanted), "{path}");
        assert!(refuses(Options { issuer_base_urls: vec![text], ..options() }).contains(wanted));
    }
    assert!(base("https://auth.example.com/api").is_ok());
}

#[test]
fn a_project_id_is_checked_and_never_repeated() {
    refuses(Options::default());
    for id in ["", "a/b", "a?b", "../x", "ä", &"a".repeat(65)] {
        refuses(Options { project_id: Some(id.into()), ..Options::default() });
    }
    for id in ["a-B-9", &"a".repeat(64)] {
        assert!(Config::new(Options { project_id: Some(id.into()), ..Options::default() }).is_ok());
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
    for (key, found) in [(" ", "none"), ("key\n", "white space before or after"), ("a b", "others")]
    {
        let message = refuses(Options { secret_server_key: Some(key.into()), ..options() });
        assert!(message.contains(&format!("found {found}")), "{message}");
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
    refuses(Options { timeout: Some(0.9), ..options() });
    refuses(Options { timeout: Some(1e12), ..options() });
    refuses(Options { token_cache_bytes: Some(2_f64.powi(37)), ..options() });
    for timeout in [1.0, 2_147_483_647.0] {
        let most = Some(2_f64.powi(36));
        let options = Options { timeout: Some(timeout), token_cache_bytes: most, ..options() };
        assert!(Config::new(options).is_ok(), "{timeout}");
    }
}
