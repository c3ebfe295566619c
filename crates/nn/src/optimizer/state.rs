//! What an optimizer keeps from update to update, in named buffers, to be written and read.

use super::{Optimizer, Rule};
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::optimizer::SLOTS;
use cellstate_kernels::Buffer;
use std::collections::BTreeMap;

/// Names of what the rules keep, in the order of [`cellstate_kernels::optimizer::Rule`].
const NAMES: [(&str, [&str; SLOTS]); 6] = [
    ("sgd", ["momentum", "", ""]),
    ("rmsprop", ["mean_square", "mean", "momentum"]),
    ("adagrad", ["accumulator", "", ""]),
    ("adam", ["first_moment", "second_moment", "largest_second_moment"]),
    ("lion", ["moment", "", ""]),
    ("asgd", ["", "", ""]),
];

/// Name of the average.
const AVERAGE: &str = "average";

/// What is kept for one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct StateTensor {
    /// `<buffer>/<parameter>`, as `first_moment/lstm.kernel`.
    pub name: String,
    /// Shape of the parameter.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f32>,
}

/// Everything by which the next update differs from the first: with it and the parameters, training goes on to the bit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OptimizerState {
    /// Kind of the optimizer of the last update; empty before the first.
    pub kind: String,
    /// `steps` of the model, which dropout is drawn by; `updates` of this optimizer; values that were `averaged`; whether
    /// the model has the average (1) and the buffer of it what was averaged.
    pub counters: BTreeMap<String, u64>,
    /// Buffers of all parameters.
    pub tensors: Vec<StateTensor>,
}

/// The buffers, each as long as all parameters together.
#[derive(Default)]
pub(crate) struct State {
    /// Kind of the optimizer that they belong to.
    kind: Option<&'static str>,
    /// Which slots are in use.
    used: [bool; SLOTS],
    pub(super) slots: [Buffer; SLOTS],
    pub(super) average: Buffer,
    pub(super) averages: bool,
    /// Updates done.
    pub(crate) updates: u64,
    /// Values that the average is made of.
    pub(super) averaged: u64,
    /// Whether the parameters are the average, and the average what was averaged.
    pub(crate) swapped: bool,
}

impl Rule {
    /// Which slots the rule needs.
    pub(super) fn slots(&self) -> [bool; SLOTS] {
        match *self {
            Rule::Sgd { momentum, .. } => [momentum > 0.0, false, false],
            Rule::RmsProp { momentum, centered, .. } => [true, centered, momentum > 0.0],
            Rule::Adagrad { .. } | Rule::Lion { .. } => [true, false, false],
            Rule::Adam { amsgrad, .. } => [true, true, amsgrad],
            Rule::Asgd { .. } => [false; SLOTS],
        }
    }

    /// What a slot begins with.
    fn initial(&self) -> f32 {
        match *self {
            Rule::Adagrad { initial_accumulator, .. } => initial_accumulator as f32,
            _ => 0.0,
        }
    }
}

impl Optimizer {
    /// Whether an average is kept.
    pub(super) fn averages(&self) -> bool {
        self.average.is_some() || matches!(self.rule, Rule::Asgd { .. })
    }
}

impl State {
    /// Buffers for an update of `count` values. Those of another kind of optimizer are forgotten.
    pub(crate) fn prepare(&mut self, optimizer: &Optimizer, count: usize) -> Result<(), Error> {
        let rule = &optimizer.rule;
        if self.kind != Some(rule.kind()) {
            *self = State { kind: Some(rule.kind()), ..State::default() };
        }
        let needed = rule.slots();
        for ((slot, used), needed) in self.slots.iter_mut().zip(&mut self.used).zip(needed) {
            if !needed {
                (*slot, *used) = (Buffer::new(), false);
            } else if !*used || slot.len() != count {
                slot.resize(count)?;
                slot.fill(rule.initial());
                *used = true;
            }
        }
        if !optimizer.averages() {
            (self.average, self.averages, self.averaged) = (Buffer::new(), false, 0);
        } else if !self.averages {
            self.average.resize(count)?;
            (self.averages, self.averaged) = (true, 0);
        }
        Ok(())
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        *self = State::default();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots.iter().map(Buffer::bytes).sum::<usize>() + self.average.bytes()
    }

    /// Exchanges the parameters with their average, if there is one and they are not what is asked for; whether it did.
    pub(crate) fn swap(&mut self, values: &mut Buffer, average: bool) -> bool {
        let swaps = self.averaged > 0 && self.swapped != average;
        if swaps {
            std::mem::swap(values, &mut self.average);
            self.swapped = average;
        }
        swaps
    }

    pub(crate) fn export(&self, views: &[View], steps: u32) -> OptimizerState {
        let names = NAMES.iter().find(|(kind, _)| Some(*kind) == self.kind).map_or([""; SLOTS], |(_, names)| *names);
        let slots = names.into_iter().zip(&self.slots).zip(self.used).filter(|(_, used)| *used).map(|(slot, _)| slot);
        let average = Some((AVERAGE, &self.average)).filter(|_| self.averaged > 0);
        let tensors = slots.chain(average).flat_map(|(name, buffer)| {
            views.iter().map(move |view| StateTensor {
                name: format!("{name}/{}", view.name),
                shape: view.shape.clone(),
                values: buffer[view.range()].to_vec(),
            })
        });
        let counters = [
            ("steps", u64::from(steps)),
            ("updates", self.updates),
            ("averaged", self.averaged),
            ("swapped", u64::from(self.swapped)),
        ];
        OptimizerState {
            kind: self.kind.unwrap_or_default().into(),
            counters: counters.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            tensors: tensors.collect(),
        }
    }

    /// The state that was exported, and the steps of the model.
    pub(crate) fn import(views: &[View], count: usize, from: &OptimizerState) -> Result<(State, u32), Error> {
        let wrong = |what: String| Error::Argument(format!("optimizer state {what}"));
        let counter = |name: &str| {
            let found = from.counters.get(name).copied();
            found.ok_or_else(|| wrong(format!("must have the counter {name}, got none")))
        };
        let steps = u32::try_from(counter("steps")?).map_err(|_| wrong("must have fewer than 2^32 steps".into()))?;
        let mut state = State {
            updates: counter("updates")?,
            averaged: counter("averaged")?,
            swapped: counter("swapped")? != 0,
            ..State::default()
        };
        let mut names = [""; SLOTS];
        if !from.kind.is_empty() {
            let Some((kind, found)) = NAMES.iter().find(|(kind, _)| *kind == from.kind) else {
                let kinds: Vec<&str> = NAMES.iter().map(|(kind, _)| *kind).collect();
                return Err(wrong(format!("must be of {}, got {:?}", kinds.join(", "), from.kind)));
            };
            (state.kind, names) = (Some(*kind), *found);
        }
        let mut tensors: BTreeMap<&str, &StateTensor> =
            from.tensors.iter().map(|tensor| (&*tensor.name, tensor)).collect();
        let mut read = |buffer: &mut Buffer, name: &str| -> Result<bool, Error> {
            let first = views.first().map(|view| format!("{name}/{}", view.name)).unwrap_or_default();
            if name.is_empty() || !tensors.contains_key(&*first) {
                return Ok(false);
            }
            buffer.resize(count)?;
            for view in views {
                let name = format!("{name}/{}", view.name);
                let tensor = tensors.remove(&*name).ok_or_else(|| wrong(format!("must have {name}, got none")))?;
                if tensor.shape != view.shape || tensor.values.len() != view.len() {
                    let (needs, got) = (&view.shape, &tensor.shape);
                    return Err(wrong(format!("{name} must have shape {needs:?}, got {got:?}")));
                }
                if let Some(index) = tensor.values.iter().position(|x| x.is_nan()) {
                    return Err(wrong(format!("{name}[{index}] must be a number, got NaN")));
                }
                buffer[view.range()].copy_from_slice(&tensor.values);
            }
            Ok(true)
        };
        for ((slot, used), name) in state.slots.iter_mut().zip(&mut state.used).zip(names) {
            *used = read(slot, name)?;
        }
        state.averages = read(&mut state.average, AVERAGE)?;
        if state.averages != (state.averaged > 0) {
            return Err(wrong("must have an average where values were averaged, and only there".into()));
        }
        if let Some(name) = tensors.keys().next() {
            return Err(wrong(format!("must have the buffers of {:?}, got {name}", from.kind)));
        }
        Ok((state, steps))
    }
}
