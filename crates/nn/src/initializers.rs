//! Initial values, from the counter-based generator and correctly rounded operations, so that a seed
//! gives the same model everywhere.

use cellstate_kernels::philox::{Philox, Purpose, Stream};

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

    /// Uniform in ±`limit`.
    pub(crate) fn uniform(&self, limit: f64, out: &mut [f32]) {
        let bits = self.bits(out.len());
        for (out, bits) in out.iter_mut().zip(bits) {
            let unit = (f64::from(bits) + 0.5) / 4_294_967_296.0;
            *out = ((2.0 * unit - 1.0) * limit) as f32;
        }
    }

    /// Glorot and Bengio (2010), as Keras: uniform in ±√(6 / (rows + columns)) of the whole matrix.
    pub(crate) fn glorot_uniform(&self, rows: usize, columns: usize, out: &mut [f32]) {
        self.uniform(libm::sqrt(6.0 / (rows + columns) as f64), out);
    }

    /// A `[rows, columns]` matrix with orthonormal rows, `rows ≤ columns`: Gram–Schmidt, twice for
    /// stability, on normal numbers (Saxe et al., 2013; Keras' `orthogonal`).
    pub(crate) fn orthogonal(&self, rows: usize, columns: usize, out: &mut [f32]) {
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
        let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
        let mut out: Vec<f64> = bits
            .chunks_exact(2)
            .flat_map(|pair| {
                let radius = libm::sqrt(-2.0 * libm::log(unit(pair[0])));
                let angle = 2.0 * std::f64::consts::PI * unit(pair[1]);
                [radius * libm::cos(angle), radius * libm::sin(angle)]
            })
            .collect();
        out.truncate(count);
        out
    }
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
