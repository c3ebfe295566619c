//! From the probabilities of every step to labels.

use super::log_sum_exp;
use std::collections::{BTreeMap, HashMap};

/// Labels, and the log of their probability.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// Without blanks.
    pub labels: Vec<u32>,
    /// Of the best path, or of the labels.
    pub log_probability: f64,
}

/// The position of the largest number; the first of equal ones.
fn largest(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (i, &value)| if value > row[best] { i } else { best })
}

/// Reads the path of the most probable class of every step: repetitions are one, blanks none.
pub fn read<'x>(rows: impl Iterator<Item = &'x [f32]>, blank: u32) -> Vec<u32> {
    let (mut labels, mut before) = (Vec::new(), blank);
    for row in rows {
        let class = largest(row) as u32;
        if class != blank && class != before {
            labels.push(class);
        }
        before = class;
    }
    labels
}

/// [`read`] with the log of the probability of that path; `rows` `[T, classes]` are probabilities.
pub fn greedy(rows: &[f32], classes: usize, blank: u32) -> Decoded {
    let rows = || rows.chunks_exact(classes);
    let log_probability = rows().map(|row| libm::log(f64::from(row[largest(row)]))).sum();
    Decoded { labels: read(rows(), blank), log_probability }
}

/// The node of the empty prefix; its label is the blank, which no other node has.
const ROOT: u32 = 0;

/// The labels of the largest probability among the `width` best prefixes of every step (Hannun et al., 2014, without a
/// language model); equal ones: the prefix that was found first. Wide enough, it is the most probable labelling, and its
/// probability exact; else that is a lower bound.
///
/// `rows` `[T, classes]` are probabilities; `look_up` is called once a step, and its error ends the search.
pub fn beam_search<E>(
    rows: &[f32],
    classes: usize,
    blank: u32,
    width: usize,
    mut look_up: impl FnMut() -> Result<(), E>,
) -> Result<Decoded, E> {
    // A prefix is a node: the node of all but its last label, and that label.
    let mut nodes = vec![(ROOT, blank)];
    let mut known = HashMap::new();
    // Prefixes of the beam with the log of the probability that the path ends in a blank, and that it does not.
    let mut beam = vec![(ROOT, 0.0, f64::NEG_INFINITY)];
    let mut logs = vec![0.0; classes];
    let add = |to: &mut f64, log: f64| {
        if log > f64::NEG_INFINITY {
            *to = log_sum_exp([*to, log].into_iter());
        }
    };
    for row in rows.chunks_exact(classes) {
        look_up()?;
        logs.iter_mut().zip(row).for_each(|(log, &p)| *log = libm::log(f64::from(p)));
        const NOTHING: (f64, f64) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let mut next: BTreeMap<(u32, u32), (f64, f64)> = BTreeMap::new();
        for &(node, blank_end, label_end) in &beam {
            let own = nodes[node as usize];
            let all = log_sum_exp([blank_end, label_end].into_iter());
            let entry = next.entry(own).or_insert(NOTHING);
            add(&mut entry.0, all + logs[blank as usize]);
            if node != ROOT {
                add(&mut entry.1, label_end + logs[own.1 as usize]);
            }
            for class in (0..classes as u32).filter(|&class| class != blank) {
                let log = if node != ROOT && class == own.1 { blank_end } else { all } + logs[class as usize];
                if log > f64::NEG_INFINITY {
                    add(&mut next.entry((node, class)).or_insert(NOTHING).1, log);
                }
            }
        }
        let mut best: Vec<_> = next
            .into_iter()
            .map(|(prefix, (blank_end, label_end))| {
                (prefix, blank_end, label_end, log_sum_exp([blank_end, label_end].into_iter()))
            })
            .collect();
        best.sort_by(|left, right| right.3.total_cmp(&left.3).then(left.0.cmp(&right.0)));
        best.truncate(width);
        beam.clear();
        for (prefix, blank_end, label_end, _) in best {
            let node = if prefix == nodes[ROOT as usize] {
                ROOT
            } else {
                *known.entry(prefix).or_insert_with(|| {
                    nodes.push(prefix);
                    (nodes.len() - 1) as u32
                })
            };
            beam.push((node, blank_end, label_end));
        }
    }
    let (mut node, blank_end, label_end) = beam[0];
    let mut labels = Vec::new();
    while node != ROOT {
        labels.push(nodes[node as usize].1);
        node = nodes[node as usize].0;
    }
    labels.reverse();
    Ok(Decoded { labels, log_probability: log_sum_exp([blank_end, label_end].into_iter()) })
}
