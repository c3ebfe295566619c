//! Permits: how many threads compute at once, and whose turn it is.

use super::{lock, spin, Crew, Worker, Workers, LONGEST_SPIN, MAX_THREADS};
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// How long a job computes before it lets others have a turn: much longer than it takes to change threads.
const TURN: Duration = Duration::from_millis(5);

/// After threads that met at a barrier lost time, they do not meet for so many times as long.
pub(super) const APART: u32 = 20;

/// Nor do they for so long after one that seemed to spin did not come: another thread has its core, likely the caller.
pub(super) const APART_AFTER_LATE: Duration = Duration::from_millis(1);

/// How long no worker is woken for short work after the first was woken in vain, some forty times as long as that can
/// hold up the work, and the longest after others.
const SHORTEST_REST: Duration = Duration::from_millis(2);
const LONGEST_REST: Duration = Duration::from_millis(64);

/// Workers that are roused at once.
const ROUSED: usize = 3;

type Waiting = Box<dyn FnOnce(Permit) + Send>;

pub(super) static POOL: Pool = Pool::new();

thread_local! {
    /// The pool whose permit this thread computes with, and since when; nothing inside a region.
    pub(super) static HELD: Cell<Option<(&'static Pool, Instant)>> = const { Cell::new(None) };
}

/// Threads and the permits for them.
pub(super) struct Pool {
    state: Mutex<State>,
    /// Threads with a permit, but for workers that are done while their region is not.
    pub(super) computing: AtomicUsize,
    /// Idle threads that spin.
    spinning: AtomicUsize,
    /// Jobs in `state.waiting`.
    waiting: AtomicUsize,
    cores: OnceLock<usize>,
    /// Until when no threads are to meet at a barrier.
    apart: Mutex<Option<Instant>>,
    short: Mutex<Short>,
}

/// Work too short to wake a worker for.
struct Short {
    /// When it last ran without workers.
    last: Option<Instant>,
    /// Until when no worker is woken for it.
    rests_until: Option<Instant>,
    /// How long that will be the next time.
    rest: Duration,
}

impl Short {
    const NEW: Short = Short { last: None, rests_until: None, rest: SHORTEST_REST };
}

struct State {
    budget: usize,
    in_use: usize,
    most: usize,
    waiting: VecDeque<Waiting>,
    idle: Vec<&'static Worker>,
    workers: usize,
}

/// The right to compute on one thread, until it is dropped.
pub struct Permit(&'static Pool);

/// Lets at least `threads` threads compute at once, at most [`MAX_THREADS`]. Whoever makes a
/// [`Context`](crate::Context) does.
pub fn raise(threads: usize) {
    POOL.raise(threads);
}

/// Calls `job` with a permit: at once if one is free, else when all that came before it had theirs, on a thread that
/// gave one back. `job` should hand the work to a thread and return.
pub fn admit(job: impl FnOnce(Permit) + Send + 'static) {
    POOL.admit(Box::new(job));
}

/// Wakes a few workers that sleep: a job will call them soon, and takes as long to begin as they do to wake.
pub fn rouse() {
    POOL.rouse();
}

/// Spins until `called`, for about as long as it takes to wake a thread, and not where a thread that computes needs the core.
pub fn linger(called: impl Fn() -> bool) {
    POOL.spin_idle(called);
}

/// Lets jobs that wait for a permit go first, if this thread's job had its turn of 5 ms. Every region begins with this;
/// long work without regions should call it now and then, without locks that another job may want.
pub fn give_way() {
    if let Some((pool, since)) = HELD.get() {
        if pool.waiting.load(Ordering::Relaxed) > 0 && since.elapsed() >= TURN {
            pool.release();
            let (send, receive) = mpsc::channel();
            pool.admit(Box::new(move |permit| drop(send.send(permit))));
            // The permit that `Permit::run` will drop stands for this one.
            std::mem::forget(receive.recv());
            HELD.set(Some((pool, Instant::now())));
        }
    }
}

/// Processors that this process may use.
pub fn cores() -> usize {
    POOL.cores()
}

/// The most permits that were ever in use at once.
pub fn most_at_once() -> usize {
    POOL.most_at_once()
}

impl Permit {
    /// Does `work` with this permit; it may [`give_way`].
    pub fn run<T>(self, work: impl FnOnce() -> T) -> T {
        struct Forget;
        impl Drop for Forget {
            fn drop(&mut self) {
                HELD.set(None);
            }
        }
        HELD.set(Some((self.0, Instant::now())));
        let _forget = Forget;
        work()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Pool {
    pub(super) const fn new() -> Pool {
        let idle = Vec::new();
        Pool {
            state: Mutex::new(State { budget: 1, in_use: 0, most: 0, waiting: VecDeque::new(), idle, workers: 0 }),
            computing: AtomicUsize::new(0),
            spinning: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            cores: OnceLock::new(),
            apart: Mutex::new(None),
            short: Mutex::new(Short::NEW),
        }
    }

    /// Processors that this process may use.
    pub(super) fn cores(&self) -> usize {
        *self.cores.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// Whether threads should not meet at a barrier `now`.
    pub(super) fn is_apart(&self, now: Instant) -> bool {
        lock(&self.apart).is_some_and(|until| now < until)
    }

    /// Keeps threads from meeting at a barrier for a while.
    pub(super) fn stay_apart(&self, duration: Duration) {
        *lock(&self.apart) = Some(Instant::now() + duration);
    }

    /// Whether a thread that holds a permit should leave its core while it has nothing to do.
    pub(super) fn crowded(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 || self.computing.load(Ordering::Relaxed) > self.cores()
    }

    /// Spins until `called`, as long as no thread that computes needs the core.
    pub(super) fn spin_idle(&self, called: impl Fn() -> bool) {
        self.spinning.fetch_add(1, Ordering::Relaxed);
        spin(called, || self.computing.load(Ordering::Relaxed) + self.spinning.load(Ordering::Relaxed) > self.cores());
        self.spinning.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn raise(&'static self, threads: usize) {
        let mut state = lock(&self.state);
        state.budget = state.budget.max(threads.min(MAX_THREADS));
        self.admit_waiting(state);
    }

    pub(super) fn admit(&'static self, job: Waiting) {
        let mut state = lock(&self.state);
        state.waiting.push_back(job);
        self.admit_waiting(state);
    }

    /// As many of these workers as can be had at once, at most `most`, with a permit each.
    pub(super) fn call(&'static self, most: usize, workers: Workers) -> Crew {
        let mut state = lock(&self.state);
        let free = if state.waiting.is_empty() { state.budget.saturating_sub(state.in_use) } else { 0 };
        let mut wanted = most.min(free);
        match workers {
            Workers::Any => self.start(&mut state, wanted),
            Workers::Spinning => {
                wanted = state.idle.iter().rev().take(wanted).take_while(|worker| worker.spins()).count();
            }
        }
        let kept = state.idle.len().saturating_sub(wanted);
        // The last to come back are the first to be called: they may still spin.
        let workers = state.idle.split_off(kept);
        self.take(&mut state, workers.len());
        Crew { pool: self, workers }
    }

    /// Takes back what [`Pool::call`] gave.
    pub(super) fn dismiss(&'static self, workers: &mut Vec<&'static Worker>) {
        let mut state = lock(&self.state);
        state.in_use -= workers.len();
        state.idle.append(workers);
        self.admit_waiting(state);
    }

    /// Starts threads until so many workers are idle, or there can be no more.
    fn start(&'static self, state: &mut State, wanted: usize) {
        while state.idle.len() < wanted {
            let Some(worker) = Worker::start(self, state.workers + 1) else { break };
            state.workers += 1;
            state.idle.push(worker);
        }
    }

    /// After short work without the workers that it could have had: wakes up to `wanted` of them where the last such work
    /// was a moment ago, as another will come. A worker may wake up on the core of this thread and hold it up: the
    /// longer it was in vain, the longer none is woken.
    pub(super) fn rouse_if_frequent(&'static self, now: Instant, wanted: usize) {
        let mut short = lock(&self.short);
        let frequent = short.last.replace(now).is_some_and(|last| now - last < LONGEST_SPIN);
        if !frequent || short.rests_until.is_some_and(|end| now < end) {
            return;
        }
        short.rests_until = Some(now + short.rest);
        short.rest = LONGEST_REST.min(2 * short.rest);
        drop(short);
        let mut state = lock(&self.state);
        let free = state.budget.saturating_sub(state.in_use);
        self.start(&mut state, wanted.min(free));
        drop(state);
        self.rouse();
    }

    /// After short work with all the workers it could have.
    pub(super) fn was_quick(&self) {
        *lock(&self.short) = Short::NEW;
    }

    fn rouse(&self) {
        for worker in lock(&self.state).idle.iter().rev().take(ROUSED) {
            worker.wake();
        }
    }

    fn release(&'static self) {
        let mut state = lock(&self.state);
        state.in_use -= 1;
        self.computing.fetch_sub(1, Ordering::Relaxed);
        self.admit_waiting(state);
    }

    fn take(&self, state: &mut State, permits: usize) {
        state.in_use += permits;
        state.most = state.most.max(state.in_use);
        self.computing.fetch_add(permits, Ordering::Relaxed);
    }

    fn admit_waiting(&'static self, mut state: MutexGuard<'static, State>) {
        while state.in_use < state.budget {
            let Some(job) = state.waiting.pop_front() else { break };
            self.take(&mut state, 1);
            drop(state);
            job(Permit(self));
            state = lock(&self.state);
        }
        self.waiting.store(state.waiting.len(), Ordering::Relaxed);
    }

    pub(super) fn most_at_once(&self) -> usize {
        lock(&self.state).most
    }
}
