//! The clients of a thread, by number, so that one function verifies for all of them: one that V8 knows is
//! called faster than one of many, and with less to read.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustc_hash::FxHashMap;

use crate::cache::Reader;
use crate::verify::Client;

thread_local! {
    static CLIENTS: RefCell<FxHashMap<i64, (Arc<Client>, Reader)>> = RefCell::default();
}

/// The number that it has until it is removed.
pub fn add(client: Arc<Client>) -> i64 {
    /// Never used again, so that nobody can get the client of another.
    static NEXT: AtomicI64 = AtomicI64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let reader = client.keys().reader();
    CLIENTS.with_borrow_mut(|clients| clients.insert(number, (client, reader)));
    number
}

pub fn remove(number: i64) {
    // When a thread ends, its table may have gone before.
    let _ = CLIENTS.try_with(|clients| clients.borrow_mut().remove(&number));
}

/// What `look` makes of the client; `None` if there is none of this number. It must not call Node, which may
/// collect garbage, and with it remove a client. Nothing is counted or locked here: each such write would have to
/// wait for memory before anything else is done.
pub fn with<T>(number: i64, look: impl FnOnce(&Arc<Client>, &mut Reader) -> T) -> Option<T> {
    CLIENTS.with_borrow_mut(|clients| {
        clients.get_mut(&number).map(|(client, reader)| look(client, reader))
    })
}
