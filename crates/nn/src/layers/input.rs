//! First layers: feature rows, and rows of an embedding table.

use super::build::{Building, Planner, Shape};
use super::{Activation, Gradient, Layer, Pass};
use crate::config::{EmbeddingConfig, LayerConfig};
use crate::initializers::{Draw, Fans};
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::embedding::{self, Distinct};
use cellstate_kernels::philox::{Purpose, Stream};
use cellstate_kernels::{dropout, elementwise, padded, Buffer};

/// Feature rows in packed order.
pub(crate) struct Input {
    pub(crate) features: usize,
}

impl Layer for Input {
    fn forward(&mut self, pass: &Pass<'_>, _x: &Activation, out: &mut Activation) -> Result<(), Error> {
        let values = pass.batch.values.as_deref().expect("the model takes no batch without values");
        let features = self.features;
        out.shape(pass, true, features)?;
        let stride = out.stride();
        for (row, &position) in out.data.chunks_exact_mut(stride).zip(pass.packed.positions()) {
            row[..features].copy_from_slice(&values[position as usize * features..][..features]);
            row[features..].fill(0.0);
        }
        Ok(())
    }

    fn backward(
        &mut self,
        _pass: &Pass<'_>,
        _x: &Activation,
        _y: &Activation,
        _dy: &mut Gradient,
        _dx: Option<&mut Gradient>,
        _gradients: &mut [f32],
    ) -> Result<(), Error> {
        Ok(())
    }

    fn bytes(&self) -> usize {
        0
    }
}

pub(crate) fn plan_embedding(
    config: &EmbeddingConfig,
    input: Shape,
    planner: &mut Planner<'_>,
) -> Result<Shape, Error> {
    let (vocabulary, columns) = (config.input_dim, config.output_dim);
    // PyTorch draws standard normal numbers.
    let draw = Draw::new(config.embeddings_initializer, Fans { input: vocabulary, output: columns }, 0.0, 1, 1);
    planner.add("embeddings", &[vocabulary, columns], draw, config.embeddings_regularizer)?;
    Ok(Shape { columns, ..input })
}

/// Rows of a table `[V, C]`. Gives a row a distinct token where the next layer can share them.
pub(crate) struct Embedding {
    stream: Stream,
    table: View,
    vocabulary: usize,
    columns: usize,
    dropout: f32,
    shared: bool,
    /// Tokens of the last pass, where they are not shared.
    distinct: Distinct,
    /// A factor a distinct token.
    scale: Vec<f32>,
    /// Rows of distinct tokens, or their gradients, where they are not shared or not given so.
    rows: Buffer,
    /// Bytes of the tables of distinct tokens, for the largest batch so far.
    distinct_bytes: usize,
}

impl Embedding {
    pub(crate) fn new(config: &EmbeddingConfig, building: &Building<'_>) -> Embedding {
        Embedding {
            stream: Stream { layer: building.layer, purpose: Purpose::WordDropout, gate: 0 },
            table: building.view("embeddings"),
            vocabulary: config.input_dim,
            columns: config.output_dim,
            dropout: config.dropout,
            shared: building.next.is_some_and(reads_slots),
            distinct: Distinct::default(),
            scale: Vec::new(),
            rows: Buffer::new(),
            distinct_bytes: 0,
        }
    }

    fn scale(&self, pass: &Pass<'_>) -> Option<&[f32]> {
        pass.drops(self.dropout).map(|_| &self.scale[..])
    }
}

/// Whether a layer reads its input through [`Activation::slots`].
fn reads_slots(layer: &LayerConfig) -> bool {
    layer.recurrent().is_some() || matches!(layer, LayerConfig::Dense(_) | LayerConfig::Conv1d(_))
}

impl Layer for Embedding {
    fn forward(&mut self, pass: &Pass<'_>, _x: &Activation, out: &mut Activation) -> Result<(), Error> {
        let ids = pass.batch.ids.as_deref().expect("the model takes no batch without ids");
        let mut distinct = out.distinct.take().unwrap_or_else(|| std::mem::take(&mut self.distinct));
        distinct
            .rebuild(self.vocabulary, pass.packed.positions().iter().map(|&position| ids[position as usize] as u32));
        // A bit and a slot a token type; token, start, slot and occurrence, of 4 bytes each.
        let bytes = self.vocabulary / 8 + 4 * self.vocabulary + 8 * (distinct.tokens().len() + distinct.slots().len());
        self.distinct_bytes = self.distinct_bytes.max(bytes);
        if let Some(generator) = pass.drops(self.dropout) {
            dropout::token_masks(generator, self.stream, distinct.tokens(), self.dropout, &mut self.scale);
        }
        let stride = padded(self.columns);
        let rows = if self.shared { &mut out.data } else { &mut self.rows };
        rows.resize(distinct.tokens().len() * stride)?;
        let scale = pass.drops(self.dropout).map(|_| &self.scale[..]);
        embedding::gather(pass.context, pass.value(&self.table), self.columns, distinct.tokens(), scale, rows);
        (out.columns, out.per_step) = (self.columns, true);
        if self.shared {
            out.distinct = Some(distinct);
        } else {
            out.shape(pass, true, self.columns)?;
            let (from, to) = ((&self.rows[..], stride, 0), (&mut out.data[..], stride, 0));
            elementwise::copy_columns(pass.context, from, Some(distinct.slots()), stride, to);
            self.distinct = distinct;
        }
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        _x: &Activation,
        y: &Activation,
        dy: &mut Gradient,
        _dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        if !self.table.trainable {
            return Ok(());
        }
        let distinct = y.distinct.as_ref().unwrap_or(&self.distinct);
        let rows = if dy.per_token {
            &dy.data
        } else {
            let stride = padded(self.columns);
            self.rows.resize(distinct.tokens().len() * stride)?;
            embedding::sum_occurrences(pass.context, distinct, &dy.data, stride, &mut self.rows);
            &self.rows
        };
        let table = &mut gradients[self.table.range()];
        embedding::scatter(pass.context, rows, self.columns, distinct.tokens(), self.scale(pass), table);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.rows.bytes() + self.scale.capacity() * 4 + self.distinct_bytes
    }
}
