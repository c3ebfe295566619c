"""Writes layers-keras.json: outputs, final states, gradients and penalties of recurrent and other layers by Keras.

Ragged sequences are padded in front and behind under a mask, and run one by one without: all three agree. Layers that
ignore masks run one by one only. Values are those of 64 bits. Usage: python layers_keras.py [folder]
"""

import os

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": ""}

import keras
import numpy
import tensorflow

from layers_cases import FEATURES, RECURRENT, STATE, STEPS, TOKENS, both, case_with, convolution, dense, gives_steps, gru, layer_names, lstm, rnn, write

# Keras gives 0 as the last output of an empty sequence also where it has an initial state, and no convolution of none.
FULL = [3, 6, 1, 4]
EQUAL = [3, 3, 3, 3]
IGNORE_MASKS = {"conv1d", "globalMaxPooling"}

CLASSES = {
    "embedding": keras.layers.Embedding,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simpleRnn": keras.layers.SimpleRNN,
    "dense": keras.layers.Dense,
    "conv1d": keras.layers.Conv1D,
    "layerNormalization": keras.layers.LayerNormalization,
    "globalAveragePooling": keras.layers.GlobalAveragePooling1D,
    "globalMaxPooling": keras.layers.GlobalMaxPooling1D,
}


def snake_case(name):
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


def option(name, value):
    """An option of ours as one of Keras."""
    if name.endswith("Regularizer"):
        return keras.regularizers.L1L2(value.get("l1", 0), value.get("l2", 0))
    if value == "hardSigmoidLegacy":
        return lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)
    return snake_case(value) if isinstance(value, str) else value


class Residual(keras.layers.Layer):
    """x + layer(x)."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return x + self.layer(x)


def keras_layer(description):
    if description["kind"] == "residual":
        return Residual(keras_layer(description["layer"]))
    if description["kind"] == "bidirectional":
        return keras.layers.Bidirectional(keras_layer(description["layer"]), merge_mode=description.get("mergeMode", "concat"))
    options = {snake_case(name): option(name, value) for name, value in description.items() if name not in ("kind", "name")}
    return CLASSES[description["kind"]](**options)


class Network:
    """The layers of a case in Keras, with its parameters and initial states."""

    def __init__(self, case):
        self.case = case
        self.descriptions = case["config"]["layers"]
        self.layers = [None if description["kind"] == "input" else keras_layer(description) for description in self.descriptions]
        self.initial = {key: {part: tensorflow.Variable(value, dtype=keras.config.floatx()) for part, value in state.items()} for key, state in case.get("initial", {}).items()}
        self.run(self.inputs(0, 1), None, [0])
        self.variables = [variable for layer in self.layers if layer for variable in layer.weights]
        for variable, value in zip(self.variables, case["parameters"].values(), strict=True):
            variable.assign(value)

    def inputs(self, start, end):
        """Steps of the concatenated sequences, as a batch of one."""
        if "ids" in self.case:
            return numpy.array(self.case["ids"])[None, start:end]
        return numpy.array(self.case["values"], keras.config.floatx())[None, start:end]

    def run(self, x, mask, rows):
        """Outputs, and final states by layer, of a batch that has these rows of the initial states."""
        states = {}
        for name, description, layer in zip(layer_names(self.descriptions), self.descriptions, self.layers):
            if layer is None:
                continue
            two = description["kind"] == "bidirectional"
            inner = description["layer"] if two else description
            if inner["kind"] not in RECURRENT:
                masked = description["kind"] == "globalAveragePooling"
                x = layer(x, mask=mask) if masked else layer(x)
                continue
            keys = [f"{name}.forward", f"{name}.backward"] if two else [name]
            initial = [tensorflow.gather(part, rows) for key in keys for part in self.initial.get(key, {}).values()]
            results = layer(x, mask=mask, initial_state=initial or None)
            apart = two and description.get("mergeMode", "concat") is None
            count = 2 if apart else 1
            if inner.get("returnState"):
                parts = ["h", "c"] if inner["kind"] == "lstm" else ["h"]
                results, last = list(results[:count]), results[count:]
                for index, key in enumerate(keys):
                    states[key] = dict(zip(parts, last[index * len(parts) :]))
                x = results if apart else results[0]
            else:
                x = results
            if apart:
                x = tensorflow.concat(x, -1)
        return x, states

    def padded(self, front):
        """All sequences as one batch under a mask; outputs and states as of ragged sequences."""
        lengths = self.case["lengths"]
        longest, flat = max(lengths) + 1, self.inputs(0, None)[0]
        x = numpy.ones((len(lengths), longest, *flat.shape[1:]), flat.dtype)
        mask = numpy.zeros((len(lengths), longest), bool)
        for row, length in enumerate(lengths):
            mask[row, longest - length if front else 0 : longest if front else length] = True
        x[mask] = flat
        outputs, states = self.run(x, tensorflow.constant(mask), list(range(len(lengths))))
        if gives_steps(self.descriptions):
            backwards = any(description.get("goBackwards") for description in self.descriptions)
            outputs = tensorflow.boolean_mask(outputs, mask[:, ::-1] if backwards else mask)
        return outputs, states

    def one_by_one(self):
        """Every sequence as a batch of its own, without a mask."""
        outputs, states, end = [], [], 0
        for row, length in enumerate(self.case["lengths"]):
            start, end = end, end + length
            out, state = self.run(self.inputs(start, end), None, [row])
            outputs.append(out[0] if gives_steps(self.descriptions) else out)
            states.append(state)
        joined = {key: {part: tensorflow.concat([state[key][part] for state in states], 0) for part in state} for key, state in states[0].items()}
        return tensorflow.concat(outputs, 0), joined

    def at_once(self):
        """Sequences of one length as a batch, without a mask."""
        x, sequences = self.inputs(0, None)[0], len(self.case["lengths"])
        outputs, states = self.run(x.reshape(sequences, -1, *x.shape[1:]), None, list(range(sequences)))
        return tensorflow.reshape(outputs, self.case["outputGradient"].shape), states

    def results(self, way):
        with tensorflow.GradientTape() as tape:
            outputs, states = way()
            penalties = [penalty for layer in self.layers if layer for penalty in layer.losses]
            loss = tensorflow.reduce_sum(outputs * tensorflow.cast(self.case["outputGradient"], outputs.dtype))
            loss += sum(penalties)
        initial = [part for state in self.initial.values() for part in state.values()]
        sources = [variable.value for variable in self.variables] + initial
        gradients = [tensorflow.convert_to_tensor(gradient).numpy() for gradient in tape.gradient(loss, sources, unconnected_gradients="zero")]
        of_initial = iter(gradients[len(self.variables) :])
        return ({"penalty": float(sum(penalties))} if penalties else {}) | {
            "outputs": outputs.numpy(),
            "states": {key: {part: value.numpy() for part, value in state.items()} for key, state in states.items()},
            "gradients": {name: gradient for name, gradient, variable in zip(self.case["parameters"], gradients, self.variables) if variable.trainable},
            "initialGradients": {key: {part: next(of_initial) for part in state} for key, state in self.initial.items()},
        }


def check_equal(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            check_equal(one[key], other[key])
    else:
        numpy.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def results(case, precision):
    keras.config.set_floatx(precision)
    network = Network(case)
    masks = all(description["kind"] not in IGNORE_MASKS for description in case["config"]["layers"])
    ways = [lambda: network.padded(True), lambda: network.padded(False)] if masks else []
    if 0 not in case["lengths"]:
        ways.append(network.one_by_one)
    if precision == "float32":
        return network.results(ways[0])
    all_results = [network.results(way) for way in ways]
    for other in all_results[1:]:
        check_equal(all_results[0], other)
    return all_results[0]


def penalty_results(case, precision):
    """Of a batch without padding, with the sum of what the layers add to the loss; gradients are those of both."""
    keras.config.set_floatx(precision)
    network = Network(case)
    return network.results(network.at_once)


def case(name, *layers, **options):
    return case_with(results, name, list(layers), **options)


def penalty_case(name, *layers):
    return case_with(penalty_results, name, list(layers), lengths=EQUAL)


def recurrent_cases():
    kinds = {"lstm": lstm(5), "gru": gru(5), "gru, reset before": gru(5, resetAfter=False), "simpleRnn": rnn(5)}
    for name, cell in kinds.items():
        yield case(f"{name}, last output", TOKENS, cell)
        yield case(f"{name}, last output, states", TOKENS, cell | STATE, initial=True, lengths=FULL)
        yield case(f"{name}, every output, states", FEATURES, cell | STEPS | STATE, initial=True)
        yield case(f"{name}, backwards, every output, states", FEATURES, cell | STEPS | STATE | {"goBackwards": True}, initial=True)
        yield case(f"{name}, backwards, last output", TOKENS, cell | {"goBackwards": True})
        yield case(f"{name}, without bias", FEATURES, cell | STATE | {"useBias": False})
        yield case(f"{name}, two layers", TOKENS, cell | STEPS, cell | STATE)
        yield case(f"{name}, both directions", TOKENS, both(cell | STATE), initial=True, lengths=FULL)
    for mode in ("concat", "sum", "mul", "ave", None):
        yield case(f"both directions, {mode}, last output", TOKENS, both(lstm(3, STATE), mergeMode=mode))
        yield case(f"both directions, {mode}, every output", FEATURES, both(gru(3, STEPS, STATE), mergeMode=mode), initial=True)
    yield case("both directions, two layers", TOKENS, both(lstm(3, STEPS)), both(lstm(3)), dense(2, activation="softmax"))
    for name in ("hardSigmoid", "hardSigmoidLegacy"):
        yield case(f"lstm, recurrent activation {name}", TOKENS, lstm(3, STEPS, STATE, recurrentActivation=name), initial=True)
        yield case(f"gru, recurrent activation {name}", TOKENS, gru(3, STEPS, recurrentActivation=name))
        yield case(f"gru, reset before, recurrent activation {name}", TOKENS, gru(3, recurrentActivation=name, resetAfter=False))
    for name in ("relu", "softsign", "elu", "sigmoid", "linear"):
        yield case(f"lstm, activation {name}", TOKENS, lstm(3, STATE, activation=name))
        yield case(f"gru, activation {name}", TOKENS, gru(3, STEPS, activation=name))
        yield case(f"simpleRnn, activation {name}", TOKENS, rnn(3, STEPS, activation=name))
    yield case("lstm, no unit forget bias", FEATURES, lstm(3, unitForgetBias=False))


def plain_cases():
    for size, dilation in ((3, 1), (4, 1), (3, 2), (4, 3)):
        for padding in ("same", "causal"):
            conv1d = convolution(3, size, padding=padding, dilationRate=dilation)
            yield case(f"conv1d, {padding}, {size} steps, dilation {dilation}", TOKENS, conv1d, lengths=FULL)
    yield case("conv1d, relu, without bias", FEATURES, convolution(5, 3, padding="same", activation="relu", useBias=False), lengths=FULL)
    normalization = {"kind": "layerNormalization"}
    yield case("layer normalization", FEATURES, dense(5), normalization)
    yield case("layer normalization, epsilon", FEATURES, dense(5), normalization | {"epsilon": 1e-6})
    yield case("layer normalization, without center", FEATURES, dense(5), normalization | {"center": False})
    yield case("layer normalization, without scale", FEATURES, dense(5), normalization | {"scale": False})
    yield case("average pooling", TOKENS, lstm(3, STEPS), {"kind": "globalAveragePooling"}, lengths=FULL)
    yield case("max pooling", TOKENS, lstm(3, STEPS), {"kind": "globalMaxPooling"}, lengths=FULL)
    stack = (TOKENS, convolution(4, 3, padding="causal", activation="relu"), normalization, both(gru(3, STEPS)), lstm(3), dense(2, activation="softmax"))
    yield case("conv1d, layer normalization, both directions, lstm, dense", *stack, lengths=FULL)


def penalty_cases():
    both_norms = {"l1": 0.02, "l2": 0.03}
    cells = {"lstm": lstm(3), "gru": gru(3), "simpleRnn": rnn(3)}
    for kind, cell in cells.items():
        for name in ("kernelRegularizer", "recurrentRegularizer", "biasRegularizer"):
            yield penalty_case(f"{kind}, {name}", FEATURES, cell | {name: both_norms})
        # Keras' SimpleRNN loses this option.
        if kind != "simpleRnn":
            yield penalty_case(f"{kind}, activityRegularizer, last output", FEATURES, cell | {"activityRegularizer": both_norms})
            yield penalty_case(f"{kind}, activityRegularizer, every output", FEATURES, cell | STEPS | {"activityRegularizer": both_norms})
    every = {f"{name}Regularizer": {"l1": 0.01 * index, "l2": 0.03} for index, name in enumerate(("kernel", "recurrent", "bias", "activity"))}
    yield penalty_case("both directions, every regularizer", FEATURES, both(lstm(3, STEPS, every)))
    yield penalty_case("both directions, every regularizer, sum, last output", FEATURES, both(gru(3, every), mergeMode="sum"))
    del every["recurrentRegularizer"]
    yield penalty_case("dense, every regularizer, of last outputs", FEATURES, lstm(3), dense(2, **every))
    yield penalty_case("dense, every regularizer, of every output", FEATURES, dense(2, activation="tanh", **every))
    yield penalty_case("conv1d, every regularizer", FEATURES, convolution(3, 3, padding="same", activation="relu", **every))
    yield penalty_case("embedding, regularizer", TOKENS | {"embeddingsRegularizer": both_norms}, lstm(3))
    yield penalty_case("residual, every regularizer", FEATURES, {"kind": "residual", "layer": dense(4, activation="tanh", **every)})
    recurrent = lstm(4, STEPS, activityRegularizer=both_norms, kernelRegularizer=both_norms)
    yield penalty_case("residual, lstm, regularizers", FEATURES, {"kind": "residual", "layer": recurrent})
    yield penalty_case("layer that does not learn, every regularizer", FEATURES, dense(3), dense(2, trainable=False, **every))
    norms = {"gammaRegularizer": both_norms, "betaRegularizer": {"l2": 0.3}}
    yield penalty_case("layer normalization, regularizers", FEATURES, {"kind": "layerNormalization"} | norms)
    yield penalty_case("two layers with penalties", TOKENS, lstm(3, STEPS, kernelRegularizer={"l2": 0.1}, activityRegularizer={"l1": 0.1}), gru(3, activityRegularizer={"l2": 0.1}), dense(2, kernelRegularizer={"l1": 0.1}))


write("layers-keras.json", f"Keras {keras.__version__}, TensorFlow {tensorflow.__version__}", [*recurrent_cases(), *plain_cases(), *penalty_cases()])
