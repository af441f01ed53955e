"""The digest of a function tells apart what its source does not, and is the same in every process."""

import functools
import importlib
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from sweep.plan.fingerprint import changes
from sweep.python.content import digest_of
from sweep.python.function import source_of
from tests.help.sessions import in_session

LIST = "def own(x): return x * {}\nLOSSES = [own]\ndef build(u): return LOSSES[0](u)"
DICT = "LOSSES = {{'a': lambda x: x * {}}}\ndef build(u): return LOSSES['a'](u)"
DEFAULT = "def helper(u, f=lambda x: x * {}): return f(u)\ndef build(u): return helper(u)"
DECORATED = """
import functools
def scaled(k):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(u):
            return function(u * k)
        return wrapper
    return decorate
def raw(u): return u
build = scaled({})(raw)
"""
METHOD = """
class Family:
    def __init__(self, k): self.k = k
    def make(self, u): return u * self.k
build = Family({}).make
"""
GLOBAL_IN_METHOD = """
K = {}
class Family:
    def go(self, u): return u * K
def build(u): return Family().go(u)
"""
CLASS_ATTRIBUTE = """
class Family:
    k = 0
Family.k = {}
def build(u): return u * Family.k
"""
LAMBDAS = "build = [lambda u: u * 2, lambda u: u * 5][{} == 5]"
FRAME = """
import pandas
def closed(frame):
    def build(u): return frame
    return build
build = closed(pandas.DataFrame({{"a": [1, 2], "b": ["x", "y"]}}).rename(columns={{"a": "c{}"}}))
"""
CATEGORIES = """
import pandas
def closed(frame):
    def build(u): return frame
    return build
build = closed(pandas.Series(pandas.Categorical(["x", "y"], [*"xy"][:: 1 if {} == 2 else -1])))
"""
LAYER = """
import keras
LAYERS = {{"a": keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(seed={}))}}
def build(u): return LAYERS["a"]
"""
PARTIAL = (
    "import functools\ndef f(u, own): return own[0](u)\nbuild = functools.partial(f, own=[lambda x: x * {}])"
)

OF_MODULE = "import sys\nALPHA = {}\ndef build(u): return sys.modules[__name__].ALPHA * u"

CHANGED = (
    OF_MODULE, LIST, DICT, DEFAULT, DECORATED, METHOD, GLOBAL_IN_METHOD, CLASS_ATTRIBUTE, LAMBDAS, FRAME, CATEGORIES, LAYER,
    PARTIAL,
)  # fmt: skip


def marks(function):
    return {"builder": {"source": source_of(function, "build")}}


@pytest.mark.parametrize("text", CHANGED)
def test_what_it_reads_is_noticed(text):
    one, again, other = (in_session(text.format(*[n] * 2)) for n in (2, 2, 5))
    assert changes(marks(one), marks(again)) == []
    assert changes(marks(one), marks(other)) != []


def test_what_changed_is_said_where_the_source_does_not_show_it():
    one, other = (marks(in_session(DICT.format(n))) for n in (2, 5))
    assert "what it reads" not in str(changes(one, other))
    found = changes(marks(in_session(METHOD.format(2))), marks(in_session(METHOD.format(5))))
    assert found == [
        "builder: its source is the same, but something changed that it reads: a function, an attribute or a value that its "
        "source does not show"
    ]


def without_digest(found, python):
    source = found["builder"]["source"]
    assert '\n_content = "Python 3.' in source
    lines = source.splitlines(keepends=True)
    kept = [line.replace("Python 3.", f"{python} 3.") for line in lines if python or "_content" not in line]
    return {"builder": {"source": "".join(kept)}}


@pytest.mark.parametrize("python", ["", "Another"])
def test_runs_of_earlier_versions_and_of_another_python_are_found(python):
    one, other = (marks(in_session(METHOD.format(n))) for n in (2, 5))
    assert changes(one, other) and changes(without_digest(one, python), other) == []


ALL = """
import enum
import functools
import keras, numpy, pandas, tensorflow
import helpers_of_content as helpers
from helpers_of_content import head, Layer

COUNTS = {"a": {"x", "y", "zebra"}, "b": frozenset(["u", "v"])}
FRAME = pandas.DataFrame({"a": [1.5, 2.5], "b": pandas.Categorical(["x", "y"])}, index=["u", "v"])
LAYERS = [keras.layers.Dense(3), keras.layers.Dropout(0.5), Layer(2), keras.initializers.HeNormal()]
SEEDS = keras.random.SeedGenerator(3), keras.random.SeedGenerator()

class Kind(enum.Enum):
    A = 1

class Net(keras.Model):
    width = 2

class Family:
    __slots__ = ("k", "kind")
    def __init__(self): self.k, self.kind = len("four"), Kind.A
    def width(self, u): return u * self.k if self.kind in {Kind.A} else FRAME

@functools.lru_cache
def cached(x): return x if x not in {"one", "two", "three"} else COUNTS

@tf.function
def loss(y, p): return keras.ops.mean((y - p) ** 2)

def again(n): return again(n - 1) if n else Family

def build(units):
    import late_of_content
    FRAME.columns.is_unique, FRAME["a"].sum(), FRAME.index.get_loc("u")
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(Family().width(units) + late_of_content.K)(inputs)
    model = Net(inputs, head(hidden) * helpers.K)
    cached(3), again(2), LAYERS, SEEDS
    model.compile(loss=loss)
    return model
""".replace("@tf.", "@tensorflow.")


@pytest.fixture
def helpers(tmp_path, monkeypatch):
    (tmp_path / "helpers_of_content.py").write_text(
        "import keras\nK = 1\ndef head(x): return keras.layers.Dense(1)(x)\n"
        "class Layer(keras.layers.Layer):\n"
        "  def __init__(self, k):\n    super().__init__()\n    self.k, self.seeds = k, keras.random.SeedGenerator()\n"
        "  def call(self, x): return x * self.k\n"
    )
    (tmp_path / "late_of_content.py").write_text("K = 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("helpers_of_content")
    for name in ("helpers_of_content", "late_of_content"):
        sys.modules.pop(name, None)


def test_it_is_the_same_after_a_call(helpers):
    build = in_session(ALL)
    before = digest_of(build)
    assert before == digest_of(in_session(ALL))
    build(units=3).fit(np.ones((4, 2)), np.ones(4), verbose=0)
    assert "late_of_content" in sys.modules
    assert digest_of(build) == before == digest_of(in_session(ALL))
    keras.utils.clear_session()
    assert digest_of(build) == before


def test_it_is_the_same_in_another_process(helpers, tmp_path):
    (tmp_path / "script.py").write_text(
        f"{ALL}\nfrom sweep.python.content import digest_of\nprint('it is', digest_of(build))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    ran = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, env=environment)
    assert ran.stdout.strip() == f"it is {digest_of(in_session(ALL))}", ran.stderr


def test_the_modules_that_it_uses_are_read(helpers, tmp_path):
    build = in_session(ALL)
    found = [digest_of(build)]
    helpers.K = 5
    found.append(digest_of(build))
    (tmp_path / "late_of_content.py").write_text("K = 2\ndef more(): ...\n")
    found.append(digest_of(build))
    path = tmp_path / "helpers_of_content.py"
    text = path.read_text()
    path.write_text(text.replace("Dense(1)", "Dense(7)"))  # a worker imports it as it is now
    found.append(digest_of(build))
    path.write_text("# a comment\n" + text)
    assert digest_of(build) == found[2] and len({*found}) == 4 and None not in found
    path.write_text(text.replace("K = 1", "K = 5").replace("Dense(1)", "Dense(77)"))
    importlib.reload(helpers)
    assert digest_of(in_session(ALL)) not in found


def test_of_its_own_module_only_what_it_reads_counts(helpers, tmp_path):
    one = functools.partial(helpers.head, 1)
    before = digest_of(one)
    path = tmp_path / "helpers_of_content.py"
    path.write_text(path.read_text() + "OTHER = 1\n")  # it is pickled with the function
    assert digest_of(one) == before != digest_of(functools.partial(helpers.head, 2))


def test_what_cannot_be_compared_does_not_hide_the_rest():
    text = "import threading\nLOCK, THREE = iter([1]), [lambda: {}]\ndef build(u): return LOCK, THREE"
    one, again, other = (in_session(text.format(n)) for n in (1, 1, 2))
    assert digest_of(one) == digest_of(again) != digest_of(other)
