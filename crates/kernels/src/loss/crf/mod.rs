//! Linear-chain conditional random field (Lafferty et al., 2001): the probability of a class a step, where neighbours
//! have a score of their own.
//!
//! A path y of T steps over K classes has the score
//!
//! ```text
//! s(y) = start[y₀] + Σ x[t, yₜ] + Σ transitions[yₜ₋₁, yₜ] + end[y_T−1]      and log P(y) = s(y) − log Z
//! α[t, j] = x[t, j] + log Σᵢ e^(α[t−1, i] + transitions[i, j])              α[0] = start + x[0]
//! β[t, i] = log Σⱼ e^(transitions[i, j] + x[t+1, j] + β[t+1, j])            β[T−1] = end
//! log Z   = log Σⱼ e^(α[T−1, j] + end[j])
//! ```
//!
//! The gradient of −log P is what is expected minus what is there: e^(α + β − log Z) by a score of a step.
//!
//! 1. Everything is in `f64` and in the log domain, but the sums over i are products with e^transitions, which are computed
//!    once: two terms a step instead of an exponential a pair. Where such a sum is so small that parts of it may have been
//!    lost, it is computed again from logarithms.
//! 2. Sequences are dealt to a fixed number of parts, whose gradients by the transitions are added in order.

use super::ctc::resize;
use super::{log_sum_exp, TRANSCENDENTAL};
use crate::context::Context;
use crate::shared::Shared;
use crate::{padded, OutOfMemory, Packed};
use std::sync::Mutex;

/// Scores that do not depend on the input.
#[derive(Clone, Copy)]
pub struct Scores<'a> {
    /// `[K, K]`: from a row's class to a column's.
    pub transitions: &'a [f32],
    /// `[K]`: of the first class.
    pub start: &'a [f32],
    /// `[K]`: of the last class.
    pub end: &'a [f32],
}

/// What the scores of the steps become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decode {
    /// 1 for the class of the step in the most probable path, 0 for others; of equal paths, that whose last class is the
    /// smallest, then the one before.
    Viterbi,
    /// The probability of every class of the step, over all paths.
    Marginals,
}

/// Parts that sequences are dealt to: fewer where K is so large that a gradient for each would take much memory.
const fn parts(classes: usize) -> usize {
    const MOST: usize = 16;
    const NUMBERS: usize = 1 << 22;
    match NUMBERS / (classes * classes) {
        0 => 1,
        parts if parts > MOST => MOST,
        parts => parts,
    }
}

/// A sum of products below this may have lost terms that count; those that are lost are below 1e-307.
const SMALLEST_SUM: f64 = 1e-250;
/// Largest logarithm of a factor of a product of three numbers from 0 to 1 of which nothing that counts is lost.
const LARGEST_SCALE: f64 = 300.0;

/// Numbers of the gradient by the scores of K classes: transitions, start, end.
pub const fn gradient_length(classes: usize) -> usize {
    classes * classes + 2 * classes
}

/// `losses[row] = −log P` of the classes of every sequence, 0 for one without steps; the gradients of Σ weight · loss by `x`
/// and by transitions, start and end, one after the other in `dscores`.
///
/// In: `x` holds scores `[P, K]` in packed order; out: what `decode` makes of them. `classes` `[P]` are in packed order, too.
///
/// # Panics
/// If a length does not match or a class is outside.
pub fn log_likelihood(
    context: &Context,
    packed: &Packed,
    x: &mut [f32],
    scores: Scores<'_>,
    classes: &[u32],
    decode: Decode,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
    dscores: &mut [f32],
) -> Result<(), OutOfMemory> {
    let (k, length) = (scores.start.len(), gradient_length(scores.start.len()));
    assert_eq!(classes.len(), packed.tokens());
    assert!(classes.iter().all(|&class| (class as usize) < k));
    assert_eq!((weights.len(), losses.len()), (packed.sequences(), packed.sequences()));
    assert_eq!((dx.len(), dscores.len()), (x.len(), length));
    dx.fill(0.0);
    losses.fill(0.0);
    let mut sums = Vec::new();
    resize(&mut sums, length.checked_mul(parts(k)))?;
    sums.fill(0.0);
    let (shares, losses, dx) = (Shared::new(&mut sums), Shared::new(losses), Shared::new(dx));
    each_sequence(context, packed, x, scores, |chain, scratch, Place { part, row, at }, out| {
        let steps = at.len();
        let (class, weight) = (|step: usize| classes[at[step]] as usize, f64::from(weights[row]));
        let normalizer = scratch.forward(chain, steps);
        let mut score = chain.start[class(0)] + chain.end[class(steps - 1)];
        for step in 0..steps {
            score += scratch.x[step * k + class(step)];
            if step > 0 {
                score += chain.transitions[class(step - 1) * k + class(step)];
            }
        }
        let difference = normalizer - score;
        // SAFETY: every part and every sequence has one thread.
        let (loss, sums) = unsafe { (&mut losses.range(row, 1)[0], shares.range(part * length, length)) };
        *loss = if difference < 0.0 { 0.0 } else { difference };
        let (transitions, ends) = sums.split_at_mut(k * k);
        let (start, end) = ends.split_at_mut(k);
        scratch.backward(chain, steps, |step, scratch| {
            scratch.add_pairs(chain, step, normalizer, weight, transitions);
        });
        for (step, &position) in at.iter().enumerate() {
            // SAFETY: the steps of a sequence are rows of their own.
            let dx = unsafe { dx.range(position * padded(k), k) };
            for (j, dx) in dx.iter_mut().enumerate() {
                let there = f64::from(u8::from(class(step) == j));
                let slope = weight * (scratch.marginal(step * k + j, normalizer) - there);
                *dx = slope as f32;
                if step == 0 {
                    start[j] += slope;
                }
                if step + 1 == steps {
                    end[j] += slope;
                }
            }
            if step > 0 {
                transitions[class(step - 1) * k + class(step)] -= weight;
            }
        }
        match decode {
            Decode::Viterbi => scratch.viterbi(chain, steps, out),
            Decode::Marginals => scratch.marginals(steps, normalizer, out),
        }
    })?;
    for (index, to) in dscores.iter_mut().enumerate() {
        *to = (0..parts(k)).map(|part| sums[part * length + index]).sum::<f64>() as f32;
    }
    Ok(())
}

/// What `decode` makes of scores `[P, K]` in packed order, in place.
///
/// # Panics
/// If a length does not match.
pub fn decode(
    context: &Context,
    packed: &Packed,
    x: &mut [f32],
    scores: Scores<'_>,
    decode: Decode,
) -> Result<(), OutOfMemory> {
    each_sequence(context, packed, x, scores, |chain, scratch, Place { at, .. }, out| match decode {
        Decode::Viterbi => scratch.viterbi(chain, at.len(), out),
        Decode::Marginals => {
            let normalizer = scratch.forward(chain, at.len());
            scratch.backward(chain, at.len(), |_, _| ());
            scratch.marginals(at.len(), normalizer, out);
        }
    })
}

/// Where a sequence is.
struct Place<'a> {
    /// The part that it was dealt to.
    part: usize,
    row: usize,
    /// The packed positions of its steps.
    at: &'a [usize],
}

/// Calls `body` for every sequence that has steps, its scores in the scratch; the last argument is where what becomes of
/// the scores of a step goes.
fn each_sequence(
    context: &Context,
    packed: &Packed,
    x: &mut [f32],
    scores: Scores<'_>,
    body: impl Fn(&Chain, &mut Scratch, Place<'_>, &dyn Fn(usize, usize, f64)) + Sync,
) -> Result<(), OutOfMemory> {
    let k = scores.start.len();
    let stride = padded(k);
    assert_eq!(x.len(), packed.tokens() * stride);
    let chain = Chain::new(scores)?;
    let failed = Mutex::new(None);
    let x = Shared::new(x);
    context.ranges(parts(k), packed.tokens() * k * (k + TRANSCENDENTAL), |first, end| {
        let (mut scratch, mut at) = (Scratch::default(), Vec::new());
        for part in first..end {
            for row in (part..packed.sequences()).step_by(parts(k)) {
                let steps = packed.lengths()[row] as usize;
                if steps == 0 {
                    continue;
                }
                at.clear();
                at.extend(packed.offsets()[..steps].iter().map(|&offset| offset as usize + row));
                if let Err(error) = scratch.prepare(steps, k) {
                    *failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(error);
                    return;
                }
                for (to, &position) in scratch.x.chunks_exact_mut(k).zip(&at) {
                    // SAFETY: every sequence has one thread, and its steps are rows of their own.
                    let from = unsafe { x.range(position * stride, k) };
                    to.iter_mut().zip(from).for_each(|(to, &mut x)| *to = f64::from(x));
                }
                // SAFETY: as above.
                let out = |step: usize, j: usize, value: f64| unsafe {
                    x.range(at[step] * stride + j, 1)[0] = value as f32;
                };
                body(&chain, &mut scratch, Place { part, row, at: &at }, &out);
            }
        }
    });
    failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
}

/// The scores that do not depend on the input, with what is computed from them once.
struct Chain {
    k: usize,
    /// `[K, K]`.
    transitions: Vec<f64>,
    /// e^(transitions − most), and its transpose.
    powers: Vec<f64>,
    powers_back: Vec<f64>,
    /// The largest transition.
    most: f64,
    start: Vec<f64>,
    end: Vec<f64>,
}

impl Chain {
    fn new(scores: Scores<'_>) -> Result<Chain, OutOfMemory> {
        let k = scores.start.len();
        assert!(k > 0);
        assert_eq!((scores.transitions.len(), scores.end.len()), (k * k, k));
        let wide = |from: &[f32]| {
            let mut to = Vec::new();
            resize(&mut to, Some(from.len()))?;
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = f64::from(x));
            Ok(to)
        };
        let transitions = wide(scores.transitions)?;
        let most = largest(&transitions);
        let (mut powers, mut powers_back) = (Vec::new(), Vec::new());
        resize(&mut powers, Some(k * k))?;
        resize(&mut powers_back, Some(k * k))?;
        for (index, &score) in transitions.iter().enumerate() {
            powers[index] = libm::exp(score - most);
            powers_back[index % k * k + index / k] = powers[index];
        }
        Ok(Chain { k, transitions, powers, powers_back, most, start: wide(scores.start)?, end: wide(scores.end)? })
    }
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(f64::NEG_INFINITY, |most, &x| if x > most || x.is_nan() { x } else { most })
}

/// `out[j] = log Σᵢ e^(x[i] + M[i, j])` for K × K scores M, of which `score(i, j)` is one, `most` the largest, and `powers`
/// e^(M − most); `terms` is memory for e^(x − its largest).
fn log_product(
    x: &[f64],
    powers: &[f64],
    most: f64,
    score: impl Fn(usize, usize) -> f64,
    terms: &mut [f64],
    out: &mut [f64],
) {
    let k = x.len();
    let top = largest(x);
    terms.iter_mut().zip(x).for_each(|(term, &x)| *term = libm::exp(x - top));
    out.fill(0.0);
    for (term, powers) in terms.iter().zip(powers.chunks_exact(k)) {
        out.iter_mut().zip(powers).for_each(|(sum, power)| *sum += term * power);
    }
    for (j, sum) in out.iter_mut().enumerate() {
        *sum = if *sum > SMALLEST_SUM {
            top + most + libm::log(*sum)
        } else {
            log_sum_exp((0..k).map(|i| x[i] + score(i, j)))
        };
    }
}

/// Memory of one sequence after the other.
#[derive(Default)]
struct Scratch {
    /// `[T, K]`, as α and β.
    x: Vec<f64>,
    alpha: Vec<f64>,
    beta: Vec<f64>,
    /// x + β of a step `[K]`, and two runs of memory.
    ahead: Vec<f64>,
    terms: Vec<f64>,
    more_terms: Vec<f64>,
}

impl Scratch {
    fn prepare(&mut self, steps: usize, k: usize) -> Result<(), OutOfMemory> {
        for values in [&mut self.x, &mut self.alpha, &mut self.beta] {
            resize(values, steps.checked_mul(k))?;
        }
        [&mut self.ahead, &mut self.terms, &mut self.more_terms].into_iter().try_for_each(|row| resize(row, Some(k)))
    }

    /// α of all steps; log Z.
    fn forward(&mut self, chain: &Chain, steps: usize) -> f64 {
        let k = chain.k;
        let first = self.alpha.iter_mut().zip(&chain.start).zip(&self.x);
        first.for_each(|((alpha, start), x)| *alpha = start + x);
        for step in 1..steps {
            let (before, alpha) = self.alpha.split_at_mut(step * k);
            let (before, alpha) = (&before[(step - 1) * k..], &mut alpha[..k]);
            let score = |i: usize, j: usize| chain.transitions[i * k + j];
            log_product(before, &chain.powers, chain.most, score, &mut self.terms, alpha);
            alpha.iter_mut().zip(&self.x[step * k..]).for_each(|(alpha, x)| *alpha += x);
        }
        log_sum_exp(self.alpha[(steps - 1) * k..].iter().zip(&chain.end).map(|(alpha, end)| alpha + end))
    }

    /// β of all steps, from the last; `between` is called with every step but the last, when `ahead` is x + β of the next.
    fn backward(&mut self, chain: &Chain, steps: usize, mut between: impl FnMut(usize, &mut Scratch)) {
        let k = chain.k;
        self.beta[(steps - 1) * k..].copy_from_slice(&chain.end);
        for step in (0..steps - 1).rev() {
            let next = (step + 1) * k..(step + 2) * k;
            let ahead = self.ahead.iter_mut().zip(&self.x[next.clone()]).zip(&self.beta[next]);
            ahead.for_each(|((ahead, x), beta)| *ahead = x + beta);
            let score = |j: usize, i: usize| chain.transitions[i * k + j];
            let beta = &mut self.beta[step * k..][..k];
            log_product(&self.ahead, &chain.powers_back, chain.most, score, &mut self.terms, beta);
            between(step, self);
        }
    }

    /// Adds weight · P(i at `step`, j after it) to `sums` `[K, K]`.
    fn add_pairs(&mut self, chain: &Chain, step: usize, normalizer: f64, weight: f64, sums: &mut [f64]) {
        let k = chain.k;
        let alpha = &self.alpha[step * k..][..k];
        let (top, top_ahead) = (largest(alpha), largest(&self.ahead));
        let log_scale = top + top_ahead + chain.most - normalizer;
        if log_scale < LARGEST_SCALE {
            let scale = weight * libm::exp(log_scale);
            self.more_terms.iter_mut().zip(&self.ahead).for_each(|(term, &x)| *term = libm::exp(x - top_ahead));
            for (i, sums) in sums.chunks_exact_mut(k).enumerate() {
                let factor = libm::exp(alpha[i] - top) * scale;
                let powers = chain.powers[i * k..].iter().zip(&self.more_terms);
                sums.iter_mut().zip(powers).for_each(|(sum, (power, term))| *sum += factor * (power * term));
            }
        } else {
            for (index, sum) in sums.iter_mut().enumerate() {
                let log = alpha[index / k] + chain.transitions[index] + self.ahead[index % k] - normalizer;
                *sum += weight * libm::exp(log);
            }
        }
    }

    /// The probability of the class of α and β at `index`.
    fn marginal(&self, index: usize, normalizer: f64) -> f64 {
        libm::exp(self.alpha[index] + self.beta[index] - normalizer)
    }

    fn marginals(&self, steps: usize, normalizer: f64, out: &dyn Fn(usize, usize, f64)) {
        let k = self.ahead.len();
        for index in 0..steps * k {
            out(index / k, index % k, self.marginal(index, normalizer));
        }
    }

    /// The most probable path; writes over β the score of the best path to every class and over α the class before it.
    fn viterbi(&mut self, chain: &Chain, steps: usize, out: &dyn Fn(usize, usize, f64)) {
        let k = chain.k;
        let first = self.beta.iter_mut().zip(&chain.start).zip(&self.x);
        first.for_each(|((best, start), x)| *best = start + x);
        for step in 1..steps {
            let (before, best) = self.beta.split_at_mut(step * k);
            let before = &before[(step - 1) * k..];
            for j in 0..k {
                let (mut from, mut most) = (0, before[0] + chain.transitions[j]);
                for (i, score) in before.iter().enumerate().skip(1) {
                    let score = score + chain.transitions[i * k + j];
                    if score > most {
                        (from, most) = (i, score);
                    }
                }
                best[j] = most + self.x[step * k + j];
                self.alpha[step * k + j] = from as f64;
            }
        }
        let last = self.beta[(steps - 1) * k..].iter().zip(&chain.end).map(|(best, end)| best + end);
        let (mut class, _) =
            last.enumerate().fold(
                (0, f64::NEG_INFINITY),
                |most, (j, score)| {
                    if score > most.1 {
                        (j, score)
                    } else {
                        most
                    }
                },
            );
        for step in (0..steps).rev() {
            (0..k).for_each(|j| out(step, j, f64::from(u8::from(j == class))));
            class = self.alpha[step * k + class] as usize;
        }
    }
}

#[cfg(test)]
mod tests;
