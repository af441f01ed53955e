"""`sweep importance`: exact on a grid, estimated elsewhere, and refused where it has nothing to go by."""

from tests.help.commands import answer, message, sweep


def test_importance_is_exact_on_a_grid(small_run):
    said = sweep("importance", small_run, "--by", "loss_va")
    assert said.exit_code == 0 and "exact, as the 8 points are a whole grid" in said.output
    found = answer("importance", small_run)
    assert found["notes"] == []
    assert found["exact"] and sum(row["share"] for row in found["shares"]) <= 1 + 1e-9


def test_what_cannot_be_told_is_said(small_run, grid_run):
    assert "needs at least 20" in message("importance", small_run, "--where", "idx < 3")
    assert "holds no numbers" in message("importance", grid_run, "--by", "status")


def test_conditional_axes_have_the_shares_of_the_whole_grid(layers_run):
    found = answer("importance", layers_run)
    assert found["exact"] and found["rows"] == 7
    assert {row["axis"] for row in found["shares"]} == {"layers", "width_2", "width_3"}
