"""Writes layers-pytorch.json: outputs, final states and gradients of recurrent and other layers by PyTorch's autograd.

What torch.nn has is computed by torch.nn, one sequence at a time and in 64 bits. Cells that it lacks are the textbook
cells of this file, which are compared with torch.nn wherever both can run. PyTorch refuses empty sequences: their last
state is the initial one. Usage: python layers_pytorch.py [folder]
"""

import torch
from torch.func import functional_call
from torch.nn import functional

from layers_cases import FEATURES, RECURRENT, STATE, STEPS, TOKENS, both, case_with, convolution, dense, gru, layer, layer_names, lstm, output_columns, rnn, write

STATE_EPSILON = 1e-5

ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda x: torch.softmax(x, -1),
    "hardSigmoid": functional.hardsigmoid,
    "hardSigmoidLegacy": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "softsign": functional.softsign,
    "elu": functional.elu,
}


def activation(layer, option, default):
    return ACTIVATIONS[layer.get(option, default)]


def bias_of(layer, p):
    return p["bias"] if layer.get("useBias", True) else 0.0


def limited(x, limit):
    return x if limit is None else x.clamp(-limit, limit)


def zoned(before, after, rate):
    """Zoneout in inference: the expectation over which units keep their value (Krueger et al., 2017)."""
    return rate * before + (1 - rate) * after


def normalized(x):
    return functional.layer_norm(x, x.shape, eps=STATE_EPSILON)


def textbook_lstm(layer, p, x, h, c):
    """Hochreiter and Schmidhuber (1997) with every option; rows of h, and the final h and c."""
    phi, rho = activation(layer, "activation", "tanh"), activation(layer, "recurrentActivation", "sigmoid")
    peepholes = list(p["peephole_kernel"]) if layer.get("peepholes") else None
    coupled, gate_clip = layer.get("coupledGates", False), layer.get("gateClip")
    rows = []
    for row in x:
        product, recurrent = row @ p["kernel"], h @ p["recurrent_kernel"]
        if layer.get("layerNormalization"):
            product, recurrent = normalized(product) * p["kernel_gamma"], normalized(recurrent) * p["recurrent_gamma"]
        gates = list((product + recurrent + bias_of(layer, p)).split(layer["units"]))
        a_i, a_g, a_o = gates[0], gates[-2], gates[-1]
        if peepholes:
            a_i = a_i + peepholes[0] * c
        i = rho(limited(a_i, gate_clip))
        if coupled:
            f = 1 - i
        else:
            a_f = gates[1] + peepholes[1] * c if peepholes else gates[1]
            f = rho(limited(a_f, gate_clip))
        candidate = limited(f * c + i * phi(limited(a_g, gate_clip)), layer.get("cellClip"))
        if peepholes:
            a_o = a_o + peepholes[-1] * candidate
        state = candidate
        if layer.get("layerNormalization"):
            state = normalized(candidate) * p["state_gamma"] + p["state_beta"]
        output = rho(limited(a_o, gate_clip)) * phi(state)
        if layer.get("projection"):
            output = output @ p["projection_kernel"]
        h = zoned(h, output, layer.get("zoneoutHidden", 0))
        c = zoned(c, candidate, layer.get("zoneoutCell", 0))
        rows.append(h)
    return rows, h, c


def textbook_gru(layer, p, x, h, _):
    """Cho et al. (2014), the reset gate before or after the product; rows of h, and the final h."""
    phi, rho = activation(layer, "activation", "tanh"), activation(layer, "recurrentActivation", "sigmoid")
    units, after = layer["units"], layer.get("resetAfter", True)
    bias = p["bias"] if layer.get("useBias", True) else torch.zeros(6 * units if after else 3 * units, dtype=x.dtype)
    bias, recurrent_bias = bias.reshape(2, -1) if after else (bias, torch.zeros_like(bias))
    u_z, u_r, u_h = p["recurrent_kernel"].split(units, 1)
    b_z, b_r, b_h = recurrent_bias.split(units)
    rows = []
    for row in x:
        a_z, a_r, a_h = (row @ p["kernel"] + bias).split(units)
        z, r = rho(a_z + h @ u_z + b_z), rho(a_r + h @ u_r + b_r)
        candidate = phi(a_h + (r * (h @ u_h + b_h) if after else (r * h) @ u_h))
        h = zoned(h, z * h + (1 - z) * candidate, layer.get("zoneoutHidden", 0))
        rows.append(h)
    return rows, h, None


def textbook_rnn(layer, p, x, h, _):
    """Elman (1990); rows of h, and the final h."""
    phi = activation(layer, "activation", "tanh")
    rows = []
    for row in x:
        output = phi(row @ p["kernel"] + h @ p["recurrent_kernel"] + bias_of(layer, p))
        h = zoned(h, output, layer.get("zoneoutHidden", 0))
        rows.append(h)
    return rows, h, None


TEXTBOOK = {"lstm": textbook_lstm, "gru": textbook_gru, "simpleRnn": textbook_rnn}
LIBRARY_OPTIONS = {"kind", "units", "useBias", "returnSequences", "returnState", "goBackwards"}


def in_library(layer):
    if layer.get("projection", 0) >= layer["units"]:
        return False
    own = {"lstm": {"projection"}, "gru": set(), "simpleRnn": {"activation"}}[layer["kind"]]
    return set(layer) <= LIBRARY_OPTIONS | own and layer.get("activation", "tanh") in ("tanh", "relu")


def library_module(layer, columns, both):
    bias, units = layer.get("useBias", True), layer["units"]
    if layer["kind"] == "lstm":
        return torch.nn.LSTM(columns, units, bias=bias, bidirectional=both, proj_size=layer.get("projection", 0))
    if layer["kind"] == "gru":
        return torch.nn.GRU(columns, units, bias=bias, bidirectional=both)
    return torch.nn.RNN(columns, units, bias=bias, bidirectional=both, nonlinearity=layer.get("activation", "tanh"))


def library_weights(layer, p, suffix):
    """Our parameters as those of torch.nn: rows for columns, gates r, z, n for z, r, h."""
    def matrix(kernel):
        if layer["kind"] == "gru":
            z, r, candidate = kernel.split(layer["units"], -1)
            kernel = torch.cat([r, z, candidate], -1)
        return kernel.T if kernel.ndim == 2 else kernel

    weights = {"weight_ih": matrix(p["kernel"]), "weight_hh": matrix(p["recurrent_kernel"])}
    if layer.get("useBias", True):
        two = layer["kind"] == "gru"
        weights["bias_ih"] = matrix(p["bias"][0]) if two else p["bias"]
        weights["bias_hh"] = matrix(p["bias"][1]) if two else torch.zeros_like(p["bias"])
    if layer.get("projection"):
        weights["weight_hr"] = p["projection_kernel"].T
    return {f"{name}_l0{suffix}": value for name, value in weights.items()}


def run_library(layer, directions, x, initial):
    """torch.nn on one sequence: rows of h, and the final states of every direction."""
    both = len(directions) == 2
    module = library_module(layer, x.shape[1], both).to(x.dtype)
    weights = {}
    for p, suffix in zip(directions, ("", "_reverse")):
        weights |= library_weights(layer, p, suffix)
    h = torch.stack([h for h, _ in initial])
    lstm = layer["kind"] == "lstm"
    state = (h, torch.stack([c for _, c in initial])) if lstm else h
    rows, state = functional_call(module, weights, (x, state))
    if lstm:
        return rows, list(zip(*state))
    return rows, [(h, None) for h in state]


def run_textbook(layer, directions, x, initial):
    """As run_library, with the cells of this file."""
    outputs, states = [], []
    for direction, (p, (h, c)) in enumerate(zip(directions, initial)):
        rows, h, c = TEXTBOOK[layer["kind"]](layer, p, x.flip(0) if direction else x, h, c)
        rows = torch.stack(rows)
        outputs.append(rows.flip(0) if direction else rows)
        states.append((h, c))
    return torch.cat(outputs, 1), states


def run_sequence(layer, directions, x, initial):
    """One sequence through a recurrent layer, in one direction or both."""
    if len(x) == 0:
        return torch.zeros(0, len(directions) * output_columns(layer), dtype=x.dtype), initial
    x = x.flip(0) if layer.get("goBackwards") else x
    rows, states = run_textbook(layer, directions, x, initial)
    if in_library(layer):
        own = rows
        rows, states = run_library(layer, directions, x, initial)
        torch.testing.assert_close(own, rows)
    return rows, states


MERGE = {
    "concat": lambda a, b: torch.cat([a, b], -1),
    None: lambda a, b: torch.cat([a, b], -1),
    "sum": torch.add,
    "mul": torch.mul,
    "ave": lambda a, b: (a + b) / 2,
}


class Run:
    """A case in one precision: parameters and initial states as leaves of the graph, final states as they come."""

    def __init__(self, case, dtype):
        self.case, self.dtype, self.states = case, dtype, {}
        self.parameters = {name: self.leaf(value) for name, value in case["parameters"].items()}
        self.initial = {key: {part: self.leaf(value) for part, value in state.items()} for key, state in case.get("initial", {}).items()}

    def leaf(self, value):
        return torch.tensor(value, dtype=self.dtype, requires_grad=True)

    def of(self, prefix):
        return {name[len(prefix) + 1 :]: value for name, value in self.parameters.items() if name.startswith(prefix + ".")}

    def outputs(self):
        layers, lengths = self.case["config"]["layers"], self.case["lengths"]
        if "ids" in self.case:
            x = torch.tensor(self.case["ids"])
        else:
            x = torch.tensor(self.case["values"], dtype=self.dtype)
        x = list(x.split(lengths))
        for name, layer in zip(layer_names(layers), layers):
            x = self.layer(name, layer, x)
        rows = x if x[0].ndim == 2 else [row[None] for row in x]
        return torch.cat(rows)

    def layer(self, name, layer, x):
        """All sequences through one layer."""
        kind, p = layer["kind"], self.of(name)
        if kind == "input":
            return x
        if kind == "embedding":
            return [functional.embedding(ids, p["embeddings"]) for ids in x]
        if kind in RECURRENT:
            return self.recurrent(layer, [name], x, None)
        if kind == "bidirectional":
            return self.recurrent(layer["layer"], [f"{name}.forward", f"{name}.backward"], x, MERGE[layer.get("mergeMode", "concat")])
        if kind == "residual":
            return [row + out for row, out in zip(x, self.layer(f"{name}.layer", layer["layer"], x))]
        if kind == "dense":
            kernel = self.parameters[f"{layer['tiedTo']}.embeddings"].T if "tiedTo" in layer else p["kernel"]
            phi = activation(layer, "activation", "linear")
            return [phi(row @ kernel + bias_of(layer, p)) for row in x]
        if kind == "layerNormalization":
            epsilon = layer.get("epsilon", 1e-3)
            return [functional.layer_norm(row, row.shape[-1:], p.get("gamma"), p.get("beta"), epsilon) for row in x]
        if kind == "conv1d":
            return [self.convolution(layer, p, rows) for rows in x]
        return [self.pooling(kind, p, rows) for rows in x]

    def recurrent(self, layer, prefixes, x, merge):
        directions, sequences = [self.of(prefix) for prefix in prefixes], range(len(x))
        zeros = {
            "h": torch.zeros(len(x), output_columns(layer), dtype=self.dtype),
            "c": torch.zeros(len(x), layer["units"], dtype=self.dtype),
        }
        initial = [zeros | self.initial.get(prefix, {}) for prefix in prefixes]
        results = [run_sequence(layer, directions, x[n], [(state["h"][n], state["c"][n]) for state in initial]) for n in sequences]
        if layer.get("returnState"):
            for direction, prefix in enumerate(prefixes):
                parts = [states[direction] for _, states in results]
                self.states[prefix] = {"h": torch.stack([h for h, _ in parts])}
                if layer["kind"] == "lstm":
                    self.states[prefix]["c"] = torch.stack([c for _, c in parts])
        if layer.get("returnSequences"):
            return [merge(*rows.chunk(2, 1)) if merge else rows for rows, _ in results]
        last = [[h for h, _ in states] for _, states in results]
        return [merge(*h) if merge else h[0] for h in last]

    def convolution(self, layer, p, rows):
        if len(rows) == 0:
            return torch.zeros(0, layer["filters"], dtype=self.dtype)
        weight, dilation = p["kernel"].permute(2, 1, 0), layer.get("dilationRate", 1)
        x, padding = rows.T[None], "same"
        if layer.get("padding") == "causal":
            x, padding = functional.pad(x, ((layer["kernelSize"] - 1) * dilation, 0)), "valid"
        out = functional.conv1d(x, weight, p.get("bias"), padding=padding, dilation=dilation)
        return activation(layer, "activation", "linear")(out[0].T)

    def pooling(self, kind, p, rows):
        """Over the steps of a sequence; zero for an empty one."""
        if len(rows) == 0:
            return torch.zeros(rows.shape[1] * (2 if kind == "concatPooling" else 1), dtype=self.dtype)
        if kind == "globalAveragePooling":
            return rows.mean(0)
        if kind == "globalMaxPooling":
            return rows.amax(0)
        if kind == "concatPooling":
            return torch.cat([rows.amax(0), rows.mean(0)])
        scores = torch.tanh(rows @ p["kernel"] + p["bias"]) @ p["context"]
        return torch.softmax(scores, 0) @ rows

    def results(self):
        """Everything that a case records."""
        outputs = self.outputs()
        loss = (outputs * torch.tensor(self.case["outputGradient"], dtype=self.dtype)).sum()
        for key, state in self.case.get("stateGradients", {}).items():
            for part, gradient in state.items():
                loss = loss + (self.states[key][part] * torch.tensor(gradient, dtype=self.dtype)).sum()
        loss.backward()

        def value(tensor):
            return tensor.detach().numpy()

        def gradient(leaf):
            return (torch.zeros_like(leaf) if leaf.grad is None else leaf.grad).numpy()

        def numbers(states, get):
            return {key: {part: get(tensor) for part, tensor in state.items()} for key, state in states.items()}

        return {
            "outputs": value(outputs),
            "states": numbers(self.states, value),
            "gradients": {name: gradient(leaf) for name, leaf in self.parameters.items()},
            "initialGradients": numbers(self.initial, gradient),
        }


def results(case, precision):
    return Run(case, getattr(torch, precision)).results()


def case(name, *layers, **options):
    return case_with(results, name, list(layers), state_gradients=options.get("initial", False), **options)


MANY = [3, 1, 5, 0, 2, 6, 1, 4]


def library_cases():
    """Cells of torch.nn."""
    for kind, units in (("lstm", 5), ("gru", 5), ("simpleRnn", 5)):
        yield case(f"{kind}, last output", TOKENS, layer(kind, units))
        yield case(f"{kind}, every output, states", FEATURES, layer(kind, units, STEPS, STATE), initial=True)
        yield case(f"{kind}, backwards, last output, states", TOKENS, layer(kind, units, STATE, goBackwards=True), initial=True)
        yield case(f"{kind}, backwards, every output", FEATURES, layer(kind, units, STEPS, goBackwards=True))
        yield case(f"{kind}, without bias", FEATURES, layer(kind, 3, STATE, useBias=False), initial=True)
        yield case(f"{kind}, more units than a block", FEATURES, layer(kind, 17, STEPS))
        yield case(f"{kind}, both directions, last output", TOKENS, both(layer(kind, 3)))
        yield case(f"{kind}, both directions, every output, states", FEATURES, both(layer(kind, 3, STEPS, STATE)), initial=True)
        yield case(f"{kind}, two layers, states", TOKENS, layer(kind, 4, STEPS, STATE), layer(kind, 3, STATE), initial=True)
    for mode in ("sum", "mul", "ave", None):
        yield case(f"both directions, {mode}, last output", TOKENS, both(lstm(3, STATE), mergeMode=mode), initial=True)
        yield case(f"both directions, {mode}, every output", FEATURES, both(gru(3, STEPS), mergeMode=mode))
    for kind in RECURRENT:
        yield case(f"{kind}, eight sequences", TOKENS, layer(kind, 3, STEPS, STATE), initial=True, lengths=MANY)
    yield case("both directions, two layers", TOKENS, both(lstm(3, STEPS)), both(lstm(3)), dense(2))
    yield case("both directions, sum, then one direction", TOKENS, both(gru(4, STEPS), mergeMode="sum"), lstm(3, STATE), initial=True)
    yield case("projection, last output", TOKENS, lstm(7, projection=3))
    yield case("projection, every output, states", FEATURES, lstm(5, STEPS, STATE, projection=3), initial=True)
    yield case("projection, both directions", FEATURES, both(lstm(5, STEPS, STATE, projection=2)), initial=True)
    yield case("projection, two layers", TOKENS, lstm(5, STEPS, projection=4), lstm(5, projection=2, goBackwards=True))
    yield case("projection of more units than a block", FEATURES, lstm(17, projection=3))
    yield case("projection to more outputs than a block", FEATURES, lstm(3, projection=17))
    yield case("simpleRnn, relu", TOKENS, rnn(5, STEPS, STATE, activation="relu"), initial=True)
    yield case("simpleRnn, relu, both directions", FEATURES, both(rnn(3, activation="relu")))


PEEPHOLES = {"peepholes": True}
COUPLED = {"coupledGates": True}
NORMALIZED = {"layerNormalization": True}
CLIPS = {"cellClip": 0.6, "gateClip": 0.9}


def textbook_cases():
    """Cells and options that torch.nn lacks."""
    options = {
        "peepholes": PEEPHOLES,
        "coupled gates": COUPLED,
        "cell clip": {"cellClip": 0.5},
        "gate clip": {"gateClip": 0.8},
        "normalization": NORMALIZED,
        "zoneout": {"zoneoutHidden": 0.15, "zoneoutCell": 0.4},
    }
    for name, option in options.items():
        yield case(f"lstm, {name}, last output", TOKENS, lstm(5, option))
        yield case(f"lstm, {name}, every output, states", FEATURES, lstm(5, STEPS, STATE, option), initial=True)
        yield case(f"lstm, {name}, both directions, states", TOKENS, both(lstm(3, STATE, option)), initial=True)
    combinations = {
        "peepholes, projection": PEEPHOLES | {"projection": 3},
        "peepholes, coupled gates": PEEPHOLES | COUPLED,
        "peepholes, clips": PEEPHOLES | CLIPS,
        "peepholes, zoneout": PEEPHOLES | options["zoneout"],
        "peepholes, normalization": PEEPHOLES | NORMALIZED,
        "coupled gates, projection": COUPLED | {"projection": 4},
        "coupled gates, normalization": COUPLED | NORMALIZED,
        "coupled gates, clips": COUPLED | CLIPS,
        "projection, normalization": NORMALIZED | {"projection": 3},
        "projection, zoneout": options["zoneout"] | {"projection": 3},
        "normalization, clips": NORMALIZED | CLIPS,
        "normalization, zoneout": NORMALIZED | options["zoneout"],
        "normalization, without bias": NORMALIZED | {"useBias": False},
        "peepholes, projection, normalization, clips, zoneout": PEEPHOLES | NORMALIZED | CLIPS | options["zoneout"] | {"projection": 4},
        "coupled gates, peepholes, projection, normalization, clips, zoneout": COUPLED | PEEPHOLES | NORMALIZED | CLIPS | options["zoneout"] | {"projection": 3},
    }
    for index, (name, option) in enumerate(combinations.items()):
        if index % 2 == 0:
            yield case(f"lstm, {name}", FEATURES, lstm(5, STEPS, STATE, option), initial=True)
        else:
            yield case(f"lstm, {name}", TOKENS, lstm(5, STATE, option, goBackwards=True), initial=index % 4 == 1)
        if len(option) > 5:
            yield case(f"lstm, {name}, eight sequences", TOKENS, lstm(5, STEPS, STATE, option), initial=True, lengths=MANY)
    yield case("lstm, normalization, peepholes, more units than a block", FEATURES, lstm(17, PEEPHOLES, NORMALIZED))
    yield case("lstm, coupled gates, peepholes, more units than a block", FEATURES, lstm(17, COUPLED, PEEPHOLES, STEPS))
    yield case("lstm, peepholes, projection, both directions, sum", TOKENS, both(lstm(5, PEEPHOLES, STEPS, projection=3), mergeMode="sum"))
    yield case("lstm, coupled gates, normalization, both directions", TOKENS, both(lstm(5, COUPLED, NORMALIZED)), dense(2))
    for index, name in enumerate(("linear", "relu", "sigmoid", "softsign", "elu", "hardSigmoid", "hardSigmoidLegacy")):
        if name != "linear":
            steps = STEPS if index % 2 else STATE
            yield case(f"lstm, activation {name}", TOKENS, lstm(5, steps, activation=name), initial=index % 3 == 0)
        yield case(f"simpleRnn, activation {name}", TOKENS, rnn(4, STEPS, STATE, activation=name))
    for name in ("hardSigmoid", "hardSigmoidLegacy", "tanh", "relu", "softsign"):
        yield case(f"lstm, recurrent activation {name}", FEATURES, lstm(5, STEPS, STATE, recurrentActivation=name), initial=True)
    for name in ("hardSigmoid", "hardSigmoidLegacy"):
        yield case(f"lstm, recurrent activation {name}, activation elu, peepholes, clips", TOKENS, lstm(3, PEEPHOLES, CLIPS, STATE, activation="elu", recurrentActivation=name), initial=True)
        yield case(f"gru, recurrent activation {name}", TOKENS, gru(3, STEPS, recurrentActivation=name))
        yield case(f"gru, reset before, recurrent activation {name}", FEATURES, gru(3, STATE, resetAfter=False, recurrentActivation=name), initial=True)
    yield case("gru, activation relu", TOKENS, gru(3, STATE, activation="relu"), initial=True)
    yield case("gru, reset before, activation softsign", TOKENS, gru(3, STEPS, resetAfter=False, activation="softsign"))
    before = {"resetAfter": False}
    yield case("gru, reset before, eight sequences", TOKENS, gru(3, before, STEPS, STATE), initial=True, lengths=MANY)
    yield case("gru, reset before, last output", TOKENS, gru(5, before))
    yield case("gru, reset before, every output, states", FEATURES, gru(5, before, STEPS, STATE), initial=True)
    yield case("gru, reset before, backwards, without bias", TOKENS, gru(5, before, STATE, goBackwards=True, useBias=False), initial=True)
    yield case("gru, reset before, both directions", FEATURES, both(gru(3, before, STEPS, STATE)), initial=True)
    yield case("gru, reset before, more units than a block", FEATURES, gru(17, before))
    yield case("gru, zoneout", TOKENS, gru(4, STEPS, STATE, zoneoutHidden=0.3), initial=True)
    yield case("gru, reset before, zoneout", FEATURES, gru(4, before, STATE, zoneoutHidden=0.3), initial=True)
    yield case("simpleRnn, zoneout", TOKENS, rnn(4, STATE, zoneoutHidden=0.3), initial=True)


def plain_cases():
    """Layers without recurrence, and what stands around recurrent ones."""
    for size, dilation in ((3, 1), (4, 1), (5, 1), (1, 1), (3, 2), (4, 3)):
        for padding in ("same", "causal"):
            conv1d = convolution(3, size, padding=padding, dilationRate=dilation)
            yield case(f"conv1d, {padding}, {size} steps, dilation {dilation}", TOKENS, conv1d)
    yield case("conv1d, relu, without bias", FEATURES, convolution(5, 3, activation="relu", useBias=False))
    yield case("conv1d, more filters than a block, tanh", FEATURES, convolution(17, 3, activation="tanh"))
    yield case("conv1d, then lstm", TOKENS, convolution(4, 3, padding="causal", activation="elu"), lstm(3, STATE), initial=True)
    yield case("conv1d over bidirectional", TOKENS, both(lstm(3, STEPS)), convolution(3, 3), {"kind": "globalMaxPooling"})
    yield case("layer normalization", TOKENS, dense(5), {"kind": "layerNormalization"})
    yield case("layer normalization, epsilon", FEATURES, {"kind": "layerNormalization", "epsilon": 1e-5}, dense(3))
    yield case("layer normalization, without center", TOKENS, dense(5), {"kind": "layerNormalization", "center": False})
    yield case("layer normalization, without scale", TOKENS, dense(5), {"kind": "layerNormalization", "scale": False})
    yield case("layer normalization, 19 columns", FEATURES, dense(19), {"kind": "layerNormalization"}, lstm(3))
    yield case("layer normalization of last outputs", TOKENS, lstm(5), {"kind": "layerNormalization"}, dense(2))
    yield case("attention pooling", TOKENS, {"kind": "attentionPooling"})
    yield case("attention pooling, units", FEATURES, dense(5), {"kind": "attentionPooling", "units": 3}, dense(2))
    yield case("attention pooling over lstm", TOKENS, both(lstm(3, STEPS)), {"kind": "attentionPooling", "units": 4})
    yield case("average pooling", TOKENS, gru(3, STEPS), {"kind": "globalAveragePooling"})
    yield case("max pooling", TOKENS, gru(3, STEPS), {"kind": "globalMaxPooling"})
    yield case("max and average pooling", TOKENS, gru(3, STEPS), {"kind": "concatPooling"}, dense(2))
    tied = dense(9, tiedTo="embedding")
    yield case("tied output layer, logits", TOKENS, lstm(3, STEPS), tied)
    yield case("tied output layer, softmax, states", TOKENS, gru(3, STEPS, STATE), tied | {"activation": "softmax"}, initial=True)
    yield case("tied output layer without bias, last output", TOKENS, lstm(5, projection=3), tied | {"useBias": False})
    yield case("tied output layer of an embedding with a name", TOKENS | {"name": "words"}, lstm(3, STEPS), dense(9, tiedTo="words"))

    def residual(inner):
        return {"kind": "residual", "layer": inner}

    yield case("residual, lstm", FEATURES, residual(lstm(4, STEPS)))
    yield case("residual, two layers", TOKENS, dense(5), residual(lstm(5, STEPS)), residual(gru(5, STEPS, goBackwards=True)), dense(2))
    yield case("residual, both directions", FEATURES, residual(both(gru(2, STEPS))), lstm(3))
    yield case("residual, dense", TOKENS, residual(dense(3, activation="tanh")), lstm(3))
    yield case("residual, conv1d", TOKENS, residual(convolution(3, 3, activation="relu")), gru(3, STEPS))
    for name in ("relu", "sigmoid", "tanh", "softmax", "hardSigmoid", "hardSigmoidLegacy", "softsign", "elu"):
        yield case(f"dense, {name}", TOKENS, lstm(3, STEPS), dense(6, activation=name))
    yield case("dense, without bias", TOKENS, lstm(3), dense(4, useBias=False))


write("layers-pytorch.json", f"PyTorch {torch.__version__.split('+')[0]}", [*library_cases(), *textbook_cases(), *plain_cases()])
