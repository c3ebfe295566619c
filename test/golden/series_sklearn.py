"""Golden values for src/data/scaling.ts and src/data/windows.ts, made by scikit-learn, NumPy and pandas.

Made with the versions that stand in the file:

    python series_sklearn.py [folder]

writes series-sklearn.json.
"""

import json
import sys
from pathlib import Path

import numpy
import pandas
import sklearn
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler


def series(n, gaps):
    i = numpy.arange(n, dtype="f8")
    rows = numpy.stack([numpy.sin(i * 0.7) * 12 + i / 3, (i * 37) % 11 - 4.5, numpy.full(n, 7.25)], axis=1)
    if gaps:
        rows[2, 0] = rows[3, 0] = rows[n - 1, 1] = rows[5, 2] = numpy.nan
    return rows


def plain(values):
    return [plain(v) for v in values] if isinstance(values, (list, numpy.ndarray)) else None if numpy.isnan(values) else float(values)


def scaled(rows):
    for name, scaler in (("standard", StandardScaler()), ("minMax", MinMaxScaler()), ("robust", RobustScaler())):
        yield {"method": name, "rows": plain(rows), "scaled": plain(scaler.fit_transform(rows))}


def windowed(n, length, horizon, stride):
    rows = series(n, False)
    whole = numpy.lib.stride_tricks.sliding_window_view(rows, length + horizon, axis=0)[::stride].transpose(0, 2, 1)
    return {
        "n": n,
        "options": {"length": length, "horizon": horizon, "stride": stride},
        "rows": plain(rows),
        "inputs": plain(whole[:, :length].astype("f4")),
        "targets": plain(whole[:, length:, [1]].astype("f4").reshape(len(whole), -1)),
    }


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    gaps = pandas.DataFrame(series(12, True))
    golden = {
        "versions": {"scikit-learn": sklearn.__version__, "numpy": numpy.__version__, "pandas": pandas.__version__},
        "scalings": [*scaled(series(9, False)), *scaled(series(12, True)), *scaled(series(30, False))],
        "windows": [windowed(20, 4, 1, 1), windowed(20, 5, 3, 2), windowed(9, 8, 1, 1), windowed(31, 3, 4, 5)],
        "gaps": {
            "rows": plain(gaps.to_numpy()),
            "interpolate": plain(gaps.interpolate(limit_direction="both").to_numpy()),
            "previous": plain(gaps.ffill().to_numpy()),
            "mean": plain(gaps.fillna(gaps.mean()).to_numpy()),
            "zero": plain(gaps.fillna(0).to_numpy()),
        },
    }
    (folder / "series-sklearn.json").write_text(json.dumps(golden) + "\n")


main()
