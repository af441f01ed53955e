"""`sweep verify` on a real run: it agrees, and a row that was altered is found."""

import json
import shutil

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from results.folder.run_folder import RunFolder
from results.store.parquet import read, to_bytes
from tests.help.commands import answer, message, refused, sweep
from tests.help.exports import make_run


@pytest.fixture
def run(small_run, tmp_path):
    """A copy of the small run without what it verified: points 0 to 3 by the fused engine, 4 to 7 by Keras."""
    copied = shutil.copytree(small_run, tmp_path / "out")
    RunFolder(copied).verified.unlink()
    return copied


def alter(folder, idx, column, by):
    """Multiply the value of a point in the folder's Parquet."""
    for path in folder.glob("*.parquet"):
        table = read(path)
        factor = pc.if_else(pc.equal(table["idx"], idx), by, 1.0)
        values = pc.multiply(table[column].cast(pa.float64()), factor).cast(table.schema.field(column).type)
        at = table.schema.get_field_index(column)
        path.write_bytes(to_bytes(table.set_column(at, table.schema.field(column), values)))


@pytest.mark.ci
def test_a_run_is_verified_once_and_what_was_altered_is_found(run):
    first = sweep("verify", run)
    assert first.exit_code == 0, first.output
    assert "4 of the 4 best points are what Keras trains." in first.output
    assert first.output.count("3 of 3 epochs, as by Keras") == 4
    again = answer("verify", run)  # trains nothing
    assert again["waiting"] == [] and sorted(again["agreeing"]) == [0, 1, 4, 5]
    assert "verified   4 of the 4 best" in sweep("status", run).output
    assert sweep("report", run, run / "page.html").exit_code == 0
    assert "4 of the 4 best points are what Keras trains" in (run / "page.html").read_text()

    best = again["best"][0]
    alter(RunFolder(run).points, best, "loss_te", 1.01)
    alter(RunFolder(run).curves, 5, "val_loss", 1.01)
    found = sweep("verify", run)
    output = found.output
    assert found.exit_code == 1, output
    assert "1 of 4 checked points are not what Keras trains" in output
    assert f"Point {best}: loss_te is " in output and "by Keras." in output
    assert output.count("epochs, as by Keras") == 0  # the others were not trained again
    assert "1 of 4 checked points are not" in sweep("status", run).output
    kept = json.loads(RunFolder(run).verified.read_text())["points"][str(best)]
    [[column, epoch, is_, by_keras]] = kept["differences"]
    assert (column, epoch) == ("loss_te", 0) and is_ == pytest.approx(1.01 * by_keras, rel=1e-3)

    found = sweep("verify", run, 5, "--json")
    said = json.loads(found.stdout)
    assert found.exit_code == 1 and set(said["differing"]) == {"5", str(best)}
    assert [(one["column"], one["epoch"]) for one in said["differing"]["5"]] == [("val_loss", 1)]


def test_bad_choices_are_refused(grid_run, here):
    assert "there is no sweep here" in message("verify", here / "nowhere")
    assert "both given" in message("verify", grid_run, "1", "--points", "2")
    assert "is not in the range" in refused("verify", grid_run, "--points", "0")


def test_points_without_a_training_and_other_builders_are_refused(run):
    assert "the grid has the points 0 to 7" in refused("verify", run, "99")
    plan = RunFolder(run).plan
    plan.write_text(plan.read_text().replace("trainables.abalone:", "models.py:"))
    assert "there is no file" in refused("verify", run)


def test_a_run_without_rows_is_refused_by_one_message(tmp_path):
    path = make_run(tmp_path / "out", {"units": [1]}, [{"idx": 0}]).folder.path
    shutil.rmtree(path / "points")
    assert "no point has a row" in message("verify", path, "--trust")
    assert "the plan's objective" in sweep("verify", "--help").output
