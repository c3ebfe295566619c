//! Recurrent layers: one direction or two, over any cell.

mod bidirectional;
mod direction;
mod gru;
mod lstm;
mod penalty;
mod simple_rnn;
mod single;
mod token_products;

pub(crate) use bidirectional::{plan as plan_bidirectional, Bidirectional};
pub(crate) use gru::plan as plan_gru;
pub(crate) use lstm::plan as plan_lstm;
pub(crate) use simple_rnn::plan as plan_simple_rnn;
pub(crate) use single::Recurrent;

use super::build::{Building, Planner, Shape};
use super::Pass;
use crate::config::{self, DropoutMask, LayerConfig};
use crate::initializers::{Draw, Fans};
use crate::Error;
use cellstate_kernels::philox::{Purpose, Stream};
use cellstate_kernels::recurrent::lstm::{InputProduct, Zoneout};
use cellstate_kernels::{dropout, Buffer, GateLayout, Panels};
use direction::Direction;

/// Gate numbers of the generator's streams begin here for the second direction.
const BACKWARD: u32 = 128;

/// The arithmetic of a recurrent layer inside a [`Direction`], with what only it keeps.
pub(crate) trait Cell: Send {
    /// Gates, H, and how they stand in activations.
    fn layout(&self) -> GateLayout;

    /// R, the columns of h.
    fn outputs(&self) -> usize;

    /// Whether part of the gradient of h reaches the step before without passing the gates, also without zoneout.
    fn carries_state(&self) -> bool {
        false
    }

    /// Runs all steps. The initial states stand in the first rows.
    fn forward(&mut self, pass: &Pass<'_>, steps: Steps<'_>) -> Result<(), Error>;

    /// Runs all steps backward, and adds the gradients of parameters that are the cell's own.
    fn backward(&mut self, pass: &Pass<'_>, steps: BackSteps<'_>, gradients: &mut [f32]) -> Result<(), Error>;

    /// Gradients of h₋₁·U `[P, G]` after the backward pass, where they are not those of x·W + b.
    fn recurrent_gradients(&self) -> Option<&[f32]> {
        None
    }

    /// What multiplied the recurrent weights of a gate `[P, H]`, where that was not h₋₁.
    fn recurrent_input(&self, _gate: usize) -> Option<&[f32]> {
        None
    }

    /// Whether a second row of the bias is added to h₋₁·U.
    fn has_recurrent_bias(&self) -> bool {
        false
    }

    /// c of every step `[N + P, H]`, for a cell that has one.
    fn cell_states(&self) -> Option<&[f32]> {
        None
    }

    /// Gradient of the initial c `[N, H]` after the backward pass.
    fn initial_cell_gradient(&self) -> &[f32] {
        &[]
    }

    /// Bytes of memory that the cell keeps.
    fn bytes(&self) -> usize;
}

/// What a [`Cell`] is handed going forward.
pub(crate) struct Steps<'a> {
    pub(crate) recurrent: &'a Panels,
    pub(crate) recurrent_bias: Option<&'a [f32]>,
    pub(crate) input: InputProduct<'a>,
    pub(crate) masks: Option<&'a [f32]>,
    pub(crate) zoneout: Zoneout<'a>,
    pub(crate) gates: &'a mut [f32],
    pub(crate) h: &'a mut [f32],
    pub(crate) masked_h: &'a mut [f32],
    /// Initial c by row `[N, H]`, where one was given.
    pub(crate) initial_c: Option<&'a [f32]>,
}

/// What a [`Cell`] is handed going backward.
pub(crate) struct BackSteps<'a> {
    pub(crate) recurrent: &'a Panels,
    pub(crate) masks: Option<&'a [f32]>,
    pub(crate) zoneout: Zoneout<'a>,
    pub(crate) gates: &'a mut [f32],
    pub(crate) h: &'a [f32],
    pub(crate) masked_h: &'a [f32],
    pub(crate) dy: Option<&'a [f32]>,
    pub(crate) dh_last: Option<&'a [f32]>,
    /// Gradient of the last c by row `[N, H]`, where one was given.
    pub(crate) dc_last: Option<&'a [f32]>,
    /// Working memory `[N, R]`, or empty.
    pub(crate) direct: &'a mut [f32],
    pub(crate) dh_initial: &'a mut [f32],
    pub(crate) dh_steps: &'a mut [f32],
}

/// Zoneout of one state of a direction, and its masks.
struct ZoneoutOf {
    rate: f32,
    stream: Stream,
    columns: usize,
    masks: Buffer,
}

impl ZoneoutOf {
    fn new(rate: f32, layer: u32, gate: u32, columns: usize) -> ZoneoutOf {
        let stream = Stream { layer, purpose: Purpose::Zoneout, gate };
        ZoneoutOf { rate, stream, columns, masks: Buffer::new() }
    }

    fn draw(&mut self, pass: &Pass<'_>) -> Result<(), Error> {
        let Some(generator) = pass.drops(self.rate) else { return Ok(()) };
        let (packed, columns) = (pass.packed, self.columns);
        self.masks.resize(packed.tokens() * cellstate_kernels::padded(columns))?;
        let out = &mut self.masks;
        dropout::zoneout_masks(pass.context, generator, self.stream, packed, pass.samples, columns, self.rate, out);
        Ok(())
    }

    fn of(&self, pass: &Pass<'_>) -> Zoneout<'_> {
        Zoneout { masks: pass.drops(self.rate).map(|_| &self.masks[..]), rate: self.rate }
    }
}

/// The direction that a recurrent configuration describes; `backward` reads from the end of the sequences.
fn direction(layer: &LayerConfig, building: &Building<'_>, base: u32, backward: bool) -> Direction {
    let options = layer.recurrent().expect("a recurrent layer");
    let cell: Box<dyn Cell> = match layer {
        LayerConfig::Lstm(config) => Box::new(lstm::Lstm::new(config, building, base)),
        LayerConfig::Gru(config) => Box::new(gru::Gru::new(config)),
        LayerConfig::SimpleRnn(config) => Box::new(simple_rnn::SimpleRnn::new(config)),
        other => unreachable!("validation lets no {} be recurrent", other.kind()),
    };
    Direction::new(options, cell, building, base, backward)
}

/// Parameters that every recurrent layer has. `gates` of `units` each; `bias` is the shape of the bias.
fn plan_common(
    options: &config::Recurrent,
    input: Shape,
    gates: usize,
    recurrent_inputs: usize,
    bias: (&[usize], Draw),
    planner: &mut Planner<'_>,
) -> Result<(), Error> {
    let columns = gates.saturating_mul(options.units);
    let pytorch = 1.0 / libm::sqrt(options.units as f64);
    let draw = |choice, rows| Draw::new(choice, Fans { input: rows, output: columns }, pytorch, 1, gates);
    let kernel = draw(options.kernel_initializer, input.columns);
    planner.add("kernel", &[input.columns, columns], kernel, options.kernel_regularizer)?;
    let recurrent = draw(options.recurrent_initializer, recurrent_inputs);
    planner.add("recurrent_kernel", &[recurrent_inputs, columns], recurrent, options.recurrent_regularizer)?;
    if options.use_bias {
        planner.add("bias", bias.0, bias.1, options.bias_regularizer)?;
    }
    Ok(())
}

/// How a bias of `columns` numbers is drawn; PyTorch has two of them, which are added.
fn bias_draw(options: &config::Recurrent, columns: usize, gates: usize, draws: u32) -> Draw {
    let pytorch = 1.0 / libm::sqrt(options.units as f64);
    Draw::new(options.bias_initializer, Fans { input: columns, output: columns }, pytorch, draws, gates)
}

/// Whether every gate has a mask of its own.
fn per_gate(options: &config::Recurrent) -> bool {
    options.dropout_mask == DropoutMask::PerGate && (options.dropout > 0.0 || options.recurrent_dropout > 0.0)
}

/// What a recurrent layer of these options gives.
fn shape(options: &config::Recurrent, columns: usize) -> Shape {
    Shape { columns, per_step: options.return_sequences }
}
