//! All parameters of a model in one run of memory, with named views; gradients and moments beside them.

use crate::config::Regularizer;
use crate::initializers::Draw;
use crate::Error;
use cellstate_kernels::{elementwise, Buffer, Context};

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
    /// Where an update is written, so that a failed one leaves the values as they were.
    pub(crate) updated: Buffer,
    pub(crate) first_moments: Buffer,
    pub(crate) second_moments: Buffer,
    /// Updates done.
    pub(crate) updates: u64,
}

impl Parameters {
    pub(crate) fn count(&self) -> usize {
        self.views.last().map_or(0, |view| view.range().end)
    }

    pub(crate) fn value(&self, index: usize) -> &[f32] {
        &self.values[self.views[index].range()]
    }

    /// Bytes of memory that parameters, gradients and moments hold.
    pub(crate) fn bytes(&self) -> usize {
        let Parameters { values, gradients, updated, first_moments, second_moments, .. } = self;
        [values, gradients, updated, first_moments, second_moments].iter().map(|buffer| buffer.bytes()).sum()
    }

    /// Memory for gradients.
    pub(crate) fn prepare_gradients(&mut self, context: &Context) -> Result<(), Error> {
        self.gradients.resize(self.count())?;
        elementwise::clear(context, &mut self.gradients);
        Ok(())
    }

    /// Memory for an update; moments start at zero.
    pub(crate) fn prepare_update(&mut self) -> Result<(), Error> {
        let count = self.count();
        self.updated.resize(count)?;
        for moments in [&mut self.first_moments, &mut self.second_moments] {
            if moments.len() != count {
                moments.resize(count)?;
                moments.fill(0.0);
            }
        }
        Ok(())
    }

    pub(crate) fn reset_optimizer(&mut self) {
        self.updates = 0;
        self.first_moments.fill(0.0);
        self.second_moments.fill(0.0);
    }
}
