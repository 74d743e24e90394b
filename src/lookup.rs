//! The addresses of hosts. A resolver that does not answer holds a thread for many seconds, however soon its caller
//! gives up, so those who ask for the same host wait for the same lookup.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

use crate::clock::{self, Millis};

/// Those that came later do not wait for an answer that may have got lost.
const PATIENCE: Millis = 1_000;

/// For reqwest, whose own resolver has a thread for each request, and panics where there is none to be had.
pub struct Lookups;

impl Resolve for Lookups {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let mut outcome = ask(name.as_str(), addresses)?;
            let found = outcome.wait_for(Option::is_some).await?.clone();
            let found = found.unwrap_or_else(|| Err("no answer".into()))?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

type Found = Result<Vec<SocketAddr>, String>;
type Outcome = watch::Receiver<Option<Found>>;

fn addresses(host: &str) -> Found {
    // Which port it will be, reqwest knows.
    let found = (host, 0).to_socket_addrs();
    found.map(Iterator::collect).map_err(|error| error.to_string())
}

/// The lookup that is under way for a host, or a new one.
fn ask(host: &str, look: fn(&str) -> Found) -> io::Result<Outcome> {
    static LATEST: LazyLock<Mutex<HashMap<String, (Millis, Outcome)>>> =
        LazyLock::new(Mutex::default);

    let mut latest = LATEST.lock().unwrap_or_else(PoisonError::into_inner);
    let now = clock::now();
    if let Some((began, outcome)) = latest.get(host)
        && now - began < PATIENCE
        && outcome.borrow().is_none()
    {
        return Ok(outcome.clone());
    }
    let (sender, outcome) = watch::channel(None);
    let name = host.to_owned();
    thread::Builder::new()
        .name("stack-auth-lookup".into())
        .spawn(move || sender.send_replace(Some(look(&name))))?;
    latest.insert(host.to_owned(), (now, outcome.clone()));
    Ok(outcome)
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
        let ask = |host| ask(host, late).unwrap();
        let one = ask("slow.example");
        assert!(one.same_channel(&ask("slow.example")));
        assert!(!one.same_channel(&ask("other.example")));
        thread::sleep(Duration::from_millis(1_100));
        let other = ask("slow.example");
        assert!(!one.same_channel(&other));

        ANSWERS.store(true, Ordering::Relaxed);
        let found = late("");
        assert_eq!((wait(one), wait(other.clone())), (found.clone(), found));
        // What was found is not kept.
        assert!(!other.same_channel(&ask("slow.example")));
    }

    #[test]
    fn hosts_are_looked_up() {
        let found = wait(ask("localhost", addresses).unwrap()).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        assert!(!found.is_empty());
        assert!(wait(ask("no such host", addresses).unwrap()).is_err());
    }
}
