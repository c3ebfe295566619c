use super::*;
use crate::Level;

const PLAIN: Binary = Binary { positive_weight: 1.0, smoothing: 0.0 };

#[test]
fn cross_entropy_matches_the_textbook_and_is_equal_at_every_level() {
    for classes in [1, 2, 15, 16, 17, 100] {
        let (rows, stride) = (7, padded(classes));
        let logits: Vec<f32> = (0..rows * stride)
            .map(|i| if i % stride < classes { ((i * 7919) % 97) as f32 / 5.0 - 10.0 } else { 0.0 })
            .collect();
        let target: Vec<u32> = (0..rows as u32).map(|row| row * 5 % classes as u32).collect();
        let mut first: Option<(Vec<f32>, Vec<f64>, Vec<f32>)> = None;
        for level in Level::available() {
            let context = Context::new(level, 2);
            let (mut x, mut losses, mut dx) = (logits.clone(), vec![0.0; rows], vec![f32::NAN; logits.len()]);
            categorical_cross_entropy(
                &context,
                &mut x,
                classes,
                Targets::Classes(&target),
                0.0,
                &vec![0.5; rows],
                &mut losses,
                &mut dx,
            );
            for row in 0..rows {
                let z = &logits[row * stride..][..classes];
                let total: f64 = z.iter().map(|&z| f64::from(z).exp()).sum();
                for class in 0..stride {
                    let p = if class < classes { f64::from(z[class]).exp() / total } else { 0.0 };
                    let y = f64::from(u8::from(class == target[row] as usize));
                    assert!((f64::from(x[row * stride + class]) - p).abs() < 1e-6);
                    assert!((f64::from(dx[row * stride + class]) - 0.5 * (p - y)).abs() < 1e-6);
                }
                let exact = total.ln() - f64::from(z[target[row] as usize]);
                assert!((losses[row] - exact).abs() < 1e-6 * exact.max(1.0));
            }
            let got = (x, losses, dx);
            assert_eq!(first.get_or_insert_with(|| got.clone()), &got);
        }
    }
}

#[test]
fn distributions_that_are_one_hot_equal_classes() {
    let context = Context::new(Level::best(), 1);
    let logits: Vec<f32> = (0..32).map(|i| (i as f32).sin()).collect();
    let mut results = Vec::new();
    for targets in [Targets::Classes(&[2, 0]), Targets::Values(&[0.0, 0.0, 1.0, 1.0, 0.0, 0.0])] {
        let (mut x, mut losses, mut dx) = (logits.clone(), vec![0.0; 2], vec![0.0; 32]);
        categorical_cross_entropy(&context, &mut x, 3, targets, 0.0, &[1.0, 2.0], &mut losses, &mut dx);
        results.push((x, losses, dx));
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn binary_cross_entropy_and_squared_error_match_finite_differences() {
    let context = Context::new(Level::best(), 1);
    let (y, weights) = ([0.0, 1.0, 0.25, 1.0], [0.5, 2.0]);
    let z = [0.3f32, -2.0, 20.0, -30.0];
    let run = |binary: bool, z: &[f32; 4]| {
        let mut x = vec![0.0; 32];
        (x[0], x[1], x[16], x[17]) = (z[0], z[1], z[2], z[3]);
        let (mut losses, mut dx) = (vec![0.0; 2], vec![0.0; 32]);
        if binary {
            binary_cross_entropy(&context, &mut x, 2, Targets::Values(&y), PLAIN, &weights, &mut losses, &mut dx);
        } else {
            mean_squared_error(&x, 2, Targets::Values(&y), &weights, &mut losses, &mut dx);
        }
        (losses[0] * 0.5 + losses[1] * 2.0, [dx[0], dx[1], dx[16], dx[17]])
    };
    for binary in [true, false] {
        let (_, gradient) = run(binary, &z);
        for i in 0..4 {
            let (mut up, mut down) = (z, z);
            up[i] += 0.0625;
            down[i] -= 0.0625;
            let slope = (run(binary, &up).0 - run(binary, &down).0) / 0.125;
            assert!(
                (slope - f64::from(gradient[i])).abs() < 2e-4 * slope.abs().max(1.0),
                "{binary} {i}: {slope} {}",
                gradient[i]
            );
        }
    }
}

/// A loss of rows with its options, and whether its targets are shares of classes.
type Row = fn(&Context, &mut [f32], usize, Targets<'_>, &[f32], &mut [f64], &mut [f32]);

const SMOOTHED: Binary = Binary { positive_weight: 2.5, smoothing: 0.2 };
const FOCAL: Focal = Focal { gamma: 1.5, alpha: Some(0.3), smoothing: 0.1 };
const LOSSES: [(&str, Row); 11] = [
    ("categorical", |c, x, n, t, w, l, d| categorical_cross_entropy(c, x, n, t, 0.0, w, l, d)),
    ("categorical, smoothed", |c, x, n, t, w, l, d| categorical_cross_entropy(c, x, n, t, 0.1, w, l, d)),
    ("categorical focal", |c, x, n, t, w, l, d| categorical_focal(c, x, n, t, FOCAL, w, l, d)),
    ("categorical focal, γ below 1", |c, x, n, t, w, l, d| {
        categorical_focal(c, x, n, t, Focal { gamma: 0.5, alpha: None, smoothing: 0.0 }, w, l, d)
    }),
    ("binary", |c, x, n, t, w, l, d| binary_cross_entropy(c, x, n, t, PLAIN, w, l, d)),
    ("binary, weighted and smoothed", |c, x, n, t, w, l, d| binary_cross_entropy(c, x, n, t, SMOOTHED, w, l, d)),
    ("binary focal", |c, x, n, t, w, l, d| binary_focal(c, x, n, t, FOCAL, w, l, d)),
    ("absolute", mean_absolute_rows),
    ("huber", |c, x, n, t, w, l, d| huber(c, x, n, t, 0.5, w, l, d)),
    ("quantile", |c, x, n, t, w, l, d| match t {
        Targets::Values(values) => quantile(c, x, n, &values[..l.len()], &vec![0.3; n], w, l, d),
        Targets::Classes(_) => unreachable!(),
    }),
    ("cosine", |c, x, n, t, w, l, d| cosine_similarity(c, x, n, t, w, l, d)),
];

fn mean_absolute_rows(c: &Context, x: &mut [f32], n: usize, t: Targets<'_>, w: &[f32], l: &mut [f64], d: &mut [f32]) {
    mean_absolute_error(c, x, n, t, w, l, d);
}

fn run_rows(row: Row, context: &Context, x: &[f32], outputs: usize, y: &[f32]) -> (Vec<f32>, Vec<f64>, Vec<f32>) {
    let rows = x.len() / padded(outputs);
    let weights: Vec<f32> = (0..rows).map(|row| 0.5 + row as f32 / 4.0).collect();
    let (mut x, mut losses, mut dx) = (x.to_vec(), vec![f64::NAN; rows], vec![f32::NAN; x.len()]);
    row(context, &mut x, outputs, Targets::Values(y), &weights, &mut losses, &mut dx);
    (x, losses, dx)
}

fn rows_and_targets(outputs: usize, rows: usize, scale: f32) -> (Vec<f32>, Vec<f32>) {
    let mut x = crate::testing::numbers(outputs as u64, rows * padded(outputs), scale);
    x.chunks_exact_mut(padded(outputs)).for_each(|x| x[outputs..].fill(0.0));
    let y = crate::testing::numbers(7, rows * outputs, 0.5).iter().map(|y| y + 0.5).collect();
    (x, y)
}

#[test]
fn gradients_of_all_losses_of_rows_match_finite_differences() {
    const STEP: f32 = 1.0 / 128.0;
    let context = Context::new(Level::best(), 2);
    for (name, loss) in LOSSES {
        for outputs in [1, 2, 17] {
            let (mut x, y) = rows_and_targets(outputs, 3, 2.0);
            let (.., dx) = run_rows(loss, &context, &x, outputs, &y);
            for index in 0..x.len() {
                let (row, output) = (index / padded(outputs), index % padded(outputs));
                if output >= outputs {
                    assert_eq!(dx[index], 0.0, "{name}");
                    continue;
                }
                let mut at = |by: f32| {
                    x[index] += by;
                    let (_, losses, _) = run_rows(loss, &context, &x, outputs, &y);
                    x[index] -= by;
                    losses[row] * (0.5 + row as f64 / 4.0)
                };
                let slope = (at(STEP) - at(-STEP)) / (2.0 * f64::from(STEP));
                let difference = (f64::from(dx[index]) - slope).abs();
                assert!(difference < 2e-4, "{name}, {outputs} outputs, {index}: {} instead of {slope}", dx[index]);
            }
        }
    }
}

#[test]
fn all_losses_of_rows_are_equal_at_every_level_and_number_of_threads() {
    for (name, loss) in LOSSES {
        for outputs in [1, 3, 17] {
            let (x, y) = rows_and_targets(outputs, 21, 3.0);
            let all = |context: &Context| {
                let (x, losses, dx) = run_rows(loss, context, &x, outputs, &y);
                let losses: Vec<u64> = losses.iter().map(|loss| loss.to_bits()).collect();
                (crate::testing::bits(&x), losses, crate::testing::bits(&dx))
            };
            let expected = all(&Context::new(Level::software(), 1));
            for context in crate::testing::contexts() {
                assert!(all(&context) == expected, "{name} {outputs} {context:?}");
            }
        }
    }
}

#[test]
fn extreme_logits_have_finite_losses_and_gradients() {
    let context = Context::new(Level::best(), 1);
    for (name, loss) in LOSSES {
        for outputs in [1, 3] {
            let (mut x, mut y) = rows_and_targets(outputs, 4, 1.0);
            for (index, x) in x.iter_mut().enumerate().filter(|(index, _)| index % 16 < outputs) {
                *x = [1e4, -1e4, 0.0, -1e4][(index + index / 16) % 4];
            }
            for (index, y) in y.iter_mut().enumerate() {
                *y = (index % 2) as f32;
            }
            let (x, losses, dx) = run_rows(loss, &context, &x, outputs, &y);
            let finite = losses.iter().all(|loss| loss.is_finite()) && x.iter().chain(&dx).all(|d| d.is_finite());
            assert!(finite, "{name} {losses:?} {dx:?}");
        }
    }
}

#[test]
fn the_gradient_of_a_softmax_row_sums_to_zero() {
    let context = Context::new(Level::best(), 1);
    for (name, loss) in &LOSSES[..4] {
        let (x, mut y) = rows_and_targets(5, 6, 2.0);
        y.chunks_exact_mut(5).for_each(|y| {
            let sum: f32 = y.iter().sum();
            y.iter_mut().for_each(|y| *y /= sum);
        });
        let (.., dx) = run_rows(*loss, &context, &x, 5, &y);
        assert!(dx.chunks_exact(16).all(|dx| dx.iter().sum::<f32>().abs() < 1e-6), "{name}");
    }
}
