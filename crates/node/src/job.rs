//! One promise: work on an own thread, its settlement on the JavaScript thread.
//!
//! While a job runs, a cleanup hook of its environment stands by: when a worker is terminated or the
//! process exits, the hook cancels the job and waits for it, so no thread outlives what it needs.

use crate::executor::{self, Kind, Task};
use crate::explain;
use crate::failure::Failure;
use napi::bindgen_prelude::*;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The state of a job that its thread, its promise and its hook share.
pub(crate) struct Job {
    cancel: Arc<AtomicBool>,
    done: Mutex<bool>,
    finished: Condvar,
}

impl Job {
    fn finish(&self) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.finished.notify_all();
    }

    fn stop_and_wait(&self) {
        self.cancel.store(true, Ordering::Relaxed);
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        while !*done {
            done = self.finished.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Hook(napi::CleanupEnvHook<Arc<Job>>);
// SAFETY: the hook is made and removed on the JavaScript thread; other threads only carry it.
unsafe impl Send for Hook {}

type Work<T> = Box<dyn FnOnce(&AtomicBool) -> std::result::Result<T, Failure> + Send>;

/// Runs `work` on a thread of its own; `settle` turns its result into a value on the JavaScript thread.
pub(crate) fn run<'env, T, R>(
    env: &'env Env,
    kind: Kind,
    work: impl FnOnce(&AtomicBool) -> std::result::Result<T, Failure> + Send + 'static,
    settle: impl FnOnce(Env, T) -> Result<R> + Send + 'static,
) -> Result<Object<'env>>
where
    T: Send + 'static,
    R: ToNapiValue + 'static,
{
    let submit = move |task| executor::submit(kind, task, Box::new(|| ()));
    run_on(env, Arc::default(), Box::new(work), settle, submit)
}

/// As [`run`], with a flag that cancels, and `submit` choosing where the task goes.
pub(crate) fn run_on<'env, T, R>(
    env: &'env Env,
    cancel: Arc<AtomicBool>,
    work: Work<T>,
    settle: impl FnOnce(Env, T) -> Result<R> + Send + 'static,
    submit: impl FnOnce(Task),
) -> Result<Object<'env>>
where
    T: Send + 'static,
    R: ToNapiValue + 'static,
{
    let (deferred, promise) = env.create_deferred()?;
    let job = Arc::new(Job { cancel, done: Mutex::new(false), finished: Condvar::new() });
    let hook = Hook(env.add_env_cleanup_hook(job.clone(), |job| job.stop_and_wait())?);
    let task = Box::new(move || {
        let outcome = if job.cancel.load(Ordering::Relaxed) {
            Err(Failure::from(cellstate_nn::Error::Aborted))
        } else {
            caught(|| work(&job.cancel))
        };
        deferred.resolve(move |env| {
            let hook = hook;
            let _ = env.remove_env_cleanup_hook(hook.0);
            match outcome {
                Ok(value) => settle(env, value),
                Err(failure) => Err(failure.into_error(env)),
            }
        });
        job.finish();
    });
    submit(task);
    Ok(promise)
}

/// What `work` returns; a panic in it is a failure.
pub(crate) fn caught<T>(work: impl FnOnce() -> std::result::Result<T, Failure>) -> std::result::Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(explain::internal(panic_text(&*panic))))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(|text| &**text));
    text.unwrap_or("no message")
}
