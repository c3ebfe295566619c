//! Functions whose slope or curvature jumps somewhere, and a record of how near their arguments come to that.

use serde::Deserialize;
use std::cell::Cell;

/// Where the arguments of a run stood between kinks.
pub struct Kinks {
    /// Distance of the nearest argument to its kink.
    nearest: Cell<f64>,
    /// A hash of the sides of all arguments.
    sides: Cell<u64>,
}

impl Kinks {
    pub fn new() -> Kinks {
        Kinks { nearest: Cell::new(f64::INFINITY), sides: Cell::new(0xcbf2_9ce4_8422_2325) }
    }

    pub fn nearest(&self) -> f64 {
        self.nearest.get()
    }

    pub fn sides(&self) -> u64 {
        self.sides.get()
    }

    /// An argument stands at this signed distance from a kink. One that is exactly there has a side of its own: a zero
    /// that no parameter moves, such as a dropped value, is no danger, and one that moves is seen to leave it.
    pub fn at(&self, distance: f64) {
        if distance != 0.0 {
            self.nearest.set(self.nearest.get().min(distance.abs()));
        }
        self.side(if distance > 0.0 { 1 } else { u64::from(distance == 0.0) * 2 });
    }

    fn side(&self, side: u64) {
        self.sides.set((self.sides.get() ^ side).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(9));
    }

    /// `x` kept within ±`limit`.
    pub fn clip(&self, x: f64, limit: Option<f32>) -> f64 {
        let Some(limit) = limit.map(f64::from) else { return x };
        self.at(x - limit);
        self.at(x + limit);
        x.clamp(-limit, limit)
    }

    pub fn magnitude(&self, x: f64) -> f64 {
        self.at(x);
        x.abs()
    }

    /// The largest of some values.
    pub fn largest(&self, values: &[f64]) -> f64 {
        let best = (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best });
        self.side(best as u64);
        for &value in values.iter().filter(|&&value| value != values[best]) {
            self.nearest.set(self.nearest.get().min(values[best] - value));
        }
        values[best]
    }
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub enum Function {
    #[default]
    Linear,
    Relu,
    Sigmoid,
    Tanh,
    Softmax,
    HardSigmoid,
    HardSigmoidLegacy,
    Softsign,
    Elu,
}

impl Function {
    /// The function of a single number.
    pub fn of(self, kinks: &Kinks, x: f64) -> f64 {
        let hard = |slope: f64| {
            kinks.at(slope * x + 0.5);
            kinks.at(slope * x - 0.5);
            (slope * x + 0.5).clamp(0.0, 1.0)
        };
        match self {
            Function::Linear => x,
            Function::Relu => {
                kinks.at(x);
                x.max(0.0)
            }
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Function::Tanh => x.tanh(),
            Function::Softmax => unreachable!("a function of rows"),
            Function::HardSigmoid => hard(1.0 / 6.0),
            Function::HardSigmoidLegacy => hard(0.2),
            Function::Softsign => {
                kinks.at(x);
                x / (1.0 + x.abs())
            }
            Function::Elu => {
                kinks.at(x);
                if x > 0.0 {
                    x
                } else {
                    x.exp_m1()
                }
            }
        }
    }

    /// The function of a row, in place.
    pub fn of_row(self, kinks: &Kinks, row: &mut [f64]) {
        if self == Function::Softmax {
            let total: f64 = row.iter().map(|x| x.exp()).sum();
            row.iter_mut().for_each(|x| *x = x.exp() / total);
        } else {
            row.iter_mut().for_each(|x| *x = self.of(kinks, *x));
        }
    }
}
