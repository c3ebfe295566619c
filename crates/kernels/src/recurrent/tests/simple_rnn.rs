use super::*;
use crate::recurrent::simple_rnn::{backward, forward, Backward, Cell, Forward, InputProduct};
use crate::reference::{SimpleRnn, SimpleRnnGradients};
use crate::testing::contexts;
use crate::{padded, Context, Panels};

/// The simple cell has one gate: masks for every gate are masks for all.
#[derive(Debug, Clone)]
struct Case {
    batch: Batch,
    activation: Activation,
}

fn cases() -> impl Strategy<Value = Case> {
    (batches(), activations()).prop_map(|(batch, activation)| Case { batch, activation })
}

/// Numbers of a case, without padding.
struct Numbers {
    product: Vec<f32>,
    recurrent: Vec<f32>,
    masks: Vec<f32>,
    kept: Kept,
    h: Vec<f32>,
    dy: Vec<f32>,
    dh_last: Vec<f32>,
}

impl Case {
    fn has_masks(&self) -> bool {
        self.batch.masks != Masks::None
    }

    fn numbers(&self, packed: &Packed) -> Numbers {
        let (n, p, h) = (packed.sequences(), packed.tokens(), self.batch.units);
        let draw = &mut Draw { seed: self.batch.seed };
        let when = |wanted: bool, count: usize| if wanted { count } else { 0 };
        Numbers {
            product: draw.next(p * h, 2.0),
            recurrent: draw.recurrent(h, h),
            masks: draw.masks(when(self.has_masks(), n * h), 1.25),
            kept: Kept::draw(self.batch.zoneout, p * h, draw),
            h: draw.next(n * h, 0.9),
            dy: draw.next(when(self.batch.dy, p * h), 1.0),
            dh_last: draw.next(when(self.batch.dh_last, n * h), 1.0),
        }
    }
}

fn run(case: &Case, packed: &Packed, x: &Numbers, context: &Context) -> Outcome {
    let units = case.batch.units;
    let (n, p, h) = (packed.sequences(), packed.tokens(), padded(units));
    let mut panels: [Panels; 2] = Default::default();
    panels[0].pack(context, &x.recurrent, units, units).unwrap();
    let layout = GateLayout { gates: 1, units, interleaved: true };
    panels[1].pack_gates_transposed(context, &x.recurrent, units, layout).unwrap();
    let buffer = |wanted: bool, count: usize| vec![f32::NAN; if wanted { count } else { 0 }];
    let (masks, zoneout) = (pad(units, &x.masks), x.kept.padded(units));
    let cell = Cell {
        packed,
        units,
        activation: case.activation,
        masks: case.has_masks().then_some(&masks[..]),
        zoneout: x.kept.zoneout(&zoneout),
    };
    let product = pad(units, &x.product);
    let (shared, index) = spread(&product, h);
    let mut gates = if case.batch.shared_rows { buffer(true, p * h) } else { product };
    let input = if case.batch.shared_rows {
        InputProduct::Indexed { data: &shared, index: &index }
    } else {
        InputProduct::InPlace
    };
    let mut h_all = states(&x.h, units, p);
    let mut masked_h = buffer(case.has_masks(), (n + p) * h);
    let mut forward = |gates: &mut [f32], h: &mut [f32]| {
        forward(context, &cell, Forward { input, recurrent: &panels[0], gates, h, masked_h: &mut masked_h });
    };
    if case.batch.shared_rows {
        let mut h_only = h_all.clone();
        forward(&mut [], &mut h_only);
        forward(&mut gates, &mut h_all);
        assert_eq!(h_only, h_all, "the same states where gates are not kept");
    } else {
        forward(&mut gates, &mut h_all);
    }

    let (dy, dh_last) = (pad(units, &x.dy), pad(units, &x.dh_last));
    let mut direct = buffer(cell.zoneout.rate > 0.0, n * h);
    let (mut dh_initial, mut dh_steps) = (buffer(case.batch.dh, n * h), buffer(case.batch.dh, p * h));
    backward(
        context,
        &cell,
        Backward {
            recurrent: &panels[1],
            gates: &mut gates,
            dy: case.batch.dy.then_some(&dy[..]),
            dh_last: case.batch.dh_last.then_some(&dh_last[..]),
            direct: &mut direct,
            dh_initial: &mut dh_initial,
            dh_steps: &mut dh_steps,
        },
    );
    let mut outcome = Outcome::default();
    outcome.push("h", unpad(units, &h_all));
    outcome.push("masked h", unpad(units, &masked_h));
    outcome.push("dgates", unpad(units, &gates));
    outcome.push("dh of the initial state", unpad(units, &dh_initial));
    outcome.push("dh of every step", unpad(units, &dh_steps));
    outcome
}

/// What the textbook makes of every sequence, in the places where the kernels put it: h, and gradients.
fn textbook(case: &Case, packed: &Packed, x: &Numbers) -> Result<(Vec<f64>, SimpleRnnGradients), TestCaseError> {
    let (n, p, units) = (packed.sequences(), packed.tokens(), case.batch.units);
    let mut h = vec![0.0; p * units];
    let mut all = SimpleRnnGradients {
        product: vec![0.0; p * units],
        steps: vec![0.0; p * units],
        h: vec![0.0; n * units],
        recurrent: vec![0.0; units * units],
    };
    for row in 0..n {
        let positions = positions(packed, row);
        let cell = SimpleRnn {
            units,
            activation: case.activation,
            recurrent: wide(&x.recurrent),
            mask: masks_of(&x.masks, 1, 1, row, units).pop().unwrap_or_default(),
            zoneout: x.kept.of(&positions, units),
        };
        let initial = rows_of(&x.h, &[row], units);
        let steps = cell.forward(&rows_of(&x.product, &positions, units), &initial);
        away_from_corners(steps.iter().flat_map(|step| &step.pre).map(|&x| corner(case.activation, x)))?;
        let dy = if case.batch.dy { rows_of(&x.dy, &positions, units) } else { vec![0.0; positions.len() * units] };
        let dh = if case.batch.dh_last { rows_of(&x.dh_last, &[row], units) } else { vec![0.0; units] };
        let d = cell.backward(&steps, &initial, &dy, &dh);
        place(steps.iter().map(|step| &step.h[..]), &positions, &mut h);
        place(d.product.chunks_exact(units), &positions, &mut all.product);
        place(d.steps.chunks_exact(units), &positions, &mut all.steps);
        all.h[row * units..][..units].copy_from_slice(&d.h);
        add(&d.recurrent, &mut all.recurrent);
    }
    Ok((h, all))
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let packed = crate::testing::packed(&case.batch.lengths);
    let (n, p, units) = (packed.sequences(), packed.tokens(), case.batch.units);
    let x = case.numbers(&packed);
    let (h, d) = textbook(case, &packed, &x)?;
    let nudged = Numbers { product: nudged(&x.product), recurrent: nudged(&x.recurrent), ..case.numbers(&packed) };
    let (h_nudged, e) = textbook(case, &packed, &nudged)?;
    let outcome = run(case, &packed, &x, &Context::new(crate::Level::best(), 1));

    near("h", &outcome.get("h")[n * units..], &h, &h_nudged)?;
    near("dgates", outcome.get("dgates"), &d.product, &e.product)?;
    if case.batch.dh {
        near("dh of the initial state", outcome.get("dh of the initial state"), &d.h, &e.h)?;
        near("dh of every step", outcome.get("dh of every step"), &d.steps, &e.steps)?;
    }
    let mut recurrent = vec![0.0; units * units];
    let seen = if case.has_masks() { "masked h" } else { "h" };
    for position in 0..p {
        let left = rows_of(outcome.get(seen), &[packed.previous()[position] as usize], units);
        add_outer(&left, &rows_of(outcome.get("dgates"), &[position], units), units, 0, &mut recurrent);
    }
    near_wide("dU", &recurrent, &d.recurrent, &e.recurrent)?;

    for context in contexts() {
        let differs = run(case, &packed, &x, &context).differs(&outcome);
        prop_assert!(differs.is_none(), "{differs:?} has other bits with {context:?}");
    }
    check_bf16_bits(|context| run(case, &packed, &x, context))
}

proptest! {
    #![proptest_config(config(200, 39))]
    #[test]
    fn simple_rnn_matches_the_textbook_and_is_equal_everywhere(case in cases()) {
        check(&case)?;
    }
}

#[test]
fn simple_rnn_in_bf16_is_near_that_in_f32() {
    for (units, masks) in [(200, Masks::None), (33, Masks::Shared)] {
        let case = Case { batch: long_batch(units, masks), activation: Activation::Tanh };
        let packed = crate::testing::packed(&case.batch.lengths);
        let x = case.numbers(&packed);
        check_bf16_near(|context| run(&case, &packed, &x, context));
    }
}
