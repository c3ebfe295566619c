"""What the scripts of the layers-*.json files share: shapes of parameters, drawn numbers and the form of a case."""

import json
import pathlib
import sys
import zlib

import numpy

LENGTHS = [3, 6, 1, 0, 4]
SNAKE_CASE = {
    "simpleRnn": "simple_rnn",
    "layerNormalization": "layer_normalization",
    "attentionPooling": "attention_pooling",
    "globalAveragePooling": "global_average_pooling",
    "globalMaxPooling": "global_max_pooling",
    "concatPooling": "concat_pooling",
    "spatialDropout": "spatial_dropout",
}
RECURRENT = ("lstm", "gru", "simpleRnn")
# Largest difference between the results of a case in 32 and in 64 bits: a third of what tests allow.
ROUNDING = 3e-6


def layer_names(layers):
    """Names of the layers: their own, or their kind in snake case and a number from the second on."""
    names = []
    for layer in layers:
        kind = SNAKE_CASE.get(layer["kind"], layer["kind"])
        free = (kind if number == 0 else f"{kind}_{number}" for number in range(len(layers)))
        names.append(layer.get("name") or next(name for name in free if name not in names))
    return names


def output_columns(layer):
    """Columns of the hidden state of a recurrent layer."""
    return layer.get("projection", layer["units"])


def recurrent_shapes(layer, columns):
    units, bias = layer["units"], layer.get("useBias", True)
    if layer["kind"] == "gru":
        shapes = {"kernel": (columns, 3 * units), "recurrent_kernel": (units, 3 * units)}
        if bias:
            shapes["bias"] = (2, 3 * units) if layer.get("resetAfter", True) else (3 * units,)
        return shapes
    gates = 1 if layer["kind"] == "simpleRnn" else 3 if layer.get("coupledGates") else 4
    shapes = {"kernel": (columns, gates * units), "recurrent_kernel": (output_columns(layer), gates * units)}
    if bias:
        shapes["bias"] = (gates * units,)
    if layer.get("peepholes"):
        shapes["peephole_kernel"] = (gates - 1, units)
    if layer.get("projection"):
        shapes["projection_kernel"] = (units, layer["projection"])
    if layer.get("layerNormalization"):
        shapes |= {"kernel_gamma": (gates * units,), "recurrent_gamma": (gates * units,)}
        shapes |= {"state_gamma": (units,), "state_beta": (units,)}
    return shapes


def layer_shapes(layer, columns):
    """Shapes of a layer's parameters by name, and the columns of its output."""
    kind, bias = layer["kind"], layer.get("useBias", True)
    if kind == "input":
        return {}, layer["features"]
    if kind == "embedding":
        return {"embeddings": (layer["inputDim"], layer["outputDim"])}, layer["outputDim"]
    if kind in RECURRENT:
        return recurrent_shapes(layer, columns), output_columns(layer)
    if kind == "bidirectional":
        inner = recurrent_shapes(layer["layer"], columns)
        shapes = {f"{way}.{name}": shape for way in ("forward", "backward") for name, shape in inner.items()}
        joined = layer.get("mergeMode", "concat") in ("concat", None)
        return shapes, output_columns(layer["layer"]) * (2 if joined else 1)
    if kind == "residual":
        inner, out = layer_shapes(layer["layer"], columns)
        assert out == columns
        return {f"layer.{name}": shape for name, shape in inner.items()}, out
    if kind == "dense":
        shapes = {} if "tiedTo" in layer else {"kernel": (columns, layer["units"])}
        return shapes | ({"bias": (layer["units"],)} if bias else {}), layer["units"]
    if kind == "conv1d":
        shapes = {"kernel": (layer["kernelSize"], columns, layer["filters"])}
        return shapes | ({"bias": (layer["filters"],)} if bias else {}), layer["filters"]
    if kind == "layerNormalization":
        wanted = {"gamma": layer.get("scale", True), "beta": layer.get("center", True)}
        return {name: (columns,) for name, want in wanted.items() if want}, columns
    if kind == "attentionPooling":
        units = layer.get("units", columns)
        return {"kernel": (columns, units), "bias": (units,), "context": (units,)}, columns
    return {}, columns * (2 if kind == "concatPooling" else 1)


def parameter_shapes(layers):
    """Shapes of all parameters of a configuration by their names."""
    shapes, columns = {}, 0
    for name, layer in zip(layer_names(layers), layers):
        own, columns = layer_shapes(layer, columns)
        shapes |= {f"{name}.{parameter}": shape for parameter, shape in own.items()}
    return shapes


FEATURES = {"kind": "input", "features": 4}
TOKENS = {"kind": "embedding", "inputDim": 9, "outputDim": 3}
STEPS = {"returnSequences": True}
STATE = {"returnState": True}


def layer(kind, units, *flags, **options):
    """A layer of the configuration; flags are options that have names here."""
    merged = {"kind": kind, "units": units}
    for flag in flags:
        merged |= flag
    return merged | options


def lstm(units, *flags, **options):
    return layer("lstm", units, *flags, **options)


def gru(units, *flags, **options):
    return layer("gru", units, *flags, **options)


def rnn(units, *flags, **options):
    return layer("simpleRnn", units, *flags, **options)


def dense(units, **options):
    return layer("dense", units, **options)


def both(inner, **options):
    """A layer in both directions."""
    return {"kind": "bidirectional", "layer": inner} | options


def convolution(filters, size, **options):
    return {"kind": "conv1d", "filters": filters, "kernelSize": size} | options


class Draws:
    """Normal numbers of four decimals that depend on nothing but a name."""

    def __init__(self, name):
        self.state = numpy.random.RandomState(zlib.crc32(name.encode()))

    def normal(self, shape, scale=1.0, mean=0.0):
        return numpy.round(self.state.normal(mean, scale, shape), 4)

    def ids(self, count, vocabulary):
        return self.state.randint(0, vocabulary, count)

    def parameters(self, layers):
        """Values of every parameter; gains lie around 1."""
        shapes = parameter_shapes(layers)
        return {name: self.normal(shape, 0.3, 1.0) if name.endswith("gamma") else self.normal(shape, 0.5) for name, shape in shapes.items()}


def drawn_states(layers, sequences, draws, only_returned=False):
    """Drawn states of every recurrent layer, or of those that return theirs; two of a bidirectional one."""
    states = {}
    for name, layer in zip(layer_names(layers), layers):
        both = layer["kind"] == "bidirectional"
        inner = layer["layer"] if both else layer
        if inner["kind"] not in RECURRENT or (only_returned and not inner.get("returnState")):
            continue
        for key in (f"{name}.forward", f"{name}.backward") if both else (name,):
            states[key] = {"h": draws.normal((sequences, output_columns(inner)), 0.7)}
            if inner["kind"] == "lstm":
                states[key]["c"] = draws.normal((sequences, inner["units"]), 0.9)
    return states


def gives_steps(layers):
    """Whether the outputs have a row a step."""
    per_step = True
    for layer in layers:
        inner = layer["layer"] if layer["kind"] == "bidirectional" else layer
        if inner["kind"] in RECURRENT:
            per_step = inner.get("returnSequences", False)
        elif layer["kind"].endswith("Pooling"):
            per_step = False
    return per_step


def drawn_case(name, layers, lengths=LENGTHS, initial=False, state_gradients=False, attempt=0):
    """A case with everything but what a library computes."""
    draws, first = Draws(f"{name} {attempt}"), layers[0]
    case = {"name": name, "config": {"layers": layers}, "parameters": draws.parameters(layers)}
    if first["kind"] == "embedding":
        case["ids"] = draws.ids(sum(lengths), first["inputDim"])
    else:
        case["values"] = draws.normal((sum(lengths), first["features"]))
    case["lengths"] = lengths
    if initial:
        case["initial"] = drawn_states(layers, len(lengths), draws)
    columns = 0
    for layer in layers:
        _, columns = layer_shapes(layer, columns)
    case["outputGradient"] = draws.normal((sum(lengths) if gives_steps(layers) else len(lengths), columns))
    if state_gradients and (gradients := drawn_states(layers, len(lengths), draws, only_returned=True)):
        case["stateGradients"] = gradients
    return case


def rounding(wide, narrow):
    """Largest difference between results in 64 and in 32 bits, of max(1, |value|)."""
    if isinstance(wide, dict):
        return max((rounding(value, narrow[key]) for key, value in wide.items()), default=0)
    return (numpy.abs(wide - narrow) / numpy.maximum(1, numpy.abs(wide))).max(initial=0)


def case_with(results, name, layers, **options):
    """A case with its results, drawn again while they hang on rounding; `results` takes a case and a precision."""
    for attempt in range(100):
        case = drawn_case(name, layers, attempt=attempt, **options)
        computed = results(case, "float64")
        if rounding(computed, results(case, "float32")) <= ROUNDING:
            return case | {key: value for key, value in computed.items() if not isinstance(value, dict) or value}
    raise ValueError(f"{name} hangs on rounding")


def short(x):
    x = round(float(f"{x:.9g}"), 7)
    return int(x) if x == int(x) else x


def plain(value):
    """JSON of a result, with nine digits, which tell 32-bit numbers apart, and two decimals more than are compared."""
    if isinstance(value, numpy.ndarray):
        return [short(x) for x in value.reshape(-1).tolist()]
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return short(value) if isinstance(value, float) else value


def write(name, source, cases):
    """Writes a file of cases, one a line, to the folder given or beside the scripts."""
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    lines = ",\n".join(json.dumps(plain(case), separators=(",", ":")) for case in cases)
    (folder / name).write_text(f'{{"source":{json.dumps(source)},"cases":[\n{lines}\n]}}\n')
