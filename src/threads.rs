//! The thread that waits for the network, and those on which many signatures are checked. On the former, signatures are
//! checked only for calls that wait for it as well.

use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{self, available_parallelism};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::clock::{self, Millis};

/// Where calls wait for the network: one thread for the whole process, as long as that lives. napi's own runtime has
/// one for each processor, made at load; it ends with the last thread of Node that uses the package, and it ends the
/// process if the system refuses a thread. An error here concerns one call.
pub fn network() -> io::Result<Handle> {
    static NETWORK: Mutex<Option<Handle>> = Mutex::new(None);
    let mut network = NETWORK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*network {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("stack-auth-net".into())
        .spawn(move || runtime.block_on(pending::<()>()))?;
    *network = Some(handle.clone());
    Ok(handle)
}

/// Runs `work` on one of the threads for signatures; or here and now, if the system has no thread for it.
pub fn spawn(work: impl FnOnce() + Send + 'static) {
    // Only the blocking pool of this runtime is used: it wakes a thread for each piece of work, while with the workers
    // of a multi-thread runtime, the first that wakes has to wake the next.
    static THREADS: LazyLock<Option<Runtime>> = LazyLock::new(|| {
        Builder::new_current_thread()
            .max_blocking_threads(available_parallelism().map_or(1, usize::from))
            .thread_name("stack-auth-check")
            .on_thread_start(lower_priority)
            .build()
            .ok()
    });
    // If the system has no thread for it, tokio panics, which prints to stderr, and keeps the closure. So it is not
    // tried again for a while, and `work` is in a place from which it can still be taken.
    static REFUSED_AT: AtomicI64 = AtomicI64::new(-PAUSE);
    const PAUSE: Millis = 1_000;

    let shared = Arc::new(Mutex::new(Some(work)));
    let spawned = THREADS.as_ref().is_some_and(|threads| {
        if clock::now() - REFUSED_AT.load(Ordering::Relaxed) < PAUSE {
            return false;
        }
        let shared = Arc::clone(&shared);
        let spawn = || drop(threads.spawn_blocking(move || run(&shared)));
        let spawned = catch_unwind(AssertUnwindSafe(spawn)).is_ok();
        if !spawned {
            REFUSED_AT.store(clock::now(), Ordering::Relaxed);
        }
        spawned
    });
    if !spawned {
        run(&shared);
    }
}

fn run(work: &Mutex<Option<impl FnOnce()>>) {
    let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(work) = work {
        work();
    }
}

/// There are as many threads as processors, so the event loop has to share one with them, and should come first. Only
/// on Linux: there, `setpriority` is about a thread.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};

        /// A thread that is nicer by 5 gets a quarter of a processor that it shares.
        const NICER: i32 = 5;
        // If it fails, the priority stays as it is.
        _ = getpriority_process(None).and_then(|nice| setpriority_process(None, nice + NICER));
    }
}
