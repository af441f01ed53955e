"""Each class of Keras that may be in a program is trained by it as by Keras' own `fit`."""

from pathlib import Path

import numpy as np
import pytest

from results.space import Space
from tests.help import each_class
from tests.help.cohorts import RULES
from trainables.builder import find
from trainables.fused.compose.members import Composer, Members
from trainables.fused.compose.points import Points
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.model import proven
from trainables.fused.training import proof
from trainables.fused.training.cohort import Cohort
from trainables.settings import Fit, Training
from trainables.table.data import Table

FIT = Fit(epochs=3, batch_size=32)
EXAMPLES = each_class.examples()


def table(target):
    chance = np.random.default_rng(2)
    x = chance.normal(size=(150, 6)).astype("float32")
    score = x[:, 0] + x[:, 1] * x[:, 2]
    codes = np.digitize(score, [-0.5, 0.5])
    y = {
        "number": np.abs(score) + 0.1,
        "binary": (score > 0)[:, None],
        "one_hot": np.eye(3)[codes],
        "codes": codes,
    }[target]
    y = y.astype("float32")
    return Table(x[:120], y[:120], x[120:], y[120:], tuple(f"x{i}" for i in range(6)), "y", "0")


def prove(example, programs="xla"):
    """Return why a program does not train the example as Keras does; empty if it does.

    Raises:
        UnfusableError: there is no such program for the example.
    """
    builder = find.find(f"{each_class.__file__}:build", Path.cwd())
    space = {
        "kind": [example.kind],
        "names": [list(example.names)],
        "target": [example.target],
        "rate": [0.01, 0.03],
    }
    if example.kind in ("optimizer", "schedule"):
        space["which"] = list(example.names)
    space, data = Space(space), table(example.target)
    composer = Composer(builder.load(), builder, data, 0)
    points = np.arange(len(space))
    members = composer.compose(Points.of(space, points), FIT)
    assert isinstance(members, Members), members
    cohort = Cohort(points, members, FIT, data, Training(FIT, RULES), 8, programs)
    build = lambda row: composer.build(space[row])  # noqa: E731
    rows, why = proof.refused(cohort.program, members, build, proof.Proven(), 0)
    return why if rows.any() else ""


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_a_program_trains_each_class_as_keras_does(example):
    assert prove(example) == ""


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_the_kernel_trains_each_class_as_keras_does_or_says_why_not(example):
    """Those that the kernel must have are tested in tests/native."""
    try:
        assert prove(example, "native") == ""
    except UnfusableError as error:
        assert "the native kernel cannot train them: " in str(error)


def test_every_listed_class_has_an_example():
    shown = {kind: {n for one in EXAMPLES if one.kind == kind for n in one.names} for kind in proven.LISTS}
    for kind, names in proven.LISTS.items():
        assert names - shown[kind] <= {*each_class.WRAPPERS, "InputLayer", "Model"}, kind


def test_the_readme_has_the_table_of_today():
    text = each_class.README.read_text()
    assert each_class.table() in text, "python -m tests.help.each_class writes it"
