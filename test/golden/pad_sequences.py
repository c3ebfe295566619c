"""Golden values for src/text/pad.ts, made by `keras.utils.pad_sequences`.

Made with the versions that stand in the file (Keras 3.15.1, NumPy 2.4):

    KERAS_BACKEND=torch python pad_sequences.py [folder]

writes pad-sequences.json.
"""

import itertools
import json
import sys
from pathlib import Path

import keras
import numpy

INTEGERS = [[1, 2, 3, 4, 5], [], [6], [-7, 2147483647, -2147483648]]
FRACTIONS = [[1.9, -1.9, 0.1], [], [1e9 + 0.5, -0.5], [3.0]]


def cases():
    for maxlen, padding, truncating in itertools.product([None, 1, 3, 7], ["pre", "post"], ["pre", "post"]):
        yield INTEGERS, dict(maxlen=maxlen, padding=padding, truncating=truncating)
    for dtype, value in itertools.product(["int32", "float32"], [0.0, -1.0, 2.7, -2.7]):
        yield FRACTIONS, dict(maxlen=4, dtype=dtype, value=value)
    yield [[], []], {}
    yield [[1], [2]], dict(maxlen=2, value=9)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    golden = {
        "versions": {"keras": keras.__version__, "numpy": numpy.__version__},
        "cases": [
            {"sequences": sequences, "options": options, "rows": rows.tolist(), "shape": rows.shape}
            for sequences, options in cases()
            for rows in [keras.utils.pad_sequences(sequences, **options)]
        ],
    }
    (folder / "pad-sequences.json").write_text(json.dumps(golden) + "\n")


main()
