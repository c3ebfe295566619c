//! The arithmetic of cellstate, on slices of `f32`.
//!
//! Every kernel is written once, generic over a [`simd::Simd`] level, and dispatched at run time
//! through [`Level`]. A kernel gives the same bits at every level and with any number of threads:
//!
//! 1. only IEEE + − × ÷ √, fused multiply-add and integer operations are used;
//! 2. every output element of a product is one chain of fused multiply-adds over `k`, in order;
//! 3. long sums run over fixed chunks of sixteen virtual lanes and one fixed tree.
//!
//! With [`Precision::Bf16`] this holds among levels with the same [`Level::bf16_instruction`], or none.
//!
//! # Legend
//!
//! `T` steps, `N` sequences, `C` inputs, `H` units, `V` vocabulary, `P` packed tokens (the sum of the
//! lengths), `D` distinct tokens. A matrix `[rows, columns]` is row-major; its rows are padded with
//! zeros to a multiple of [`BLOCK`] columns unless a text says otherwise. Gates stand in the order
//! input, forget, cell, output (i, f, g, o).

mod activation;
mod bf16;
mod buffer;
mod context;
pub mod convolution;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod loss;
mod math;
pub mod normalization;
pub mod optimizer;
mod packed;
mod panels;
pub mod peak;
pub mod philox;
pub mod pool;
pub mod pooling;
pub mod product;
pub mod recurrent;
pub mod reduce;
pub mod reference;
mod shared;
pub mod simd;
#[cfg(test)]
mod testing;
mod tile;

pub use activation::Activation;
pub use buffer::{Buffer, OutOfMemory};
pub use context::{Context, Precision};
pub use math::{EXP_MAX_ULP, EXP_MINUS_ONE_MAX_ULP, SIGMOID_MAX_ULP, TANH_MAX_ULP};
pub use packed::Packed;
pub use panels::{GateLayout, Panels};
pub use simd::Level;

/// Columns that belong together at every SIMD level; rows of a matrix are padded to a multiple of it.
pub const BLOCK: usize = 16;

/// `columns` rounded up to a multiple of [`BLOCK`].
pub const fn padded(columns: usize) -> usize {
    columns.div_ceil(BLOCK) * BLOCK
}

/// Ones, then zeros: the mask of a block of which `count` columns are real starts at 16 − `count`.
pub(crate) static TAIL: [f32; 2 * BLOCK] = {
    let mut tail = [0.0; 2 * BLOCK];
    let mut i = 0;
    while i < BLOCK {
        tail[i] = 1.0;
        i += 1;
    }
    tail
};
