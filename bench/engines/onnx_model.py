"""Writes a workload's network with its weights as ONNX: python onnx_model.py folder.

Input `ids` [steps, sequences], for streams also `h` and `c` [1, sequences, units]; outputs `probabilities`, `h_out`,
`c_out`.
"""
import json
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

folder = sys.argv[1]
with open(os.path.join(folder, "workload.json")) as file:
    workload = json.load(file)
network = workload["network"]
units, classes = network["units"], network["classes"]
read = lambda name: np.load(os.path.join(folder, name + ".npy"))


def gates(kernel):
    """[rows, 4H] in the order i, f, g, o as [1, 4H, rows] in that of ONNX: i, o, f, g."""
    i, f, g, o = np.split(kernel, 4, axis=-1)
    return np.ascontiguousarray(np.concatenate([i, o, f, g], axis=-1).T[None])


bias = gates(read("lstm.bias")[None]).reshape(1, 4 * units)
values = {
    "table": read("embedding.embeddings"),
    "W": gates(read("lstm.kernel")),
    "R": gates(read("lstm.recurrent_kernel")),
    "B": np.concatenate([bias, np.zeros_like(bias)], axis=1),
    "kernel": read("dense.kernel"),
    "bias": read("dense.bias"),
    "direction": np.array([0], np.int64),
}
stream = workload["mode"] == "step"
states = ["h", "c"] if stream else []
nodes = [
    helper.make_node("Gather", ["table", "ids"], ["x"]),
    helper.make_node("LSTM", ["x", "W", "R", "B", "", *states], ["", "h_out", "c_out"], hidden_size=units),
    helper.make_node("Squeeze", ["h_out", "direction"], ["last"]),
    helper.make_node("Gemm", ["last", "kernel", "bias"], ["logits"]),
    helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
]
tensor = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
graph = helper.make_graph(
    nodes,
    "bench",
    [
        helper.make_tensor_value_info("ids", TensorProto.INT32, ["T", "N"]),
        *(tensor(name, 1, "N", units) for name in states),
    ],
    [tensor("probabilities", "N", classes), *(tensor(f"{name}_out", 1, "N", units) for name in states)],
    [numpy_helper.from_array(value, name) for name, value in values.items()],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, os.path.join(folder, "model.onnx"))
