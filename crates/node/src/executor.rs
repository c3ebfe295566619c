//! Threads that drive jobs: kept for a while when idle, never libuv's.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

type Task = Box<dyn FnOnce() + Send>;

struct State {
    tasks: VecDeque<Task>,
    idle: usize,
}

static STATE: Mutex<State> = Mutex::new(State { tasks: VecDeque::new(), idle: 0 });
static WAKE: Condvar = Condvar::new();

/// How long an idle thread waits for another task.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `task` on a thread of the project's own; `Err` gives it back if no thread can be had.
pub(crate) fn spawn(task: Task) -> Result<(), Task> {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    state.tasks.push_back(task);
    if state.idle >= state.tasks.len() {
        WAKE.notify_one();
        return Ok(());
    }
    match std::thread::Builder::new().name("cellstate-job".into()).spawn(work) {
        Ok(_) => Ok(()),
        Err(_) => Err(state.tasks.pop_back().expect("just pushed")),
    }
}

fn work() {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(task) = state.tasks.pop_front() {
            drop(state);
            task();
            state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        state.idle += 1;
        let (next, timeout) = WAKE.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
        state = next;
        state.idle -= 1;
        if timeout.timed_out() && state.tasks.is_empty() {
            return;
        }
    }
}
