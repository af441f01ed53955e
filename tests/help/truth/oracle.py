"""Trains points by plain Keras, after the rules that `trainables/README.md` documents, with nothing of this software.

`python oracle.py FILE` reads a JSON file with the cases, each point of them in a fresh state: the builder's module is
imported anew for each point, with the seed set before. For each case, it writes a line of JSON with the curves and metrics.
"""

import importlib.util
import inspect
import json
import math
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf


def point(path, function, config, fit, data, seed=0):
    """Return status, curve and metrics of one point.

    Args:
        path, function: the builder.
        config: the arguments of the builder.
        fit: epochs, batch_size, validation_split; patience of early stopping and of the plateau.
        data: x_train, y_train, x_test, y_test.
        seed: seed of everything.
    """
    x, y, x_test, y_test = (np.asarray(part, "float32") for part in data)
    keras.utils.clear_session()
    keras.config.set_dtype_policy("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)
    tf.config.run_functions_eagerly(False)
    keras.utils.set_random_seed(seed)
    spec = importlib.util.spec_from_file_location("fresh_builder", path)
    sys.modules["fresh_builder"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    build, given = getattr(module, function), {}
    parameters = inspect.signature(build).parameters
    if "input_shape" in parameters:
        given["input_shape"] = x.shape[1:]
    if "normalizer" in parameters:
        given["normalizer"] = keras.layers.Normalization()
        given["normalizer"].adapt(x)
    keras.utils.set_random_seed(seed)
    model = build(**config, **given)
    rows, batch = math.floor(len(x) * (1 - fit["validation_split"])), fit["batch_size"]
    steps = math.ceil(rows / batch)

    def batches():
        for epoch in range(10**9):
            order = np.random.default_rng([seed, epoch]).permutation(rows)
            for step in range(steps):
                taken = order[step * batch : (step + 1) * batch]
                yield x[taken], y[taken]

    curve, best = [], {"loss": math.inf}

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            curve.append({name: float(value) for name, value in logs.items()})
            if curve[-1]["val_loss"] < best["loss"]:
                best.update(loss=curve[-1]["val_loss"], epoch=epoch, weights=self.model.get_weights())

    callbacks = [Keep()]
    if not isinstance(
        getattr(model.optimizer, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule
    ):
        callbacks.append(keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.3, patience=1, min_lr=1e-5))
    callbacks.append(keras.callbacks.EarlyStopping("val_loss", patience=3))
    model.fit(
        batches(), steps_per_epoch=steps, epochs=fit["epochs"], validation_data=(x[rows:], y[rows:]),
        validation_batch_size=batch, callbacks=callbacks, verbose=0,
    )  # fmt: skip
    model.set_weights(best["weights"])
    metrics = {}
    for part, (a, b) in {"tr": (x, y), "te": (x_test, y_test)}.items():
        found = model.evaluate(a, b, batch_size=batch, verbose=0, return_dict=True)
        metrics |= {f"{name}_{part}": float(value) for name, value in found.items()}
    return {"curve": curve, "best_epoch": best["epoch"] + 1, "metrics": metrics}


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    asked = json.loads(Path(sys.argv[1]).read_text())
    for case in asked["cases"]:
        given = case["path"], case["function"]
        print(
            json.dumps([point(*given, config, asked["fit"], case["data"]) for config in case["configs"]]),
            flush=True,
        )
