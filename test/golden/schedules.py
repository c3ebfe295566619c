"""Writes schedules.json: learning rates of every schedule by PyTorch or Keras, and the rates that Keras'
ReduceLROnPlateau sets after each of some losses. The names of the options are ours. Usage: python schedules.py [folder]
"""

import json
import os
import pathlib
import sys
import warnings

os.environ["KERAS_BACKEND"] = "torch"
import keras
import torch

warnings.filterwarnings("ignore")
STEPS, RATE = 40, 0.3
lr = torch.optim.lr_scheduler
schedules = keras.optimizers.schedules


def pytorch(schedule, make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], RATE)
    scheduler = make(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return {"source": "PyTorch", "schedule": schedule, "steps": STEPS, "rates": rates}


def by_keras(schedule, made):
    rates = [float(made(step)) for step in range(STEPS)]
    return {"source": "Keras", "schedule": schedule, "steps": STEPS, "rates": rates}


def warm(then, made):
    schedule = {"kind": "warmup", "steps": 7, "from": 0.25, "schedule": then}
    return pytorch(
        schedule,
        lambda o: lr.SequentialLR(o, [lr.LinearLR(o, start_factor=0.25, total_iters=7), made(o)], milestones=[7]),
    )


step_decay = {"kind": "stepDecay", "rate": RATE, "factor": 0.5, "every": 9}
exponential = {"kind": "exponentialDecay", "rate": RATE, "factor": 0.9, "every": 1}
polynomial = {"kind": "polynomialDecay", "rate": RATE, "end": 0, "steps": 25, "power": 2}
cosine = {"kind": "cosineDecay", "rate": RATE, "minimum": 0.01, "steps": 40}
restarts = {"kind": "cosineRestarts", "rate": RATE, "minimum": 0.01, "period": 5, "periodFactor": 2, "rateFactor": 1}
one_cycle = {"kind": "oneCycle", "maximum": RATE, "warmup": 0.3, "initialDivisor": 25, "finalDivisor": 1e4}
cases = [
    pytorch({"kind": "constant", "rate": RATE}, lambda o: lr.ConstantLR(o, 1, 1)),
    pytorch(step_decay, lambda o: lr.StepLR(o, 9, 0.5)),
    pytorch(exponential, lambda o: lr.ExponentialLR(o, 0.9)),
    by_keras({**exponential, "every": 6}, schedules.ExponentialDecay(RATE, 6, 0.9)),
    by_keras({**step_decay, "every": 6}, schedules.ExponentialDecay(RATE, 6, 0.5, staircase=True)),
    pytorch(polynomial, lambda o: lr.PolynomialLR(o, 25, 2)),
    by_keras({**polynomial, "end": 0.05, "power": 0.5}, schedules.PolynomialDecay(RATE, 25, 0.05, 0.5)),
    pytorch({key: cosine[key] for key in ("kind", "rate", "minimum")}, lambda o: lr.CosineAnnealingLR(o, STEPS, 0.01)),
    by_keras({**cosine, "steps": 30}, schedules.CosineDecay(RATE, 30, 0.01 / RATE)),
    pytorch(restarts, lambda o: lr.CosineAnnealingWarmRestarts(o, 5, 2, 0.01)),
    pytorch({**restarts, "periodFactor": 1}, lambda o: lr.CosineAnnealingWarmRestarts(o, 5, 1, 0.01)),
    by_keras({**restarts, "periodFactor": 1.5, "rateFactor": 0.7, "minimum": 0},
             schedules.CosineDecayRestarts(RATE, 5, 1.5, 0.7)),
    pytorch(one_cycle, lambda o: lr.OneCycleLR(o, RATE, total_steps=STEPS + 1))
    | {"steps": STEPS + 1},
    warm({"kind": "constant", "rate": RATE}, lambda o: lr.ConstantLR(o, 1, 1)),
    warm(step_decay, lambda o: lr.StepLR(o, 9, 0.5)),
    warm({**cosine, "steps": 33}, lambda o: lr.CosineAnnealingLR(o, 33, 0.01)),
]

LOSSES = [5, 4, 4, 4.1, 3.9999, 3.5, 3.6, 3.7, 3.8, 3.9, 3.9, 3.9, 3.9, 3.9, 3.2, 3.3, 3.4, 3.5, 3.6, 3.7]


def plateau(options, names, losses=LOSSES):
    class Model:
        optimizer = keras.optimizers.SGD(RATE)

    model = Model()
    model.optimizer = keras.optimizers.SGD(RATE)
    callback = keras.callbacks.ReduceLROnPlateau(verbose=0, **names)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {names.get("monitor", "val_loss"): loss})
        rates.append(float(model.optimizer.learning_rate))
    return {"options": options, "losses": losses, "rates": rates}


plateaus = [
    plateau({"patience": 2}, {"patience": 2}),
    plateau({"patience": 2, "factor": 0.5, "cooldown": 3}, {"patience": 2, "factor": 0.5, "cooldown": 3}),
    plateau({"patience": 1, "factor": 0.5, "minDelta": 0.5}, {"patience": 1, "factor": 0.5, "min_delta": 0.5}),
    plateau({"patience": 1, "factor": 0.2, "minimum": 0.01}, {"patience": 1, "factor": 0.2, "min_lr": 0.01}),
    plateau({"patience": 3, "monitor": "validationAccuracy"}, {"patience": 3, "monitor": "val_accuracy", "mode": "max"},
            [loss / 10 for loss in LOSSES]),
]
folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
document = {"pytorch": torch.__version__, "keras": keras.__version__, "cases": cases, "rate": RATE, "plateaus": plateaus}
(folder / "schedules.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")
