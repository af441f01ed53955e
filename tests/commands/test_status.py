"""`sweep status` counts the rows and says how to go on."""

from tests.help.commands import answer, sweep


def test_a_run_that_nobody_holds_is_stopped(grid_run):
    found = answer("status", grid_run)
    assert (found["state"], found["rows"], found["kept_here"]) == ("stopped", 6, 0)
    assert found["counts_in_folder"] == {"completed": 5, "failed": 1}
    said = sweep("status", grid_run).output
    assert "rows       6: 5 completed, 1 failed" in said and f"sweep run --out {grid_run}" in said
