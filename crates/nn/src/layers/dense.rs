//! x·W + b and an activation, on every row.

use super::build::{linear_draws, Building, Planner, Shape};
use super::{Activation, Gradient, Layer, Packing, Pass};
use crate::config::{self, DenseConfig, LayerConfig};
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::elementwise;
use cellstate_kernels::product::{self, Rows, Start};
use cellstate_kernels::{loss, padded, Activation as Function, Buffer, GateLayout, Panels};

pub(crate) fn plan(config: &DenseConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let (inputs, units) = (input.columns, config.units);
    let (kernel, bias) = linear_draws(config.kernel_initializer, config.bias_initializer, inputs, units);
    match &config.tied_to {
        Some(name) => check_tie(config, name, inputs, planner)?,
        None => planner.add("kernel", &[inputs, units], kernel, config.kernel_regularizer)?,
    }
    if config.use_bias {
        planner.add("bias", &[units], bias, config.bias_regularizer)?;
    }
    Ok(Shape { columns: units, ..input })
}

/// Whether the table of the embedding `name`, transposed, can be the kernel.
fn check_tie(config: &DenseConfig, name: &str, inputs: usize, planner: &Planner<'_>) -> Result<(), Error> {
    let refusal = match planner.layer_named(name) {
        None => format!(".tiedTo must be the name of an embedding, got '{name}', which no layer has"),
        Some(LayerConfig::Embedding(table)) if table.input_dim != config.units => format!(
            ".units must be {}, the inputDim of '{name}', to which it is tied, got {}",
            table.input_dim, config.units
        ),
        Some(LayerConfig::Embedding(table)) if table.output_dim != inputs => format!(
            ".tiedTo must be an embedding whose outputDim is {inputs}, the features that come in, got '{name}' with {}",
            table.output_dim
        ),
        Some(LayerConfig::Embedding(_)) if config.kernel_regularizer.is_some() => {
            format!(".kernelRegularizer must be left out, for the kernel is that of '{name}': set embeddingsRegularizer there")
        }
        Some(LayerConfig::Embedding(_)) => return Ok(()),
        Some(other) => {
            format!(".tiedTo must be the name of an embedding, got '{name}', which is of kind {}", other.kind())
        }
    };
    Err(planner.refuse(&refusal))
}

/// `activation(x·W + b)`: `x` is `[rows, C]`, `y` `[rows, U]`.
pub(crate) struct Dense {
    linear: Linear,
    units: usize,
    activation: config::Activation,
    /// Leave out the activation: the loss takes logits.
    logits: bool,
    normalizer: Vec<f64>,
}

impl Dense {
    pub(crate) fn new(config: &DenseConfig, building: &Building<'_>) -> Dense {
        let (inputs, units, bias) = (building.input.columns, config.units, building.optional("bias"));
        let linear = match &config.tied_to {
            Some(name) => {
                let table = building.find(&format!("{name}.embeddings")).expect("the plan found this embedding");
                Linear::tied(inputs, units, table, bias)
            }
            None => Linear::new(inputs, units, building.view("kernel"), bias),
        };
        Dense { linear, units, activation: config.activation, logits: false, normalizer: Vec::new() }
    }
}

impl Layer for Dense {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, x.per_step, self.units)?;
        let rows = out.data.len() / out.stride();
        let left = Rows { data: &x.data, stride: x.stride(), index: x.slots() };
        self.linear.forward(pass, left, rows, &mut out.data)?;
        if self.logits {
            return Ok(());
        }
        match self.activation.function() {
            Some(function) => activate(pass, function, self.units, &mut out.data),
            None => {
                self.normalizer.resize(rows, 0.0);
                loss::softmax(pass.context, &mut out.data, self.units, &mut self.normalizer);
            }
        }
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: &Activation,
        y: &Activation,
        dy: &mut Gradient,
        dx: Option<&mut Gradient>,
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let stride = y.stride();
        let rows = y.data.len() / stride;
        if !self.logits {
            self.logits_gradient(pass, y, &mut dy.data);
        }
        let left = Rows { data: &x.data, stride: x.stride(), index: x.slots() };
        self.linear.backward(pass, left, rows, &dy.data, gradients)?;
        if let Some(dx) = dx {
            dx.per_token = false;
            dx.data.resize(rows * x.stride())?;
            self.linear.input_gradient(pass, rows, &dy.data, Start::Zero, &mut dx.data)?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.linear.bytes() + self.normalizer.capacity() * 8
    }

    fn logits_gradient(&self, pass: &Pass<'_>, y: &Activation, dy: &mut [f32]) {
        match self.activation.function() {
            Some(function) => activate_backward(pass, function, &y.data, dy),
            None => {
                for (dy, y) in dy.chunks_exact_mut(y.stride()).zip(y.data.chunks_exact(y.stride())) {
                    let dot: f64 = dy.iter().zip(y).map(|(&d, &p)| f64::from(d) * f64::from(p)).sum();
                    dy.iter_mut().zip(y).for_each(|(d, p)| *d = p * (*d - dot as f32));
                }
            }
        }
    }

    fn leave_logits(&mut self, logits: bool) {
        self.logits = logits;
    }
}

/// Applies `function` to `x` `[rows, columns]`; padding stays zero.
pub(super) fn activate(pass: &Pass<'_>, function: Function, columns: usize, x: &mut [f32]) {
    if function == Function::Linear {
        return;
    }
    elementwise::activate(pass.context, function, x);
    let zero_at_zero = !matches!(function, Function::Sigmoid | Function::HardSigmoid | Function::HardSigmoidLegacy);
    if !zero_at_zero && columns < padded(columns) {
        x.chunks_exact_mut(padded(columns)).for_each(|row| row[columns..].fill(0.0));
    }
}

/// Turns the gradient of `y`, outputs of `function`, into that of its arguments.
pub(super) fn activate_backward(pass: &Pass<'_>, function: Function, y: &[f32], dy: &mut [f32]) {
    if function != Function::Linear {
        elementwise::activate_backward(pass.context, function, y, dy);
    }
}

/// x·W + b: `x` is `[rows, inputs]`, W `[inputs, units]`, b `[units]` or left out.
pub(super) struct Linear {
    weights: Weights,
    bias: Option<View>,
    padded_bias: Buffer,
    dweights: Buffer,
    dbias: Buffer,
    /// Rows of x in order, where the gradient of the transpose needs them so.
    in_order: Buffer,
}

impl Linear {
    pub(super) fn new(inputs: usize, units: usize, kernel: View, bias: Option<View>) -> Linear {
        Linear::grouped((1, inputs), units, kernel, bias)
    }

    /// The same with Wᵀ `[units, inputs]` as parameter.
    pub(super) fn tied(inputs: usize, units: usize, table: View, bias: Option<View>) -> Linear {
        let mut linear = Linear::new(inputs, units, table, bias);
        linear.weights.tied = true;
        linear
    }

    /// The same where W is `[groups, rows of a group, units]`, and the columns of every group are padded in x.
    pub(super) fn grouped(groups: (usize, usize), units: usize, kernel: View, bias: Option<View>) -> Linear {
        Linear {
            weights: Weights { groups, units, kernel, tied: false, packing: Packing::default(), spread: Buffer::new() },
            bias,
            padded_bias: Buffer::new(),
            dweights: Buffer::new(),
            dbias: Buffer::new(),
            in_order: Buffer::new(),
        }
    }

    /// Writes x·W + b `[rows, units]` to `out`.
    pub(super) fn forward(&mut self, pass: &Pass<'_>, x: Rows<'_>, rows: usize, out: &mut [f32]) -> Result<(), Error> {
        let (units, stride) = (self.weights.units, padded(self.weights.units));
        let start = match &self.bias {
            Some(bias) => {
                self.padded_bias.resize(stride)?;
                self.padded_bias[..units].copy_from_slice(pass.value(bias));
                self.padded_bias[units..].fill(0.0);
                Start::Bias(&self.padded_bias)
            }
            None => Start::Zero,
        };
        product::rows(pass.context, x, rows, self.weights.panels(pass, false)?, start, out, stride);
        Ok(())
    }

    /// Adds the gradients of W and b for the gradient `dy` `[rows, units]` of the output to those of the model.
    pub(super) fn backward(
        &mut self,
        pass: &Pass<'_>,
        x: Rows<'_>,
        rows: usize,
        dy: &[f32],
        gradients: &mut [f32],
    ) -> Result<(), Error> {
        let Weights { groups, units, ref kernel, tied, .. } = self.weights;
        let (inputs, stride) = (self.weights.inputs(), padded(units));
        let bias = self.bias.as_ref().filter(|bias| bias.trainable);
        self.dbias.resize(stride)?;
        let mut sums = bias.map(|_| &mut self.dbias[..]);
        if kernel.trainable && !tied {
            self.dweights.resize(inputs * stride)?;
            let to = &mut self.dweights;
            product::transposed(pass.context, x, inputs, (dy, stride), rows, stride, to, sums.take());
            let from = self.dweights.chunks_exact(self.weights.group_stride() * stride);
            let to = gradients[kernel.range()].chunks_exact_mut(groups.1 * units);
            from.zip(to).for_each(|(from, to)| add_rows(pass, groups.1, units, &from[..groups.1 * stride], to));
        } else if kernel.trainable {
            let width = padded(inputs);
            let (right, from) = match x.index {
                Some(_) => {
                    self.in_order.resize(rows * width)?;
                    let to = (&mut self.in_order[..], width, 0);
                    elementwise::copy_columns(pass.context, (x.data, x.stride, 0), x.index, width, to);
                    (&self.in_order[..], width)
                }
                None => (x.data, x.stride),
            };
            self.dweights.resize(units * width)?;
            let (left, to) = (Rows { data: dy, stride, index: None }, &mut self.dweights);
            product::transposed(pass.context, left, units, (right, from), rows, width, to, None);
            add_rows(pass, units, inputs, &self.dweights, &mut gradients[kernel.range()]);
        }
        if let Some(sums) = sums {
            product::column_sums(pass.context, dy, rows, stride, sums);
        }
        if let Some(bias) = bias {
            gradients[bias.range()].iter_mut().zip(&self.dbias[..]).for_each(|(to, x)| *to += x);
        }
        Ok(())
    }

    /// Writes `start + dy·Wᵀ` `[rows, inputs]` to `dx`.
    pub(super) fn input_gradient(
        &mut self,
        pass: &Pass<'_>,
        rows: usize,
        dy: &[f32],
        start: Start<'_>,
        dx: &mut [f32],
    ) -> Result<(), Error> {
        let left = Rows { data: dy, stride: padded(self.weights.units), index: None };
        let width = padded(self.weights.inputs());
        product::rows(pass.context, left, rows, self.weights.panels(pass, true)?, start, dx, width);
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        let buffers = [&self.weights.spread, &self.padded_bias, &self.dweights, &self.dbias, &self.in_order];
        self.weights.packing.bytes() + buffers.iter().map(|buffer| buffer.bytes()).sum::<usize>()
    }
}

/// W of a [`Linear`].
struct Weights {
    /// Groups of rows, and rows of a group.
    groups: (usize, usize),
    units: usize,
    kernel: View,
    /// The parameter is Wᵀ.
    tied: bool,
    packing: Packing,
    /// W with zeros behind every group, where they are needed.
    spread: Buffer,
}

impl Weights {
    /// Columns of x from one group to the next.
    fn group_stride(&self) -> usize {
        match self.groups {
            (1, rows) => rows,
            (_, rows) => padded(rows),
        }
    }

    /// Columns of x that are multiplied.
    fn inputs(&self) -> usize {
        self.groups.0 * self.group_stride()
    }

    /// W packed, or its transpose.
    fn panels(&mut self, pass: &Pass<'_>, transposed: bool) -> Result<&Panels, Error> {
        let (inputs, units, tied) = (self.inputs(), self.units, self.tied);
        let (rows, stride) = (self.groups.1, self.group_stride());
        let (kernel, spread) = (pass.value(&self.kernel), &mut self.spread);
        self.packing.panels(pass, transposed, |panels| {
            let kernel = if stride == rows {
                kernel
            } else {
                spread.resize(inputs * units)?;
                let groups = spread.chunks_exact_mut(stride * units).zip(kernel.chunks_exact(rows * units));
                for (to, from) in groups {
                    to[..from.len()].copy_from_slice(from);
                    to[from.len()..].fill(0.0);
                }
                spread
            };
            match (tied, transposed) {
                (false, false) => panels.pack(pass.context, kernel, inputs, units),
                (false, true) => panels.pack_transposed(pass.context, kernel, inputs, units),
                (true, false) => panels.pack_transposed(pass.context, kernel, units, inputs),
                (true, true) => panels.pack(pass.context, kernel, units, inputs),
            }
        })
    }
}

/// Adds `rows` padded rows of `columns` numbers to the rows of a parameter.
fn add_rows(pass: &Pass<'_>, rows: usize, columns: usize, from: &[f32], to: &mut [f32]) {
    let layout = GateLayout { gates: 1, units: columns, interleaved: false };
    layout.add_to_parameter(pass.context, rows, from, to);
}
