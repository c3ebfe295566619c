//! Gradients of a model against central differences of the textbook.

use crate::textbook::{Objective, Run, Textbook};
use cellstate_kernels::philox::{uniform, Philox, Purpose, Stream};
use cellstate_kernels::{Context, Level};
use cellstate_nn::{Batch, Config, Loss, Model, Optimizer, StepOptions, Targets, View};
use std::sync::atomic::AtomicBool;

/// Norm of the difference over the norm of the gradient, for every parameter.
pub const RELATIVE_ERROR: f64 = 1e-6;

/// The same in tests of single options, whatever rounding explains.
const BADLY_CONDITIONED: f64 = 2e-5;

/// Arguments at least this far from a kink are on the same side of it in `f32`. That they are in all runs of a difference
/// is checked.
const MARGIN: f64 = 2e-5;

/// Steps of the differences: where a larger one crosses a kink, a smaller one may not.
const STEPS: [f64; 3] = [1e-4, 1e-5, 1e-6];

/// Tensors with more values are compared along directions and at single elements.
const ALL: usize = 400;
const DIRECTIONS: u64 = 6;
const ELEMENTS: usize = 10;

/// How often one rounding of everything on the way may be in a gradient that is badly conditioned, such as that of a
/// normalization of nearly equal numbers: sums round many times.
pub const ROUNDINGS: f64 = 32.0;

/// Roundings that are tried: by chance one may do little.
const TRIES: u64 = 2;

pub static RUNNING: AtomicBool = AtomicBool::new(false);

/// Leaves the parameters as they are.
pub const STILL: Optimizer = Optimizer::adam(0.0);

pub fn still(loss: Loss) -> StepOptions {
    StepOptions::new(loss, STILL)
}

pub fn context() -> Context {
    Context::new(Level::best(), 2)
}

/// `count` numbers in ±1.
pub fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut bits = vec![0; count];
    Philox::new(seed, 0).fill(Stream { layer: 0, purpose: Purpose::Initializer, gate: 0 }, 0, &mut bits);
    bits.into_iter().map(|bits| 2.0 * uniform(bits) - 1.0).collect()
}

/// Moves every value by half a unit in the last place of a number of 32 bits.
pub fn round(seed: u64, values: &mut [f64]) {
    let signs = numbers(seed, values.len()).into_iter().map(|x| f64::from(x.signum()));
    values.iter_mut().zip(signs).for_each(|(x, sign)| *x *= 1.0 + sign / 16_777_216.0);
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}

/// Values of a parameter: none near 0, gains around 1, rows of a matrix of a size that keeps sums near 1.
fn values(view: &View, seed: u64) -> Vec<f32> {
    let gain = view.name.ends_with("gamma");
    let largest = match view.shape[..] {
        [rows, _] if rows > 5 => 1.2 / (rows as f32).sqrt(),
        [taps, columns, _] => 1.2 / ((taps * columns) as f32).sqrt(),
        _ if view.name.ends_with("context") => 2.0,
        _ => 0.5,
    };
    let apart = |x: f32| x.signum() * (0.02 + (largest - 0.02).max(0.0) * x.abs());
    numbers(seed, view.len()).into_iter().map(|x| if gain { 1.0 + 0.5 * x } else { apart(x) }).collect()
}

/// Initial weights and biases are too tame to show a mistake.
pub fn set_parameters(model: &mut Model, seed: u64) {
    for (index, view) in model.parameters().to_vec().iter().enumerate() {
        model.set_value(&view.name, &values(view, seed << 16 | index as u64)).unwrap();
    }
}

pub fn model(config: &Config, context: Context, seed: u64) -> Model {
    let mut model = Model::zeros(config.clone(), context).unwrap();
    set_parameters(&mut model, seed);
    model
}

/// The textbook at one point, and its slopes there.
pub struct Differences<'a> {
    book: Textbook<'a>,
    objective: Objective<'a>,
    base: Run,
    /// Sides of the arguments of runs from every layer, where they were asked for.
    sides: Vec<Option<u64>>,
}

/// How far a gradient is off, and how large it is.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    pub difference: f64,
    pub norm: f64,
    /// How far the exact gradient moves when every parameter, product, gate, state and output, and every gradient of
    /// them, moves by half a unit in its last place; only where the difference exceeds [`RELATIVE_ERROR`].
    pub rounding: f64,
}

impl Compared {
    pub fn relative(self) -> f64 {
        self.difference / self.norm
    }

    /// Whether the gradient is right: as near as asked for, or as near as numbers of 32 bits can be.
    pub fn is_right(self) -> bool {
        self.difference <= (RELATIVE_ERROR * self.norm).max(ROUNDINGS * self.rounding)
    }
}

impl<'a> Differences<'a> {
    /// None where an argument is too near a kink.
    pub fn new(book: Textbook<'a>, objective: Objective<'a>) -> Option<Differences<'a>> {
        let differences = Differences::at(book, objective);
        (differences.base.nearest >= MARGIN).then_some(differences)
    }

    fn at(book: Textbook<'a>, objective: Objective<'a>) -> Differences<'a> {
        let base = book.run(0, None);
        Differences { book, objective, base, sides: vec![None; 64] }
    }

    pub fn base(&self) -> &Run {
        &self.base
    }

    pub fn value(&self) -> f64 {
        self.objective.of(&self.base)
    }

    pub fn tensor(&self, name: &str) -> usize {
        self.book.tensor(name)
    }

    pub fn len(&self, tensor: usize) -> usize {
        self.book.values[tensor].len()
    }

    /// The slope along a direction in one tensor, by a fourth-order difference, whose own error is far below the
    /// tolerance. None where a kink is crossed.
    pub fn slope(&mut self, tensor: usize, direction: &[(usize, f64)]) -> Option<f64> {
        let first = self.book.layer_of(tensor);
        let here = self.book.values[tensor].clone();
        let (book, base) = (&mut self.book, &self.base);
        let sides = *self.sides[first].get_or_insert_with(|| book.run(first, Some(base)).sides);
        let objective = &self.objective;
        let mut at = |offset: f64| {
            for &(index, component) in direction {
                book.values[tensor][index] = here[index] + offset * component;
            }
            let run = book.run(first, Some(base));
            (run.sides == sides).then(|| objective.of(&run))
        };
        let mut difference = |step: f64| {
            let (near, far) = (at(step)? - at(-step)?, at(2.0 * step)? - at(-2.0 * step)?);
            Some((8.0 * near - far) / (12.0 * step))
        };
        let slope = STEPS.iter().find_map(|&step| difference(step));
        self.book.values[tensor] = here;
        slope
    }

    /// The same with everything rounded once.
    pub fn rounded(&self, attempt: u64) -> Differences<'a> {
        let mut book = self.book.clone();
        book.round(attempt);
        Differences::at(book, self.objective)
    }

    /// `ours` against the slopes: all of them for small tensors.
    pub fn compare(&mut self, tensor: usize, ours: &[f32], all: usize, seed: u64) -> Option<Compared> {
        let count = self.len(tensor);
        assert_eq!(ours.len(), count);
        let directions: Vec<Vec<(usize, f64)>> = if count <= all {
            (0..count).map(|index| vec![(index, 1.0)]).collect()
        } else {
            let scale = (3.0 / count as f64).sqrt();
            let dense = |index| numbers(seed << 8 | index, count).into_iter().map(|x| scale * f64::from(x));
            let single = |x: f32| (((f64::from(x) + 1.0) / 2.0 * count as f64) as usize).min(count - 1);
            let dense = (0..DIRECTIONS).map(|index| dense(index).enumerate().collect());
            let singles = numbers(seed << 8 | DIRECTIONS, ELEMENTS).into_iter().map(|x| vec![(single(x), 1.0)]);
            dense.chain(singles).collect()
        };
        let slopes: Vec<f64> = directions.iter().map(|d| self.slope(tensor, d)).collect::<Option<_>>()?;
        let ours = directions.iter().map(|d| d.iter().map(|&(index, x)| f64::from(ours[index]) * x).sum::<f64>());
        let difference = norm(ours.zip(&slopes).map(|(ours, slope)| ours - slope));
        let mut compared = Compared { difference, norm: norm(slopes.iter().copied()), rounding: 0.0 };
        if difference > RELATIVE_ERROR * compared.norm {
            for attempt in 0..TRIES {
                let mut moved = self.rounded(attempt);
                let there: Vec<f64> = directions.iter().map(|d| moved.slope(tensor, d)).collect::<Option<_>>()?;
                let rounding = norm(there.iter().zip(&slopes).map(|(there, here)| there - here));
                compared.rounding = compared.rounding.max(rounding);
            }
        }
        Some(compared)
    }
}

/// What a comparison of a whole model found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Parameters that were drawn again because of a kink.
    pub redraws: u64,
    /// Every trainable parameter.
    pub parameters: Vec<(String, Compared)>,
}

/// Loss and gradients of a training step against the textbook. Tensors of more than `all` values along directions.
pub fn compare_step(config: &Config, batch: &Batch, targets: &Targets, loss: Loss, all: usize) -> Checked {
    for redraws in 0..40 {
        let mut model = model(config, context(), redraws);
        let report = model.train_step(batch, targets, &still(loss), &RUNNING).unwrap();
        let book = Textbook::new(&model, batch, true);
        let Some(mut differences) = Differences::new(book, Objective::Loss(loss, targets)) else { continue };
        for (what, ours, exact_of) in [
            ("loss", report.loss, (|d: &Differences<'_>| d.value()) as fn(&Differences<'_>) -> f64),
            ("penalty", report.penalty, |d: &Differences<'_>| d.base().penalty()),
        ] {
            let exact = exact_of(&differences);
            let mut compared = Compared { difference: (ours - exact).abs(), norm: exact.abs().max(1.0), rounding: 0.0 };
            if !compared.is_right() {
                let rounded = (0..TRIES).map(|attempt| differences.rounded(attempt));
                compared.rounding = rounded.map(|moved| (exact_of(&moved) - exact).abs()).fold(0.0, f64::max);
            }
            assert!(compared.is_right(), "{what} {ours} instead of {exact}");
        }
        let mut compare = |(index, view): (usize, &View)| {
            if view.trainable {
                let compared = differences.compare(index, model.gradient(index), all, index as u64)?;
                return Some(Some((view.name.clone(), compared)));
            }
            assert!(model.gradient(index).iter().all(|&d| d == 0.0), "{} is frozen and has a gradient", view.name);
            Some(None)
        };
        let parameters: Option<Vec<_>> = model.parameters().iter().enumerate().map(&mut compare).collect();
        if let Some(parameters) = parameters {
            return Checked { redraws, parameters: parameters.into_iter().flatten().collect() };
        }
    }
    panic!("every draw of the parameters puts an argument on a kink");
}

/// Holds a model to the textbook.
pub fn check(layers: &str, loss: Loss) {
    let config = Config::from_json(&format!(r#"{{"seed":5,"layers":[{layers}]}}"#)).unwrap_or_else(|error| {
        panic!("{error}: {layers}");
    });
    let batch = batch(&config);
    let targets = targets(&Model::zeros(config.clone(), context()).unwrap(), &batch, loss);
    for (name, compared) in compare_step(&config, &batch, &targets, loss, ALL).parameters {
        let error = compared.relative();
        println!("{name:<48} relative error {error:.1e}");
        let right = compared.norm > 0.0 && compared.is_right() && error < BADLY_CONDITIONED;
        assert!(right, "{name}: {compared:?}, relative error {error:e}: {layers}");
    }
}

/// A batch whose lengths include 0 and 1 and whose ids repeat.
pub fn batch(config: &Config) -> Batch {
    ragged(config, vec![4, 0, 7, 1, 7, 2], vec![9, 2, 14, 3, 0, 7])
}

pub fn ragged(config: &Config, lengths: Vec<u32>, samples: Vec<u32>) -> Batch {
    let tokens = lengths.iter().sum::<u32>() as usize;
    let first: serde_json::Value = serde_json::from_str(&config.to_json()).unwrap();
    let size = |name: &str| first["layers"][0][name].as_u64().map(|size| size as usize);
    Batch {
        ids: size("inputDim").map(|vocabulary| (0..tokens).map(|i| (i * i * 5 % vocabulary) as i32).collect()),
        values: size("features").map(|features| numbers(77, tokens * features)),
        lengths,
        samples,
        ..Batch::default()
    }
}

/// Output rows of a batch, and their columns.
pub fn output_shape(model: &Model, batch: &Batch) -> (usize, usize) {
    let last = model.summary().last().unwrap().output_shape.clone();
    let rows = if last.len() == 3 { batch.lengths.iter().sum::<u32>() as usize } else { batch.lengths.len() };
    (rows, last.last().unwrap().unwrap())
}

/// Targets of every kind, with weights. Most of them lie on one side, so that gradients do not cancel.
pub fn targets(model: &Model, batch: &Batch, loss: Loss) -> Targets {
    let (rows, outputs) = output_shape(model, batch);
    let classes = loss == Loss::CATEGORICAL_CROSSENTROPY;
    Targets {
        classes: classes
            .then(|| (0..rows).map(|row| if row % 4 == 1 { (row * 5 % outputs) as u32 } else { 0 }).collect()),
        values: (!classes).then(|| (0..rows * outputs).map(|i| 1.0 - (i * 3 % 5) as f32 / 8.0).collect()),
        weights: Some((0..rows).map(|row| if row == 2 { 0.0 } else { 0.5 + row as f32 / 4.0 }).collect()),
        ..Targets::default()
    }
}
