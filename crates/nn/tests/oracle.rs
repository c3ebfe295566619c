//! The whole model against the textbook: a scalar `f64` model with the same masks, and central
//! differences of its loss with respect to every parameter.

use cellstate_kernels::philox::{Philox, Purpose, Stream};
use cellstate_kernels::reference::lstm;
use cellstate_kernels::{dropout, padded, Context, Level, Packed};
use cellstate_nn::{Activation, AdamConfig, Batch, Config, LayerConfig, Loss, Model, Targets};
use std::sync::atomic::AtomicBool;

/// Norm of the difference over the norm of the gradient, for every parameter.
const RELATIVE_ERROR: f64 = 1e-6;

static RUNNING: AtomicBool = AtomicBool::new(false);

/// A batch whose lengths include 0 and 1 and whose ids repeat.
fn batch(config: &Config) -> Batch {
    let lengths = vec![4u32, 0, 7, 1, 7, 2];
    let tokens: u32 = lengths.iter().sum();
    let (ids, values) = match &config.layers[0] {
        LayerConfig::Embedding { input_dim, .. } => {
            (Some((0..tokens).map(|i| (i * i * 5 % *input_dim as u32) as i32).collect()), None)
        }
        LayerConfig::Input { features, .. } => {
            (None, Some((0..tokens as usize * features).map(|i| ((i * 37 % 23) as f32 - 11.0) / 9.0).collect()))
        }
        _ => unreachable!(),
    };
    Batch { ids, values, lengths, samples: vec![9, 2, 14, 3, 0, 7] }
}

type Sequence = Vec<Vec<f64>>;

/// The masks of a step, as the kernels draw them, and the `f64` model.
struct Reference<'a> {
    model: &'a Model,
    batch: &'a Batch,
    packed: Packed,
    by_row: Vec<u32>,
}

impl Reference<'_> {
    fn new<'a>(model: &'a Model, batch: &'a Batch) -> Reference<'a> {
        let mut packed = Packed::default();
        packed.rebuild(&batch.lengths, &batch.samples);
        let by_row = packed.order().iter().map(|&i| batch.samples[i as usize]).collect();
        Reference { model, batch, packed, by_row }
    }

    fn context() -> Context {
        Context::new(Level::software(), 1)
    }

    fn generator(&self) -> Philox {
        Philox::new(self.model.config().seed, 0)
    }

    fn parameter(&self, values: &[Vec<f64>], name: &str) -> Vec<f64> {
        let index = self.model.parameters().iter().position(|view| view.name == name).unwrap();
        values[index].clone()
    }

    /// A mask a sequence, in batch order.
    fn sequence_mask(&self, layer: usize, purpose: Purpose, gate: u32, columns: usize, rate: f32) -> Vec<Vec<f64>> {
        let mut out = vec![0.0; self.by_row.len() * padded(columns)];
        let stream = Stream { layer: layer as u32, purpose, gate };
        dropout::sequence_masks(&Self::context(), self.generator(), stream, &self.by_row, columns, rate, &mut out);
        let mut masks = vec![Vec::new(); self.by_row.len()];
        for (row, &sequence) in self.packed.order().iter().enumerate() {
            masks[sequence as usize] = out[row * padded(columns)..][..columns].iter().map(|&x| f64::from(x)).collect();
        }
        masks
    }

    fn lstm(
        &self,
        values: &[Vec<f64>],
        layer: usize,
        prefix: &str,
        gate: u32,
        x: &[Sequence],
        units: usize,
        dropout: f32,
        recurrent_dropout: f32,
    ) -> Vec<Sequence> {
        let kernel = self.parameter(values, &format!("{prefix}.kernel"));
        let recurrent = self.parameter(values, &format!("{prefix}.recurrent_kernel"));
        let bias = self.parameter(values, &format!("{prefix}.bias"));
        let inputs = kernel.len() / (4 * units);
        let input_masks = self.sequence_mask(layer, Purpose::InputDropout, gate, inputs, dropout);
        let state_masks = self.sequence_mask(layer, Purpose::RecurrentDropout, gate, units, recurrent_dropout);
        x.iter()
            .zip(input_masks.iter().zip(&state_masks))
            .map(|(sequence, (input_mask, state_mask))| {
                let product: Vec<f64> = sequence
                    .iter()
                    .flat_map(|x| {
                        let mut z = bias.clone();
                        for k in 0..inputs {
                            for column in 0..4 * units {
                                z[column] += x[k] * input_mask[k] * kernel[k * 4 * units + column];
                            }
                        }
                        z
                    })
                    .collect();
                lstm(&product, &recurrent, state_mask, &vec![0.0; units], &vec![0.0; units])
                    .into_iter()
                    .map(|step| step.h)
                    .collect()
            })
            .collect()
    }

    /// Mean loss over the output rows.
    fn loss(&self, values: &[Vec<f64>], targets: &Targets, loss: Loss) -> f64 {
        let config = self.model.config();
        let mut starts = vec![0usize];
        self.batch.lengths.iter().for_each(|&length| starts.push(starts.last().unwrap() + length as usize));
        let sequences = self.batch.lengths.len();
        let mut x: Vec<Sequence> = vec![Vec::new(); sequences];
        // A sequence of one row stands for an output per sequence.
        let mut per_step = true;
        for (index, layer) in config.layers.iter().enumerate() {
            let name = layer.name();
            match layer {
                LayerConfig::Input { features, .. } => {
                    let input = self.batch.values.as_ref().unwrap();
                    for s in 0..sequences {
                        x[s] = (starts[s]..starts[s + 1])
                            .map(|p| input[p * features..(p + 1) * features].iter().map(|&v| f64::from(v)).collect())
                            .collect();
                    }
                }
                LayerConfig::Embedding { input_dim, output_dim, dropout, .. } => {
                    let table = self.parameter(values, &format!("{name}.embeddings"));
                    let tokens: Vec<u32> = (0..*input_dim as u32).collect();
                    let mut scale = Vec::new();
                    let stream = Stream { layer: index as u32, purpose: Purpose::WordDropout, gate: 0 };
                    dropout::token_masks(self.generator(), stream, &tokens, *dropout, &mut scale);
                    let ids = self.batch.ids.as_ref().unwrap();
                    for s in 0..sequences {
                        x[s] = (starts[s]..starts[s + 1])
                            .map(|p| ids[p] as usize)
                            .map(|id| {
                                table[id * output_dim..(id + 1) * output_dim]
                                    .iter()
                                    .map(|v| v * f64::from(scale[id]))
                                    .collect()
                            })
                            .collect();
                    }
                }
                LayerConfig::Lstm { units, dropout, recurrent_dropout, return_sequences, .. } => {
                    x = self.lstm(values, index, name, 0, &x, *units, *dropout, *recurrent_dropout);
                    if !return_sequences {
                        x.iter_mut().for_each(|x| *x = vec![x.last().cloned().unwrap_or(vec![0.0; *units])]);
                        per_step = false;
                    }
                }
                LayerConfig::Bidirectional { layer, .. } => {
                    let LayerConfig::Lstm { units, dropout, recurrent_dropout, return_sequences, .. } = &**layer else {
                        unreachable!()
                    };
                    let mirrored: Vec<Sequence> = x.iter().map(|x| x.iter().rev().cloned().collect()).collect();
                    let forward = self.lstm(
                        values,
                        index,
                        &format!("{name}.forward"),
                        0,
                        &x,
                        *units,
                        *dropout,
                        *recurrent_dropout,
                    );
                    let backward = self.lstm(
                        values,
                        index,
                        &format!("{name}.backward"),
                        128,
                        &mirrored,
                        *units,
                        *dropout,
                        *recurrent_dropout,
                    );
                    let zero = vec![0.0; *units];
                    x = forward
                        .into_iter()
                        .zip(backward)
                        .map(|(f, b)| {
                            if *return_sequences {
                                f.iter().zip(b.iter().rev()).map(|(f, b)| [&f[..], b].concat()).collect()
                            } else {
                                vec![[&f.last().unwrap_or(&zero)[..], b.last().unwrap_or(&zero)].concat()]
                            }
                        })
                        .collect();
                    per_step &= *return_sequences;
                }
                LayerConfig::Dense { units, activation, .. } => {
                    let (kernel, bias) = (
                        self.parameter(values, &format!("{name}.kernel")),
                        self.parameter(values, &format!("{name}.bias")),
                    );
                    let last = index + 1 == config.layers.len() && loss != Loss::MeanSquaredError;
                    for row in x.iter_mut().flatten() {
                        let mut z = bias.clone();
                        row.iter()
                            .enumerate()
                            .for_each(|(k, v)| (0..*units).for_each(|u| z[u] += v * kernel[k * units + u]));
                        if !last {
                            match activation {
                                Activation::Linear => {}
                                Activation::Relu => z.iter_mut().for_each(|z| *z = z.max(0.0)),
                                Activation::Sigmoid => z.iter_mut().for_each(|z| *z = 1.0 / (1.0 + (-*z).exp())),
                                Activation::Tanh => z.iter_mut().for_each(|z| *z = z.tanh()),
                                Activation::Softmax => {
                                    let total: f64 = z.iter().map(|z| z.exp()).sum();
                                    z.iter_mut().for_each(|z| *z = z.exp() / total);
                                }
                            }
                        }
                        *row = z;
                    }
                }
                LayerConfig::Dropout { rate, .. } => {
                    let columns = x.iter().flatten().next().unwrap().len();
                    if per_step {
                        let stride = padded(columns);
                        let mut mask = vec![0.0; self.packed.tokens() * stride];
                        let stream = Stream { layer: index as u32, purpose: Purpose::Dropout, gate: 0 };
                        let ones = vec![1.0; mask.len()];
                        dropout::steps(
                            &Self::context(),
                            self.generator(),
                            stream,
                            &self.packed,
                            &self.by_row,
                            columns,
                            *rate,
                            &ones,
                            &mut mask,
                        );
                        for p in 0..self.packed.tokens() {
                            let s = self.packed.order()[self.packed.rows()[p] as usize] as usize;
                            let t = self.packed.positions()[p] as usize - starts[s];
                            x[s][t].iter_mut().zip(&mask[p * stride..]).for_each(|(v, &m)| *v *= f64::from(m));
                        }
                    } else {
                        let masks = self.sequence_mask(index, Purpose::Dropout, 0, columns, *rate);
                        x.iter_mut()
                            .zip(&masks)
                            .for_each(|(x, mask)| x[0].iter_mut().zip(mask).for_each(|(v, m)| *v *= m));
                    }
                }
                LayerConfig::GlobalAveragePooling { .. } | LayerConfig::GlobalMaxPooling { .. } => {
                    let columns = x.iter().flatten().next().unwrap().len();
                    let max = matches!(layer, LayerConfig::GlobalMaxPooling { .. });
                    for x in &mut x {
                        let pooled = (0..columns).map(|c| match (x.is_empty(), max) {
                            (true, _) => 0.0,
                            (false, true) => x.iter().map(|row| row[c]).fold(f64::NEG_INFINITY, f64::max),
                            (false, false) => x.iter().map(|row| row[c]).sum::<f64>() / x.len() as f64,
                        });
                        *x = vec![pooled.collect()];
                    }
                    per_step = false;
                }
                LayerConfig::ConcatPooling { .. } => {
                    let columns = x.iter().flatten().next().unwrap().len();
                    for x in &mut x {
                        let column = |c: usize| x.iter().map(move |row| row[c]);
                        let mean = |c| column(c).sum::<f64>() / x.len().max(1) as f64;
                        let max = |c| column(c).reduce(f64::max).unwrap_or(0.0);
                        *x = vec![(0..columns).map(max).chain((0..columns).map(mean)).collect()];
                    }
                    per_step = false;
                }
            }
        }
        let rows: Vec<&Vec<f64>> = x.iter().flatten().collect();
        let target = |row: usize, output: usize, outputs: usize| match (&targets.classes, &targets.values) {
            (Some(classes), _) => f64::from(u8::from(classes[row] as usize == output)),
            (_, Some(values)) => f64::from(values[row * outputs + output]),
            _ => unreachable!(),
        };
        let weight = |row: usize| targets.weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]));
        let total: f64 = rows
            .iter()
            .enumerate()
            .map(|(row, z)| {
                let y: Vec<f64> = (0..z.len()).map(|output| target(row, output, z.len())).collect();
                weight(row)
                    * match loss {
                        Loss::CategoricalCrossentropy => {
                            let normalizer = z.iter().map(|z| z.exp()).sum::<f64>().ln();
                            z.iter().zip(&y).map(|(z, y)| y * (normalizer - z)).sum::<f64>()
                        }
                        Loss::BinaryCrossentropy => {
                            z.iter().zip(&y).map(|(z, y)| z.max(0.0) - z * y + (-z.abs()).exp().ln_1p()).sum::<f64>()
                                / z.len() as f64
                        }
                        Loss::MeanSquaredError => {
                            z.iter().zip(&y).map(|(z, y)| (z - y) * (z - y)).sum::<f64>() / z.len() as f64
                        }
                    }
            })
            .sum();
        total / (0..rows.len()).map(weight).sum::<f64>()
    }
}

fn check(json: &str, loss: Loss) {
    let config = Config::from_json(json).unwrap();
    let batch = batch(&config);
    let still = AdamConfig {
        learning_rate: 0.0,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-7,
        epsilon_after_correction: false,
        weight_decay: 0.0,
        global_clip_norm: None,
    };
    let mut model = Model::new(config.clone(), Context::new(Level::best(), 2)).unwrap();
    // Initial recurrent weights and biases are too tame to show a mistake.
    for view in model.parameters().to_vec() {
        let values: Vec<f32> =
            (0..view.len()).map(|i| ((i * 7919 + view.name.len() * 31) % 1009) as f32 / 1009.0 - 0.5).collect();
        model.set_value(&view.name, &values).unwrap();
    }
    let last = model.summary().last().unwrap().output_shape.clone();
    let outputs = last.last().unwrap().unwrap();
    let rows = if last.len() == 3 { batch.lengths.iter().sum::<u32>() as usize } else { batch.lengths.len() };
    let targets = Targets {
        classes: (loss == Loss::CategoricalCrossentropy).then(|| (0..rows).map(|row| (row % outputs) as u32).collect()),
        values: (loss != Loss::CategoricalCrossentropy)
            .then(|| (0..rows * outputs).map(|i| (i * 3 % 5) as f32 / 4.0).collect()),
        weights: Some((0..rows).map(|row| 0.5 + row as f32 / 4.0).collect()),
    };
    let report = model.train_step(&batch, &targets, loss, &still, &RUNNING).unwrap();
    let reference = Reference::new(&model, &batch);
    let mut values: Vec<Vec<f64>> =
        (0..model.parameters().len()).map(|i| model.value(i).iter().map(|&x| f64::from(x)).collect()).collect();
    let exact = reference.loss(&values, &targets, loss);
    assert!((report.loss - exact).abs() <= 1e-6 * exact.abs().max(1.0), "loss {} instead of {exact}", report.loss);
    for (index, view) in model.parameters().iter().enumerate() {
        let (mut difference, mut norm) = (0.0, 0.0);
        for i in 0..view.len() {
            const STEP: f64 = 1e-4;
            let here = values[index][i];
            // Fourth-order central difference: its own error is far below the tolerance.
            let mut at = |offset: f64| {
                values[index][i] = here + offset;
                reference.loss(&values, &targets, loss)
            };
            let slope = (8.0 * (at(STEP) - at(-STEP)) - (at(2.0 * STEP) - at(-2.0 * STEP))) / (12.0 * STEP);
            values[index][i] = here;
            let ours = f64::from(model.gradient(index)[i]);
            difference += (ours - slope) * (ours - slope);
            norm += slope * slope;
        }
        let error = (difference / norm).sqrt();
        println!("{:<40} relative error {error:.1e}", view.name);
        assert!(norm > 0.0 && error < RELATIVE_ERROR, "{}: relative error {error:e}", view.name);
    }
}

#[test]
fn the_articles_model_matches_finite_differences_at_three_odd_sizes() {
    for (inputs, units) in [(5, 7), (9, 17), (6, 33)] {
        check(
            &format!(
                r#"{{"seed":5,"layers":[{{"kind":"embedding","inputDim":11,"outputDim":{inputs},"dropout":0.2}},
                {{"kind":"lstm","units":{units},"dropout":0.2,"recurrentDropout":0.2}},{{"kind":"dense","units":2,"activation":"softmax"}}]}}"#
            ),
            Loss::CategoricalCrossentropy,
        );
    }
}

#[test]
fn token_sharing_matches_finite_differences() {
    check(
        r#"{"layers":[{"kind":"embedding","inputDim":5,"outputDim":6},{"kind":"bidirectional","layer":{"kind":"lstm","units":7,"recurrentDropout":0.3}},
        {"kind":"dense","units":3,"activation":"softmax"}]}"#,
        Loss::CategoricalCrossentropy,
    );
}

#[test]
fn stacked_bidirectional_layers_with_dropout_match_finite_differences() {
    check(
        r#"{"seed":2,"layers":[{"kind":"embedding","inputDim":7,"outputDim":5,"dropout":0.3},
        {"kind":"bidirectional","layer":{"kind":"lstm","units":5,"returnSequences":true,"dropout":0.25,"recurrentDropout":0.25}},{"kind":"dropout","rate":0.3},
        {"kind":"lstm","units":3,"returnSequences":true},{"kind":"dense","units":4,"activation":"softmax"}]}"#,
        Loss::CategoricalCrossentropy,
    );
}

#[test]
fn pooling_dense_activations_and_other_losses_match_finite_differences() {
    for (pooling, activation, last, loss) in [
        ("globalAveragePooling", "tanh", "sigmoid", Loss::BinaryCrossentropy),
        ("globalMaxPooling", "sigmoid", "linear", Loss::MeanSquaredError),
        ("globalAveragePooling", "relu", "softmax", Loss::MeanSquaredError),
        ("concatPooling", "tanh", "softmax", Loss::CategoricalCrossentropy),
    ] {
        check(
            &format!(
                r#"{{"seed":3,"layers":[{{"kind":"input","features":3}},{{"kind":"lstm","units":6,"returnSequences":true}},{{"kind":"{pooling}"}},
                {{"kind":"dense","units":8,"activation":"{activation}"}},{{"kind":"dropout","rate":0.2}},{{"kind":"dense","units":3,"activation":"{last}"}}]}}"#
            ),
            loss,
        );
    }
}
