"""What has the same effect in a program has one token, and nothing else has."""

import array
import collections
import copy
import datetime
import decimal
import enum
import functools
import importlib
import itertools
import logging
import random
import sys
import threading
import weakref

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.model.own_code import own_code
from trainables.fused.model.tokens import Tokens, token


class Box:
    """Holds one value, as an attribute."""

    def __init__(self, value):
        self.value = value


class Slotted:
    __slots__ = ("_value",)

    def __init__(self, value):
        self._value = value


class Scaled(keras.losses.Loss):
    def __init__(self, factor):
        super().__init__()
        self._factor = factor

    def call(self, y, p):
        return self._factor * keras.ops.square(y - p)


class Within(keras.metrics.Metric):
    def __init__(self, tolerance):
        super().__init__(name="within")
        self._tolerance = tolerance


class Half(keras.constraints.Constraint):
    def __init__(self, most):
        self.most = most

    def __call__(self, w):
        return w

    def clip(self, x):
        return x


class Warm(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak):
        self.peak = peak

    def __call__(self, step):
        return self.peak


class Kind(enum.Enum):
    ONE = 1
    TWO = 2


def power(y, p, n=2, *, shift=0.0):
    return (y - p) ** n + shift


def closing_over(value):
    return lambda y: y * value


def with_default(value):
    def function(y, factor=value):
        return y * factor

    return function


def with_keyword_default(value):
    def function(y, *, factor=value):
        return y * factor

    return function


def with_attribute(value):
    def function(y):
        return y

    function.factor = value
    return function


def decorated(value):
    return functools.lru_cache(closing_over(value))


def wrapped(value):
    @functools.wraps(power)
    def function(y, p):
        return power(y, p) * value

    return function


def class_of(value):
    class Made:
        factor = value

    return Made()


def subclass_of(value):
    class Base:
        def size(self):
            return value

    class Made(Base):
        pass

    return Made()


def property_of(value):
    class Made:
        @property
        def size(self):
            return value

        @staticmethod
        def other():
            return value

    return Made()


class Named:
    __slots__ = ("__value", "name")

    def __init__(self, value):
        self.__value, self.name = value, "one"


class Slots(dict):
    __slots__ = ("value",)


class Array(np.ndarray):
    pass


class Bytes(bytearray):
    pass


class Shown(float):
    """A number whose text does not tell it."""

    def __repr__(self):
        return "a number"


class Exact(decimal.Decimal):
    pass


class Duration(datetime.timedelta):
    pass


class Draws(random.Random):
    pass


class Hold:
    """What weak references refer to."""

    def __init__(self, value):
        self.value = value


HELD = []


def weakly(kind):
    """Return a function that makes a weak reference to an object that holds a value."""

    def holder(value):
        HELD.append(Hold(value))
        return kind(HELD[-1])

    return holder


def put(item, value):
    """Return an object with an attribute."""
    item.value = value
    return item


def enumeration(value, of_member=1.0):
    class Kinds(enum.Enum):
        ONE = 1
        TWO = 2

        def weigh(self, x):
            return value * x

    Kinds.ONE.share = of_member
    return Kinds


def flagged(value):
    event = threading.Event()
    if value > 2:
        event.set()
    return event


def of_metaclass(value):
    class Meta(type):
        factor = value

    return Meta("Made", (), {"__module__": __name__})


HOLDERS = [
    lambda value: value,
    closing_over, with_default, with_keyword_default, with_attribute, decorated, wrapped, class_of, subclass_of,
    property_of, Box, Slotted, Scaled, Within, Half, Warm,
    lambda value: functools.partial(power, n=value),
    lambda value: Half(value).clip,
    lambda value: tf.function(closing_over(value)),
    lambda value: keras.metrics.MeanMetricWrapper(closing_over(value), name="one"),
    lambda value: keras.layers.Dense(1, activity_regularizer=closing_over(value)),
    lambda value: [1, {"deep": (value,)}],
    lambda value: {3, value},
    lambda value: collections.deque([value]),
    lambda value: np.array([value], object),
    Named, Shown, Exact, Duration, flagged, of_metaclass,
    lambda value: pd.Series([1.0, value]),
    lambda value: put(Slots(), value),
    lambda value: put(np.zeros(2).view(Array), value),
    lambda value: put(Bytes(b"a"), value),
    lambda value: put(Draws(1), value),
    lambda value: put(functools.partial(power), value),
    weakly(weakref.ref), weakly(weakref.proxy), weakly(lambda one: weakref.WeakSet([one])),
    weakly(lambda one: weakref.WeakValueDictionary({"one": one})), weakly(lambda one: weakref.WeakKeyDictionary({one: 1})),
    enumeration, lambda value: enumeration(1.0, value), lambda value: enumeration(value).ONE,
    lambda value: enumeration(1.0, value).TWO.weigh,
]  # fmt: skip


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_holds_another_value_is_another_part(holder):
    assert token(holder(2.0)) == token(holder(2.0)) != token(holder(3.0))


VALUES = [
    (1, True), (1, 1.0), ("1", 1), (None, 0), ([1, 2], (1, 2)), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ([], {}),
    (np.array([1.0]), np.array([1.0], "float32")), (np.zeros((2, 3)), np.zeros((3, 2))), (np.float32(1), np.float32(2)),
    (np.ma.masked_array([1, 2], [0, 0]), np.ma.masked_array([1, 2], [0, 1])),
    (tf.constant([1.0]), tf.constant([2.0])), (tf.Variable(1.0), tf.Variable(2.0)),
    (keras.Variable([1.0]), keras.Variable([3.0])), (tf.ragged.constant([[1], [2, 3]]), tf.ragged.constant([[1, 2], [3]])),
    (Kind.ONE, Kind.TWO), (slice(1), slice(2)), (range(3), range(4)), (bytearray(b"a"), bytearray(b"b")),
    (random.Random(1), random.Random(2)), (np.random.default_rng(1), np.random.default_rng(2)),
    (np.random.RandomState(1), np.random.RandomState(2)), (keras.ops.tanh, keras.ops.sin), (np.add, np.subtract),
    (len, max), ([1].append, [2].append), (power, copy.copy), (np, tf), (keras.losses.Huber(1.0), keras.losses.Huber(2.0)),
    (keras.regularizers.L2(0.1), keras.regularizers.L2(0.2)), ("x" * 200, "x" * 199 + "y"),
    (collections.deque([1], 1), collections.deque([1], 2)), (array.array("i", [0]), array.array("f", [0.0])),
    (weakref.ref(Box), weakref.ref(Slotted)),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), VALUES)
def test_other_values_have_other_tokens(one, other):
    assert token(one) == token(one) != token(other)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN, PLAIN, st.sampled_from([lambda v: v, closing_over, Box, lambda v: functools.partial(power, v)]))
def test_tokens_are_equal_only_for_equal_values(one, other, holder):
    assert token(holder(one)) == token(holder(copy.deepcopy(one)))
    assert (token(holder(one)) == token(holder(other))) == (repr(one) == repr(other))


@given(st.integers(1, 5), st.integers(1, 5))
def test_lists_that_contain_themselves_end(one, other):
    def ring(length):
        first = last = [0]
        for _ in range(length - 1):
            last.append([0])
            last = last[-1]
        last.append(first)
        return first

    assert (token(ring(one)) == token(ring(other))) == (one == other)


def test_functions_that_call_each_other_end():
    def even(n):
        return True if n == 0 else odd(n - 1)

    def odd(n):
        return False if n == 0 else even(n - 1)

    assert token(even) == token(even) != token(odd)


def test_names_seeds_and_initializers_of_keras_count_only_where_they_have_an_effect():
    assert token(keras.layers.Dense(2, name="a")) == token(keras.layers.Dense(2, name="b"))
    assert token(keras.layers.Dropout(0.1, seed=1)) == token(keras.layers.Dropout(0.1, seed=1))
    assert token(keras.layers.Dense(2, kernel_initializer="ones")) == token(keras.layers.Dense(2))
    assert token(keras.losses.Huber(name="a")) == token(keras.losses.Huber(name="b"))
    # A metric's name is that of its column.
    one, other = (keras.metrics.MeanAbsoluteError(name=name) for name in ("a", "b"))
    assert token(one) != token(other)


def test_a_seed_or_name_that_a_user_s_code_reads_counts():
    class Silent(keras.losses.Loss):
        def __init__(self, seed):
            super().__init__()
            self.seed = seed

        def call(self, y, p):
            return p

    class Reading(Silent):
        def call(self, y, p):
            return p * self.seed

    assert token(Silent(1)) == token(Silent(2))
    assert token(Reading(1)) != token(Reading(2))
    assert token(Box(type("Plain", (), {"seed": 1})())) != token(Box(type("Plain", (), {"seed": 2})()))


USERS = """
import numpy as np
import helpers_of_a_user as helpers
from helpers_of_a_user import shift

SCALE = 1.0
UNREAD = 1.0
TABLE = {"inner": [1.0, {"deep": 2.0}]}
ARRAY = np.ones(3)


def inner(x):
    return x * SCALE


class Weights:
    factor = 1.0

    def of(self, x):
        return x * self.factor


WEIGHTS = Weights()


def calls(x):
    return inner(x)


def nested(x):
    return [y * SCALE for y in x], (lambda y: y * SCALE)


def table(x):
    return TABLE["inner"][1]["deep"] * x


def array(x):
    return ARRAY * x


def of_class(x):
    return Weights.factor * x


def of_object(x):
    return WEIGHTS.of(x)


def of_module(x):
    return helpers.rate * x


def of_function(x):
    return helpers.scaled(x)


def imports(x):
    from helpers_of_a_user import rate
    return rate * x


def dynamic(x):
    return globals()["SCALE"] * x


def nothing(x):
    return np.sum(x.UNREAD) + len(shift.__name__)
"""

HELPERS = """
rate = 1.0
unread = 1.0


def scaled(x):
    return x * rate


def shift(x):
    return x
"""


@pytest.fixture
def users(tmp_path, monkeypatch):
    """Two modules of a user, one of which imports the other."""
    (tmp_path / "module_of_a_user.py").write_text(USERS)
    (tmp_path / "helpers_of_a_user.py").write_text(HELPERS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("module_of_a_user")
    for name in ("module_of_a_user", "helpers_of_a_user"):
        sys.modules.pop(name)


CHANGES = [
    ("calls", lambda m: setattr(m, "SCALE", 2.0)),
    ("nested", lambda m: setattr(m, "SCALE", 2.0)),
    ("table", lambda m: m.TABLE["inner"][1].update(deep=3.0)),
    ("array", lambda m: m.ARRAY.fill(2.0)),
    ("of_class", lambda m: setattr(m.Weights, "factor", 2.0)),
    ("of_object", lambda m: setattr(m.Weights, "factor", 2.0)),
    ("of_object", lambda m: setattr(m.WEIGHTS, "factor", 2.0)),
    ("of_module", lambda m: setattr(m.helpers, "rate", 2.0)),
    ("of_function", lambda m: setattr(m.helpers, "rate", 2.0)),
    ("imports", lambda m: setattr(m.helpers, "rate", 2.0)),
    ("dynamic", lambda m: setattr(m, "SCALE", 2.0)),
]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_globals_count_as_they_are_at_that_moment(users, name, change):
    before = token(getattr(users, name))
    assert token(getattr(users, name)) == before
    change(users)
    assert token(getattr(users, name)) != before


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a user, with a module that its losses import when they run."""
    inner = tmp_path / "package_of_a_user" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").write_text("")
    (inner.parent / "settings.py").write_text("ALPHA, UNREAD = 1.0, 1.0")
    (inner / "losses.py").write_text("import importlib, sys")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("package_of_a_user.settings")
    yield importlib.import_module("package_of_a_user.inner.losses")
    for name in [one for one in sys.modules if one.startswith("package_of_a_user")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "lines",
    [
        "from .. import settings; return settings.ALPHA * x",
        "from ..settings import ALPHA; return ALPHA * x",
        "import package_of_a_user.settings as one; return one.ALPHA * x",
        "import package_of_a_user.settings as one; return getattr(one, 'ALPHA') * x",
        "return importlib.import_module('package_of_a_user.settings').ALPHA * x",
        "return __import__('package_of_a_user.settings').settings.ALPHA * x",
        "return sys.modules['package_of_a_user.settings'].ALPHA * x",
        "return sys.modules.get('package_of_a_user.settings').ALPHA * x",
    ],
)
def test_what_code_imports_when_it_runs_counts(package, lines):
    exec(f"def loss(x): {lines}", vars(package))
    before = token(package.loss)
    assert token(package.loss) == before
    sys.modules["package_of_a_user.settings"].ALPHA = 2.0
    assert token(package.loss) != before


@pytest.mark.parametrize(
    "lines",
    [
        "return importlib.import_module('package_of_a_user.' + x).ALPHA",
        "return importlib.import_module(x).ALPHA",
        "return importlib.import_module('..settings', __package__).ALPHA",
        "from importlib import import_module; return import_module('package_of_a_user.settings').ALPHA",
        "return sys.modules[x].ALPHA",
    ],
)
def test_a_module_by_a_name_that_is_no_constant_cannot_be_followed(package, lines):
    exec(f"def loss(x): {lines}", vars(package))
    with pytest.raises(UnfusableError, match="takes a module by a name which is no constant"):
        token(package.loss)


def test_a_function_with_kept_results_cannot_be_compared(users):
    users.rates = functools.lru_cache(users.calls)
    token(users.rates)
    users.rates(1.0)
    with pytest.raises(
        UnfusableError, match="a function with kept results, whose content cannot be compared"
    ):
        token(users.rates)


@pytest.mark.parametrize("name", ["calls", "of_module", "of_function", "imports", "nothing"])
def test_globals_that_are_not_read_do_not_count(users, name):
    before = token(getattr(users, name))
    users.UNREAD = users.helpers.unread = 5.0
    assert token(getattr(users, name)) == before


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("calls", True),
        ("of_class", True),
        ("of_module", True),
        ("of_function", True),
        ("nothing", False),
        ("inner", True),
    ],
)
def test_it_is_known_whether_data_of_a_module_is_read(users, name, reads):
    tokens = Tokens()
    tokens.of(getattr(users, name), "the loss")
    assert tokens.reads_globals is reads


STREAM = (number for number in range(3))
LOG = logging.getLogger("a user")
LOCK = threading.Lock()


def reads_a_stream(y, p):
    return next(STREAM) * (y - p)


def calls_it(y, p):
    return reads_a_stream(y, p)


def logs(y, p):
    with LOCK:
        LOG.info("called")
    return y - p


def test_what_cannot_be_compared_is_refused_with_the_place_where_it_was_found():
    with pytest.raises(UnfusableError) as error:
        token(calls_it, "the loss `calls_it`")
    assert str(error.value) == (
        "the loss `calls_it` reads `STREAM` in `reads_a_stream`, a generator, whose content cannot be compared between "
        "models; read a number, a list or an array instead"
    )


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (lambda path: (path / "file").open("w"), "an open file"),
        (lambda path: iter([1, 2]), "an iterator"),
        (lambda path: map(len, []), "an iterator"),
        (lambda path: itertools.count(), "an iterator"),
        (lambda path: sys._getframe(), "an object of builtins.frame"),
    ],
)
def test_iterators_files_and_objects_without_content_are_refused(value, name, tmp_path):
    held = value(tmp_path)
    with pytest.raises(UnfusableError, match=f"the loss reads `value`.*, {name}"):
        token(closing_over(held), "the loss")


def test_what_has_no_effect_is_not_refused():
    assert token(logs) == token(logs)


def test_a_model_s_own_parts_are_named_by_their_place():
    one, other = keras.Variable([1.0]), keras.Variable([1.0])
    tokens = Tokens({id(one): ("variable", 0), id(other): ("variable", 1)})
    assert tokens.of(closing_over(one), "") != tokens.of(closing_over(other), "")
    before = tokens.of(closing_over(one), "")
    one.assign([2.0])
    assert tokens.of(closing_over(one), "") == before


SUM, GENERATOR, VARIABLE = keras.metrics.Sum(), keras.random.SeedGenerator(3), keras.Variable([1.0])
NORMALIZED = keras.layers.BatchNormalization()
NORMALIZED.build((None, 2))
BUMP = VARIABLE.assign_add


def summed(y, p):
    SUM.update_state(y)
    return SUM.result()


def summed_anew(y, p):
    SUM.reset_state()
    return summed(y, p)


def drawn(y, p):
    return keras.random.normal((3,), seed=GENERATOR)


def bumped(y, p):
    return BUMP([1.0])


def normalized(y, p):
    return NORMALIZED(y, training=True)


def read(y, p):
    return y * VARIABLE


@pytest.mark.parametrize(
    ("function", "keeps"),
    [(summed, True), (summed_anew, False), (drawn, True), (bumped, True), (normalized, True), (read, False)],
)
def test_what_keras_changes_for_users_code_is_found(function, keeps):
    tokens = Tokens()
    tokens.of(function, "the loss")
    assert tokens.keeps_state == keeps
    tracked = [*SUM.variables, GENERATOR.state, VARIABLE, *NORMALIZED.variables]
    tokens = Tokens(tracked={id(part) for variable in tracked for part in (variable, variable.value)})
    tokens.of(function, "the loss")
    assert not tokens.keeps_state


@pytest.mark.parametrize("name", ["model.optimizer", "model._optimizer.rate", "getattr(model, 'optimizer')"])
def test_code_that_reads_an_optimizer_is_refused_unless_it_is_an_optimizer_s(name):
    function = eval(f"lambda y, p, model=None: {name}")
    own = {0: ("layer", 0)}
    with pytest.raises(UnfusableError, match="the metric reads the optimizer"):
        Tokens(own).of(Box(function), "the metric")
    Tokens(own, of_optimizer=True).of(Box(function), "the optimizer")


MADE_IN_NO_MODULE = """
def of(x):
    return x * 1.0

class Made:
    def of(self, x):
        return x * 1.0
"""


@pytest.mark.parametrize("name", ["of", "Made"])
def test_what_was_made_in_no_module_is_a_user_s(name):
    """`eval` and `exec` with a dictionary of one's own give no name of a module, as `sympy.lambdify` does."""

    def made(factor):
        known = {"ops": keras.ops}
        exec(MADE_IN_NO_MODULE.replace("1.0", factor), known)
        return known[name]

    assert token(made("1.0")) == token(made("1.0")) != token(made("2.0"))
    assert token(closing_over(made("1.0"))) == token(closing_over(made("1.0")))
    assert token(closing_over(made("1.0"))) != token(closing_over(made("2.0")))
    assert own_code(made("1.0")) == own_code(made("1.0")) != own_code(made("2.0"))
