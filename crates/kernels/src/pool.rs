//! The process-wide pool of compute threads.
//!
//! A region is one closure run for parts `0..parts`; the calling thread takes part too. One region is
//! active at a time: models that train at once take turns between regions instead of oversubscribing
//! the processor. Which thread runs a part never changes a result.
//!
//! 1. A worker spins for [`SPINS`] turns before it sleeps, because a training step opens regions
//!    microseconds apart.
//! 2. Parts are claimed under one lock, so a late worker can never take a part of a later region with
//!    an earlier closure.
//! 3. A panic in a part is carried to the caller.

use std::any::Any;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// The most threads that a region may use.
pub const MAX_THREADS: usize = 256;

/// Turns of spinning before a thread sleeps: about 20 µs.
const SPINS: u32 = 4_000;

type Part<'a> = dyn Fn(usize) + Sync + 'a;

#[derive(Clone, Copy)]
struct Region(*const Part<'static>);
// SAFETY: the pointer is used only while `parallel` keeps the closure alive, and the closure is Sync.
unsafe impl Send for Region {}

struct State {
    region: Option<Region>,
    next: usize,
    parts: usize,
    workers: usize,
    panic: Option<Box<dyn Any + Send>>,
}

struct Pool {
    state: Mutex<State>,
    wake: Condvar,
    finished: Condvar,
    /// Grows with every region; workers spin on it.
    epoch: AtomicU64,
    /// Parts of the region that are not yet done.
    pending: AtomicUsize,
    /// Held for the length of a region.
    turn: Mutex<()>,
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| Pool {
        state: Mutex::new(State { region: None, next: 0, parts: 0, workers: 0, panic: None }),
        wake: Condvar::new(),
        finished: Condvar::new(),
        epoch: AtomicU64::new(0),
        pending: AtomicUsize::new(0),
        turn: Mutex::new(()),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body(part)` once for every part below `parts`, on at most `parts` threads.
///
/// # Panics
/// With the panic of a part, after all parts ended.
pub fn parallel(parts: usize, body: &(dyn Fn(usize) + Sync)) {
    if parts <= 1 {
        if parts == 1 {
            body(0);
        }
        return;
    }
    let pool = pool();
    let turn = lock(&pool.turn);
    {
        let mut state = lock(&pool.state);
        while state.workers + 1 < parts.min(MAX_THREADS) {
            let name = format!("cellstate-{}", state.workers + 1);
            if std::thread::Builder::new().name(name).spawn(move || work(pool)).is_err() {
                break;
            }
            state.workers += 1;
        }
        // SAFETY: only the lifetime changes; this function returns after the last part ended.
        let region: *const Part<'static> = unsafe { std::mem::transmute(body as *const Part<'_>) };
        state.region = Some(Region(region));
        state.next = 0;
        state.parts = parts;
        pool.pending.store(parts, Ordering::Relaxed);
        pool.epoch.fetch_add(1, Ordering::Release);
    }
    pool.wake.notify_all();
    take_parts(pool);
    let mut spins = 0;
    while pool.pending.load(Ordering::Acquire) > 0 && spins < SPINS {
        std::hint::spin_loop();
        spins += 1;
    }
    let mut state = lock(&pool.state);
    while pool.pending.load(Ordering::Acquire) > 0 {
        state = pool.finished.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    state.region = None;
    let panic = state.panic.take();
    drop(state);
    drop(turn);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

fn take_parts(pool: &Pool) {
    loop {
        let (region, part) = {
            let mut state = lock(&pool.state);
            let Some(region) = state.region.filter(|_| state.next < state.parts) else { return };
            state.next += 1;
            (region, state.next - 1)
        };
        // SAFETY: this part is pending, so `parallel` still waits and the closure is alive.
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*region.0)(part) }));
        let failed = outcome.is_err();
        if let Err(panic) = outcome {
            lock(&pool.state).panic.get_or_insert(panic);
        }
        if pool.pending.fetch_sub(1, Ordering::AcqRel) == 1 || failed {
            drop(lock(&pool.state));
            pool.finished.notify_all();
        }
    }
}

fn work(pool: &'static Pool) {
    let mut seen = 0;
    loop {
        let mut spins = 0;
        while pool.epoch.load(Ordering::Acquire) == seen && spins < SPINS {
            std::hint::spin_loop();
            spins += 1;
        }
        {
            let mut state = lock(&pool.state);
            while pool.epoch.load(Ordering::Acquire) == seen {
                state = pool.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            seen = pool.epoch.load(Ordering::Acquire);
        }
        take_parts(pool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_runs_once_from_many_callers_at_once() {
        std::thread::scope(|scope| {
            for caller in 0..4usize {
                scope.spawn(move || {
                    for round in 0..2000 {
                        let parts = 1 + (round + caller) % 9;
                        let counts: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                        parallel(parts, &|part| {
                            counts[part].fetch_add(1, Ordering::Relaxed);
                        });
                        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_in_a_part_reaches_the_caller_and_the_pool_lives() {
        for _ in 0..50 {
            let outcome = catch_unwind(|| parallel(4, &|part| assert!(part != 2, "part two")));
            assert!(outcome.is_err());
            let done = AtomicUsize::new(0);
            parallel(4, &|_| {
                done.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(done.load(Ordering::Relaxed), 4);
        }
    }
}
