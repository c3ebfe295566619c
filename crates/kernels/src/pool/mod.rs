//! The process-wide pool of compute threads.
//!
//! A region is one closure that several threads run; the calling thread is one of them. Which thread runs what, and how
//! many there are, never changes a result.
//!
//! 1. Threads that compute hold permits, and there are as many permits as the [`raise`]d budget: a job waits its turn for
//!    one ([`admit`]), a region takes more for the workers it calls, but only those that are free at once. So a lone
//!    model has all cores, several models share them, and nobody waits for a permit while he holds one: no deadlock.
//!    Between regions a long job gives way to those that wait.
//! 2. A worker is called by a pointer in a slot of its own, on which it spins for a moment before it sleeps: a training
//!    step opens regions microseconds apart. It does not spin where a thread that computes needs the core.
//! 3. [`parallel`] does not wait for a worker that comes too late: it takes the pointer back.
//! 4. Work that is over before a thread wakes up goes to threads that still spin ([`together_at_once`]), as the steps of a
//!    stream do; a single one wakes nobody.
//! 5. A panic is carried to the caller, after all threads left the region.

mod barrier;
mod permits;

pub use barrier::Barrier;
pub use permits::{admit, cores, give_way, linger, most_at_once, raise, rouse, Permit};

use permits::{Pool, APART, APART_AFTER_LATE, HELD, POOL};
use std::any::Any;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// The most threads that a region may use.
pub const MAX_THREADS: usize = 256;

/// How long a thread spins before it sleeps: about what waking it takes.
const LONGEST_SPIN: Duration = Duration::from_micros(50);
/// How long a thread that spins takes to see a call, if it is not held up. Tests run on busy machines.
const MOMENT: Duration = Duration::from_micros(if cfg!(test) { 20_000 } else { 2 });
/// Turns of spinning between two looks at the clock, less than 2 µs.
const TURNS: u32 = 32;

/// Runs `body(part)` once for every part below `parts`, on at most `parts` threads.
///
/// # Panics
/// With the panic of a part, after no thread is inside any more; parts that no thread had begun are left out.
pub fn parallel(parts: usize, body: &(dyn Fn(usize) + Sync)) {
    POOL.parallel(parts, body);
}

/// Runs `body(part, granted, barrier)` for every part below `granted`, each on a thread of its own and all at the same
/// time, so that they may wait for one another at the barrier. `granted` is at most `parts` and at least 1: as many
/// threads as can be had without waiting; for a while only 1 after others took the cores, so that threads slept at their
/// barrier. Every part has to call [`Barrier::wait`] equally often.
///
/// # Panics
/// With the panic of a part, after no thread is inside any more. The other parts leave at their next barrier.
pub fn together(parts: usize, body: &(dyn Fn(usize, usize, &Barrier) + Sync)) {
    POOL.together(parts, Workers::Any, body);
}

/// As [`together`], for work that is over before a thread wakes up: only on threads that still spin. Calls that follow one
/// another within a moment keep them spinning.
pub fn together_at_once(parts: usize, body: &(dyn Fn(usize, usize, &Barrier) + Sync)) {
    POOL.together(parts, Workers::Spinning, body);
}

/// Which workers are called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Workers {
    Any,
    Spinning,
}

impl Pool {
    fn parallel(&'static self, parts: usize, body: &(dyn Fn(usize) + Sync)) {
        give_way();
        let crew = if parts > 1 { self.call(parts - 1, Workers::Any) } else { Crew::none(self) };
        if crew.workers.is_empty() {
            return (0..parts).for_each(body);
        }
        let next = AtomicUsize::new(0);
        let take_parts = |_, _| loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return;
            }
            body(part);
        };
        crew.run(Late::AfterCaller, &take_parts);
    }

    fn together(&'static self, parts: usize, workers: Workers, body: &(dyn Fn(usize, usize, &Barrier) + Sync)) {
        if parts == 0 {
            return;
        }
        give_way();
        let begin = Instant::now();
        let apart = parts == 1 || self.is_apart(begin);
        let crew = if apart { Crew::none(self) } else { self.call(parts - 1, workers) };
        let called = crew.workers.len();
        let late = if workers == Workers::Spinning { Late::AfterMoment } else { Late::Never };
        let barrier = OnceLock::new();
        crew.run(late, &|part, granted| {
            let barrier = barrier.get_or_init(|| Barrier::new(self, granted));
            let _poison = barrier.poison_on_panic();
            body(part, granted, barrier);
        });
        let barrier = barrier.get().expect("part 0 ran");
        if barrier.was_slow() {
            self.stay_apart((Instant::now() - begin) * APART);
        } else if barrier.parties() <= called {
            self.stay_apart(APART_AFTER_LATE);
        } else if workers == Workers::Spinning && !apart {
            if called + 1 < parts {
                self.rouse_if_frequent(begin, parts - 1);
            } else {
                self.was_quick();
            }
        }
    }
}

/// What threads leave with when another part panicked.
struct Poisoned;

/// When a worker that was called and has not come is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    Never,
    /// After [`MOMENT`].
    AfterMoment,
    /// When the caller is done with its own part.
    AfterCaller,
}

/// A closure that runs on several threads; it lives on the stack of its caller.
struct Region<'a> {
    /// Takes the number of a thread and how many there are.
    body: &'a (dyn Fn(usize, usize) + Sync),
    caller: Thread,
    /// Threads that came, with the caller.
    arrived: AtomicUsize,
    /// Threads that take part; 0 until that is known.
    parties: AtomicUsize,
    /// Workers that were called and have not yet left.
    inside: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Region<'_> {
    /// Runs the body as the next thread that came.
    fn join(&self) {
        let seat = self.arrived.fetch_add(1, Ordering::AcqRel);
        let mut parties = self.parties.load(Ordering::Acquire);
        while parties == 0 {
            std::hint::spin_loop();
            parties = self.parties.load(Ordering::Acquire);
        }
        self.run(seat, parties);
    }

    fn run(&self, seat: usize, parties: usize) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.body)(seat, parties))) {
            let mut first = lock(&self.panic);
            if first.as_ref().is_none_or(|first| first.is::<Poisoned>()) {
                *first = Some(panic);
            }
        }
    }
}

/// A thread that waits for regions. Aligned, so that no two slots share a cache line, nor a pair of them.
#[repr(align(128))]
struct Worker {
    /// The region that calls; the worker takes it out.
    region: AtomicPtr<Region<'static>>,
    /// Whether it will see a call at once.
    spins: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Worker {
    /// Starts a thread; `None` if there can be none.
    fn start(pool: &'static Pool, number: usize) -> Option<&'static Worker> {
        let worker: &'static Worker = Box::leak(Box::new(Worker {
            region: AtomicPtr::new(null_mut()),
            spins: AtomicBool::new(false),
            thread: OnceLock::new(),
        }));
        let builder = std::thread::Builder::new().name(format!("cellstate-{number}"));
        let handle = builder.spawn(move || worker.serve(pool)).ok()?;
        worker.thread.get_or_init(|| handle.thread().clone());
        Some(worker)
    }

    fn spins(&self) -> bool {
        self.spins.load(Ordering::Relaxed)
    }

    fn wake(&self) {
        self.thread.get().expect("set before the worker is known").unpark();
    }

    /// The region that calls within a moment, or null.
    fn spin(&self, pool: &Pool) -> *mut Region<'static> {
        self.spins.store(true, Ordering::Relaxed);
        pool.spin_idle(|| !self.region.load(Ordering::Relaxed).is_null());
        self.spins.store(false, Ordering::Relaxed);
        self.region.swap(null_mut(), Ordering::Acquire)
    }

    fn serve(&self, pool: &Pool) {
        loop {
            let mut region = self.spin(pool);
            while region.is_null() {
                std::thread::park();
                // Called, or roused to be called soon.
                region = self.spin(pool);
            }
            // SAFETY: the pointer was in the slot, so the caller counts this worker among those inside and waits for it.
            let region = unsafe { &*region };
            let caller = region.caller.clone();
            region.join();
            pool.computing.fetch_sub(1, Ordering::Relaxed);
            // The last use of the region: the caller may return now.
            if region.inside.fetch_sub(1, Ordering::AcqRel) == 1 {
                caller.unpark();
            }
        }
    }
}

/// Workers with a permit each, until it is dropped.
struct Crew {
    pool: &'static Pool,
    workers: Vec<&'static Worker>,
}

impl Crew {
    fn none(pool: &'static Pool) -> Crew {
        Crew { pool, workers: Vec::new() }
    }

    /// Runs `body(seat, parties)` on this thread, seat 0, and on the workers that are not too late.
    fn run(self, late: Late, body: &(dyn Fn(usize, usize) + Sync)) {
        let (caller, called) = (std::thread::current(), self.workers.len());
        let region = Region {
            body,
            caller,
            arrived: AtomicUsize::new(1),
            parties: AtomicUsize::new(if late == Late::AfterMoment { 0 } else { called + 1 }),
            inside: AtomicUsize::new(called),
            panic: Mutex::new(None),
        };
        let slot = (&raw const region).cast_mut().cast::<Region<'static>>();
        for worker in &self.workers {
            worker.region.store(slot, Ordering::Release);
            worker.wake();
        }
        if late == Late::AfterMoment {
            let (begin, all) = (Instant::now(), called + 1);
            while region.arrived.load(Ordering::Acquire) < all && begin.elapsed() < MOMENT {
                std::hint::spin_loop();
            }
            let left_out = if region.arrived.load(Ordering::Acquire) < all { self.recall(&region, slot) } else { 0 };
            region.parties.store(all - left_out, Ordering::Release);
        }
        let held = HELD.take();
        region.run(0, region.parties.load(Ordering::Relaxed));
        HELD.set(held);
        if late == Late::AfterCaller {
            self.recall(&region, slot);
        }
        spin(|| region.inside.load(Ordering::Acquire) == 0, || self.pool.crowded());
        while region.inside.load(Ordering::Acquire) > 0 {
            std::thread::park();
        }
        drop(self);
        if let Some(panic) = region.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
    }

    /// Takes the call back from workers that have not seen it; how many there are.
    fn recall(&self, region: &Region<'_>, slot: *mut Region<'static>) -> usize {
        let unseen = |worker: &Worker| {
            worker.region.compare_exchange(slot, null_mut(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        let count = self.workers.iter().filter(|worker| unseen(worker)).count();
        self.pool.computing.fetch_sub(count, Ordering::Relaxed);
        region.inside.fetch_sub(count, Ordering::Relaxed);
        count
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if !self.workers.is_empty() {
            self.pool.dismiss(&mut self.workers);
        }
    }
}

/// Spins until something is `done`, but not where it is `crowded`, and no longer than [`LONGEST_SPIN`].
fn spin(done: impl Fn() -> bool, crowded: impl Fn() -> bool) {
    let mut begin = None;
    while !crowded() && begin.is_none_or(|begin: Instant| begin.elapsed() < LONGEST_SPIN) {
        for _ in 0..TURNS {
            if done() {
                return;
            }
            std::hint::spin_loop();
        }
        begin = begin.or_else(|| Some(Instant::now()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
