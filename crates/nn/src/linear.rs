//! Logistic regression on TF-IDF: what a recurrent model of texts has to beat.
//!
//! For rows x of K classes, with weights W `[columns, K]` and intercepts b `[K]`, it minimises
//! `mean(−ln softmax(x·W + b)[class]) + |W|² / (2 · c · rows)`; for two classes one column of weights and the
//! logistic function take the place of the softmax. These are the sums and defaults of scikit-learn's
//! `LogisticRegression`, which the coefficients equal.
//!
//! 1. Everything is `f64`, every sum has one order, exp and log come from `libm`: the same bits on every machine.
//! 2. A row touches only the columns that it has; the weights of a column lie together, the intercepts at the end.

use crate::error::{Error, Problem};
use crate::lbfgs::{minimize, zeros, Outcome, Stop};
use crate::tf_idf::{Rows, Texts, TfIdf};
use crate::turn::look_up;
use std::sync::atomic::AtomicBool;

/// Most weights; L-BFGS needs 25 numbers for each, 420 MB in all.
const MOST_WEIGHTS: usize = 1 << 21;

/// How a [`Linear`] is fitted.
#[derive(Debug, Clone, Copy)]
pub struct LinearOptions {
    /// Whether pairs of neighbours are terms too.
    pub pairs: bool,
    /// Inverse strength of the penalty on the weights.
    pub c: f64,
    /// Largest element of the gradient at the end.
    pub tolerance: f64,
    /// Most steps.
    pub iterations: usize,
}

impl Default for LinearOptions {
    fn default() -> LinearOptions {
        LinearOptions { pairs: false, c: 1.0, tolerance: 1e-6, iterations: 1000 }
    }
}

/// A fitted linear model of texts.
#[derive(Debug)]
pub struct Linear {
    tf_idf: TfIdf,
    /// The classes that the texts had, ascending.
    classes: Vec<u32>,
    /// `[columns + 1, outputs]`, the intercepts last.
    weights: Vec<f64>,
    outcome: Outcome,
}

impl Linear {
    /// Fits `texts`, whose words are below `vocabulary`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the texts do not fit together, [`Error::Data`] if there are none,
    /// [`Error::Unsupported`] above 2,097,152 weights, [`Error::OutOfMemory`], and [`Error::Aborted`] soon after
    /// `cancel` was set.
    pub fn fit(
        texts: &[Texts],
        vocabulary: usize,
        options: &LinearOptions,
        cancel: &AtomicBool,
    ) -> Result<Linear, Error> {
        texts.iter().try_for_each(|part| part.check(vocabulary))?;
        let mut classes: Vec<u32> = texts.iter().flat_map(|part| part.classes.iter().copied()).collect();
        if classes.is_empty() {
            return Err(Error::Data(Box::new(Problem {
                message: "there are no texts to fit".into(),
                got: "0 texts".into(),
                needs: "at least one text".into(),
                ..Problem::default()
            })));
        }
        let all = classes.clone();
        classes.sort_unstable();
        classes.dedup();
        let targets: Vec<u32> =
            all.iter().map(|class| classes.binary_search(class).expect("taken from here") as u32).collect();
        let (tf_idf, rows) = TfIdf::fit(texts, vocabulary, options.pairs, cancel)?;
        let outputs = if classes.len() == 2 { 1 } else { classes.len() };
        let count = (tf_idf.columns() + 1).saturating_mul(outputs);
        if count > MOST_WEIGHTS {
            return Err(Error::Unsupported(format!("{count} weights, a linear model has at most {MOST_WEIGHTS}")));
        }
        let mut weights = zeros(count)?;
        let stop = Stop { tolerance: options.tolerance, iterations: options.iterations };
        let objective = Objective { rows: &rows, targets: &targets, outputs, c: options.c, cancel };
        let outcome = if classes.len() == 1 {
            Outcome { iterations: 0, converged: true }
        } else {
            minimize(&mut weights, stop, |weights, gradient| objective.at(weights, gradient))?
        };
        Ok(Linear { tf_idf, classes, weights, outcome })
    }

    /// The most probable class of every text.
    ///
    /// # Errors
    /// [`Error::Argument`] if the texts do not fit together, [`Error::OutOfMemory`], [`Error::Aborted`].
    pub fn predict(&self, texts: &[Texts], cancel: &AtomicBool) -> Result<Vec<u32>, Error> {
        texts.iter().try_for_each(|part| part.check(self.tf_idf.vocabulary()))?;
        let rows = self.tf_idf.rows(texts, cancel)?;
        let mut scores = vec![0.0; self.outputs()];
        Ok((0..rows.len())
            .map(|index| {
                scores_of(&rows, index, &self.weights, &mut scores);
                let best = match *scores {
                    [score] if self.classes.len() == 2 => usize::from(score > 0.0),
                    _ => (0..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best }),
                };
                self.classes[best]
            })
            .collect())
    }

    /// Weights of a word or of a pair of words, one an output; `None` if no text had it.
    pub fn coefficients(&self, term: &[u32]) -> Option<&[f64]> {
        let column = self.tf_idf.column(term)?;
        Some(&self.weights[column * self.outputs()..][..self.outputs()])
    }

    /// Intercepts, one an output.
    pub fn intercepts(&self) -> &[f64] {
        &self.weights[self.weights.len() - self.outputs()..]
    }

    /// Steps that the fit took.
    pub fn iterations(&self) -> usize {
        self.outcome.iterations
    }

    /// Whether the fit reached its tolerance.
    pub fn converged(&self) -> bool {
        self.outcome.converged
    }

    fn outputs(&self) -> usize {
        self.weights.len() / (self.tf_idf.columns() + 1)
    }
}

/// Loss and gradient over all rows.
struct Objective<'a> {
    rows: &'a Rows,
    targets: &'a [u32],
    outputs: usize,
    c: f64,
    cancel: &'a AtomicBool,
}

impl Objective<'_> {
    fn at(&self, weights: &[f64], gradient: &mut [f64]) -> Result<f64, Error> {
        let outputs = self.outputs;
        let intercepts = weights.len() - outputs;
        let share = 1.0 / self.rows.len() as f64;
        let mut scores = vec![0.0; outputs];
        let mut loss = 0.0;
        gradient.fill(0.0);
        for (index, &target) in self.targets.iter().enumerate() {
            if index % 1024 == 0 {
                look_up(self.cancel)?;
            }
            scores_of(self.rows, index, weights, &mut scores);
            loss += if outputs == 1 { logistic(&mut scores[0], target) } else { softmax(&mut scores, target) };
            let (columns, values) = self.rows.row(index);
            for (&column, value) in columns.iter().zip(values) {
                let of_column = &mut gradient[column as usize * outputs..][..outputs];
                of_column.iter_mut().zip(&scores).for_each(|(g, residual)| *g += value * residual);
            }
            gradient[intercepts..].iter_mut().zip(&scores).for_each(|(g, residual)| *g += residual);
        }
        let penalty = share / self.c;
        let mut squares = 0.0;
        gradient.iter_mut().for_each(|g| *g *= share);
        for (g, weight) in gradient[..intercepts].iter_mut().zip(weights) {
            *g += penalty * weight;
            squares += weight * weight;
        }
        Ok(loss * share + 0.5 * penalty * squares)
    }
}

/// x · W + b of one row.
fn scores_of(rows: &Rows, index: usize, weights: &[f64], scores: &mut [f64]) {
    let outputs = scores.len();
    scores.copy_from_slice(&weights[weights.len() - outputs..]);
    let (columns, values) = rows.row(index);
    for (&column, value) in columns.iter().zip(values) {
        let of_column = &weights[column as usize * outputs..][..outputs];
        scores.iter_mut().zip(of_column).for_each(|(score, weight)| *score += value * weight);
    }
}

/// The loss of one score; the score becomes its derivative.
fn logistic(score: &mut f64, target: u32) -> f64 {
    let (z, y) = (*score, f64::from(target));
    let small = libm::exp(-z.abs());
    let probability = if z >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
    *score = probability - y;
    libm::log1p(small) + z.max(0.0) - y * z
}

/// The loss of the scores of all classes; the scores become its derivatives.
fn softmax(scores: &mut [f64], target: u32) -> f64 {
    let most = scores.iter().fold(f64::NEG_INFINITY, |most, &score| most.max(score));
    let right = scores[target as usize] - most;
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = libm::exp(*score - most);
        sum += *score;
    }
    scores.iter_mut().for_each(|score| *score /= sum);
    scores[target as usize] -= 1.0;
    libm::log(sum) - right
}
