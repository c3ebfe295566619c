"""PyTorch on the CPU. Variants: `f32`, `autocast` (bfloat16 products), `bf16` (weights and moments too); for ragged
workloads `buckets`, `padded`, `longest` and `packed`, all in f32, `buckets` being `f32`.

The time comes first in every array, which is faster than `batch_first`. Recurrent dropout, which `nn.LSTM` does not have,
is a scripted loop over hoisted input products.
"""
import contextlib

from serve import CHECKED_STEPS, LENGTH_POOL, NOTHING, Unsupported, computed, losses, outputs, serve, timed

FORMS = {"f32": "buckets", "autocast": "buckets", "bf16": "buckets"}


def load():
    global torch, scripted
    import torch

    @torch.jit.script
    def scripted(products: torch.Tensor, recurrent: torch.Tensor, mask: torch.Tensor):
        h = torch.zeros_like(mask)
        c = torch.zeros_like(mask)
        states: list[torch.Tensor] = []
        for product in products.unbind(0):
            gates = torch.addmm(product, h * mask, recurrent)
            i, f, g, o = gates.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            states.append(h)
        return torch.stack(states)

    return torch.__version__.split("+")[0], prepare


def network(task):
    net = task.network

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            if net["vocabulary"]:
                self.embedding = torch.nn.Embedding(net["vocabulary"], net["inputs"])
            self.lstm = torch.nn.LSTM(net["inputs"], net["units"], net["layers"])
            self.dense = torch.nn.Linear(net["units"], net["classes"])

        def forward(self, inputs, lengths=None, packed=False, state=None):
            x = self.embedding(inputs) if net["vocabulary"] else inputs
            if task.random and self.training:
                y = self.regularised(x, inputs)
            elif packed:
                x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
                return self.dense(self.lstm(x)[1][0][-1]), None
            else:
                y, state = self.lstm(x, state)
            if not net["perStep"]:
                y = y[-1] if lengths is None else y[lengths - 1, torch.arange(y.shape[1])]
            return self.dense(y), state

        def regularised(self, x, inputs):
            def keep(rate, *shape):
                return torch.empty(shape).bernoulli_(1 - rate).div_(1 - rate)

            if net["embeddingDropout"]:
                x = x * keep(net["embeddingDropout"], net["vocabulary"])[inputs].unsqueeze(2)
            x = x * keep(net["dropout"], 1, x.shape[1], x.shape[2])
            lstm = self.lstm
            products = torch.nn.functional.linear(x, lstm.weight_ih_l0, lstm.bias_ih_l0)
            return scripted(products, lstm.weight_hh_l0.t(), keep(net["recurrentDropout"], x.shape[1], net["units"]))

    model = Network()
    tensors = {name: torch.from_numpy(values) for name, values in task.weights.items()}
    with torch.no_grad():
        if net["vocabulary"]:
            model.embedding.weight.copy_(tensors["embedding.embeddings"])
        for layer in range(net["layers"]):
            name = "lstm" if layer == 0 else f"lstm_{layer}"
            getattr(model.lstm, f"weight_ih_l{layer}").copy_(tensors[name + ".kernel"].t())
            getattr(model.lstm, f"weight_hh_l{layer}").copy_(tensors[name + ".recurrent_kernel"].t())
            getattr(model.lstm, f"bias_ih_l{layer}").copy_(tensors[name + ".bias"])
            # The second bias repeats the first one in effect: it stays at zero and is not trained.
            getattr(model.lstm, f"bias_hh_l{layer}").zero_().requires_grad_(False)
        model.dense.weight.copy_(tensors["dense.kernel"].t())
        model.dense.bias.copy_(tensors["dense.bias"])
    return model


def prepare(task, variant):
    torch.set_num_threads(task.threads)
    torch.manual_seed(36)
    if task.T is not None and variant not in FORMS:
        raise Unsupported("all sequences have the same length")
    model = network(task)
    if variant == "bf16":
        model = model.to(torch.bfloat16)
    precision = {"autocast": "bf16 products", "bf16": "bf16"}.get(variant, "f32")
    cast = lambda: torch.autocast("cpu", torch.bfloat16) if variant == "autocast" else contextlib.nullcontext()
    ids = lambda inputs: torch.from_numpy(inputs).to(torch.int32 if task.network["vocabulary"] else model.dense.weight.dtype)
    facts = {"precision": precision}
    if task.mode == "train":
        return prepare_training(task, FORMS.get(variant, variant), model, cast, ids, facts)
    model.eval()
    work = prepare_predictions if task.mode == "predict" else prepare_steps
    return work(task, model, cast, ids, facts)


def prepare_training(task, form, model, cast, ids, facts):
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    packed = form == "packed"

    def step(inputs, lengths, targets):
        optimizer.zero_grad()
        with cast():
            logits, _ = model(inputs, lengths, packed)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, -2), targets.flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    def tensors(batches):
        return [
            (ids(inputs), None if task.T is not None else torch.from_numpy(lengths), torch.from_numpy(targets))
            for inputs, lengths, targets in batches
        ]

    model.train()
    checked = NOTHING if task.random else losses([step(*batch) for batch in tensors(task.checked())])
    if task.T is not None:
        batches = task.in_order()
    else:
        batches = task.shuffled(1 if form == "padded" else LENGTH_POOL, form == "longest")
    tokens = int(task.lengths[: task.N * task.batches].sum()) if packed else computed(batches)
    batches = tensors(batches)

    def run():
        for batch in batches:
            step(*batch)

    return {**facts, "tokensComputed": tokens, "check": checked}, lambda: timed(run)


def prepare_predictions(task, model, cast, ids, facts):
    batches = [ids(inputs) for inputs, _, _ in task.in_order()]

    @torch.inference_mode()
    def predict(inputs):
        with cast():
            return torch.softmax(model(inputs)[0].float(), -1)

    def run():
        for inputs in batches:
            predict(inputs)

    return {**facts, "check": outputs(predict(batches[0]).numpy())}, lambda: timed(run)


def prepare_steps(task, model, cast, ids, facts):
    steps = [ids(step).unsqueeze(0) for step in task.steps()]
    kept = {"state": None}

    @torch.inference_mode()
    def run(steps):
        for inputs in steps:
            with cast():
                logits, kept["state"] = model(inputs, None, False, kept["state"])
            output = torch.softmax(logits.float(), -1)
        return output

    check = outputs(run(steps[:CHECKED_STEPS]).numpy())
    return {**facts, "check": check}, lambda: timed(lambda: run(steps))


if __name__ == "__main__":
    serve(load)
