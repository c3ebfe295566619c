//! Share of the multiply-add peak that the recurrent kernels reach: `cargo bench -p cellstate-kernels`.
//!
//! Prints milliseconds and GFLOP/s (two operations a multiply-add) of every part of a training step of
//! one LSTM layer, medians and bests of `ROUNDS` rounds, for every level of this machine, and in bf16 for those with an
//! instruction for it.

use cellstate_kernels::product::{self, Rows, Start};
use cellstate_kernels::recurrent::lstm::{self, Backward, Cell, Forward, InputProduct, Options, Zoneout};
use cellstate_kernels::{padded, Buffer, Context, GateLayout, Level, Packed, Panels, Precision};
use std::time::Instant;

const ROUNDS: usize = 25;

/// (median, best)
fn summary(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0])
}

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for (units, inputs, sequences, steps) in [(200, 128, 32, 128), (512, 64, 64, 128)] {
        for level in Level::available().into_iter().rev() {
            if level.name() != "scalar" {
                let context = Context::new(level, threads);
                run(&context, units, inputs, sequences, steps);
                if level.bf16_instruction().is_some() {
                    run(&context.with_precision(Precision::Bf16), units, inputs, sequences, steps);
                }
            }
        }
    }
}

fn run(context: &Context, units: usize, inputs: usize, sequences: usize, steps: usize) {
    let mut packed = Packed::default();
    packed.rebuild(&vec![steps as u32; sequences], &(0..sequences as u32).collect::<Vec<_>>());
    let layout = GateLayout { gates: 4, units, interleaved: true };
    let (n, p, h, g) = (sequences, packed.tokens(), padded(units), layout.columns());
    let values = |count: usize| {
        let mut buffer = Buffer::zeros(count).unwrap();
        buffer.iter_mut().enumerate().for_each(|(i, x)| *x = ((i * 7919 % 1009) as f32 / 1009.0 - 0.5) * 0.1);
        buffer
    };
    let (w, u) = (values(inputs * 4 * units), values(units * 4 * units));
    let x = values(p * padded(inputs));
    let mut panels: [Panels; 4] = Default::default();
    let (mut gates, mut c, mut hidden) = (values(p * g), values((n + p) * h), values((n + p) * h));
    let (mut dc, mut dx) = (values(n * h), values(p * padded(inputs)));
    let (mut dw, mut du, mut db) = (values(inputs * g), values(units * g), values(g));
    let dh_last = values(n * h);
    let cell = Cell {
        packed: &packed,
        layout,
        outputs: units,
        options: Options::default(),
        masks: None,
        peepholes: None,
        normalization: None,
        zoneout_hidden: Zoneout::default(),
        zoneout_cell: Zoneout::default(),
    };
    let mut times = vec![Vec::new(); 7];
    for _ in 0..ROUNDS {
        let mut clock = Instant::now();
        let mut lap = |part: usize| {
            times[part].push(clock.elapsed().as_secs_f64());
            clock = Instant::now();
        };
        panels[0].pack_gates(context, &w, inputs, layout).unwrap();
        panels[1].pack_gates(context, &u, units, layout).unwrap();
        panels[2].pack_gates_transposed(context, &w, inputs, layout).unwrap();
        panels[3].pack_gates_transposed(context, &u, units, layout).unwrap();
        lap(0);
        let input = Rows { data: &x, stride: padded(inputs), index: None };
        product::rows(context, input, p, &panels[0], Start::Zero, &mut gates, g);
        lap(1);
        lstm::forward(
            context,
            &cell,
            Forward {
                input: InputProduct::InPlace,
                recurrent: &panels[1],
                projection: None,
                gates: &mut gates,
                c: &mut c,
                h: &mut hidden,
                masked_h: &mut [],
                candidate: &mut [],
                unprojected: &mut [],
                normalized: &mut [],
                normalized_state: &mut [],
                rstd: &mut [],
            },
        );
        lap(2);
        dc.fill(0.0);
        lstm::backward(
            context,
            &cell,
            Backward {
                recurrent: &panels[3],
                projection: None,
                gates: &mut gates,
                c: &c,
                normalized: &[],
                normalized_state: &[],
                rstd: &[],
                dy: None,
                dh_last: Some(&dh_last),
                dc: &mut dc,
                direct: &mut [],
                dh: &mut [],
                dunprojected: &mut [],
                drecurrent: &mut [],
                dstate: &mut [],
                dh_initial: &mut [],
                dh_steps: &mut [],
            },
        );
        lap(3);
        let states = Rows { data: &hidden, stride: h, index: Some(packed.previous()) };
        product::transposed(context, states, units, (&gates, g), p, g, &mut du, Some(&mut db));
        lap(4);
        product::transposed(context, input, inputs, (&gates, g), p, g, &mut dw, None);
        lap(5);
        let dgates = Rows { data: &gates, stride: g, index: None };
        product::rows(context, dgates, p, &panels[2], Start::Zero, &mut dx, padded(inputs));
        lap(6);
    }
    let recurrent = 2.0 * (p * units * 4 * units) as f64;
    let outside = 2.0 * (p * inputs * 4 * units) as f64;
    let work = [0.0, outside, recurrent, recurrent, recurrent, outside, outside];
    let names = ["packing", "input product", "recurrent forward", "recurrent backward", "dU", "dW", "dx"];
    println!("{:?} H={units} C={inputs} N={sequences} T={steps}", context);
    let mut total = 0.0;
    for ((name, times), work) in names.iter().zip(times).zip(work) {
        let (time, best) = summary(times);
        total += time;
        println!(
            "  {name:<20} {:8.2} ms {:8.1} GFLOP/s, best {:8.1}",
            time * 1e3,
            work / time / 1e9,
            work / best / 1e9
        );
    }
    println!("  {:<20} {:8.2} ms {:8.1} GFLOP/s", "all", total * 1e3, work.iter().sum::<f64>() / total / 1e9);
}
