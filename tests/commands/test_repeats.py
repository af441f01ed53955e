"""The commands that rank judge a run with repeats by its means, and say so."""

import base64
import json

import numpy as np
import pytest

from results.report.page import page, winner_of
from tests.help.commands import answer, message, sweep
from tests.help.exports import make_run

# The losses of each configuration, repeat by repeat. The second has the best point, the third the best mean.
LOSSES = {2: [3.0, 3.0, 6.0], 3: [0.5, 9.0, 9.0], 4: [2.0, 1.5, None]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    rows = [
        {"idx": repeat * 3 + number, "seed": repeat}
        | {f"loss_{split}": loss for split in ("tr", "va", "te")}
        | ({"status": "pruned"} if (units, repeat) == (2, 2) else {})
        for number, (units, losses) in enumerate(LOSSES.items())
        for repeat, loss in enumerate(losses)
        if loss is not None
    ]
    axes = {"units": list(LOSSES)}
    return make_run(tmp_path_factory.mktemp("runs") / "out", axes, rows, repeats=3, fit={"epochs": 3})


def test_top_ranks_the_means(run):
    best = answer("top", run.folder.path)
    assert [row["units"] for row in best] == [4, 2, 3] and [row["idx"] for row in best] == [5, 0, 1]
    assert best[0]["loss_va"] == 1.75 and best[0]["repeats"] == 2
    assert best[0]["loss_va_std"] == pytest.approx(0.125**0.5)
    shown = sweep("top", run.folder.path).output
    assert "The best 3 of 3 by mean loss_va over 3 repeats" in shown and "0.3536" in shown
    assert "1 of these 3 means is over fewer than the 3 repeats" in shown
    assert "1 of these 3 means is over repeats of which ASHA stopped some" in shown
    assert list(run.top(1)["idx"]) == [5]
    each = answer("top", run.folder.path, "--each")
    assert [row["idx"] for row in each] == [1, 5, 2, 0, 3, 6, 4, 7] and each[0]["repeat"] == 0
    assert run.top(2, each=True)["idx"].tolist() == [1, 5]
    first = answer("top", run.folder.path, "--where", "repeat == 0")
    assert [row["units"] for row in first] == [3, 4, 2] and first[0]["loss_va_std"] is None
    assert [row["units"] for row in answer("top", run.folder.path, "--per", "units")] == [4, 2, 3]
    assert [row["units"] for row in answer("top", run.folder.path, "--pareto", "epochs")] == [4]
    assert "holds no numbers" in message("top", run.folder.path, "--by", "status")


def test_the_other_commands_compare_means(run):
    path = run.folder.path
    effects = answer("effects", path, "units", "--with-pruned")
    assert {row["value"]: row["mean"] for row in effects["values"]} == {
        2: 4.0,
        3: pytest.approx(18.5 / 3),
        4: 1.75,
    }
    assert effects["notes"][0].startswith("Each is the mean over the repeats")
    shares = answer("importance", path, "--with-pruned")
    assert shares["exact"] and shares["rows"] == 3 and [row["axis"] for row in shares["shares"]] == ["units"]
    assert any("is between repeats of the same configuration" in note for note in shares["notes"])
    curves = [row["idx"] for row in answer("curves", path)]
    assert sorted(set(curves)) == [0, 1, 5]  # the best repeats
    assert winner_of(run) == 5 and run.size == 9


def test_the_report_ranks_means(run):
    text = page(run)
    data = json.loads(text.split('id="data">', 1)[1].split("</script>", 1)[0])
    columns = {column["name"]: column for column in data["table"]["columns"]}
    assert columns["loss_va"]["values"][0] == 1.75 and columns["repeats"]["values"] == [2, 3, 3]
    assert "repeat" not in columns and "loss_va_std" in columns
    assert data["cards"][0][:2] == ["points", "8"] and data["cards"][1][0] == "best mean loss_va"
    assert data["left_out"] == 0  # the pruned repeat is in a mean


def test_a_configuration_whose_bad_repeats_were_pruned_wins_nowhere(tmp_path):
    # The first one has the best repeat, and two that ASHA stopped; all of the last one were stopped.
    losses = {0: [1.0, 9.0, 9.0], 1: [2.0, 2.0, 2.0], 2: [5.0, 5.0, 5.0]}
    rows = [
        {"idx": repeat * 3 + number, "loss_va": loss, "status": "pruned" if loss > 2 else "completed"}
        for number, values in losses.items()
        for repeat, loss in enumerate(values)
    ]
    run = make_run(tmp_path / "out", {"units": [2, 3, 4]}, rows, repeats=3, fit={"epochs": 3})
    assert winner_of(run) == run.top(1)["idx"].iloc[0] == 1
    data = json.loads(page(run).split('id="data">', 1)[1].split("</script>", 1)[0])
    assert data["cards"][1][2].endswith("the best is point 1") and data["left_out"] == 3
    assert answer("importance", run.folder.path)["rows"] == 2
    means = {row["value"]: row["mean"] for row in answer("effects", run.folder.path, "units")["values"]}
    assert means == {2: pytest.approx(19 / 3), 3: 2.0}
    assert "3 pruned points are left out" in sweep("importance", run.folder.path).output


def test_the_curve_of_a_mean_is_marked_at_the_best_epoch_of_its_repeat(tmp_path):
    rows = [{"idx": idx, "best_epoch": 1 + idx // 2 * 2, "loss_va": 1.0 + idx} for idx in range(4)]
    run = make_run(tmp_path / "out", {"units": [2, 3]}, rows, repeats=2, fit={"epochs": 3})
    data = json.loads(page(run).split('id="data">', 1)[1].split("</script>", 1)[0])
    [curves] = [part for part in data["sections"] if part["title"] == "Learning curves"]
    stars = [trace["x"] for trace in curves["figures"][0][1]["data"] if trace["name"] == "best epoch"]
    epochs = [np.frombuffer(base64.b64decode(x["bdata"]), x["dtype"]).tolist() for x in stars]
    assert epochs and all(found == [1] for found in epochs)  # the means are 2


def test_configurations_that_failed_are_not_forgotten(tmp_path):
    # The points are numbered by the rate first; each with the rate 10 has failed.
    failed = {"status": "failed", "epochs": 0, "error": "no"}
    rows = [{"idx": idx, **(failed if idx % 4 > 1 else {})} for idx in range(8)]
    run = make_run(tmp_path / "out", {"units": [2, 4], "rate": [0.1, 10]}, rows, repeats=2)
    path = run.folder.path
    # What is left is no grid of both axes.
    assert "2 rows have a finite loss_va; an estimate needs at least 20" in message("importance", path)
    assert "(2 failed)" in answer("effects", path, "rate")["notes"][-1]
    data = json.loads(page(run).split('id="data">', 1)[1].split("</script>", 1)[0])
    assert data["table"]["rows"] == 4
    lines = sweep("top", path, "--where", "rate == 10").output.splitlines()
    assert lines[0].strip() == "Points without loss_va" and len(lines) == 4
