//! The clients of a thread, by number, so that one function verifies for all of them: one that V8 knows is
//! called faster than one of many, and with less to read.

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rustc_hash::FxHashMap;

use crate::verify::Client;

thread_local! {
    static CLIENTS: RefCell<FxHashMap<i64, Arc<Client>>> = RefCell::default();
}

/// A client that has a number for as long as this lives.
pub struct Numbered {
    client: Arc<Client>,
    number: i64,
}

impl Numbered {
    pub fn new(client: Client) -> Self {
        /// Never used again, so that nobody can get the client of another.
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let (client, number) = (Arc::new(client), NEXT.fetch_add(1, Ordering::Relaxed));
        CLIENTS.with_borrow_mut(|clients| clients.insert(number, Arc::clone(&client)));
        Self { client, number }
    }

    pub fn number(&self) -> i64 {
        self.number
    }
}

impl Deref for Numbered {
    type Target = Arc<Client>;

    fn deref(&self) -> &Arc<Client> {
        &self.client
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        // When a thread ends, its table may have gone before.
        let _ = CLIENTS.try_with(|clients| clients.borrow_mut().remove(&self.number));
    }
}

pub fn by_number(number: i64) -> Option<Arc<Client>> {
    CLIENTS.with_borrow(|clients| clients.get(&number).cloned())
}
