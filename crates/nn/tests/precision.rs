//! Models with products in bf16: near those in `f32`, with equal bits wherever the same instruction computes, and as good
//! after training.

use cellstate_kernels::{Context, Level, Precision};
use cellstate_nn::{Batch, Clip, Config, Loss, Model, Optimizer, StepOptions, Targets};
use std::sync::atomic::AtomicBool;

/// Largest norm of the difference of the gradients of matrices to those in `f32`, relative to their own: factors are rounded
/// by 2⁻⁹ of themselves, in the products of up to 12 steps and of five layers. Gradients of biases are sums that nearly
/// cancel here.
const GRADIENT: f64 = 0.05;

static RUNNING: AtomicBool = AtomicBool::new(false);

/// One of every kind of recurrent layer, and of what wraps it.
const RECURRENT: [&str; 9] = [
    r#"{"kind":"lstm","units":37,"returnSequences":true}"#,
    r#"{"kind":"lstm","units":21,"projection":13,"peepholes":true,"coupledGates":true,"returnSequences":true}"#,
    r#"{"kind":"lstm","units":24,"layerNormalization":true,"returnSequences":true}"#,
    r#"{"kind":"lstm","units":19,"dropout":0.2,"recurrentDropout":0.2,"dropoutMask":"perGate","returnSequences":true}"#,
    r#"{"kind":"lstm","units":33,"weightDrop":0.2,"zoneoutHidden":0.1,"returnSequences":true}"#,
    r#"{"kind":"gru","units":37,"returnSequences":true}"#,
    r#"{"kind":"gru","units":18,"resetAfter":false,"recurrentDropout":0.2,"returnSequences":true}"#,
    r#"{"kind":"simpleRnn","units":37,"returnSequences":true}"#,
    r#"{"kind":"bidirectional","layer":{"kind":"gru","units":17,"returnSequences":true}}"#,
];

fn config(recurrent: &str) -> Config {
    let layers = format!(
        r#"{{"seed":36,"layers":[{{"kind":"embedding","inputDim":50,"outputDim":23}},
        {{"kind":"conv1d","filters":31,"kernelSize":3}},{recurrent},{{"kind":"attentionPooling","units":9}},
        {{"kind":"dense","units":3,"activation":"softmax"}}]}}"#
    );
    Config::from_json(&layers).unwrap()
}

fn options() -> StepOptions {
    let optimizer = Optimizer::adam(3e-3).with_clip(Clip::GlobalNorm(1.0));
    StepOptions::new(Loss::CATEGORICAL_CROSSENTROPY, optimizer)
}

/// Sequences whose class is told by the id that is there more often than others.
fn batch(step: u32) -> (Batch, Targets) {
    let lengths: Vec<u32> = (0..40).map(|i| (i * i + step) % 13).collect();
    let classes: Vec<u32> = (0..40).map(|i| (i + step) % 3).collect();
    let mut ids = Vec::new();
    for (i, (&length, &class)) in lengths.iter().zip(&classes).enumerate() {
        let noise = |t: u32| ((i as u32 * 31 + t * t * 7 + step * 17) % 47) as i32;
        ids.extend((0..length).map(|t| if t % 2 == 0 { 47 + class as i32 } else { noise(t) }));
    }
    let batch = Batch { ids: Some(ids), samples: (0..40).collect(), lengths, ..Batch::default() };
    (batch, Targets { classes: Some(classes), ..Targets::default() })
}

/// The gradients of matrices in a step, and the weights after it.
fn step(config: &Config, context: Context) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut model = Model::new(config.clone(), context).unwrap();
    let (batch, targets) = batch(0);
    model.train_step(&batch, &targets, &options(), &RUNNING).unwrap();
    let matrices =
        model.parameters().iter().enumerate().filter(|(_, view)| view.shape.len() > 1 && !view.name.ends_with("bias"));
    let gradients = matrices.map(|(index, _)| model.gradient(index).to_vec()).collect();
    (gradients, (0..model.parameters().len()).map(|index| model.value(index).to_vec()).collect())
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

fn bits((gradients, values): &(Vec<Vec<f32>>, Vec<Vec<f32>>)) -> Vec<u32> {
    gradients.iter().chain(values).flatten().map(|x| x.to_bits()).collect()
}

#[test]
fn gradients_are_near_those_in_f32_and_equal_where_the_same_instruction_computes() {
    for recurrent in RECURRENT {
        let config = config(recurrent);
        let whole = step(&config, Context::new(Level::best(), 2));
        let of = |level, threads| step(&config, Context::new(level, threads).with_precision(Precision::Bf16));
        let widened: Vec<Level> = Level::available().into_iter().map(Level::widened).collect();
        let instruction = Level::available().into_iter().filter(|level| level.bf16_instruction().is_some()).collect();
        for levels in [widened, instruction] {
            let Some(&first) = levels.first() else { continue };
            let expected = of(first, 1);
            assert_ne!(bits(&expected), bits(&whole));
            for (got, whole) in expected.0.iter().zip(&whole.0) {
                let off = norm(got.iter().zip(whole).map(|(x, y)| x - y)) / norm(whole.iter().copied());
                assert!(off <= GRADIENT, "{recurrent}: {off}");
            }
            for level in levels {
                for threads in [1, 2, 3, 8] {
                    assert!(bits(&of(level, threads)) == bits(&expected), "{recurrent}: {level:?}, {threads} threads");
                }
            }
        }
    }
}

#[test]
fn training_in_bf16_learns_as_much_as_in_f32() {
    for recurrent in [RECURRENT[0], RECURRENT[5], RECURRENT[7]] {
        let accuracy = |precision| {
            let context = Context::new(Level::best(), 2).with_precision(precision);
            let mut model = Model::new(config(recurrent), context).unwrap();
            for number in 0..60 {
                let (batch, targets) = batch(number);
                assert!(model.train_step(&batch, &targets, &options(), &RUNNING).unwrap().loss.is_finite());
            }
            let (batch, targets) = batch(1000);
            let probabilities = model.predict(&batch, &RUNNING).unwrap().values;
            let right = probabilities.chunks_exact(3).zip(targets.classes.unwrap());
            let long = right.zip(&batch.lengths).filter(|(_, &length)| length > 0);
            let hits = long.map(|((row, class), _)| row.iter().all(|&p| p <= row[class as usize]));
            let hits: Vec<bool> = hits.collect();
            hits.iter().filter(|&&hit| hit).count() as f64 / hits.len() as f64
        };
        assert_eq!((accuracy(Precision::F32), accuracy(Precision::Bf16)), (1.0, 1.0), "{recurrent}");
    }
}

#[test]
fn packed_weights_take_half_of_the_memory() {
    let layers =
        r#"{"layers":[{"kind":"input","features":512},{"kind":"lstm","units":512},{"kind":"dense","units":1}]}"#;
    let bytes = |precision| {
        let context = Context::new(Level::best(), 1).with_precision(precision);
        let mut model = Model::zeros(Config::from_json(layers).unwrap(), context).unwrap();
        let batch = Batch { values: Some(vec![0.5; 512]), lengths: vec![1], samples: vec![0], ..Batch::default() };
        let before = model.bytes();
        model.predict(&batch, &RUNNING).unwrap();
        model.bytes() - before
    };
    let share = bytes(Precision::Bf16) as f64 / bytes(Precision::F32) as f64;
    assert!((0.5..0.55).contains(&share), "{share}");
}
