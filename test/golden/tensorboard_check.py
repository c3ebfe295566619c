"""Prints as JSON what TensorBoard's EventAccumulator reads of a folder of event files: steps and values by tag.

    python tensorboard_check.py runs/first
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util


def series(events, value):
    return {"steps": [event.step for event in events], "values": [value(event) for event in events]}


def main(folder):
    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0, "histograms": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    numbers, tables = {}, {}
    for tag in tags["tensors"]:
        found = series(accumulator.Tensors(tag), lambda e: tensor_util.make_ndarray(e.tensor_proto).tolist())
        (tables if tag.startswith("weights/") else numbers)[tag] = found
    for tag in tags["scalars"]:
        numbers[tag] = series(accumulator.Scalars(tag), lambda e: e.value)
    for tag in tags["histograms"]:
        tables[tag] = series(accumulator.Histograms(tag), lambda e: list(e.histogram_value.bucket))
    json.dump({"scalars": numbers, "histograms": tables}, sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tensorboard_check.py FOLDER")
    main(sys.argv[1])
