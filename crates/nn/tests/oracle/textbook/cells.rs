//! Recurrent layers: one direction over every sequence, one step after the other.

use super::draws::Source;
use super::kinks::Function;
use super::{normalized, Pass, Regularizer, Row, Sequence};
use cellstate_kernels::philox::Purpose;
use serde::Deserialize;

/// ε of the layer normalization inside an LSTM.
const EPSILON: f64 = 1e-5;

#[derive(Debug, Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum DropoutMask {
    Shared,
    PerGate,
}

/// The options of all three cells.
#[derive(Debug, Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
pub struct Recurrent {
    pub units: usize,
    activation: Function,
    #[serde(default)]
    recurrent_activation: Function,
    use_bias: bool,
    dropout: f32,
    recurrent_dropout: f32,
    dropout_mask: DropoutMask,
    weight_drop: f32,
    zoneout_hidden: f32,
    pub return_sequences: bool,
    pub go_backwards: bool,
    pub activity_regularizer: Option<Regularizer>,
    activation_regularization: f64,
    temporal_activation_regularization: f64,
    #[serde(default)]
    peepholes: bool,
    projection: Option<usize>,
    #[serde(default)]
    coupled_gates: bool,
    cell_clip: Option<f32>,
    gate_clip: Option<f32>,
    #[serde(default)]
    layer_normalization: bool,
    #[serde(default)]
    zoneout_cell: f32,
    #[serde(default)]
    reset_after: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Lstm,
    Gru,
    SimpleRnn,
}

/// One direction of a recurrent layer.
pub struct Direction<'a> {
    pub kind: Kind,
    pub options: &'a Recurrent,
    /// Of its parameters and states.
    pub name: String,
    /// Position of the layer, and the gate with which its masks begin.
    pub source: Source,
    /// Whether it reads from the end of a sequence.
    pub mirrored: bool,
}

/// Outputs in the order in which the steps were read, and the states after the last one.
pub struct Outcome {
    pub steps: Sequence,
    pub h: Row,
    pub c: Row,
}

/// Σ over k of (x ∘ mask of the gate)\[k\] · w\[k, gate\], for gates `[count]` of a matrix of `gates` gates of `units`.
fn product(x: &[f64], masks: &[Row], w: &[f64], gates: usize, units: usize, of: std::ops::Range<usize>) -> Row {
    let mut out = vec![0.0; of.len() * units];
    for (gate, out) in of.zip(out.chunks_exact_mut(units)) {
        let mask = &masks[if masks.len() > 1 { gate } else { 0 }];
        for (k, (x, m)) in x.iter().zip(mask).enumerate() {
            let weights = &w[(k * gates + gate) * units..][..units];
            out.iter_mut().zip(weights).for_each(|(out, w)| *out += x * m * w);
        }
    }
    out
}

fn add(to: &mut [f64], from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, x)| *to += x);
}

fn scaled(x: &[f64], factors: &[f64]) -> Row {
    x.iter().zip(factors).map(|(x, f)| x * f).collect()
}

/// `kept ∘ before + (1 − kept) ∘ now`.
fn mixed(kept: &[f64], before: &[f64], now: &[f64]) -> Row {
    kept.iter().zip(before).zip(now).map(|((k, b), n)| k * b + (1.0 - k) * n).collect()
}

/// The values of a direction's parameters in one pass, dropped weights left out.
struct Weights<'a> {
    kernel: &'a [f64],
    recurrent: Row,
    bias: &'a [f64],
    recurrent_bias: &'a [f64],
    peepholes: &'a [f64],
    projection: &'a [f64],
    gammas: Option<[&'a [f64]; 4]>,
}

impl Direction<'_> {
    fn gates(&self) -> usize {
        match self.kind {
            Kind::Lstm if self.options.coupled_gates => 3,
            Kind::Lstm => 4,
            Kind::Gru => 3,
            Kind::SimpleRnn => 1,
        }
    }

    /// Columns of h.
    pub fn outputs(&self) -> usize {
        self.options.projection.unwrap_or(self.options.units)
    }

    fn source(&self, gate: usize) -> Source {
        Source { gate: self.source.gate + gate as u32, ..self.source }
    }

    fn weights<'p>(&self, pass: &'p Pass<'_>) -> Weights<'p> {
        let options = self.options;
        let get = |name: &str| pass.value(&format!("{}.{name}", self.name));
        let on = |on: bool, name: &str| if on { get(name) } else { &[] };
        let columns = self.gates() * options.units;
        let mut recurrent = get("recurrent_kernel").to_vec();
        for (row, weights) in recurrent.chunks_exact_mut(columns).enumerate() {
            let rate = options.weight_drop;
            let mask = pass.draws.dropout(Purpose::WeightDrop, self.source, row as u32, 0, columns, rate);
            weights.iter_mut().zip(mask).for_each(|(w, m)| *w *= m);
        }
        let (bias, recurrent_bias) = match on(options.use_bias, "bias") {
            both if self.kind == Kind::Gru && options.reset_after && options.use_bias => both.split_at(columns),
            one => (one, &[][..]),
        };
        Weights {
            kernel: get("kernel"),
            recurrent,
            bias,
            recurrent_bias,
            peepholes: on(options.peepholes, "peephole_kernel"),
            projection: on(options.projection.is_some(), "projection_kernel"),
            gammas: options
                .layer_normalization
                .then(|| ["kernel_gamma", "recurrent_gamma", "state_gamma", "state_beta"].map(get)),
        }
    }

    /// h and c of a step before zoneout of h; `a` is x·W + b.
    fn lstm(
        &self,
        pass: &Pass<'_>,
        w: &Weights<'_>,
        masks: &[Row],
        a: Row,
        h: &[f64],
        c: &[f64],
        kept: &Row,
    ) -> [Row; 2] {
        let Recurrent { units, activation: phi, recurrent_activation: rho, gate_clip, cell_clip, .. } = *self.options;
        let (gates, kinks) = (self.gates(), &pass.kinks);
        let mut a = a;
        let mut recurrent = pass.rounded(product(h, masks, &w.recurrent, gates, units, 0..gates));
        if let Some(gammas) = w.gammas {
            recurrent = scaled(&pass.rounded(normalized(&recurrent, EPSILON)), gammas[1]);
        }
        add(&mut a, &recurrent);
        let a = pass.rounded(a);
        let gate = |gate: usize, peephole: Option<(usize, &[f64])>, function: Function| -> Row {
            let seen = |u: usize| match peephole.filter(|_| self.options.peepholes) {
                Some((row, c)) => w.peepholes[row * units + u] * c[u],
                None => 0.0,
            };
            let of = |u: usize| function.of(kinks, kinks.clip(a[gate * units + u] + seen(u), gate_clip));
            pass.rounded((0..units).map(of).collect())
        };
        let i = gate(0, Some((0, c)), rho);
        let f = if gates == 3 { i.iter().map(|i| 1.0 - i).collect() } else { gate(1, Some((1, c)), rho) };
        let g = gate(gates - 2, None, phi);
        let new = (0..units).map(|u| kinks.clip(f[u] * c[u] + i[u] * g[u], cell_clip)).collect();
        let new = pass.rounded(new);
        let o = gate(gates - 1, Some((gates - 2, &new)), rho);
        let seen = match w.gammas {
            Some([_, _, gamma, beta]) => {
                let mut seen = scaled(&pass.rounded(normalized(&new, EPSILON)), gamma);
                add(&mut seen, beta);
                pass.rounded(seen)
            }
            None => new.clone(),
        };
        let squashed = pass.rounded(seen.iter().map(|&x| phi.of(kinks, x)).collect());
        let mut h = scaled(&o, &squashed);
        if let Some(outputs) = self.options.projection {
            h = product(&h, &[vec![1.0; units]], w.projection, 1, outputs, 0..1);
        }
        [h, mixed(kept, c, &new)]
    }

    fn gru(&self, pass: &Pass<'_>, w: &Weights<'_>, masks: &[Row], a: Row, h: &[f64]) -> Row {
        let Recurrent { units, activation: phi, recurrent_activation: rho, reset_after, .. } = *self.options;
        let kinks = &pass.kinks;
        let mut state = pass.rounded(product(h, masks, &w.recurrent, 3, units, 0..3));
        add(&mut state, w.recurrent_bias);
        let gate = |gate: usize| -> Row {
            let columns = gate * units..(gate + 1) * units;
            pass.rounded(columns.map(|column| rho.of(kinks, a[column] + state[column])).collect())
        };
        let (z, r) = (gate(0), gate(1));
        let state = if reset_after {
            scaled(&r, &state[2 * units..])
        } else {
            product(&scaled(&r, h), masks, &w.recurrent, 3, units, 2..3)
        };
        let candidate = pass.rounded((0..units).map(|u| phi.of(kinks, a[2 * units + u] + state[u])).collect());
        mixed(&z, h, &candidate)
    }

    /// Runs over all sequences; adds its penalties to those of the pass.
    pub fn run(&self, pass: &Pass<'_>, x: &[Sequence]) -> Vec<Outcome> {
        let (options, gates, outputs) = (self.options, self.gates(), self.outputs());
        let units = options.units;
        let weights = self.weights(pass);
        let inputs = weights.kernel.len() / (gates * units);
        let per_gate =
            options.dropout_mask == DropoutMask::PerGate && (options.dropout > 0.0 || options.recurrent_dropout > 0.0);
        let copies = if per_gate { gates } else { 1 };
        let (mut squares, mut changes) = (0.0, 0.0);
        let mut outcomes = Vec::new();
        for (s, x) in x.iter().enumerate() {
            let sample = pass.batch.samples[s];
            let masks = |purpose, columns, rate| -> Vec<Row> {
                (0..copies).map(|g| pass.draws.dropout(purpose, self.source(g), sample, 0, columns, rate)).collect()
            };
            let input_masks = masks(Purpose::InputDropout, inputs, options.dropout);
            let state_masks = masks(Purpose::RecurrentDropout, outputs, options.recurrent_dropout);
            let mut h = pass.initial(&self.name, "h", s, outputs);
            let mut c = pass.initial(&self.name, "c", s, units);
            let mut steps = Sequence::new();
            for step in 0..x.len() {
                let position = if self.mirrored { x.len() - 1 - step } else { step };
                let mut a = pass.rounded(product(&x[position], &input_masks, weights.kernel, gates, units, 0..gates));
                if let Some(gammas) = weights.gammas {
                    a = scaled(&pass.rounded(normalized(&a, EPSILON)), gammas[0]);
                }
                add(&mut a, weights.bias);
                let mut now = match self.kind {
                    Kind::Lstm => {
                        let kept = pass.draws.zoneout(self.source(1), sample, step, units, options.zoneout_cell);
                        let [now, cell] = self.lstm(pass, &weights, &state_masks, a, &h, &c, &kept);
                        c = cell;
                        now
                    }
                    Kind::Gru => self.gru(pass, &weights, &state_masks, a, &h),
                    Kind::SimpleRnn => {
                        add(&mut a, &product(&h, &state_masks, &weights.recurrent, 1, units, 0..1));
                        options.activation.of_row(&pass.kinks, &mut a);
                        a
                    }
                };
                let kept = pass.draws.zoneout(self.source(0), sample, step, outputs, options.zoneout_hidden);
                now = mixed(&kept, &h, &pass.rounded(now));
                if let Some(nudge) = pass.optional(&format!("{}#nudge", self.name)) {
                    add(&mut now, &nudge[(pass.starts[s] + position) * outputs..]);
                }
                squares += now.iter().map(|h| h * h).sum::<f64>();
                if step > 0 {
                    changes += now.iter().zip(&h).map(|(now, before)| (now - before).powi(2)).sum::<f64>();
                }
                steps.push(now.clone());
                h = now;
            }
            outcomes.push(Outcome { steps, h, c: if self.kind == Kind::Lstm { c } else { Row::new() } });
        }
        if pass.draws.generator.is_some() {
            let tokens = x.iter().map(Vec::len).sum::<usize>();
            let started = x.iter().filter(|x| !x.is_empty()).count();
            let mean = |sum: f64, steps: usize| sum / (steps.max(1) * outputs) as f64;
            pass.add_penalty(options.activation_regularization * mean(squares, tokens));
            pass.add_penalty(options.temporal_activation_regularization * mean(changes, tokens - started));
        }
        outcomes
    }
}
