"""The article's review classifier in Keras 3: python article_keras.py yelp.csv [length]

Needs keras, numpy and scikit-learn, and a library that Keras computes with (TensorFlow, PyTorch or JAX).
"""
import csv
import re
import sys
import time

import keras
import numpy as np
from keras.src.legacy.preprocessing.text import Tokenizer  # Keras 2: keras.preprocessing.text
from sklearn.model_selection import train_test_split

path = sys.argv[1] if len(sys.argv) > 1 else "yelp.csv"
length = int(sys.argv[2]) if len(sys.argv) > 2 else None
keras.utils.set_random_seed(1)

texts, labels = [], []
with open(path, encoding="utf-8", newline="") as file:
    for row in csv.DictReader(file):
        texts.append(re.sub(r"[^a-zA-z0-9\s]", "", row["text"].lower()))
        labels.append([0, 1] if float(row["stars"]) > 3 else [1, 0])

tokenizer = Tokenizer(num_words=2500, lower=True, split=" ")
tokenizer.fit_on_texts(texts)
x = keras.utils.pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=length)
y = np.array(labels, dtype="float32")
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=36)

model = keras.Sequential(
    [
        keras.Input((x.shape[1],)),
        keras.layers.Embedding(2500, 128),
        keras.layers.SpatialDropout1D(0.2),  # Keras 1: Embedding(2500, 128, dropout=0.2)
        keras.layers.LSTM(200, dropout=0.2, recurrent_dropout=0.2),
        keras.layers.Dense(2, activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.summary()
begin = time.perf_counter()
model.fit(x_train, y_train, batch_size=32, epochs=1, verbose=0)
seconds = time.perf_counter() - begin
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"{seconds:.1f} s, loss {loss:.4f}, accuracy {accuracy:.4f} on {len(x_test)} rows")
