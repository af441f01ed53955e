"""Which classes of Keras may be in a program: those whose exact class is listed."""

import keras
import pytest

from trainables.fused.model import proven
from trainables.fused.model.proven import LISTS, why_unproven

MODULES = {
    "layer": keras.layers,
    "optimizer": keras.optimizers,
    "loss": keras.losses,
    "metric": keras.metrics,
    "activation": keras.activations,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
    "schedule": keras.optimizers.schedules,
}
GENERAL = {"Functional", "Model", "Sequential", "LossFunctionWrapper"}


@pytest.mark.parametrize("word", LISTS)
def test_each_listed_name_is_one_of_keras(word):
    missing = {name for name in LISTS[word] if not hasattr(MODULES[word], name)}
    assert missing <= GENERAL | LISTS["loss"] if word == "metric" else missing <= GENERAL


@pytest.mark.parametrize(
    ("word", "item"),
    [
        ("layer", keras.layers.Dense(1)), ("layer", keras.Sequential), ("optimizer", keras.optimizers.Adam),
        ("loss", "mse"), ("loss", "crossentropy"), ("loss", keras.losses.huber), ("loss", keras.losses.Huber()),
        ("metric", "acc"), ("metric", "mae"), ("metric", keras.metrics.AUC()), ("activation", "swish"),
        ("activation", keras.activations.relu), ("activation", keras.ops.sin), ("regularizer", keras.regularizers.L2()),
        ("constraint", keras.constraints.MaxNorm()), ("schedule", keras.optimizers.schedules.CosineDecay(0.1, 5)),
        ("loss", lambda y, p: p), ("loss", eval("lambda y, p: p", {})), ("activation", eval("lambda x: x", {})),
    ],
)  # fmt: skip
def test_listed_parts_and_those_of_users_may_be_fused(word, item):
    assert why_unproven(word, item) is None


@pytest.mark.parametrize(
    ("word", "item", "name"),
    [
        ("layer", keras.layers.Conv2DTranspose(1, 1), "Conv2DTranspose"), ("optimizer", keras.optimizers.Muon, "Muon"),
        ("optimizer", keras.optimizers.ScheduleFreeAdamW, "ScheduleFreeAdamW"),
        ("loss", "dice", "dice"), ("loss", keras.losses.Tversky(), "Tversky"), ("metric", keras.metrics.IoU(2, [0]), "IoU"),
        ("activation", keras.activations.glu, "glu"),
    ],
)  # fmt: skip
def test_a_part_that_is_not_listed_is_named(word, item, name):
    assert (
        why_unproven(word, item)
        == f"the {word} {name} of Keras is not among those proven to train in a program"
    )


def test_a_class_of_keras_does_not_inherit_the_proof_of_its_base(monkeypatch):
    monkeypatch.setitem(LISTS, "optimizer", proven.OPTIMIZERS - {"AdamW"})
    assert issubclass(keras.optimizers.AdamW, keras.optimizers.Adam)
    assert why_unproven("optimizer", keras.optimizers.AdamW()) is not None

    class Mine(keras.optimizers.AdamW):
        pass

    assert why_unproven("optimizer", Mine()) is None
