//! Long short-term memory inside a direction: its cell states, peepholes, projection and normalization.

use super::{bias_draw, per_gate, plan_common, shape, BackSteps, Building, Cell, Planner, Shape, Steps, ZoneoutOf};
use crate::config::LstmConfig;
use crate::initializers::{Draw, Fans};
use crate::layers::{Packing, Pass};
use crate::parameters::View;
use crate::Error;
use cellstate_kernels::normalization::Real;
use cellstate_kernels::product::{self, Rows};
use cellstate_kernels::recurrent::lstm::{self, Backward, Forward, Normalization, Options};
use cellstate_kernels::{padded, Buffer, GateLayout};

pub(crate) fn plan(config: &LstmConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let options = config.options();
    let (gates, units) = (config.gates(), options.units);
    let columns = gates.saturating_mul(units);
    let outputs = config.projection.unwrap_or(units);
    let mut bias = bias_draw(&options, columns, gates, 2);
    if config.unit_forget_bias && !config.coupled_gates && !options.bias_initializer.is_complete_bias() {
        bias = Draw::UnitForget(Box::new(bias));
    }
    plan_common(&options, input, gates, outputs, (&[columns], bias), planner)?;
    let draw = |rows, columns| {
        let pytorch = 1.0 / libm::sqrt(units as f64);
        Draw::new(options.kernel_initializer, Fans { input: rows, output: columns }, pytorch, 1, 1)
    };
    if config.peepholes {
        planner.add("peephole_kernel", &[gates - 1, units], Draw::Constant(0.0), options.recurrent_regularizer)?;
    }
    if config.projection.is_some() {
        planner.add("projection_kernel", &[units, outputs], draw(units, outputs), options.recurrent_regularizer)?;
    }
    if config.layer_normalization {
        planner.add("kernel_gamma", &[columns], Draw::Constant(1.0), None)?;
        planner.add("recurrent_gamma", &[columns], Draw::Constant(1.0), None)?;
        planner.add("state_gamma", &[units], Draw::Constant(1.0), None)?;
        planner.add("state_beta", &[units], Draw::Constant(0.0), None)?;
    }
    Ok(shape(&options, outputs))
}

/// Gains and shifts of the layer normalization inside the cell, and columns that are no padding.
struct Gains {
    recurrent_gamma: View,
    state_gamma: View,
    state_beta: View,
    real_gates: Vec<f32>,
    real_units: Vec<f32>,
    /// γ of h₋₁·U as an activation row; γ and β of c, padded.
    recurrent: Buffer,
    state: Buffer,
}

/// What the kernel is told besides the batch.
struct Settings {
    layout: GateLayout,
    outputs: usize,
    options: Options,
    peepholes: Option<View>,
    /// Peepholes with padded rows.
    peephole_rows: Buffer,
    gains: Option<Gains>,
    zoneout: ZoneoutOf,
}

impl Settings {
    fn new(config: &LstmConfig, building: &Building<'_>, base: u32) -> Settings {
        let function =
            |activation: crate::config::Activation| activation.function().expect("validation lets no softmax be here");
        let interleaved = !per_gate(&config.options());
        let layout = GateLayout { gates: config.gates(), units: config.units, interleaved };
        let gains = building.optional("recurrent_gamma").map(|recurrent_gamma| Gains {
            recurrent_gamma,
            state_gamma: building.view("state_gamma"),
            state_beta: building.view("state_beta"),
            real_gates: layout.real_columns(),
            real_units: GateLayout { gates: 1, units: config.units, interleaved: true }.real_columns(),
            recurrent: Buffer::new(),
            state: Buffer::new(),
        });
        Settings {
            layout,
            outputs: config.projection.unwrap_or(config.units),
            options: Options {
                activation: function(config.activation),
                recurrent_activation: function(config.recurrent_activation),
                coupled: config.coupled_gates,
                cell_clip: config.cell_clip,
                gate_clip: config.gate_clip,
            },
            peepholes: building.optional("peephole_kernel"),
            peephole_rows: Buffer::new(),
            gains,
            zoneout: ZoneoutOf::new(config.zoneout_cell, building.layer, base + 1, config.units),
        }
    }

    /// Reads the parameters of this pass and draws its masks.
    fn prepare(&mut self, pass: &Pass<'_>) -> Result<(), Error> {
        let (layout, units, h) = (self.layout, self.layout.units, padded(self.layout.units));
        if let Some(view) = &self.peepholes {
            self.peephole_rows.resize((layout.gates - 1) * h)?;
            self.peephole_rows.fill(0.0);
            let from = pass.value(view).chunks_exact(units);
            for (to, from) in self.peephole_rows.chunks_exact_mut(h).zip(from) {
                to[..units].copy_from_slice(from);
            }
        }
        if let Some(gains) = &mut self.gains {
            gains.recurrent.resize(layout.columns())?;
            layout.interleave(pass.value(&gains.recurrent_gamma), &mut gains.recurrent);
            gains.state.resize(2 * h)?;
            gains.state.fill(0.0);
            gains.state[..units].copy_from_slice(pass.value(&gains.state_gamma));
            gains.state[h..h + units].copy_from_slice(pass.value(&gains.state_beta));
        }
        self.zoneout.draw(pass)
    }

    fn cell<'a>(
        &'a self,
        pass: &Pass<'a>,
        masks: Option<&'a [f32]>,
        zoneout_hidden: lstm::Zoneout<'a>,
    ) -> lstm::Cell<'a> {
        let (layout, h) = (self.layout, padded(self.layout.units));
        lstm::Cell {
            packed: pass.packed,
            layout,
            outputs: self.outputs,
            options: self.options,
            masks,
            peepholes: self.peepholes.as_ref().map(|_| &self.peephole_rows[..]),
            normalization: self.gains.as_ref().map(|gains| Normalization {
                recurrent_gamma: &gains.recurrent,
                state_gamma: &gains.state[..h],
                state_beta: &gains.state[h..],
                real_gates: Real { mask: &gains.real_gates, count: layout.gates * layout.units },
                real_units: Real { mask: &gains.real_units, count: layout.units },
            }),
            zoneout_hidden,
            zoneout_cell: self.zoneout.of(pass),
        }
    }

    fn bytes(&self) -> usize {
        let gains = self.gains.as_ref().map_or(0, |gains| gains.recurrent.bytes() + gains.state.bytes());
        self.peephole_rows.bytes() + self.zoneout.masks.bytes() + gains
    }
}

pub(super) struct Lstm {
    settings: Settings,
    projection: Option<View>,
    packing: Packing,
    c: Buffer,
    candidate: Buffer,
    unprojected: Buffer,
    /// Of h₋₁·U and c, normalized.
    normalized: Buffer,
    normalized_state: Buffer,
    rstd: Buffer,
    dc: Buffer,
    dh: Buffer,
    dunprojected: Buffer,
    drecurrent: Buffer,
    dstate: Buffer,
    sums: Buffer,
}

impl Lstm {
    pub(super) fn new(config: &LstmConfig, building: &Building<'_>, base: u32) -> Lstm {
        Lstm {
            settings: Settings::new(config, building, base),
            projection: building.optional("projection_kernel"),
            packing: Packing::default(),
            c: Buffer::new(),
            candidate: Buffer::new(),
            unprojected: Buffer::new(),
            normalized: Buffer::new(),
            normalized_state: Buffer::new(),
            rstd: Buffer::new(),
            dc: Buffer::new(),
            dh: Buffer::new(),
            dunprojected: Buffer::new(),
            drecurrent: Buffer::new(),
            dstate: Buffer::new(),
            sums: Buffer::new(),
        }
    }

    /// Gradients of peepholes, projection and normalization.
    fn add_own_gradients(&mut self, pass: &Pass<'_>, gates: &[f32], gradients: &mut [f32]) -> Result<(), Error> {
        let (context, packed) = (pass.context, pass.packed);
        let (n, p) = (packed.sequences(), packed.tokens());
        let Settings { layout, outputs, .. } = self.settings;
        let (units, h, g) = (layout.units, padded(layout.units), layout.columns());
        let rows = |data, stride| Rows { data, stride, index: None };
        if let Some(view) = self.settings.peepholes.as_ref().filter(|view| view.trainable) {
            let before = Rows { data: &self.c[..], stride: h, index: Some(packed.previous()) };
            let after = if self.candidate.is_empty() { &self.c[n * h..] } else { &self.candidate[..] };
            self.sums.resize(h)?;
            for row in 0..layout.gates - 1 {
                let output = row + 1 == layout.gates - 1;
                let gate = if output { layout.gates - 1 } else { row };
                let states = if output { rows(after, h) } else { before };
                let to = &mut gradients[view.range()][row * units..][..units];
                product::gate_dots(context, layout, gate, gates, states, p, &mut self.sums);
                to.iter_mut().zip(&self.sums[..]).for_each(|(to, x)| *to += x);
            }
        }
        if let Some(view) = self.projection.as_ref().filter(|view| view.trainable) {
            let r = padded(outputs);
            self.sums.resize(units * r)?;
            let left = rows(&self.unprojected, h);
            product::transposed(context, left, units, (&self.dh, r), p, r, &mut self.sums, None);
            let to = gradients[view.range()].chunks_exact_mut(outputs);
            for (to, from) in to.zip(self.sums.chunks_exact(r)) {
                to.iter_mut().zip(from).for_each(|(to, x)| *to += x);
            }
        }
        if let Some(gains) = self.settings.gains.as_ref().filter(|gains| gains.state_gamma.trainable) {
            self.sums.resize(g)?;
            product::column_dots(context, rows(gates, g), rows(&self.normalized, g), p, g, &mut self.sums);
            layout.add_to_parameter(context, 1, &self.sums, &mut gradients[gains.recurrent_gamma.range()]);
            self.sums.resize(h)?;
            let (dstate, state) = (rows(&self.dstate, h), rows(&self.normalized_state, h));
            product::column_dots(context, dstate, state, p, h, &mut self.sums);
            let to = gradients[gains.state_gamma.range()].iter_mut();
            to.zip(&self.sums[..]).for_each(|(to, x)| *to += x);
            product::column_sums(context, &self.dstate, p, h, &mut self.sums);
            let to = gradients[gains.state_beta.range()].iter_mut();
            to.zip(&self.sums[..]).for_each(|(to, x)| *to += x);
        }
        Ok(())
    }
}

impl Cell for Lstm {
    fn layout(&self) -> GateLayout {
        self.settings.layout
    }

    fn outputs(&self) -> usize {
        self.settings.outputs
    }

    fn forward(&mut self, pass: &Pass<'_>, steps: Steps<'_>) -> Result<(), Error> {
        let Steps { recurrent, input, gates, h, masked_h, .. } = steps;
        self.settings.prepare(pass)?;
        let cell = self.settings.cell(pass, steps.masks, steps.zoneout);
        let Settings { layout, outputs, .. } = self.settings;
        let (n, p, units, columns) =
            (pass.packed.sequences(), pass.packed.tokens(), layout.units, padded(layout.units));
        self.c.resize((n + p) * columns)?;
        match steps.initial_c {
            Some(c) => self.c[..n * columns].copy_from_slice(c),
            None => self.c[..n * columns].fill(0.0),
        }
        let where_on = |on: bool, length: usize| if on { length } else { 0 };
        self.candidate.resize(where_on(cell.keeps_candidate(), p * columns))?;
        self.unprojected.resize(where_on(self.projection.is_some(), p * columns))?;
        let normalizes = cell.normalization.is_some();
        self.normalized.resize(where_on(normalizes, p * layout.columns()))?;
        self.normalized_state.resize(where_on(normalizes, p * columns))?;
        self.rstd.resize(where_on(normalizes, p * 2))?;
        let projection = match &self.projection {
            Some(view) => {
                let w = pass.value(view);
                Some(self.packing.panels(pass, false, |panels| panels.pack(pass.context, w, units, outputs))?)
            }
            None => None,
        };
        let buffers = Forward {
            input,
            recurrent,
            projection,
            gates,
            c: &mut self.c,
            h,
            masked_h,
            candidate: &mut self.candidate,
            unprojected: &mut self.unprojected,
            normalized: &mut self.normalized,
            normalized_state: &mut self.normalized_state,
            rstd: &mut self.rstd,
        };
        lstm::forward(pass.context, &cell, buffers);
        Ok(())
    }

    fn backward(&mut self, pass: &Pass<'_>, steps: BackSteps<'_>, gradients: &mut [f32]) -> Result<(), Error> {
        let BackSteps { recurrent, gates, dy, dh_last, direct, dh_initial, dh_steps, .. } = steps;
        let cell = self.settings.cell(pass, steps.masks, steps.zoneout);
        let Settings { layout, outputs, .. } = self.settings;
        let (n, p) = (pass.packed.sequences(), pass.packed.tokens());
        let (units, columns, r) = (layout.units, padded(layout.units), padded(outputs));
        self.dc.resize(n * columns)?;
        match steps.dc_last {
            Some(given) => self.dc.copy_from_slice(given),
            None => self.dc.fill(0.0),
        }
        let where_on = |on: bool, length: usize| if on { length } else { 0 };
        let (normalizes, projects) = (cell.normalization.is_some(), self.projection.is_some());
        self.dh.resize(where_on(normalizes || projects, p * r))?;
        self.dunprojected.resize(where_on(normalizes && projects, p * columns))?;
        self.drecurrent.resize(where_on(normalizes, p * layout.columns()))?;
        self.dstate.resize(where_on(normalizes, p * columns))?;
        let projection = match &self.projection {
            Some(view) => {
                let w = pass.value(view);
                Some(
                    self.packing
                        .panels(pass, true, |panels| panels.pack_transposed(pass.context, w, units, outputs))?,
                )
            }
            None => None,
        };
        let buffers = Backward {
            recurrent,
            projection,
            gates: &mut *gates,
            c: &self.c,
            normalized: &self.normalized,
            normalized_state: &self.normalized_state,
            rstd: &self.rstd,
            dy,
            dh_last,
            dc: &mut self.dc,
            direct,
            dh: &mut self.dh,
            dunprojected: &mut self.dunprojected,
            drecurrent: &mut self.drecurrent,
            dstate: &mut self.dstate,
            dh_initial,
            dh_steps,
        };
        lstm::backward(pass.context, &cell, buffers);
        self.add_own_gradients(pass, gates, gradients)
    }

    fn recurrent_gradients(&self) -> Option<&[f32]> {
        self.settings.gains.as_ref().map(|_| &self.drecurrent[..])
    }

    fn cell_states(&self) -> Option<&[f32]> {
        Some(&self.c)
    }

    fn initial_cell_gradient(&self) -> &[f32] {
        &self.dc
    }

    fn bytes(&self) -> usize {
        let states =
            [&self.c, &self.candidate, &self.unprojected, &self.normalized, &self.normalized_state, &self.rstd];
        let gradients = [&self.dc, &self.dh, &self.dunprojected, &self.drecurrent, &self.dstate, &self.sums];
        let buffers: usize = states.iter().chain(&gradients).map(|buffer| buffer.bytes()).sum();
        buffers + self.packing.bytes() + self.settings.bytes()
    }
}
