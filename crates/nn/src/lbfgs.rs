//! L-BFGS: the minimum of a smooth convex function (Liu and Nocedal, 1989).
//!
//! The inverse Hessian is approximated from the last ten moves and changes of the gradient. A step is accepted
//! when the function fell enough (Armijo) or, where the fall drowns in rounding, when the slope says so (Hager and
//! Zhang, 2005: approximate Wolfe). Sums have a fixed order, so that the result is the same on every machine.

use crate::error::Error;
use cellstate_kernels::OutOfMemory;
use std::collections::VecDeque;

/// Moves that are remembered, as in SciPy.
const MEMORY: usize = 10;
/// Part of the predicted fall that is enough.
const ARMIJO: f64 = 1e-4;
/// Relative size of a rise of the function that counts as rounding.
const ROUNDING: f64 = 1e-13;
/// Shortenings of a step before the search gives up: 0.5 to this power is below the precision of `f64`.
const SHORTENINGS: usize = 60;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    /// Largest absolute element of the gradient at the minimum.
    pub(crate) tolerance: f64,
    /// Most steps.
    pub(crate) iterations: usize,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Steps made.
    pub(crate) iterations: usize,
    /// Whether the gradient is below the tolerance.
    pub(crate) converged: bool,
}

struct Move {
    step: Vec<f64>,
    change: Vec<f64>,
    /// step · change.
    curvature: f64,
}

/// Moves `x` to the minimum of `function`, which returns the value at a point and writes its gradient.
pub(crate) fn minimize(
    x: &mut [f64],
    stop: Stop,
    mut function: impl FnMut(&[f64], &mut [f64]) -> Result<f64, Error>,
) -> Result<Outcome, Error> {
    let n = x.len();
    let [mut gradient, mut next_gradient, mut next, mut direction] = [zeros(n)?, zeros(n)?, zeros(n)?, zeros(n)?];
    let mut moves: VecDeque<Move> = VecDeque::with_capacity(MEMORY);
    let mut value = function(x, &mut gradient)?;
    for iterations in 0..stop.iterations {
        let largest = gradient.iter().fold(0.0f64, |most, g| most.max(g.abs()));
        if largest <= stop.tolerance {
            return Ok(Outcome { iterations, converged: true });
        }
        descent(&gradient, &moves, &mut direction);
        let slope = dot(&gradient, &direction);
        let mut length = if moves.is_empty() { 1.0 / libm::sqrt(dot(&gradient, &gradient)).max(1.0) } else { 1.0 };
        let mut shortenings = 0;
        let next_value = loop {
            for ((next, x), d) in next.iter_mut().zip(&*x).zip(&direction) {
                *next = x + length * d;
            }
            let next_value = function(&next, &mut next_gradient)?;
            let fell = next_value <= value + ARMIJO * length * slope;
            let level = next_value <= value + ROUNDING * value.abs();
            if fell || level && dot(&next_gradient, &direction) <= (2.0 * ARMIJO - 1.0) * slope {
                break next_value;
            }
            shortenings += 1;
            if shortenings > SHORTENINGS {
                return Ok(Outcome { iterations, converged: false });
            }
            // The minimum of the parabola through both values and the slope.
            let parabola = -slope * length / (2.0 * (next_value - value - slope * length));
            length *= if parabola >= 0.1 { parabola.min(0.5) } else { 0.1 };
        };
        let oldest = if moves.len() == MEMORY { moves.pop_front() } else { None };
        let mut last = match oldest {
            Some(oldest) => oldest,
            None => Move { step: zeros(n)?, change: zeros(n)?, curvature: 0.0 },
        };
        for i in 0..n {
            last.step[i] = next[i] - x[i];
            last.change[i] = next_gradient[i] - gradient[i];
        }
        last.curvature = dot(&last.step, &last.change);
        if last.curvature > 0.0 {
            moves.push_back(last);
        }
        x.copy_from_slice(&next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = next_value;
    }
    Ok(Outcome { iterations: stop.iterations, converged: false })
}

/// Minus the approximate inverse Hessian times the gradient: the two loops of Nocedal (1980).
fn descent(gradient: &[f64], moves: &VecDeque<Move>, direction: &mut [f64]) {
    direction.iter_mut().zip(gradient).for_each(|(d, g)| *d = -g);
    let mut shares = [0.0; MEMORY];
    for (share, last) in shares[..moves.len()].iter_mut().zip(moves).rev() {
        *share = dot(&last.step, direction) / last.curvature;
        add(direction, -*share, &last.change);
    }
    if let Some(last) = moves.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for (share, last) in shares.iter().zip(moves) {
        let back = dot(&last.change, direction) / last.curvature;
        add(direction, share - back, &last.step);
    }
}

fn add(to: &mut [f64], factor: f64, values: &[f64]) {
    to.iter_mut().zip(values).for_each(|(to, value)| *to += factor * value);
}

/// Eight sums side by side, then those one after the other.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const SUMS: usize = 8;
    let mut sums = [0.0; SUMS];
    let (a_chunks, b_chunks) = (a.chunks_exact(SUMS), b.chunks_exact(SUMS));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for i in 0..SUMS {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// `length` zeros, or the failure to have them.
pub(crate) fn zeros(length: usize) -> Result<Vec<f64>, Error> {
    let mut values = Vec::new();
    values.try_reserve_exact(length).map_err(|_| OutOfMemory { bytes: length.saturating_mul(8) })?;
    values.resize(length, 0.0);
    Ok(values)
}
