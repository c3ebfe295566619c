"""Writes losses.json: values and gradients of every loss and option by PyTorch and Keras, in 64 bits.

A model is one linear layer, z = x·W + b, on every row or step; the loss is the mean over weighted rows or sequences, and
the gradients are those by W and b, and by the parameters of a conditional random field. Its likelihood is the forward
algorithm written here. Usage: KERAS_BACKEND=torch python losses.py [folder]
"""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from torch.nn import functional

keras.backend.set_floatx("float64")
torch.set_default_dtype(torch.float64)
torch.manual_seed(36)

ROWS, INPUTS = 6, 3
LENGTHS = [5, 0, 3, 1]


def numbers(*shape):
    return torch.round(torch.randn(*shape) * 32) / 32


def keras_loss(function, **options):
    return lambda z, y: function(y, z, **options)


def flat(tensor):
    return [round(value, 10) for value in tensor.detach().reshape(-1).tolist()]


def pinball(quantiles):
    def loss(z, y):
        q = torch.tensor(quantiles)
        error = y[:, :, None] - z.reshape(len(z), y.shape[1], len(quantiles))
        return torch.maximum(q * error, (q - 1) * error).mean((1, 2))

    return loss


def rows_case(name, options, outputs, activation, targets, loss):
    """A loss of rows; `targets` are classes or values."""
    x, w, b = numbers(ROWS, INPUTS), numbers(INPUTS, outputs).requires_grad_(), numbers(outputs).requires_grad_()
    weights = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.5, 1.0])
    losses = loss(x @ w + b, targets)
    value = (losses * weights).sum() / weights.sum()
    value.backward()
    kind = "classes" if targets.dtype == torch.int64 else "values"
    return {
        "loss": {"kind": name, **options},
        "last": {"kind": "dense", "units": outputs, "activation": activation},
        "lengths": [1] * ROWS,
        "x": flat(x),
        "parameters": {"dense.kernel": flat(w), "dense.bias": flat(b)},
        kind: targets.reshape(-1).tolist(),
        "weights": weights.tolist(),
        "value": value.item(),
        "gradients": {"dense.kernel": flat(w.grad), "dense.bias": flat(b.grad)},
    }


def parts(tensor, lengths):
    return torch.split(tensor, lengths)


def ctc_case(options, outputs, labels, lengths):
    x, w, b = numbers(sum(lengths), INPUTS), numbers(INPUTS, outputs).requires_grad_(), numbers(outputs).requires_grad_()
    weights = torch.tensor([1.0, 0.5, 2.0, 1.5][: len(lengths)])
    losses = []
    for z, target, length in zip(parts(x @ w + b, lengths), labels, lengths):
        # PyTorch refuses sequences without steps: the probability that nothing says nothing is 1.
        if length == 0:
            losses.append(torch.zeros(()))
            continue
        losses.append(
            functional.ctc_loss(
                torch.log_softmax(z, -1)[:, None],
                torch.tensor([target], dtype=torch.int64).reshape(1, -1),
                [length],
                [len(target)],
                blank=options.get("blank", 0),
                reduction="none",
                zero_infinity=options.get("zeroInfinity", False),
            )[0]
        )
    value = (torch.stack(losses) * weights).sum() / weights.sum()
    value.backward()
    return {
        "loss": {"kind": "ctc", **options},
        "last": {"kind": "dense", "units": outputs, "activation": "softmax"},
        "lengths": lengths,
        "x": flat(x),
        "parameters": {"dense.kernel": flat(w), "dense.bias": flat(b)},
        "classes": [label for target in labels for label in target],
        "labelLengths": [len(target) for target in labels],
        "weights": weights.tolist(),
        "value": value.item(),
        "gradients": {"dense.kernel": flat(w.grad), "dense.bias": flat(b.grad)},
    }


def crf_case(decode, outputs, lengths):
    x, w, b = numbers(sum(lengths), INPUTS), numbers(INPUTS, outputs).requires_grad_(), numbers(outputs).requires_grad_()
    transitions = numbers(outputs, outputs).requires_grad_()
    start, end = numbers(outputs).requires_grad_(), numbers(outputs).requires_grad_()
    classes = torch.randint(outputs, (sum(lengths),))
    weights = torch.tensor([1.0, 0.5, 2.0, 1.5])
    losses = []
    for z, path in zip(parts(x @ w + b, lengths), parts(classes, lengths)):
        if len(z) == 0:
            losses.append(torch.zeros(()))
            continue
        alpha = start + z[0]
        for row in z[1:]:
            alpha = torch.logsumexp(alpha[:, None] + transitions, 0) + row
        score = start[path[0]] + end[path[-1]] + z[range(len(z)), path].sum() + transitions[path[:-1], path[1:]].sum()
        losses.append(torch.logsumexp(alpha + end, 0) - score)
    value = (torch.stack(losses) * weights).sum() / weights.sum()
    value.backward()
    parameters = {"kernel": w, "bias": b, "transitions": transitions, "start": start, "end": end}
    return {
        "loss": {"kind": "crf"},
        "last": {"kind": "crf", "units": outputs, "decode": decode},
        "lengths": lengths,
        "x": flat(x),
        "parameters": {f"crf.{name}": flat(tensor) for name, tensor in parameters.items()},
        "classes": classes.tolist(),
        "weights": weights.tolist(),
        "value": value.item(),
        "gradients": {f"crf.{name}": flat(tensor.grad) for name, tensor in parameters.items()},
    }


classes = torch.tensor([2, 0, 1, 3, 3, 0])
shares = torch.softmax(numbers(ROWS, 4), -1)
bits = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.25, 1.0], [1.0, 0.5]])
values = numbers(ROWS, 4)
L = keras.losses


def cross_entropy(smoothing=0.0):
    return lambda z, y: functional.cross_entropy(z, y, reduction="none", label_smoothing=smoothing)


def one_hot(function, **options):
    return lambda z, y: function(functional.one_hot(y, 4).to(z.dtype), z, from_logits=True, **options)


def positive(weight):
    return lambda z, y: functional.binary_cross_entropy_with_logits(
        z, y, reduction="none", pos_weight=torch.tensor(weight)
    ).mean(-1)


categorical = "categoricalCrossentropy"
binary = "binaryCrossentropy"
focal = "categoricalFocalCrossentropy"
binary_focal = "binaryFocalCrossentropy"
huber = lambda delta: lambda z, y: functional.huber_loss(z, y, reduction="none", delta=delta).mean(-1)
cases = [
    rows_case(categorical, {}, 4, "softmax", classes, cross_entropy()),
    rows_case(categorical, {"labelSmoothing": 0.1}, 4, "softmax", classes, cross_entropy(0.1)),
    rows_case(categorical, {}, 4, "softmax", shares, cross_entropy()),
    rows_case(
        categorical,
        {"labelSmoothing": 0.2},
        4,
        "softmax",
        shares,
        keras_loss(L.categorical_crossentropy, from_logits=True, label_smoothing=0.2),
    ),
    rows_case("sparseCategoricalCrossentropy", {"labelSmoothing": 0.3}, 4, "softmax", classes, cross_entropy(0.3)),
    rows_case(binary, {}, 2, "sigmoid", bits, keras_loss(L.binary_crossentropy, from_logits=True)),
    rows_case(
        binary,
        {"labelSmoothing": 0.2},
        2,
        "sigmoid",
        bits,
        keras_loss(L.binary_crossentropy, from_logits=True, label_smoothing=0.2),
    ),
    rows_case(binary, {"positiveWeight": 3.0}, 2, "sigmoid", bits, positive(3.0)),
    rows_case(focal, {}, 4, "softmax", classes, one_hot(L.categorical_focal_crossentropy)),
    rows_case(
        focal,
        {"gamma": 0.5, "alpha": 0.75, "labelSmoothing": 0.1},
        4,
        "softmax",
        shares,
        keras_loss(L.categorical_focal_crossentropy, from_logits=True, gamma=0.5, alpha=0.75, label_smoothing=0.1),
    ),
    rows_case(binary_focal, {}, 2, "sigmoid", bits, keras_loss(L.binary_focal_crossentropy, from_logits=True)),
    rows_case(
        binary_focal,
        {"gamma": 1.5, "alpha": 0.4, "applyClassBalancing": True, "labelSmoothing": 0.1},
        2,
        "sigmoid",
        bits,
        keras_loss(
            L.binary_focal_crossentropy,
            from_logits=True,
            gamma=1.5,
            alpha=0.4,
            apply_class_balancing=True,
            label_smoothing=0.1,
        ),
    ),
    rows_case("meanSquaredError", {}, 4, "linear", values, lambda z, y: ((z - y) ** 2).mean(-1)),
    rows_case("meanAbsoluteError", {}, 4, "tanh", values, lambda z, y: (torch.tanh(z) - y).abs().mean(-1)),
    rows_case("huber", {}, 4, "linear", values, huber(1.0)),
    rows_case("huber", {"delta": 2.5}, 4, "linear", values, huber(2.5)),
    rows_case("quantile", {}, 4, "linear", values, pinball([0.5])),
    rows_case("quantile", {"quantiles": [0.1, 0.9]}, 4, "linear", numbers(ROWS, 2), pinball([0.1, 0.9])),
    rows_case("cosineSimilarity", {}, 4, "linear", values, lambda z, y: -functional.cosine_similarity(z, y)),
    ctc_case({}, 4, [[1, 1, 3], [], [2, 3], [1]], LENGTHS),
    ctc_case({"blank": 3}, 4, [[0, 2, 0], [], [1, 1], []], LENGTHS),
    ctc_case({"blank": 0, "zeroInfinity": True}, 4, [[1, 2], [], [2, 2, 2], [3]], LENGTHS),
    crf_case("viterbi", 4, LENGTHS),
    crf_case("marginals", 3, LENGTHS),
]
folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "losses.json"), "w") as file:
    head = {"torch": torch.__version__.split("+")[0], "keras": keras.__version__}
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    file.write(json.dumps(head)[:-1] + f', "cases": [\n{lines}\n]}}\n')
