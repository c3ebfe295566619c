//! A gradient as the sum of the gradients of parts of a batch, so that several processes can compute it together and
//! come to the same bits as one.

use super::workspace::{Machine, Mode};
use super::{machine, Model};
use crate::loss::{Evaluation, Loss};
use crate::overflow::Culprit;
use crate::{regularization, Batch, Error, State, States, Targets};
use cellstate_kernels::{elementwise, Buffer};
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// Sequences `sequences` of a batch, and their targets; classes and values are `per_step`, weights too where `weighed`.
fn part(batch: &Batch, targets: &Targets, per_step: bool, weighed: bool, sequences: Range<usize>) -> (Batch, Targets) {
    let steps = |count: usize| batch.lengths[..count].iter().map(|&length| length as usize).sum::<usize>();
    let tokens = steps(sequences.start)..steps(sequences.end);
    let all = batch.lengths.len();
    fn cut<T: Clone>(values: &[T], of: usize, range: &Range<usize>) -> Vec<T> {
        let width = values.len().checked_div(of).unwrap_or(0);
        values[range.start * width..range.end * width].to_vec()
    }
    let state = |state: &State| State { h: cut(&state.h, all, &sequences), c: cut(&state.c, all, &sequences) };
    let total = steps(all);
    let of = |per_step: bool| if per_step { (total, &tokens) } else { (all, &sequences) };
    let (rows, range) = of(per_step);
    let (units, weights) = of(weighed);
    let classes = |classes: &Vec<u32>| match &targets.lengths {
        Some(lengths) => {
            let labels = |count: usize| {
                let lengths = &lengths[..count.min(lengths.len())];
                lengths.iter().map(|&length| length as usize).sum::<usize>().min(classes.len())
            };
            classes[labels(sequences.start)..labels(sequences.end)].to_vec()
        }
        None => cut(classes, rows, range),
    };
    (
        Batch {
            ids: batch.ids.as_ref().map(|ids| cut(ids, total, &tokens)),
            values: batch.values.as_ref().map(|values| cut(values, total, &tokens)),
            lengths: batch.lengths[sequences.clone()].to_vec(),
            samples: batch.samples[sequences.clone()].to_vec(),
            initial: batch.initial.iter().map(|(name, s)| (name.clone(), state(s))).collect::<States>(),
        },
        Targets {
            classes: targets.classes.as_ref().map(classes),
            lengths: targets.lengths.as_ref().map(|lengths| cut(lengths, all, &sequences)),
            values: targets.values.as_ref().map(|values| cut(values, rows, range)),
            weights: targets.weights.as_ref().map(|given| cut(given, units, weights)),
        },
    )
}

impl Model {
    /// Adds the gradients of `shards` parts of a batch: neighbours first, then pairs of neighbours, and so on. Part i of S
    /// has sequences N·i/S to N·(i + 1)/S.
    pub(super) fn sharded_gradient(
        &mut self,
        batch: &Batch,
        targets: &Targets,
        loss: Loss,
        mode: Mode,
        shards: usize,
        states: &mut States,
        cancel: &AtomicBool,
    ) -> Result<Result<Evaluation, (f64, Culprit)>, Error> {
        let sequences = batch.lengths.len();
        if shards == 0 || shards > sequences.max(1) {
            return Err(Error::Argument(format!(
                "gradientShards must be from 1 to the sequences of a batch, which is {sequences}, got {shards}"
            )));
        }
        let per_step = self.shapes.last().is_some_and(|shape| shape.per_step);
        let weighed = per_step && !loss.per_sequence();
        let rows = if weighed { mode.whole.tokens } else { sequences };
        let weight_sum = match &targets.weights {
            Some(weights) => weights.iter().map(|&weight| f64::from(weight)).sum(),
            None => rows as f64,
        };
        let mut whole = Evaluation {
            penalty: regularization::of_parameters(&self.parameters.views, &self.parameters.values),
            ..Evaluation::default()
        };
        // The sums that wait for their neighbour, with the number of parts in each, a power of two.
        let mut waiting: Vec<(usize, Buffer)> = Vec::new();
        let count = self.parameters.count();
        for shard in 0..shards {
            let range = sequences * shard / shards..sequences * (shard + 1) / shards;
            let (batch, targets) = part(batch, targets, per_step, weighed, range);
            let mut gradients = Buffer::zeros(count)?;
            let machine = machine!(self, cancel);
            let learns = !weighed || batch.lengths.iter().any(|&length| length > 0);
            if learns || mode.keeps_states {
                self.training.forward(machine, &batch, mode)?;
            }
            if learns {
                let (part, losses) = self.training.loss(machine, &targets, loss, Some(weight_sum))?;
                whole.loss_sum += part.loss_sum;
                whole.weight_sum += part.weight_sum;
                whole.correct += part.correct;
                whole.rows += part.rows;
                whole.tokens += part.tokens;
                whole.penalty += self.training.penalty(machine, &batch, mode);
                if !(part.loss_sum + whole.penalty).is_finite() {
                    return Ok(Err((part.loss_sum, self.training.overflowed_output(loss, &losses))));
                }
                self.training.backward(machine, &batch, mode, None, &mut gradients, None)?;
            }
            if mode.keeps_states {
                for (name, state) in self.training.states(machine, &batch, mode) {
                    let whole = states.entry(name).or_default();
                    whole.h.extend(state.h);
                    whole.c.extend(state.c);
                }
            }
            let mut sum = (1, gradients);
            while waiting.last().is_some_and(|last| last.0 == sum.0) {
                sum = joined(&self.context, waiting.pop().expect("it is there"), sum);
            }
            waiting.push(sum);
        }
        let mut sum = waiting.pop().expect("there is a part");
        while let Some(left) = waiting.pop() {
            sum = joined(&self.context, left, sum);
        }
        self.parameters.gradients.copy_from_slice(&sum.1);
        Ok(Ok(whole))
    }
}

fn joined(
    context: &cellstate_kernels::Context,
    (parts, mut left): (usize, Buffer),
    (more, right): (usize, Buffer),
) -> (usize, Buffer) {
    elementwise::add(context, &right, &mut left);
    (parts + more, left)
}
