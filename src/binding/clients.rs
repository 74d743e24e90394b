//! The clients of a thread by their numbers, so that one JavaScript function verifies for all of them: V8 calls one
//! function that it knows faster than one of many.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustc_hash::FxHashMap;

use crate::cache::Reader;
use crate::verify::Client;

thread_local! {
    static CLIENTS: RefCell<FxHashMap<i64, (Arc<Client>, Reader)>> = RefCell::default();
}

/// Returns its number.
pub fn add(client: Arc<Client>) -> i64 {
    /// Numbers are never reused, so that nobody can get the client of another.
    static NEXT: AtomicI64 = AtomicI64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let reader = client.keys().reader();
    CLIENTS.with_borrow_mut(|clients| clients.insert(number, (client, reader)));
    number
}

pub fn remove(number: i64) {
    // When a thread ends, its table may be gone already.
    let _ = CLIENTS.try_with(|clients| clients.borrow_mut().remove(&number));
}

/// The result of `use_client`; `None` if no client has this number. `use_client` must not call Node, which may collect
/// garbage, and so remove a client. The `Arc` is not cloned, and nothing is locked: such a write would have to wait for
/// memory.
pub fn with<T>(number: i64, use_client: impl FnOnce(&Arc<Client>, &mut Reader) -> T) -> Option<T> {
    CLIENTS.with_borrow_mut(|clients| {
        clients.get_mut(&number).map(|(client, reader)| use_client(client, reader))
    })
}
