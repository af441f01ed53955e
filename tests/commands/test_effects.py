"""`sweep effects`: distributions and pairs."""

import pytest

from tests.help.commands import answer, message, sweep
from tests.help.exports import make_run


def test_effects_are_distributions_and_pairs(grid_run):
    found = answer("effects", grid_run, "units")
    assert [row["value"] for row in found["values"]] == [2, 4]
    [pair] = found["pairs"]
    assert pair["pairs"] == 2 and 0.8 < pair["mean"] < 1.2  # the third pair has a point that failed
    assert "all other axes equal" in sweep("effects", grid_run, "units").output
    [note] = found["notes"]
    assert note.startswith("1 point has no loss_va and cannot count (1 failed)")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rat"], 'Did you mean "rate"'),
        (["idx"], 'no axis "idx"'),
        (["rate", "--by", "status"], "holds no numbers"),
    ],
)
def test_what_cannot_be_told_is_said(grid_run, words, said):
    assert said in message("effects", grid_run, *words)


def test_an_axis_has_effects_only_where_it_acts(layers_run):
    found = answer("effects", layers_run, "width_3")
    assert sum(row["rows"] for row in found["values"]) == 4 and found["pairs"][0]["pairs"] == 2
    assert found["notes"] == ["3 points are left out, because width_3 acts only where layers >= 3."]
    # From one layer to two, each of the two widths is a pair; and so on.
    pairs = {
        (row["value"], row["other"]): row["pairs"] for row in answer("effects", layers_run, "layers")["pairs"]
    }
    assert pairs == {(1, 2): 2, (1, 3): 4, (2, 3): 4}


@pytest.mark.parametrize("words", [["effects", "units"], ["importance"]])
def test_points_that_diverged_with_a_value_are_told(tmp_path, words):
    rows = [{"idx": 0}, {"idx": 1, "status": "diverged"}]
    run = make_run(tmp_path / "run", {"units": [1, 2]}, rows)
    name, *axis = words
    [note] = answer(name, run.folder.path, *axis)["notes"]
    assert note.startswith("1 point counts with the loss_va of a training that broke (1 diverged).")
