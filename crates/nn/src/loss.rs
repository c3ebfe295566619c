//! Losses of the last layer's outputs, and the targets that they are measured against.

use crate::config::{Activation, Config, LayerConfig};
use crate::layers::Activation as Outputs;
use crate::{Error, Problem, Targets};
use cellstate_kernels::{loss, Context, Packed};

/// A loss, computed from the last layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// −Σ y·log p of a softmax; targets are classes or distributions.
    CategoricalCrossentropy,
    /// −y·log p − (1 − y)·log(1 − p) of a sigmoid, the mean over outputs.
    BinaryCrossentropy,
    /// (x − y)², the mean over outputs.
    MeanSquaredError,
}

/// Sums over the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Evaluation {
    /// Σ weight · loss.
    pub loss_sum: f64,
    /// Σ weight.
    pub weight_sum: f64,
    /// What regularizers add to the mean loss of this batch.
    pub penalty: f64,
    /// Output rows whose largest output is the target.
    pub correct: usize,
    /// Output rows.
    pub rows: usize,
    /// P.
    pub tokens: usize,
}

impl Loss {
    /// The loss of this name, as Keras writes it in camel case.
    pub fn named(name: &str) -> Result<Loss, Error> {
        match name {
            "categoricalCrossentropy" | "sparseCategoricalCrossentropy" => Ok(Loss::CategoricalCrossentropy),
            "binaryCrossentropy" => Ok(Loss::BinaryCrossentropy),
            "meanSquaredError" => Ok(Loss::MeanSquaredError),
            _ => Err(Error::Argument(format!(
                "loss must be categoricalCrossentropy, sparseCategoricalCrossentropy, binaryCrossentropy or meanSquaredError, got {name:?}"
            ))),
        }
    }

    /// The activation whose logits this loss takes.
    pub(crate) fn activation(self) -> Option<Activation> {
        match self {
            Loss::CategoricalCrossentropy => Some(Activation::Softmax),
            Loss::BinaryCrossentropy => Some(Activation::Sigmoid),
            Loss::MeanSquaredError => None,
        }
    }

    /// Refuses a model that does not end as the loss needs.
    pub(crate) fn check(self, config: &Config) -> Result<(), Error> {
        let (Some(needed), last) = (self.activation(), config.layers.last()) else { return Ok(()) };
        let name = if needed == Activation::Softmax { "softmax" } else { "sigmoid" };
        let (got, units) = match last {
            Some(LayerConfig::Dense(dense)) if dense.activation == needed => return Ok(()),
            Some(LayerConfig::Dense(dense)) => ("a dense layer with another one", dense.units),
            last => (last.map_or("nothing", LayerConfig::kind), 2),
        };
        Err(Error::Argument(format!(
            "loss must follow a dense layer with activation '{name}', got {got}; end the model with dense({{ units: {units}, activation: '{name}' }})"
        )))
    }
}

/// The rows of an output in the order of the batch, and the examples they belong to.
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
}

/// Losses of the outputs, which become activations, and their gradient in `dx`; Σ weight is `weight_sum` where the
/// batch is part of a larger one.
pub(crate) fn measure(
    context: &Context,
    config: &Config,
    rows_of: &OutputRows<'_>,
    out: &mut Outputs,
    targets: &Targets,
    loss: Loss,
    weight_sum: Option<f64>,
    dx: &mut cellstate_kernels::Buffer,
) -> Result<(Evaluation, Vec<f64>), Error> {
    let (columns, stride) = (out.columns, out.stride());
    let source = rows_of.source();
    let rows = source.len();
    let what = if rows_of.per_step { "steps" } else { "sequences" };
    let expect = |name: &str, got: usize, expected: usize| {
        if got == expected {
            Ok(())
        } else {
            Err(Error::Argument(format!("{name} has {got} entries, expected {expected} for {rows} {what}")))
        }
    };
    if rows == 0 {
        return Err(Error::Data(Box::new(Problem {
            message: format!("the batch has no {what} to learn from"),
            got: format!("{} empty sequences", rows_of.packed.sequences()),
            needs: "one sequence or more with at least one step".into(),
            fix: vec!["leave out examples with an empty input".into()],
            ..Problem::default()
        })));
    }
    let mut weights = vec![1.0f32; rows];
    if let Some(given) = &targets.weights {
        expect("weights", given.len(), rows)?;
        if let Some(index) = given.iter().position(|w| !w.is_finite() || *w < 0.0) {
            let place = rows_of.place(index);
            return Err(Error::Data(Box::new(Problem {
                message: format!("{place}: its weight cannot be used"),
                place,
                got: given[index].to_string(),
                needs: "a finite number that is not negative".into(),
                fix: vec!["give another weight, or leave it out: it is 1 then".into()],
                ..Problem::default()
            })));
        }
        weights.iter_mut().zip(source).for_each(|(w, &i)| *w = given[i as usize]);
    }
    let own_weight: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let whole_weight = weight_sum.unwrap_or(own_weight);
    if whole_weight <= 0.0 {
        return Err(Error::Data(Box::new(Problem {
            message: "the weights of all examples of a batch are 0".into(),
            got: format!("{rows} weights of 0"),
            needs: "a weight above 0".into(),
            why: "the loss is a mean over the weights".into(),
            fix: vec!["leave out examples of weight 0".into(), "or make the batches larger: batchSize".into()],
            ..Problem::default()
        })));
    }
    let (classes, values);
    let targets = match (&targets.classes, &targets.values) {
        (Some(given), None) => {
            expect("targets", given.len(), rows)?;
            if let Some(index) = given.iter().position(|&class| class as usize >= columns) {
                let place = rows_of.place(index);
                return Err(Error::Data(Box::new(Problem {
                    message: format!("{place}: its target is no class of the model"),
                    place,
                    got: format!("class {}", given[index]),
                    needs: format!(
                        "a class from 0 to {}, the outputs of {}",
                        columns - 1,
                        config.layers.last().map_or("", |l| l.name())
                    ),
                    fix: vec![format!("dense({{ units: {}, activation: 'softmax' }})", given[index] + 1)],
                    ..Problem::default()
                })));
            }
            classes = source.iter().map(|&i| given[i as usize]).collect::<Vec<_>>();
            loss::Targets::Classes(&classes)
        }
        (None, Some(given)) => {
            expect("targets", given.len(), rows * columns)?;
            if let Some(index) = given.iter().position(|y| !y.is_finite()) {
                let place = rows_of.place(index / columns);
                return Err(Error::Data(Box::new(Problem {
                    message: format!("{place}: its target is not a finite number"),
                    place,
                    got: format!("{} in output {}", given[index], index % columns),
                    needs: "finite numbers".into(),
                    fix: vec!["leave the example out, or fill the value in".into()],
                    ..Problem::default()
                })));
            }
            values =
                source.iter().flat_map(|&i| &given[i as usize * columns..][..columns]).copied().collect::<Vec<_>>();
            loss::Targets::Values(&values)
        }
        _ => return Err(Error::Argument("targets must be classes or values".into())),
    };
    let scaled: Vec<f32> = weights.iter().map(|&w| (f64::from(w) / whole_weight) as f32).collect();
    let mut losses = vec![0.0; rows];
    dx.resize(out.data.len())?;
    let x = &mut out.data;
    match loss {
        Loss::CategoricalCrossentropy => {
            loss::categorical_cross_entropy(context, x, columns, targets, &scaled, &mut losses, dx)
        }
        Loss::BinaryCrossentropy => loss::binary_cross_entropy(context, x, columns, targets, &scaled, &mut losses, dx),
        Loss::MeanSquaredError => loss::mean_squared_error(x, columns, targets, &scaled, &mut losses, dx),
    }
    let correct = (0..rows).filter(|&row| hit(loss, &x[row * stride..][..columns], targets, row)).count();
    let loss_sum = losses.iter().zip(&weights).map(|(l, &w)| l * f64::from(w)).sum();
    let tokens = rows_of.packed.tokens();
    Ok((Evaluation { loss_sum, weight_sum: own_weight, penalty: 0.0, correct, rows, tokens }, losses))
}

fn hit(loss: Loss, outputs: &[f32], targets: loss::Targets<'_>, row: usize) -> bool {
    let largest = |x: &[f32]| x.iter().enumerate().fold(0, |best, (i, &value)| if value > x[best] { i } else { best });
    match (loss, targets) {
        (Loss::MeanSquaredError, _) => false,
        (Loss::BinaryCrossentropy, loss::Targets::Values(values)) => {
            outputs.iter().zip(&values[row * outputs.len()..]).all(|(p, y)| (*p > 0.5) == (*y > 0.5))
        }
        (_, loss::Targets::Classes(classes)) => largest(outputs) == classes[row] as usize,
        (_, loss::Targets::Values(values)) => {
            largest(outputs) == largest(&values[row * outputs.len()..][..outputs.len()])
        }
    }
}
