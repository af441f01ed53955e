"""A point against plain Keras: same batches, same rules, same numbers."""

import json

import keras
import numpy as np
import pytest

from sweep import Plan
from tests.help.batches import batches
from trainables.builder.find import find
from trainables.builder.maker import Maker
from trainables.settings import Callbacks, EarlyStopping, Fit, ReduceLROnPlateau, Training
from trainables.single.point import Point
from trainables.table.data import ABALONE, load
from trainables.table.order import row_order

TABLE = load(ABALONE)
PLAN = Plan.load()
BUILDER = PLAN.found_builder
BUILD = BUILDER.load()
# Short patience, so that plateau and early stopping both happen within the few epochs of a fast test.
RULES = Callbacks(EarlyStopping(patience=4), ReduceLROnPlateau(factor=0.1, patience=2, min_lr=1e-5))


class ShuffledRows(keras.utils.PyDataset):
    """The fitted rows as plain Keras would be given them: a batch at a time, in the order of the epoch."""

    def __init__(self, x, y, batch_size, seed):
        super().__init__()
        self.x, self.y, self.batch_size, self.seed, self.epoch = x, y, batch_size, seed, 0

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, step):
        order = row_order(self.seed, self.epoch, len(self.x))
        taken = order[step * self.batch_size : (step + 1) * self.batch_size]
        return self.x[taken], self.y[taken]

    def set_epoch(self, epoch, logs=None):  # not on_epoch_end, which Keras calls once more before training
        self.epoch = epoch


def plain_keras(config, epochs, seed, rules):
    """Train and evaluate a point with nothing but Keras; return its history, metrics and epochs."""
    config = dict(config)
    batch_size = config.pop("batch_size")
    normalizer = keras.layers.Normalization()
    normalizer.adapt(TABLE.x_train)
    keras.utils.set_random_seed(seed)
    model = BUILD(**config, input_shape=(10,), normalizer=normalizer)
    rows = 2673
    stopping, plateau = rules.early_stopping, rules.reduce_lr_on_plateau
    fitted = ShuffledRows(TABLE.x_train[:rows], TABLE.y_train[:rows], batch_size, seed)
    history = model.fit(
        fitted,
        epochs=epochs,
        shuffle=False,
        validation_data=(TABLE.x_train[rows:], TABLE.y_train[rows:]),
        validation_batch_size=batch_size,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_begin=fitted.set_epoch),
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss", factor=plateau.factor, patience=plateau.patience, min_lr=plateau.min_lr
            ),
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=stopping.patience, restore_best_weights=True
            ),
        ],
    ).history
    metrics = {
        f"{name}_{split}": value
        for split, (x, y) in {
            "tr": (TABLE.x_train, TABLE.y_train),
            "te": (TABLE.x_test, TABLE.y_test),
        }.items()
        for name, value in model.evaluate(x, y, verbose=0, return_dict=True).items()
    }
    return history, metrics


def point(config, epochs, seed=0, rules=RULES, milestones=()):
    training = Training(Fit(epochs=epochs), rules, milestones=milestones, seed=seed)
    return Point(BUILD, BUILDER, config, TABLE, training)


# The two run the same operations on the same numbers and differ at most in how sums are blocked: 1e-4 is a
# hundred times what was seen, and a hundredth of what a wrong batch or rule would make.
RTOL = 1e-4


@pytest.mark.parametrize(
    "draw",
    [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3, 4))],
)
def test_a_point_is_what_plain_keras_trains(draw):
    chance = np.random.default_rng(100 + draw)
    idx, seed = int(chance.integers(len(PLAN.space))), int(chance.integers(1000))
    config = PLAN.space[idx]
    config["learning_rate"] = float(chance.choice([0.05, 0.003]))  # fast enough to run into a plateau
    if draw % 2:
        config["dropout_rate"] = 0.5
    ours = point(config, 12, seed)
    for epoch in (3, 4, 12):  # as if ASHA had milestones there
        ours.advance(epoch)
    history, metrics = plain_keras(config, 12, seed, RULES)
    assert len(ours.recorder.curve) == len(history["loss"]), config
    for name, values in history.items():
        np.testing.assert_allclose(
            [entry[name] for entry in ours.recorder.curve], values, rtol=RTOL, err_msg=name
        )
    assert ours.status == ("early_stopped" if len(history["loss"]) < 12 else "completed")
    best = int(np.argmin(history["val_loss"]))
    assert ours.recorder.best_epoch == best + 1
    found = ours.metrics()
    for name, value in metrics.items():
        assert found[name] == pytest.approx(value, rel=RTOL), name
    assert found["loss_va"] == pytest.approx(history["val_loss"][best], rel=RTOL)


@pytest.mark.slow
def test_whole_points_are_what_plain_keras_trains():
    """Points drawn anew in each run, with the reference's own rules and budget."""
    chance = np.random.default_rng()
    for idx in chance.integers(len(PLAN.space), size=6):
        config = PLAN.space[int(idx)]
        ours = point(config, 200, rules=PLAN.callbacks)
        ours.advance(200)
        history, metrics = plain_keras(config, 200, 0, PLAN.callbacks)
        curve = [entry["val_loss"] for entry in ours.recorder.curve]
        # Rounding grows over hundreds of epochs, the more without a bound on the activations.
        np.testing.assert_allclose(curve, history["val_loss"][: len(curve)], rtol=1e-3, err_msg=f"idx {idx}")
        assert len(curve) == len(history["val_loss"]), f"idx {idx}"
        assert ours.metrics()["loss_te"] == pytest.approx(metrics["loss_te"], rel=1e-3), f"idx {idx}"


def test_weights_are_those_of_the_best_epoch():
    config = PLAN.space[17] | {"hidden": [8], "learning_rate": 0.05, "optimizers": "adam"}
    ours = point(config, 6)
    ours.advance(6)
    arrays = ours.recorder.best_weights
    layout = json.loads(ours.layout())
    assert [(dtype, shape) for _, dtype, shape in layout] == [(str(a.dtype), list(a.shape)) for a in arrays]
    metrics = ours.metrics()
    before = ours.model.get_weights()
    ours.model.set_weights(arrays)
    again = ours.model.evaluate(TABLE.x_test, TABLE.y_test, verbose=0, return_dict=True)
    assert again["loss"] == pytest.approx(metrics["loss_te"], rel=1e-6)
    assert any(
        not np.array_equal(a, b) for a, b in zip(before, arrays, strict=True)
    )  # metrics() put them back


KEEPING = {
    "variable": "self.scale.assign(0.9 * self.scale + 0.1 * tf.reduce_mean(error))",
    "number": "self.calls += 1\n        error = error * self.calls",
}
"""What a loss of the user's does in each call: it changes a variable that Keras does not track, or a number of Python's."""


@pytest.mark.parametrize("keeping", KEEPING)
def test_a_loss_begins_with_the_state_that_its_builder_gave_it(tmp_path, keeping):
    """How the target is taken is found out by calling the loss, and that call leaves nothing to the training."""
    (tmp_path / "model.py").write_text(
        "import keras\n"
        "import tensorflow as tf\n"
        "class Scaled(keras.losses.Loss):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.scale, self.calls = tf.Variable(1.0, trainable=False), 0\n"
        "    def call(self, y, p):\n"
        "        error = tf.square(tf.reshape(y, [-1, 1]) - p)\n"
        f"        {KEEPING[keeping]}\n"
        "        return tf.reduce_mean(error / self.scale, -1)\n"
        "def build(units):\n"
        "    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(units), keras.layers.Dense(1)])\n"
        "    model.compile(keras.optimizers.Adam(0.01), Scaled())\n"
        "    return model\n"
    )
    builder = find("model.py:build", tmp_path)
    training = Training(Fit(epochs=2, batch_size=512, shuffle=False), Callbacks(), seed=3)
    ours = Point(Maker(builder, 3), builder, {"units": 4}, TABLE, training)
    ours.advance(2)

    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    model, x, y = builder.load()(units=4), TABLE.x_train, TABLE.y_train
    fitted, validation = (batches((x[rows], y[rows]), 512) for rows in (slice(2673), slice(2673, None)))
    history = model.fit(fitted, epochs=2, verbose=0, validation_data=validation).history
    for name, values in history.items():
        np.testing.assert_allclose(
            [entry[name] for entry in ours.recorder.curve], values, rtol=RTOL, err_msg=name
        )
