//! All parameters of a model in one run of memory, with named views; gradients and what optimizers keep beside them.

use crate::config::Regularizer;
use crate::initializers::Draw;
use crate::optimizer::{Optimizer, State};
use crate::Error;
use cellstate_kernels::optimizer::Rows;
use cellstate_kernels::{elementwise, Buffer, Context};
use std::ops::Range;

/// One parameter: its name, shape and place.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// `<layer>.<parameter>`, such as `lstm.recurrent_kernel`.
    pub name: String,
    /// Rows and columns, as in Keras.
    pub shape: Vec<usize>,
    /// Whether training changes it.
    pub trainable: bool,
    pub(crate) layer: usize,
    pub(crate) offset: usize,
    pub(crate) draw: Draw,
    pub(crate) regularizer: Option<Regularizer>,
}

impl View {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the parameter has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

#[derive(Default)]
pub(crate) struct Parameters {
    pub(crate) views: Vec<View>,
    pub(crate) values: Buffer,
    /// Grows whenever a value changes.
    pub(crate) version: u64,
    pub(crate) gradients: Buffer,
    pub(crate) touched: Touched,
    /// Where an update is written, so that a failed one leaves the values as they were.
    pub(crate) updated: Buffer,
    pub(crate) state: State,
}

/// Where gradients can be other than zero: everywhere, but for the rows of an embedding that a batch has no ids of.
#[derive(Default)]
pub(crate) struct Touched {
    /// The embedding's place among the parameters, its range and columns; none where all rows have a gradient.
    table: Option<(usize, Range<usize>, usize)>,
    /// The rows that have one, ascending.
    rows: Vec<u32>,
    /// A bit a row.
    bits: Vec<u64>,
}

impl Touched {
    /// The table and the rows of it that have a gradient.
    pub(crate) fn rows(&self) -> Option<(usize, Rows<'_>)> {
        let (index, _, columns) = self.table.as_ref()?;
        Some((*index, Rows { rows: &self.rows, columns: *columns }))
    }

    /// Whether there may be gradients in a range of all parameters.
    pub(crate) fn reach(&self, range: Range<usize>) -> bool {
        let Some((_, table, columns)) = &self.table else { return true };
        let inside = table.start <= range.start && range.end <= table.end;
        let rows = Rows { rows: &self.rows, columns: *columns };
        !inside || rows.touch(range.start - table.start, range.end - table.start)
    }

    fn set(&mut self, views: &[View], ids: Option<&[i32]>) {
        // An embedding is the first layer; a regularizer gives all of its rows a gradient.
        let is_table = |view: &View| view.layer == 0 && view.regularizer.is_none() && view.shape.len() == 2;
        let table = views.iter().position(is_table).zip(ids);
        self.rows.clear();
        self.table = table.map(|(index, ids)| {
            let view = &views[index];
            self.bits.clear();
            self.bits.resize(view.shape[0].div_ceil(64), 0);
            ids.iter().for_each(|&id| self.bits[id as usize / 64] |= 1 << (id % 64));
            for (word, &bits) in self.bits.iter().enumerate() {
                let mut left = bits;
                while left != 0 {
                    self.rows.push(word as u32 * 64 + left.trailing_zeros());
                    left &= left - 1;
                }
            }
            (index, view.range(), view.shape[1])
        });
    }
}

impl Parameters {
    pub(crate) fn count(&self) -> usize {
        self.views.last().map_or(0, |view| view.range().end)
    }

    pub(crate) fn value(&self, index: usize) -> &[f32] {
        &self.values[self.views[index].range()]
    }

    /// Bytes of memory that parameters, gradients and what optimizers keep hold.
    pub(crate) fn bytes(&self) -> usize {
        let Parameters { values, gradients, updated, state, .. } = self;
        let buffers: usize = [values, gradients, updated].iter().map(|buffer| buffer.bytes()).sum();
        buffers + state.bytes()
    }

    /// Memory for the gradients of a batch with these ids, zero.
    pub(crate) fn prepare_gradients(&mut self, context: &Context, ids: Option<&[i32]>) -> Result<(), Error> {
        let count = self.count();
        match &self.touched.table {
            Some((_, table, columns)) if self.gradients.len() == count => {
                elementwise::clear(context, &mut self.gradients[..table.start]);
                for &row in &self.touched.rows {
                    self.gradients[table.start + row as usize * columns..][..*columns].fill(0.0);
                }
                elementwise::clear(context, &mut self.gradients[table.end..]);
            }
            _ => {
                self.gradients.resize(count)?;
                elementwise::clear(context, &mut self.gradients);
            }
        }
        self.touched.set(&self.views, ids);
        Ok(())
    }

    /// Memory for an update.
    pub(crate) fn prepare_update(&mut self, optimizer: &Optimizer) -> Result<(), Error> {
        let count = self.count();
        self.updated.resize(count)?;
        self.state.prepare(optimizer, count)
    }

    pub(crate) fn reset_optimizer(&mut self) {
        self.state.reset();
    }

    /// Has the average of the parameters in their place, if there is one, or the parameters themselves.
    pub(crate) fn use_average(&mut self, average: bool) {
        if self.state.swap(&mut self.values, average) {
            self.version += 1;
        }
    }
}
