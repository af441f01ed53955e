"""Random builders: every point has the numbers of plain Keras, or is trained by Keras for a reason that is told."""

from pathlib import Path

import numpy as np
import pytest

from results.space import Space
from tests.help.engines import train
from tests.help.truth.expected import Oracle, Task, assert_equal
from tests.help.truth.grammar import source
from tests.help.truth.training import FIT, RULES, table
from trainables.builder import find
from trainables.engine import Work
from trainables.fused.compose import few
from trainables.settings import Fit, Training

BUILDERS = 200
AT_ONCE = 20
RTOL = 1e-3
"""As in the README: float32 sums in another order, over a few epochs."""


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("first", range(0, BUILDERS, AT_ONCE))
def test_random_builders_have_the_numbers_of_plain_keras(first, tmp_path, monkeypatch):
    """The points of every second one are grouped by a study, the others from the descriptions of all their points."""
    works, tasks, chosen = [], [], []
    for seed in range(first, first + AT_ONCE):
        text, axes = source(seed)
        path = tmp_path / f"drawn_{seed}.py"
        path.write_text(text)
        space, data = Space(axes), table("number")
        last = len(space) - 1
        chosen.append([last, int(np.random.default_rng(seed).integers(last))])
        builder = find.find(f"{path}:build", Path.cwd())
        works.append(Work(space, builder, data, Training(Fit(**FIT), RULES)))
        tasks.append(Task(path, "build", [space[idx] for idx in chosen[-1]], data))
    wrong = {}
    with Oracle(tmp_path, FIT, tasks) as oracle:
        for number, work in enumerate(works):
            monkeypatch.setattr(few, "FEW", 0 if number % 2 else 128)
            found, reasons = train(work, range(len(work.space)))
            for idx, plain in zip(chosen[number], oracle[number], strict=True):
                try:
                    assert_equal(found[idx], plain, RTOL)
                except AssertionError as error:
                    wrong[f"seed {first + number}, {work.space[idx]}"] = f"{error} {reasons.get(idx)}"
    assert not wrong, wrong


def test_a_drawn_builder_is_source_code_with_its_axes():
    for seed in range(50):
        text, axes = source(seed)
        compile(text, "drawn.py", "exec")
        assert 1 <= len(axes) <= 4 and all(len(values) == 2 for values in axes.values())
