"""Writes lstm-pytorch.json: outputs, gradients and ten Adam steps of small ragged LSTM classifiers in PyTorch.

Weights are random, lengths ragged (0 to 9), every layout is ours: kernels [inputs, 4 * units] with gates
i, f, g, o, one bias (PyTorch's second bias is zero and fixed). PyTorch refuses empty sequences in a packed batch:
the one here passes by the LSTM and leaves the state it began with, zero. Usage: python lstm_pytorch.py [folder]
"""

import json
import pathlib
import sys

import torch

VOCABULARY, INPUTS, CLASSES = 11, 5, 3
LENGTHS = [4, 9, 1, 7, 0, 7, 2]
FULL = torch.tensor([i for i, length in enumerate(LENGTHS) if length > 0])


def case(name, units, bidirectional, layers):
    torch.manual_seed(len(name))
    embedding = torch.nn.Embedding(VOCABULARY, INPUTS)
    lstms = []
    width = INPUTS
    for _ in range(layers):
        lstms.append(torch.nn.LSTM(width, units, bidirectional=bidirectional))
        width = units * (2 if bidirectional else 1)
    dense = torch.nn.Linear(width, CLASSES)
    parameters = list(embedding.parameters()) + list(dense.parameters())
    for lstm in lstms:
        for parameter_name, parameter in lstm.named_parameters():
            if parameter_name.startswith("bias_hh"):
                parameter.data.zero_()
                parameter.requires_grad_(False)
            else:
                parameters.append(parameter)

    ids = torch.randint(VOCABULARY, (sum(LENGTHS),))
    sequences = torch.split(ids, LENGTHS)
    classes = torch.tensor([i % CLASSES for i in range(len(LENGTHS))])

    def forward():
        x = torch.nn.utils.rnn.pack_sequence([embedding(s) for s in sequences if len(s) > 0], enforce_sorted=False)
        for lstm in lstms:
            x, (h, _) = lstm(x)
        last = torch.cat([h[0], h[1]], dim=1) if bidirectional else h[0]
        state = torch.zeros(len(LENGTHS), last.shape[1]).index_copy(0, FULL, last)
        return dense(state)

    def named(get):
        out = {"embedding.embeddings": get(embedding.weight), "dense.kernel": get(dense.weight).T, "dense.bias": get(dense.bias)}
        for index, lstm in enumerate(lstms):
            base = "bidirectional" if bidirectional else "lstm"
            layer = base if index == 0 else f"{base}_{index}"
            for suffix, direction in [("", ".forward"), ("_reverse", ".backward")][: 2 if bidirectional else 1]:
                prefix = layer + (direction if bidirectional else "")
                out[f"{prefix}.kernel"] = get(getattr(lstm, f"weight_ih_l0{suffix}")).T
                out[f"{prefix}.recurrent_kernel"] = get(getattr(lstm, f"weight_hh_l0{suffix}")).T
                out[f"{prefix}.bias"] = get(getattr(lstm, f"bias_ih_l0{suffix}"))
        return {key: value.detach().reshape(-1).clone() for key, value in out.items()}

    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    result = {"name": name, "units": units, "bidirectional": bidirectional, "layers": layers, "lengths": LENGTHS, "ids": ids.tolist(), "classes": classes.tolist()}
    result["parameters"] = named(lambda p: p.data)
    logits = forward()
    result["probabilities"] = torch.softmax(logits, dim=1).reshape(-1)
    losses = []
    for step in range(10):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(forward(), classes)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            result["gradients"] = named(lambda p: p.grad)
        optimizer.step()
    result["losses"] = losses
    result["afterTenSteps"] = named(lambda p: p.data)
    return result



def plain(value):
    """JSON of a result; nine digits are enough to tell 32-bit numbers apart."""
    if isinstance(value, torch.Tensor):
        return [float(f"{x:.9g}") for x in value.tolist()]
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return value


folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
cases = [case("one layer", 7, False, 1), case("two layers", 17, False, 2), case("both directions", 5, True, 1), case("two layers in both directions", 3, True, 2)]
text = json.dumps({"pytorch": torch.__version__, "vocabulary": VOCABULARY, "inputs": INPUTS, "outputs": CLASSES, "cases": [plain(result) for result in cases]}, separators=(",", ":"))
(folder / "lstm-pytorch.json").write_text(text + "\n")
