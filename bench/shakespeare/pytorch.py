"""PyTorch as the engine of the comparison on Shakespeare: pytorch.py PRECISION TEXT SETTINGS SAVED.

As one writes it: nn.LSTM with its own first weights and dropout behind every layer, Adam (fused), OneCycleLR, clipped gradients,
states carried from step to step. PRECISION is `f32` or `autocast` (products in bfloat16).
"""
import contextlib
import json
import sys
import time

import torch
from torch import nn

precision, path, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
with open(path, encoding="utf8", newline="") as file:
    text = file.read()
end = int(len(text) * 0.9)
symbols = {symbol: i for i, symbol in enumerate(sorted(set(text[:end])))}
ids = torch.tensor([symbols[symbol] for symbol in text])
torch.manual_seed(settings["seed"])
rows, steps = settings["batchSize"], settings["steps"]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        units, layers, dropout = settings["units"], settings["layers"], settings["dropout"]
        self.embedding = nn.Embedding(len(symbols), settings["embedding"])
        self.lstm = nn.LSTM(settings["embedding"], units, layers, dropout=dropout if layers > 1 else 0)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(units, len(symbols))

    def forward(self, inputs, state):
        outputs, state = self.lstm(self.embedding(inputs), state)
        return self.dense(self.dropout(outputs)), state


def columns(run, count):
    """A run as `count` rows side by side, the time first; inputs and what follows each."""
    length = (len(run) - 1) // count
    cut = lambda part: part[: length * count].view(count, length).t().contiguous()
    return cut(run[:-1]), cut(run[1:])


model = Network()
inputs, targets = columns(ids[:end], rows)
starts = range(0, len(inputs), steps)
optimizer = torch.optim.Adam(model.parameters(), lr=settings["learningRate"], fused=True)
schedule = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, settings["learningRate"], total_steps=settings["epochs"] * len(starts), cycle_momentum=False
)
cast = lambda: torch.autocast("cpu", torch.bfloat16) if precision == "autocast" else contextlib.nullcontext()


def losses(inputs, targets):
    """The sum over all parts of `steps`, with a step of the optimizer each where the model is in training."""
    total, state = 0.0, None
    for start in range(0, len(inputs), steps):
        part = slice(start, start + steps)
        with cast():
            logits, state = model(inputs[part], state)
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), targets[part].flatten())
        if model.training:
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        state = tuple(part.detach() for part in state)
        total += loss.item() * targets[part].numel()
    return total


def answer(value):
    print(json.dumps(value), flush=True)


answer({"version": torch.__version__.split("+")[0]})
for _ in range(settings["epochs"]):
    input()
    model.train()
    begin = time.perf_counter()
    loss = losses(inputs, targets) / targets.numel()
    answer({"seconds": time.perf_counter() - begin, "loss": loss})
input()
model.eval()
with torch.inference_mode():
    test = columns(ids[end - 1 :], 1)
    answer({"loss": losses(*test) / test[1].numel(), "characters": test[1].numel()})
