use super::*;
use crate::recurrent::gru::{backward, forward, Backward, Cell, Forward, InputProduct, GATES};
use crate::reference::{Gru, GruGradients};
use crate::testing::contexts;
use crate::{padded, Context, Panels};

#[derive(Debug, Clone)]
struct Case {
    batch: Batch,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    recurrent_bias: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    (batches(), activations(), gate_activations(), any::<bool>(), any::<bool>()).prop_map(
        |(batch, activation, recurrent_activation, reset_after, recurrent_bias)| Case {
            batch,
            activation,
            recurrent_activation,
            reset_after,
            recurrent_bias: recurrent_bias && reset_after,
        },
    )
}

/// Numbers of a case, without padding.
struct Numbers {
    product: Vec<f32>,
    recurrent: Vec<f32>,
    recurrent_bias: Vec<f32>,
    masks: Vec<f32>,
    kept: Kept,
    h: Vec<f32>,
    dy: Vec<f32>,
    dh_last: Vec<f32>,
}

impl Case {
    fn layout(&self) -> GateLayout {
        let apart = self.batch.masks == Masks::PerGate || self.batch.apart || !self.reset_after;
        GateLayout { gates: GATES, units: self.batch.units, interleaved: !apart }
    }

    /// Masks and masked states.
    fn copies(&self) -> usize {
        match self.batch.masks {
            Masks::None => 0,
            Masks::Shared => 1,
            Masks::PerGate => GATES,
        }
    }

    fn numbers(&self, packed: &Packed) -> Numbers {
        let (n, p, h) = (packed.sequences(), packed.tokens(), self.batch.units);
        let draw = &mut Draw { seed: self.batch.seed };
        let when = |wanted: bool, count: usize| if wanted { count } else { 0 };
        Numbers {
            product: draw.next(p * GATES * h, 2.0),
            recurrent: draw.recurrent(h, GATES * h),
            recurrent_bias: draw.next(when(self.recurrent_bias, GATES * h), 0.5),
            masks: draw.masks(self.copies() * n * h, 1.25),
            kept: Kept::draw(self.batch.zoneout, p * h, draw),
            h: draw.next(n * h, 0.9),
            dy: draw.next(when(self.batch.dy, p * h), 1.0),
            dh_last: draw.next(when(self.batch.dh_last, n * h), 1.0),
        }
    }
}

fn run(case: &Case, packed: &Packed, x: &Numbers, context: &Context) -> Outcome {
    let (units, layout) = (case.batch.units, case.layout());
    let (n, p, h, g) = (packed.sequences(), packed.tokens(), padded(units), layout.columns());
    let mut panels: [Panels; 2] = Default::default();
    panels[0].pack_gates(context, &x.recurrent, units, layout).unwrap();
    panels[1].pack_gates_transposed(context, &x.recurrent, units, layout).unwrap();
    let buffer = |wanted: bool, count: usize| vec![f32::NAN; if wanted { count } else { 0 }];
    let (masks, zoneout) = (pad(units, &x.masks), x.kept.padded(units));
    let recurrent_bias = interleave(layout, &x.recurrent_bias);
    let cell = Cell {
        packed,
        layout,
        activation: case.activation,
        recurrent_activation: case.recurrent_activation,
        reset_after: case.reset_after,
        masks: (case.copies() > 0).then_some(&masks[..]),
        // Without masks their number has no meaning, and any is taken.
        copies: if case.copies() == 0 && !layout.interleaved { GATES } else { case.copies().max(1) },
        zoneout: x.kept.zoneout(&zoneout),
    };

    let product = interleave(layout, &x.product);
    let (shared, index) = spread(&product, g);
    let mut gates = if case.batch.shared_rows { buffer(true, p * g) } else { product };
    let input = if case.batch.shared_rows {
        InputProduct::Indexed { data: &shared, index: &index }
    } else {
        InputProduct::InPlace
    };
    let mut h_all = states(&x.h, units, p);
    let mut masked_h = buffer(true, case.copies() * (n + p) * h);
    let mut reset = buffer(true, p * if case.reset_after { g } else { h });
    let mut forward = |gates: &mut [f32], reset: &mut [f32], h: &mut [f32]| {
        let pass = Forward {
            input,
            recurrent: &panels[0],
            recurrent_bias: case.recurrent_bias.then_some(&recurrent_bias[..]),
            gates,
            reset,
            h,
            masked_h: &mut masked_h,
        };
        forward(context, &cell, pass);
    };
    if case.batch.shared_rows && case.reset_after {
        let mut h_only = h_all.clone();
        forward(&mut [], &mut [], &mut h_only);
        forward(&mut gates, &mut reset, &mut h_all);
        assert_eq!(h_only, h_all, "the same states where gates are not kept");
    } else {
        forward(&mut gates, &mut reset, &mut h_all);
    }
    let reset_state = if case.reset_after { Vec::new() } else { unpad(units, &reset) };

    let (dy, dh_last) = (pad(units, &x.dy), pad(units, &x.dh_last));
    let mut direct = buffer(true, n * h);
    let (mut dh_initial, mut dh_steps) = (buffer(case.batch.dh, n * h), buffer(case.batch.dh, p * h));
    let mut none = [];
    backward(
        context,
        &cell,
        Backward {
            recurrent: &panels[1],
            gates: &mut gates,
            reset: if case.reset_after { &mut reset } else { &mut none },
            h: &h_all,
            masked_h: &masked_h,
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
    outcome.push("reset state", reset_state);
    outcome.push("drecurrent", deinterleave(layout, if case.reset_after { &reset } else { &gates }));
    outcome.push("dgates", deinterleave(layout, &gates));
    outcome.push("dh of the initial state", unpad(units, &dh_initial));
    outcome.push("dh of every step", unpad(units, &dh_steps));
    outcome
}

/// What the textbook makes of every sequence, in the places where the kernels put it: h, and gradients.
fn textbook(case: &Case, packed: &Packed, x: &Numbers) -> Result<(Vec<f64>, GruGradients), TestCaseError> {
    let (n, p, units) = (packed.sequences(), packed.tokens(), case.batch.units);
    let width = GATES * units;
    let mut h = vec![0.0; p * units];
    let mut all = GruGradients {
        product: vec![0.0; p * width],
        recurrent_product: vec![0.0; p * width],
        steps: vec![0.0; p * units],
        h: vec![0.0; n * units],
        recurrent: vec![0.0; x.recurrent.len()],
        recurrent_bias: vec![0.0; x.recurrent_bias.len()],
    };
    for row in 0..n {
        let positions = positions(packed, row);
        let cell = Gru {
            units,
            activation: case.activation,
            recurrent_activation: case.recurrent_activation,
            reset_after: case.reset_after,
            recurrent: wide(&x.recurrent),
            recurrent_bias: wide(&x.recurrent_bias),
            masks: masks_of(&x.masks, case.copies(), GATES, row, units),
            zoneout: x.kept.of(&positions, units),
        };
        let initial = rows_of(&x.h, &[row], units);
        let steps = cell.forward(&rows_of(&x.product, &positions, width), &initial);
        away_from_corners(
            steps
                .iter()
                .flat_map(|step| step.pre.iter().enumerate())
                .map(|(at, &x)| corner(if at < 2 * units { case.recurrent_activation } else { case.activation }, x)),
        )?;
        let dy = if case.batch.dy { rows_of(&x.dy, &positions, units) } else { vec![0.0; positions.len() * units] };
        let dh = if case.batch.dh_last { rows_of(&x.dh_last, &[row], units) } else { vec![0.0; units] };
        let d = cell.backward(&steps, &initial, &dy, &dh);

        place(steps.iter().map(|step| &step.h[..]), &positions, &mut h);
        place(d.product.chunks_exact(width), &positions, &mut all.product);
        place(d.recurrent_product.chunks_exact(width), &positions, &mut all.recurrent_product);
        place(d.steps.chunks_exact(units), &positions, &mut all.steps);
        all.h[row * units..][..units].copy_from_slice(&d.h);
        add(&d.recurrent, &mut all.recurrent);
        add(&d.recurrent_bias, &mut all.recurrent_bias);
    }
    Ok((h, all))
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let packed = crate::testing::packed(&case.batch.lengths);
    let (n, p, units) = (packed.sequences(), packed.tokens(), case.batch.units);
    let width = GATES * units;
    let x = case.numbers(&packed);
    let (h, d) = textbook(case, &packed, &x)?;
    let nudged = Numbers { product: nudged(&x.product), recurrent: nudged(&x.recurrent), ..case.numbers(&packed) };
    let (h_nudged, e) = textbook(case, &packed, &nudged)?;
    let outcome = run(case, &packed, &x, &Context::new(crate::Level::best(), 1));

    near("h", &outcome.get("h")[n * units..], &h, &h_nudged)?;
    near("dgates", outcome.get("dgates"), &d.product, &e.product)?;
    near("drecurrent", outcome.get("drecurrent"), &d.recurrent_product, &e.recurrent_product)?;
    if case.batch.dh {
        near("dh of the initial state", outcome.get("dh of the initial state"), &d.h, &e.h)?;
        near("dh of every step", outcome.get("dh of every step"), &d.steps, &e.steps)?;
    }
    let (mut recurrent, mut recurrent_bias) = (vec![0.0; units * width], vec![0.0; width]);
    for position in 0..p {
        let before = packed.previous()[position] as usize;
        let drecurrent = rows_of(outcome.get("drecurrent"), &[position], width);
        add(&drecurrent, &mut recurrent_bias);
        for gate in 0..GATES {
            let left = match case.copies() {
                _ if gate == 2 && !case.reset_after => rows_of(outcome.get("reset state"), &[position], units),
                0 => rows_of(outcome.get("h"), &[before], units),
                copies => rows_of(outcome.get("masked h"), &[gate.min(copies - 1) * (n + p) + before], units),
            };
            add_outer(&left, &drecurrent[gate * units..][..units], width, gate * units, &mut recurrent);
        }
    }
    near_wide("dU", &recurrent, &d.recurrent, &e.recurrent)?;
    if case.recurrent_bias {
        near_wide("db′", &recurrent_bias, &d.recurrent_bias, &e.recurrent_bias)?;
    }

    for context in contexts() {
        let differs = run(case, &packed, &x, &context).differs(&outcome);
        prop_assert!(differs.is_none(), "{differs:?} has other bits with {context:?}");
    }
    check_bf16_bits(|context| run(case, &packed, &x, context))
}

proptest! {
    #![proptest_config(config(300, 38))]
    #[test]
    fn gru_matches_the_textbook_and_is_equal_everywhere(case in cases()) {
        check(&case)?;
    }
}

#[test]
fn gru_in_bf16_is_near_that_in_f32() {
    for (units, masks, reset_after) in
        [(200, Masks::None, true), (33, Masks::Shared, false), (50, Masks::PerGate, true)]
    {
        let (activation, recurrent_activation) = (Activation::Tanh, Activation::Sigmoid);
        let batch = long_batch(units, masks);
        let case = Case { batch, activation, recurrent_activation, reset_after, recurrent_bias: reset_after };
        let packed = crate::testing::packed(&case.batch.lengths);
        let x = case.numbers(&packed);
        check_bf16_near(|context| run(&case, &packed, &x, context));
    }
}
