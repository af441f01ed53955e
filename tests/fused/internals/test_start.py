"""The import of Keras into a worker: without scikit-learn, which still comes when somebody asks for it."""

import gc
import importlib
import inspect
import subprocess
import sys

import pytest

from trainables.fused.internals.start import LAZY, import_keras, lazily, uncollected


def test_a_lazy_module_loads_with_its_first_attribute(tmp_path, monkeypatch):
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "__init__.py").write_text("from shelf import late as late, soon as soon\n")
    (tmp_path / "shelf" / "late.py").write_text("import shelf\nshelf.is_loaded = True\nvalue = 7\n")
    (tmp_path / "shelf" / "soon.py").write_text("value = 8\n")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    with lazily(("shelf.late",)):
        shelf = importlib.import_module("shelf")
    assert sys.meta_path == finders
    assert not hasattr(shelf, "is_loaded")
    assert shelf.soon.value == 8
    assert (
        inspect.getmodule(compile("", "nowhere", "exec")) is None
    )  # looks at all modules, as autograph does
    assert not hasattr(shelf.late, "__wrapped__") and not hasattr(shelf, "is_loaded")
    assert shelf.late.value == 7 and shelf.is_loaded
    for name in ("shelf", "shelf.late", "shelf.soon"):
        del sys.modules[name]


def test_a_lazy_module_whose_code_fails_fails_again_and_a_star_loads_it(tmp_path, monkeypatch):
    (tmp_path / "late_one.py").write_text("import os\nvalue = int(os.environ['LATE_ONE'])\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("LATE_ONE", raising=False)
    with lazily(("late_one",)):
        late_one = importlib.import_module("late_one")
    for _ in range(2):
        with pytest.raises(KeyError):
            late_one.value  # noqa: B018
    monkeypatch.setenv("LATE_ONE", "3")
    names = {}
    exec("from late_one import *", names)
    assert names["value"] == late_one.value == 3
    with pytest.raises(AttributeError):
        late_one.other  # noqa: B018
    del sys.modules["late_one"]


def test_the_lazy_modules_are_keras_wrappers():
    import keras

    import_keras()  # again: nothing happens
    assert all(importlib.import_module(name).SKLearnClassifier for name in LAZY)
    assert keras.wrappers.SKLearnClassifier is importlib.import_module(LAZY[0]).SKLearnClassifier


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_left_as_it_was(was_on):
    before = gc.isenabled()
    try:
        (gc.enable if was_on else gc.disable)()
        with uncollected():
            assert not gc.isenabled()
        assert gc.isenabled() == was_on
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.slow
def test_a_worker_imports_no_scikit_learn_unless_it_is_used_and_is_told_which_name_keras_lacks():
    script = """
import sys
import trainables.trials.trial
from trainables.fused.internals import errors, private, start
start.NAMES = (*start.NAMES, private.Private("keras._tf_keras", "nothing", "nothing"))
try:
    start.import_keras()
except errors.InternalsError as error:
    assert "lacks keras._tf_keras.nothing;" in str(error)
else:
    raise AssertionError
import keras
import tensorflow as tf
tf.function(lambda x: x + 1)(1)  # autograph looks at all modules
assert "sklearn" not in sys.modules and "scipy.stats" not in sys.modules
assert issubclass(keras.wrappers.SKLearnRegressor, sys.modules["sklearn"].base.RegressorMixin)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)
