"""Writes tensorboard-records.json: events as TensorBoard's protobuf classes and its RecordWriter write them, and histograms
as its histogram_pb cuts them. Usage: python tensorboard_records.py [folder]
"""

import io
import json
import pathlib
import sys

import numpy as np
import tensorboard
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util


def record(event):
    file = io.BytesIO()
    RecordWriter(file).write(event.SerializeToString(deterministic=True))
    return file.getvalue().hex()


def scalar(tag, value):
    return summary_pb2.Summary.Value(tag=tag, simple_value=value)


def buckets(values):
    """Left ends, right ends and counts."""
    summary = histogram_pb("tag", np.array(values), buckets=30)
    return tensor_util.make_ndarray(summary.value[0].tensor).tolist()


def event(wall_time, step, **content):
    return event_pb2.Event(wall_time=wall_time, step=step, **content)


START = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
histogram = {
    "min": -1.5,
    "max": 2.25,
    "count": 7,
    "sum": 0.0,
    "sumSquares": 12.0625,
    "limits": [-0.25, 1.0, 2.25],
    "counts": [3.0, 0.0, 4.0],
}
proto = summary_pb2.HistogramProto(
    min=histogram["min"],
    max=histogram["max"],
    num=histogram["count"],
    sum=histogram["sum"],
    sum_squares=histogram["sumSquares"],
    bucket_limit=histogram["limits"],
    bucket=histogram["counts"],
)
numbers = [0.0, -0.0, 1.0, 0.1, -3e38, float("inf"), float("-inf"), float("nan")]
values = [{"tag": f"batch/{i}", "scalar": str(number)} for i, number in enumerate(numbers)]
cases = [
    (1.5e9, 0, {"fileVersion": "brain.Event:2"}, {"file_version": "brain.Event:2"}),
    (1.5e9, 0, {"session": "start"}, {"session_log": START}),
    (1.6e9 + 0.25, 41, {"session": "start"}, {"session_log": START}),
    (
        1234567890.123456,
        2**31 + 5,
        {"values": [{"tag": "epoch/loss", "scalar": "0.3"}, {"tag": "epoch/損失", "scalar": "2"}]},
        {"summary": summary_pb2.Summary(value=[scalar("epoch/loss", 0.3), scalar("epoch/損失", 2)])},
    ),
    (
        1.0,
        2**53 - 1,
        {"values": values},
        {"summary": summary_pb2.Summary(value=[scalar(f"batch/{i}", x) for i, x in enumerate(numbers)])},
    ),
    (
        2.0,
        127,
        {"values": [{"tag": "weights/lstm.kernel", "histogram": histogram}]},
        {
            "summary": summary_pb2.Summary(
                value=[summary_pb2.Summary.Value(tag="weights/lstm.kernel", histo=proto)]
            )
        },
    ),
]
draws = np.random.default_rng(7)
samples = [
    draws.standard_normal(500).astype(np.float32).tolist(),
    [1.0, 1.0, 1.0],
    [-2.0, 3.0],
    draws.exponential(size=61).astype(np.float32).tolist(),
    [0.0],
]
document = {
    "tensorboard": tensorboard.__version__,
    "events": [
        {"wallTime": time, "step": step, "content": ours, "record": record(event(time, step, **theirs))}
        for time, step, ours, theirs in cases
    ],
    "histograms": [{"values": sample, "buckets": buckets(sample)} for sample in samples],
}
folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
(folder / "tensorboard-records.json").write_text(text + "\n", encoding="utf-8")
