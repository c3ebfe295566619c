"""Golden values for src/data/split.ts and src/data/mersenne.ts, made by scikit-learn and NumPy.

Made with the versions that stand in the file (scikit-learn 1.9.1, NumPy 2.4):

    python train_test_split.py [folder]

writes train-test-split.json: small splits in full, larger ones as SHA-256 of the little-endian 32-bit row numbers.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy
import sklearn
from sklearn.model_selection import train_test_split

LARGE = 60
SEEDS = [0, 1, 36, 42, 2**31, 2**32 - 1]
SIZES = [{}, {"test_size": 0.2}, {"test_size": 0.33}, {"train_size": 0.6}, {"test_size": 1}, {"train_size": 3}]
SIZES += [{"test_size": 0.3, "train_size": 0.5}, {"test_size": 2, "train_size": 0.4}, {"test_size": 4, "train_size": 2}]


def labels(kind, n):
    """Rows of a few labels, repeated in test/data/split.test.ts."""
    number = [(i * i + i // 3) % 4 for i in range(n)]
    match kind:
        case "number":
            return [[10, -2, 9, 0.5][x] for x in number]
        case "string":
            return [["pos", "neg", "\uff21", "\U0001f600"][x] for x in number]
        case "boolean":
            return [x == 0 for x in number]
        case "rare":
            return [1 if i in (n // 2, n - 1) else 0 for i in range(n)]


def written(rows):
    return rows if len(rows) <= LARGE else hashlib.sha256(numpy.array(rows, "<i4").tobytes()).hexdigest()


def split(n, seed, kind=None, **options):
    stratify = None if kind is None else labels(kind, n)
    train, test = train_test_split(list(range(n)), random_state=seed, stratify=stratify, **options)
    return {"n": n, "seed": seed, "kind": kind, "options": options, "train": written(train), "test": written(test)}


def plain():
    for n in (7, 10, 33):
        for size in SIZES:
            yield split(n, 36, **size)
            yield split(n, 0, shuffle=False, **size)
    for seed in SEEDS:
        yield split(20, seed)
        yield split(1000, seed, test_size=0.2)
        yield split(100_000, seed, test_size=0.1)
    yield split(2, 5, test_size=0.5)
    yield split(1_000_000, 36, test_size=0.2)


def stratified():
    for kind in ("number", "string", "boolean", "rare"):
        for n in (23, 40, 41, 1001):
            for size in ({}, {"test_size": 0.2}, {"test_size": 7, "train_size": 9}, {"train_size": 0.5}):
                for seed in SEEDS[:4]:
                    yield split(n, seed, kind, **size)
    yield split(100_000, 36, "string", test_size=0.2)


def random_state(seed):
    raw = numpy.random.RandomState(seed)
    words = [int(raw._bit_generator.random_raw()) for _ in range(1300)]
    return {
        "seed": seed,
        "words": words[:4],
        "words_sha256": hashlib.sha256(numpy.array(words, "<u4").tobytes()).hexdigest(),
        "permutations": [numpy.random.RandomState(seed).permutation(n).tolist() for n in (0, 1, 2, 5, 16, 17)],
        "choices": [
            numpy.random.RandomState(seed).choice(["a", "b", "c", "d", "e"], size, replace=False).tolist()
            for size in (0, 1, 3, 5)
        ],
    }


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    golden = {
        "versions": {"scikit-learn": sklearn.__version__, "numpy": numpy.__version__},
        "random_states": [random_state(seed) for seed in SEEDS],
        "plain": list(plain()),
        "stratified": list(stratified()),
    }
    (folder / "train-test-split.json").write_text(json.dumps(golden) + "\n")


main()
