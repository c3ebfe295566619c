//! Lengths on which unchecked loops rely are refused where they are wrong.

use crate::normalization::Real;
use crate::recurrent::lstm::{self, InputProduct, Normalization, Options};
use crate::recurrent::{gru, simple_rnn, Zoneout};
use crate::testing::packed;
use crate::{Activation, Context, GateLayout, Level, Packed, Panels};
use std::panic::{catch_unwind, AssertUnwindSafe};

const UNITS: usize = 5;

/// Everything that the passes of a cell may take, of the right lengths for lengths 3, 0 and 2.
struct Buffers {
    packed: Packed,
    forward: Panels,
    backward: Panels,
    /// The index of shared rows.
    index: Vec<u32>,
    /// By name.
    rows: Vec<(&'static str, Vec<f32>)>,
}

impl Buffers {
    fn new(layout: GateLayout, rows: &[(&'static str, usize)]) -> Buffers {
        let context = Context::new(Level::best(), 1);
        let (mut forward, mut backward) = (Panels::default(), Panels::default());
        let weights = vec![0.1; UNITS * layout.gates * UNITS];
        forward.pack_gates(&context, &weights, UNITS, layout).unwrap();
        backward.pack_gates_transposed(&context, &weights, UNITS, layout).unwrap();
        let rows = rows.iter().map(|&(name, length)| (name, vec![0.0; length])).collect();
        let packed = packed(&[3, 0, 2]);
        Buffers { index: (0..packed.tokens() as u32).collect(), packed, forward, backward, rows }
    }

    fn take(&mut self, name: &str) -> Vec<f32> {
        let place = self.rows.iter_mut().find(|(known, _)| *known == name).expect("a buffer of this name");
        std::mem::take(&mut place.1)
    }
}

/// N, P and padded H of the batch.
const N: usize = 3;
const P: usize = 5;
const H: usize = 16;

/// Runs with right lengths, and once for every buffer with one float less and one more.
fn refuses(layout: GateLayout, rows: &[(&'static str, usize)], run: impl Fn(Buffers)) {
    run(Buffers::new(layout, rows));
    for (wrong, &(name, length)) in rows.iter().enumerate() {
        for changed in [length.wrapping_sub(1), length + 1] {
            // Shared rows may be more than are used.
            if changed < usize::MAX && (name != "shared" || changed < length) {
                let mut rows = rows.to_vec();
                rows[wrong].1 = changed;
                let outcome = catch_unwind(AssertUnwindSafe(|| run(Buffers::new(layout, &rows))));
                assert!(outcome.is_err(), "{name} with {changed} floats instead of {length}");
            }
        }
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut buffers = Buffers::new(layout, rows);
        buffers.index[2] = P as u32;
        run(buffers);
    }));
    assert!(outcome.is_err(), "an index outside the shared rows");
}

fn lstm_rows(layout: GateLayout, normalizes: bool) -> Vec<(&'static str, usize)> {
    let g = layout.columns();
    let copies = if layout.interleaved { 1 } else { layout.gates };
    let normalized = if normalizes { P } else { 0 };
    vec![
        ("shared", P * g),
        ("masks", copies * N * H),
        ("peepholes", 3 * H),
        ("zoneout of h", P * H),
        ("zoneout of c", P * H),
        ("recurrent gamma", g),
        ("state gamma", H),
        ("state beta", H),
        ("real gates", g),
        ("real units", H),
        ("gates", P * g),
        ("c", (N + P) * H),
        ("h", (N + P) * H),
        ("masked h", copies * (N + P) * H),
        ("candidate", P * H),
        ("unprojected", 0),
        ("normalized", normalized * g),
        ("normalized state", normalized * H),
        ("rstd", normalized * 2),
        ("dy", P * H),
        ("dh last", N * H),
        ("dc", N * H),
        ("direct", N * H),
        ("dh", normalized * H),
        ("dunprojected", 0),
        ("drecurrent", normalized * g),
        ("dstate", normalized * H),
        ("dh initial", N * H),
        ("dh steps", P * H),
    ]
}

fn run_lstm(mut b: Buffers, layout: GateLayout, normalizes: bool) {
    let context = Context::new(Level::best(), 2);
    let names = ["masks", "peepholes", "zoneout of h", "zoneout of c", "shared"];
    let [masks, peepholes, zoneout_hidden, zoneout_cell, shared] = names.map(|name| b.take(name));
    let names = ["recurrent gamma", "state gamma", "state beta", "real gates", "real units"];
    let [recurrent_gamma, state_gamma, state_beta, real_gates, real_units] = names.map(|name| b.take(name));
    let cell = lstm::Cell {
        packed: &b.packed.clone(),
        layout,
        outputs: UNITS,
        options: Options::default(),
        masks: Some(&masks),
        peepholes: Some(&peepholes),
        normalization: normalizes.then_some(Normalization {
            recurrent_gamma: &recurrent_gamma,
            state_gamma: &state_gamma,
            state_beta: &state_beta,
            real_gates: Real { mask: &real_gates, count: layout.gates * UNITS },
            real_units: Real { mask: &real_units, count: UNITS },
        }),
        zoneout_hidden: Zoneout { masks: Some(&zoneout_hidden), rate: 0.5 },
        zoneout_cell: Zoneout { masks: Some(&zoneout_cell), rate: 0.5 },
    };
    let names = ["gates", "c", "h", "masked h", "candidate", "unprojected", "normalized", "normalized state", "rstd"];
    let [mut gates, mut c, mut h, mut masked_h, mut candidate, mut unprojected, mut normalized, mut normalized_state, mut rstd] =
        names.map(|name| b.take(name));
    let index = b.index.clone();
    let pass = lstm::Forward {
        input: InputProduct::Indexed { data: &shared, index: &index },
        recurrent: &b.forward,
        projection: None,
        gates: &mut gates,
        c: &mut c,
        h: &mut h,
        masked_h: &mut masked_h,
        candidate: &mut candidate,
        unprojected: &mut unprojected,
        normalized: &mut normalized,
        normalized_state: &mut normalized_state,
        rstd: &mut rstd,
    };
    lstm::forward(&context, &cell, pass);
    let names =
        ["dy", "dh last", "dc", "direct", "dh", "dunprojected", "drecurrent", "dstate", "dh initial", "dh steps"];
    let [dy, dh_last, mut dc, mut direct, mut dh, mut dunprojected, mut drecurrent, mut dstate, mut dh_initial, mut dh_steps] =
        names.map(|name| b.take(name));
    let pass = lstm::Backward {
        recurrent: &b.backward,
        projection: None,
        gates: &mut gates,
        c: &c,
        normalized: &normalized,
        normalized_state: &normalized_state,
        rstd: &rstd,
        dy: Some(&dy),
        dh_last: Some(&dh_last),
        dc: &mut dc,
        direct: &mut direct,
        dh: &mut dh,
        dunprojected: &mut dunprojected,
        drecurrent: &mut drecurrent,
        dstate: &mut dstate,
        dh_initial: &mut dh_initial,
        dh_steps: &mut dh_steps,
    };
    lstm::backward(&context, &cell, pass);
}

#[test]
fn lstm_refuses_wrong_lengths() {
    for interleaved in [true, false] {
        let layout = GateLayout { gates: 4, units: UNITS, interleaved };
        let mut rows = lstm_rows(layout, true);
        refuses(layout, &rows, |buffers| run_lstm(buffers, layout, true));
        rows = lstm_rows(layout, false);
        rows.retain(|(name, _)| !name.starts_with("state") && !name.starts_with("real") && *name != "recurrent gamma");
        refuses(layout, &rows, |mut buffers| {
            buffers.rows.extend(
                ["recurrent gamma", "state gamma", "state beta", "real gates", "real units"].map(|name| (name, vec![])),
            );
            run_lstm(buffers, layout, false);
        });
    }
}

#[test]
fn lstm_refuses_weights_of_another_shape() {
    let layout = GateLayout { gates: 4, units: UNITS, interleaved: true };
    let wrong: [fn(&mut Buffers); 2] = [
        |buffers| buffers.forward = Buffers::new(GateLayout { gates: 2, units: UNITS, interleaved: true }, &[]).forward,
        |buffers| std::mem::swap(&mut buffers.forward, &mut buffers.backward),
    ];
    for wrong in wrong {
        let mut buffers = Buffers::new(layout, &lstm_rows(layout, true));
        wrong(&mut buffers);
        assert!(catch_unwind(AssertUnwindSafe(|| run_lstm(buffers, layout, true))).is_err());
    }
}

#[test]
fn gru_refuses_wrong_lengths() {
    for (reset_after, copies, interleaved) in [(true, 1, true), (true, 3, false), (false, 1, false), (false, 3, false)]
    {
        let layout = GateLayout { gates: gru::GATES, units: UNITS, interleaved };
        let g = layout.columns();
        let rows = [
            ("shared", P * g),
            ("masks", copies * N * H),
            ("zoneout", P * H),
            ("recurrent bias", g),
            ("gates", P * g),
            ("reset", P * if reset_after { g } else { H }),
            ("h", (N + P) * H),
            ("masked h", copies * (N + P) * H),
            ("dy", P * H),
            ("dh last", N * H),
            ("direct", N * H),
            ("dh initial", N * H),
            ("dh steps", P * H),
        ];
        refuses(layout, &rows, |mut b| {
            let context = Context::new(Level::best(), 2);
            let [masks, zoneout, shared, recurrent_bias] =
                ["masks", "zoneout", "shared", "recurrent bias"].map(|name| b.take(name));
            let cell = gru::Cell {
                packed: &b.packed.clone(),
                layout,
                activation: Activation::Tanh,
                recurrent_activation: Activation::Sigmoid,
                reset_after,
                masks: Some(&masks),
                copies,
                zoneout: Zoneout { masks: Some(&zoneout), rate: 0.5 },
            };
            let [mut gates, mut reset, mut h, mut masked_h] =
                ["gates", "reset", "h", "masked h"].map(|name| b.take(name));
            let pass = gru::Forward {
                input: InputProduct::Indexed { data: &shared, index: &b.index.clone() },
                recurrent: &b.forward,
                recurrent_bias: Some(&recurrent_bias),
                gates: &mut gates,
                reset: &mut reset,
                h: &mut h,
                masked_h: &mut masked_h,
            };
            gru::forward(&context, &cell, pass);
            let [dy, dh_last, mut direct, mut dh_initial, mut dh_steps] =
                ["dy", "dh last", "direct", "dh initial", "dh steps"].map(|name| b.take(name));
            let mut none = [];
            let pass = gru::Backward {
                recurrent: &b.backward,
                gates: &mut gates,
                reset: if reset_after { &mut reset } else { &mut none },
                h: &h,
                masked_h: &masked_h,
                dy: Some(&dy),
                dh_last: Some(&dh_last),
                direct: &mut direct,
                dh_initial: &mut dh_initial,
                dh_steps: &mut dh_steps,
            };
            gru::backward(&context, &cell, pass);
        });
    }
}

#[test]
fn simple_rnn_refuses_wrong_lengths() {
    let layout = GateLayout { gates: 1, units: UNITS, interleaved: true };
    let rows = [
        ("shared", P * H),
        ("masks", N * H),
        ("zoneout", P * H),
        ("gates", P * H),
        ("h", (N + P) * H),
        ("masked h", (N + P) * H),
        ("dy", P * H),
        ("dh last", N * H),
        ("direct", N * H),
        ("dh initial", N * H),
        ("dh steps", P * H),
    ];
    refuses(layout, &rows, |mut b| {
        let context = Context::new(Level::best(), 2);
        let [masks, zoneout, shared] = ["masks", "zoneout", "shared"].map(|name| b.take(name));
        let cell = simple_rnn::Cell {
            packed: &b.packed.clone(),
            units: UNITS,
            activation: Activation::Tanh,
            masks: Some(&masks),
            zoneout: Zoneout { masks: Some(&zoneout), rate: 0.5 },
        };
        let [mut gates, mut h, mut masked_h] = ["gates", "h", "masked h"].map(|name| b.take(name));
        let pass = simple_rnn::Forward {
            input: InputProduct::Indexed { data: &shared, index: &b.index.clone() },
            recurrent: &b.forward,
            gates: &mut gates,
            h: &mut h,
            masked_h: &mut masked_h,
        };
        simple_rnn::forward(&context, &cell, pass);
        let [dy, dh_last, mut direct, mut dh_initial, mut dh_steps] =
            ["dy", "dh last", "direct", "dh initial", "dh steps"].map(|name| b.take(name));
        let pass = simple_rnn::Backward {
            recurrent: &b.backward,
            gates: &mut gates,
            dy: Some(&dy),
            dh_last: Some(&dh_last),
            direct: &mut direct,
            dh_initial: &mut dh_initial,
            dh_steps: &mut dh_steps,
        };
        simple_rnn::backward(&context, &cell, pass);
    });
}
