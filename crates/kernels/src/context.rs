//! How a kernel is to run: at which SIMD level, on how many threads, with which precision of products.

use crate::pool;
use crate::simd::Level;

/// What the factors of products are rounded to; sums are `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Nothing.
    F32,
    /// bf16: the upper half of an `f32`.
    Bf16,
}

impl Precision {
    /// The precision with this name: `f32` or `bf16`.
    pub fn named(name: &str) -> Option<Precision> {
        [Precision::F32, Precision::Bf16].into_iter().find(|precision| precision.name() == name)
    }

    /// `f32` or `bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }
}

/// The SIMD level and the number of threads of a computation, which do not change a result, and its precision, which
/// does: with [`Precision::Bf16`], levels with the same [`Level::bf16_instruction`] give the same bits.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    level: Level,
    threads: usize,
    precision: Precision,
}

/// Work below this many multiply-adds is not worth waking a second thread for (about 20 µs). Tests split small work
/// too, to see what threads do.
const SMALLEST_PART: usize = if cfg!(test) { 500 } else { 500_000 };

/// Multiply-adds of a product in the time in which one float comes from memory or goes there.
pub(crate) const MOVED: usize = 16;

impl Context {
    /// A context for `threads` threads, clamped to 1 to [`pool::MAX_THREADS`], with products in `f32`; the process may use as
    /// many threads from now on.
    pub fn new(level: Level, threads: usize) -> Context {
        let threads = threads.clamp(1, pool::MAX_THREADS);
        pool::raise(threads);
        Context { level, threads, precision: Precision::F32 }
    }

    /// The same with another precision.
    pub fn with_precision(self, precision: Precision) -> Context {
        Context { precision, ..self }
    }

    /// The SIMD level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The most threads in use at once.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The precision of products.
    pub fn precision(&self) -> Precision {
        self.precision
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
