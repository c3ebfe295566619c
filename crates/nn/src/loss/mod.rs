//! Losses of the last layer's outputs, and the targets that they are measured against.

mod decode;
mod kind;

pub use decode::ctc_decode;
pub use kind::{Loss, Quantiles};

use crate::config::Config;
use crate::layers::{Activation as Outputs, Crf};
use crate::{Error, Problem, Targets};
use cellstate_kernels::loss::{self, ctc, Binary, Focal};
use cellstate_kernels::{Context, Packed};

/// Sums over the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Evaluation {
    /// Σ weight · loss.
    pub loss_sum: f64,
    /// Σ weight.
    pub weight_sum: f64,
    /// What regularizers add to the mean loss of this batch.
    pub penalty: f64,
    /// Output rows whose largest output is the target; with CTC sequences that are read right.
    pub correct: usize,
    /// Output rows; with CTC sequences.
    pub rows: usize,
    /// P.
    pub tokens: usize,
}

/// The rows of an output in the order of the batch, and the examples they belong to.
#[derive(Clone, Copy)]
pub(crate) struct OutputRows<'a> {
    pub(crate) packed: &'a Packed,
    pub(crate) samples: &'a [u32],
    pub(crate) per_step: bool,
}

impl<'a> OutputRows<'a> {
    /// Row of the output → row in the order of the batch.
    pub(crate) fn source(&self) -> &'a [u32] {
        if self.per_step {
            self.packed.positions()
        } else {
            self.packed.order()
        }
    }

    /// The sample of a row of the output.
    pub(crate) fn sample(&self, row: usize) -> u32 {
        self.samples[if self.per_step { self.packed.rows()[row] as usize } else { row }]
    }

    /// The example of row `index`, in the order of the batch, in words.
    fn place(&self, index: usize) -> String {
        let row = self.source().iter().position(|&i| i as usize == index).unwrap_or(0);
        format!("example {}", self.sample(row))
    }

    fn expect(&self, name: &str, got: usize, expected: usize, what: &str) -> Result<(), Error> {
        if got == expected {
            return Ok(());
        }
        let count = self.source().len();
        Err(Error::Argument(format!("{name} has {got} entries, expected {expected} for {count} {what}")))
    }

    fn what(&self) -> &'static str {
        if self.per_step {
            "steps"
        } else {
            "sequences"
        }
    }

    /// The weight of every row, 1 where there are none.
    fn weights(&self, targets: &Targets) -> Result<Vec<f32>, Error> {
        let source = self.source();
        let Some(given) = &targets.weights else { return Ok(vec![1.0; source.len()]) };
        self.expect("weights", given.len(), source.len(), self.what())?;
        if let Some(index) = given.iter().position(|w| !w.is_finite() || *w < 0.0) {
            return Err(unusable(
                self.place(index),
                "its weight cannot be used",
                given[index].to_string(),
                "a finite number that is not negative".into(),
                &["give another weight, or leave it out: it is 1 then"],
            ));
        }
        Ok(source.iter().map(|&i| given[i as usize]).collect())
    }

    /// The class of every row; `name` is the layer whose outputs they are.
    fn classes(&self, targets: &Targets, columns: usize, name: &str) -> Result<Vec<u32>, Error> {
        let source = self.source();
        let Some(given) = &targets.classes else {
            return Err(Error::Argument("targets must be classes".into()));
        };
        self.expect("targets", given.len(), source.len(), self.what())?;
        if let Some(index) = given.iter().position(|&class| class as usize >= columns) {
            let units = given[index] + 1;
            return Err(unusable(
                self.place(index),
                "its target is no class of the model",
                format!("class {}", given[index]),
                format!("a class from 0 to {}, the outputs of {name}", columns - 1),
                &[&format!("dense({{ units: {units}, activation: 'softmax' }})")],
            ));
        }
        Ok(source.iter().map(|&i| given[i as usize]).collect())
    }

    /// `columns` numbers of every row.
    fn values(&self, targets: &Targets, columns: usize) -> Result<Vec<f32>, Error> {
        let source = self.source();
        let Some(given) = &targets.values else { return Err(Error::Argument("targets must be values".into())) };
        self.expect("targets", given.len(), source.len() * columns, self.what())?;
        if let Some(index) = given.iter().position(|y| !y.is_finite()) {
            return Err(unusable(
                self.place(index / columns),
                "its target is not a finite number",
                format!("{} in output {}", given[index], index % columns),
                "finite numbers".into(),
                &["leave the example out, or fill the value in"],
            ));
        }
        Ok(source.iter().flat_map(|&i| &given[i as usize * columns..][..columns]).copied().collect())
    }

    /// Labels of the sequences, one after the other, and where those of each end; refuses those that the steps of a
    /// sequence are too few for if `possible`.
    fn labels(
        &self,
        targets: &Targets,
        columns: usize,
        blank: u32,
        possible: bool,
    ) -> Result<(Vec<u32>, Vec<usize>), Error> {
        let (Some(given), Some(lengths)) = (&targets.classes, &targets.lengths) else {
            return Err(Error::Argument("targets must be classes with lengths".into()));
        };
        self.expect("targets.lengths", lengths.len(), self.source().len(), "sequences")?;
        let mut starts = Vec::with_capacity(lengths.len());
        let mut total = 0usize;
        for &length in lengths {
            starts.push(total);
            total += length as usize;
        }
        if given.len() != total {
            let got = given.len();
            return Err(Error::Argument(format!("targets has {got} entries, expected {total} (the sum of lengths)")));
        }
        let of = |i: usize| &given[starts[i]..][..lengths[i] as usize];
        let mut steps = vec![0; lengths.len()];
        self.source().iter().zip(self.packed.lengths()).for_each(|(&i, &length)| steps[i as usize] = length as usize);
        for (i, &steps) in steps.iter().enumerate() {
            if let Some(label) = of(i).iter().find(|&&label| label as usize >= columns || label == blank) {
                return Err(unusable(
                    self.place(i),
                    "its target has a label that is none",
                    format!("label {label}"),
                    format!("a class from 0 to {} other than the blank, {blank}", columns - 1),
                    &["number the labels from 1, with the blank 0", "or name another blank: ctc({ blank })"],
                ));
            }
            let fewest = ctc::fewest_steps(of(i));
            if possible && steps < fewest {
                return Err(unusable(
                    self.place(i),
                    "its input is too short for its target",
                    format!("{steps} steps for {} labels", lengths[i]),
                    format!("{fewest} steps: one a label, and a blank between equal ones"),
                    &[
                        "leave the example out",
                        "or let such examples count as a loss of 0: ctc({ zeroInfinity: true })",
                    ],
                ));
            }
        }
        let (mut labels, mut ends) = (Vec::with_capacity(total), Vec::with_capacity(lengths.len()));
        for &i in self.source() {
            labels.extend_from_slice(of(i as usize));
            ends.push(labels.len());
        }
        Ok((labels, ends))
    }
}

/// An error of a batch that names an example.
fn unusable(place: String, what: &str, got: String, needs: String, fix: &[&str]) -> Error {
    Error::Data(Box::new(Problem {
        message: format!("{place}: {what}"),
        place,
        got,
        needs,
        fix: fix.iter().map(|&fix| fix.to_owned()).collect(),
        ..Problem::default()
    }))
}

/// What outputs are compared with, and how.
pub(crate) struct Objective<'a> {
    pub(crate) loss: Loss,
    pub(crate) targets: &'a Targets,
    /// Σ weight, where the batch is part of a larger one.
    pub(crate) weight_sum: Option<f64>,
}

/// Losses of the outputs, which become activations, and their gradient in `dx`; `crf` is the last layer where it is one,
/// with the values of all parameters.
pub(crate) fn measure(
    context: &Context,
    config: &Config,
    rows_of: &OutputRows<'_>,
    out: &mut Outputs,
    Objective { loss, targets, weight_sum }: Objective<'_>,
    crf: Option<(&mut Crf, &[f32])>,
    dx: &mut cellstate_kernels::Buffer,
) -> Result<(Evaluation, Vec<f64>), Error> {
    let (columns, stride, packed) = (out.columns, out.stride(), rows_of.packed);
    // What has a loss and a weight: the rows of the output, or sequences.
    let units = if loss.per_sequence() { OutputRows { per_step: false, ..*rows_of } } else { *rows_of };
    let count = units.source().len();
    let what = units.what();
    if count == 0 {
        return Err(Error::Data(Box::new(Problem {
            message: format!("the batch has no {what} to learn from"),
            got: format!("{} empty sequences", packed.sequences()),
            needs: "one sequence or more with at least one step".into(),
            fix: vec!["leave out examples with an empty input".into()],
            ..Problem::default()
        })));
    }
    let weights = units.weights(targets)?;
    let own_weight: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let whole_weight = weight_sum.unwrap_or(own_weight);
    if whole_weight <= 0.0 {
        return Err(Error::Data(Box::new(Problem {
            message: "the weights of all examples of a batch are 0".into(),
            got: format!("{count} weights of 0"),
            needs: "a weight above 0".into(),
            why: "the loss is a mean over the weights".into(),
            fix: vec!["leave out examples of weight 0".into(), "or make the batches larger: batchSize".into()],
            ..Problem::default()
        })));
    }
    let scaled: Vec<f32> = weights.iter().map(|&w| (f64::from(w) / whole_weight) as f32).collect();
    let mut losses = vec![0.0; count];
    dx.resize(out.data.len())?;
    let x = &mut out.data;
    let name = config.layers.last().map_or("", |layer| layer.name());
    let (correct, rows) = match loss {
        Loss::Ctc { blank, zero_infinity } => {
            let (labels, ends) = units.labels(targets, columns, blank, !zero_infinity)?;
            let labels = ctc::Labels { labels: &labels, ends: &ends, blank };
            ctc::ctc(context, packed, x, columns, labels, &scaled, &mut losses, dx)?;
            if zero_infinity {
                let short = |&row: &usize| (packed.lengths()[row] as usize) < ctc::fewest_steps(labels.of(row));
                (0..count).filter(short).for_each(|row| losses[row] = 0.0);
            }
            let read = |row: usize| {
                let steps = packed.offsets()[..packed.lengths()[row] as usize].iter();
                let rows = steps.map(|&offset| &x[(offset as usize + row) * stride..][..columns]);
                ctc::decode::read(rows, blank) == labels.of(row)
            };
            ((0..count).filter(|&row| read(row)).count(), count)
        }
        Loss::Crf => {
            let (layer, values) = crf.expect("the loss was checked against the last layer");
            let classes = rows_of.classes(targets, columns, name)?;
            layer.log_likelihood(context, packed, values, x, &classes, &scaled, &mut losses, dx)?;
            let largest = |row: usize| largest(&x[row * stride..][..columns]) == classes[row] as usize;
            ((0..classes.len()).filter(|&row| largest(row)).count(), classes.len())
        }
        _ => {
            let (classes, values);
            let targets = if targets.classes.is_some() == targets.values.is_some() {
                return Err(Error::Argument("targets must be classes or values".into()));
            } else if targets.classes.is_some() {
                classes = units.classes(targets, columns, name)?;
                loss::Targets::Classes(&classes)
            } else {
                values = units.values(targets, loss.target_columns(columns))?;
                loss::Targets::Values(&values)
            };
            rows(context, loss, x, columns, targets, &scaled, &mut losses, dx)?;
            let hit = |&row: &usize| hit(loss, &x[row * stride..][..columns], targets, row);
            ((0..count).filter(hit).count(), count)
        }
    };
    let loss_sum = losses.iter().zip(&weights).map(|(l, &w)| l * f64::from(w)).sum();
    Ok((Evaluation { loss_sum, weight_sum: own_weight, penalty: 0.0, correct, rows, tokens: packed.tokens() }, losses))
}

/// Losses that the rows of an output have each of its own.
fn rows(
    context: &Context,
    loss: Loss,
    x: &mut [f32],
    columns: usize,
    targets: loss::Targets<'_>,
    weights: &[f32],
    losses: &mut [f64],
    dx: &mut [f32],
) -> Result<(), Error> {
    match loss {
        Loss::CategoricalCrossentropy { label_smoothing } => {
            loss::categorical_cross_entropy(context, x, columns, targets, label_smoothing, weights, losses, dx);
        }
        Loss::BinaryCrossentropy { label_smoothing: smoothing, positive_weight } => {
            let options = Binary { positive_weight, smoothing };
            loss::binary_cross_entropy(context, x, columns, targets, options, weights, losses, dx);
        }
        Loss::CategoricalFocalCrossentropy { gamma, alpha, label_smoothing: smoothing } => {
            let options = Focal { gamma, alpha: Some(alpha), smoothing };
            loss::categorical_focal(context, x, columns, targets, options, weights, losses, dx);
        }
        Loss::BinaryFocalCrossentropy { gamma, alpha, apply_class_balancing, label_smoothing: smoothing } => {
            let options = Focal { gamma, alpha: apply_class_balancing.then_some(alpha), smoothing };
            loss::binary_focal(context, x, columns, targets, options, weights, losses, dx);
        }
        Loss::MeanSquaredError => loss::mean_squared_error(x, columns, targets, weights, losses, dx),
        Loss::MeanAbsoluteError => loss::mean_absolute_error(context, x, columns, targets, weights, losses, dx),
        Loss::Huber { delta } => loss::huber(context, x, columns, targets, delta, weights, losses, dx),
        Loss::Quantile { quantiles } => match targets {
            loss::Targets::Values(values) => {
                loss::quantile(context, x, columns, values, quantiles.values(), weights, losses, dx);
            }
            loss::Targets::Classes(_) => {
                return Err(Error::Argument("targets must be values for loss 'quantile'".into()))
            }
        },
        Loss::CosineSimilarity => loss::cosine_similarity(context, x, columns, targets, weights, losses, dx),
        Loss::Ctc { .. } | Loss::Crf => unreachable!("a loss of sequences"),
    }
    Ok(())
}

/// The position of the largest number; the first of equal ones.
fn largest(x: &[f32]) -> usize {
    x.iter().enumerate().fold(0, |best, (i, &value)| if value > x[best] { i } else { best })
}

/// Whether a row says what the target is, where the loss is about classes.
fn hit(loss: Loss, outputs: &[f32], targets: loss::Targets<'_>, row: usize) -> bool {
    match (loss, targets) {
        (
            Loss::MeanSquaredError
            | Loss::MeanAbsoluteError
            | Loss::Huber { .. }
            | Loss::Quantile { .. }
            | Loss::CosineSimilarity,
            _,
        ) => false,
        (Loss::BinaryCrossentropy { .. } | Loss::BinaryFocalCrossentropy { .. }, loss::Targets::Values(values)) => {
            outputs.iter().zip(&values[row * outputs.len()..]).all(|(p, y)| (*p > 0.5) == (*y > 0.5))
        }
        (_, loss::Targets::Classes(classes)) => largest(outputs) == classes[row] as usize,
        (_, loss::Targets::Values(values)) => {
            largest(outputs) == largest(&values[row * outputs.len()..][..outputs.len()])
        }
    }
}
