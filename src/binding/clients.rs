//! The clients of a thread, by number, so that one function verifies for all of them: one that V8 knows is
//! called faster than one of many, and with less to read.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustc_hash::FxHashMap;

use crate::verify::Client;

thread_local! {
    static CLIENTS: RefCell<FxHashMap<i64, Arc<Client>>> = RefCell::default();
}

/// The number that it has until it is removed.
pub fn add(client: Arc<Client>) -> i64 {
    /// Never used again, so that nobody can get the client of another.
    static NEXT: AtomicI64 = AtomicI64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    CLIENTS.with_borrow_mut(|clients| clients.insert(number, client));
    number
}

pub fn remove(number: i64) {
    // When a thread ends, its table may have gone before.
    let _ = CLIENTS.try_with(|clients| clients.borrow_mut().remove(&number));
}

pub fn by_number(number: i64) -> Option<Arc<Client>> {
    CLIENTS.with_borrow(|clients| clients.get(&number).cloned())
}
