"""Scores logistic regression on counted and weighed words of examples/reviews.csv, for bench/sample.mjs.

Good is more than three stars; the test rows are the fifth that train_test_split draws with the seed. Prints JSON: for
every seed the accuracy on them by vectorizer and n-grams, scikit-learn's defaults in everything else. Needs
scikit-learn. Usage: python3 sample_linear.py file.csv seed ...
"""

import csv
import json
import sys

from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

VECTORIZERS = {"count": CountVectorizer, "tfidf": TfidfVectorizer}

path, *seeds = sys.argv[1:]
with open(path, encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
texts, good = [row["text"] for row in rows], [int(row["stars"]) > 3 for row in rows]


def accuracy(vectorizer, words, seed):
    train_texts, test_texts, train_good, test_good = train_test_split(texts, good, test_size=0.2, random_state=seed)
    features = vectorizer(ngram_range=(1, words))
    model = LogisticRegression(max_iter=1000).fit(features.fit_transform(train_texts), train_good)
    return model.score(features.transform(test_texts), test_good)


figures = {
    seed: {f"{name}{words}": accuracy(vectorizer, words, int(seed)) for name, vectorizer in VECTORIZERS.items() for words in (1, 2)}
    for seed in seeds
}
print(json.dumps(figures))
