//! A barrier that threads of one region wait at.
//!
//! It turns a generation over instead of a sense: a thread that waits remembers the generation it came in, and the last
//! one to come begins the next. A thread spins for a moment, then sleeps; where spinning was in vain, because another
//! program has the core of who is waited for, the next [`REST`] threads to wait sleep at once.

use super::{lock, spin, Poisoned, Pool};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// So many that the spinning in vain is little beside the sleep of all of them.
const REST: usize = 8;

/// Where the parts of [`together`](super::together) wait for one another.
#[repr(align(128))]
pub struct Barrier {
    arrived: AtomicUsize,
    state: State,
}

/// What changes once a round; not on the cache line that threads arrive on.
#[repr(align(128))]
struct State {
    generation: AtomicUsize,
    poisoned: AtomicBool,
    sleepers: AtomicUsize,
    /// How often a thread slept here.
    sleeps: AtomicUsize,
    parties: usize,
    /// Whether there is a core for every party.
    spins: bool,
    /// How many more threads are to sleep at once.
    rest: AtomicUsize,
    pool: &'static Pool,
    sleep: Mutex<()>,
    wake: Condvar,
}

impl Barrier {
    pub(super) fn new(pool: &'static Pool, parties: usize) -> Barrier {
        Barrier {
            arrived: AtomicUsize::new(0),
            state: State {
                generation: AtomicUsize::new(0),
                poisoned: AtomicBool::new(false),
                sleepers: AtomicUsize::new(0),
                sleeps: AtomicUsize::new(0),
                parties,
                spins: parties <= pool.cores(),
                rest: AtomicUsize::new(0),
                pool,
                sleep: Mutex::new(()),
                wake: Condvar::new(),
            },
        }
    }

    /// Waits until all parts wait here: what each wrote before, all read after. Takes less than a microsecond between
    /// idle cores; alone, nothing.
    ///
    /// # Panics
    /// If another part panicked; the caller of the region gets the panic of that part.
    #[inline]
    pub fn wait(&self) {
        if self.state.parties > 1 {
            self.wait_for_others();
        }
    }

    fn wait_for_others(&self) {
        let Barrier { arrived, state } = self;
        let generation = state.generation.load(Ordering::SeqCst);
        if arrived.fetch_add(1, Ordering::AcqRel) + 1 == state.parties {
            arrived.store(0, Ordering::Relaxed);
            state.generation.store(generation.wrapping_add(1), Ordering::SeqCst);
            if state.sleepers.load(Ordering::SeqCst) > 0 {
                state.wake_all();
            }
            return;
        }
        let over = || state.generation.load(Ordering::SeqCst) != generation;
        let done = || over() || state.poisoned.load(Ordering::SeqCst);
        let rest = state.rest.load(Ordering::Relaxed);
        if rest > 0 {
            state.rest.store(rest - 1, Ordering::Relaxed);
        } else if state.spins {
            spin(done, || state.pool.crowded());
            // The first time, the others may still have to wake up.
            if !done() && generation > 0 {
                state.rest.store(REST, Ordering::Relaxed);
            }
        }
        if !done() {
            let mut guard = lock(&state.sleep);
            // Counted before the last look: whoever ends the round after it sees a sleeper.
            state.sleepers.fetch_add(1, Ordering::SeqCst);
            state.sleeps.fetch_add(usize::from(generation > 0), Ordering::Relaxed);
            while !done() {
                guard = state.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            state.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
        if !over() {
            resume_unwind(Box::new(Poisoned));
        }
    }

    /// How many threads wait for one another.
    pub(super) fn parties(&self) -> usize {
        self.state.parties
    }

    /// Whether threads often slept here although each could have a core: something else has it.
    pub(super) fn was_slow(&self) -> bool {
        let State { spins, sleeps, generation, .. } = &self.state;
        *spins && sleeps.load(Ordering::Relaxed) > generation.load(Ordering::Relaxed) / 4
    }

    /// Sends the others away if this thread panics before the guard is dropped.
    pub(super) fn poison_on_panic(&self) -> impl Drop + '_ {
        struct Guard<'a>(&'a State);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    self.0.poisoned.store(true, Ordering::SeqCst);
                    self.0.wake_all();
                }
            }
        }
        Guard(&self.state)
    }
}

impl State {
    fn wake_all(&self) {
        // A sleeper holds the lock from its last look until it sleeps.
        drop(lock(&self.sleep));
        self.wake.notify_all();
    }
}
