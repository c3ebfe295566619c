use super::*;
use crate::normalization::Real;
use crate::recurrent::lstm::{backward, forward, Backward, Cell, Forward, InputProduct, Normalization, Options};
use crate::reference::{Lstm, LstmGradients, LstmStep};
use crate::testing::contexts;
use crate::{padded, Context, Panels};

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) batch: Batch,
    pub(super) options: Options,
    /// R, if not H.
    pub(super) projection: Option<usize>,
    pub(super) peepholes: bool,
    pub(super) normalization: bool,
    pub(super) zoneout_cell: Keep,
}

fn cases() -> impl Strategy<Value = Case> {
    let clip = |least: f32, most: f32| prop_oneof![3 => Just(None), 1 => (least..most).prop_map(Some)];
    let options = (activations(), gate_activations(), any::<bool>(), clip(0.2, 2.0), clip(0.4, 3.0)).prop_map(
        |(activation, recurrent_activation, coupled, cell_clip, gate_clip)| Options {
            activation,
            recurrent_activation,
            coupled,
            cell_clip,
            gate_clip,
        },
    );
    let options = prop_oneof![Just(Options::default()), options];
    let projection = prop_oneof![3 => Just(None), 1 => sizes().prop_map(Some)];
    let normalization = prop_oneof![3 => Just(false), 1 => Just(true)];
    (batches(), options, projection, any::<bool>(), normalization, keep()).prop_map(
        |(batch, options, projection, peepholes, normalization, zoneout_cell)| Case {
            batch,
            options,
            projection,
            peepholes,
            normalization,
            zoneout_cell,
        },
    )
}

/// The same with nothing but what the fastest path takes.
fn plain_cases() -> impl Strategy<Value = Case> {
    batches().prop_map(|batch| Case {
        batch: Batch {
            apart: false,
            masks: if batch.masks == Masks::PerGate { Masks::None } else { batch.masks },
            zoneout: Keep::Nothing,
            ..batch
        },
        options: Options::default(),
        projection: None,
        peepholes: false,
        normalization: false,
        zoneout_cell: Keep::Nothing,
    })
}

/// Numbers of a case, without padding.
struct Numbers {
    product: Vec<f32>,
    recurrent: Vec<f32>,
    projection: Vec<f32>,
    peepholes: Vec<f32>,
    recurrent_gamma: Vec<f32>,
    state_gamma: Vec<f32>,
    state_beta: Vec<f32>,
    masks: Vec<f32>,
    hidden: Kept,
    cell: Kept,
    h: Vec<f32>,
    c: Vec<f32>,
    dy: Vec<f32>,
    dh_last: Vec<f32>,
    dc_last: Vec<f32>,
}

impl Case {
    fn gates(&self) -> usize {
        if self.options.coupled {
            3
        } else {
            4
        }
    }

    fn outputs(&self) -> usize {
        self.projection.unwrap_or(self.batch.units)
    }

    fn layout(&self) -> GateLayout {
        let apart = self.batch.masks == Masks::PerGate || (self.batch.masks == Masks::None && self.batch.apart);
        GateLayout { gates: self.gates(), units: self.batch.units, interleaved: !apart }
    }

    /// Masks and masked states.
    fn copies(&self) -> usize {
        match self.batch.masks {
            Masks::None => 0,
            Masks::Shared => 1,
            Masks::PerGate => self.gates(),
        }
    }

    fn numbers(&self, packed: &Packed) -> Numbers {
        let (n, p, h, r, g) =
            (packed.sequences(), packed.tokens(), self.batch.units, self.outputs(), self.gates() * self.batch.units);
        let draw = &mut Draw { seed: self.batch.seed };
        let when = |wanted: bool, count: usize| if wanted { count } else { 0 };
        let near_one = |x: Vec<f32>| x.iter().map(|x| 1.0 + x).collect::<Vec<_>>();
        Numbers {
            product: draw.next(p * g, 2.0),
            recurrent: draw.recurrent(r, g),
            projection: draw.next(when(self.projection.is_some(), h * r), 1.5 / (h as f32).sqrt()),
            peepholes: draw.next(when(self.peepholes, (self.gates() - 1) * h), 0.5),
            recurrent_gamma: near_one(draw.next(when(self.normalization, g), 0.5)),
            state_gamma: near_one(draw.next(when(self.normalization, h), 0.5)),
            state_beta: draw.next(when(self.normalization, h), 0.5),
            masks: draw.masks(self.copies() * n * r, 1.25),
            hidden: Kept::draw(self.batch.zoneout, p * r, draw),
            cell: Kept::draw(self.zoneout_cell, p * h, draw),
            h: draw.next(n * r, 0.9),
            c: draw.next(n * h, 2.0),
            dy: draw.next(when(self.batch.dy, p * r), 1.0),
            dh_last: draw.next(when(self.batch.dh_last, n * r), 1.0),
            dc_last: draw.next(n * h, 1.0),
        }
    }
}

fn run(case: &Case, packed: &Packed, x: &Numbers, context: &Context) -> Outcome {
    let (units, outputs, layout) = (case.batch.units, case.outputs(), case.layout());
    let (n, p, h, r, g) = (packed.sequences(), packed.tokens(), padded(units), padded(outputs), layout.columns());
    let mut panels: [Panels; 4] = Default::default();
    panels[0].pack_gates(context, &x.recurrent, outputs, layout).unwrap();
    panels[1].pack_gates_transposed(context, &x.recurrent, outputs, layout).unwrap();
    let projects = case.projection.is_some();
    if projects {
        panels[2].pack(context, &x.projection, units, outputs).unwrap();
        panels[3].pack_transposed(context, &x.projection, units, outputs).unwrap();
    }
    let buffer = |wanted: bool, count: usize| vec![f32::NAN; if wanted { count } else { 0 }];
    let (masks, peepholes) = (pad(outputs, &x.masks), pad(units, &x.peepholes));
    let (hidden, cell) = (x.hidden.padded(outputs), x.cell.padded(units));
    let (recurrent_gamma, real_gates) =
        (interleave(layout, &x.recurrent_gamma), interleave(layout, &vec![1.0; layout.gates * units]));
    let (state_gamma, state_beta, real_units) =
        (pad(units, &x.state_gamma), pad(units, &x.state_beta), pad(units, &vec![1.0; units]));
    let cell = Cell {
        packed,
        layout,
        outputs,
        options: case.options,
        masks: (case.copies() > 0).then_some(&masks[..]),
        peepholes: case.peepholes.then_some(&peepholes[..]),
        normalization: case.normalization.then_some(Normalization {
            recurrent_gamma: &recurrent_gamma,
            state_gamma: &state_gamma,
            state_beta: &state_beta,
            real_gates: Real { mask: &real_gates, count: layout.gates * units },
            real_units: Real { mask: &real_units, count: units },
        }),
        zoneout_hidden: x.hidden.zoneout(&hidden),
        zoneout_cell: x.cell.zoneout(&cell),
    };

    let product = interleave(layout, &x.product);
    let (shared, index) = spread(&product, g);
    let mut gates = if case.batch.shared_rows { buffer(true, p * g) } else { product };
    let input = if case.batch.shared_rows {
        InputProduct::Indexed { data: &shared, index: &index }
    } else {
        InputProduct::InPlace
    };
    let (mut h_all, mut c_all) = (states(&x.h, outputs, p), states(&x.c, units, p));
    let mut masked_h = buffer(true, case.copies() * (n + p) * r);
    let mut candidate = buffer(cell.keeps_candidate(), p * h);
    let mut unprojected = buffer(projects, p * h);
    let (mut normalized, mut normalized_state, mut rstd) =
        (buffer(case.normalization, p * g), buffer(case.normalization, p * h), buffer(case.normalization, p * 2));
    let mut forward = |gates: &mut [f32], h: &mut [f32], c: &mut [f32]| {
        let pass = Forward {
            input,
            recurrent: &panels[0],
            projection: projects.then_some(&panels[2]),
            gates,
            c,
            h,
            masked_h: &mut masked_h,
            candidate: &mut candidate,
            unprojected: &mut unprojected,
            normalized: &mut normalized,
            normalized_state: &mut normalized_state,
            rstd: &mut rstd,
        };
        forward(context, &cell, pass);
    };
    if case.batch.shared_rows && !case.normalization {
        let (mut h_only, mut c_only) = (h_all.clone(), c_all.clone());
        forward(&mut [], &mut h_only, &mut c_only);
        forward(&mut gates, &mut h_all, &mut c_all);
        assert_eq!((&h_only, &c_only), (&h_all, &c_all), "the same states where gates are not kept");
    } else {
        forward(&mut gates, &mut h_all, &mut c_all);
    }

    let (dy, dh_last) = (pad(outputs, &x.dy), pad(outputs, &x.dh_last));
    let mut dc = pad(units, &x.dc_last);
    let stored = case.normalization || projects;
    let mut direct = buffer(cell.zoneout_hidden.rate > 0.0, n * r);
    let (mut dh, mut dunprojected) = (buffer(stored, p * r), buffer(case.normalization && projects, p * h));
    let (mut drecurrent, mut dstate) = (buffer(case.normalization, p * g), buffer(case.normalization, p * h));
    let (mut dh_initial, mut dh_steps) = (buffer(case.batch.dh, n * r), buffer(case.batch.dh, p * r));
    backward(
        context,
        &cell,
        Backward {
            recurrent: &panels[1],
            projection: projects.then_some(&panels[3]),
            gates: &mut gates,
            c: &c_all,
            normalized: &normalized,
            normalized_state: &normalized_state,
            rstd: &rstd,
            dy: case.batch.dy.then_some(&dy[..]),
            dh_last: case.batch.dh_last.then_some(&dh_last[..]),
            dc: &mut dc,
            direct: &mut direct,
            dh: &mut dh,
            dunprojected: &mut dunprojected,
            drecurrent: &mut drecurrent,
            dstate: &mut dstate,
            dh_initial: &mut dh_initial,
            dh_steps: &mut dh_steps,
        },
    );

    let mut outcome = Outcome::default();
    outcome.push("h", unpad(outputs, &h_all));
    outcome.push("c", unpad(units, &c_all));
    outcome.push("masked h", unpad(outputs, &masked_h));
    outcome.push("candidate", unpad(units, &candidate));
    outcome.push("unprojected", unpad(units, &unprojected));
    outcome.push("normalized", deinterleave(layout, &normalized));
    outcome.push("normalized state", unpad(units, &normalized_state));
    outcome.push("rstd", rstd);
    outcome.push("dgates", deinterleave(layout, &gates));
    outcome.push("drecurrent", deinterleave(layout, &drecurrent));
    outcome.push("dstate", unpad(units, &dstate));
    outcome.push("dh", unpad(outputs, &dh));
    outcome.push("dc of the initial state", unpad(units, &dc));
    outcome.push("dh of the initial state", unpad(outputs, &dh_initial));
    outcome.push("dh of every step", unpad(outputs, &dh_steps));
    outcome
}

/// What the textbook makes of every sequence, in the places where the kernels put it.
struct Textbook {
    h: Vec<f64>,
    c: Vec<f64>,
    gradients: LstmGradients,
}

fn textbook(case: &Case, packed: &Packed, x: &Numbers) -> Result<Textbook, TestCaseError> {
    let (units, outputs, gates) = (case.batch.units, case.outputs(), case.gates());
    let (n, p, width) = (packed.sequences(), packed.tokens(), gates * units);
    let mut all = Textbook {
        h: vec![0.0; p * outputs],
        c: vec![0.0; p * units],
        gradients: LstmGradients {
            product: vec![0.0; p * width],
            recurrent_product: vec![0.0; p * width],
            steps: vec![0.0; p * outputs],
            h: vec![0.0; n * outputs],
            c: vec![0.0; n * units],
            recurrent: vec![0.0; x.recurrent.len()],
            projection: vec![0.0; x.projection.len()],
            peepholes: vec![0.0; x.peepholes.len()],
            recurrent_gamma: vec![0.0; x.recurrent_gamma.len()],
            state_gamma: vec![0.0; x.state_gamma.len()],
            state_beta: vec![0.0; x.state_beta.len()],
        },
    };
    for row in 0..n {
        let positions = positions(packed, row);
        let cell = Lstm {
            units,
            outputs,
            options: case.options,
            recurrent: wide(&x.recurrent),
            projection: wide(&x.projection),
            peepholes: wide(&x.peepholes),
            recurrent_gamma: wide(&x.recurrent_gamma),
            state_gamma: wide(&x.state_gamma),
            state_beta: wide(&x.state_beta),
            masks: masks_of(&x.masks, case.copies(), gates, row, outputs),
            zoneout_hidden: x.hidden.of(&positions, outputs),
            zoneout_cell: x.cell.of(&positions, units),
        };
        let initial = (&rows_of(&x.h, &[row], outputs)[..], &rows_of(&x.c, &[row], units)[..]);
        let steps = cell.forward(&rows_of(&x.product, &positions, width), initial.0, initial.1);
        away_from_corners(steps.iter().flat_map(|step| corners(case, step)))?;
        let dy = if case.batch.dy { rows_of(&x.dy, &positions, outputs) } else { vec![0.0; positions.len() * outputs] };
        let dh = if case.batch.dh_last { rows_of(&x.dh_last, &[row], outputs) } else { vec![0.0; outputs] };
        let d = cell.backward(&steps, initial, &dy, &dh, &rows_of(&x.dc_last, &[row], units));

        place(steps.iter().map(|step| &step.h[..]), &positions, &mut all.h);
        place(steps.iter().map(|step| &step.c[..]), &positions, &mut all.c);
        place(d.product.chunks_exact(width), &positions, &mut all.gradients.product);
        place(d.recurrent_product.chunks_exact(width), &positions, &mut all.gradients.recurrent_product);
        place(d.steps.chunks_exact(outputs), &positions, &mut all.gradients.steps);
        all.gradients.h[row * outputs..][..outputs].copy_from_slice(&d.h);
        all.gradients.c[row * units..][..units].copy_from_slice(&d.c);
        add(&d.recurrent, &mut all.gradients.recurrent);
        add(&d.projection, &mut all.gradients.projection);
        add(&d.peepholes, &mut all.gradients.peepholes);
        add(&d.recurrent_gamma, &mut all.gradients.recurrent_gamma);
        add(&d.state_gamma, &mut all.gradients.state_gamma);
        add(&d.state_beta, &mut all.gradients.state_beta);
    }
    Ok(all)
}

fn corners<'a>(case: &'a Case, step: &'a LstmStep) -> impl Iterator<Item = f64> + 'a {
    let (options, units, cell) = (case.options, case.batch.units, case.gates() - 2);
    let gates = step.pre.iter().enumerate().map(move |(at, &x)| {
        let function = if at / units == cell { options.activation } else { options.recurrent_activation };
        corner(function, x).min(limit(options.gate_clip, x))
    });
    let shown = step.shown.iter().map(move |&x| corner(options.activation, x));
    gates.chain(shown).chain(step.raw.iter().map(move |&x| limit(options.cell_clip, x)))
}

/// Gradients of parameters from what both passes left, summed the plain way.
fn parameter_gradients(case: &Case, packed: &Packed, outcome: &Outcome) -> LstmGradients {
    let (units, outputs, gates) = (case.batch.units, case.outputs(), case.gates());
    let (n, p, width) = (packed.sequences(), packed.tokens(), gates * units);
    let row = |name: &str, row: usize, columns: usize| rows_of(outcome.get(name), &[row], columns);
    let mut d = LstmGradients {
        recurrent: vec![0.0; outputs * width],
        projection: vec![0.0; units * outputs],
        peepholes: vec![0.0; (gates - 1) * units],
        recurrent_gamma: vec![0.0; width],
        state_gamma: vec![0.0; units],
        state_beta: vec![0.0; units],
        ..LstmGradients::default()
    };
    for position in 0..p {
        let before = packed.previous()[position] as usize;
        let dgates = row("dgates", position, width);
        let drecurrent = if case.normalization { row("drecurrent", position, width) } else { dgates.clone() };
        for gate in 0..gates {
            let left = match case.copies() {
                0 => row("h", before, outputs),
                copies => row("masked h", gate.min(copies - 1) * (n + p) + before, outputs),
            };
            add_outer(&left, &drecurrent[gate * units..][..units], width, gate * units, &mut d.recurrent);
        }
        if case.projection.is_some() {
            let (left, dh) = (row("unprojected", position, units), row("dh", position, outputs));
            add_outer(&left, &dh, outputs, 0, &mut d.projection);
        }
        let shown = if outcome.get("candidate").is_empty() {
            row("c", n + position, units)
        } else {
            row("candidate", position, units)
        };
        let c_before = row("c", before, units);
        for unit in 0..units {
            for gate in (0..gates - 2).chain([gates - 1]) {
                let (weights, seen) = if gate + 1 == gates { (gate - 1, &shown) } else { (gate, &c_before) };
                d.peepholes[weights * units + unit] += dgates[gate * units + unit] * seen[unit];
            }
        }
        if case.normalization {
            let (normalized, dstate) = (row("normalized", position, width), row("dstate", position, units));
            add(&(0..width).map(|i| dgates[i] * normalized[i]).collect::<Vec<_>>(), &mut d.recurrent_gamma);
            let normalized = row("normalized state", position, units);
            add(&(0..units).map(|i| dstate[i] * normalized[i]).collect::<Vec<_>>(), &mut d.state_gamma);
            add(&dstate, &mut d.state_beta);
        }
    }
    d
}

pub(super) fn check(case: &Case) -> Result<(), TestCaseError> {
    let packed = crate::testing::packed(&case.batch.lengths);
    let (n, p, units, outputs) = (packed.sequences(), packed.tokens(), case.batch.units, case.outputs());
    let x = case.numbers(&packed);
    let exact = textbook(case, &packed, &x)?;
    let nudged = Numbers { product: nudged(&x.product), recurrent: nudged(&x.recurrent), ..case.numbers(&packed) };
    let nudged = textbook(case, &packed, &nudged)?;
    let outcome = run(case, &packed, &x, &Context::new(crate::Level::best(), 1));

    near("h", &outcome.get("h")[n * outputs..], &exact.h, &nudged.h)?;
    near("c", &outcome.get("c")[n * units..], &exact.c, &nudged.c)?;
    for (copy, masked) in outcome.get("masked h").chunks((n + p) * outputs).enumerate() {
        for state in 0..n + p {
            let row = state.checked_sub(n).map_or(state, |position| packed.rows()[position] as usize);
            for unit in 0..outputs {
                let mask = x.masks[(copy * n + row) * outputs + unit];
                prop_assert_eq!(masked[state * outputs + unit], outcome.get("h")[state * outputs + unit] * mask);
            }
        }
    }
    let (d, e) = (&exact.gradients, &nudged.gradients);
    near("dgates", outcome.get("dgates"), &d.product, &e.product)?;
    if case.normalization {
        near("drecurrent", outcome.get("drecurrent"), &d.recurrent_product, &e.recurrent_product)?;
    }
    near("dc of the initial state", outcome.get("dc of the initial state"), &d.c, &e.c)?;
    if case.batch.dh {
        near("dh of the initial state", outcome.get("dh of the initial state"), &d.h, &e.h)?;
        near("dh of every step", outcome.get("dh of every step"), &d.steps, &e.steps)?;
    }
    let sums = parameter_gradients(case, &packed, &outcome);
    near_wide("dU", &sums.recurrent, &d.recurrent, &e.recurrent)?;
    if case.projection.is_some() {
        near_wide("dprojection", &sums.projection, &d.projection, &e.projection)?;
    }
    if case.peepholes {
        near_wide("dpeepholes", &sums.peepholes, &d.peepholes, &e.peepholes)?;
    }
    if case.normalization {
        near_wide("dγ of the product", &sums.recurrent_gamma, &d.recurrent_gamma, &e.recurrent_gamma)?;
        near_wide("dγ of c", &sums.state_gamma, &d.state_gamma, &e.state_gamma)?;
        near_wide("dβ of c", &sums.state_beta, &d.state_beta, &e.state_beta)?;
    }

    for context in contexts() {
        let differs = run(case, &packed, &x, &context).differs(&outcome);
        prop_assert!(differs.is_none(), "{differs:?} has other bits with {context:?}");
    }
    check_bf16_bits(|context| run(case, &packed, &x, context))
}

proptest! {
    #![proptest_config(config(150, 36))]
    #[test]
    fn plain_lstm_matches_the_textbook_and_is_equal_everywhere(case in plain_cases()) {
        check(&case)?;
    }
}

proptest! {
    #![proptest_config(config(400, 37))]
    #[test]
    fn lstm_matches_the_textbook_and_is_equal_everywhere(case in cases()) {
        check(&case)?;
    }
}

#[test]
fn large_lstm_matches_the_textbook_and_is_equal_everywhere() {
    for (units, masks, projection) in
        [(200, Masks::Shared, None), (201, Masks::None, None), (200, Masks::PerGate, Some(97))]
    {
        let batch = Batch { lengths: (0..24).map(|i| (i * 7) % 17).collect(), ..long_batch(units, masks) };
        let options = Options::default();
        let zoneout_cell = Keep::Nothing;
        check(&Case { batch, options, projection, peepholes: false, normalization: false, zoneout_cell }).unwrap();
    }
}

#[test]
fn lstm_in_bf16_is_near_that_in_f32() {
    for (units, masks, projection, coupled) in
        [(200, Masks::None, None, false), (33, Masks::Shared, Some(17), true), (50, Masks::PerGate, None, false)]
    {
        let options = Options { coupled, ..Options::default() };
        let (batch, zoneout_cell) = (long_batch(units, masks), Keep::Share);
        let case = Case { batch, options, projection, peepholes: true, normalization: false, zoneout_cell };
        let packed = crate::testing::packed(&case.batch.lengths);
        let x = case.numbers(&packed);
        check_bf16_near(|context| run(&case, &packed, &x, context));
    }
}
