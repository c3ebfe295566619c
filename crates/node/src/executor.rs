//! Threads that drive jobs: kept for a while when idle, never libuv's.
//!
//! A job that computes is a closure in a queue until the pool of compute threads admits it; only then it has a thread.
//! After a job a thread spins for a moment, because the next one often comes as soon as JavaScript has the result.

use cellstate_kernels::pool::{admit, linger, rouse, Permit};
use std::collections::VecDeque;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) type Task = Box<dyn FnOnce() + Send>;

/// What a job does most of its time.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// It waits for its turn to have a core.
    Computes,
    /// It reads or writes files, or is over at once.
    NeedsNoCore,
}

struct Job {
    permit: Option<Permit>,
    task: Task,
    then: Task,
}

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    asleep: usize,
    /// Threads that will look for a job before they sleep.
    looking: usize,
}

static STATE: Mutex<State> = Mutex::new(State { jobs: VecDeque::new(), threads: 0, asleep: 0, looking: 0 });
static WAKE: Condvar = Condvar::new();
/// Jobs in `STATE`, for threads that spin.
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// How long an idle thread waits for another job.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `task` on a thread of the project's own, and after it `then`, which must not take long.
pub(crate) fn submit(kind: Kind, task: Task, then: Task) {
    match kind {
        Kind::Computes => admit(move |permit| start(Job { permit: Some(permit), task, then })),
        Kind::NeedsNoCore => start(Job { permit: None, task, then }),
    }
}

fn start(job: Job) {
    let mut state = lock();
    state.jobs.push_back(job);
    QUEUED.store(state.jobs.len(), Ordering::Relaxed);
    if state.jobs.len() <= state.looking {
        return;
    }
    if state.jobs.len() <= state.looking + state.asleep {
        WAKE.notify_one();
        drop(state);
        rouse();
    } else if std::thread::Builder::new().name("cellstate-job".into()).spawn(work).is_ok() {
        state.threads += 1;
        state.looking += 1;
    } else if state.threads == 0 {
        // The caller's own thread is better than a promise that never settles.
        let job = state.jobs.pop_back().expect("just pushed");
        QUEUED.store(state.jobs.len(), Ordering::Relaxed);
        drop(state);
        run(job, || ());
    }
}

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a job; `done` is called before its permit is given back, which may start another.
fn run(Job { permit, task, then }: Job, done: impl FnOnce()) {
    let task = || {
        let _ = catch_unwind(AssertUnwindSafe(task));
        done();
    };
    match permit {
        Some(permit) => permit.run(task),
        None => task(),
    }
    then();
}

fn work() {
    let mut state = lock();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            QUEUED.store(state.jobs.len(), Ordering::Relaxed);
            state.looking -= 1;
            drop(state);
            run(job, || lock().looking += 1);
            linger(|| QUEUED.load(Ordering::Relaxed) > 0);
            state = lock();
            continue;
        }
        state.looking -= 1;
        state.asleep += 1;
        let (next, timeout) = WAKE.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
        state = next;
        state.asleep -= 1;
        if timeout.timed_out() && state.jobs.is_empty() {
            state.threads -= 1;
            return;
        }
        state.looking += 1;
    }
}
