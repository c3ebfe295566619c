"""Writes layers-onnx.json: outputs and final states of recurrent nodes by ONNX Runtime, in our layout.

ONNX orders the gates of an LSTM i, o, f, c and peepholes i, o, f; a GRU has our order. Values are those of 32 bits, the
only ones that ONNX Runtime computes. Usage: python layers_onnx.py [folder]
"""

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

from layers_cases import FEATURES, LENGTHS, STATE, STEPS, both, drawn_case, gru, lstm, rnn, write

ACTIVATIONS = {"hardSigmoid": "HardSigmoid", "hardSigmoidLegacy": "HardSigmoid"}
HARD_SIGMOID_SLOPE = {"hardSigmoid": 1 / 6, "hardSigmoidLegacy": 0.2}
OPERATORS = {"lstm": "LSTM", "gru": "GRU", "simpleRnn": "RNN"}
OPSET, FILE_VERSION = 14, 8
# ONNX Runtime gives zero states of an empty sequence also where it has an initial one.
FULL = [3, 6, 1, 4]


def narrow(value):
    return numpy.ascontiguousarray(value, numpy.float32)


def gate_rows(cell, kernel):
    """Columns i, f, g, o as rows i, o, f, c. Coupled gates have no f: ONNX ignores what stands there."""
    if cell["kind"] != "lstm":
        return kernel.T
    gates = numpy.split(kernel, kernel.shape[-1] // cell["units"], -1)
    i, f, g, o = gates if len(gates) == 4 else (gates[0], gates[1] + gates[2], *gates[1:])
    return numpy.concatenate([i, o, f, g], -1).T


def node_inputs(case, cell, prefixes):
    """Inputs of the node, by their names in ONNX."""
    lengths, parameters = case["lengths"], case["parameters"]

    def stacked(get):
        return narrow(numpy.stack([get(prefix) for prefix in prefixes]))

    def bias(prefix):
        value = parameters[f"{prefix}.bias"]
        if value.ndim == 1:
            value = numpy.stack([value, numpy.zeros_like(value)])
        return numpy.concatenate([gate_rows(cell, row) for row in value])

    def peepholes(prefix):
        value = parameters[f"{prefix}.peephole_kernel"]
        return numpy.concatenate([value[0], value[-1], value[1 if len(value) == 3 else 0]])

    x = numpy.zeros((max(lengths), len(lengths), case["values"].shape[1]))
    ends = numpy.cumsum(lengths)
    for row, (length, end) in enumerate(zip(lengths, ends)):
        x[:length, row] = case["values"][end - length : end]
    inputs = {
        "X": narrow(x),
        "W": stacked(lambda prefix: gate_rows(cell, parameters[f"{prefix}.kernel"])),
        "R": stacked(lambda prefix: gate_rows(cell, parameters[f"{prefix}.recurrent_kernel"])),
    }
    if cell.get("useBias", True):
        inputs["B"] = stacked(bias)
    inputs["sequence_lens"] = numpy.array(lengths, numpy.int32)
    if "initial" in case:
        inputs["initial_h"] = stacked(lambda prefix: case["initial"][prefix]["h"])
        if cell["kind"] == "lstm":
            inputs["initial_c"] = stacked(lambda prefix: case["initial"][prefix]["c"])
    if cell.get("peepholes"):
        inputs["P"] = stacked(peepholes)
    return inputs


def node_attributes(cell, direction, directions):
    functions = [cell.get("recurrentActivation", "sigmoid"), cell.get("activation", "tanh")]
    names = {"lstm": [*functions, functions[1]], "gru": functions, "simpleRnn": functions[1:]}[cell["kind"]]
    attributes = {
        "hidden_size": cell["units"],
        "direction": direction,
        "activations": [ACTIVATIONS.get(name, name.capitalize()) for name in names * directions],
    }
    slopes = [HARD_SIGMOID_SLOPE[name] for name in names * directions if name in HARD_SIGMOID_SLOPE]
    if slopes:
        attributes |= {"activation_alpha": slopes, "activation_beta": [0.5] * len(slopes)}
    if "gateClip" in cell:
        attributes["clip"] = cell["gateClip"]
    if cell.get("coupledGates"):
        attributes["input_forget"] = 1
    if cell["kind"] == "gru":
        attributes["linear_before_reset"] = int(cell.get("resetAfter", True))
    return attributes


def run(case, cell, prefixes, direction):
    """Y [T, D, N, H], Y_h [D, N, H] and, of an LSTM, Y_c of the node."""
    inputs = node_inputs(case, cell, prefixes)
    order = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"][: 8 if cell["kind"] == "lstm" else 6]
    outputs = ["Y", "Y_h", "Y_c"][: 3 if cell["kind"] == "lstm" else 2]
    names = [name if name in inputs else "" for name in order]
    node = helper.make_node(OPERATORS[cell["kind"]], names, outputs, **node_attributes(cell, direction, len(prefixes)))
    kinds = {name: TensorProto.INT32 if name == "sequence_lens" else TensorProto.FLOAT for name in inputs}
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info(name, kinds[name], value.shape) for name, value in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in zip(outputs, (4, 3, 3))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=FILE_VERSION)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, inputs)


def case(name, layer, initial=False, lengths=LENGTHS):
    result = drawn_case(name, [FEATURES, layer], initial=initial, lengths=lengths)
    del result["outputGradient"]
    two = layer["kind"] == "bidirectional"
    cell = layer["layer"] if two else layer
    layer_name = "bidirectional" if two else {"simpleRnn": "simple_rnn"}.get(cell["kind"], cell["kind"])
    prefixes = [f"{layer_name}.forward", f"{layer_name}.backward"] if two else [layer_name]
    direction = "bidirectional" if two else "reverse" if cell.get("goBackwards") else "forward"
    y, *last = run(result, cell, prefixes, direction)
    if cell.get("returnSequences"):
        rows = [numpy.concatenate(y[:length, :, row].swapaxes(0, 1), -1) for row, length in enumerate(lengths)]
        result["outputs"] = numpy.concatenate([steps[::-1] if direction == "reverse" else steps for steps in rows])
    else:
        result["outputs"] = numpy.concatenate(last[0], -1)
    if cell.get("returnState"):
        result["states"] = {prefix: dict(zip("hc", [part[index] for part in last])) for index, prefix in enumerate(prefixes)}
    return result


def directions(name, cell, **options):
    yield case(f"{name}, forward", cell, **options)
    yield case(f"{name}, reverse", cell | {"goBackwards": True}, **options)
    yield case(f"{name}, bidirectional", both(cell), **options)


PEEPHOLES, COUPLED = {"peepholes": True}, {"coupledGates": True}


def cases():
    kinds = {"LSTM": lstm(5), "GRU, linear_before_reset": gru(5), "GRU": gru(5, resetAfter=False), "RNN": rnn(5)}
    for name, cell in kinds.items():
        yield from directions(f"{name}, sequence_lens", cell | STEPS | STATE)
        yield from directions(f"{name}, sequence_lens, initial states", cell | STEPS | STATE, initial=True, lengths=FULL)
        yield from directions(f"{name}, Y_h", cell)
        yield case(f"{name} without B", cell | STEPS | {"useBias": False})
    for name, options in {
        "P": PEEPHOLES,
        "input_forget": COUPLED,
        "P, input_forget": PEEPHOLES | COUPLED,
        "clip": {"gateClip": 0.7},
        "P, clip": PEEPHOLES | {"gateClip": 0.9},
        "P, input_forget, clip": PEEPHOLES | COUPLED | {"gateClip": 0.9},
    }.items():
        yield from directions(f"LSTM, {name}", lstm(3, STEPS, STATE, options), initial=True, lengths=FULL)
    for name in ("hardSigmoid", "hardSigmoidLegacy"):
        yield from directions(f"LSTM, {name}", lstm(3, STEPS, STATE, recurrentActivation=name))
        yield case(f"LSTM, P, {name}, clip", lstm(3, STEPS, STATE, PEEPHOLES, recurrentActivation=name, gateClip=0.9))
        yield case(f"GRU, {name}", gru(3, STEPS, resetAfter=False, recurrentActivation=name))
        yield case(f"GRU, linear_before_reset, {name}", both(gru(3, STEPS, recurrentActivation=name)))
    for name in ("relu", "softsign", "elu"):
        yield case(f"LSTM, {name}", lstm(3, STEPS, STATE, activation=name))
        yield case(f"GRU, {name}", gru(3, STEPS, activation=name))
        yield case(f"RNN, {name}", rnn(3, STEPS, activation=name))


write("layers-onnx.json", f"ONNX Runtime {onnxruntime.__version__}", list(cases()))
