//! The addresses of hosts. A resolver that does not answer blocks a thread for many seconds, even if the caller gives
//! up sooner, so requests for the same host wait for the same lookup.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Mutex, PoisonError};
use std::thread;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

use crate::clock::{self, Millis};
use crate::config::is_localhost;

/// An older lookup is not joined: its answer may have got lost.
const MAX_JOIN_AGE: Millis = 1_000;
/// Each lookup has a thread, and the system may limit those.
const MAX_LOOKUPS: usize = 256;

/// For reqwest, whose own resolver needs a thread for each request, and panics if there is none.
#[derive(Default)]
pub struct Lookups {
    under_way: Mutex<Vec<Lookup>>,
}

struct Lookup {
    host: String,
    began: Millis,
    outcome: Outcome,
}

impl Lookup {
    /// False once there is an outcome, and if its thread has ended without one.
    fn is_under_way(&self) -> bool {
        self.outcome.borrow().is_none() && self.outcome.has_changed().is_ok()
    }
}

type Found = Result<Vec<SocketAddr>, String>;
type Outcome = watch::Receiver<Option<Found>>;

impl Resolve for Lookups {
    fn resolve(&self, name: Name) -> Resolving {
        let asked = self.ask(name.as_str(), addresses);
        Box::pin(async move {
            let mut outcome = asked?;
            let found = outcome.wait_for(Option::is_some).await?.clone();
            let found = found.unwrap_or_else(|| Err("no answer".into()))?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Lookups {
    /// The outcome of a lookup that is under way, or of a new one.
    fn ask(&self, host: &str, look: fn(&str) -> Found) -> io::Result<Outcome> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(Lookup::is_under_way);
        let now = clock::now();
        let recent = |lookup: &&Lookup| lookup.host == host && now - lookup.began < MAX_JOIN_AGE;
        if let Some(lookup) = under_way.iter().find(recent) {
            return Ok(lookup.outcome.clone());
        }
        if under_way.len() >= MAX_LOOKUPS {
            return Err(io::Error::other("too many hosts are being looked up"));
        }
        let (sender, outcome) = watch::channel(None);
        let host = host.to_owned();
        let name = host.clone();
        thread::Builder::new()
            .name("stack-auth-lookup".into())
            .spawn(move || sender.send_replace(Some(look(&name))))?;
        under_way.push(Lookup { host, began: now, outcome: outcome.clone() });
        Ok(outcome)
    }
}

fn addresses(host: &str) -> Found {
    // RFC 6761 section 6.3. A name server could answer with any address, and plain HTTP is permitted to these hosts.
    if is_localhost(host) {
        return Ok(vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()]);
    }
    // reqwest sets the port.
    let found = (host, 0).to_socket_addrs();
    found.map(Iterator::collect).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    static ANSWERS: AtomicBool = AtomicBool::new(false);

    #[allow(clippy::unnecessary_wraps, reason = "as what looks up")]
    fn late(_: &str) -> Found {
        while !ANSWERS.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        Ok(vec![([127, 0, 0, 1], 0).into()])
    }

    fn wait(mut outcome: Outcome) -> Found {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime
            .block_on(async { outcome.wait_for(Option::is_some).await.unwrap().clone().unwrap() })
    }

    #[test]
    fn who_asks_for_the_same_host_waits_for_the_same_lookup_but_not_for_long() {
        let lookups = Lookups::default();
        let ask = |host: &str| lookups.ask(host, late);
        let one = ask("slow.example").unwrap();
        assert!(one.same_channel(&ask("slow.example").unwrap()));
        assert!(!one.same_channel(&ask("other.example").unwrap()));
        thread::sleep(Duration::from_millis(1_100));
        let other = ask("slow.example").unwrap();
        assert!(!one.same_channel(&other));
        let refused = (0..MAX_LOOKUPS).filter(|n| ask(&format!("{n}.example")).is_err()).count();
        assert_eq!(refused, 3, "beside as many as are under way");

        ANSWERS.store(true, Ordering::Relaxed);
        let found = late("");
        assert_eq!((wait(one), wait(other.clone())), (found.clone(), found));
        // What was found is not kept.
        assert!(!other.same_channel(&ask("slow.example").unwrap()));
    }

    #[test]
    fn hosts_are_looked_up() {
        let wait = |host| wait(Lookups::default().ask(host, addresses).unwrap());
        for host in ["localhost", "stack.localhost"] {
            let found = wait(host).unwrap();
            assert!(found.iter().all(|address| address.ip().is_loopback()));
            assert!(!found.is_empty());
        }
        assert_eq!(wait("127.0.0.2"), Ok(vec![([127, 0, 0, 2], 0).into()]));
        assert!(wait("no such host").is_err());
    }
}
