//! Gradients of the textbook beside central differences of its forward passes.

use super::*;
use crate::recurrent::lstm::Options;
use crate::testing::{numbers, wide};

/// Nudge of a central difference, and the most that it may differ from a gradient by, relative to values of size 1.
const NUDGE: f64 = 3e-6;
const TOLERANCE: f64 = 1e-6;

/// Steps, units and outputs of a projection.
const T: usize = 4;
const H: usize = 5;
const R: usize = 3;

/// Compares a gradient with central differences of `loss(element, nudge)`.
fn assert_slopes(what: &str, gradient: &[f64], loss: impl Fn(usize, f64) -> f64) {
    for (i, d) in gradient.iter().enumerate() {
        let slope = (loss(i, NUDGE) - loss(i, -NUDGE)) / (2.0 * NUDGE);
        assert!((d - slope).abs() <= TOLERANCE * slope.abs().max(1.0), "{what}[{i}]: {d} is not the slope {slope}");
    }
}

fn draw(seed: u64, count: usize, scale: f32) -> Vec<f64> {
    wide(&numbers(seed, count, scale))
}

/// 0 or 1.25, of every gate.
fn masks(wanted: bool, gates: usize, columns: usize) -> Vec<Vec<f64>> {
    let mask = |gate| draw(40 + gate as u64, columns, 1.0).iter().map(|x| if *x < -0.4 { 0.0 } else { 1.25 }).collect();
    (0..if wanted { gates } else { 0 }).map(mask).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn slopes_are_those_of_the_activations() {
    for function in [
        Activation::Linear,
        Activation::Relu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::HardSigmoid,
        Activation::HardSigmoidLegacy,
        Activation::Softsign,
        Activation::Elu,
    ] {
        let x = draw(1, 200, 6.0);
        let slopes: Vec<f64> = x.iter().map(|&x| slope(function, x)).collect();
        assert_slopes(&format!("{function:?}"), &slopes, |i, by| activate(function, x[i] + by));
    }
}

#[test]
fn gradients_are_those_of_a_normalized_row() {
    for n in [1, 2, 7, 33] {
        let (x, d) = (draw(1, n, 2.0), draw(2, n, 1.0));
        let (normalized, rstd) = normalize(&x, 1e-3);
        assert_slopes("x", &normalize_backward(&normalized, rstd, &d), |i, by| {
            let mut x = x.clone();
            x[i] += by;
            dot(&normalize(&x, 1e-3).0, &d)
        });
    }
}

/// Everything that a loss of an LSTM depends on.
#[derive(Clone)]
struct LstmCase {
    cell: Lstm,
    product: Vec<f64>,
    h: Vec<f64>,
    c: Vec<f64>,
}

fn check_lstm(case: &LstmCase) {
    let (h, outputs) = (case.cell.units, case.cell.outputs);
    let (dy, dh, dc) = (draw(30, T * outputs, 1.0), draw(31, outputs, 1.0), draw(32, h, 1.0));
    let loss = |case: &LstmCase| {
        let steps = case.cell.forward(&case.product, &case.h, &case.c);
        let outputs: f64 = steps.iter().zip(dy.chunks_exact(outputs)).map(|(step, dy)| dot(&step.h, dy)).sum();
        outputs + dot(&steps[T - 1].h, &dh) + dot(&steps[T - 1].c, &dc)
    };
    let steps = case.cell.forward(&case.product, &case.h, &case.c);
    let d = case.cell.backward(&steps, (&case.h, &case.c), &dy, &dh, &dc);
    let slopes = |what: &str, gradient: &[f64], of: fn(&mut LstmCase) -> &mut Vec<f64>| {
        assert_slopes(what, gradient, |i, by| {
            let mut case = case.clone();
            of(&mut case)[i] += by;
            loss(&case)
        });
    };
    slopes("product", &d.product, |case| &mut case.product);
    slopes("h", &d.h, |case| &mut case.h);
    slopes("c", &d.c, |case| &mut case.c);
    slopes("recurrent", &d.recurrent, |case| &mut case.cell.recurrent);
    slopes("projection", &d.projection, |case| &mut case.cell.projection);
    slopes("peepholes", &d.peepholes, |case| &mut case.cell.peepholes);
    slopes("recurrent γ", &d.recurrent_gamma, |case| &mut case.cell.recurrent_gamma);
    slopes("state γ", &d.state_gamma, |case| &mut case.cell.state_gamma);
    slopes("state β", &d.state_beta, |case| &mut case.cell.state_beta);
    if case.cell.recurrent_gamma.is_empty() {
        assert_eq!(d.product, d.recurrent_product);
    }
    // A step's own gradient, with what follows it, is that of the sequence that starts there.
    let rest = Lstm {
        zoneout_hidden: case.cell.zoneout_hidden.get(outputs..).unwrap_or_default().to_vec(),
        zoneout_cell: case.cell.zoneout_cell.get(h..).unwrap_or_default().to_vec(),
        ..case.cell.clone()
    };
    let follow = rest.forward(&case.product[case.product.len() / T..], &steps[0].h, &steps[0].c);
    let after = rest.backward(&follow, (&steps[0].h, &steps[0].c), &dy[outputs..], &dh, &dc);
    for r in 0..outputs {
        assert!((d.steps[r] - (after.h[r] + dy[r])).abs() < 1e-12);
    }
}

#[test]
fn gradients_are_those_of_the_lstm_with_every_option() {
    let functions = [
        (Activation::Tanh, Activation::Sigmoid),
        (Activation::Elu, Activation::HardSigmoid),
        (Activation::Softsign, Activation::HardSigmoidLegacy),
        (Activation::Relu, Activation::Tanh),
        (Activation::Sigmoid, Activation::Softsign),
    ];
    for bits in 0..1 << 8 {
        let on = |bit: usize| bits >> bit & 1 == 1;
        let when =
            |wanted: bool, seed: u64, count: usize, scale: f32| draw(seed, if wanted { count } else { 0 }, scale);
        let (coupled, gates) = (on(0), if on(0) { 3 } else { 4 });
        let outputs = if on(1) { R } else { H };
        let (activation, recurrent_activation) = functions[bits % functions.len()];
        let near_one = |x: Vec<f64>| x.iter().map(|x| 1.0 + x).collect::<Vec<_>>();
        let cell = Lstm {
            units: H,
            outputs,
            options: Options {
                activation,
                recurrent_activation,
                coupled,
                cell_clip: on(2).then_some(0.6),
                gate_clip: on(2).then_some(1.1),
            },
            recurrent: draw(1, outputs * gates * H, 0.8),
            projection: when(on(1), 2, H * R, 0.8),
            peepholes: when(on(3), 3, (gates - 1) * H, 0.5),
            recurrent_gamma: near_one(when(on(4), 4, gates * H, 0.5)),
            state_gamma: near_one(when(on(4), 5, H, 0.5)),
            state_beta: when(on(4), 6, H, 0.5),
            masks: masks(on(5), gates, outputs),
            zoneout_hidden: when(on(6), 7, T * outputs, 0.5).iter().map(|x| x + 0.5).collect(),
            zoneout_cell: when(on(7), 8, T * H, 0.5).iter().map(|x| x + 0.5).collect(),
        };
        check_lstm(&LstmCase {
            cell,
            product: draw(9, T * gates * H, 2.0),
            h: draw(10, outputs, 0.9),
            c: draw(11, H, 1.5),
        });
    }
}

#[test]
fn gradients_are_those_of_the_gru_with_every_option() {
    #[derive(Clone)]
    struct Case {
        cell: Gru,
        product: Vec<f64>,
        h: Vec<f64>,
    }
    for bits in 0..1 << 4 {
        let on = |bit: usize| bits >> bit & 1 == 1;
        let case = Case {
            cell: Gru {
                units: H,
                activation: if on(3) { Activation::Elu } else { Activation::Tanh },
                recurrent_activation: if on(3) { Activation::HardSigmoid } else { Activation::Sigmoid },
                reset_after: on(0),
                recurrent: draw(1, H * 3 * H, 0.8),
                recurrent_bias: draw(2, if on(0) { 3 * H } else { 0 }, 0.5),
                masks: masks(on(1), 3, H),
                zoneout: draw(3, if on(2) { T * H } else { 0 }, 0.5).iter().map(|x| x + 0.5).collect(),
            },
            product: draw(4, T * 3 * H, 2.0),
            h: draw(5, H, 0.9),
        };
        let (dy, dh) = (draw(30, T * H, 1.0), draw(31, H, 1.0));
        let loss = |case: &Case| {
            let steps = case.cell.forward(&case.product, &case.h);
            let outputs: f64 = steps.iter().zip(dy.chunks_exact(H)).map(|(step, dy)| dot(&step.h, dy)).sum();
            outputs + dot(&steps[T - 1].h, &dh)
        };
        let steps = case.cell.forward(&case.product, &case.h);
        let d = case.cell.backward(&steps, &case.h, &dy, &dh);
        let slopes = |what: &str, gradient: &[f64], of: fn(&mut Case) -> &mut Vec<f64>| {
            assert_slopes(what, gradient, |i, by| {
                let mut case = case.clone();
                of(&mut case)[i] += by;
                loss(&case)
            });
        };
        slopes("product", &d.product, |case| &mut case.product);
        slopes("h", &d.h, |case| &mut case.h);
        slopes("recurrent", &d.recurrent, |case| &mut case.cell.recurrent);
        slopes("recurrent bias", &d.recurrent_bias, |case| &mut case.cell.recurrent_bias);
        // The bias is added to h₋₁·U at every step.
        let sums = d
            .recurrent_product
            .chunks_exact(3 * H)
            .fold(vec![0.0; 3 * H], |sums, d| sums.iter().zip(d).map(|(sum, d)| sum + d).collect());
        assert!(sums.iter().zip(&d.recurrent_bias).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

#[test]
fn gradients_are_those_of_the_simple_rnn_with_every_option() {
    #[derive(Clone)]
    struct Case {
        cell: SimpleRnn,
        product: Vec<f64>,
        h: Vec<f64>,
    }
    for bits in 0..1 << 3 {
        let on = |bit: usize| bits >> bit & 1 == 1;
        let case = Case {
            cell: SimpleRnn {
                units: H,
                activation: if on(2) { Activation::Elu } else { Activation::Tanh },
                recurrent: draw(1, H * H, 0.8),
                mask: masks(on(0), 1, H).pop().unwrap_or_default(),
                zoneout: draw(3, if on(1) { T * H } else { 0 }, 0.5).iter().map(|x| x + 0.5).collect(),
            },
            product: draw(4, T * H, 2.0),
            h: draw(5, H, 0.9),
        };
        let (dy, dh) = (draw(30, T * H, 1.0), draw(31, H, 1.0));
        let loss = |case: &Case| {
            let steps = case.cell.forward(&case.product, &case.h);
            let outputs: f64 = steps.iter().zip(dy.chunks_exact(H)).map(|(step, dy)| dot(&step.h, dy)).sum();
            outputs + dot(&steps[T - 1].h, &dh)
        };
        let d = case.cell.backward(&case.cell.forward(&case.product, &case.h), &case.h, &dy, &dh);
        let slopes = |what: &str, gradient: &[f64], of: fn(&mut Case) -> &mut Vec<f64>| {
            assert_slopes(what, gradient, |i, by| {
                let mut case = case.clone();
                of(&mut case)[i] += by;
                loss(&case)
            });
        };
        slopes("product", &d.product, |case| &mut case.product);
        slopes("h", &d.h, |case| &mut case.h);
        slopes("recurrent", &d.recurrent, |case| &mut case.cell.recurrent);
    }
}
