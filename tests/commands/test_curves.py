"""`sweep curves`: of the points asked for, of the best, or as bands."""

import io

import pandas as pd
import pytest

import results
from tests.help.commands import answer, message, sweep
from tests.help.exports import make_run
from tests.help.reports import GRID


def test_curves_are_of_the_points_asked_for_or_of_the_best(grid_run, tmp_path):
    assert [row["idx"] for row in answer("curves", grid_run, 3, 1)] == [1, 3]
    best = results.open(grid_run).top(2, "MAE_te")["idx"]
    assert {row["idx"] for row in answer("curves", grid_run, "--top", 2, "--by", "MAE_te")} == set(best)
    rows = pd.read_csv(io.StringIO(sweep("curves", grid_run, 3, "--csv").stdout))
    assert list(rows["epoch"]) == [1, 2, 3, 4] and list(rows["val_loss"]) == [4, 3, 2, 1]
    bands = answer("curves", grid_run, "--per", "rate")
    assert {row["value"] for row in bands} == set(GRID["rate"]) and len(bands) == 12
    drawn = sweep("curves", grid_run, "--html", tmp_path / "curves.html")
    assert drawn.exit_code == 0 and "Plotly.newPlot" in (tmp_path / "curves.html").read_text()
    assert "best_epoch" in drawn.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([99], "no point 99"),
        (["--", -1, 0], "no point -1"),
        ([6], "the grid has the points 0 to 5"),
        (["--per", "unit"], 'Did you mean "units"'),
        (["--per", "idx"], 'no axis "idx"'),
        (["--by", "status"], "holds no numbers"),
    ],
)
def test_what_cannot_be_told_is_said(grid_run, words, said):
    assert said in message("curves", grid_run, *words)


def test_by_chooses_the_metric_whose_curves_are_shown(tmp_path):
    run = make_run(tmp_path / "run", {"units": [1, 2]}, [{"idx": 0}, {"idx": 1}])
    epochs, run = list(run.curves(0)["MAE"]), run.folder.path
    for words in ([], [0], ["--per", "units"]):
        said = sweep("curves", run, *words, "--by", "MAE_va").output
        assert said.startswith("val_MAE "), said
        assert sweep("curves", run, *words).output.startswith("val_loss ")
    by_train = answer("curves", run, "--per", "units", "--by", "MAE_tr")
    assert [row["middle"] for row in by_train if row["value"] == 1] == pytest.approx(epochs)
    assert sweep("curves", run, "--by", "MAE_te").output.startswith("val_loss ")  # it only ranks
    for words in ([0], ["--per", "units"]):
        assert "has no learning curves" in message("curves", run, *words, "--by", "MAE_te")
        assert 'Did you mean "MAE_va"' in message("curves", run, *words, "--by", "MAE_v")


def test_bands_leave_pruned_points_out_and_say_so(pruned_run):
    said = sweep("curves", pruned_run, "--per", "units")
    assert "Note: 1 pruned points are left out" in said.output
    counts = {row["value"]: row["points"] for row in answer("curves", pruned_run, "--per", "units")}
    assert counts == {2: 3, 4: 1}  # one was pruned, one failed
    assert "are included" in sweep("curves", pruned_run, "--per", "units", "--with-pruned").output
    none = message("curves", pruned_run, "--per", "units", "--where", "idx == 1")
    assert "no point that was trained to its end" in none


def test_bands_of_an_axis_are_of_points_at_which_it_acts(layers_run):
    said = sweep("curves", layers_run, "--per", "width_2").output
    assert (
        "1 point is left out, because width_2 acts only where layers >= 2." in said
        and "nan" not in said.lower()
    )
    assert "because point 0 stands for it" in message("curves", layers_run, 3)


def test_the_best_epoch_is_the_one_of_the_repeat_that_is_drawn(tmp_path):
    rows = [{"idx": idx, "seed": idx // 2, "best_epoch": 1 + 2 * (idx // 2), "loss_va": loss}
            for idx, loss in enumerate([0.2, 0.1, 0.4, 0.3])]  # fmt: skip
    run = make_run(tmp_path / "run", {"units": [1, 2]}, rows, repeats=2)
    found = {row["idx"]: row["best_epoch"] for row in answer("curves", run.folder.path, "--top", 2)}
    assert found == {1: 1, 0: 1}  # the means are 2


def test_the_curves_of_one_repeat_say_that_means_are_ranked(tmp_path):
    rows = [{"idx": idx, "seed": idx // 2, "loss_va": loss} for idx, loss in enumerate([0.2, 0.1, 0.4])]
    run = make_run(tmp_path / "run", {"units": [1, 2]}, rows, repeats=2).folder.path
    said = sweep("curves", run).output
    assert "The curves are those of its best repeat." in said
    assert "1 of these 2 means is over fewer than the 2 repeats" in said
    assert "Note" not in sweep("curves", run, 0).output
