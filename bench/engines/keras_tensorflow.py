"""Keras 3 on TensorFlow. Variants: `default`, what `compile()` chooses; `jit`, compiled by XLA with `use_cudnn=False`,
without which Keras compiles no LSTM; for ragged workloads `longest`, padded to the longest of all.

Sequences are padded behind and masked: ids are raised by one, and the embedding masks 0. Batches of ragged workloads are
sorted by length inside pools. The gradient of the embedding is summed over equal ids before Adam: where it comes as rows,
Keras 3.15 adds the squares of the rows instead of squaring their sum, and takes other steps than all others here.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

from serve import CHECKED_STEPS, LENGTH_POOL, NOTHING, Unsupported, computed, losses, outputs, serve, timed

# Keras adds it before the bias is corrected: over the first ten steps about the 1e-8 behind it that the others have.
EPSILON = 6e-10


def load():
    global keras, np, Adam
    import keras
    import numpy as np
    import tensorflow as tf

    class Adam(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(tf.convert_to_tensor(gradient), variable, learning_rate)

    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["TF_NUM_INTRAOP_THREADS"]))
    tf.config.threading.set_inter_op_parallelism_threads(int(os.environ["TF_NUM_INTEROP_THREADS"]))
    return f"{keras.__version__} (TensorFlow {tf.__version__})", prepare


def network(task, jit):
    net = task.network
    ragged = task.T is None
    stateful = task.mode == "step"
    layers = keras.layers
    if net["vocabulary"]:
        first = [
            keras.Input(batch_shape=(task.N, 1)) if stateful else keras.Input((task.T,), dtype="int32"),
            layers.Embedding(net["vocabulary"] + ragged, net["inputs"], mask_zero=ragged),
        ]
    else:
        first = [keras.Input((task.T, net["inputs"]))]
    if net["embeddingDropout"]:
        first.append(layers.SpatialDropout1D(net["embeddingDropout"]))
    recurrent = [
        layers.LSTM(
            net["units"],
            dropout=net["dropout"],
            recurrent_dropout=net["recurrentDropout"],
            return_sequences=net["perStep"] or layer < net["layers"] - 1,
            stateful=stateful,
            use_cudnn=False if jit else "auto",
        )
        for layer in range(net["layers"])
    ]
    dense = layers.Dense(net["classes"], activation="softmax")
    model = keras.Sequential([*first, *recurrent, dense])
    weights = task.weights
    if net["vocabulary"]:
        table = weights["embedding.embeddings"]
        model.layers[0].set_weights([np.concatenate([np.zeros_like(table[:1]), table]) if ragged else table])
    for layer, lstm in enumerate(recurrent):
        name = "lstm" if layer == 0 else f"lstm_{layer}"
        lstm.set_weights([weights[f"{name}.{part}"] for part in ("kernel", "recurrent_kernel", "bias")])
    dense.set_weights([weights["dense.kernel"], weights["dense.bias"]])
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=Adam(1e-3, epsilon=EPSILON),
        jit_compile=True if jit else "auto",
    )
    return model


def prepare(task, variant):
    if variant == "jit" and task.T is None:
        raise Unsupported("XLA compiles anew for every length")
    keras.utils.set_random_seed(36)
    model = network(task, variant == "jit")
    facts = {"precision": "f32"}
    return {"train": prepare_training, "predict": prepare_predictions, "step": prepare_steps}[task.mode](
        task, variant, model, facts
    )


def prepare_training(task, variant, model, facts):
    def arrays(batches):
        if task.T is not None:
            return [(np.ascontiguousarray(inputs.swapaxes(0, 1)), targets.T) for inputs, _, targets in batches]
        return [
            (np.where(np.arange(len(inputs))[:, None] < lengths, inputs + 1, 0).T.copy(), targets)
            for inputs, lengths, targets in batches
        ]

    def step(inputs, targets):
        model.reset_metrics()
        return model.train_on_batch(inputs, targets)

    checked = NOTHING if task.random else losses([step(*batch) for batch in arrays(task.checked())])
    padded = task.in_order() if task.T is not None else task.shuffled(LENGTH_POOL, variant == "longest")
    batches = arrays(padded)

    def run():
        for batch in batches:
            step(*batch)

    return {**facts, "tokensComputed": computed(padded), "check": checked}, lambda: timed(run)


def prepare_predictions(task, _, model, facts):
    batches = [np.ascontiguousarray(inputs.T) for inputs, _, _ in task.in_order()]

    def run():
        for batch in batches:
            model.predict_on_batch(batch)

    return {**facts, "check": outputs(model.predict_on_batch(batches[0]))}, lambda: timed(run)


def prepare_steps(task, _, model, facts):
    steps = [ids[:, None] for ids in task.steps()]

    def run(steps):
        for ids in steps:
            output = model.predict_on_batch(ids)
        return output

    return {**facts, "check": outputs(run(steps[:CHECKED_STEPS]))}, lambda: timed(lambda: run(steps))


if __name__ == "__main__":
    serve(load)
