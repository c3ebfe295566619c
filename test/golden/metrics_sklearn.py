"""Golden values for src/metrics, made by scikit-learn and jiwer over random cases.

Made with the versions that stand in the file:

    python metrics_sklearn.py [folder]

writes metrics-sklearn.json. Scores of which there are none are null where scikit-learn gives NaN.
"""

import importlib.metadata
import json
import math
import random
import sys
import warnings
from pathlib import Path

import jiwer
import numpy
import rapidfuzz
import sklearn
from sklearn import metrics

LABELS = [[0, 1], [0, 1, 2], [0, 1, 2, 3, 4], [-1, 1], [3, 7, 11], ["a", "b"], ["neg", "neutral", "pos"]]
LABELS += [["\uff21", "\U0001f600", "z"], ["ein langer Name", "x"]]
WEIGHTS = [0, 0.25, 0.5, 1, 1.5, 2]
LETTERS = ["a", "b", "c", " ", " ", "\t", "e\u0301", "\u0301", "\U0001f600", "\U0001f469\u200d\U0001f4bb", "\xa0", "\x1f", "\ufeff"]


def plain(value):
    """Numbers as JSON has them."""
    if isinstance(value, numpy.ndarray):
        return [plain(entry) for entry in value.tolist()]
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    value = value.item() if isinstance(value, numpy.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def weights_of(draw, n):
    if draw.random() < 0.6:
        return None
    weights = [draw.choice(WEIGHTS) for _ in range(n)]
    return weights if any(weights) else [1] * n


def labels_of(draw, labels, n):
    """Labels, often with one that is rare or missing."""
    present = draw.choice([labels, labels, labels, labels[:-1], labels[:1]])
    return [draw.choice(present) for _ in range(n)]


def classification(draw):
    labels = draw.choice(LABELS)
    n = draw.choice([1, 2, 3, 5, 8, 8, 12, 12, 16])
    truth = labels_of(draw, labels, n)
    predicted = [draw.choice(labels) if draw.random() < 0.5 else label for label in truth]
    if draw.random() < 0.1:
        predicted = [draw.choice(labels)] * n
    weights = weights_of(draw, n)
    zero = draw.choice([0, 0, 1, math.nan])
    chosen = draw.choice([None, None, labels, labels[1:], list(reversed(labels))])
    digits = draw.choice([2, 2, 2, 0, 1, 3, 4])
    named = len(chosen or set(truth + predicted))
    names = draw.choice([None, None, ["na\u00efve \U0001f600", "e\u0301", "one two three four", "d", "e"][:named]])
    case = {"truth": truth, "predicted": predicted, "weights": weights, "zero": plain(zero), "labels": chosen}
    case["accuracy"] = metrics.accuracy_score(truth, predicted, sample_weight=weights)
    for average in ("micro", "macro", "weighted", None):
        how = {"average": average, "labels": chosen, "sample_weight": weights, "zero_division": zero}
        scores = metrics.precision_recall_fscore_support(truth, predicted, **how)[:3]
        case[average or "none"] = [plain(score) for score in scores]
    occurring = set(truth + predicted)
    if len(occurring) == 2:
        positive = max(occurring)
        how = {"average": "binary", "pos_label": positive, "sample_weight": weights, "zero_division": zero}
        scores = metrics.precision_recall_fscore_support(truth, predicted, **how)[:3]
        case["binary"] = {"positive": positive, "scores": [plain(score) for score in scores]}
    if set(chosen or truth) & set(truth):
        how = {"labels": chosen, "sample_weight": weights, "normalize": draw.choice([None, "true", "pred", "all"])}
        case["normalize"] = how["normalize"]
        case["matrix"] = plain(metrics.confusion_matrix(truth, predicted, **how))
    how = {"labels": chosen, "target_names": names, "sample_weight": weights, "digits": digits, "zero_division": zero}
    case["names"], case["digits"] = names, digits
    case["report"] = metrics.classification_report(truth, predicted, **how)
    return case


def score(draw):
    """Scores with many ties."""
    return draw.choice([0, 0.125, 0.25, 0.5, 0.5, 0.625, 1])


def ranking(draw):
    labels = draw.choice([labels for labels in LABELS if len(labels) == 2])
    n = draw.choice([2, 4, 6, 12, 20])
    truth = [draw.choice(labels) for _ in range(n)]
    scores = [score(draw) for _ in range(n)] if draw.random() < 0.8 else [0.5] * n
    weights = weights_of(draw, n)
    case = {"truth": truth, "scores": scores, "weights": weights}
    positive = weights is None or all(
        any(w > 0 and y == label for w, y in zip(weights, truth)) for label in set(truth)
    )
    case["auc"] = plain(metrics.roc_auc_score(truth, scores, sample_weight=weights)) if positive else "skip"
    case["logLoss"] = metrics.log_loss(truth, scores, sample_weight=weights, labels=labels)
    return case


def columns(draw):
    labels = draw.choice([labels for labels in LABELS if len(labels) > 2])
    labels = sorted(labels)
    n = draw.choice([6, 10, 16])
    truth = labels_of(draw, labels, n)
    rows = []
    for _ in range(n):
        drawn = [draw.choice([1, 1, 2, 5]) for _ in labels]
        rows.append([value / sum(drawn) for value in drawn])
    weights = weights_of(draw, n)
    case = {"truth": truth, "rows": rows, "weights": weights, "labels": labels}
    # roc_auc_score takes a truth of two classes for one of all where the rows have more than two columns.
    usable = weights is None or all(
        any(w > 0 and y == label for w, y in zip(weights, truth)) for label in set(truth)
    )
    for average in ("macro", "weighted"):
        how = {"labels": labels, "average": average}
        if usable:
            value = metrics.roc_auc_score(truth, rows, multi_class="ovr", sample_weight=weights, **how)
            case[f"ovr {average}"] = plain(float(value))
        if len(set(truth)) > 1:
            value = metrics.roc_auc_score(truth, rows, multi_class="ovo", **how)
            case[f"ovo {average}"] = plain(float(value))
    case["top"] = [
        metrics.top_k_accuracy_score(truth, rows, k=k, labels=labels, sample_weight=weights) for k in (1, 2, 3)
    ]
    case["logLoss"] = metrics.log_loss(truth, rows, labels=labels, sample_weight=weights)
    return case


def regression(draw):
    n = draw.choice([1, 2, 5, 9])
    truth = [draw.choice([0, round(draw.gauss(0, 3), 3), round(draw.gauss(100, 30), 2)]) for _ in range(n)]
    predicted = [round(y + draw.gauss(0, 2), 3) for y in truth]
    weights = weights_of(draw, n)
    how = {"sample_weight": weights}
    return {
        "truth": truth,
        "predicted": predicted,
        "weights": weights,
        "meanAbsoluteError": metrics.mean_absolute_error(truth, predicted, **how),
        "meanSquaredError": metrics.mean_squared_error(truth, predicted, **how),
        "rootMeanSquaredError": metrics.root_mean_squared_error(truth, predicted, **how),
        "meanAbsolutePercentageError": metrics.mean_absolute_percentage_error(truth, predicted, **how),
    }


def text_of(draw, most):
    return "".join(draw.choice(LETTERS) for _ in range(draw.randint(0, most)))


def changed(draw, text):
    """A text a few edits away."""
    letters = list(text)
    for _ in range(draw.randint(0, 4)):
        at = draw.randint(0, len(letters))
        letters[at : at + draw.randint(0, 1)] = draw.choice(LETTERS + [""])
    return "".join(letters)


def edits(draw, most):
    a = text_of(draw, most)
    b = changed(draw, a) if draw.random() < 0.7 else text_of(draw, most)
    return [a, b, rapidfuzz.distance.Levenshtein.distance(a, b)]


def speech(draw):
    references = [text_of(draw, 14) for _ in range(draw.randint(1, 3))]
    hypotheses = [changed(draw, text) for text in references]
    return {
        "references": references,
        "hypotheses": hypotheses,
        "wer": jiwer.wer(references, hypotheses),
        "cer": jiwer.cer(references, hypotheses),
    }


def main():
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    draw = random.Random(36)
    golden = {
        "versions": {
            "scikit-learn": sklearn.__version__,
            "jiwer": importlib.metadata.version("jiwer"),
            "rapidfuzz": rapidfuzz.__version__,
            "numpy": numpy.__version__,
        },
        "classification": [classification(draw) for _ in range(80)],
        "ranking": [ranking(draw) for _ in range(40)],
        "columns": [columns(draw) for _ in range(30)],
        "regression": [regression(draw) for _ in range(20)],
        "edits": [edits(draw, most) for most in [6] * 30 + [40] * 20 + [120] * 10],
        "speech": [speech(draw) for _ in range(40)],
    }
    (folder / "metrics-sklearn.json").write_text(json.dumps(golden) + "\n")


main()
