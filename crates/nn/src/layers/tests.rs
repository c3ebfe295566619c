//! Layers without recurrence against textbook functions in `f64`: outputs, and gradients by central differences.

use super::{build, plan, Activation, Gradient, Layer, Pass, Whole};
use crate::config::{Activation as Function, Config};
use crate::parameters::View;
use crate::{Batch, Error};
use cellstate_kernels::philox::{uniform, Philox, Purpose, Stream};
use cellstate_kernels::{padded, Context, Level, Packed};

/// Largest error of an output, relative to values of size 1: sums of up to 240 products of size 1.
const OUTPUT: f64 = 2e-6;

/// Largest error of a gradient, relative to values of size 1.
const GRADIENT: f64 = 1e-5;

/// A step of central differences in `f64`.
const STEP: f64 = 1e-5;

/// Lengths of the sequences of most tests.
const LENGTHS: [u32; 6] = [3, 0, 7, 1, 0, 4];

/// `count` numbers in ±1.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut bits = vec![0; count];
    Philox::new(seed, 0).fill(Stream { layer: 0, purpose: Purpose::Initializer, gate: 0 }, 0, &mut bits);
    bits.into_iter().map(|bits| 2.0 * uniform(bits) - 1.0).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn assert_near(what: &str, got: &[f32], exact: &[f64], tolerance: f64) {
    assert_eq!(got.len(), exact.len(), "{what}");
    for (i, (&got, &exact)) in got.iter().zip(exact).enumerate() {
        let error = (f64::from(got) - exact).abs() / exact.abs().max(1.0);
        assert!(error <= tolerance, "{what}, element {i}: {got} instead of {exact}");
    }
}

fn context() -> Context {
    Context::new(Level::best(), 2)
}

/// Every level with 1, 2 and 8 threads.
fn contexts() -> Vec<Context> {
    let mut levels = Level::available();
    levels.push(Level::software());
    levels.into_iter().flat_map(|level| [1, 2, 8].map(|threads| Context::new(level, threads))).collect()
}

fn steps(lengths: &[u32]) -> usize {
    lengths.iter().sum::<u32>() as usize
}

fn values(lengths: &[u32], features: usize) -> Batch {
    let samples = (0..lengths.len() as u32).collect();
    let values = Some(numbers(1, steps(lengths) * features));
    Batch { values, lengths: lengths.to_vec(), samples, ..Batch::default() }
}

/// Tokens below `vocabulary`, many of them more than once.
fn ids(lengths: &[u32], vocabulary: usize) -> Batch {
    let samples = (0..lengths.len() as u32).collect();
    let ids = (0..steps(lengths)).map(|i| (i * i % 11 % vocabulary) as i32).collect();
    Batch { ids: Some(ids), lengths: lengths.to_vec(), samples, ..Batch::default() }
}

/// Layers in a chain, and random parameters.
struct Chain {
    views: Vec<View>,
    layers: Vec<Box<dyn Layer>>,
    values: Vec<f32>,
    activations: Vec<Activation>,
    version: u64,
}

/// What a pass gave, rows in the order of the batch, without padding.
#[derive(Debug, PartialEq, Clone)]
struct Outcome {
    out: Vec<f32>,
    /// Gradient of the input of the second layer.
    dx: Vec<f32>,
    /// Gradients of all parameters.
    gradients: Vec<f32>,
}

impl Chain {
    /// The layers of a JSON array.
    fn new(layers: &str) -> Chain {
        Chain::refusable(layers).unwrap()
    }

    fn refusable(layers: &str) -> Result<Chain, Error> {
        let config = Config::from_json(&format!("{{\"layers\": {layers}}}"))?;
        let (views, shapes) = plan(&config)?;
        let layers = build(&config, &views, &shapes);
        let count = views.last().map_or(0, |view| view.range().end);
        let activations = layers.iter().map(|_| Activation::default()).collect();
        Ok(Chain { views, layers, values: numbers(2, count), activations, version: 1 })
    }

    fn view(&self, name: &str) -> &View {
        self.views.iter().find(|view| view.name == name).unwrap()
    }

    /// Runs forward and, with a gradient of the outputs, backward on gradients that are 1.
    fn run(&mut self, context: &Context, batch: &Batch, training: bool, dout: Option<&[f32]>) -> Outcome {
        self.version += 1;
        let (version, nothing) = (self.version, Activation::default());
        let Chain { layers, values, activations, .. } = self;
        in_pass(context, batch, training, values, version, |pass| {
            for (i, layer) in layers.iter_mut().enumerate() {
                let (before, after) = activations.split_at_mut(i);
                layer.forward(pass, before.last().unwrap_or(&nothing), &mut after[0]).unwrap();
            }
            let last = activations.last().unwrap();
            let out = in_batch_order(pass.packed, last, &last.data);
            let mut outcome = Outcome { out, dx: Vec::new(), gradients: vec![1.0; values.len()] };
            let Some(dout) = dout else { return outcome };

            let mut dy = Gradient::default();
            dy.data.resize(last.data.len()).unwrap();
            dy.data.fill(0.0);
            for (from, to) in batch_rows(pass.packed, last.per_step).into_iter().enumerate() {
                let from = &dout[from * last.columns..][..last.columns];
                dy.data[to * last.stride()..][..last.columns].copy_from_slice(from);
            }
            for i in (0..layers.len()).rev() {
                let x = if i > 0 { &activations[i - 1] } else { &nothing };
                let mut dx = Gradient::default();
                // What a gradient buffer held before must not show.
                dx.data.resize(1 << 12).unwrap();
                dx.data.fill(f32::NAN);
                let asked = (i > 0).then_some(&mut dx);
                layers[i].backward(pass, x, &activations[i], &mut dy, asked, &mut outcome.gradients).unwrap();
                if i == 1 {
                    outcome.dx = in_batch_order(pass.packed, x, &dx.data);
                }
                dy = dx;
            }
            outcome
        })
    }

    /// The output of the first layer alone.
    fn first(&mut self, batch: &Batch) -> &Activation {
        let Chain { layers, values, activations, version, .. } = self;
        in_pass(&context(), batch, true, values, *version, |pass| {
            layers[0].forward(pass, &Activation::default(), &mut activations[0]).unwrap();
        });
        &activations[0]
    }
}

/// Calls `body` with a pass over the batch.
fn in_pass<T>(
    context: &Context,
    batch: &Batch,
    training: bool,
    values: &[f32],
    version: u64,
    body: impl FnOnce(&Pass<'_>) -> T,
) -> T {
    let mut packed = Packed::default();
    packed.rebuild(&batch.lengths, &batch.samples);
    let samples: Vec<u32> = packed.order().iter().map(|&i| batch.samples[i as usize]).collect();
    body(&Pass {
        context,
        batch,
        packed: &packed,
        samples: &samples,
        training: training.then(|| Philox::new(7, 3)),
        dropout: training,
        values,
        version,
        whole: Whole::of(batch),
        keeps_states: false,
        flow: false,
        state_gradients: None,
    })
}

/// Sequence or step of the batch → row of an activation.
fn batch_rows(packed: &Packed, per_step: bool) -> Vec<usize> {
    let order = if per_step { packed.positions() } else { packed.order() };
    let mut rows = vec![0; order.len()];
    order.iter().enumerate().for_each(|(row, &at)| rows[at as usize] = row);
    rows
}

/// Rows of data in the shape of `like`, in the order of the batch and without their padding, which must be zero.
fn in_batch_order(packed: &Packed, like: &Activation, data: &[f32]) -> Vec<f32> {
    let (columns, stride, rows) = (like.columns, like.stride(), batch_rows(packed, like.per_step));
    let slots = like.slots().filter(|_| data.len() == like.data.len());
    assert!(slots.is_some() || data.len() == rows.len() * stride);
    assert!(data.chunks_exact(stride).all(|row| row[columns..].iter().all(|&x| x == 0.0)), "padding is zero");
    let row = |at: usize| slots.map_or(at, |slots| slots[at] as usize);
    rows.into_iter().flat_map(|at| &data[row(at) * stride..][..columns]).copied().collect()
}

/// Rows of a textbook function.
type Matrix = Vec<Vec<f64>>;

/// Parameters of a textbook function, by name.
type Named<'a> = dyn Fn(&str) -> Vec<f64> + 'a;

/// Checks outputs and all gradients against `textbook`, a function of the values of the steps and the parameters.
fn check(layers: &str, batch: &Batch, textbook: impl Fn(&Matrix, &Named<'_>) -> Matrix) {
    let mut chain = Chain::new(layers);
    let (x, theta) = (wide(batch.values.as_deref().unwrap_or_default()), wide(&chain.values));
    let features = x.len() / steps(&batch.lengths).max(1);
    let evaluate = |x: &[f64], theta: &[f64]| -> Vec<f64> {
        let rows: Matrix = x.chunks_exact(features.max(1)).map(<[f64]>::to_vec).collect();
        let named = |name: &str| theta[chain.views.iter().find(|view| view.name == name).unwrap().range()].to_vec();
        textbook(&rows, &named).concat()
    };
    let exact = evaluate(&x, &theta);
    let dout = numbers(3, exact.len());
    let slope = |at: usize, of: &[f64], evaluate: &dyn Fn(&[f64]) -> Vec<f64>| -> f64 {
        let side = |by: f64| -> f64 {
            let mut moved = of.to_vec();
            moved[at] += by;
            evaluate(&moved).iter().zip(&dout).map(|(y, &d)| y * f64::from(d)).sum()
        };
        (side(STEP) - side(-STEP)) / (2.0 * STEP)
    };
    let dx: Vec<f64> = (0..x.len()).map(|i| slope(i, &x, &|x| evaluate(x, &theta))).collect();
    let dtheta: Vec<f64> = (0..theta.len()).map(|i| 1.0 + slope(i, &theta, &|theta| evaluate(&x, theta))).collect();

    let outcome = chain.run(&context(), batch, true, Some(&dout));
    assert_near(&format!("outputs of {layers}"), &outcome.out, &exact, OUTPUT);
    if batch.values.is_some() {
        assert_near(&format!("input gradient of {layers}"), &outcome.dx, &dx, GRADIENT);
    }
    for view in &chain.views {
        let what = format!("gradient of {} in {layers}", view.name);
        assert_near(&what, &outcome.gradients[view.range()], &dtheta[view.range()], GRADIENT);
    }
}

fn linear(x: &Matrix, w: &[f64], b: Option<&[f64]>, units: usize) -> Matrix {
    let unit = |row: &[f64], u: usize| row.iter().enumerate().map(|(c, x)| x * w[c * units + u]).sum::<f64>();
    x.iter().map(|row| (0..units).map(|u| unit(row, u) + b.map_or(0.0, |b| b[u])).collect()).collect()
}

fn transposed(w: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|c| w.iter().skip(c).step_by(columns)).copied().collect()
}

fn apply(function: Function, mut x: Matrix) -> Matrix {
    for row in &mut x {
        let sum: f64 = row.iter().map(|&x| libm::exp(x)).sum();
        for x in row {
            *x = match function {
                Function::Linear => *x,
                Function::Relu => x.max(0.0),
                Function::Sigmoid => 1.0 / (1.0 + libm::exp(-*x)),
                Function::Tanh => libm::tanh(*x),
                Function::Softmax => libm::exp(*x) / sum,
                Function::HardSigmoid => (*x / 6.0 + 0.5).clamp(0.0, 1.0),
                Function::HardSigmoidLegacy => (*x * 0.2 + 0.5).clamp(0.0, 1.0),
                Function::Softsign => *x / (1.0 + x.abs()),
                Function::Elu => x.max(libm::expm1(x.min(0.0))),
            };
        }
    }
    x
}

const FUNCTIONS: [(Function, &str); 9] = [
    (Function::Linear, "linear"),
    (Function::Relu, "relu"),
    (Function::Sigmoid, "sigmoid"),
    (Function::Tanh, "tanh"),
    (Function::Softmax, "softmax"),
    (Function::HardSigmoid, "hardSigmoid"),
    (Function::HardSigmoidLegacy, "hardSigmoidLegacy"),
    (Function::Softsign, "softsign"),
    (Function::Elu, "elu"),
];

/// The steps of every sequence.
fn sequences<'a>(x: &'a Matrix, lengths: &'a [u32]) -> impl Iterator<Item = &'a [Vec<f64>]> {
    let mut start = 0;
    lengths.iter().map(move |&length| {
        start += length as usize;
        &x[start - length as usize..start]
    })
}

/// Mean over the steps of every sequence.
fn mean(x: &Matrix, lengths: &[u32], features: usize) -> Matrix {
    let column =
        |steps: &[Vec<f64>], c: usize| steps.iter().map(|step| step[c]).sum::<f64>() / steps.len().max(1) as f64;
    sequences(x, lengths).map(|steps| (0..features).map(|c| column(steps, c)).collect()).collect()
}

fn look_up(ids: &[i32], table: &[f64], columns: usize) -> Matrix {
    ids.iter().map(|&id| table[id as usize * columns..][..columns].to_vec()).collect()
}

fn normalized(x: &Matrix, epsilon: f64, gamma: Option<&[f64]>, beta: Option<&[f64]>) -> Matrix {
    x.iter()
        .map(|row| {
            let n = row.len() as f64;
            let mean = row.iter().sum::<f64>() / n;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
            let scaled = |(c, x): (usize, &f64)| {
                let x = (x - mean) / (variance + epsilon).sqrt();
                x * gamma.map_or(1.0, |gamma| gamma[c]) + beta.map_or(0.0, |beta| beta[c])
            };
            row.iter().enumerate().map(scaled).collect()
        })
        .collect()
}

/// W is `[taps, columns, filters]`; tap i sees step t + i · dilation − before.
fn convolution(x: &Matrix, lengths: &[u32], w: &[f64], taps: usize, dilation: usize, before: usize) -> Matrix {
    let columns = x.first().map_or(1, Vec::len);
    let filters = w.len() / taps / columns;
    let mut out = Vec::new();
    for steps in sequences(x, lengths) {
        for t in 0..steps.len() {
            let mut row = vec![0.0; filters];
            for tap in 0..taps {
                let Some(step) = (t + tap * dilation).checked_sub(before).and_then(|t| steps.get(t)) else { continue };
                for (c, x) in step.iter().enumerate() {
                    for (f, sum) in row.iter_mut().enumerate() {
                        *sum += x * w[(tap * columns + c) * filters + f];
                    }
                }
            }
            out.push(row);
        }
    }
    out
}

fn plus(mut x: Matrix, b: &[f64]) -> Matrix {
    x.iter_mut().for_each(|row| row.iter_mut().zip(b).for_each(|(x, b)| *x += b));
    x
}

fn attended(x: &Matrix, lengths: &[u32], p: &Named<'_>, units: usize, features: usize) -> Matrix {
    let (w, b, v) = (p("attention_pooling.kernel"), p("attention_pooling.bias"), p("attention_pooling.context"));
    let pooled = |steps: &[Vec<f64>]| {
        let hidden = apply(Function::Tanh, linear(&steps.to_vec(), &w, Some(&b), units));
        let scores: Vec<f64> =
            hidden.iter().map(|u| libm::exp(u.iter().zip(&v).map(|(u, v)| u * v).sum::<f64>())).collect();
        let sum: f64 = scores.iter().sum();
        (0..features).map(|c| steps.iter().zip(&scores).map(|(x, a)| a / sum * x[c]).sum()).collect()
    };
    sequences(x, lengths).map(pooled).collect()
}

#[test]
fn dense_matches_the_textbook_with_every_activation() {
    for (function, name) in FUNCTIONS {
        for (features, units) in [(1, 3), (7, 17), (17, 1), (33, 7), (3, 33)] {
            let layers = format!(
                r#"[{{"kind": "input", "features": {features}}},
                    {{"kind": "dense", "units": {units}, "activation": "{name}"}}]"#
            );
            check(&layers, &values(&LENGTHS, features), |x, p| {
                apply(function, linear(x, &p("dense.kernel"), Some(&p("dense.bias")), units))
            });
        }
    }
}

#[test]
fn dense_matches_the_textbook_without_bias_and_on_a_row_a_sequence() {
    let layers = r#"[{"kind": "input", "features": 7}, {"kind": "globalAveragePooling"},
        {"kind": "dense", "units": 17, "activation": "sigmoid", "useBias": false}]"#;
    check(layers, &values(&LENGTHS, 7), |x, p| {
        apply(Function::Sigmoid, linear(&mean(x, &LENGTHS, 7), &p("dense.kernel"), None, 17))
    });
}

#[test]
fn dense_leaves_out_its_activation_where_the_loss_takes_logits() {
    for name in ["softmax", "sigmoid", "tanh"] {
        let layers = |name: &str| {
            format!(r#"[{{"kind": "input", "features": 3}}, {{"kind": "dense", "units": 7, "activation": "{name}"}}]"#)
        };
        let (batch, dout) = (values(&LENGTHS, 3), numbers(3, steps(&LENGTHS) * 7));
        let expected = Chain::new(&layers("linear")).run(&context(), &batch, true, Some(&dout));
        let mut chain = Chain::new(&layers(name));
        chain.layers[1].leave_logits(true);
        assert_eq!(chain.run(&context(), &batch, true, Some(&dout)), expected);
        chain.layers[1].leave_logits(false);
        assert_ne!(chain.run(&context(), &batch, true, Some(&dout)), expected);
    }
}

#[test]
fn a_tied_dense_layer_and_its_embedding_share_the_gradient_of_the_table() {
    for (vocabulary, columns) in [(7, 3), (17, 33), (3, 1)] {
        let embedding = format!(r#"{{"kind": "embedding", "inputDim": {vocabulary}, "outputDim": {columns}}}"#);
        for bias in [true, false] {
            let dense = format!(
                r#"{{"kind": "dense", "units": {vocabulary}, "activation": "softmax", "useBias": {bias},
                     "tiedTo": "embedding"}}"#
            );
            let batch = ids(&LENGTHS, vocabulary);
            let tokens = batch.ids.as_deref().unwrap();
            let tied = |x: &Matrix, p: &Named<'_>| {
                let (table, bias) = (p("embedding.embeddings"), bias.then(|| p("dense.bias")));
                apply(Function::Softmax, linear(x, &transposed(&table, columns), bias.as_deref(), vocabulary))
            };
            check(&format!("[{embedding}, {dense}]"), &batch, |_, p| {
                tied(&look_up(tokens, &p("embedding.embeddings"), columns), p)
            });
            let between = r#"{"kind": "layerNormalization", "scale": false, "center": false}"#;
            check(&format!("[{embedding}, {between}, {dense}]"), &batch, |_, p| {
                tied(&normalized(&look_up(tokens, &p("embedding.embeddings"), columns), 1e-3, None, None), p)
            });
        }
    }
}

#[test]
fn a_tied_dense_layer_needs_an_embedding_of_its_shape() {
    let refusal = |dense: &str| {
        let layers = format!(
            r#"[{{"kind": "embedding", "name": "words", "inputDim": 7, "outputDim": 3}},
                {{"kind": "dropout", "rate": 0.5}}, {{"kind": "dense", {dense}}}]"#
        );
        Chain::refusable(&layers).err().map(|error| error.to_string())
    };
    assert_eq!(refusal(r#""units": 7, "tiedTo": "words""#), None);
    assert_eq!(
        refusal(r#""units": 7, "tiedTo": "letters""#).as_deref(),
        Some("layers[2].tiedTo must be the name of an embedding, got 'letters', which no layer has")
    );
    assert_eq!(
        refusal(r#""units": 7, "tiedTo": "dropout""#).as_deref(),
        Some("layers[2].tiedTo must be the name of an embedding, got 'dropout', which is of kind dropout")
    );
    assert_eq!(
        refusal(r#""units": 8, "tiedTo": "words""#).as_deref(),
        Some("layers[2].units must be 7, the inputDim of 'words', to which it is tied, got 8")
    );
    assert_eq!(
        refusal(r#""units": 7, "tiedTo": "words", "kernelRegularizer": {"l2": 0.1}"#).as_deref(),
        Some("layers[2].kernelRegularizer must be left out, for the kernel is that of 'words': set embeddingsRegularizer there")
    );
    let wide = r#"[{"kind": "embedding", "inputDim": 7, "outputDim": 3}, {"kind": "conv1d", "filters": 5,
        "kernelSize": 1}, {"kind": "dense", "units": 7, "tiedTo": "embedding"}]"#;
    assert_eq!(
        Chain::refusable(wide).err().unwrap().to_string(),
        "layers[2].tiedTo must be an embedding whose outputDim is 5, the features that come in, got 'embedding' with 3"
    );
}

#[test]
fn layer_normalization_matches_the_textbook() {
    for (features, scale, center, epsilon) in [
        (1, true, true, 1e-3),
        (3, true, false, 0.5),
        (7, false, true, 1e-3),
        (17, false, false, 0.1),
        (33, true, true, 0.01),
    ] {
        let layer =
            format!(r#"{{"kind": "layerNormalization", "scale": {scale}, "center": {center}, "epsilon": {epsilon}}}"#);
        let input = format!(r#"{{"kind": "input", "features": {features}}}"#);
        let textbook = |x: &Matrix, p: &Named<'_>| {
            let gamma = scale.then(|| p("layer_normalization.gamma"));
            let beta = center.then(|| p("layer_normalization.beta"));
            normalized(x, epsilon, gamma.as_deref(), beta.as_deref())
        };
        check(&format!("[{input}, {layer}]"), &values(&LENGTHS, features), textbook);
        check(
            &format!(r#"[{input}, {{"kind": "globalAveragePooling"}}, {layer}]"#),
            &values(&LENGTHS, features),
            |x, p| textbook(&mean(x, &LENGTHS, features), p),
        );
    }
}

#[test]
fn attention_pooling_matches_the_textbook() {
    for (features, units) in [(1, Some(3)), (3, None), (7, Some(17)), (17, Some(1)), (33, Some(7)), (7, Some(33))] {
        let option = units.map_or(String::new(), |units| format!(r#", "units": {units}"#));
        let layers =
            format!(r#"[{{"kind": "input", "features": {features}}}, {{"kind": "attentionPooling"{option}}}]"#);
        check(&layers, &values(&LENGTHS, features), |x, p| {
            attended(x, &LENGTHS, p, units.unwrap_or(features), features)
        });
    }
}

#[test]
fn convolution_matches_the_textbook() {
    for (taps, dilation, features, filters) in
        [(1, 1, 7, 3), (2, 1, 3, 7), (3, 1, 17, 5), (3, 2, 1, 17), (4, 3, 3, 1), (5, 1, 33, 7), (3, 40, 7, 33)]
    {
        let same = (taps - 1) * dilation / 2;
        for (padding, before) in [("same", same), ("causal", (taps - 1) * dilation)] {
            for (function, name) in [(Function::Linear, "linear"), (Function::Sigmoid, "sigmoid")] {
                let bias = function == Function::Sigmoid;
                let layers = format!(
                    r#"[{{"kind": "input", "features": {features}}}, {{"kind": "conv1d", "filters": {filters},
                        "kernelSize": {taps}, "dilationRate": {dilation}, "padding": "{padding}",
                        "activation": "{name}", "useBias": {bias}}}]"#
                );
                check(&layers, &values(&LENGTHS, features), |x, p| {
                    let y = convolution(x, &LENGTHS, &p("conv1d.kernel"), taps, dilation, before);
                    apply(function, if bias { plus(y, &p("conv1d.bias")) } else { y })
                });
            }
        }
    }
}

#[test]
fn convolution_reads_the_rows_of_distinct_tokens() {
    let layers = r#"[{"kind": "embedding", "inputDim": 7, "outputDim": 5},
        {"kind": "conv1d", "filters": 3, "kernelSize": 3}]"#;
    let batch = ids(&LENGTHS, 7);
    check(layers, &batch, |_, p| {
        let x = look_up(batch.ids.as_deref().unwrap(), &p("embedding.embeddings"), 5);
        plus(convolution(&x, &LENGTHS, &p("conv1d.kernel"), 3, 1, 1), &p("conv1d.bias"))
    });
}

#[test]
fn a_convolution_draws_its_kernel_with_the_fans_of_keras() {
    let chain = Chain::new(r#"[{"kind": "input", "features": 5}, {"kind": "conv1d", "filters": 7, "kernelSize": 3}]"#);
    let kernel = chain.view("conv1d.kernel");
    assert_eq!(kernel.shape, [3, 5, 7]);
    let limit = libm::sqrt(6.0 / ((3 * 5 + 3 * 7) as f64));
    assert_eq!(kernel.draw, crate::initializers::Draw::Uniform { limit, draws: 1 });
}

#[test]
fn an_embedding_gives_rows_of_distinct_tokens_to_layers_that_read_them_so() {
    for (next, shared) in [
        (r#"{"kind": "lstm", "units": 2}"#, true),
        (r#"{"kind": "lstm", "units": 2, "dropout": 0.5}"#, true),
        (r#"{"kind": "gru", "units": 2}"#, true),
        (r#"{"kind": "bidirectional", "layer": {"kind": "lstm", "units": 2}}"#, true),
        (r#"{"kind": "dense", "units": 2}"#, true),
        (r#"{"kind": "conv1d", "filters": 2, "kernelSize": 3}"#, true),
        (r#"{"kind": "residual", "layer": {"kind": "dense", "units": 3}}"#, false),
        (r#"{"kind": "dropout", "rate": 0.5}"#, false),
        (r#"{"kind": "layerNormalization"}"#, false),
        (r#"{"kind": "attentionPooling"}"#, false),
    ] {
        let layers = format!(r#"[{{"kind": "embedding", "inputDim": 7, "outputDim": 3}}, {next}]"#);
        let mut chain = Chain::new(&layers);
        let out = chain.first(&ids(&LENGTHS, 7));
        assert_eq!(out.distinct.is_some(), shared, "{next}");
        let rows = if shared { out.distinct.as_ref().unwrap().tokens().len() } else { steps(&LENGTHS) };
        assert_eq!(out.data.len(), rows * padded(3), "{next}");
    }
}

#[test]
fn predictions_are_the_same_whichever_tokens_came_before() {
    // A cell of 4 gates of 16 columns: the products of 16 tokens are kept.
    let layers = r#"[{"kind":"embedding","inputDim":40,"outputDim":3},
        {"kind":"bidirectional","layer":{"kind":"lstm","units":5,"returnSequences":true}}]"#;
    let context = context();
    let predict = |chain: &mut Chain, tokens: &[i32]| {
        let lengths = vec![tokens.len() as u32 - 1, 1];
        let batch = Batch { ids: Some(tokens.to_vec()), lengths, samples: vec![0, 1], ..Batch::default() };
        let version = chain.version;
        let outcome = chain.run(&context, &batch, false, None);
        chain.version = version;
        outcome
    };
    let batches = [
        vec![3, 1, 4, 1, 5],
        vec![9, 2, 6, 5, 3, 5],
        (0..15).collect(),
        (10..26).collect(),
        (0..40).collect(),
        vec![39, 0, 3],
    ];
    let mut reader = Chain::new(layers);
    for tokens in batches.iter().chain(&batches) {
        assert_eq!(predict(&mut reader, tokens), predict(&mut Chain::new(layers), tokens), "{tokens:?}");
    }
    reader.values.iter_mut().for_each(|value| *value *= 0.5);
    reader.version += 1;
    let mut fresh = Chain::new(layers);
    fresh.values.copy_from_slice(&reader.values);
    assert_eq!(predict(&mut reader, &batches[0]), predict(&mut fresh, &batches[0]));
}

#[test]
fn an_embedding_learns_the_same_whether_its_rows_are_shared_or_not() {
    let embedding = r#"{"kind": "embedding", "inputDim": 7, "outputDim": 5}"#;
    let dense = r#"{"kind": "dense", "units": 3, "activation": "tanh"}"#;
    let (batch, dout) = (ids(&LENGTHS, 7), numbers(3, steps(&LENGTHS) * 3));
    let run = |layers: &str| Chain::new(layers).run(&context(), &batch, true, Some(&dout));
    let shared = run(&format!("[{embedding}, {dense}]"));
    let apart = run(&format!(r#"[{embedding}, {{"kind": "dropout", "rate": 0}}, {dense}]"#));
    assert_eq!((shared.out, shared.gradients), (apart.out, apart.gradients));
}

#[test]
fn word_dropout_drops_and_scales_every_occurrence_of_a_token() {
    let layers = r#"[{"kind": "embedding", "inputDim": 11, "outputDim": 3, "dropout": 0.25}]"#;
    let (batch, mut chain) = (ids(&[40, 0, 9], 11), Chain::new(layers));
    let tokens = batch.ids.clone().unwrap();
    let outcome = chain.run(&context(), &batch, true, Some(&vec![1.0; tokens.len() * 3]));
    let keep = 1.0 / (1.0 - 0.25);
    let mut factors = [None; 11];
    for (row, &token) in outcome.out.chunks_exact(3).zip(&tokens) {
        let factor = row[0] / chain.values[token as usize * 3];
        let factor = if factor == 0.0 { 0.0 } else { keep };
        assert_eq!(*factors[token as usize].get_or_insert(factor), factor);
        for (x, w) in row.iter().zip(&chain.values[token as usize * 3..]) {
            assert_eq!(*x, w * factor);
        }
    }
    assert!(factors.contains(&Some(0.0)) && factors.contains(&Some(keep)));
    for (token, factor) in factors.into_iter().enumerate() {
        let count = tokens.iter().filter(|&&other| other as usize == token).count() as f32;
        assert_eq!(outcome.gradients[token * 3..][..3], [1.0 + count * factor.unwrap_or(0.0); 3]);
    }
    let plain = chain.run(&context(), &batch, false, None);
    assert_eq!(plain.out[..3], chain.values[tokens[0] as usize * 3..][..3]);
}

/// What a kind of dropout makes of ones, and of a gradient of ones.
fn dropped(kind: &str, before: &str, lengths: &[u32], samples: &[u32], training: bool) -> Outcome {
    let layers = format!(r#"[{{"kind": "input", "features": 17}}, {before}{{"kind": "{kind}", "rate": 0.25}}]"#);
    let values = Some(vec![1.0; steps(lengths) * 17]);
    let batch = Batch { values, lengths: lengths.to_vec(), samples: samples.to_vec(), ..Batch::default() };
    let rows = if before.is_empty() { steps(lengths) } else { lengths.len() };
    Chain::new(&layers).run(&context(), &batch, training, Some(&vec![1.0; rows * 17]))
}

#[test]
fn dropout_drops_single_elements_and_spatial_dropout_features_of_a_sequence() {
    let (lengths, samples) = ([30, 0, 1, 20], [5, 6, 7, 9]);
    let keep = 1.0 / (1.0 - 0.25);
    for kind in ["dropout", "spatialDropout"] {
        let outcome = dropped(kind, "", &lengths, &samples, true);
        assert_eq!(outcome.out, outcome.dx, "{kind} drops the same going backward");
        assert!(outcome.out.iter().all(|&x| x == 0.0 || x == keep));
        let (first, last) = (&outcome.out[..30 * 17], &outcome.out[31 * 17..]);
        let constant = first.chunks_exact(17).all(|step| *step == first[..17]);
        assert_eq!(constant, kind == "spatialDropout");
        assert_ne!(first[..17], last[..17], "{kind} draws anew for every sequence");
        let zeros = first.iter().chain(last).filter(|&&x| x == 0.0).count() as f32;
        assert!((0.1..0.4).contains(&(zeros / (50.0 * 17.0))), "{kind}: {zeros}");

        let swapped = dropped(kind, "", &[20, 30, 1], &[9, 5, 7], true);
        assert_eq!((&swapped.out[..20 * 17], &swapped.out[20 * 17..50 * 17]), (last, first), "{kind}");
        assert!(dropped(kind, "", &lengths, &samples, false).out.iter().all(|&x| x == 1.0));
    }
}

#[test]
fn on_a_row_a_sequence_spatial_dropout_is_dropout() {
    let pooled = r#"{"kind": "globalMaxPooling"}, "#;
    let (lengths, samples) = ([3, 2, 1, 4, 1, 1], [5, 6, 7, 9, 1, 2]);
    let (a, b) = (
        dropped("dropout", pooled, &lengths, &samples, true),
        dropped("spatialDropout", pooled, &lengths, &samples, true),
    );
    assert_eq!(a, b);
    assert!(a.out.contains(&0.0) && a.out.contains(&(1.0 / 0.75)));
}

/// Chains that reach every layer, every shape of an input.
const CHAINS: [&str; 6] = [
    r#"[{"kind": "input", "features": 33}, {"kind": "dense", "units": 65, "activation": "softsign"},
        {"kind": "layerNormalization"}, {"kind": "dense", "units": 17, "activation": "softmax"}]"#,
    r#"[{"kind": "input", "features": 17}, {"kind": "conv1d", "filters": 33, "kernelSize": 5, "activation": "elu"},
        {"kind": "dropout", "rate": 0.3}, {"kind": "attentionPooling", "units": 40},
        {"kind": "layerNormalization"}, {"kind": "spatialDropout", "rate": 0.3}]"#,
    r#"[{"kind": "embedding", "inputDim": 11, "outputDim": 48, "dropout": 0.2},
        {"kind": "conv1d", "filters": 48, "kernelSize": 3, "padding": "causal", "dilationRate": 2},
        {"kind": "dense", "units": 11, "tiedTo": "embedding"}]"#,
    r#"[{"kind": "embedding", "inputDim": 11, "outputDim": 48},
        {"kind": "dense", "units": 11, "tiedTo": "embedding", "activation": "sigmoid"}]"#,
    r#"[{"kind": "embedding", "inputDim": 11, "outputDim": 48}, {"kind": "spatialDropout", "rate": 0.3},
        {"kind": "attentionPooling"}, {"kind": "dense", "units": 7, "activation": "hardSigmoid"}]"#,
    r#"[{"kind": "input", "features": 7}, {"kind": "globalAveragePooling"}, {"kind": "dropout", "rate": 0.3},
        {"kind": "dense", "units": 33, "activation": "tanh"}]"#,
];

fn batch_for(layers: &str, lengths: &[u32]) -> Batch {
    match layers.split("\"features\": ").nth(1) {
        Some(rest) => values(lengths, rest.split('}').next().unwrap().parse().unwrap()),
        None => ids(lengths, 11),
    }
}

fn bits(outcome: &Outcome) -> Vec<u32> {
    let parts = [&outcome.out, &outcome.dx, &outcome.gradients];
    parts.into_iter().flatten().map(|x| x.to_bits()).collect()
}

#[test]
fn every_layer_gives_the_same_bits_at_every_level_and_thread_count() {
    let lengths: Vec<u32> = (0..70).map(|i| i * 7 % 45).collect();
    for layers in CHAINS {
        let batch = batch_for(layers, &lengths);
        let run = |context: Context| {
            let mut chain = Chain::new(layers);
            let count = chain.run(&context, &batch, true, None).out.len();
            bits(&chain.run(&context, &batch, true, Some(&numbers(3, count))))
        };
        let expected = run(context());
        for context in contexts() {
            assert!(run(context) == expected, "{context:?}: {layers}");
        }
    }
}

#[test]
fn batches_without_sequences_or_without_steps_pass() {
    for layers in CHAINS {
        for lengths in [&[][..], &[0, 0]] {
            let (batch, mut chain) = (batch_for(layers, lengths), Chain::new(layers));
            let count = chain.run(&context(), &batch, true, None).out.len();
            let outcome = chain.run(&context(), &batch, true, Some(&numbers(3, count)));
            assert!(outcome.gradients.iter().all(|x| x.is_finite()), "{layers}");
        }
    }
}

#[test]
fn memory_does_not_grow_in_a_batch_that_is_not_larger() {
    for layers in CHAINS {
        let mut chain = Chain::new(layers);
        let mut bytes = |lengths: &[u32]| -> usize {
            let batch = batch_for(layers, lengths);
            let count = chain.run(&context(), &batch, true, None).out.len();
            chain.run(&context(), &batch, true, Some(&numbers(3, count)));
            chain.layers.iter().map(|layer| layer.bytes()).sum()
        };
        let before = bytes(&[5, 0, 9]);
        assert!(before > 0);
        assert_eq!((bytes(&[1]), bytes(&[5, 0, 9])), (before, before), "{layers}");
        assert!(bytes(&[30, 5, 9, 2, 2]) > before, "{layers}");
    }
}

#[test]
fn frozen_layers_pass_gradients_on_and_collect_none() {
    for layers in CHAINS {
        let batch = batch_for(layers, &LENGTHS);
        let run = |layers: &str| {
            let mut chain = Chain::new(layers);
            let count = chain.run(&context(), &batch, true, None).out.len();
            chain.run(&context(), &batch, true, Some(&numbers(3, count)))
        };
        let (learning, frozen) = (run(layers), run(&layers.replace(r#""kind": "#, r#""trainable": false, "kind": "#)));
        assert_eq!((frozen.out, frozen.dx), (learning.out, learning.dx), "{layers}");
        assert!(frozen.gradients.iter().all(|&x| x == 1.0), "{layers}");
        assert!(learning.gradients.iter().any(|&x| x != 1.0), "{layers}");
    }
}
