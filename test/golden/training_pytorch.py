"""Writes training-pytorch.json: ten steps of a tiny LSTM network by every optimizer, and steps of truncated
back-propagation through time, in PyTorch (Lion by Keras) in 64 bits. Usage: python training_pytorch.py [folder]

All examples are one batch. Layouts are ours: kernels [inputs, 4 * units] with gates i, f, g, o, one bias.
"""

import json
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

torch.set_default_dtype(torch.float64)
keras.backend.set_floatx("float64")
VOCABULARY, INPUTS, UNITS, CLASSES, STEPS = 7, 3, 4, 3, 10
LENGTHS = [5, 3, 8, 1, 6, 7]
torch.manual_seed(36)
SEQUENCES = [torch.randint(VOCABULARY, (length,)).tolist() for length in LENGTHS]
TARGETS = [[(token + step) % CLASSES for step, token in enumerate(ids)] for ids in SEQUENCES]


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(37)
        self.embedding = torch.nn.Embedding(VOCABULARY, INPUTS)
        self.lstm = torch.nn.LSTM(INPUTS, UNITS)
        self.dense = torch.nn.Linear(UNITS, CLASSES)
        self.lstm.bias_hh_l0.data.zero_()
        self.lstm.bias_hh_l0.requires_grad_(False)
        # Numbers of 32 bits, which ours begins with.
        for parameter in self.parameters():
            parameter.data = parameter.data.float().double()

    def learning(self):
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def named(self):
        values = {
            "embedding.embeddings": self.embedding.weight, "lstm.kernel": self.lstm.weight_ih_l0.T,
            "lstm.recurrent_kernel": self.lstm.weight_hh_l0.T, "lstm.bias": self.lstm.bias_ih_l0,
            "dense.kernel": self.dense.weight.T, "dense.bias": self.dense.bias,
        }
        return {name: [float(f"{x:.12g}") for x in value.detach().reshape(-1).tolist()] for name, value in values.items()}

    def chunk(self, begin, end, states):
        """Summed loss of steps begin to end of every sequence, the number of them, and the states after them."""
        total, count, after = 0, 0, []
        for ids, targets, state in zip(SEQUENCES, TARGETS, states):
            part = torch.tensor(ids[begin:end], dtype=torch.long)
            if len(part) > 0:
                out, state = self.lstm(self.embedding(part), state)
                right = torch.tensor(targets[begin:end])
                total = total + torch.nn.functional.cross_entropy(self.dense(out), right, reduction="sum")
                count += len(part)
            after.append(state)
        return total, count, after


class ByKeras:
    """A Keras optimizer over the parameters of a PyTorch network."""

    def __init__(self, parameters, optimizer):
        self.parameters, self.optimizer = parameters, optimizer
        self.variables = [keras.Variable(parameter.detach().numpy(), dtype="float64") for parameter in parameters]
        optimizer.build(self.variables)

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    def step(self):
        self.optimizer.apply([parameter.grad for parameter in self.parameters])
        for parameter, variable in zip(self.parameters, self.variables):
            parameter.data = variable.value.detach().clone()


def run(kind, options, make, average=None, truncated=None):
    network = Network()
    optimizer = make(network)
    mean = None if average is None else average(network)
    losses = []
    for _ in range(STEPS):
        states = [None] * len(SEQUENCES)
        size = truncated or max(LENGTHS)
        for begin in range(0, max(LENGTHS), size):
            optimizer.zero_grad()
            total, count, states = network.chunk(begin, begin + size, states)
            loss = total / count
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            states = [None if state is None else tuple(part.detach() for part in state) for state in states]
            if mean is not None:
                mean.update_parameters(network)
    after = network.named() if mean is None else mean.module.named()
    if isinstance(optimizer, torch.optim.ASGD):
        for parameter in network.learning():
            parameter.data = optimizer.state[parameter]["ax"]
        after = network.named()
    case = {"kind": kind, "options": options, "losses": losses, "after": after}
    return case if truncated is None else {**case, "truncatedBpttSteps": truncated}


o = torch.optim
# Large enough not to blow up what rounding does to small gradients.
torch_epsilon = {"epsilon": 1e-3, "epsilonMode": "pytorch"}


def grouped(network):
    biases = [network.lstm.bias_ih_l0, network.dense.bias]
    others = [network.lstm.weight_ih_l0, network.lstm.weight_hh_l0, network.dense.weight]
    return [
        {"params": others},
        {"params": biases, "weight_decay": 0},
        {"params": [network.embedding.weight], "lr": 0.002},
    ]


groups = [{"parameters": "*.bias", "weightDecay": 0}, {"parameters": "embedding", "learningRateFactor": 0.1}]
cases = [
    run("sgd", {"learningRate": 0.5}, lambda n: o.SGD(n.learning(), 0.5)),
    run(
        "sgd", {"learningRate": 0.2, "momentum": 0.9, "nesterov": True, "l2": 0.01},
        lambda n: o.SGD(n.learning(), 0.2, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    run(
        "rmsprop", {"learningRate": 0.01, "rho": 0.99, "centered": True, "momentum": 0.5, "epsilon": 1e-3, "epsilonMode": "pytorch"},
        lambda n: o.RMSprop(n.learning(), 0.01, eps=1e-3, centered=True, momentum=0.5),
    ),
    run(
        "adagrad", {"learningRate": 0.05, "initialAccumulator": 0.1, "learningRateDecay": 0.05, **torch_epsilon},
        lambda n: o.Adagrad(n.learning(), 0.05, initial_accumulator_value=0.1, lr_decay=0.05, eps=1e-3),
    ),
    run("adam", {"learningRate": 0.02, "amsgrad": True, **torch_epsilon}, lambda n: o.Adam(n.learning(), 0.02, eps=1e-3, amsgrad=True)),
    run(
        "adamW", {"learningRate": 0.02, "weightDecay": 0.1, "groups": groups, **torch_epsilon},
        lambda n: o.AdamW(grouped(n), 0.02, eps=1e-3, weight_decay=0.1),
    ),
    run("lion", {"learningRate": 0.01}, lambda n: ByKeras(n.learning(), keras.optimizers.Lion(0.01))),
    run(
        "asgd", {"learningRate": 0.3, "lambd": 0.01, "alpha": 0.5, "t0": 3},
        lambda n: o.ASGD(n.learning(), 0.3, lambd=0.01, alpha=0.5, t0=3),
    ),
    run(
        "sgd", {"learningRate": 0.5, "average": {"kind": "ema", "decay": 0.8}}, lambda n: o.SGD(n.learning(), 0.5),
        average=lambda n: AveragedModel(n, multi_avg_fn=get_ema_multi_avg_fn(0.8)),
    ),
    run(
        "sgd", {"learningRate": 0.5, "average": {"kind": "swa"}}, lambda n: o.SGD(n.learning(), 0.5), average=AveragedModel
    ),
    run("sgd", {"learningRate": 0.3, "momentum": 0.5}, lambda n: o.SGD(n.learning(), 0.3, momentum=0.5), truncated=3),
    run("adam", {"learningRate": 0.02, **torch_epsilon}, lambda n: o.Adam(n.learning(), 0.02, eps=1e-3), truncated=4),
]
folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
document = {
    "pytorch": torch.__version__, "keras": keras.__version__, "vocabulary": VOCABULARY, "inputs": INPUTS, "units": UNITS,
    "classes": CLASSES, "epochs": STEPS, "sequences": SEQUENCES, "targets": TARGETS, "start": Network().named(), "cases": cases,
}
(folder / "training-pytorch.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")
