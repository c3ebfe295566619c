//! Ragged batches, targets and outputs as callers give and get them: in the order of the sequences,
//! concatenated, without padding.

use std::collections::BTreeMap;

/// The state of one direction of a recurrent layer, in the order of the sequences.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Hidden state `[N, R]`.
    pub h: Vec<f32>,
    /// Cell state `[N, H]`; empty for a cell that has none.
    pub c: Vec<f32>,
}

/// States by the name of the layer; `<name>.forward` and `<name>.backward` for a bidirectional one.
pub type States = BTreeMap<String, State>;

/// A batch of sequences: ids for a model with an embedding, feature rows for one with an input layer.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Concatenated token ids `[P]`.
    pub ids: Option<Vec<i32>>,
    /// Concatenated feature rows `[P, features]`.
    pub values: Option<Vec<f32>>,
    /// Length of every sequence; 0 is allowed.
    pub lengths: Vec<u32>,
    /// Index of every sequence in its data set: what its dropout masks depend on.
    pub samples: Vec<u32>,
    /// States before the first step; zero where none is given.
    pub initial: States,
}

/// What the outputs should have been, and how much each counts.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// A class for every output row; with `lengths`, the labels of all sequences.
    pub classes: Option<Vec<u32>>,
    /// How many labels every sequence has, where they are no classes of its steps.
    pub lengths: Option<Vec<u32>>,
    /// Values of every output row `[rows, outputs]`.
    pub values: Option<Vec<f32>>,
    /// Weight of every output row, or of every sequence where the loss is one of sequences; 1 where there are none.
    pub weights: Option<Vec<f32>>,
}

/// Outputs without padding: a row a sequence, or a row a step where `lengths` is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// `[rows, features]`.
    pub values: Vec<f32>,
    /// Lengths of the sequences, for outputs of every step.
    pub lengths: Option<Vec<u32>>,
    /// Columns of a row.
    pub features: usize,
    /// States after the last step, of the layers that return them.
    pub states: States,
}
