"""The classic tasks in PyTorch, where docs/classic-tasks.md compares: the same data, layers, first weights by the same
rules, batch size, optimizer and number of steps as examples/temporal-order.ts and examples/copy-memory.ts.

    python classic_tasks_pytorch.py temporal-order|copy-memory DISTANCE rnn|gru|lstm|chrono SEED [EPOCHS]

prints a line of JSON. The data have the same bits as there; first weights and the order of batches are drawn by PyTorch.
"""

import json
import math
import sys
import time

import torch
from torch import nn

MASK = 2**32 - 1


def random_numbers(seed):
    """examples/random.ts: xoshiro128** on whole numbers of 32 bits."""
    state, mixed = [], seed
    for _ in range(4):
        mixed = (mixed + 0x9E3779B9) & MASK
        x = ((mixed ^ (mixed >> 16)) * 0x85EBCA6B) & MASK
        x = ((x ^ (x >> 13)) * 0xC2B2AE35) & MASK
        state.append(x ^ (x >> 16))
    a, b, c, d = state

    def rotated(x, bits):
        return ((x << bits) | (x >> (32 - bits))) & MASK

    def below(count):
        nonlocal a, b, c, d
        drawn = (rotated((b * 5) & MASK, 7) * 9) & MASK
        shifted = (b << 9) & MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = rotated(d, 11)
        return math.floor(drawn / 2**32 * count)

    return below


def temporal_order(distance, below):
    tenth = distance // 10
    length = distance + below(tenth + 1)
    symbols = [below(4) for _ in range(length)]
    first, second = below(2), below(2)
    symbols[0] = 6
    symbols[tenth + below(tenth + 1)] = 4 + first
    symbols[5 * tenth + below(tenth + 1)] = 4 + second
    symbols[-1] = 7
    return symbols, [2 * first + second]


def copy_memory(delay, below):
    symbols = [below(8) for _ in range(10)]
    return symbols + [8] * (delay - 1) + [9] + [8] * 10, [8] * (delay + 10) + symbols


TASKS = {
    "temporal-order": dict(
        sample=temporal_order,
        symbols=8,
        classes=4,
        units=32,
        batch=16,
        rate=lambda _: 0.005,
        epochs=lambda _: 10,
        memory=lambda distance: distance,
    ),
    "copy-memory": dict(
        sample=copy_memory,
        symbols=10,
        classes=9,
        units=64,
        batch=8,
        rate=lambda delay: 0.01 if delay < 100 else 0.005,
        epochs=lambda delay: 8 if delay < 100 else 6,
        memory=lambda delay: delay + 10,
    ),
}
SEQUENCES, VALIDATION, TEST = 10_000, 500, 2000


class Model(nn.Module):
    def __init__(self, cell, task, distance):
        super().__init__()
        units, self.symbols = task["units"], task["symbols"]
        kind = {"rnn": nn.RNN, "gru": nn.GRU}.get(cell, nn.LSTM)
        self.recurrent = kind(self.symbols, units, batch_first=True)
        self.dense = nn.Linear(units, task["classes"])
        nn.init.xavier_uniform_(self.recurrent.weight_ih_l0)
        nn.init.orthogonal_(self.recurrent.weight_hh_l0)
        nn.init.xavier_uniform_(self.dense.weight)
        for bias in (self.recurrent.bias_ih_l0, self.recurrent.bias_hh_l0, self.dense.bias):
            nn.init.zeros_(bias)
        # One bias, as here and in Keras; a GRU has two there as well.
        self.recurrent.bias_hh_l0.requires_grad_(cell == "gru")
        with torch.no_grad():
            bias = self.recurrent.bias_ih_l0
            if cell == "lstm":
                bias[units : 2 * units] = 1
            if cell == "chrono":
                bias[units : 2 * units] = torch.empty(units).uniform_(1, task["memory"](distance) - 1).log()
                bias[:units] = -bias[units : 2 * units]

    def forward(self, ids, lengths, every):
        outputs, _ = self.recurrent(nn.functional.one_hot(ids, self.symbols).float())
        return self.dense(outputs if every else outputs[torch.arange(len(ids)), lengths - 1])


def tensors(samples):
    lengths = torch.tensor([len(ids) for ids, _ in samples])
    ids = nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids, _ in samples], batch_first=True)
    return ids, lengths, torch.tensor([target for _, target in samples])


def main():
    name, distance, cell, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    task = TASKS[name]
    epochs = int(sys.argv[5]) if len(sys.argv) > 5 else task["epochs"](distance)
    every = name == "copy-memory"
    below = random_numbers(seed)
    sets = [
        tensors([task["sample"](distance, below) for _ in range(count)]) for count in (SEQUENCES, VALIDATION, TEST)
    ]
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = Model(cell, task, distance)
    optimizer = torch.optim.Adam(model.parameters(), lr=task["rate"](distance), eps=1e-7)

    def loss_of(outputs, targets):
        return nn.functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())

    @torch.no_grad()
    def score(ids, lengths, targets):
        outputs = torch.cat([model(i, l, every) for i, l in zip(ids.split(500), lengths.split(500))])
        if every:
            return loss_of(outputs, targets).item()
        return (outputs.argmax(-1) == targets[:, 0]).float().mean().item()

    ids, lengths, targets = sets[0]
    baseline = 10 * math.log(8) / (distance + 20)
    begin, curve, steps = time.process_time(), [], 0
    for _ in range(epochs):
        for rows in torch.randperm(SEQUENCES).split(task["batch"]):
            optimizer.zero_grad()
            loss = loss_of(model(ids[rows], lengths[rows], every), targets[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1)
            optimizer.step()
            steps += 1
        curve.append(float(f"{score(*sets[1]):.3g}"))
        good = [value <= baseline / 100 if every else value >= 0.998 for value in curve[-2:]]
        if len(good) == 2 and all(good):
            break
    print(
        json.dumps(
            {
                "task": name,
                "cell": cell,
                "distance": distance,
                "seed": seed,
                "result": float(f"{score(*sets[2]):.3g}"),
                "steps": steps,
                "curve": curve,
                "seconds": float(f"{time.process_time() - begin:.3g}"),
                "torch": torch.__version__,
            }
        )
    )


main()
