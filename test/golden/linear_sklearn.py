"""Writes linear-sklearn.json: logistic regression on TF-IDF, fitted by scikit-learn on small made-up texts.

Texts are lists of word numbers from 1; 0 is a word that the fitted texts do not have. Coefficients are given by term:
a word ("7") or a pair of neighbours ("7 3"). The defaults of TfidfVectorizer and LogisticRegression, with a solver and
a tolerance that leave no doubt about the last digits. Needs scikit-learn. Usage: python3 linear_sklearn.py [folder]
"""

import json
import pathlib
import random
import sys

import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

VOCABULARY = 30


def texts(draw, count, classes):
    result = []
    for _ in range(count):
        label = draw.randrange(classes)
        words = [draw.randint(1, VOCABULARY - 1) for _ in range(draw.randint(0, 12))]
        words += [label * 3 + 1 + draw.randrange(3) for _ in range(draw.randint(0, 2))]
        draw.shuffle(words)
        result.append((words, label))
    return result


def case(name, seed, classes, pairs):
    draw = random.Random(seed)
    training, test = texts(draw, 60, classes), texts(draw, 25, classes)
    known = {word for words, _ in training for word in words}
    test = [([word if word in known else 0 for word in words], label) for words, label in test]
    test[0] = ([0] + test[0][0] + [0], test[0][1])
    joined = lambda part: [" ".join(map(str, words)) for words, _ in part]
    vectorizer = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, 2) if pairs else (1, 1))
    rows = vectorizer.fit_transform(joined(training))
    model = LogisticRegression(solver="newton-cholesky", tol=1e-14, max_iter=1000)
    model.fit(rows, [label for _, label in training])
    terms = vectorizer.get_feature_names_out()
    return {
        "name": name,
        "pairs": pairs,
        "vocabulary": VOCABULARY,
        "training": {"texts": [words for words, _ in training], "classes": [label for _, label in training]},
        "test": {"texts": [words for words, _ in test], "classes": [label for _, label in test]},
        "coefficients": {term: model.coef_[:, column].tolist() for column, term in enumerate(terms)},
        "intercepts": model.intercept_.tolist(),
        "predictions": model.predict(vectorizer.transform(joined(test))).tolist(),
    }


folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
cases = [case("two classes", 1, 2, False), case("four classes", 2, 4, False), case("pairs", 3, 2, True)]
text = json.dumps({"scikit-learn": sklearn.__version__, "cases": cases})
(folder / "linear-sklearn.json").write_text(text + "\n")
