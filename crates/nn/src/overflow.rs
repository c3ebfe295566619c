//! Finds where values overflowed, in words for a person. Nothing here runs before a loss, a gradient or an
//! update was found not to be finite.

use crate::layers::{Activation, Pass};
use crate::parameters::Parameters;
use crate::{Batch, Config, Error, Optimizer, Problem, Targets};

/// Largest magnitude that says nothing about the cause.
const ORDINARY: f32 = 1e3;
/// A learning rate that most models take.
const USUAL_RATE: f64 = 1e-3;

/// What was not finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Overflow {
    /// The loss of a step or of an evaluation.
    Loss(f64),
    /// The gradients, though the loss is this number.
    Gradients { loss: Option<f64> },
    /// The parameters after the update.
    Update,
}

/// Layer and sample in which values overflowed first, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Culprit {
    /// Position in the configuration.
    pub(crate) layer: Option<usize>,
    /// Index in the data set.
    pub(crate) sample: Option<u32>,
}

/// What a step was made of.
pub(crate) struct Step<'a> {
    pub(crate) config: &'a Config,
    pub(crate) parameters: &'a Parameters,
    pub(crate) batch: Option<&'a Batch>,
    pub(crate) targets: Option<&'a Targets>,
    pub(crate) optimizer: Option<&'a Optimizer>,
}

/// The error for `overflow`: its place, the likely cause and what mends it.
pub(crate) fn error(overflow: Overflow, culprit: Culprit, step: &Step<'_>) -> Error {
    let layer = culprit.layer.map(|index| format!("layer {}", step.config.layers[index].name()));
    let sample = culprit.sample.map(|sample| format!("example {sample}"));
    let place = [layer, sample].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let at = if place.is_empty() { String::new() } else { format!(" in {place}") };
    let (message, got) = match overflow {
        Overflow::Loss(loss) => (format!("the loss overflows{at}"), format!("a loss of {loss}")),
        Overflow::Gradients { loss } => {
            let got = loss.map_or("gradients that are not finite".into(), |loss| {
                format!("gradients that are not finite, with a loss of {}", number(loss))
            });
            (format!("the gradients overflow{at}"), got)
        }
        Overflow::Update => (format!("the update overflows{at}"), "weights that are not finite".into()),
    };
    let (why, fix) = cause(overflow, step);
    Error::NonFinite(Box::new(Problem {
        message,
        place,
        got,
        needs: "numbers below 3.4e38, the largest of 32 bits; the weights are those before the step".into(),
        why,
        fix,
    }))
}

/// Why values overflowed, judged by the largest numbers in play, and what mends it.
fn cause(overflow: Overflow, step: &Step<'_>) -> (String, Vec<String>) {
    let Parameters { views, values, .. } = step.parameters;
    let broken = views.iter().find(|view| values[view.range()].iter().any(|x| !x.is_finite()));
    if let Some(view) = broken {
        let count = values[view.range()].iter().filter(|x| !x.is_finite()).count();
        let why = format!("{} holds weights that are not finite: {count} of {}", view.name, view.len());
        return (why, vec!["load other weights: those of this model were saved after they overflowed".into()]);
    }
    let rate = step.optimizer.map(|optimizer| optimizer.learning_rate);
    let smaller = rate.map_or(USUAL_RATE, |rate| if rate > USUAL_RATE { USUAL_RATE } else { rate / 10.0 });
    let kind = step.optimizer.map_or("adam", |optimizer| optimizer.rule.kind());
    let calmer = format!("{kind}({{ learningRate: {smaller}, globalClipNorm: 1 }})");
    if overflow == Overflow::Update {
        let why = format!("learningRate {} makes steps that are too large", rate.map(number).unwrap_or_default());
        return (why, vec![calmer]);
    }
    let weights = views.iter().map(|view| (largest(&values[view.range()]), &*view.name));
    let (weight, name) = weights.fold((0.0, ""), |most, next| if next.0 > most.0 { next } else { most });
    let input = step.batch.and_then(|batch| batch.values.as_deref()).map_or(0.0, largest);
    let target = step.targets.and_then(|targets| targets.values.as_deref()).map_or(0.0, largest);
    let most = weight.max(input).max(target);
    if most <= ORDINARY {
        let why = "values grow from layer to layer, or from step to step".into();
        return (why, vec![calmer, "or fewer layers, or bounded activations such as 'tanh'".into()]);
    }
    if most == weight {
        let why = format!("the weights of {name} have grown to {}: earlier steps were too large", number(weight));
        return (why, vec![format!("begin with new weights and {calmer}")]);
    }
    let what = if most == input { "input" } else { "target" };
    let divisor = format!("1e{}", (f64::from(most).log10() - 1e-6).ceil());
    let why = format!("the {what}s reach {}", number(most));
    (why, vec![format!("scale the {what}s to about -1 to 1, for example: {what} / {divisor}")])
}

/// The largest magnitude; a value that is not finite counts as infinite.
pub(crate) fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, x| if x.is_finite() { x.abs().max(most) } else { f32::INFINITY })
}

/// `4.2e12`, `0.25`.
fn number(value: impl Into<f64>) -> String {
    let value = value.into();
    if value != 0.0 && value.is_finite() && !(1e-4..1e6).contains(&value.abs()) {
        format!("{value:.1e}").replace(".0e", "e")
    } else {
        format!("{value}")
    }
}

/// Rows of values: one a packed step, one a sequence, or one a distinct token with the row of every step.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) columns: usize,
    pub(crate) stride: usize,
    pub(crate) per_step: bool,
    pub(crate) slots: Option<&'a [u32]>,
}

impl<'a> Table<'a> {
    pub(crate) fn of(activation: &'a Activation) -> Table<'a> {
        Table {
            data: &activation.data,
            columns: activation.columns,
            stride: activation.stride(),
            per_step: activation.per_step,
            slots: activation.slots(),
        }
    }

    fn rows(&self) -> impl Iterator<Item = &'a [f32]> {
        let columns = self.columns;
        self.data.chunks_exact(self.stride).map(move |row| &row[..columns])
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.rows().all(|row| row.iter().all(|x| x.is_finite()))
    }

    /// The largest magnitude of every sequence.
    fn largest(&self, pass: &Pass<'_>) -> Vec<f32> {
        let rows: Vec<f32> = self.rows().map(largest).collect();
        let mut most = vec![0.0f32; pass.packed.sequences()];
        if !self.per_step {
            most.copy_from_slice(&rows);
            return most;
        }
        for (position, &sequence) in pass.packed.rows().iter().enumerate() {
            let row = self.slots.map_or(position, |slots| slots[position] as usize);
            let entry = &mut most[sequence as usize];
            *entry = entry.max(rows[row]);
        }
        most
    }
}

/// The sample whose gradient `dx` is not finite; if all are, the one that adds most to the gradient of the
/// parameters, which is made of products of `x` and `dy`.
pub(crate) fn sample(pass: &Pass<'_>, x: Option<Table<'_>>, dy: Table<'_>, dx: Option<Table<'_>>) -> Option<u32> {
    let first = dx.and_then(|dx| dx.largest(pass).iter().position(|most| most.is_infinite()));
    let sequence = first.or_else(|| {
        let factors = x.map(|x| x.largest(pass));
        let shares = dy.largest(pass).into_iter().enumerate().map(|(sequence, most)| {
            let factor = factors.as_ref().map_or(1.0, |factors| factors[sequence]);
            (sequence, f64::from(most) * f64::from(factor))
        });
        shares.max_by(|left, right| left.1.total_cmp(&right.1)).map(|(sequence, _)| sequence)
    });
    sequence.map(|sequence| pass.samples[sequence])
}
