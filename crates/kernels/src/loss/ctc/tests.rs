use super::decode::{beam_search, greedy, Decoded};
use super::*;
use crate::testing::{bits, contexts, numbers, packed};
use crate::Level;
use std::collections::BTreeMap;

const RUNNING: fn() -> Result<(), ()> = || Ok(());

/// The probability of every labelling of some steps, from all paths.
fn labellings(probabilities: &[Vec<f64>], blank: u32) -> BTreeMap<Vec<u32>, f64> {
    let mut paths = vec![(Vec::new(), 1.0)];
    for row in probabilities {
        let next = |(path, p): &(Vec<u32>, f64)| {
            let extended = |class: usize| ([&path[..], &[class as u32]].concat(), p * row[class]);
            (0..row.len()).map(extended).collect::<Vec<_>>()
        };
        paths = paths.iter().flat_map(next).collect();
    }
    let mut all = BTreeMap::new();
    for (mut path, p) in paths {
        path.dedup();
        path.retain(|&class| class != blank);
        *all.entry(path).or_insert(0.0) += p;
    }
    all
}

struct Case {
    classes: usize,
    packed: Packed,
    x: Vec<f32>,
    labels: Vec<u32>,
    ends: Vec<usize>,
    blank: u32,
    weights: Vec<f32>,
}

impl Case {
    /// Sequences of these lengths, the longest first, with these labels.
    fn new(seed: u64, classes: usize, blank: u32, sequences: &[(u32, &[u32])], scale: f32) -> Case {
        let packed = packed(&sequences.iter().map(|sequence| sequence.0).collect::<Vec<_>>());
        let mut x = numbers(seed, packed.tokens() * padded(classes), scale);
        x.chunks_exact_mut(padded(classes)).for_each(|row| row[classes..].fill(0.0));
        let (mut labels, mut ends) = (Vec::new(), Vec::new());
        for &row in packed.order() {
            labels.extend_from_slice(sequences[row as usize].1);
            ends.push(labels.len());
        }
        let weights = numbers(seed + 1, sequences.len(), 0.4).iter().map(|x| x + 0.5).collect();
        Case { classes, packed, x, labels, ends, blank, weights }
    }

    fn labels(&self) -> Labels<'_> {
        Labels { labels: &self.labels, ends: &self.ends, blank: self.blank }
    }

    fn run(&self, context: &Context) -> (Vec<f64>, Vec<f32>, Vec<f32>) {
        let (mut x, mut losses) = (self.x.clone(), vec![f64::NAN; self.ends.len()]);
        let mut dx = vec![f32::NAN; x.len()];
        let labels = self.labels();
        ctc(context, &self.packed, &mut x, self.classes, labels, &self.weights, &mut losses, &mut dx).unwrap();
        (losses, x, dx)
    }

    /// Softmax of the steps of a row.
    fn probabilities(&self, row: usize) -> Vec<Vec<f64>> {
        let steps = self.packed.lengths()[row] as usize;
        let softmax = |&offset: &u32| {
            let z = &self.x[(offset as usize + row) * padded(self.classes)..][..self.classes];
            let total = log_sum_exp(z.iter().map(|&z| f64::from(z)));
            z.iter().map(|&z| (f64::from(z) - total).exp()).collect()
        };
        self.packed.offsets()[..steps].iter().map(softmax).collect()
    }
}

fn small_cases() -> impl Iterator<Item = Case> {
    let sequences: [&[(u32, &[u32])]; 3] = [
        &[(5, &[1, 1, 2]), (4, &[2, 1]), (1, &[1]), (3, &[]), (0, &[])],
        &[(6, &[0, 2, 0]), (2, &[2, 0]), (3, &[0, 0])],
        &[(5, &[2, 2, 2]), (3, &[1, 2, 1])],
    ];
    (0..18u64).map(move |seed| {
        let which = seed as usize % 3;
        Case::new(10 * seed, 3, [0, 1, 0][which], sequences[which], [0.5, 3.0][seed as usize % 2])
    })
}

#[test]
fn losses_are_those_of_all_alignments() {
    for case in small_cases() {
        let (losses, x, _) = case.run(&Context::new(Level::best(), 2));
        for (row, loss) in losses.into_iter().enumerate() {
            let probabilities = case.probabilities(row);
            let all = labellings(&probabilities, case.blank);
            assert!((all.values().sum::<f64>() - 1.0).abs() < 1e-9);
            let exact = -all[case.labels().of(row)].ln();
            assert!((loss - exact).abs() < 1e-9 * exact.max(1.0), "{loss} instead of {exact}");
            for (step, p) in probabilities.iter().enumerate() {
                let got = &x[(case.packed.offsets()[step] as usize + row) * padded(case.classes)..];
                assert!(got.iter().zip(p).all(|(&got, p)| (f64::from(got) - p).abs() < 1e-6));
            }
        }
    }
}

#[test]
fn gradients_match_finite_differences_and_sum_to_zero() {
    const STEP: f32 = 1.0 / 256.0;
    for mut case in small_cases().step_by(2) {
        let (stride, classes) = (padded(case.classes), case.classes);
        let context = Context::new(Level::best(), 2);
        let (_, _, dx) = case.run(&context);
        for row in dx.chunks_exact(stride) {
            assert!(row.iter().sum::<f32>().abs() < 1e-6);
            assert!(row[case.classes..].iter().all(|&d| d == 0.0));
        }
        for index in (0..dx.len()).filter(|index| index % stride < classes) {
            let mut at = |by: f32| {
                case.x[index] += by;
                let (losses, ..) = case.run(&context);
                case.x[index] -= by;
                losses.iter().zip(&case.weights).map(|(loss, &weight)| loss * f64::from(weight)).sum::<f64>()
            };
            let slope = (at(STEP) - at(-STEP)) / (2.0 * f64::from(STEP));
            assert!((f64::from(dx[index]) - slope).abs() < 1e-4, "{} instead of {slope}", dx[index]);
        }
    }
}

#[test]
fn too_few_steps_have_an_infinite_loss_and_no_gradient() {
    assert_eq!([fewest_steps(&[]), fewest_steps(&[1]), fewest_steps(&[1, 1, 2, 2, 2])], [0, 1, 8]);
    let case = Case::new(1, 3, 0, &[(4, &[1, 2]), (2, &[1, 1]), (0, &[1])], 1.0);
    let (losses, _, dx) = case.run(&Context::new(Level::best(), 1));
    assert!(losses[0].is_finite() && losses[1] == f64::INFINITY && losses[2] == f64::INFINITY);
    for (position, row) in dx.chunks_exact(padded(3)).enumerate() {
        assert_eq!(row.iter().all(|&d| d == 0.0), case.packed.rows()[position] == 1);
    }
}

#[test]
fn extreme_logits_and_one_class_are_exact() {
    let mut case = Case::new(2, 3, 0, &[(4, &[1, 2]), (3, &[1])], 1.0);
    for (index, x) in case.x.iter_mut().enumerate().filter(|(index, _)| index % 16 < 3) {
        *x = [1e4, -1e4, 0.0][index / 16 % 3 * index % 3];
    }
    let (losses, _, dx) = case.run(&Context::new(Level::best(), 1));
    assert!(losses.iter().all(|loss| loss.is_finite() && *loss >= 0.0) && dx.iter().all(|d| d.is_finite()));
    let blanks = Case::new(3, 1, 0, &[(4, &[]), (1, &[])], 1.0);
    let (losses, x, dx) = blanks.run(&Context::new(Level::best(), 1));
    assert!(losses == [0.0, 0.0] && x.chunks_exact(16).all(|row| row[0] == 1.0) && dx.iter().all(|&d| d == 0.0));
}

#[test]
fn everything_is_equal_at_every_level_and_number_of_threads() {
    let labels: Vec<Vec<u32>> = (0..30u32).map(|i| (0..i % 7).map(|j| 1 + (i * j) % 19).collect()).collect();
    let sequences: Vec<(u32, &[u32])> = labels.iter().enumerate().map(|(i, l)| (20 + i as u32 % 9, &l[..])).collect();
    let case = Case::new(4, 20, 0, &sequences, 2.0);
    let all = |context: &Context| {
        let (losses, x, dx) = case.run(context);
        (losses.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>(), bits(&x), bits(&dx))
    };
    let expected = all(&contexts()[0]);
    for context in contexts() {
        assert!(all(&context) == expected, "{context:?}");
    }
}

#[test]
fn a_wide_beam_finds_the_most_probable_labelling() {
    for case in small_cases() {
        for row in 0..case.ends.len() {
            let probabilities = case.probabilities(row);
            let rows: Vec<f32> = probabilities.iter().flatten().map(|&p| p as f32).collect();
            let rounded = rows.chunks_exact(case.classes).map(|row| row.iter().map(|&p| f64::from(p)).collect());
            let all = labellings(&rounded.collect::<Vec<_>>(), case.blank);
            let nothing = Vec::new();
            let (best, p) = all.iter().fold((&nothing, -1.0), |most, (l, &p)| if p > most.1 { (l, p) } else { most });
            let found = beam_search(&rows, case.classes, case.blank, 1000, RUNNING).unwrap();
            assert_eq!(&found.labels, best);
            assert!((found.log_probability - p.ln()).abs() < 1e-9);
            let narrow = beam_search(&rows, case.classes, case.blank, 2, RUNNING).unwrap();
            assert!(narrow.log_probability <= all[&narrow.labels].ln() + 1e-9);
        }
    }
}

#[test]
fn the_best_path_is_read_without_repetitions_and_blanks() {
    let row = |class: usize| (0..3).map(move |i| if i == class { 0.5 } else { 0.25 });
    let rows: Vec<f32> = [1, 1, 0, 1, 2, 2, 0].into_iter().flat_map(row).collect();
    let read = greedy(&rows, 3, 0);
    assert_eq!(read.labels, [1, 1, 2]);
    assert!((read.log_probability - 7.0 * 0.5f64.ln()).abs() < 1e-12);
    assert_eq!(greedy(&rows, 3, 2).labels, [1, 0, 1, 0]);
    assert_eq!(greedy(&[], 3, 0), Decoded { labels: vec![], log_probability: 0.0 });
    assert_eq!(beam_search(&[], 3, 0, 5, RUNNING), Ok(Decoded { labels: vec![], log_probability: 0.0 }));
}

#[test]
fn probabilities_of_zero_and_a_beam_of_one_are_no_trouble() {
    let rows = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
    let found = beam_search(&rows, 3, 0, 1, RUNNING).unwrap();
    assert_eq!((found.labels, found.log_probability), (vec![1], 0.0));
    assert_eq!(beam_search(&rows, 3, 0, 1, || Err("stop")), Err("stop"));
    let nothing = beam_search(&[0.0; 6], 3, 0, 4, RUNNING).unwrap();
    assert_eq!(nothing.log_probability, f64::NEG_INFINITY);
}
