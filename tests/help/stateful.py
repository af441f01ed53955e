"""Builders that keep state between calls, and a command that builds their points in fresh processes.

`python -m tests.help.stateful FOLDER NAME...` prints the outcome as JSON. FOLDER has a folder for each
of the named `CASES`. Each point is built in a process of its own, forked before any builder was imported.
"""

import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np

HEAD = """
import keras
from keras import layers

def finish(outputs, inputs, optimizer="sgd", loss="mse"):
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=optimizer, loss=loss)
    return model
"""

CASES = {
    "plain": """
def build(units, size):
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dropout(0.1)(layers.Dense(units)(inputs))), inputs)
""",
    "memory": """  # of something that does not change
TABLE = None
def build(units, size):
    global TABLE
    TABLE = TABLE or [1.0, 2.0]
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs)
""",
    "seeded": """
from random import random
from numpy.random import normal
def build(units, size):
    if units == 3:
        start = keras.initializers.Constant(random() + normal())
    else:
        start = "zeros"
    inputs = keras.Input((4,))
    return finish(layers.Dense(1, kernel_initializer=start)(layers.Dense(units)(inputs)), inputs)
""",
    "policy_at_top": """
keras.config.set_dtype_policy("mixed_bfloat16")
def build(units, size, normalizer):
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(normalizer(inputs))), inputs)
""",
    "policy_by_axis": """
def build(units, size):
    if units == 3:
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.config.set_epsilon(1e-3)
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.BatchNormalization()(layers.Dense(units)(inputs))), inputs)
""",
    "floatx_by_axis": """
def build(units, size):
    if units == 3:
        keras.config.set_floatx("float64")
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs)
""",
    "initializers_at_top": """
DRAWN = keras.initializers.HeNormal()
def build(units, size):
    inputs = keras.Input((4,))
    return finish(layers.Dense(1, kernel_initializer=DRAWN)(layers.Dense(units)(inputs)), inputs)
""",
    "generator_at_top": """
DRAWN = keras.initializers.GlorotUniform(seed=keras.random.SeedGenerator(3))
def build(units, size):
    inputs = keras.Input((4,))
    return finish(layers.Dense(1, kernel_initializer=DRAWN)(layers.Dense(units)(inputs)), inputs)
""",
    "numbers_at_top": """
import numpy as np
CHANCE = np.random.default_rng(5)
def build(units, size):
    inputs = keras.Input((4,))
    start = keras.initializers.Constant(float(CHANCE.normal()))
    return finish(layers.Dense(1, kernel_initializer=start)(layers.Dense(units)(inputs)), inputs)
""",
    "attributes": """
import numpy as np
CHANCE = np.random.default_rng(5)
class RandomFeatures(layers.Layer):
    def __init__(self, count):
        super().__init__()
        self.count = count
    def build(self, shape):
        self.w = CHANCE.normal(0, 1, (shape[-1], self.count)).astype("float32")
    def call(self, x):
        return keras.ops.cos(keras.ops.matmul(x, self.w))
def build(units, size):
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(RandomFeatures(units)(inputs)), inputs)
""",
    "closure": """
import random
draw = random.Random(5).random
def build(units, size):
    factor = draw()
    def loss(y, p):
        return factor * keras.ops.mean(keras.ops.square(y - p), axis=-1)
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs, loss=loss)
""",
    "default": """
import numpy as np
def build(units, size, chance=np.random.RandomState(5)):
    factor = float(chance.uniform())
    def loss(y, p):
        return factor * keras.ops.mean(keras.ops.square(y - p), axis=-1)
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs, loss=loss)
""",
    "optimizer_at_top": """
ADAM = keras.optimizers.Adam(0.01)
def build(units, size):
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs, ADAM)
""",
    "layer_at_top": """
LAST = layers.Dense(1)
def build(units, size):
    inputs = keras.Input((4,))
    return finish(LAST(layers.Dense(3)(layers.Dense(units)(inputs))), inputs)
""",
    "cache": """
import functools
@functools.cache
def kept(units):
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units, activation="tanh")(inputs)), inputs)
def build(units, size):
    return kept(units)
""",
    "counter": """
calls = 0
def build(units, size):
    global calls
    calls += 1
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units + calls)(inputs)), inputs)
""",
    "helper": """
import parts
def build(units, size):
    inputs = keras.Input((4,))
    return finish(parts.last()(layers.Dense(units)(inputs)), inputs)
""",
    "global_of_a_loss": """
LOW = 1.0
def skewed(y, p):
    return keras.ops.mean(keras.ops.square(y - p) * keras.ops.where(y > p, LOW, 1.0), axis=-1)
def build(units, size):
    global LOW
    LOW = float(size)
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs, loss=skewed)
""",
    "array_at_top": """
import numpy as np
W = np.ones(2, "float32")
def skewed(y, p):
    e = keras.ops.reshape(y, [-1, 1]) - p
    return keras.ops.mean(keras.ops.square(e) * keras.ops.where(e > 0, W[0], W[1]), axis=-1)
def build(units, size):
    if size == 5:
        W[1] = 5.0
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs, loss=skewed)
""",
    "settings_at_top": """
import argparse, collections, contextvars, dataclasses, threading, types
@dataclasses.dataclass(slots=True)
class Slotted:
    low: float = 1.0
A, B, C, D, E = types.SimpleNamespace(low=1.0), argparse.Namespace(low=1.0), Slotted(), threading.local(), {"x": [Slotted()]}
F, G, H = collections.deque([1.0]), bytearray(b"1"), contextvars.ContextVar("H", default=1.0)
D.low = 1.0
def skewed(y, p):
    low = A.low * B.low * C.low * D.low * E["x"][0].low * F[0] * int(G) * H.get()
    e = keras.ops.reshape(y, [-1, 1]) - p
    return keras.ops.mean(keras.ops.square(e) * keras.ops.where(e > 0, 1.0, low), axis=-1)
def change(which):
    if which in "ABCD":
        globals()[which].low = 5.0
    elif which == "E":
        E["x"][0].low = 5.0
    elif which == "F":
        F[0] = 5.0
    elif which == "G":
        G[0] = ord("5")
    else:
        H.set(5.0)
WHICH = "A"
def build(units, size):
    if size == 5:
        change(WHICH)
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs, loss=skewed)
""",
    "regularizer_at_top": """
LIGHT = keras.regularizers.L2(0.01)
def build(units, size):
    if size == 5:
        LIGHT.l2 = 0.5
    inputs = keras.Input((4,))
    return finish(layers.Dense(1, kernel_regularizer=LIGHT)(layers.Dense(units)(inputs)), inputs)
""",
    "outside": """
import outside_helper
def build(units, size):
    if size == 5:
        outside_helper.LOW = 5.0
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs, loss=outside_helper.skewed)
""",
    "draws": """
import tensorflow as tf
def build(units, size):
    inputs = keras.Input((4,))
    start = keras.initializers.Constant(float(tf.random.normal((), seed=size)) if units == 3 else 0.5)
    return finish(layers.Dense(1, kernel_initializer=start)(layers.Dense(units)(inputs)), inputs)
""",
    "raw_draws": """
import tensorflow as tf
def build(units, size):
    inputs = keras.Input((4,))
    drawn = tf.raw_ops.RandomStandardNormal(shape=[1], dtype=tf.float32, seed=1, seed2=2)
    start = keras.initializers.Constant(float(drawn[0]))
    return finish(layers.Dense(1, kernel_initializer=start)(layers.Dense(units)(inputs)), inputs)
""",
    "entropy": """
import numpy as np
def build(units, size):
    inputs = keras.Input((4,))
    start = keras.initializers.Constant(float(np.random.default_rng().normal()))
    return finish(layers.Dense(1, kernel_initializer=start)(layers.Dense(units)(inputs)), inputs)
""",
    "entropy_of_a_loss": """
import numpy as np
def build(units, size):
    factor = float(np.random.default_rng().normal())
    def loss(y, p):
        return factor * keras.ops.mean(keras.ops.square(y - p), axis=-1)
    inputs = keras.Input((4,))
    return finish(layers.Dense(1)(layers.Dense(units)(inputs)), inputs, loss=loss)
""",
    "clock": """
import time
def build(units, size):
    inputs = keras.Input((4,))
    start = keras.initializers.GlorotUniform(seed=int(time.time()))
    return finish(layers.Dense(1, kernel_initializer=start)(layers.Dense(units)(inputs)), inputs)
""",
}

PARTS = """
from keras import layers
made = []
def last():
    made.append(None)
    return layers.Dense(1, kernel_initializer="zeros" if len(made) > 1 else "ones")
"""

OUTSIDE = """
from keras import ops
LOW = 1.0
def skewed(y, p):
    e = ops.reshape(y, [-1, 1]) - p
    return ops.mean(ops.square(e) * ops.where(e > 0, 1.0, LOW), axis=-1)
"""
"""A module that is in another folder than the builder, like that of a project with a folder `src`."""

SPACE = {"units": [2, 3], "size": [2, 5]}
POINTS = [{"units": units, "size": size} for size in SPACE["size"] for units in SPACE["units"]]
"""In the order of their idx."""

SEED = 4
BATCH = 16
EPOCHS = 2
CHANCE = {"entropy", "entropy_of_a_loss", "clock"}
TRAINED = (
    "cache", "optimizer_at_top", "global_of_a_loss", "policy_at_top", "attributes", "closure", "default", "array_at_top",
    "settings_at_top", "regularizer_at_top", "outside",
)  # fmt: skip


def write_cases(folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "outside_helper.py").write_text(OUTSIDE)
    for name, text in CASES.items():
        (folder / name).mkdir()
        (folder / name / "model.py").write_text(
            HEAD + text.removeprefix("  # of something that does not change")
        )
        (folder / name / "parts.py").write_text(PARTS)


def table_arrays():
    """Features and target of the train rows, float32."""
    x = np.random.default_rng(1).normal(size=(80, 4)).astype("float32")
    return x, (x[:, 0] - x[:, 1]).astype("float32")


def initial(model):
    """Return what is to be equal to the last bit: a digest of all values, and the types of the layers."""
    values = hashlib.sha256()
    for variable in model.variables:
        values.update(np.asarray(variable.value).tobytes())
    shapes = [list(map(int, variable.shape)) for variable in model.variables]
    return {
        "values": values.hexdigest(),
        "shapes": shapes,
        "types": [layer.dtype_policy.name for layer in model.layers],
    }


def fresh(folder: Path, config):
    """Build a point by nothing but Keras, and train it if its case is in `TRAINED`.

    This process must have imported no builder yet.
    """
    import keras

    from tests.help.batches import batches

    keras.utils.set_random_seed(SEED)
    sys.path += [str(folder), str(folder.parent / "src")]
    spec = importlib.util.spec_from_file_location("model", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x, y = table_arrays()
    given = dict(config)
    if "normalizer" in module.build.__code__.co_varnames[: module.build.__code__.co_argcount]:
        given["normalizer"] = keras.layers.Normalization()
        given["normalizer"].adapt(x)
    keras.utils.set_random_seed(SEED)
    model = module.build(**given)
    found = initial(model)
    if folder.name not in TRAINED:
        return found
    fitted, validation = (batches((x[rows], y[rows]), BATCH) for rows in (slice(64), slice(64, None)))
    history = model.fit(fitted, epochs=EPOCHS, verbose=0, validation_data=validation)
    return {**found, "curve": history.history}


def main(folder: Path, names: list[str]) -> None:
    import keras  # noqa: F401  # before the forks, because it takes long

    answer = {}
    for name in names:
        answer[name] = []
        for config in POINTS:
            reader, writer = os.pipe()
            if not os.fork():
                with os.fdopen(writer, "w") as file:
                    json.dump(fresh(folder / name, config), file)
                os._exit(0)
            os.close(writer)
            with os.fdopen(reader) as file:
                answer[name].append(json.load(file))
            os.wait()
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
