//! The update of all parameters.

use super::{Clip, EpsilonMode, Optimizer, Rule, Settings};
use crate::overflow::{Culprit, Overflow};
use crate::parameters::{Parameters, View};
use crate::Error;
use cellstate_kernels::optimizer::{self, Parameter, Rows, Update};
use cellstate_kernels::{reduce, Context};

impl Settings {
    /// The update number `time`, counted from 1, of a parameter with these options.
    fn update(&self, learning_rate: f64, time: f64) -> Update {
        let rate = learning_rate * self.factor;
        let sides = |epsilon: f64, mode: EpsilonMode| match mode {
            EpsilonMode::Keras => (epsilon as f32, 0.0),
            EpsilonMode::Pytorch => (0.0, epsilon as f32),
        };
        let mut kept = 1.0 - rate * self.weight_decay;
        let (rule, rate) = match self.rule {
            Rule::Sgd { momentum, dampening, nesterov } => {
                let fresh = if time == 1.0 { 1.0 } else { 1.0 - dampening } as f32;
                (optimizer::Rule::Sgd { momentum: momentum as f32, fresh, nesterov }, rate)
            }
            Rule::RmsProp { rho, momentum, centered, epsilon, epsilon_mode } => {
                let (inside, outside) = sides(epsilon, epsilon_mode);
                let momentum = (momentum > 0.0).then_some(momentum as f32);
                (optimizer::Rule::RmsProp { rho: rho as f32, centered, momentum, inside, outside }, rate)
            }
            Rule::Adagrad { learning_rate_decay, epsilon, epsilon_mode, .. } => {
                let (inside, outside) = sides(epsilon, epsilon_mode);
                (optimizer::Rule::Adagrad { inside, outside }, rate / (1.0 + (time - 1.0) * learning_rate_decay))
            }
            Rule::Adam { beta1, beta2, epsilon, epsilon_mode, amsgrad, .. } => {
                let (first, second) = (1.0 - libm::pow(beta1, time), libm::sqrt(1.0 - libm::pow(beta2, time)));
                let epsilon = epsilon * if epsilon_mode == EpsilonMode::Pytorch { second } else { 1.0 };
                let (beta1, beta2, epsilon) = (beta1 as f32, beta2 as f32, epsilon as f32);
                (optimizer::Rule::Adam { beta1, beta2, epsilon, amsgrad }, rate * second / first)
            }
            Rule::Lion { beta1, beta2 } => (optimizer::Rule::Lion { beta1: beta1 as f32, beta2: beta2 as f32 }, rate),
            Rule::Asgd { lambd, alpha, .. } => {
                let rate = rate / libm::pow(1.0 + lambd * rate * (time - 1.0), alpha);
                kept -= lambd * rate;
                (optimizer::Rule::Sgd { momentum: 0.0, fresh: 1.0, nesterov: false }, rate)
            }
        };
        Update {
            rule,
            rate: rate as f32,
            keep: kept as f32,
            l2: self.l2 as f32,
            scale: 1.0,
            limit: f32::INFINITY,
            weight: 0.0,
        }
    }
}

/// Whether an update leaves values without a gradient as they are, and what is kept for them.
fn stands_still(update: &Update) -> bool {
    let forgets = match update.rule {
        optimizer::Rule::Sgd { momentum, .. } => momentum > 0.0,
        optimizer::Rule::Adagrad { .. } => false,
        _ => true,
    };
    !forgets && update.keep == 1.0 && update.l2 == 0.0
}

impl Optimizer {
    /// Weight of the values after update `update` in the average; none if they do not count.
    fn average_weight(&self, update: u64, averaged: u64) -> Option<f64> {
        match (&self.average, self.rule) {
            (Some(average), _) => average.weight(update, averaged),
            (None, Rule::Asgd { t0, .. }) => Some(1.0 / (update as f64 - 1.0 - t0).max(1.0)),
            _ => None,
        }
    }

    /// The norm of the gradients, or what overflowed; the parameters are as before then.
    pub(crate) fn update(
        &self,
        context: &Context,
        parameters: &mut Parameters,
    ) -> Result<Result<f64, (Overflow, Culprit)>, Error> {
        let settings = self.settings(&parameters.views)?;
        parameters.prepare_update(self)?;
        let Parameters { views, values, version, gradients, touched, updated, state } = &mut *parameters;
        for view in views.iter().filter(|view| !view.trainable) {
            gradients[view.range()].fill(0.0);
        }
        let norm_of = |sum: f32| libm::sqrt(f64::from(sum));
        let norm = norm_of(reduce::sum_of_squares_in(context, gradients, |range| touched.reach(range)));
        if !norm.is_finite() {
            let squares = |view: &View| reduce::sum_of_squares(context, &gradients[view.range()]);
            let view = views.iter().rev().find(|view| !squares(view).is_finite());
            let largest = || views.iter().max_by(|left, right| squares(left).total_cmp(&squares(right)));
            let layer = view.or_else(largest).map(|view| view.layer);
            return Ok(Err((Overflow::Gradients { loss: None }, Culprit { layer, sample: None })));
        }
        let scale = |limit: f64, norm: f64| if norm > limit { (limit / norm) as f32 } else { 1.0 };
        let number = state.updates + 1;
        let weight = self.average_weight(number, state.averaged);
        let rows = touched.rows();
        let mut only_rows = None;
        for (index, (view, settings)) in views.iter().zip(&settings).enumerate() {
            let range = view.range();
            if !view.trainable {
                updated[range.clone()].copy_from_slice(&values[range.clone()]);
                if let Some(weight) = weight {
                    average_still(weight, &values[range.clone()], &mut state.average[range]);
                }
                continue;
            }
            let mut update = settings.update(self.learning_rate, number as f64);
            match self.clip {
                Some(Clip::Value(limit)) => update.limit = limit as f32,
                Some(Clip::Norm(limit)) => {
                    let own = norm_of(reduce::sum_of_squares(context, &gradients[range.clone()]));
                    update.scale = scale(limit, own);
                }
                Some(Clip::GlobalNorm(limit)) => update.scale = scale(limit, norm),
                None => {}
            }
            update.weight = weight.unwrap_or(0.0) as f32;
            let rows = rows.filter(|&(table, _)| table == index).map(|(_, rows)| rows);
            let parameter = Parameter {
                from: &values[range.clone()],
                gradient: &gradients[range.clone()],
                state: state.slots.each_mut().map(|slot| slot.get_mut(range.clone()).unwrap_or_default()),
                average: match weight {
                    Some(_) => &mut state.average[range.clone()],
                    None => &mut [],
                },
                to: &mut updated[range.clone()],
            };
            let alone = settings.rule.lazy() || (weight.is_none() && stands_still(&update));
            let finite = match rows.filter(|_| alone) {
                Some(rows) => {
                    only_rows = Some((range, rows));
                    update.rows(context, parameter, rows)
                }
                None => update.all(context, parameter, rows),
            };
            if !finite {
                let layer = Some(view.layer);
                parameters.reset_optimizer();
                return Ok(Err((Overflow::Update, Culprit { layer, sample: None })));
            }
        }
        match only_rows {
            None => std::mem::swap(values, updated),
            Some((table, Rows { rows, columns })) => {
                let mut take = |range: std::ops::Range<usize>| values[range.clone()].copy_from_slice(&updated[range]);
                take(0..table.start);
                rows.iter().for_each(|&row| {
                    let first = table.start + row as usize * columns;
                    take(first..first + columns);
                });
                take(table.end..updated.len());
            }
        }
        *version += 1;
        state.updates = number;
        state.averaged += u64::from(weight.is_some());
        Ok(Ok(norm))
    }
}

/// The average of values that do not change: the first is taken.
fn average_still(weight: f64, values: &[f32], average: &mut [f32]) {
    if weight == 1.0 {
        average.copy_from_slice(values);
    }
}
