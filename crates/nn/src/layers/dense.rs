//! x·W + b and an activation, on every row.

use super::{Activation, Gradient, Layer, Packing, Pass};
use crate::config;
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::elementwise::{self, Activation as Function};
use cellstate_kernels::product::{self, Rows, Start};
use cellstate_kernels::{loss, padded, Buffer};

pub(crate) struct Dense {
    inputs: usize,
    units: usize,
    activation: config::Activation,
    kernel: View,
    bias: View,
    /// Leave out the activation: the loss takes logits.
    pub(crate) logits: bool,
    packing: Packing,
    padded_bias: Buffer,
    dweights: Buffer,
    dbias: Buffer,
    normalizer: Vec<f64>,
}

impl Dense {
    pub(crate) fn new(inputs: usize, units: usize, activation: config::Activation, kernel: View, bias: View) -> Dense {
        Dense {
            inputs,
            units,
            activation,
            kernel,
            bias,
            logits: false,
            packing: Packing::default(),
            padded_bias: Buffer::new(),
            dweights: Buffer::new(),
            dbias: Buffer::new(),
            normalizer: Vec::new(),
        }
    }

    fn function(&self) -> Option<Function> {
        match self.activation {
            config::Activation::Relu => Some(Function::Relu),
            config::Activation::Sigmoid => Some(Function::Sigmoid),
            config::Activation::Tanh => Some(Function::Tanh),
            config::Activation::Linear | config::Activation::Softmax => None,
        }
    }
}

impl Layer for Dense {
    fn forward(&mut self, pass: &Pass<'_>, x: &Activation, out: &mut Activation) -> Result<(), Error> {
        out.shape(pass, x.per_step, self.units)?;
        let stride = out.stride();
        let rows = out.data.len() / stride;
        let (kernel, inputs, units) = (pass.value(&self.kernel), self.inputs, self.units);
        let panels = self.packing.panels(pass, false, |panels| panels.pack(pass.context, kernel, inputs, units))?;
        self.padded_bias.resize(stride)?;
        self.padded_bias.fill(0.0);
        self.padded_bias[..self.units].copy_from_slice(pass.value(&self.bias));
        let left = Rows { data: &x.data, stride: x.stride(), index: x.slots() };
        product::rows(pass.context, left, rows, panels, Start::Bias(&self.padded_bias), &mut out.data);
        if self.logits {
            return Ok(());
        }
        if let Some(function) = self.function() {
            elementwise::activate(pass.context, function, &mut out.data);
            for row in out.data.chunks_exact_mut(stride) {
                row[self.units..].fill(0.0);
            }
        } else if self.activation == config::Activation::Softmax {
            self.normalizer.resize(rows, 0.0);
            loss::softmax(pass.context, &mut out.data, self.units, &mut self.normalizer);
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
        let (stride, rows) = (y.stride(), y.data.len() / y.stride());
        if !self.logits {
            if let Some(function) = self.function() {
                elementwise::activate_backward(pass.context, function, &y.data, &mut dy.data);
            } else if self.activation == config::Activation::Softmax {
                for (dy, y) in dy.data.chunks_exact_mut(stride).zip(y.data.chunks_exact(stride)) {
                    let dot: f64 = dy.iter().zip(y).map(|(&d, &p)| f64::from(d) * f64::from(p)).sum();
                    dy.iter_mut().zip(y).for_each(|(d, p)| *d = p * (*d - dot as f32));
                }
            }
        }
        self.dweights.resize(self.inputs * stride)?;
        self.dbias.resize(stride)?;
        let left = Rows { data: &x.data, stride: x.stride(), index: x.slots() };
        product::transposed(
            pass.context,
            left,
            self.inputs,
            &dy.data,
            rows,
            stride,
            &mut self.dweights,
            Some(&mut self.dbias),
        );
        for (to, from) in
            gradients[self.kernel.range()].chunks_exact_mut(self.units).zip(self.dweights.chunks_exact(stride))
        {
            to.iter_mut().zip(from).for_each(|(to, x)| *to += x);
        }
        gradients[self.bias.range()].iter_mut().zip(&self.dbias[..]).for_each(|(to, x)| *to += x);
        if let Some(dx) = dx {
            let (kernel, inputs, units) = (pass.value(&self.kernel), self.inputs, self.units);
            let panels = self
                .packing
                .panels(pass, true, |panels| panels.pack_transposed(pass.context, kernel, inputs, units))?;
            dx.per_token = false;
            dx.data.resize(rows * padded(self.inputs))?;
            let left = Rows { data: &dy.data, stride, index: None };
            product::rows(pass.context, left, rows, panels, Start::Zero, &mut dx.data);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.packing.bytes() + self.padded_bias.bytes() + self.dweights.bytes() + self.dbias.bytes()
    }
}
