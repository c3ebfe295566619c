"""Writes optimizers.json: twenty steps of every optimizer with its options, by PyTorch and Keras in 64 bits.

Two parameters, `layer.kernel` [3, 5] and `layer.bias` [4], see the same given gradients everywhere. The names of the
options are ours; `after` are the values, `average` their average where one is kept. Usage: python optimizers.py [folder]
"""

import json
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

keras.backend.set_floatx("float64")
STEPS, RATE = 20, 0.05
SHAPES = {"layer.kernel": (3, 5), "layer.bias": (4,)}
random = np.random.default_rng(36)
START = {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
GRADIENTS = [
    {name: (random.normal(size=shape) * (1 + step % 5)).astype(np.float32) for name, shape in SHAPES.items()}
    for step in range(STEPS)
]
NO_DECAY = [{"parameters": ["layer.bias"], "learningRateFactor": 0.1, "weightDecay": 0}]


def plain(values):
    return {name: [float(f"{x:.12g}") for x in np.asarray(value).reshape(-1)] for name, value in values.items()}


def case(name, options, after, average=None):
    found = {"name": name, "optimizer": options, "after": plain(after)}
    return found if average is None else {**found, "average": plain(average)}


class Holder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = torch.nn.Parameter(torch.tensor(START["layer.kernel"], dtype=torch.float64))
        self.bias = torch.nn.Parameter(torch.tensor(START["layer.bias"], dtype=torch.float64))

    def named(self):
        return {"layer.kernel": self.kernel.detach().numpy(), "layer.bias": self.bias.detach().numpy()}


def pytorch(name, options, make, clip=None, averaged=None, counts=lambda step: True):
    model = Holder()
    optimizer = make(model)
    average = None if averaged is None else averaged(model)
    for step, gradients in enumerate(GRADIENTS):
        model.kernel.grad = torch.tensor(gradients["layer.kernel"], dtype=torch.float64)
        model.bias.grad = torch.tensor(gradients["layer.bias"], dtype=torch.float64)
        if clip is not None:
            clip(model.parameters())
        optimizer.step()
        if average is not None and counts(step + 1):
            average.update_parameters(model)
    means = None if average is None else average.module.named()
    if isinstance(optimizer, torch.optim.ASGD):
        means = {
            "layer.kernel": optimizer.state[model.kernel]["ax"].numpy(),
            "layer.bias": optimizer.state[model.bias]["ax"].numpy(),
        }
    return case(f"PyTorch {name}", options, model.named(), means)


def keras_case(name, options, optimizer):
    variables = {key: keras.Variable(value.astype(np.float64), dtype="float64") for key, value in START.items()}
    optimizer.build(list(variables.values()))
    for gradients in GRADIENTS:
        optimizer.apply([torch.tensor(gradients[key], dtype=torch.float64) for key in variables])
    numbers = lambda values: {key: keras.ops.convert_to_numpy(value) for key, value in zip(variables, values)}
    means = numbers(optimizer._model_variables_moving_average) if optimizer.use_ema else None
    return case(f"Keras {name}", options, numbers(variables.values()), means)


t, k = torch.optim, keras.optimizers
sgd = {"kind": "sgd", "momentum": 0, "dampening": 0, "nesterov": False}
rms_torch = {"kind": "rmsprop", "rho": 0.99, "momentum": 0, "centered": False, "epsilon": 1e-8, "epsilonMode": "pytorch"}
rms_keras = {**rms_torch, "rho": 0.9, "epsilon": 1e-3, "epsilonMode": "keras"}
ada_torch = {"kind": "adagrad", "initialAccumulator": 0, "learningRateDecay": 0, "epsilon": 1e-10, "epsilonMode": "pytorch"}
ada_keras = {**ada_torch, "initialAccumulator": 0.1, "epsilon": 1e-3, "epsilonMode": "keras"}
adam_torch = {
    "kind": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-3, "epsilonMode": "pytorch", "amsgrad": False, "lazy": False,
}
adam_keras = {**adam_torch, "epsilonMode": "keras"}
lion = {"kind": "lion", "beta1": 0.9, "beta2": 0.99}
asgd = {"kind": "asgd", "lambd": 1e-2, "alpha": 0.75, "t0": 5}
weights = lambda model: model.parameters()
grouped = lambda model: [{"params": [model.kernel]}, {"params": [model.bias], "lr": RATE * 0.1, "weight_decay": 0}]

cases = [
    pytorch("SGD", sgd, lambda m: t.SGD(weights(m), RATE)),
    pytorch("SGD with momentum", {**sgd, "momentum": 0.9}, lambda m: t.SGD(weights(m), RATE, momentum=0.9)),
    pytorch(
        "SGD with dampening", {**sgd, "momentum": 0.9, "dampening": 0.3},
        lambda m: t.SGD(weights(m), RATE, momentum=0.9, dampening=0.3),
    ),
    pytorch(
        "SGD with Nesterov momentum and L2", {**sgd, "momentum": 0.9, "nesterov": True, "l2": 0.1},
        lambda m: t.SGD(weights(m), RATE, momentum=0.9, nesterov=True, weight_decay=0.1),
    ),
    pytorch("RMSprop", rms_torch, lambda m: t.RMSprop(weights(m), RATE)),
    pytorch(
        "centered RMSprop with momentum and L2",
        {**rms_torch, "centered": True, "momentum": 0.7, "epsilon": 1e-2, "l2": 0.1},
        lambda m: t.RMSprop(weights(m), RATE, centered=True, momentum=0.7, eps=1e-2, weight_decay=0.1),
    ),
    pytorch("Adagrad", ada_torch, lambda m: t.Adagrad(weights(m), RATE)),
    pytorch(
        "Adagrad with decay", {**ada_torch, "initialAccumulator": 0.5, "learningRateDecay": 0.1, "l2": 0.1},
        lambda m: t.Adagrad(weights(m), RATE, lr_decay=0.1, initial_accumulator_value=0.5, weight_decay=0.1),
    ),
    pytorch("Adam", adam_torch, lambda m: t.Adam(weights(m), RATE, eps=1e-3)),
    pytorch("Adam with L2", {**adam_torch, "l2": 0.1}, lambda m: t.Adam(weights(m), RATE, eps=1e-3, weight_decay=0.1)),
    pytorch(
        "AMSGrad", {**adam_torch, "amsgrad": True, "beta2": 0.8},
        lambda m: t.Adam(weights(m), RATE, (0.9, 0.8), eps=1e-3, amsgrad=True),
    ),
    pytorch(
        "AdamW", {**adam_torch, "weightDecay": 0.1}, lambda m: t.AdamW(weights(m), RATE, eps=1e-3, weight_decay=0.1)
    ),
    pytorch(
        "AdamW with groups", {**adam_torch, "weightDecay": 0.1, "groups": NO_DECAY},
        lambda m: t.AdamW(grouped(m), RATE, eps=1e-3, weight_decay=0.1),
    ),
    pytorch("ASGD", asgd, lambda m: t.ASGD(weights(m), RATE, lambd=1e-2, t0=5)),
    pytorch(
        "ASGD with L2", {**asgd, "t0": 1e6, "alpha": 0.5, "l2": 0.1},
        lambda m: t.ASGD(weights(m), RATE, lambd=1e-2, alpha=0.5, weight_decay=0.1),
    ),
    pytorch(
        "SGD with clip_grad_value_", {**sgd, "clipValue": 0.7}, lambda m: t.SGD(weights(m), RATE),
        lambda parameters: torch.nn.utils.clip_grad_value_(parameters, 0.7),
    ),
    pytorch(
        "Adam with clip_grad_norm_", {**adam_torch, "globalClipNorm": 5}, lambda m: t.Adam(weights(m), RATE, eps=1e-3),
        lambda parameters: torch.nn.utils.clip_grad_norm_(parameters, 5),
    ),
    pytorch(
        "AveragedModel, exponential", {**sgd, "average": {"kind": "ema", "decay": 0.9}}, lambda m: t.SGD(weights(m), RATE),
        averaged=lambda m: AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(0.9)),
    ),
    pytorch(
        "AveragedModel, equal", {**sgd, "average": {"kind": "swa", "from": 6, "every": 3}}, lambda m: t.SGD(weights(m), RATE),
        averaged=AveragedModel, counts=lambda step: step > 6 and (step - 6) % 3 == 0,
    ),
    keras_case("SGD with momentum", {**sgd, "momentum": 0.8}, k.SGD(RATE, momentum=0.8)),
    keras_case(
        "SGD with Nesterov momentum", {**sgd, "momentum": 0.8, "nesterov": True}, k.SGD(RATE, momentum=0.8, nesterov=True)
    ),
    keras_case("RMSprop", rms_keras, k.RMSprop(RATE, epsilon=1e-3)),
    keras_case(
        "centered RMSprop with momentum", {**rms_keras, "centered": True, "momentum": 0.5},
        k.RMSprop(RATE, centered=True, momentum=0.5, epsilon=1e-3),
    ),
    keras_case("Adagrad", ada_keras, k.Adagrad(RATE, epsilon=1e-3)),
    keras_case("Adam", adam_keras, k.Adam(RATE, epsilon=1e-3)),
    keras_case(
        "AMSGrad", {**adam_keras, "amsgrad": True, "beta2": 0.8}, k.Adam(RATE, beta_2=0.8, amsgrad=True, epsilon=1e-3)
    ),
    keras_case("AdamW", {**adam_keras, "weightDecay": 0.1}, k.AdamW(RATE, weight_decay=0.1, epsilon=1e-3)),
    keras_case("Lion", lion, k.Lion(RATE)),
    keras_case("Lion with decay", {**lion, "weightDecay": 0.1}, k.Lion(RATE, weight_decay=0.1)),
    keras_case("SGD with clipnorm", {**sgd, "clipNorm": 2}, k.SGD(RATE, clipnorm=2)),
    keras_case("SGD with clipvalue", {**sgd, "clipValue": 0.7}, k.SGD(RATE, clipvalue=0.7)),
    keras_case("SGD with global_clipnorm", {**sgd, "globalClipNorm": 5}, k.SGD(RATE, global_clipnorm=5)),
    keras_case(
        "SGD with use_ema", {**sgd, "average": {"kind": "ema", "decay": 0.9}}, k.SGD(RATE, use_ema=True, ema_momentum=0.9)
    ),
]
folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
document = {
    "pytorch": torch.__version__,
    "keras": keras.__version__,
    "learningRate": RATE,
    "shapes": SHAPES,
    "start": plain(START),
    "gradients": [plain(gradients) for gradients in GRADIENTS],
    "cases": cases,
}
(folder / "optimizers.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")
