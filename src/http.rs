//! The HTTP clients of the process, and reading bodies of bounded size.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, Response, redirect, retry};
use url::Url;

use crate::config::is_loopback;
use crate::lookup::Lookups;
use crate::tls;

/// A dead HTTP/2 connection is not closed when a request times out, and the following requests would time out on it
/// too (hyperium/hyper#4186). So a connection that is silent while requests wait gets a PING, and is closed if that
/// is not answered; both together take less than the default time-out of a call.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no response, or no body.
#[derive(Debug)]
pub enum Fault {
    /// More than the bound, after decompression.
    TooLarge,
    Transport(Box<dyn std::error::Error + Send + Sync>),
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        // `Error::asked_at` adds the address.
        Self::Transport(error.without_url().into())
    }
}

/// Built at first use, on the thread for the network: reading the certificates takes some 20 ms. Loopback addresses are
/// never asked through a proxy, for what is sent there must stay on this machine.
pub fn client(url: &str) -> Result<&'static Client, Fault> {
    static DIRECT: OnceLock<Client> = OnceLock::new();
    static PROXIED: OnceLock<Client> = OnceLock::new();
    let direct = Url::parse(url).is_ok_and(|url| is_loopback(&url));
    let slot = if direct { &DIRECT } else { &PROXIED };
    if let Some(client) = slot.get() {
        return Ok(client);
    }
    let client = build(direct)?;
    Ok(slot.get_or_init(|| client))
}

fn build(direct: bool) -> Result<Client, Fault> {
    /// Enough for usual traffic; the other connections of a burst are closed.
    const MAX_IDLE_CONNECTIONS: usize = 64;
    /// reqwest goes on connecting when a request is given up, for the next one; this is when it stops. Longer than a
    /// fetch of keys may take, so that such a fetch always fails for the same reason.
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(11);
    let tls = tls::config().map_err(|error| Fault::Transport(error.into()))?;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Lookups::default())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .redirect(redirect::Policy::none())
        // reqwest would repeat what HTTP/2 servers refuse, beyond our own number of tries.
        .retry(retry::never())
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .user_agent(concat!("stack-auth-native/", env!("CARGO_PKG_VERSION")));
    let builder = if direct { builder.no_proxy() } else { builder };
    Ok(builder.build()?)
}

pub async fn body(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max_bytes {
            return Err(Fault::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
