//! A recurrent node of ONNX with its inputs and outputs, read as cases of the golden files.
//!
//! A vector is `{name, op, attributes, inputs, outputs}` where an array is `{shape, data}`: X `[T, N, C]`, W and R
//! `[D, gates · H, …]`, B `[D, 2 · gates · H]`, P `[D, 3H]`, Y `[T, D, N, H]`, Y_h and Y_c `[D, N, H]`. With layout 1 N
//! is the first axis. Gates of an LSTM are i, o, f, c, peepholes i, o, f.

use serde_json::{json, Value};

/// The attributes that are understood.
const ATTRIBUTES: [&str; 9] = [
    "hidden_size",
    "direction",
    "layout",
    "linear_before_reset",
    "clip",
    "input_forget",
    "activations",
    "activation_alpha",
    "activation_beta",
];

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

struct Tensor {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Tensor {
    fn new(value: &Value) -> Tensor {
        Tensor { shape: floats(&value["shape"]).iter().map(|&x| x as usize).collect(), data: floats(&value["data"]) }
    }

    /// What lies behind the first indices.
    fn at(&self, indices: &[usize]) -> &[f64] {
        let (outer, inner) = self.shape.split_at(indices.len());
        let length: usize = inner.iter().product();
        let position = indices.iter().zip(outer).fold(0, |position, (index, size)| position * size + index);
        &self.data[position * length..][..length]
    }
}

struct Vector<'a> {
    json: &'a Value,
    attributes: &'a Value,
    kind: &'static str,
    /// Names of the directions: what parameters and states begin with.
    prefixes: Vec<&'static str>,
    units: usize,
    /// Gates of the node, and ours by their number in it.
    gates: usize,
    order: &'static [usize],
    /// Layout 1.
    sequences_first: bool,
    lengths: Vec<usize>,
}

impl<'a> Vector<'a> {
    fn new(json: &'a Value) -> Vector<'a> {
        let attributes = &json["attributes"];
        for name in attributes.as_object().unwrap().keys() {
            assert!(ATTRIBUTES.contains(&name.as_str()), "{}: {name} is not understood", json["name"]);
        }
        let coupled = attributes["input_forget"] == 1;
        let (kind, name, gates, order): (_, _, _, &[usize]) = match json["op"].as_str().unwrap() {
            "LSTM" if coupled => ("lstm", "lstm", 4, &[0, 3, 1]),
            "LSTM" => ("lstm", "lstm", 4, &[0, 2, 3, 1]),
            "GRU" => ("gru", "gru", 3, &[0, 1, 2]),
            "RNN" => ("simpleRnn", "simple_rnn", 1, &[0]),
            other => panic!("{other} is no recurrent operator"),
        };
        let both = attributes["direction"] == "bidirectional";
        let sequences_first = attributes["layout"] == 1;
        let shape = Tensor::new(&json["inputs"]["X"]).shape;
        let (steps, sequences) = if sequences_first { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
        let lengths = match json["inputs"].get("sequence_lens") {
            Some(lengths) => Tensor::new(lengths).data.iter().map(|&length| length as usize).collect(),
            None => vec![steps; sequences],
        };
        Vector {
            json,
            attributes,
            kind,
            prefixes: if both { vec!["bidirectional.forward", "bidirectional.backward"] } else { vec![name] },
            units: attributes["hidden_size"].as_u64().unwrap() as usize,
            gates,
            order,
            sequences_first,
            lengths,
        }
    }

    fn input(&self, name: &str) -> Option<Tensor> {
        self.json["inputs"].get(name).map(Tensor::new)
    }

    fn output(&self, name: &str) -> Option<Tensor> {
        self.json["outputs"].get(name).map(Tensor::new)
    }

    fn reset_after(&self) -> bool {
        self.attributes["linear_before_reset"] == 1
    }

    fn is_reverse(&self) -> bool {
        self.attributes["direction"] == "reverse"
    }

    /// Blocks of H numbers in another order.
    fn ordered(&self, blocks: &[f64], order: &[usize]) -> Vec<f64> {
        order.iter().flat_map(|&block| &blocks[block * self.units..][..self.units]).copied().collect()
    }

    /// `[gates · H, columns]` with the columns as rows, in our order of gates.
    fn kernel(&self, rows: &[f64]) -> Vec<f64> {
        let columns = rows.len() / (self.gates * self.units);
        let column = |index| rows.iter().skip(index).step_by(columns).copied().collect::<Vec<f64>>();
        (0..columns).flat_map(|index| self.ordered(&column(index), self.order)).collect()
    }

    /// The sum of both biases, but for a GRU that resets after the product.
    fn bias(&self, both: &[f64]) -> Vec<f64> {
        let (of_input, of_state) = both.split_at(both.len() / 2);
        let (of_input, of_state) = (self.ordered(of_input, self.order), self.ordered(of_state, self.order));
        if self.kind == "gru" && self.reset_after() {
            [of_input, of_state].concat()
        } else {
            of_input.iter().zip(&of_state).map(|(a, b)| a + b).collect()
        }
    }

    fn parameters(&self) -> Value {
        let mut parameters = json!({});
        let (w, r) = (self.input("W").unwrap(), self.input("R").unwrap());
        for (direction, prefix) in self.prefixes.iter().enumerate() {
            parameters[format!("{prefix}.kernel")] = json!(self.kernel(w.at(&[direction])));
            parameters[format!("{prefix}.recurrent_kernel")] = json!(self.kernel(r.at(&[direction])));
            if let Some(b) = self.input("B") {
                parameters[format!("{prefix}.bias")] = json!(self.bias(b.at(&[direction])));
            }
            if let Some(p) = self.input("P") {
                let order: &[usize] = if self.order.len() == 3 { &[0, 1] } else { &[0, 2, 1] };
                parameters[format!("{prefix}.peephole_kernel")] = json!(self.ordered(p.at(&[direction]), order));
            }
        }
        parameters
    }

    /// Our name of an activation; those of both directions and of g and h are the same in every vector.
    fn activation(&self, index: usize, default: &str) -> String {
        let Some(names) = self.attributes.get("activations") else { return default.to_owned() };
        let slope = self.attributes["activation_alpha"][0].as_f64().unwrap_or(0.2);
        match names[index].as_str().unwrap() {
            "HardSigmoid" if (slope - 1.0 / 6.0).abs() < 1e-6 => "hardSigmoid".to_owned(),
            "HardSigmoid" if (slope - 0.2).abs() < 1e-6 => "hardSigmoidLegacy".to_owned(),
            name => name.to_lowercase(),
        }
    }

    fn config(&self, return_sequences: bool, return_state: bool) -> Value {
        let mut cell = json!({
            "kind": self.kind,
            "units": self.units,
            "useBias": self.input("B").is_some(),
            "returnSequences": return_sequences,
            "returnState": return_state,
            "goBackwards": self.is_reverse(),
        });
        if self.kind == "simpleRnn" {
            cell["activation"] = json!(self.activation(0, "tanh"));
        } else {
            cell["recurrentActivation"] = json!(self.activation(0, "sigmoid"));
            cell["activation"] = json!(self.activation(1, "tanh"));
        }
        if self.kind == "gru" {
            cell["resetAfter"] = json!(self.reset_after());
        }
        if self.kind == "lstm" {
            cell["peepholes"] = json!(self.input("P").is_some());
            cell["coupledGates"] = json!(self.order.len() == 3);
        }
        if let Some(limit) = self.attributes.get("clip") {
            assert_eq!(self.kind, "lstm", "only an LSTM has a counterpart of clip");
            cell["gateClip"] = limit.clone();
        }
        if self.prefixes.len() == 2 {
            cell = json!({ "kind": "bidirectional", "layer": cell });
        }
        json!({ "layers": [{ "kind": "input", "features": self.input("X").unwrap().shape[2] }, cell] })
    }

    /// A row of Y_h, Y_c or an initial state.
    fn row<'t>(&self, state: &'t Tensor, direction: usize, sequence: usize) -> &'t [f64] {
        state.at(&if self.sequences_first { [sequence, direction] } else { [direction, sequence] })
    }

    fn states(&self, h: &Tensor, c: Option<&Tensor>) -> Value {
        let mut states = json!({});
        for (direction, prefix) in self.prefixes.iter().enumerate() {
            let rows = |state| (0..self.lengths.len()).flat_map(|n| self.row(state, direction, n)).collect::<Vec<_>>();
            states[*prefix] = json!({ "h": rows(h) });
            if let Some(c) = c {
                states[*prefix]["c"] = json!(rows(c));
            }
        }
        states
    }

    /// Sequence and step of every row of a ragged batch.
    fn positions(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.lengths.iter().enumerate().flat_map(|(n, &length)| (0..length).map(move |t| (n, t)))
    }

    fn values(&self) -> Vec<f64> {
        let x = self.input("X").unwrap();
        let step = |(n, t)| x.at(&if self.sequences_first { [n, t] } else { [t, n] }).to_vec();
        self.positions().flat_map(step).collect()
    }

    fn last_outputs(&self, last: &Tensor) -> Vec<f64> {
        let directions = 0..self.prefixes.len();
        let joined = |n| directions.clone().flat_map(move |direction| self.row(last, direction, n));
        (0..self.lengths.len()).flat_map(joined).copied().collect()
    }

    /// Rows of Y; a layer that goes backwards gives the last step first.
    fn every_output(&self, y: &Tensor) -> Vec<f64> {
        let mut rows = Vec::new();
        for (n, t) in self.positions() {
            let t = if self.is_reverse() { self.lengths[n] - 1 - t } else { t };
            for direction in 0..self.prefixes.len() {
                rows.extend(y.at(&if self.sequences_first { [n, t, direction] } else { [t, direction, n] }));
            }
        }
        rows
    }
}

/// What Y_h says of the last outputs and, where it is there, Y of every one.
pub fn cases(json: &Value) -> Vec<Value> {
    let vector = Vector::new(json);
    let (last, last_cell) = (vector.output("Y_h").unwrap(), vector.output("Y_c"));
    let whole_state = vector.kind != "lstm" || last_cell.is_some();
    let case = |return_sequences, outputs| {
        let mut case = json!({
            "name": json["name"],
            "config": vector.config(return_sequences, whole_state),
            "parameters": vector.parameters(),
            "values": vector.values(),
            "lengths": vector.lengths,
            "outputs": outputs,
        });
        if let Some(h) = vector.input("initial_h") {
            case["initial"] = vector.states(&h, vector.input("initial_c").as_ref());
        }
        if whole_state {
            case["states"] = vector.states(&last, last_cell.as_ref());
        }
        case
    };
    let mut cases = vec![case(false, vector.last_outputs(&last))];
    cases.extend(vector.output("Y").map(|y| case(true, vector.every_output(&y))));
    cases
}
