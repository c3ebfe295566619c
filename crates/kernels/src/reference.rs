//! The textbook LSTM, step by step and unit by unit, in `f32` or `f64`: the oracle of the kernels.

/// A float of the reference: `f32` or `f64`.
pub trait Real:
    Copy
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::AddAssign
{
    /// The nearest value of this type.
    fn from_f64(x: f64) -> Self;
    /// eˣ.
    fn exp(self) -> Self;
    /// tanh x.
    fn tanh(self) -> Self;
}

impl Real for f32 {
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    fn exp(self) -> f32 {
        libm::expf(self)
    }
    fn tanh(self) -> f32 {
        libm::tanhf(self)
    }
}

impl Real for f64 {
    fn from_f64(x: f64) -> f64 {
        x
    }
    fn exp(self) -> f64 {
        libm::exp(self)
    }
    fn tanh(self) -> f64 {
        libm::tanh(self)
    }
}

/// 1 / (1 + e⁻ˣ).
pub fn sigmoid<R: Real>(x: R) -> R {
    let one = R::from_f64(1.0);
    one / (one + (R::from_f64(0.0) - x).exp())
}

/// What [`lstm`] keeps of one step for [`lstm_backward`].
#[derive(Debug, Clone)]
pub struct Step<R> {
    /// Activated gates `[4H]`, gate after gate.
    pub gates: Vec<R>,
    /// Cell state `[H]`.
    pub c: Vec<R>,
    /// Hidden state `[H]`.
    pub h: Vec<R>,
}

/// One sequence forward. `product` holds x·W + b `[T, 4H]`, `u` the recurrent weights `[H, 4H]`, `mask`
/// the recurrent dropout `[H]`; `h` and `c` the initial state `[H]`.
pub fn lstm<R: Real>(product: &[R], u: &[R], mask: &[R], h: &[R], c: &[R]) -> Vec<Step<R>> {
    let units = h.len();
    let (mut h, mut c) = (h.to_vec(), c.to_vec());
    product
        .chunks_exact(4 * units)
        .map(|product| {
            let mut gates = product.to_vec();
            for k in 0..units {
                for column in 0..4 * units {
                    gates[column] += h[k] * mask[k] * u[k * 4 * units + column];
                }
            }
            for unit in 0..units {
                for gate in [0, 1, 3] {
                    gates[gate * units + unit] = sigmoid(gates[gate * units + unit]);
                }
                gates[2 * units + unit] = gates[2 * units + unit].tanh();
                c[unit] = gates[units + unit] * c[unit] + gates[unit] * gates[2 * units + unit];
                h[unit] = gates[3 * units + unit] * c[unit].tanh();
            }
            Step { gates, c: c.clone(), h: h.clone() }
        })
        .collect()
}

/// One sequence backward: gradients of the pre-activations of every step `[T][4H]`, then of the initial
/// `h` and `c`. `dy` `[T][H]` is the gradient of every output, `dh` and `dc` that of the last state.
pub fn lstm_backward<R: Real>(
    steps: &[Step<R>],
    u: &[R],
    mask: &[R],
    c_initial: &[R],
    dy: &[Vec<R>],
    dh: &[R],
    dc: &[R],
) -> (Vec<Vec<R>>, Vec<R>, Vec<R>) {
    let units = c_initial.len();
    let one = R::from_f64(1.0);
    let (mut dh, mut dc) = (dh.to_vec(), dc.to_vec());
    let mut dgates = vec![Vec::new(); steps.len()];
    for (t, step) in steps.iter().enumerate().rev() {
        let before = if t == 0 { c_initial } else { &steps[t - 1].c };
        let mut d = vec![R::from_f64(0.0); 4 * units];
        for unit in 0..units {
            let [i, f, g, o] = [0, 1, 2, 3].map(|gate| step.gates[gate * units + unit]);
            let squashed = step.c[unit].tanh();
            let dh = dh[unit] + dy[t][unit];
            let dc_here = dc[unit] + dh * o * (one - squashed * squashed);
            d[unit] = dc_here * g * i * (one - i);
            d[units + unit] = dc_here * before[unit] * f * (one - f);
            d[2 * units + unit] = dc_here * i * (one - g * g);
            d[3 * units + unit] = dh * squashed * o * (one - o);
            dc[unit] = dc_here * f;
        }
        for k in 0..units {
            let mut sum = R::from_f64(0.0);
            for column in 0..4 * units {
                sum += d[column] * u[k * 4 * units + column];
            }
            dh[k] = sum * mask[k];
        }
        dgates[t] = d;
    }
    (dgates, dh, dc)
}
