//! How a kernel is to run: at which SIMD level, on how many threads.

use crate::pool;
use crate::simd::Level;

/// The SIMD level and the number of threads of a computation. Neither changes a result.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    level: Level,
    threads: usize,
}

/// Work below this many multiply-adds is not worth waking a second thread for (about 20 µs). Tests split small work
/// too, to see what threads do.
const SMALLEST_PART: usize = if cfg!(test) { 500 } else { 500_000 };

impl Context {
    /// A context for `threads` threads, clamped to 1 to [`pool::MAX_THREADS`]; the process may use as many from now on.
    pub fn new(level: Level, threads: usize) -> Context {
        let threads = threads.clamp(1, pool::MAX_THREADS);
        pool::raise(threads);
        Context { level, threads }
    }

    /// The SIMD level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The most threads in use at once.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Into how many parts work of `operations` multiply-adds over `pieces` pieces is split.
    pub(crate) fn parts(&self, pieces: usize, operations: usize) -> usize {
        self.threads.min(pieces).min(operations / SMALLEST_PART + 1)
    }

    /// Runs `body(first, end)` over contiguous, nearly equal ranges of `pieces`.
    pub(crate) fn ranges(&self, pieces: usize, operations: usize, body: impl Fn(usize, usize) + Sync) {
        let parts = self.parts(pieces, operations);
        pool::parallel(parts, &|part| {
            let (first, end) = (pieces * part / parts, pieces * (part + 1) / parts);
            if first < end {
                body(first, end);
            }
        });
    }
}
