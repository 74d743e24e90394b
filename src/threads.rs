//! The runtime that waits for the network, and the threads on which many signatures are checked. On the runtime,
//! signatures are checked only for calls that wait for it as well.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};

use crate::clock::{self, Millis};

/// The runtime that waits for the network; `None` if the system has no thread for it. It has one, however many processors
/// there are, for the system may limit threads. If only some of several were refused, tokio would wait for the others
/// for ever.
pub fn network() -> Option<Runtime> {
    let build = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("stack-auth-net")
            .enable_all()
            .build()
            .ok()
    };
    // It panics if it is refused.
    catch_unwind(build).ok().flatten()
}

/// Runs `work` on one of the threads for signatures; or here and now, if the system has no thread for it.
pub fn spawn(work: impl FnOnce() + Send + 'static) {
    // Only the blocking pool of this runtime is used: it wakes a thread for each piece of work, while with the workers
    // of a multi-thread runtime, the first that wakes has to wake the next.
    static THREADS: LazyLock<Option<Runtime>> = LazyLock::new(|| {
        Builder::new_current_thread()
            .max_blocking_threads(processors())
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

fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
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
