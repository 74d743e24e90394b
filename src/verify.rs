//! The road of a token.

use std::sync::Arc;

use crate::cache::{KeyCache, Snapshot};
use crate::claims::{self, Claims};
use crate::clock::{self, Millis};
use crate::config::{Config, Options, Users};
use crate::error::{Code, Error, Party, Result, quote};
use crate::signature;
use crate::token::{Kid, Token};
use crate::users;

/// Options that were checked once, and the key cache that they name.
#[derive(Debug)]
pub struct Client {
    config: Config,
    keys: Arc<KeyCache>,
}

/// By when a call must be done, and what time its token is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Milliseconds since 1970; the wall clock's at the moment of judgement if `None`.
    pub current_date: Option<f64>,
    pub deadline: Millis,
}

impl Client {
    pub fn new(options: Options) -> Result<Self> {
        let config = Config::new(options)?;
        let keys = KeyCache::of(&config.jwks_url);
        Ok(Self { config, keys })
    }

    pub fn keys(&self) -> &KeyCache {
        &self.keys
    }

    pub fn call(&self, current_date: Option<f64>) -> Call {
        let deadline = clock::now() + clock::millis(self.config.timeout);
        Call { current_date, deadline }
    }

    /// All that can be found wrong with a token before a key is needed.
    pub fn open(&self, text: String) -> Result<Token> {
        let token = Token::parse(text)?;
        let excluded = claims::excluded_user_type(token.unverified_payload(), &self.config.policy);
        if let Some(user_type) = excluded {
            return Err(Error::new(
                Code::UserTypeNotAllowed,
                format!(
                    "this is a token of a user of type {}, which allow… options do not allow",
                    user_type.name()
                ),
            ));
        }
        Ok(token)
    }

    /// What the keys at hand say against a token without a look at its signature.
    pub fn refusal_at_hand(&self, token: &Token) -> Option<Error> {
        match self.keys.at_hand(&token.kid, self.config.limits)? {
            Ok(snapshot) => snapshot.keys.select(&token.kid).is_empty().then(|| no_key(&token.kid)),
            Err(error) => Some(error),
        }
    }

    /// Payload and header of a good token, as one JSON text.
    pub async fn verify(&self, token: &Token, call: Call) -> Result<String> {
        let snapshot = self.key_set(&token.kid, call.deadline).await?;
        self.judge(token, &snapshot, call)
    }

    fn judge(&self, token: &Token, snapshot: &Snapshot, call: Call) -> Result<String> {
        let keys = snapshot.keys.select(&token.kid);
        if keys.is_empty() {
            return Err(no_key(&token.kid));
        }
        let payload = signature::verify(token, &keys)?;
        let claims = Claims::parse(&payload)?;
        claims.validate(&self.config.policy, now_seconds(call))?;
        Ok(format!(r#"{{"payload":{},"protectedHeader":{}}}"#, claims.json, token.header_json()))
    }

    /// As [`Self::open`], for a token whose user is to be asked for.
    pub fn open_for_user(&self, text: String) -> Result<(Token, Arc<Users>)> {
        let users = self.config.users.clone()?;
        Ok((self.open(text)?, users))
    }

    /// The user of a token that is good as far as can be told here.
    pub async fn get_user(
        &self,
        token: &Token,
        users: &Arc<Users>,
        call: Call,
    ) -> Result<Arc<str>> {
        // Waiting for keys must leave time for the API, which can judge the token as well.
        let half_time = clock::now() + clock::millis(clock::left(call.deadline) / 2);
        match self.verify(token, Call { deadline: half_time, ..call }).await {
            Err(error) if error.code.party() == Party::Caller => return Err(error),
            Ok(_) | Err(_) => {}
        }
        users::current_user(users, token.text(), self.config.user_max_age, call.deadline).await
    }

    pub async fn warm_up(&self, call: Call) -> Result<()> {
        self.key_set(&Kid::Absent, call.deadline).await.map(drop)
    }

    async fn key_set(&self, kid: &Kid, deadline: Millis) -> Result<Arc<Snapshot>> {
        self.keys.get(kid, self.config.limits, deadline, self.config.timeout).await
    }
}

/// Whole seconds, as jose has them.
fn now_seconds(call: Call) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let millis = call.current_date.unwrap_or_else(|| clock::unix_now() as f64);
    (millis / 1_000.0).floor()
}

fn no_key(kid: &Kid) -> Error {
    let found = match kid {
        Kid::Text(kid) => format!("found none with the kid {}", quote(kid)),
        Kid::Absent => "found several, and no kid in the header to tell which".into(),
        Kid::NotText => "found a kid in the header that is no string".into(),
    };
    Error::new(
        Code::JwksNoMatchingKey,
        format!("no applicable key found in the JSON Web Key Set: {found}"),
    )
}
