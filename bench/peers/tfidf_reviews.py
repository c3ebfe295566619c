"""TF-IDF and logistic regression on the reviews of the README's table: python tfidf_reviews.py yelp.csv

Prints one line of JSON. Needs scikit-learn.
"""
import csv
import json
import sys
import time

import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

with open(sys.argv[1], encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
texts = [row["text"] for row in rows]
labels = [float(row["stars"]) > 3 for row in rows]
x_train, x_test, y_train, y_test = train_test_split(texts, labels, test_size=0.2, random_state=36)

begin = time.perf_counter()
model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(x_train, y_train)
seconds = time.perf_counter() - begin
accuracy = model.score(x_test, y_test)
print(json.dumps({"version": sklearn.__version__, "seconds": seconds, "accuracy": accuracy}))
