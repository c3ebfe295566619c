"""Golden values for src/data/folds.ts, made by scikit-learn and imbalanced-learn.

Made with the versions that stand in the file:

    python folds_sklearn.py [folder]

writes folds-sklearn.json: small splits in full, larger ones as SHA-256 of the little-endian 32-bit row numbers.
"""

import hashlib
import json
import sys
import warnings
from pathlib import Path

import imblearn
import numpy
import sklearn
from imblearn.over_sampling import RandomOverSampler
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, KFold, StratifiedKFold, TimeSeriesSplit

LARGE = 60


def label(kind, i):
    """The label or group of a row, repeated in test/data/folds.test.ts."""
    match kind:
        case "number":
            return [10, -2, 9, 3][(i * i + i // 3) % 4]
        case "string":
            return ["pos", "neg", "\uff21", "\U0001f600"][(i * 5 + i // 7) % 4]
        case "skewed":
            return 2 if i % 11 == 0 else 0 if i % 5 == 0 else 1
        case "author":
            return f"author {(i * i * 7 + i) % 13}"


def written(rows):
    rows = [int(row) for row in rows]
    return rows if len(rows) <= LARGE else hashlib.sha256(numpy.array(rows, "<u4").tobytes()).hexdigest()


def folds(splits):
    return [{"train": written(train), "test": written(test)} for train, test in splits]


def k_folds():
    for n in (7, 30, 1001):
        for k in (2, 5):
            for seed in (None, 0, 36):
                how = {"n_splits": k, "shuffle": seed is not None, "random_state": seed}
                case = {"n": n, "folds": k, "seed": seed}
                x = numpy.zeros(n)
                yield {**case, "kind": None, "by": None, "splits": folds(KFold(**how).split(x))}
                for kind in ("number", "string", "skewed"):
                    y = [label(kind, i) for i in range(n)]
                    if max(y.count(value) for value in y) < k:
                        continue
                    yield {**case, "kind": kind, "by": "stratify", "splits": folds(StratifiedKFold(**how).split(x, y))}
                for kind in ("author", "number"):
                    groups = [label(kind, i) for i in range(n)]
                    if len(set(groups)) >= k:
                        splits = GroupKFold(**how).split(x, groups=groups)
                        yield {**case, "kind": kind, "by": "groupBy", "splits": folds(splits)}


def group_splits():
    for n in (7, 30, 1001):
        for seed in (0, 36):
            for size in ({}, {"test_size": 0.5}, {"test_size": 2}, {"train_size": 0.4}):
                groups = [label("author", i) for i in range(n)]
                split = GroupShuffleSplit(n_splits=1, random_state=seed, **size).split(numpy.zeros(n), groups=groups)
                yield {"n": n, "seed": seed, "size": size, "splits": folds(split)}


def time_splits():
    for n in (12, 100):
        for how in ({}, {"n_splits": 3}, {"test_size": 2}, {"gap": 1, "n_splits": 2}, {"max_train_size": 4}):
            yield {"n": n, "how": how, "splits": folds(TimeSeriesSplit(**how).split(numpy.zeros(n)))}


def oversampled():
    for kind in ("number", "string", "skewed"):
        for n in (23, 1001):
            for seed in (0, 36):
                y = numpy.array([label(kind, i) for i in range(n)])
                classes = sorted(set(y.tolist()))
                y = numpy.array([classes.index(value) for value in y.tolist()])
                sampler = RandomOverSampler(random_state=seed)
                sampler.fit_resample(numpy.zeros((n, 1)), y)
                yield {"kind": kind, "n": n, "seed": seed, "rows": written(sampler.sample_indices_)}


def main():
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    golden = {
        "versions": {
            "scikit-learn": sklearn.__version__,
            "imbalanced-learn": imblearn.__version__,
            "numpy": numpy.__version__,
        },
        "k_folds": list(k_folds()),
        "group_splits": list(group_splits()),
        "time_splits": list(time_splits()),
        "oversampled": list(oversampled()),
    }
    (folder / "folds-sklearn.json").write_text(json.dumps(golden) + "\n")


main()
