"""Writes search-numpy.json: values as numpy.random.RandomState draws them, name after name, trial after trial.
Usage: python search_numpy.py [folder]
"""

import json
import pathlib
import sys

import numpy as np

SEEDS, TRIALS = [0, 7, 2**32 - 1], 6
CELLS = ["lstm", "gru", "simpleRnn"]


def trial(random):
    return {
        "units": int(random.randint(16, 129)),
        "learningRate": float(np.exp(random.uniform(np.log(1e-4), np.log(1e-1)))),
        "dropout": float(random.uniform(0, 0.5)),
        "cell": CELLS[int(random.randint(0, len(CELLS)))],
        "layers": int(random.randint(2, 3)),
        "shift": float(random.uniform(-3, 9)),
        "wide": int(random.randint(-(2**31) + 1, 2**31 - 1)),
    }


cases = [{"seed": seed, "trials": [trial(r) for _ in range(TRIALS)]} for seed in SEEDS for r in [np.random.RandomState(seed)]]
folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
(folder / "search-numpy.json").write_text(json.dumps({"numpy": np.__version__, "cases": cases}) + "\n")
