use super::*;
use crate::testing::{bits, contexts, numbers, packed};
use crate::Level;

/// All paths of `steps` steps over `k` classes.
fn paths(k: usize, steps: usize) -> Vec<Vec<usize>> {
    (0..steps).fold(vec![Vec::new()], |paths, _| {
        paths.iter().flat_map(|path| (0..k).map(move |class| [&path[..], &[class]].concat())).collect()
    })
}

struct Case {
    k: usize,
    packed: Packed,
    x: Vec<f32>,
    transitions: Vec<f32>,
    start: Vec<f32>,
    end: Vec<f32>,
    /// In packed order.
    classes: Vec<u32>,
    weights: Vec<f32>,
}

impl Case {
    fn new(seed: u64, k: usize, lengths: &[u32], scale: f32) -> Case {
        let packed = packed(lengths);
        let tokens = packed.tokens();
        let mut x = numbers(seed, tokens * padded(k), scale);
        x.chunks_exact_mut(padded(k)).for_each(|row| row[k..].fill(0.0));
        Case {
            k,
            x,
            transitions: numbers(seed + 1, k * k, scale),
            start: numbers(seed + 2, k, scale),
            end: numbers(seed + 3, k, scale),
            classes: numbers(seed + 4, tokens, 1.0)
                .iter()
                .map(|x| ((x + 1.0) / 2.0 * k as f32) as u32 % k as u32)
                .collect(),
            weights: numbers(seed + 5, lengths.len(), 0.4).iter().map(|x| x + 0.5).collect(),
            packed,
        }
    }

    fn scores(&self) -> Scores<'_> {
        Scores { transitions: &self.transitions, start: &self.start, end: &self.end }
    }

    /// Packed positions of the steps of a row.
    fn steps(&self, row: usize) -> Vec<usize> {
        let steps = self.packed.lengths()[row] as usize;
        self.packed.offsets()[..steps].iter().map(|&offset| offset as usize + row).collect()
    }

    fn score(&self, row: usize, path: &[usize]) -> f64 {
        let at = self.steps(row);
        let pairs: f64 = path.windows(2).map(|pair| f64::from(self.transitions[pair[0] * self.k + pair[1]])).sum();
        let steps: f64 = path.iter().zip(&at).map(|(&j, &p)| f64::from(self.x[p * padded(self.k) + j])).sum();
        match path {
            [] => 0.0,
            path => f64::from(self.start[path[0]]) + f64::from(self.end[*path.last().unwrap()]) + pairs + steps,
        }
    }

    fn path(&self, row: usize) -> Vec<usize> {
        self.steps(row).iter().map(|&p| self.classes[p] as usize).collect()
    }

    fn run(&self, context: &Context, decode: Decode) -> (Vec<f64>, Vec<f32>, Vec<f32>, Vec<f32>) {
        let (mut x, mut losses) = (self.x.clone(), vec![f64::NAN; self.weights.len()]);
        let (mut dx, mut dscores) = (vec![f32::NAN; x.len()], vec![f32::NAN; gradient_length(self.k)]);
        let (classes, weights) = (&self.classes, &self.weights);
        log_likelihood(
            context,
            &self.packed,
            &mut x,
            self.scores(),
            classes,
            decode,
            weights,
            &mut losses,
            &mut dx,
            &mut dscores,
        )
        .unwrap();
        (losses, x, dx, dscores)
    }

    /// Σ weight · loss.
    fn total(&self) -> f64 {
        let (losses, ..) = self.run(&Context::new(Level::best(), 1), Decode::Viterbi);
        losses.iter().zip(&self.weights).map(|(loss, &weight)| loss * f64::from(weight)).sum()
    }
}

fn small_cases() -> impl Iterator<Item = Case> {
    (0..24u64)
        .map(|seed| Case::new(10 * seed, 1 + seed as usize % 4, &[3, 0, 1, 5, 2], [0.5, 3.0, 40.0][seed as usize % 3]))
}

#[test]
fn losses_paths_and_marginals_are_those_of_all_paths() {
    for case in small_cases() {
        let context = Context::new(Level::best(), 2);
        let (losses, best, ..) = case.run(&context, Decode::Viterbi);
        let (_, marginals, ..) = case.run(&context, Decode::Marginals);
        for (row, &loss) in losses.iter().enumerate() {
            let at = case.steps(row);
            let all: Vec<(Vec<usize>, f64)> =
                paths(case.k, at.len()).into_iter().map(|path| (path.clone(), case.score(row, &path))).collect();
            let normalizer = log_sum_exp(all.iter().map(|path| path.1));
            let exact = normalizer - case.score(row, &case.path(row));
            assert!((loss - exact).abs() < 1e-9 * exact.max(1.0), "{loss} instead of {exact}");
            let total: f64 = all.iter().map(|path| (path.1 - normalizer).exp()).sum();
            assert!((total - 1.0).abs() < 1e-9);
            let most = all.iter().map(|path| path.1).fold(f64::NEG_INFINITY, f64::max);
            let found: Vec<usize> =
                at.iter().map(|&p| (0..case.k).find(|j| best[p * padded(case.k) + j] == 1.0).unwrap()).collect();
            assert!((case.score(row, &found) - most).abs() < 1e-9 * most.abs().max(1.0));
            for (step, &p) in at.iter().enumerate() {
                for j in 0..case.k {
                    let through = all.iter().filter(|path| path.0[step] == j);
                    let exact: f64 = through.map(|path| (path.1 - normalizer).exp()).sum();
                    assert!((f64::from(marginals[p * padded(case.k) + j]) - exact).abs() < 1e-6);
                }
            }
        }
    }
}

#[test]
fn decoding_alone_gives_what_the_loss_gives() {
    for case in small_cases() {
        for how in [Decode::Viterbi, Decode::Marginals] {
            let context = Context::new(Level::best(), 1);
            let mut x = case.x.clone();
            decode(&context, &case.packed, &mut x, case.scores(), how).unwrap();
            assert_eq!(bits(&x), bits(&case.run(&context, how).1));
        }
    }
}

#[test]
fn gradients_match_finite_differences_and_sum_to_zero() {
    const STEP: f32 = 1.0 / 256.0;
    for mut case in (0..6u64).map(|seed| Case::new(1000 + 10 * seed, 2 + seed as usize % 2, &[4, 1, 0, 3], 1.0)) {
        let (k, stride) = (case.k, padded(case.k));
        let (_, _, dx, dscores) = case.run(&Context::new(Level::best(), 2), Decode::Viterbi);
        for row in dx.chunks_exact(stride) {
            assert!(row.iter().sum::<f32>().abs() < 1e-6);
            assert!(row[k..].iter().all(|&d| d == 0.0));
        }
        assert!(dscores[..k * k].iter().sum::<f32>().abs() < 1e-5);
        let mut slope = |change: &dyn Fn(&mut Case, f32)| {
            let mut at = |by: f32| {
                change(&mut case, by);
                let total = case.total();
                change(&mut case, -by);
                total
            };
            (at(STEP) - at(-STEP)) / (2.0 * f64::from(STEP))
        };
        let near = |got: f32, exact: f64| assert!((f64::from(got) - exact).abs() < 1e-4, "{got} instead of {exact}");
        for (index, &d) in dx.iter().enumerate().filter(|(index, _)| index % stride < k) {
            near(d, slope(&|case, by| case.x[index] += by));
        }
        for (index, &d) in dscores.iter().enumerate() {
            near(
                d,
                slope(&|case, by| match index {
                    i if i < k * k => case.transitions[i] += by,
                    i if i < k * k + k => case.start[i - k * k] += by,
                    i => case.end[i - k * k - k] += by,
                }),
            );
        }
    }
}

#[test]
fn extreme_scores_are_exact() {
    // Transitions of −10,000 forbid all paths but those that stay; scores pull from 10,000 to −10,000.
    let mut case = Case::new(5, 3, &[6, 2], 1.0);
    for (index, transition) in case.transitions.iter_mut().enumerate() {
        *transition = if index % 4 == 0 { 0.0 } else { -1e4 };
    }
    for (index, x) in case.x.iter_mut().enumerate().filter(|(index, _)| index % 16 < 3) {
        *x = [1e4, -1e4, 0.0][index % 3];
    }
    let (losses, _, dx, dscores) = case.run(&Context::new(Level::best(), 1), Decode::Marginals);
    for (row, loss) in losses.into_iter().enumerate() {
        let all = paths(3, case.steps(row).len()).into_iter().map(|path| case.score(row, &path)).collect::<Vec<_>>();
        let exact = log_sum_exp(all.into_iter()) - case.score(row, &case.path(row));
        assert!((loss - exact).abs() <= 1e-9 * exact.max(1.0), "{loss} instead of {exact}");
    }
    assert!(dx.iter().chain(&dscores).all(|d| d.is_finite()));
}

#[test]
fn forbidden_pairs_are_expected_as_often_as_all_paths_say() {
    // α and x + β of a step are so far apart that their product is computed from logarithms.
    let (k, lengths) = (2, [3]);
    let mut case = Case::new(7, k, &lengths, 0.0);
    case.transitions = vec![-900.0, 0.0, -900.0, -900.0];
    case.start = vec![-800.0, 0.0];
    case.weights = vec![1.0];
    let (_, _, _, dscores) = case.run(&Context::new(Level::best(), 1), Decode::Viterbi);
    let all: Vec<(Vec<usize>, f64)> =
        paths(k, 3).into_iter().map(|path| (path.clone(), case.score(0, &path))).collect();
    let normalizer = log_sum_exp(all.iter().map(|path| path.1));
    for i in 0..k {
        for j in 0..k {
            let count = |path: &[usize]| path.windows(2).filter(|pair| **pair == [i, j]).count() as f64;
            let expected: f64 = all.iter().map(|path| (path.1 - normalizer).exp() * count(&path.0)).sum();
            let exact = expected - count(&case.path(0));
            assert!((f64::from(dscores[i * k + j]) - exact).abs() < 1e-6, "{i} {j}");
        }
    }
}

#[test]
fn everything_is_equal_at_every_level_and_number_of_threads() {
    let lengths: Vec<u32> = (0..40).map(|i| i * 7 % 23).collect();
    let case = Case::new(3, 5, &lengths, 2.0);
    let all = |context: &Context| {
        let (losses, x, dx, dscores) = case.run(context, Decode::Marginals);
        (losses.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>(), bits(&x), bits(&dx), bits(&dscores))
    };
    let expected = all(&contexts()[0]);
    for context in contexts() {
        assert!(all(&context) == expected, "{context:?}");
    }
}
