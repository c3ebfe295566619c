//! States that a run carries from step to step: between the chunks of long sequences, or from batch to batch.

use super::session::check_continues;
use super::NEW_SEQUENCE;
use crate::config::Config;
use crate::{Batch, Error, State, States};

/// The states after the last step.
#[derive(Default)]
pub(super) struct Carried {
    pub(super) sequences: usize,
    pub(super) states: States,
}

impl Carried {
    /// The batch with the states that its sequences go on from.
    pub(super) fn continued(&self, config: &Config, batch: &Batch, from: &[u32]) -> Result<Batch, Error> {
        check_continues(config, "train")?;
        let wrong = |what: String| Err(Error::Argument(format!("carried {what}")));
        if from.len() != batch.lengths.len() {
            return wrong(format!("has {} entries, expected {} (the sequences)", from.len(), batch.lengths.len()));
        }
        let sequences = self.sequences;
        if let Some(row) = from.iter().find(|&&row| row != NEW_SEQUENCE && row as usize >= sequences) {
            return wrong(format!("must name one of the {sequences} sequences of the step before, got {row}"));
        }
        let mut initial = States::new();
        if from.iter().any(|&row| row != NEW_SEQUENCE) {
            let rows = |values: &[f32]| {
                let width = values.len() / sequences;
                let mut out = vec![0.0; from.len() * width];
                for (to, &row) in out.chunks_exact_mut(width.max(1)).zip(from) {
                    if row != NEW_SEQUENCE {
                        to.copy_from_slice(&values[row as usize * width..][..width]);
                    }
                }
                out
            };
            let states = self.states.iter();
            initial =
                states.map(|(name, state)| (name.clone(), State { h: rows(&state.h), c: rows(&state.c) })).collect();
        }
        Ok(Batch { initial, ..batch.clone() })
    }
}
