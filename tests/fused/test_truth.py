"""Builders of many kinds: every point has the numbers of plain Keras, whichever engine trains it."""

from pathlib import Path

import numpy as np
import pytest

from results.space import Space
from tests.help import truth
from tests.help.engines import train
from tests.help.truth import CASES
from tests.help.truth.expected import Oracle, Task, assert_equal
from tests.help.truth.training import FIT, RULES, table
from trainables.builder import find
from trainables.engine import Work
from trainables.fused.compose import few
from trainables.settings import Fit, Training

FOLDER = Path(truth.__file__).parent

RTOL = 2e-4
"""Of whole curves. The cases are no chaotic ones."""


def work_of(case, programs):
    builder = find.find(f"{FOLDER / case.file}.py:{case.function}", Path.cwd())
    return Work(
        Space(case.space, case.only),
        builder,
        table(case.target),
        Training(Fit(**FIT), RULES, programs=programs),
    )


def compared(case):
    """The points that plain Keras trains too: the last one, which has the last value of each axis, and another."""
    points = trained(case)
    return [points[-1], points[np.random.default_rng(len(str(case))).integers(len(points) - 1)]]


def trained(case):
    """The different points of a case."""
    space = Space(case.space, case.only)
    return sorted(space.nth(np.arange(space.different)).tolist())


@pytest.fixture(scope="module")
def expected(request, tmp_path_factory):
    """A function that returns what plain Keras gives for the compared points of a case that is tested."""
    here = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    cases = [item.callspec.params["case"] for item in here]
    tasks = []
    for case in cases:
        space = Space(case.space)
        configs = [space[idx] for idx in compared(case)]
        tasks.append(Task(FOLDER / f"{case.file}.py", case.function, configs, table(case.target)))
    with Oracle(tmp_path_factory.mktemp("oracle"), FIT, tasks) as oracle:
        yield lambda case: oracle[cases.index(case)]


IN_CI = ("conditional-momentum", "reads_global-build")
"""The cases that CI has time for."""


def marked(case):
    return pytest.param(case, id=str(case), marks=pytest.mark.ci if str(case) in IN_CI else [])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("truth")
@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_every_point_has_the_numbers_of_plain_keras(case, expected, monkeypatch):
    """The few points of a case are grouped by a study first, and then each from its own description."""
    engines = set()
    for programs, most in (("any", 0), ("xla", few.FEW)):
        if programs == "xla" and "native" not in engines:
            break  # XLA has trained them already
        monkeypatch.setattr(few, "FEW", most)
        found, reasons = train(work_of(case, programs), trained(case))
        assert sorted(found) == trained(case)
        assert all(row["error"] is None for row, *_ in found.values())
        engines = {row["engine"] for row, *_ in found.values()}
        assert engines <= set(case.engines), reasons
        for idx, plain in zip(compared(case), expected(case), strict=True):
            assert_equal(found[idx], plain, RTOL)
