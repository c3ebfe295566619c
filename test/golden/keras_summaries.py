"""Writes keras-summaries.json: parameters of well-known recurrent models, counted by Keras.

Layers that have no parameters and no counterpart here (RepeatVector, MaxPooling1D) are left out of the configurations.
Usage: python keras_summaries.py [folder]
"""

import os

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

import json
import pathlib
import sys

import keras
from keras import layers

from layers_cases import STEPS, both, convolution, dense, gru, layer_names, lstm, rnn

NO_COUNTERPART = (layers.RepeatVector, layers.MaxPooling1D)


def tokens(vocabulary, columns, **options):
    return {"kind": "embedding", "inputDim": vocabulary, "outputDim": columns} | options


def features(count):
    return {"kind": "input", "features": count}


def dropout(rate):
    return {"kind": "dropout", "rate": rate}


def summary(name, source, shape, keras_layers, ours):
    """The counts of a model, layer by layer: those of Keras under our names."""
    keras.utils.clear_session()
    model = keras.Sequential([keras.Input(shape), *keras_layers])
    counted = [layer for layer in model.layers if not isinstance(layer, NO_COUNTERPART)]
    named = [(layer_name, layer) for layer_name, layer in zip(layer_names(ours), ours) if layer["kind"] != "input"]
    result = {
        "name": name,
        "source": source,
        "config": {"layers": ours},
        "total": model.count_params(),
        "trainable": sum(weight.shape.num_elements() for weight in model.trainable_weights),
        "layers": [{"name": layer_name, "parameters": layer.count_params()} for (layer_name, _), layer in zip(named, counted, strict=True)],
    }
    assert result["total"] == sum(layer["parameters"] for layer in result["layers"])
    return result


def summaries():
    softmax, sigmoid, relu = {"activation": "softmax"}, {"activation": "sigmoid"}, {"activation": "relu"}
    guide, reference = "keras.io guide Working with RNNs", "keras.io layer reference"
    yield summary(
        "sentiment of film reviews in both directions",
        "keras.io example Bidirectional LSTM on IMDB",
        (None,),
        [
            layers.Embedding(20000, 128),
            layers.Bidirectional(layers.LSTM(64, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(64)),
            layers.Dense(1, activation="sigmoid"),
        ],
        [tokens(20000, 128), both(lstm(64, STEPS)), both(lstm(64)), dense(1, **sigmoid)],
    )
    yield summary(
        "sentiment of business reviews",
        "the article's model",
        (None,),
        [layers.Embedding(2500, 128), layers.LSTM(200, dropout=0.2, recurrent_dropout=0.2), layers.Dense(2, activation="softmax")],
        [tokens(2500, 128), lstm(200, dropout=0.2, recurrentDropout=0.2), dense(2, **softmax)],
    )
    yield summary(
        "text by characters",
        "keras.io example Character-level text generation with LSTM",
        (40, 56),
        [layers.LSTM(128), layers.Dense(56, activation="softmax")],
        [features(56), lstm(128), dense(56, **softmax)],
    )
    yield summary(
        "addition of numbers",
        "keras.io example Sequence to sequence learning for performing number addition",
        (7, 12),
        [layers.LSTM(128), layers.RepeatVector(4), layers.LSTM(128, return_sequences=True), layers.Dense(12, activation="softmax")],
        [features(12), lstm(128, STEPS), lstm(128, STEPS), dense(12, **softmax)],
    )
    yield summary(
        "weather",
        "keras.io example Timeseries forecasting for weather prediction",
        (120, 7),
        [layers.LSTM(32), layers.Dense(1)],
        [features(7), lstm(32), dense(1)],
    )
    yield summary(
        "one layer",
        guide,
        (None,),
        [layers.Embedding(1000, 64), layers.LSTM(128), layers.Dense(10)],
        [tokens(1000, 64), lstm(128), dense(10)],
    )
    yield summary(
        "GRU and simple recurrent layer",
        guide,
        (None,),
        [layers.Embedding(1000, 64), layers.GRU(256, return_sequences=True), layers.SimpleRNN(128), layers.Dense(10)],
        [tokens(1000, 64), gru(256, STEPS), rnn(128), dense(10)],
    )
    yield summary(
        "both directions",
        guide,
        (5, 10),
        [layers.Bidirectional(layers.LSTM(64, return_sequences=True)), layers.Bidirectional(layers.LSTM(32)), layers.Dense(10)],
        [features(10), both(lstm(64, STEPS)), both(lstm(32)), dense(10)],
    )
    yield summary("GRU", reference, (10, 8), [layers.GRU(4)], [features(8), gru(4)])
    yield summary("GRU, reset before", reference, (10, 8), [layers.GRU(4, reset_after=False)], [features(8), gru(4, resetAfter=False)])
    yield summary("simple recurrent layer", reference, (10, 8), [layers.SimpleRNN(4)], [features(8), rnn(4)])
    yield summary(
        "sum of both directions, without bias",
        reference,
        (10, 8),
        [layers.Bidirectional(layers.GRU(6, use_bias=False), merge_mode="sum"), layers.Dense(3, use_bias=False)],
        [features(8), both(gru(6, useBias=False), mergeMode="sum"), dense(3, useBias=False)],
    )
    yield summary(
        "convolution and LSTM",
        "Keras 2 example imdb_cnn_lstm",
        (100,),
        [
            layers.Embedding(20000, 128),
            layers.Dropout(0.25),
            layers.Conv1D(64, 5, activation="relu"),
            layers.MaxPooling1D(4),
            layers.LSTM(70),
            layers.Dense(1, activation="sigmoid"),
        ],
        [tokens(20000, 128), dropout(0.25), convolution(64, 5, **relu), lstm(70), dense(1, **sigmoid)],
    )
    yield summary(
        "layer normalization",
        reference,
        (None, 16),
        [layers.LayerNormalization(), layers.LSTM(32, return_sequences=True), layers.LayerNormalization(center=False), layers.GlobalMaxPooling1D(), layers.Dense(4)],
        [features(16), {"kind": "layerNormalization"}, lstm(32, STEPS), {"kind": "layerNormalization", "center": False}, {"kind": "globalMaxPooling"}, dense(4)],
    )
    yield summary(
        "frozen embedding and convolutions",
        "keras.io example Using pre-trained word embeddings",
        (None,),
        [
            layers.Embedding(20002, 100, trainable=False),
            layers.Conv1D(128, 5, activation="relu"),
            layers.MaxPooling1D(5),
            layers.Conv1D(128, 5, activation="relu"),
            layers.MaxPooling1D(5),
            layers.Conv1D(128, 5, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(20, activation="softmax"),
        ],
        [
            tokens(20002, 100, trainable=False),
            *[convolution(128, 5, **relu)] * 3,
            {"kind": "globalMaxPooling"},
            dense(128, **relu),
            dropout(0.5),
            dense(20, **softmax),
        ],
    )
    # Bidirectional hands a trainable=False of its own not on to its layers, but does so with a later change.
    frozen = layers.Bidirectional(layers.LSTM(5))
    frozen.trainable = False
    yield summary(
        "frozen recurrent layer in both directions",
        reference,
        (None,),
        [layers.Embedding(100, 8), frozen, layers.Dense(2)],
        [tokens(100, 8), both(lstm(5), trainable=False), dense(2)],
    )


folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
lines = ",\n".join(json.dumps(result) for result in summaries())
(folder / "keras-summaries.json").write_text(f"[\n{lines}\n]\n")
