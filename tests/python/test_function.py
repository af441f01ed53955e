"""A function without a file travels by value, and its text tells two functions apart."""

import functools
import importlib
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest

from sweep.errors import InputError
from sweep.python.function import named, pickled, source_of
from tests.help.sessions import in_session
from trainables.builder import find, modules

WIDTH = 3


def at_the_top(units, rate=0.1, *, normalizer=None):
    return keras.layers.Dense(units * WIDTH)


def closure(width, rates=(1, 2), layer=None):
    def build(units, rate=0.5):
        return width, rates, units, layer

    return build


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments, **axes):
        return function(*arguments, **axes)

    return wrapper


def test_only_a_function_of_a_file_is_named():
    # Other tests import this module anew.
    builder = importlib.import_module("trainables.abalone").build_and_compile_model
    assert named(builder).endswith("trainables/abalone.py:build_and_compile_model")
    assert named(at_the_top) == f"{__file__}:at_the_top"
    assert named(closure(1)) is None and named(lambda units: units) is None
    assert named(functools.partial(at_the_top, rate=1)) is None
    assert named(in_session("def build(units): ...")) is None


def written(tmp_path, function):
    made = pickled(function)
    (tmp_path / f"{made.name}.pkl").write_bytes(made.content)
    (tmp_path / f"{made.name}.py").write_text(made.source)
    return find.find(f"{made.name}.pkl:{made.name}", tmp_path)


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (closure(4), "build(units, rate=...)"),
        (lambda units, *, depth=2: units * depth, "build(units, depth=...)"),
        (functools.partial(closure(4), rate=3), "build(units, rate=...)"),
        (decorated(closure(4)), "build(units, rate=...)"),
        (in_session("def build(units, **axes):\n    return units"), "build(units, **kwargs)"),
    ],
)
def test_the_signature_is_read_without_unpickling(tmp_path, monkeypatch, function, signature):
    monkeypatch.setattr(find.Builder, "load", None)
    found = written(tmp_path, function)
    assert found.signature == signature and found.required == {"units"}
    assert find.locate(found.name, tmp_path) == (found.path, False)


def test_another_process_can_call_it(tmp_path):
    found = written(tmp_path, closure(7, rates=np.array([1.5])))
    code = (
        "from pathlib import Path; from trainables.builder import find; "
        f"print(find.find({found.name!r}, Path('/')).load()(units=5)[:3])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert ran.stdout.strip() == "(7, array([1.5]), 5)", ran.stderr


def test_what_it_uses_is_in_its_text():
    text = "import math\nLOSSES = {'a': [1.5]}\nOTHER = 1\ndef helper(x):\n    return LOSSES\n"
    text += "def build(units):\n    return helper(math.pi)"
    source = source_of(in_session(text), "build")
    assert "import math" in source and "LOSSES = {'a': [1.5]}" in source and "OTHER" not in source


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (closure(1), closure(2)),
        (closure([1]), closure((1,))),
        (closure(np.zeros(3)), closure(np.zeros(4))),
        (closure(np.zeros(3, "float32")), closure(np.zeros(3, "float64"))),
        (closure(1, layer=keras.layers.Dense(2)), closure(1, layer=keras.layers.Dense(3))),
        (in_session("W = 1\ndef build(u): return W"), in_session("W = 2\ndef build(u): return W")),
        (
            in_session("def h(): return 1\ndef build(u): return h()"),
            in_session("def h(): return 2\ndef build(u): return h()"),
        ),
        (
            in_session("class C:\n  w = 1\ndef build(u): return C"),
            in_session("class C:\n  w = 2\ndef build(u): return C"),
        ),
        (in_session("def build(u, w=1): return w"), in_session("def build(u, w=2): return w")),
        (
            in_session("def build(u): return [x + 1 for x in u]"),
            in_session("def build(u): return [x + 2 for x in u]"),
        ),
        (functools.partial(at_the_top, rate=1), functools.partial(at_the_top, rate=2)),
    ],
)
def test_a_change_of_what_it_uses_changes_its_text(one, other):
    assert source_of(one, "build") != source_of(other, "build")
    assert source_of(one, "build") == source_of(one, "build")


def test_names_that_keras_counts_up_do_not_change_its_text():
    one, other = closure(1, layer=keras.layers.Dense(2)), closure(1, layer=keras.layers.Dense(2))
    assert source_of(one, "build") == source_of(other, "build")


def test_what_cannot_be_pickled_is_said():
    with pytest.raises(InputError, match=r"the function build cannot be pickled \(TypeError"):
        pickled(closure(threading.Lock()))


STATEFUL = """
SETTINGS = {"alpha": 1}
COUNT = 0

class Kept:
    seen = 0

def build(alpha):
    global COUNT
    COUNT += 1
    SETTINGS["alpha"] = alpha
    Kept.seen = alpha
    return SETTINGS["alpha"]
"""


def test_its_state_is_seen_and_gone_after_a_fresh_import(tmp_path):
    builder = written(tmp_path, in_session(STATEFUL))
    function = builder.load()
    before = modules.globals_of(builder)
    function(alpha=5)
    after = modules.globals_of(builder)
    changed = {name.rpartition(".")[2] for name in before if before[name] != after[name]}
    assert changed == {"SETTINGS", "COUNT", "Kept"}
    modules.forget(builder)
    again = builder.load()
    assert again is not function and again.__globals__["SETTINGS"] == {"alpha": 1}


def test_the_state_of_a_closure_is_seen(tmp_path):
    settings = {"alpha": 1}

    def build(alpha):
        settings["alpha"] = alpha
        return settings

    builder = written(tmp_path, build)
    function = builder.load()
    before = modules.globals_of(builder)
    assert function(alpha=3) is not settings
    assert modules.globals_of(builder) != before


def test_a_damaged_pickle_is_one_message(tmp_path):
    builder = written(tmp_path, closure(1))
    builder.path.write_bytes(b"no pickle")
    with pytest.raises(find.BuilderError, match=r"importing .*build.pkl raised"):
        builder.load()
