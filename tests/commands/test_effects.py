"""`sweep effects`: distributions and pairs."""

import pytest

from tests.help.commands import answer, message, sweep


def test_effects_are_distributions_and_pairs(grid_run):
    found = answer("effects", grid_run, "units")
    assert [row["value"] for row in found["values"]] == [2, 4]
    [pair] = found["pairs"]
    assert pair["pairs"] == 2 and 0.8 < pair["mean"] < 1.2  # the third pair has a point that failed
    assert "all other axes equal" in sweep("effects", grid_run, "units").output


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
