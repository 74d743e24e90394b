//! What happens to a token, from its text to the answer.

use std::sync::Arc;

use crate::cache::{KeyCache, Snapshot};
use crate::claims::Policy;
use crate::clock::{self, Millis};
use crate::config::{Config, Options, Users};
use crate::counts::{CacheStats, Counts};
use crate::error::{Code, Error, Party, Result, quote};
use crate::jwt::{UnverifiedJwt, VerifiedJwt};
use crate::project::UserType;
use crate::remembered::Remembered;
use crate::token::Kid;
use crate::users::answer::{is_about_project, require_user};
use crate::users::{self, Sharing};

/// Options that were checked once, and the caches that they name.
pub struct Client {
    config: Config,
    keys: Arc<KeyCache>,
    remembered: Option<Arc<Remembered>>,
    counts: Counts,
}

/// The deadline of a call, and the time by which its token is judged.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Milliseconds since 1970; `None` is the wall clock when the claims are validated.
    pub current_date: Option<f64>,
    pub deadline: Millis,
}

/// A new token whose signature is yet to be checked.
pub struct Opened<'a> {
    jwt: UnverifiedJwt<'a>,
    /// `None` if the keys must be waited for.
    snapshot: Option<Arc<Snapshot>>,
}

impl Opened<'_> {
    /// As [`UnverifiedJwt::verify`]; `None` if the keys must be waited for.
    pub fn verify(self) -> Result<Option<(VerifiedJwt, String)>> {
        let Self { jwt, snapshot } = self;
        snapshot.map(|snapshot| jwt.verify(&snapshot.keys)).transpose()
    }
}

impl Client {
    pub fn new(options: Options) -> Result<Self> {
        let config = Config::new(options)?;
        let keys = KeyCache::of(&config.jwks_url);
        let remembered = Remembered::of(config.token_cache_bytes);
        Ok(Self { config, keys, remembered, counts: Counts::default() })
    }

    pub fn keys(&self) -> &KeyCache {
        &self.keys
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn policy(&self) -> &Policy {
        &self.config.policy
    }

    /// What `users/me` is asked with, or why it cannot be.
    pub fn users(&self) -> Result<Arc<Users>> {
        self.config.users.clone()
    }

    pub fn call(&self, current_date: Option<f64>) -> Call {
        let deadline = clock::now() + clock::millis(self.config.timeout);
        Call { current_date, deadline }
    }

    pub fn token_cache_stats(&self) -> CacheStats {
        self.remembered.as_ref().map(|remembered| remembered.stats()).unwrap_or_default()
    }

    /// Whether the token is remembered and still good; an error if it cannot be good. Neither waits nor checks a
    /// signature.
    pub fn look_up(&self, text: &str, current_date: Option<f64>) -> Result<bool> {
        match self.recall(text, self.keys.snapshot().as_ref(), current_date)? {
            Some(_) => Ok(true),
            None => self.open(text).map(|_| false),
        }
    }

    /// A remembered token, if the key that it was verified under is still in the key set.
    pub fn recall(
        &self,
        text: &str,
        current: Option<&Arc<Snapshot>>,
        current_date: Option<f64>,
    ) -> Result<Option<VerifiedJwt>> {
        let jwt = self.remembered.as_ref().and_then(|remembered| remembered.get(text));
        let Some(jwt) = jwt else { return Ok(None) };
        if !self.is_still_good(&jwt, current, current_date)? {
            return Ok(None);
        }
        self.counts.remembered.add_one();
        Ok(Some(jwt))
    }

    /// As [`Self::recall`], which came first, but counts nothing. Returns the JSON for JavaScript.
    pub fn recall_again(
        &self,
        text: &str,
        current: Option<&Arc<Snapshot>>,
        current_date: Option<f64>,
    ) -> Result<Option<String>> {
        let jwt = self.remembered.as_ref().and_then(|remembered| remembered.peek(text));
        let Some(jwt) = jwt else { return Ok(None) };
        if !self.is_still_good(&jwt, current, current_date)? {
            return Ok(None);
        }
        Ok(jwt.json(&self.config.policy))
    }

    /// Whether the key of a remembered token still counts; an error if its claims do not.
    fn is_still_good(
        &self,
        jwt: &VerifiedJwt,
        current: Option<&Arc<Snapshot>>,
        current_date: Option<f64>,
    ) -> Result<bool> {
        let Config { limits, policy, .. } = &self.config;
        let has_key = |set: &Arc<Snapshot>| jwt.is_signed_by(&set.keys);
        // A fresh set needs no refresh, so the key cache can be left alone.
        let fresh = current.filter(|set| set.is_fresh(clock::now(), *limits));
        let key_counts = fresh.is_some_and(has_key)
            || self.cached_keys(jwt.kid().as_str()).as_ref().is_some_and(has_key);
        if !key_counts {
            return Ok(false);
        }
        refuse_excluded(jwt.excluded_user_type(policy))?;
        jwt.validate(policy, now_seconds(current_date))?;
        Ok(true)
    }

    /// Parses a token that is not remembered, and looks for its keys in the key cache.
    pub fn open<'a>(&self, text: &'a str) -> Result<Opened<'a>> {
        let policy = &self.config.policy;
        let jwt = UnverifiedJwt::parse(text, policy)?;
        refuse_excluded(jwt.excluded_user_type(policy))?;
        let snapshot = self
            .cached_keys(jwt.kid().as_str())
            .or_else(|| self.cached_keys(self.kid_worth_fetching(&jwt)));
        if let Some(snapshot) = &snapshot {
            self.require_key(snapshot, &jwt)?;
        }
        Ok(Opened { jwt, snapshot })
    }

    /// The `kid` that keys may be fetched for: none, if the claims refuse the token whatever its signature and the
    /// time. Tokens of another project must not use up the fetches that the next rotation needs.
    fn kid_worth_fetching<'a>(&self, jwt: &'a UnverifiedJwt<'_>) -> Option<&'a str> {
        match jwt.refusal(&self.config.policy, None) {
            Some(_) => None,
            None => jwt.kid().as_str(),
        }
    }

    /// Validates the claims of a token whose signature is good, and remembers it. Returns the JSON for JavaScript.
    pub fn accept(
        &self,
        (jwt, json): (VerifiedJwt, String),
        current_date: Option<f64>,
    ) -> Result<String> {
        jwt.validate(&self.config.policy, now_seconds(current_date))?;
        self.counts.new.add_one();
        if let Some(remembered) = &self.remembered {
            remembered.insert(jwt);
        }
        Ok(json)
    }

    /// A new token's verification, as far as it goes without waiting; `None` if the keys must be waited for.
    pub fn verify_at_once(&self, text: &str, current_date: Option<f64>) -> Result<Option<String>> {
        let verified = self.open(text)?.verify()?;
        verified.map(|verified| self.accept(verified, current_date)).transpose()
    }

    pub async fn verify(&self, text: &str, call: Call) -> Result<String> {
        let Opened { jwt, snapshot } = self.open(text)?;
        let snapshot = if let Some(snapshot) = snapshot {
            snapshot
        } else {
            let snapshot = self.wait_for_keys(self.kid_worth_fetching(&jwt), call.deadline).await?;
            self.require_key(&snapshot, &jwt)?;
            // Its signature may be known to be good, under a key that the new set has as well.
            if let Some(json) = self.recall_again(text, Some(&snapshot), call.current_date)? {
                self.counts.remembered.add_one();
                return Ok(json);
            }
            snapshot
        };
        self.accept(jwt.verify(&snapshot.keys)?, call.current_date)
    }

    /// The user of a token, which is verified first unless `is_good` says that it was. Where no keys can be had
    /// for that, the API is asked all the same, and judges it, unless it has expired.
    pub async fn get_user(
        &self,
        token: &Arc<str>,
        is_good: bool,
        users: &Arc<Users>,
        call: Call,
    ) -> Result<Arc<str>> {
        let unverified = if is_good { None } else { self.verify_if_possible(token, call).await? };
        let max_age = self.config.user_max_age;
        let sharing = match &unverified {
            _ if max_age.is_zero() => Sharing::None,
            None => Sharing::Kept(max_age),
            // The token was not verified: its key may have been withdrawn since an answer was kept.
            Some(_) => Sharing::UnderWay,
        };
        let asked =
            users::current_user(users, token, sharing, call.deadline, self.config.timeout).await;
        let Some(unverified) = unverified else { return asked };
        match asked {
            // Of a project that the issuer does not know, no token can be.
            Err(refusal) if unverified.code == Code::Config && is_about_project(&refusal) => {
                Err(unverified)
            }
            Err(error) => Err(error),
            Ok(user) => {
                require_user(&user, token).map_err(|error| error.asked_at(&users.url))?;
                Ok(user)
            }
        }
    }

    /// Verifies a token for [`Self::get_user`]. `Some` is why it could not be, where the API is to judge it instead.
    async fn verify_if_possible(&self, token: &str, call: Call) -> Result<Option<Error>> {
        // Waiting for keys must leave time for the API, which can judge the token as well. While there are usable keys
        // it must not, or anyone could make us ask it by inventing a kid.
        let keys_decide = || self.keys.is_usable_now(self.config.limits);
        let half_time = clock::now() + clock::millis(clock::left(call.deadline) / 2);
        let deadline = if keys_decide() { call.deadline } else { half_time };
        let mut verified = self.verify(token, Call { deadline, ..call }).await;
        // Stale keys are usable once a fetch has failed. Then no time need be left for the API.
        if let Err(error) = &verified
            && deadline < call.deadline
            && error.code.party() == Party::Service
            && keys_decide()
        {
            verified = self.verify(token, call).await;
        }
        match verified {
            Ok(_) => Ok(None),
            Err(error) if error.code.party() == Party::Caller || keys_decide() => Err(error),
            Err(error) => {
                self.refuse_expired(token, call.current_date)?;
                Ok(Some(error))
            }
        }
    }

    /// No signature could make it good, nor can the API: it must not cost a request.
    fn refuse_expired(&self, token: &str, current_date: Option<f64>) -> Result<()> {
        let policy = &self.config.policy;
        let jwt = UnverifiedJwt::parse(token, policy)?;
        let now = now_seconds(current_date);
        let refusal = jwt.refusal(policy, Some(now)).filter(|_| jwt.has_expired(policy, now));
        refusal.map_or(Ok(()), Err)
    }

    pub async fn warm_up(&self, call: Call) -> Result<()> {
        let snapshot = self.wait_for_keys(None, call.deadline).await?;
        if snapshot.keys.is_empty() {
            let message = "JSON Web Key Set malformed: expected a key for ES256, found none";
            return Err(Error::new(Code::JwksInvalid, message).asked_at(&self.config.jwks_url));
        }
        Ok(())
    }

    fn require_key(&self, snapshot: &Snapshot, jwt: &UnverifiedJwt<'_>) -> Result<()> {
        if snapshot.keys.select(jwt.kid()).next().is_some() {
            return Ok(());
        }
        let found = match jwt.kid() {
            Kid::Text(kid) => format!("found none with the kid {}", quote(kid)),
            Kid::Absent => {
                format!(
                    "found {} usable keys, and no kid in the header to tell which",
                    snapshot.keys.len()
                )
            }
            Kid::NotString => "found a kid in the header that is no string".into(),
        };
        // Where the caller is not at fault, `projectId` mostly is wrong, which the claims show.
        let refusal = jwt.refusal(&self.config.policy, None);
        let besides = refusal.map(|error| format!("; besides, {}", error.message));
        Err(Error::new(
            Code::JwksNoMatchingKey,
            format!(
                "no applicable key found in the JSON Web Key Set: {found}{}",
                besides.unwrap_or_default()
            ),
        ))
    }

    fn cached_keys(&self, kid: Option<&str>) -> Option<Arc<Snapshot>> {
        self.keys.cached(kid, self.config.limits, self.config.timeout)
    }

    async fn wait_for_keys(&self, kid: Option<&str>, deadline: Millis) -> Result<Arc<Snapshot>> {
        self.keys.get(kid, self.config.limits, deadline, self.config.timeout).await
    }
}

fn refuse_excluded(excluded: Option<UserType>) -> Result<()> {
    let Some(user_type) = excluded else { return Ok(()) };
    let message = format!("the options do not allow users of type {}", user_type.name());
    Err(Error::new(Code::UserTypeNotAllowed, message))
}

/// Whole seconds, as jose has them.
fn now_seconds(current_date: Option<f64>) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
    let now = || clock::unix_now() as f64;
    // NaN would be neither before nor after any other time.
    let millis = current_date.filter(|date| date.is_finite()).unwrap_or_else(now);
    (millis / 1_000.0).floor()
}
