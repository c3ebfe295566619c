//! Initial values, from the counter-based generator and correctly rounded operations, so that a seed
//! gives the same model everywhere.

use crate::config::{Initializer as Choice, Named, With};
use cellstate_kernels::philox::{Philox, Purpose, Stream};

/// Standard deviation of a standard normal number that is cut at ±2.
const TRUNCATED: f64 = 0.879_625_661_034_239_8;

/// Numbers that meet in one output, and outputs that one number reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fans {
    pub(crate) input: usize,
    pub(crate) output: usize,
}

/// How the values of one parameter are drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Draw {
    Constant(f64),
    /// Uniform in ±limit; the sum of this many such numbers.
    Uniform {
        limit: f64,
        draws: u32,
    },
    Normal(f64),
    /// Normal numbers cut at two standard deviations of the uncut ones; this is the deviation after the cut.
    Truncated(f64),
    Orthogonal(f64),
    Identity,
    /// The same, but 1 for the forget gate, the second of four (Jozefowicz et al., 2015).
    UnitForget(Box<Draw>),
    /// Biases of gates (i, f, …), or (i, …) where gates are coupled, for dependencies of up to `steps` steps.
    Chrono {
        gates: usize,
        steps: f64,
    },
}

impl Draw {
    /// What `choice` means for a parameter with these fans; PyTorch draws uniform numbers in ±`pytorch`, or sums of
    /// `draws` of them.
    pub(crate) fn new(choice: Choice, fans: Fans, pytorch: f64, draws: u32, gates: usize) -> Draw {
        let mean = (fans.input + fans.output) as f64 / 2.0;
        let uniform = |variance: f64| Draw::Uniform { limit: libm::sqrt(3.0 * variance), draws: 1 };
        let truncated = |variance: f64| Draw::Truncated(libm::sqrt(variance));
        let input = fans.input.max(1) as f64;
        match choice {
            Choice::Named(named) => match named {
                Named::Zeros => Draw::Constant(0.0),
                Named::Ones => Draw::Constant(1.0),
                Named::GlorotUniform => Draw::Uniform { limit: libm::sqrt(6.0 / (2.0 * mean)), draws: 1 },
                Named::GlorotNormal => truncated(1.0 / mean),
                Named::HeUniform => uniform(2.0 / input),
                Named::HeNormal => truncated(2.0 / input),
                Named::LecunUniform => uniform(1.0 / input),
                Named::LecunNormal => truncated(1.0 / input),
                Named::Orthogonal => Draw::Orthogonal(1.0),
                Named::Identity => Draw::Identity,
                Named::Uniform => Draw::Uniform { limit: 0.05, draws: 1 },
                Named::Normal => Draw::Normal(0.05),
                Named::TruncatedNormal => Draw::Truncated(0.05 * TRUNCATED),
                Named::Pytorch if pytorch == 0.0 => Draw::Normal(1.0),
                Named::Pytorch => Draw::Uniform { limit: pytorch, draws },
            },
            Choice::With(with) => match with {
                With::Uniform { limit } => Draw::Uniform { limit, draws: 1 },
                With::Normal { stddev } => Draw::Normal(stddev),
                With::TruncatedNormal { stddev } => Draw::Truncated(stddev * TRUNCATED),
                With::Constant { value } => Draw::Constant(value),
                With::Orthogonal { gain } => Draw::Orthogonal(gain),
                With::Chrono { max_steps } => Draw::Chrono { gates, steps: max_steps as f64 },
            },
        }
    }
}

/// Draws the initial values of one parameter of one layer.
pub(crate) struct Initializer {
    seed: u64,
    stream: Stream,
    parameter: u32,
}

impl Initializer {
    pub(crate) fn new(seed: u64, layer: usize, parameter: usize) -> Initializer {
        let stream = Stream { layer: layer as u32, purpose: Purpose::Initializer, gate: 0 };
        Initializer { seed, stream, parameter: parameter as u32 }
    }

    fn bits(&self, count: usize) -> Vec<u32> {
        let mut bits = vec![0; count];
        Philox::new(self.seed, 0).fill(self.stream, self.parameter, &mut bits);
        bits
    }

    /// The initial values of a parameter of shape `shape`.
    pub(crate) fn draw(&self, draw: &Draw, shape: &[usize], out: &mut [f32]) {
        let columns = shape.last().copied().unwrap_or(1).max(1);
        match *draw {
            Draw::Constant(value) => out.fill(value as f32),
            Draw::Uniform { limit, draws: 1 } => self.uniform(limit, out),
            Draw::Uniform { limit, draws } => {
                let bits = self.bits(out.len() * draws as usize);
                for (out, bits) in out.iter_mut().zip(bits.chunks_exact(draws as usize)) {
                    *out = bits.iter().map(|&bits| (2.0 * unit(bits) - 1.0) * limit).sum::<f64>() as f32;
                }
            }
            Draw::Normal(deviation) => {
                let normal = self.normal(out.len());
                out.iter_mut().zip(normal).for_each(|(out, x)| *out = (x * deviation) as f32);
            }
            Draw::Truncated(deviation) => self.truncated(deviation / TRUNCATED, out),
            Draw::Orthogonal(gain) => {
                self.orthogonal(out.len() / columns, columns, out);
                out.iter_mut().for_each(|x| *x *= gain as f32);
            }
            Draw::Identity => {
                out.iter_mut().enumerate().for_each(|(i, x)| *x = f32::from(u8::from(i / columns == i % columns)))
            }
            Draw::UnitForget(ref others) => {
                let units = out.len() / 4;
                self.draw(others, shape, out);
                out[units..2 * units].fill(1.0);
            }
            Draw::Chrono { gates, steps } => {
                let units = out.len() / gates;
                let bits = self.bits(units);
                out.fill(0.0);
                for (unit_of, bits) in bits.into_iter().enumerate() {
                    let bias = libm::log(1.0 + unit(bits) * (steps - 2.0)) as f32;
                    out[unit_of] = -bias;
                    if gates == 4 {
                        out[units + unit_of] = bias;
                    }
                }
            }
        }
    }

    /// Uniform in ±`limit`.
    fn uniform(&self, limit: f64, out: &mut [f32]) {
        let bits = self.bits(out.len());
        for (out, bits) in out.iter_mut().zip(bits) {
            *out = ((2.0 * unit(bits) - 1.0) * limit) as f32;
        }
    }

    /// Normal numbers of this deviation, drawn again beyond two of it: number i takes the first of its own that fits.
    fn truncated(&self, deviation: f64, out: &mut [f32]) {
        const TRIES: usize = 16;
        let generator = Philox::new(self.seed, 0);
        for (index, out) in out.iter_mut().enumerate() {
            let numbers = (0..TRIES as u32).flat_map(|block| {
                let index = index as u32;
                let stream = Stream { gate: 1 + block / 4, ..self.stream };
                pair(generator.block(stream, self.parameter, index.wrapping_mul(4).wrapping_add(block % 4)))
            });
            let number = numbers.into_iter().find(|x| x.abs() <= 2.0).unwrap_or(0.0);
            *out = (number * deviation) as f32;
        }
    }

    /// A `[rows, columns]` matrix with orthonormal rows, or columns where these are fewer: Gram–Schmidt, twice for
    /// stability, on normal numbers (Saxe et al., 2013; Keras' `orthogonal`).
    fn orthogonal(&self, rows: usize, columns: usize, out: &mut [f32]) {
        if rows > columns {
            let mut transposed = vec![0.0; out.len()];
            self.orthogonal(columns, rows, &mut transposed);
            for (i, x) in out.iter_mut().enumerate() {
                *x = transposed[i % columns * rows + i / columns];
            }
            return;
        }
        let mut normal = self.normal(rows * columns);
        for row in 0..rows {
            let (done, rest) = normal.split_at_mut(row * columns);
            let current = &mut rest[..columns];
            for _ in 0..2 {
                for other in done.chunks_exact(columns) {
                    let dot = dot(current, other);
                    current.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
                }
            }
            let norm = libm::sqrt(dot(current, current));
            current.iter_mut().for_each(|a| *a /= norm);
        }
        out.iter_mut().zip(normal).for_each(|(out, x)| *out = x as f32);
    }

    /// Standard normal numbers (Box and Muller, 1958).
    fn normal(&self, count: usize) -> Vec<f64> {
        let bits = self.bits(count.next_multiple_of(2));
        let mut out: Vec<f64> = bits.chunks_exact(2).flat_map(|bits| box_muller(bits[0], bits[1])).collect();
        out.truncate(count);
        out
    }
}

/// A number in (0, 1).
fn unit(bits: u32) -> f64 {
    (f64::from(bits) + 0.5) / 4_294_967_296.0
}

fn box_muller(first: u32, second: u32) -> [f64; 2] {
    let radius = libm::sqrt(-2.0 * libm::log(unit(first)));
    let angle = 2.0 * std::f64::consts::PI * unit(second);
    [radius * libm::cos(angle), radius * libm::sin(angle)]
}

fn pair(bits: [u32; 4]) -> [f64; 4] {
    let ([a, b], [c, d]) = (box_muller(bits[0], bits[1]), box_muller(bits[2], bits[3]));
    [a, b, c, d]
}

/// Σ a·b on eight lanes, so that the sums do not wait for one another, then over the lanes in order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks(LANES), b.chunks(LANES));
    for (a, b) in a.zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthogonal_rows_are_orthonormal() {
        let (rows, columns) = (33, 132);
        let mut w = vec![0.0; rows * columns];
        Initializer::new(3, 1, 1).orthogonal(rows, columns, &mut w);
        for a in 0..rows {
            for b in 0..rows {
                let dot: f64 =
                    (0..columns).map(|c| f64::from(w[a * columns + c]) * f64::from(w[b * columns + c])).sum();
                assert!((dot - f64::from(u8::from(a == b))).abs() < 1e-6);
            }
        }
    }
}
