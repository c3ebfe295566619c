//! Dropout masks from the counter-based generator: 0, or 1 / (1 − rate) (inverted scaling).

use crate::context::Context;
use crate::packed::Packed;
use crate::padded;
use crate::philox::{drop_bound, Philox, Stream};
use crate::shared::Shared;

/// Numbers of one generator block.
const LANES: usize = 4;

/// One mask a sequence, constant over time: `out[row, :]`, `[N, columns]`, belongs to sample
/// `samples[row]`. Padding becomes zero.
///
/// # Panics
/// If a length does not match.
pub fn sequence_masks(
    context: &Context,
    generator: Philox,
    stream: Stream,
    samples: &[u32],
    columns: usize,
    rate: f32,
    out: &mut [f32],
) {
    let stride = padded(columns);
    assert_eq!(out.len(), samples.len() * stride);
    let out = Shared::new(out);
    context.ranges(samples.len(), samples.len() * columns * 16, |first, end| {
        for row in first..end {
            // SAFETY: every row has one thread.
            let mask = unsafe { out.range(row * stride, stride) };
            fill(generator, stream, samples[row], 0, rate, &mut mask[..columns]);
            mask[columns..].fill(0.0);
        }
    });
}

/// One factor a token type: the word dropout of Keras 1's embedding.
pub fn token_masks(generator: Philox, stream: Stream, tokens: &[u32], rate: f32, out: &mut Vec<f32>) {
    let (bound, keep) = (drop_bound(rate), 1.0 / (1.0 - rate));
    out.clear();
    out.extend(tokens.iter().map(|&token| {
        let number = generator.block(stream, 0, token / LANES as u32)[token as usize % LANES];
        if number < bound {
            0.0
        } else {
            keep
        }
    }));
}

/// `out = x ∘ mask` with a fresh mask for every element of every step, for packed rows `[P, columns]`
/// padded to 16. The same call on a gradient is the backward pass.
///
/// # Panics
/// If a length does not match.
pub fn steps(
    context: &Context,
    generator: Philox,
    stream: Stream,
    packed: &Packed,
    samples: &[u32],
    columns: usize,
    rate: f32,
    x: &[f32],
    out: &mut [f32],
) {
    let stride = padded(columns);
    let tokens = packed.tokens();
    assert_eq!(x.len(), tokens * stride);
    assert_eq!(out.len(), x.len());
    assert_eq!(samples.len(), packed.sequences());
    // Blocks of one step never share numbers with the next.
    let blocks = columns.div_ceil(LANES);
    let out = Shared::new(out);
    context.ranges(tokens, x.len() * 16, |first, end| {
        let mut mask = vec![0.0; columns];
        for (step, p) in positions(packed, first, end) {
            fill(generator, stream, samples[packed.rows()[p] as usize], step * blocks, rate, &mut mask);
            // SAFETY: every row has one thread.
            let to = unsafe { out.range(p * stride, stride) };
            for ((to, x), m) in to.iter_mut().zip(&x[p * stride..]).zip(&mask) {
                *to = x * m;
            }
            to[columns..].fill(0.0);
        }
    });
}

/// A mask of single elements without padding: `[rows, columns]`, as DropConnect (Wan et al., 2013) has for weights.
///
/// # Panics
/// If a length does not match.
pub fn element_masks(context: &Context, generator: Philox, stream: Stream, columns: usize, rate: f32, out: &mut [f32]) {
    let rows = out.len() / columns.max(1);
    assert_eq!(out.len(), rows * columns);
    let length = out.len();
    let out = Shared::new(out);
    context.ranges(rows, length * 16, |first, end| {
        for row in first..end {
            // SAFETY: every row has one thread.
            fill(generator, stream, row as u32, 0, rate, unsafe { out.range(row * columns, columns) });
        }
    });
}

/// Zoneout (Krueger et al., 2017): 1 with probability `rate`, else 0, fresh for every element of every step; packed rows
/// `[P, columns]` padded to 16 with zeros.
///
/// # Panics
/// If a length does not match.
pub fn zoneout_masks(
    context: &Context,
    generator: Philox,
    stream: Stream,
    packed: &Packed,
    samples: &[u32],
    columns: usize,
    rate: f32,
    out: &mut [f32],
) {
    let stride = padded(columns);
    assert_eq!(out.len(), packed.tokens() * stride);
    assert_eq!(samples.len(), packed.sequences());
    let (bound, blocks) = (drop_bound(rate), columns.div_ceil(LANES));
    let length = out.len();
    let out = Shared::new(out);
    context.ranges(packed.tokens(), length * 16, |first, end| {
        for (step, p) in positions(packed, first, end) {
            // SAFETY: every row has one thread.
            let to = unsafe { out.range(p * stride, stride) };
            let sample = samples[packed.rows()[p] as usize];
            for (block, chunk) in to[..columns].chunks_mut(LANES).enumerate() {
                let numbers = generator.block(stream, sample, (step * blocks + block) as u32);
                for (m, number) in chunk.iter_mut().zip(numbers) {
                    *m = f32::from(u8::from(number < bound));
                }
            }
            to[columns..].fill(0.0);
        }
    });
}

/// (step, packed position) of the positions from `first` to before `end`.
fn positions(packed: &Packed, first: usize, end: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut step = packed.offsets().partition_point(|&offset| offset as usize <= first) - 1;
    (first..end).map(move |p| {
        while packed.offsets()[step + 1] as usize <= p {
            step += 1;
        }
        (step, p)
    })
}

fn fill(generator: Philox, stream: Stream, sample: u32, first_block: usize, rate: f32, mask: &mut [f32]) {
    let (bound, keep) = (drop_bound(rate), 1.0 / (1.0 - rate));
    for (block, chunk) in mask.chunks_mut(LANES).enumerate() {
        let numbers = generator.block(stream, sample, (first_block + block) as u32);
        for (m, number) in chunk.iter_mut().zip(numbers) {
            *m = if number < bound { 0.0 } else { keep };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::philox::Purpose;
    use crate::Level;

    const STREAM: Stream = Stream { layer: 1, purpose: Purpose::Dropout, gate: 0 };

    #[test]
    fn masks_have_the_rate_and_do_not_depend_on_the_order_of_samples() {
        let context = Context::new(Level::best(), 2);
        let generator = Philox::new(5, 9);
        let (columns, stride) = (201, 208);
        let mut forward = vec![0.0; 64 * stride];
        sequence_masks(&context, generator, STREAM, &(0..64).collect::<Vec<_>>(), columns, 0.2, &mut forward);
        let mut backward = vec![0.0; 64 * stride];
        sequence_masks(&context, generator, STREAM, &(0..64).rev().collect::<Vec<_>>(), columns, 0.2, &mut backward);
        for row in 0..64 {
            assert_eq!(forward[row * stride..][..stride], backward[(63 - row) * stride..][..stride]);
        }
        let dropped = (0..64).flat_map(|row| &forward[row * stride..][..columns]).filter(|&&m| m == 0.0).count();
        let share = dropped as f64 / (64.0 * columns as f64);
        // Standard deviation 0.0035.
        assert!((share - 0.2).abs() < 0.014, "{share}");
        assert!(forward.iter().all(|&m| m == 0.0 || m == 1.25));
    }

    #[test]
    fn step_masks_differ_from_step_to_step_and_follow_the_sequence() {
        let context = Context::new(Level::best(), 3);
        let mut packed = Packed::default();
        let mut masks = Vec::new();
        for (lengths, samples) in [(vec![5, 30], [8, 4]), (vec![30, 5], [4, 8])] {
            packed.rebuild(&lengths, &samples);
            let by_row: Vec<u32> = packed.order().iter().map(|&i| samples[i as usize]).collect();
            let mut out = vec![f32::NAN; 35 * 32];
            steps(&context, Philox::new(1, 1), STREAM, &packed, &by_row, 30, 0.5, &vec![1.0; 35 * 32], &mut out);
            masks.push(out);
        }
        assert_eq!(masks[0], masks[1]);
        assert_ne!(masks[0][..30], masks[0][2 * 32..2 * 32 + 30]);
    }
}
