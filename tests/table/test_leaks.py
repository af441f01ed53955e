"""A column that gives the target away is told, whatever its values are called."""

import numpy as np
import pandas as pd
import pytest

from trainables.table.data import load
from trainables.table.spec import DataSpec

CODES = np.resize([0, 1, 2, 2, 1], 100)


def notes(folder, y, **columns):
    frame = pd.DataFrame({"a": np.random.default_rng(3).normal(size=100), **columns, "y": y})
    frame.to_parquet(folder / "t.parquet")
    found = load(DataSpec(str(folder / "t.parquet"), "y", missing="fill")).notes
    return [note for note in found if "gives the answer away" in note]


@pytest.mark.parametrize(
    ("y", "leak"),
    [
        (np.array(["u", "v", "w"])[CODES], np.array(["u", "v", "w"])[CODES]),
        (np.array(["u", "v", "w"])[CODES], np.array(["q", "p", "o"])[CODES]),
        (np.array(["u", "v", "w"])[CODES], CODES * 10),
        (np.array(["u", "v", "w"])[CODES], np.array(["q", "p", None])[CODES]),
        (np.array(["no", "yes"])[CODES % 2], np.array(["zero", "one"])[CODES % 2]),
        (CODES % 2, np.array(["yes", "no"])[CODES % 2]),
        (CODES + 5.5, np.array(["q", "p", "o"])[CODES]),
    ],
)
def test_a_copy_of_the_target_under_other_names_is_told(tmp_path, y, leak):
    [note] = notes(tmp_path, y, leak=leak)
    assert 'The feature "leak"' in note and note.endswith('drop: ["leak"].')


@pytest.mark.parametrize(
    ("y", "other"),
    [
        (np.array(["u", "v", "w"])[CODES], np.array(["q", "p", "o"])[np.append(CODES[:-1], 2)]),
        (
            np.array(["u", "v", "w", "x"])[np.resize(range(4), 100)],
            np.array(["q", "p"])[np.resize(range(2), 100)],
        ),
        (np.arange(100) * 1.5, np.arange(100) ** 2),
    ],
)
def test_a_column_that_is_no_copy_is_not_told(tmp_path, y, other):
    assert notes(tmp_path, y, other=other) == []
