"""Random nets, tables and optimizers: the kernel against NumPy in float64, and nothing written outside of an array."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tests.help.areas import counted_by_numpy
from tests.help.dense_formulas import TieError
from tests.help.dense_kernel import Memory, trained_by_kernel
from tests.help.dense_nets import Numbers, random_task
from tests.help.dense_reference import trained_by_reference
from tests.help.kernels import HERE, opened


def assert_trained_as_by_reference(functions, task):
    """Compare both, and return whether that was possible."""
    ours = trained_by_kernel(functions, task, Memory())
    assert ours is not None, "the kernel refuses the net"
    assert_counted(ours, task)
    try:
        theirs = trained_by_reference(task)
    except TieError:
        return False
    for name, wanted in vars(theirs).items():
        if name == "counted":
            continue
        found = getattr(ours, name)
        assert found.shape == wanted.shape
        # A few steps in float32, from numbers of about 1.
        allowed = 2e-4 * (1 + np.abs(wanted))
        with np.errstate(over="ignore", invalid="ignore"):
            is_wrong = ~(np.abs(found - wanted) <= allowed) & (found != wanted.astype(np.float32))  # infinity
        assert not is_wrong.any(), (
            name,
            np.argwhere(is_wrong)[:3],
            found[is_wrong][:3],
            wanted[is_wrong][:3],
        )
    return True


def assert_counted(ours, task):
    """Compare what is counted for areas with the outputs that the kernel itself kept: the same sums in the same order."""
    numbers, parts = Numbers(task), (slice(task.rows), slice(task.rows, None))
    for (outputs, counts), rows in zip(ours.counted, parts, strict=True):
        first = 0
        for area in task.areas:
            weight = numbers.weight[rows] if area.weighted and task.has_weights else None
            wanted = counted_by_numpy(outputs, numbers.y[rows], weight, area.thresholds)
            np.testing.assert_array_equal(counts[:, first : first + wanted.shape[1]], wanted)
            first += wanted.shape[1]
        assert first == counts.shape[1]


@st.composite
def tasks(draw):
    return random_task(lambda options: draw(st.sampled_from(options)))


@pytest.mark.heavy  # takes long
@pytest.mark.parametrize("name", HERE)
@hypothesis.settings(max_examples=60)
@hypothesis.given(task=tasks())
def test_any_task_trains_as_by_the_reference(name, task):
    assert_trained_as_by_reference(opened(name).functions, task)


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_thousands_of_tasks_train_as_by_the_reference(name):
    functions = opened(name).functions
    compared = 0
    for seed in range(3000):
        chance = np.random.default_rng(seed)
        task = random_task(lambda options, chance=chance: options[chance.integers(len(options))])
        compared += assert_trained_as_by_reference(functions, task)
    assert compared > 2700


def test_the_watched_memory_tells_of_writing_outside():
    memory = Memory()
    inside = memory.copy(np.zeros(5, np.float32))
    memory.check()
    np.lib.stride_tricks.as_strided(inside, (6,))[5] = 1.0
    with pytest.raises(AssertionError, match="outside of an array of 20 bytes"):
        memory.check()
