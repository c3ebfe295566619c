use super::*;
use crate::Level;

const STEPS: usize = 5;

fn rules() -> Vec<(&'static str, Rule, [bool; SLOTS])> {
    let rms = |centered, momentum, inside, outside| Rule::RmsProp { rho: 0.9, centered, momentum, inside, outside };
    let adam = |amsgrad| Rule::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-7, amsgrad };
    vec![
        ("sgd", Rule::Sgd { momentum: 0.0, fresh: 1.0, nesterov: false }, [false; 3]),
        ("momentum", Rule::Sgd { momentum: 0.9, fresh: 0.7, nesterov: false }, [true, false, false]),
        ("nesterov", Rule::Sgd { momentum: 0.9, fresh: 1.0, nesterov: true }, [true, false, false]),
        ("rmsprop", rms(false, None, 1e-7, 0.0), [true, false, false]),
        ("rmsprop with momentum", rms(false, Some(0.5), 0.0, 1e-7), [true, false, true]),
        ("centered rmsprop", rms(true, Some(0.5), 1e-3, 0.0), [true; 3]),
        ("adagrad", Rule::Adagrad { inside: 0.0, outside: 1e-7 }, [true, false, false]),
        ("adam", adam(false), [true, true, false]),
        ("amsgrad", adam(true), [true; 3]),
        ("lion", Rule::Lion { beta1: 0.9, beta2: 0.99 }, [true, false, false]),
    ]
}

/// One step of the textbook.
fn textbook(rule: Rule, kept: [bool; SLOTS], g: f64, state: &mut [f64; SLOTS]) -> f64 {
    let one = |x: f32| f64::from(x);
    match rule {
        Rule::Sgd { momentum, fresh, nesterov } => {
            if !kept[0] {
                return g;
            }
            state[0] = one(momentum) * state[0] + one(fresh) * g;
            if nesterov {
                g + one(momentum) * state[0]
            } else {
                state[0]
            }
        }
        Rule::RmsProp { rho, centered, momentum, inside, outside } => {
            state[0] = one(rho) * state[0] + one(1.0 - rho) * g * g;
            let mut v = state[0];
            if centered {
                state[1] = one(rho) * state[1] + one(1.0 - rho) * g;
                v = (v - state[1] * state[1]).max(0.0);
            }
            let n = g / ((v + one(inside)).sqrt() + one(outside));
            let Some(momentum) = momentum else { return n };
            state[2] = one(momentum) * state[2] + n;
            state[2]
        }
        Rule::Adagrad { inside, outside } => {
            state[0] += g * g;
            g / ((state[0] + one(inside)).sqrt() + one(outside))
        }
        Rule::Adam { beta1, beta2, epsilon, amsgrad } => {
            state[0] = one(beta1) * state[0] + one(1.0 - beta1) * g;
            state[1] = one(beta2) * state[1] + one(1.0 - beta2) * g * g;
            state[2] = if amsgrad { state[2].max(state[1]) } else { 0.0 };
            state[0] / (if amsgrad { state[2] } else { state[1] }.sqrt() + one(epsilon))
        }
        Rule::Lion { beta1, beta2 } => {
            let c = one(beta1) * state[0] + one(1.0 - beta1) * g;
            state[0] = one(beta2) * state[0] + one(1.0 - beta2) * g;
            if c == 0.0 {
                0.0
            } else {
                c.signum()
            }
        }
    }
}

fn update(rule: Rule) -> Update {
    Update { rule, rate: 1e-2, keep: 0.75, l2: 0.125, scale: 0.5, limit: 0.375, weight: 0.25 }
}

/// Values, state and average of a parameter.
#[derive(Clone, PartialEq, Debug)]
struct Kept {
    values: Vec<f32>,
    state: [Vec<f32>; SLOTS],
    average: Vec<f32>,
}

impl Kept {
    fn new(count: usize, kept: [bool; SLOTS]) -> Kept {
        Kept {
            values: (0..count).map(|i| (i as f32 * 0.11).sin()).collect(),
            state: kept.map(|kept| if kept { vec![0.0625; count] } else { Vec::new() }),
            average: vec![0.5; count],
        }
    }

    fn step(&mut self, run: impl FnOnce(Parameter<'_>) -> bool, gradient: &[f32]) -> bool {
        let mut to = self.values.clone();
        let Kept { values, state, average } = self;
        let [a, b, c] = state;
        let finite = run(Parameter { from: values, gradient, state: [a, b, c], average, to: &mut to });
        self.values = to;
        finite
    }
}

fn gradient(count: usize, step: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * (step + 3)) as f32 * 0.77).cos()).collect()
}

#[test]
fn every_rule_matches_the_textbook_and_is_equal_everywhere() {
    for (name, rule, slots) in rules() {
        for count in [1, 17, 2051] {
            let mut expected: Option<Kept> = None;
            for context in Level::available()
                .into_iter()
                .chain([Level::software()])
                .flat_map(|level| [1, 2, 3, 8].map(|threads| Context::new(level, threads)))
            {
                let mut kept = Kept::new(count, slots);
                for step in 0..STEPS {
                    let gradient = gradient(count, step);
                    assert!(kept.step(|parameter| update(rule).all(&context, parameter, None), &gradient));
                }
                if expected.is_none() {
                    let start = Kept::new(count, slots);
                    for i in 0..count {
                        let (mut x, mut average) = (f64::from(start.values[i]), 0.5);
                        let mut state = slots.map(|kept| if kept { 0.0625 } else { 0.0 });
                        for step in 0..STEPS {
                            let g = (0.5 * f64::from(gradient(count, step)[i])).clamp(-0.375, 0.375) + 0.125 * x;
                            x = 0.75 * x - f64::from(1e-2f32) * textbook(rule, slots, g, &mut state);
                            average += 0.25 * (x - average);
                        }
                        assert!((f64::from(kept.values[i]) - x).abs() < 1e-5, "{name}: {} for {x}", kept.values[i]);
                        assert!((f64::from(kept.average[i]) - average).abs() < 1e-5, "{name}");
                    }
                }
                assert!(expected.get_or_insert_with(|| kept.clone()) == &kept, "{name}: {context:?} differs");
            }
        }
    }
}

#[test]
fn untouched_rows_have_the_bits_of_a_gradient_of_zeros() {
    let (columns, count) = (24, 24 * 400);
    let touched = [0u32, 1, 57, 200, 201, 399];
    let mut gradient = vec![0.0; count];
    for &row in &touched {
        gradient[row as usize * columns..][..columns].fill(0.25);
    }
    let context = Context::new(Level::best(), 3);
    for (name, rule, slots) in rules() {
        let (mut dense, mut sparse, mut lazy) =
            (Kept::new(count, slots), Kept::new(count, slots), Kept::new(count, slots));
        let start = dense.clone();
        let rows = Rows { rows: &touched, columns };
        dense.step(|parameter| update(rule).all(&context, parameter, None), &gradient);
        sparse.step(|parameter| update(rule).all(&context, parameter, Some(rows)), &gradient);
        lazy.step(|parameter| update(rule).rows(&context, parameter, rows), &gradient);
        assert!(dense == sparse, "{name}");
        for row in 0..count / columns {
            let range = row * columns..(row + 1) * columns;
            let expected = if touched.contains(&(row as u32)) { &dense } else { &start };
            assert_eq!(lazy.values[range.clone()], expected.values[range.clone()], "{name}, row {row}");
            assert_eq!(lazy.average[range.clone()], expected.average[range], "{name}, row {row}");
        }
    }
}

#[test]
fn the_first_value_of_an_average_is_taken_as_it_is() {
    let context = Context::new(Level::best(), 1);
    let mut kept = Kept::new(19, [false; 3]);
    let first = Update { weight: 1.0, ..update(Rule::Sgd { momentum: 0.0, fresh: 1.0, nesterov: false }) };
    kept.step(|parameter| first.all(&context, parameter, None), &gradient(19, 0));
    assert_eq!(kept.average, kept.values);
}

#[test]
fn every_rule_tells_when_a_value_is_no_longer_finite() {
    let context = Context::new(Level::best(), 2);
    for (name, rule, slots) in rules() {
        for bad in [0, 15, 17, 5000] {
            let mut kept = Kept::new(5001, slots);
            kept.values[bad] = -3e38;
            let far = Update { rate: 3e38, keep: 1.0, l2: 0.0, limit: f32::INFINITY, ..update(rule) };
            let zeros = [-1.0, 1.0].map(|g| {
                let mut kept = kept.clone();
                kept.state.iter_mut().for_each(|slot| slot.fill(0.0));
                kept.values[bad] *= g;
                kept.step(|parameter| far.all(&context, parameter, None), &vec![2.0 * g; 5001])
            });
            assert!(zeros.contains(&false), "{name}: {bad}");
        }
    }
}
