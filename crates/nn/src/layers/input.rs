//! First layers: feature rows, and rows of an embedding table.

use super::{Activation, Gradient, Pass};
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::embedding::{self, Distinct};
use cellstate_kernels::philox::{Purpose, Stream};
use cellstate_kernels::{dropout, padded, Buffer};

/// Feature rows in packed order.
pub(crate) struct Input {
    pub(crate) features: usize,
}

impl Input {
    pub(crate) fn forward(&mut self, pass: &Pass<'_>, values: &[f32], out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, true, self.features)?;
        out.distinct = None;
        let stride = out.stride();
        for (row, &position) in out.data.chunks_exact_mut(stride).zip(pass.packed.positions()) {
            row[..self.features].copy_from_slice(&values[position as usize * self.features..][..self.features]);
            row[self.features..].fill(0.0);
        }
        Ok(())
    }
}

/// Rows of a table. Gives a row a distinct token where the next layer can share them.
pub(crate) struct Embedding {
    layer: u32,
    table: View,
    vocabulary: usize,
    columns: usize,
    dropout: f32,
    shared: bool,
    distinct: Distinct,
    scale: Vec<f32>,
    rows: Buffer,
}

impl Embedding {
    pub(crate) fn new(layer: u32, table: View, dropout: f32, shared: bool) -> Embedding {
        let (vocabulary, columns) = (table.shape[0], table.shape[1]);
        Embedding {
            layer,
            table,
            vocabulary,
            columns,
            dropout,
            shared,
            distinct: Distinct::default(),
            scale: Vec::new(),
            rows: Buffer::new(),
        }
    }

    fn scale(&self, pass: &Pass<'_>) -> Option<&[f32]> {
        pass.drops(self.dropout).map(|_| &self.scale[..])
    }

    pub(crate) fn forward(&mut self, pass: &Pass<'_>, ids: &[i32], out: &mut Activation) -> Result<(), Error> {
        let mut distinct = out.distinct.take().unwrap_or_else(|| std::mem::take(&mut self.distinct));
        distinct
            .rebuild(self.vocabulary, pass.packed.positions().iter().map(|&position| ids[position as usize] as u32));
        if let Some(generator) = pass.drops(self.dropout) {
            let stream = Stream { layer: self.layer, purpose: Purpose::WordDropout, gate: 0 };
            dropout::token_masks(generator, stream, distinct.tokens(), self.dropout, &mut self.scale);
        }
        let stride = padded(self.columns);
        out.columns = self.columns;
        out.per_step = true;
        let rows = if self.shared { &mut out.data } else { &mut self.rows };
        rows.resize(distinct.tokens().len() * stride)?;
        let scale = pass.drops(self.dropout).map(|_| &self.scale[..]);
        embedding::gather(pass.context, pass.value(&self.table), self.columns, distinct.tokens(), scale, rows);
        if self.shared {
            out.distinct = Some(distinct);
        } else {
            out.data.resize(pass.packed.tokens() * stride)?;
            for (to, &slot) in out.data.chunks_exact_mut(stride).zip(distinct.slots()) {
                to.copy_from_slice(&self.rows[slot as usize * stride..][..stride]);
            }
            self.distinct = distinct;
        }
        Ok(())
    }

    pub(crate) fn backward(
        &mut self,
        pass: &Pass<'_>,
        y: &Activation,
        dy: &Gradient,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let distinct = y.distinct.as_ref().unwrap_or(&self.distinct);
        let table = &mut gradients[self.table.range()];
        if dy.per_token {
            embedding::scatter(pass.context, &dy.data, self.columns, distinct.tokens(), self.scale(pass), table);
        } else {
            let stride = padded(self.columns);
            let mut rows = std::mem::take(&mut self.rows);
            rows.resize(distinct.tokens().len() * stride)?;
            embedding::sum_occurrences(pass.context, distinct, &dy.data, stride, &mut rows);
            embedding::scatter(pass.context, &rows, self.columns, distinct.tokens(), self.scale(pass), table);
            self.rows = rows;
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes()
    }
}
