//! The Node-API border: arguments are converted and copied, work runs on the project's own threads, and
//! failures become errors with codes.

#![allow(missing_docs)]

mod executor;
mod explain;
mod failure;
mod job;
pub mod linear;
pub mod model;
mod session;
mod threads;

use executor::Kind;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use std::sync::atomic::AtomicBool;

/// A seeded permutation of `0..n`; `step` tells permutations of one seed apart.
#[napi(catch_unwind)]
pub fn permutation(seed: f64, step: u32, n: u32) -> Uint32Array {
    use cellstate_kernels::philox::{permutation, Philox, Purpose, Stream};
    let stream = Stream { layer: 0, purpose: Purpose::Shuffle, gate: 0 };
    Uint32Array::new(permutation(Philox::new(seed as u64, step), stream, n as usize))
}

/// Learning rate of a step, counted from 0, of a run of `steps`; the schedule is JSON.
#[napi(catch_unwind)]
pub fn learning_rate(env: Env, schedule: String, step: f64, steps: f64) -> Result<f64> {
    let schedule =
        cellstate_nn::Schedule::from_json(&schedule).map_err(|error| failure::Failure::from(error).into_error(env))?;
    Ok(schedule.rate(step as u64, steps as u64))
}

/// What outputs that were trained with CTC say.
#[napi(object)]
pub struct NativeDecoded {
    /// Labels of all sequences, one after the other.
    pub labels: Uint32Array,
    pub lengths: Uint32Array,
    pub log_probabilities: Float64Array,
}

/// Reads sequences of probabilities along the best path, or, with a beam, by the best prefixes.
#[napi(ts_return_type = "Promise<NativeDecoded>")]
pub fn ctc_decode<'env>(
    env: &'env Env,
    values: Float32Array,
    lengths: Uint32Array,
    classes: u32,
    blank: u32,
    beam: Option<u32>,
) -> Result<Object<'env>> {
    let (values, lengths) = (values.to_vec(), lengths.to_vec());
    let beam = beam.map(|width| width as usize);
    let work = move |cancel: &AtomicBool| {
        Ok(cellstate_nn::ctc_decode(&values, &lengths, classes as usize, blank, beam, cancel)?)
    };
    job::run(env, Kind::Computes, work, |_, decoded| {
        Ok(NativeDecoded {
            labels: Uint32Array::new(decoded.iter().flat_map(|sequence| &sequence.labels).copied().collect()),
            lengths: Uint32Array::new(decoded.iter().map(|sequence| sequence.labels.len() as u32).collect()),
            log_probabilities: Float64Array::new(decoded.iter().map(|sequence| sequence.log_probability).collect()),
        })
    })
}

/// SIMD levels of this processor, slowest first.
#[napi(catch_unwind)]
pub fn simd_levels() -> Vec<String> {
    cellstate_kernels::Level::available().iter().map(|level| level.name().to_owned()).collect()
}

/// The instruction for products in bf16 that a level of this processor has, if any.
#[napi(catch_unwind)]
pub fn bf16_instruction(simd: String) -> Option<String> {
    cellstate_kernels::Level::named(&simd)?.bf16_instruction().map(str::to_owned)
}

/// Threads that a computation should use: physical cores within affinity and CPU quota.
#[napi(catch_unwind)]
pub fn available_threads() -> u32 {
    threads::available().threads as u32
}

/// What limits [`available_threads`].
#[napi(catch_unwind)]
pub fn available_threads_reason() -> String {
    threads::available().reason.clone()
}

/// The most threads that ever computed at once.
#[napi(catch_unwind)]
pub fn most_threads_at_once() -> u32 {
    cellstate_kernels::pool::most_at_once() as u32
}

/// Operations a second (two a fused multiply-add) that the processor reaches at best at a level that it has.
#[napi(ts_return_type = "Promise<number>")]
pub fn multiply_add_peak<'env>(env: &'env Env, simd: String, threads: u32) -> Result<Object<'env>> {
    let level = cellstate_kernels::Level::named(&simd).unwrap_or_else(cellstate_kernels::Level::best);
    let work = move |_: &AtomicBool| Ok(cellstate_kernels::peak::multiply_adds(level, threads as usize));
    job::run(env, Kind::Computes, work, |_, rate| Ok(rate))
}

/// Whether a file can be written at `path`; rejects with the reason.
#[napi(ts_return_type = "Promise<void>")]
pub fn check_writable<'env>(env: &'env Env, path: String) -> Result<Object<'env>> {
    job::run(
        env,
        Kind::NeedsNoCore,
        move |_| {
            cellstate_formats::durable::check_writable(path.as_ref()).map_err(|error| explain::writing(error, None))
        },
        |_, ()| Ok(()),
    )
}
