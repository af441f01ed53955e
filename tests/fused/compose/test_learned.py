"""What workers tell each other: descriptions of models are the same as those that a worker makes itself."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.help.cohorts import small_table
from tests.help.repository import ROOT
from trainables.builder import build
from trainables.builder.find import find
from trainables.builder.maker import Maker
from trainables.fused.compose import learned
from trainables.fused.compose.builds import Builds, Failed
from trainables.fused.compose.interactions import Interactions
from trainables.fused.compose.learned import Learned

TABLE = small_table()
ABALONE = find("trainables.abalone:build_and_compile_model", ROOT)
CONFIG = {
    "activation": "elu", "dropout_rate": 0.5, "hidden": [8, 4], "kernel_init": "he_uniform",
    "kernel_regularizer": "l1_l2", "learning_rate": 0.01, "optimizers": "adam", "use_batch": True,
}  # fmt: skip


def builds_of(builder=ABALONE, seed=7):
    made = Builds(Maker(builder, seed), builder, TABLE, seed, 60.0)
    made.times = 0
    really = made.build

    def counted(config):
        made.times += 1
        return really(config)

    made.build = counted
    return made


def equal(one, other):
    parts = ("signature", "variant", "optimizer", "numbers", "reads_globals")
    assert all(getattr(one, part) == getattr(other, part) for part in parts)
    assert len(one.initial) == len(other.initial) > 4
    for a, b in zip(one.initial, other.initial, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_that_another_worker_has_described_is_not_built():
    first, second = builds_of(), builds_of()
    made = first.describe(CONFIG)
    news = first.news()
    assert len(news) == 1 and not first.news()
    second.learn(news)
    equal(second.describe(CONFIG), made)
    assert second.times == 0 and not second.news()
    # A random member of a group is built by the worker that trains it.
    equal(second.describe(CONFIG, itself=True), made)
    assert second.times == 1
    second.describe(CONFIG, itself=True)
    assert second.times == 1
    assert second.fresh(CONFIG) is not None and second.times == 1


def test_a_description_counts_for_its_seed_and_machine_only(monkeypatch):
    first, other = builds_of(), builds_of(seed=8)
    first.describe(CONFIG)
    other.learn(first.news())
    other.describe(CONFIG)
    assert other.times == 1
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    elsewhere = builds_of()
    first.describe({**CONFIG, "activation": "relu"})
    elsewhere.learn(first.news())
    elsewhere.describe({**CONFIG, "activation": "relu"})
    assert elsewhere.times == 1


BUILDERS = """
import keras

STRENGTH = [0.1]


def mine(y, p):
    return keras.ops.mean((y - p) ** 2) * STRENGTH[0]


def build(loss):
    if loss == "none":
        raise ValueError("no loss")
    inputs = keras.Input((10,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(loss=mine if loss == "mine" else loss, optimizer="sgd")
    return model
"""


@pytest.mark.parametrize(("loss", "count"), [("mse", 1), ("mine", 0), ("none", 0)])
def test_what_may_change_and_what_failed_is_not_told(tmp_path, loss, count):
    """The loss `mine` reads a global, which the builder may change with each call."""
    (tmp_path / "model.py").write_text(BUILDERS)
    builds = builds_of(find("model.py:build", tmp_path))
    described = builds.describe({"loss": loss})
    assert isinstance(described, Failed) == (loss == "none")
    assert len(builds.news()) == count


def test_a_builder_that_keeps_state_tells_nothing():
    builds = builds_of()
    builds.describe(CONFIG)
    builds._function.anew = True
    assert not builds.news()


def test_only_so_many_bytes_are_passed_on(monkeypatch):
    monkeypatch.setattr(learned, "MOST_BYTES", 10)
    found = Learned(Interactions(), {"a": b"1234"}).joined(
        Learned(Interactions(), {"b": b"1234567", "c": b"123456"})
    )
    assert dict(found.models) == {"a": b"1234", "c": b"123456"}
    again = found.joined(Learned(Interactions(), {"a": b"1234", "d": b""}))
    assert set(again.models) == {"a", "c", "d"}


def test_the_driver_reads_it_without_keras():
    code = "import sys, trainables.fused.compose.learned; print('keras' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=Path(ROOT)) == "False\n"


@pytest.mark.slow
def test_a_description_of_another_process_is_equal_to_that_of_this_one(tmp_path):
    """Texts have other hashes in another process, and objects other addresses."""
    script = (
        "import pickle, sys\n"
        "from tests.fused.compose.test_learned import CONFIG, builds_of\n"
        "pickle.dump([builds_of().describe(CONFIG)], open(sys.argv[1], 'wb'))"
    )
    file = tmp_path / "described"
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, cwd=ROOT, timeout=300)
    with file.open("rb") as opened:
        [theirs] = pickle.load(opened)
    assert build.builder_axes(CONFIG, ABALONE) == CONFIG
    equal(theirs, builds_of().describe(CONFIG))
