"""Golden values for src/data/parquet.ts: files written by Arrow.

Made with the version that stands in the file:

    python parquet_pyarrow.py [folder]

writes parquet-pyarrow.json: every file in base64, and the rows that all of them hold.
"""

import base64
import datetime
import io
import json
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet

CODECS = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]
ROWS = 7


def table():
    day = datetime.datetime(2020, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)
    return pyarrow.table(
        {
            "text": [None if i == 4 else f"réview {i} 中文😀" for i in range(ROWS)],
            "stars": pyarrow.array([i % 5 + 1 for i in range(ROWS)], pyarrow.int64()),
            "large": pyarrow.array([2**60 + i for i in range(ROWS)], pyarrow.int64()),
            "score": pyarrow.array([i / 3 for i in range(ROWS)], pyarrow.float64()),
            "good": [i % 2 == 0 for i in range(ROWS)],
            "tags": [["a"] * (i % 3) for i in range(ROWS)],
            "user": [{"name": f"u{i}", "fans": i} for i in range(ROWS)],
            "day": [day + datetime.timedelta(days=i) for i in range(ROWS)],
        }
    )


def written(rows, **options):
    file = io.BytesIO()
    pyarrow.parquet.write_table(rows, file, row_group_size=3, **options)
    return base64.b64encode(file.getvalue()).decode()


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    rows = table()
    latin = pyarrow.table({"text": pyarrow.array([b"good", b"caf\xe9", b"fine"], pyarrow.binary())})
    as_text = latin.set_column(0, "text", latin["text"].combine_chunks().view(pyarrow.string()))
    golden = {
        "versions": {"pyarrow": pyarrow.__version__},
        "rows": json.loads(json.dumps(rows.to_pylist(), default=lambda d: d.isoformat())),
        "files": [{"codec": codec, "version": version, "bytes": written(rows, compression=codec, version=version)}
                  for codec in CODECS for version in ("1.0", "2.6")],
        "plain": written(rows, use_dictionary=False, data_page_version="2.0"),
        "latin1": written(as_text),
    }
    for row in golden["rows"]:
        row["large"] = str(row["large"])
    (folder / "parquet-pyarrow.json").write_text(json.dumps(golden) + "\n")


main()
