//! A whole model in `f64`, written from the equations: layer after layer, one sequence at a time, plain loops.

mod cells;
mod draws;
mod kinks;

use crate::differences::round;
use cells::{Direction, Kind, Outcome, Recurrent};
use cellstate_kernels::philox::{Philox, Purpose};
use cellstate_nn::{Batch, Loss, Model, States, Targets};
use draws::{Draws, Source};
use kinks::{Function, Kinks};
use serde::Deserialize;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

pub type Row = Vec<f64>;

/// Rows of the steps of a sequence, or the one row that stands for it.
pub type Sequence = Vec<Row>;

#[derive(Debug, Deserialize, Clone, Copy)]
pub struct Regularizer {
    l1: f64,
    l2: f64,
}

impl Regularizer {
    fn value<'a>(self, kinks: &Kinks, values: impl Iterator<Item = &'a f64>) -> f64 {
        let magnitude = |x: f64| if self.l1 > 0.0 { kinks.magnitude(x) } else { 0.0 };
        values.map(|&x| self.l1 * magnitude(x) + self.l2 * x * x).sum()
    }
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase")]
enum MergeMode {
    Concat,
    Sum,
    Mul,
    Ave,
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Padding {
    Same,
    Causal,
}

/// A layer as its configuration describes it, every default filled in.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Deserialize, Clone)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Layer {
    Input {
        features: usize,
    },
    Embedding {
        output_dim: usize,
        dropout: f32,
    },
    Lstm(Recurrent),
    Gru(Recurrent),
    SimpleRnn(Recurrent),
    Bidirectional {
        layer: Box<Layer>,
        merge_mode: Option<MergeMode>,
    },
    Residual {
        layer: Box<Layer>,
    },
    Dense {
        units: usize,
        activation: Function,
        use_bias: bool,
        activity_regularizer: Option<Regularizer>,
        tied_to: Option<String>,
    },
    Dropout {
        rate: f32,
    },
    SpatialDropout {
        rate: f32,
    },
    LayerNormalization {
        epsilon: f32,
        center: bool,
        scale: bool,
    },
    GlobalAveragePooling {},
    GlobalMaxPooling {},
    ConcatPooling {},
    AttentionPooling {
        units: Option<usize>,
    },
    #[serde(rename = "conv1d")]
    Conv1d {
        filters: usize,
        kernel_size: usize,
        padding: Padding,
        dilation_rate: usize,
        activation: Function,
        use_bias: bool,
        activity_regularizer: Option<Regularizer>,
    },
}

/// (x − μ) / √(σ² + ε).
fn normalized(x: &[f64], epsilon: f64) -> Row {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / x.len() as f64;
    x.iter().map(|x| (x - mean) / (variance + epsilon).sqrt()).collect()
}

/// x·W + b.
fn affine(x: &[f64], w: &[f64], bias: Option<&[f64]>, units: usize) -> Row {
    let mut out = bias.map_or(vec![0.0; units], <[f64]>::to_vec);
    for (x, w) in x.iter().zip(w.chunks_exact(units)) {
        out.iter_mut().zip(w).for_each(|(out, w)| *out += x * w);
    }
    out
}

/// A model as the textbook has it: what its derivatives are taken by is in [`Textbook::values`].
#[derive(Clone)]
pub struct Textbook<'a> {
    layers: Vec<(String, Layer)>,
    seed: u64,
    batch: &'a Batch,
    /// Whether dropout is drawn.
    dropout: bool,
    /// Names of the tensors: parameters, then `<state>#h` and `<state>#c` of initial states, then `<state>#nudge`, which
    /// is added to the hidden state after every step.
    pub names: Vec<String>,
    index: BTreeMap<String, usize>,
    pub values: Vec<Vec<f64>>,
    regularizers: Vec<(usize, Regularizer)>,
    rounding: Option<Rounding>,
}

/// Rounding of intermediate values, and of the gradients that pass them on the way back.
#[derive(Clone)]
struct Rounding {
    seed: u64,
    /// Every value when it was seen first, by its number: what makes a slope steeper here leaves the value as it is.
    first: RefCell<BTreeMap<u64, Row>>,
}

/// What a run gave. Rows are in the order of the batch.
pub struct Run {
    /// Outputs of the layers from the first that ran.
    outputs: Vec<Vec<Sequence>>,
    /// Penalty of every layer.
    penalties: Vec<f64>,
    parameters: f64,
    /// Rows of h and of c of every state.
    pub states: BTreeMap<String, [Vec<Row>; 2]>,
    /// Distance of the argument that is nearest to a kink.
    pub nearest: f64,
    /// Equal for two runs from the same layer whose arguments stand on the same sides of all kinks.
    pub sides: u64,
}

impl Run {
    /// Output rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.outputs.last().expect("a run has outputs").iter().flatten()
    }

    pub fn penalty(&self) -> f64 {
        self.penalties.iter().sum::<f64>() + self.parameters
    }
}

/// What layers see while the model runs.
struct Pass<'a> {
    book: &'a Textbook<'a>,
    batch: &'a Batch,
    draws: Draws,
    starts: &'a [usize],
    kinks: Kinks,
    penalty: Cell<f64>,
    /// Number of the last rounding.
    rounding: Cell<u64>,
}

impl<'a> Pass<'a> {
    fn value(&self, name: &str) -> &'a [f64] {
        self.optional(name).unwrap_or_else(|| panic!("the model has no {name}"))
    }

    fn optional(&self, name: &str) -> Option<&'a [f64]> {
        self.book.index.get(name).map(|&index| &self.book.values[index][..])
    }

    fn initial(&self, state: &str, part: &str, sequence: usize, columns: usize) -> Row {
        match self.optional(&format!("{state}#{part}")) {
            Some(values) => values[sequence * columns..][..columns].to_vec(),
            None => vec![0.0; columns],
        }
    }

    /// The row, rounded where intermediate values are.
    fn rounded(&self, row: Row) -> Row {
        let Some(Rounding { seed, first }) = &self.book.rounding else { return row };
        let number = self.rounding.get();
        self.rounding.set(number + 2);
        let (mut there, mut back) = (row.clone(), row.clone());
        round(seed << 60 | number, &mut there);
        let mut first = first.borrow_mut();
        let first = first.entry(number).or_insert_with(|| row.clone());
        back.iter_mut().zip(&*first).for_each(|(x, first)| *x -= first);
        let slopes = back.clone();
        round(seed << 60 | (number + 1), &mut back);
        there.iter().zip(back).zip(slopes).map(|((x, rounded), slope)| x + (rounded - slope)).collect()
    }

    fn add_penalty(&self, penalty: f64) {
        self.penalty.set(self.penalty.get() + penalty);
    }

    fn add_activity(&self, regularizer: Option<Regularizer>, out: &[Sequence]) {
        if let Some(regularizer) = regularizer {
            let values = out.iter().flatten().flatten();
            self.add_penalty(regularizer.value(&self.kinks, values) / out.len() as f64);
        }
    }
}

/// The option that regularizes a parameter.
fn regularizer_option(parameter: &str) -> &str {
    match parameter {
        "kernel" => "kernelRegularizer",
        "recurrent_kernel" | "peephole_kernel" | "projection_kernel" => "recurrentRegularizer",
        "bias" => "biasRegularizer",
        "embeddings" => "embeddingsRegularizer",
        "gamma" => "gammaRegularizer",
        "beta" => "betaRegularizer",
        _ => "",
    }
}

impl<'a> Textbook<'a> {
    /// The configuration and the parameters of `model` on `batch`; in a training step that draws dropout if `dropout`.
    pub fn new(model: &Model, batch: &'a Batch, dropout: bool) -> Textbook<'a> {
        let json: serde_json::Value = serde_json::from_str(&model.config().to_json()).unwrap();
        let layers: Vec<(String, Layer)> = json["layers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|layer| (layer["name"].as_str().unwrap().to_owned(), serde_json::from_value(layer.clone()).unwrap()))
            .collect();
        let mut names: Vec<String> = model.parameters().iter().map(|view| view.name.clone()).collect();
        let mut values: Vec<Vec<f64>> =
            (0..names.len()).map(|i| model.value(i).iter().map(|&x| f64::from(x)).collect()).collect();
        let mut regularizers = Vec::new();
        for (index, view) in model.parameters().iter().enumerate().filter(|(_, view)| view.trainable) {
            let path: Vec<&str> = view.name.split('.').collect();
            let position = layers.iter().position(|(name, _)| name == path[0]).unwrap();
            let mut layer = &json["layers"][position];
            while layer["layer"].is_object() {
                layer = &layer["layer"];
            }
            let option = &layer[regularizer_option(path[path.len() - 1])];
            if option.is_object() {
                regularizers.push((index, serde_json::from_value(option.clone()).unwrap()));
            }
        }
        for (state, given) in &batch.initial {
            for (part, given) in [("h", &given.h), ("c", &given.c)] {
                if !given.is_empty() {
                    names.push(format!("{state}#{part}"));
                    values.push(given.iter().map(|&x| f64::from(x)).collect());
                }
            }
        }
        let index = names.iter().enumerate().map(|(i, name)| (name.clone(), i)).collect();
        let seed = model.config().seed;
        Textbook { layers, seed, batch, dropout, names, index, values, regularizers, rounding: None }
    }

    /// Moves parameters and initial states by half a unit in the last place of a number of 32 bits, and from now on every
    /// product, gate, state and output, and the gradients of them.
    pub fn round(&mut self, seed: u64) {
        self.values.iter_mut().enumerate().for_each(|(index, values)| round(seed << 60 | index as u64, values));
        self.rounding = Some(Rounding { seed, first: RefCell::default() });
    }

    /// Adds a tensor of zeros that is added to the hidden states of every step, `[P, columns]`.
    pub fn add_nudge(&mut self, state: &str, columns: usize) {
        let tokens = self.batch.lengths.iter().sum::<u32>() as usize;
        self.index.insert(format!("{state}#nudge"), self.names.len());
        self.names.push(format!("{state}#nudge"));
        self.values.push(vec![0.0; tokens * columns]);
    }

    pub fn tensor(&self, name: &str) -> usize {
        self.index[name]
    }

    /// The first layer whose output depends on a tensor.
    pub fn layer_of(&self, tensor: usize) -> usize {
        let name = self.names[tensor].split(['.', '#']).next().unwrap();
        self.layers.iter().position(|layer| layer.0 == name).unwrap()
    }

    /// Runs the layers from `first`; a run of all layers with the same values before it gave `before`.
    pub fn run(&self, first: usize, before: Option<&Run>) -> Run {
        let mut starts = vec![0usize];
        self.batch.lengths.iter().for_each(|&length| starts.push(starts.last().unwrap() + length as usize));
        let generator = self.dropout.then(|| Philox::new(self.seed, 0));
        let pass = Pass {
            book: self,
            batch: self.batch,
            draws: Draws { generator },
            starts: &starts,
            kinks: Kinks::new(),
            penalty: Cell::new(0.0),
            rounding: Cell::new(0),
        };
        let mut run = Run {
            outputs: Vec::new(),
            penalties: before.map_or(Vec::new(), |before| before.penalties[..first].to_vec()),
            parameters: 0.0,
            states: before.map_or(BTreeMap::new(), |before| before.states.clone()),
            nearest: f64::INFINITY,
            sides: 0,
        };
        let nothing = Vec::new();
        for (index, (name, layer)) in self.layers.iter().enumerate().skip(first) {
            let x = run.outputs.last().or(before.and_then(|run| run.outputs[..first].last())).unwrap_or(&nothing);
            pass.penalty.set(0.0);
            pass.rounding.set((index as u64 + 1) << 32);
            let out = pass.layer(index, name, layer, x, &mut run.states);
            run.penalties.push(pass.penalty.get());
            run.outputs.push(out);
        }
        let of =
            |&(index, regularizer): &(usize, Regularizer)| regularizer.value(&pass.kinks, self.values[index].iter());
        run.parameters = self.regularizers.iter().map(of).sum();
        (run.nearest, run.sides) = (pass.kinks.nearest(), pass.kinks.sides());
        run
    }
}

impl Pass<'_> {
    fn recurrent(
        &self,
        (kind, options): (Kind, &Recurrent),
        (name, source): (String, Source),
        mirrored: bool,
        x: &[Sequence],
        states: &mut BTreeMap<String, [Vec<Row>; 2]>,
    ) -> Vec<Sequence> {
        let direction = Direction { kind, options, name, source, mirrored };
        let outcomes = direction.run(self, x);
        let [h, c] = [outcomes.iter().map(|o| o.h.clone()).collect(), outcomes.iter().map(|o| o.c.clone()).collect()];
        states.insert(direction.name, [h, c]);
        let rows = |outcome: Outcome| if options.return_sequences { outcome.steps } else { vec![outcome.h] };
        let out: Vec<Sequence> = outcomes.into_iter().map(rows).collect();
        self.add_activity(options.activity_regularizer, &out);
        out
    }

    fn layer(
        &self,
        index: usize,
        name: &str,
        layer: &Layer,
        x: &[Sequence],
        states: &mut BTreeMap<String, [Vec<Row>; 2]>,
    ) -> Vec<Sequence> {
        let Pass { batch, starts, kinks, .. } = self;
        let source = Source { layer: index, gate: 0 };
        let get = |parameter: &str| self.value(&format!("{name}.{parameter}"));
        let bias = |on: bool| on.then(|| get("bias"));
        let rows = |of: &dyn Fn(&[f64]) -> Row| -> Vec<Sequence> {
            x.iter().map(|x| x.iter().map(|row| of(row)).collect()).collect()
        };
        let dropped = |step_of: &dyn Fn(usize) -> usize, rate: f32| -> Vec<Sequence> {
            let sequence = |(x, &sample): (&Sequence, &u32)| -> Sequence {
                let drop = |(step, row): (usize, &Row)| {
                    let mask = self.draws.dropout(Purpose::Dropout, source, sample, step_of(step), row.len(), rate);
                    row.iter().zip(mask).map(|(x, m)| x * m).collect()
                };
                x.iter().enumerate().map(drop).collect()
            };
            x.iter().zip(&batch.samples).map(sequence).collect()
        };
        let positions = |s: usize| starts[s]..starts[s + 1];
        let out: Vec<Sequence> = match layer {
            Layer::Input { features } => {
                let values = batch.values.as_ref().unwrap();
                let row = |p: usize| values[p * features..][..*features].iter().map(|&x| f64::from(x)).collect();
                (0..batch.lengths.len()).map(|s| positions(s).map(row).collect()).collect()
            }
            Layer::Embedding { output_dim, dropout } => {
                let (table, ids) = (get("embeddings"), batch.ids.as_ref().unwrap());
                let row = |p: usize| {
                    let id = ids[p] as usize;
                    let factor = self.draws.word(source, id, *dropout);
                    table[id * output_dim..][..*output_dim].iter().map(|x| x * factor).collect()
                };
                (0..batch.lengths.len()).map(|s| positions(s).map(row).collect()).collect()
            }
            Layer::Lstm(options) => {
                self.recurrent((Kind::Lstm, options), (name.into(), source), options.go_backwards, x, states)
            }
            Layer::Gru(options) => {
                self.recurrent((Kind::Gru, options), (name.into(), source), options.go_backwards, x, states)
            }
            Layer::SimpleRnn(options) => {
                self.recurrent((Kind::SimpleRnn, options), (name.into(), source), options.go_backwards, x, states)
            }
            Layer::Bidirectional { layer, merge_mode } => {
                let of = match &**layer {
                    Layer::Lstm(options) => (Kind::Lstm, options),
                    Layer::Gru(options) => (Kind::Gru, options),
                    Layer::SimpleRnn(options) => (Kind::SimpleRnn, options),
                    other => unreachable!("{other:?}"),
                };
                let forward = self.recurrent(of, (format!("{name}.forward"), source), false, x, states);
                let second = Source { gate: 128, ..source };
                let mut backward = self.recurrent(of, (format!("{name}.backward"), second), true, x, states);
                backward.iter_mut().for_each(|rows| rows.reverse());
                let merge = |(f, b): (&Row, &Row)| -> Row {
                    let each = |of: fn(f64, f64) -> f64| f.iter().zip(b).map(|(&f, &b)| of(f, b)).collect();
                    match merge_mode {
                        None | Some(MergeMode::Concat) => [&f[..], b].concat(),
                        Some(MergeMode::Sum) => each(|f, b| f + b),
                        Some(MergeMode::Mul) => each(|f, b| f * b),
                        Some(MergeMode::Ave) => each(|f, b| (f + b) / 2.0),
                    }
                };
                forward.iter().zip(&backward).map(|(f, b)| f.iter().zip(b).map(merge).collect()).collect()
            }
            Layer::Residual { layer } => {
                let mut out = self.layer(index, &format!("{name}.layer"), layer, x, states);
                for (out, x) in out.iter_mut().flatten().zip(x.iter().flatten()) {
                    out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
                }
                out
            }
            Layer::Dense { units, activation, use_bias, tied_to, .. } => {
                let transposed: Vec<f64>;
                let kernel = match tied_to {
                    None => get("kernel"),
                    Some(embedding) => {
                        let table = self.value(&format!("{embedding}.embeddings"));
                        let inputs = table.len() / units;
                        transposed = (0..table.len()).map(|i| table[i % units * inputs + i / units]).collect();
                        &transposed
                    }
                };
                rows(&|row| {
                    let mut out = self.rounded(affine(row, kernel, bias(*use_bias), *units));
                    activation.of_row(kinks, &mut out);
                    self.rounded(out)
                })
            }
            Layer::Dropout { rate } => dropped(&|step| step, *rate),
            Layer::SpatialDropout { rate } => dropped(&|_| 0, *rate),
            Layer::LayerNormalization { epsilon, center, scale } => {
                let (gamma, beta) = (scale.then(|| get("gamma")), center.then(|| get("beta")));
                rows(&|row| {
                    let mut out = self.rounded(normalized(row, f64::from(*epsilon)));
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = gamma.map_or(1.0, |gamma| gamma[i]) * *out + beta.map_or(0.0, |beta| beta[i]);
                    }
                    self.rounded(out)
                })
            }
            Layer::GlobalAveragePooling {} | Layer::GlobalMaxPooling {} | Layer::ConcatPooling {} => {
                let columns = x.iter().flatten().next().map_or(0, Vec::len);
                let column = |x: &Sequence, c: usize| -> Row { x.iter().map(|row| row[c]).collect() };
                let mean = |x: &Sequence| -> Row {
                    (0..columns).map(|c| column(x, c).iter().sum::<f64>() / x.len().max(1) as f64).collect()
                };
                let largest = |x: &Sequence| -> Row {
                    (0..columns).map(|c| if x.is_empty() { 0.0 } else { kinks.largest(&column(x, c)) }).collect()
                };
                let pooled = |x: &Sequence| match layer {
                    Layer::GlobalAveragePooling {} => mean(x),
                    Layer::GlobalMaxPooling {} => largest(x),
                    _ => [largest(x), mean(x)].concat(),
                };
                x.iter().map(|x| vec![pooled(x)]).collect()
            }
            Layer::AttentionPooling { units } => {
                let (kernel, context) = (get("kernel"), get("context"));
                let columns = kernel.len() / context.len();
                assert_eq!(context.len(), units.unwrap_or(columns));
                let score = |row: &Row| -> f64 {
                    let mut hidden = self.rounded(affine(row, kernel, bias(true), context.len()));
                    Function::Tanh.of_row(kinks, &mut hidden);
                    let hidden = self.rounded(hidden);
                    hidden.iter().zip(context).map(|(u, v)| u * v).sum()
                };
                let pooled = |x: &Sequence| -> Row {
                    let mut weights: Row = x.iter().map(score).collect();
                    Function::Softmax.of_row(kinks, &mut weights);
                    let weights = self.rounded(weights);
                    (0..columns).map(|c| x.iter().zip(&weights).map(|(row, w)| row[c] * w).sum()).collect()
                };
                x.iter().map(|x| vec![pooled(x)]).collect()
            }
            Layer::Conv1d { filters, kernel_size, padding, dilation_rate, activation, use_bias, .. } => {
                let kernel = get("kernel");
                let span = (kernel_size - 1) * dilation_rate;
                let before = if *padding == Padding::Same { span / 2 } else { span };
                let at = |x: &Sequence, t: usize| -> Row {
                    let mut out = bias(*use_bias).map_or(vec![0.0; *filters], <[f64]>::to_vec);
                    for (tap, kernel) in kernel.chunks_exact(kernel.len() / kernel_size).enumerate() {
                        let from = (t + tap * dilation_rate).checked_sub(before).and_then(|t| x.get(t));
                        if let Some(row) = from {
                            let product = affine(row, kernel, None, *filters);
                            out.iter_mut().zip(product).for_each(|(out, x)| *out += x);
                        }
                    }
                    activation.of_row(kinks, &mut out);
                    self.rounded(out)
                };
                x.iter().map(|x| (0..x.len()).map(|t| at(x, t)).collect()).collect()
            }
        };
        if let Layer::Dense { activity_regularizer, .. } | Layer::Conv1d { activity_regularizer, .. } = layer {
            self.add_activity(*activity_regularizer, &out);
        }
        out
    }
}

/// What a derivative is taken of.
#[derive(Clone, Copy)]
pub enum Objective<'a> {
    /// The weighted mean of the losses of the output rows, and all penalties.
    Loss(Loss, &'a Targets),
    /// Outputs and last states, each number times its factor, and all penalties if they count.
    Sum { output: &'a [f32], states: &'a States, penalties: bool },
}

impl Objective<'_> {
    pub fn of(&self, run: &Run) -> f64 {
        match self {
            Objective::Loss(loss, targets) => {
                let weight = |row: usize| targets.weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]));
                let target = |row: usize, output: usize, outputs: usize| match (&targets.classes, &targets.values) {
                    (Some(classes), _) => f64::from(u8::from(classes[row] as usize == output)),
                    (_, Some(values)) => f64::from(values[row * outputs + output]),
                    _ => unreachable!("targets are classes or values"),
                };
                let mut weighted = (0.0, 0.0);
                for (row, outputs) in run.rows().enumerate() {
                    let count = outputs.len();
                    let each = |of: fn(f64, f64) -> f64| -> f64 {
                        outputs.iter().enumerate().map(|(i, &p)| of(p, target(row, i, count))).sum()
                    };
                    let value = match loss {
                        Loss::CategoricalCrossentropy { .. } => each(|p, y| -y * p.ln()),
                        Loss::BinaryCrossentropy { .. } => {
                            each(|p, y| -y * p.ln() - (1.0 - y) * (1.0 - p).ln()) / count as f64
                        }
                        Loss::MeanSquaredError => each(|p, y| (p - y) * (p - y)) / count as f64,
                        other => unreachable!("{other:?} has tests of its own"),
                    };
                    weighted.0 += weight(row) * value;
                    weighted.1 += weight(row);
                }
                weighted.0 / weighted.1 + run.penalty()
            }
            Objective::Sum { output, states, penalties } => {
                let dot = |values: &mut dyn Iterator<Item = &f64>, factors: &[f32]| -> f64 {
                    values.zip(factors).map(|(x, &f)| x * f64::from(f)).sum()
                };
                let mut sum = dot(&mut run.rows().flatten(), output);
                for (name, factors) in *states {
                    let [h, c] = &run.states[name];
                    sum += dot(&mut h.iter().flatten(), &factors.h) + dot(&mut c.iter().flatten(), &factors.c);
                }
                sum + if *penalties { run.penalty() } else { 0.0 }
            }
        }
    }
}
