//! Averages of the parameters over updates, which often do better than the last parameters.

use super::check;
use crate::Error;
use serde::Deserialize;

/// Which average is kept.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Average {
    /// `a = decay · a + (1 − decay) · x` after every update; the first x is taken as it is (Keras' `use_ema`, PyTorch's
    /// `AveragedModel`).
    Ema {
        /// Share of the average that stays.
        decay: f64,
    },
    /// The mean over some updates (Izmailov et al., 2018).
    Swa {
        /// Updates before the first that may count.
        from: u64,
        /// Every how many updates behind these one counts.
        every: u64,
    },
}

impl Average {
    pub(super) fn validate(&self) -> Result<(), Error> {
        match *self {
            Average::Ema { decay } => {
                let valid = (0.0..1.0).contains(&decay);
                check("optimizer.average", "decay", decay, valid, "at least 0 and below 1")
            }
            Average::Swa { every, .. } => {
                check("optimizer.average", "every", every as f64, every > 0, "a whole number from 1")
            }
        }
    }

    /// Weight of the values after update `update`, counted from 1, beside an average of `averaged`; none if they do not
    /// count.
    pub(super) fn weight(&self, update: u64, averaged: u64) -> Option<f64> {
        match *self {
            Average::Ema { .. } if averaged == 0 => Some(1.0),
            Average::Ema { decay } => Some(1.0 - decay),
            Average::Swa { from, every } => {
                let counts = update > from && (update - from).is_multiple_of(every);
                counts.then_some(1.0 / (averaged + 1) as f64)
            }
        }
    }
}
