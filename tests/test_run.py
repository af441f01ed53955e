"""The Python door: a real run of both engines, its tables and its models."""

import sys

import numpy as np
import pandas as pd
import pytest

import results
from results.space import Space
from results.store.store import Store
from sweep import Plan
from tests.help.exports import make_run
from tests.help.plans import SMALL_SPACE
from tests.help.repository import blocks
from tests.help.rows import finished
from trainables.table import data

pytestmark = pytest.mark.long(200)  # first: it makes the small run, for which the others would wait


def test_tables_are_those_of_pandas(small_run):
    run = results.open(small_run)
    pd.testing.assert_frame_equal(run.points, pd.read_parquet(small_run / "points"))
    assert set(run.axes) == set(SMALL_SPACE)
    assert run.metrics == ["loss", "MAE"]
    curve = run.curves(6)
    assert list(curve["epoch"]) == [1, 2, 3] and set(curve["idx"]) == {6}
    assert len(run.curves()) == 24 and len(run.curves([1, 2])) == 6
    assert run.rungs().empty
    best = run.top(3, "MAE_te", where="dropout_rate == 0")
    assert list(best["MAE_te"]) == sorted(run.points.query("dropout_rate == 0")["MAE_te"])[:3]


def test_configurations_are_those_of_the_plan(small_run):
    run, space = results.open(str(small_run)), Plan.load(small_run / "plan.yaml").space
    assert [run.config(idx) for idx in range(8)] == [dict(space[idx]) for idx in range(8)]
    with pytest.raises(ValueError, match=r"no point 8 in .*: the grid has the points 0 to 7\."):
        run.config(8)


@pytest.mark.parametrize("idx", [0, 3, 4, 7])
def test_a_model_evaluates_as_its_row_says(small_run, idx):
    run, table = results.open(small_run), Plan.load(small_run / "plan.yaml").table
    row, model = run.points.set_index("idx").loc[idx], run.model(idx)
    for split, x, y in (("te", table.x_test, table.y_test), ("tr", table.x_train, table.y_train)):
        found = model.evaluate(x, y, batch_size=128, verbose=0, return_dict=True)
        assert found["MAE"] == pytest.approx(row[f"MAE_{split}"], rel=1e-5)
        assert found["loss"] == pytest.approx(row[f"loss_{split}"], rel=1e-5)
    predicted = run.predict(idx, table.x_test[:5])
    np.testing.assert_allclose(predicted, model.predict(table.x_test[:5], verbose=0))
    raw = pd.read_csv(data.ABALONE.path, names=data.ABALONE.columns)
    rows = raw.drop(raw.sample(frac=0.8, random_state=0).index).drop(columns="Rings").iloc[:5]
    found = run.predict(idx, rows[list(rows)[::-1]])
    assert list(found) == ["Rings"] and found.index.equals(rows.index)
    np.testing.assert_allclose(found, predicted, rtol=1e-6)


def test_the_readme_s_door_opens_as_written(small_run, tmp_path, monkeypatch, capsys):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/abalone").symlink_to(small_run)
    monkeypatch.chdir(tmp_path)
    exec(blocks("python", "results/README.md")[1], {})
    assert capsys.readouterr().out.splitlines()[-1] == "True"


def test_the_readme_s_notebook_shows_figures_as_written(small_run, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/abalone").symlink_to(small_run)
    monkeypatch.chdir(tmp_path)
    cells = blocks("python", "results/README.md")[2].split("\n\n")
    names: dict = {}
    shown = []
    for cell in cells:
        *lines, last = cell.strip().splitlines()
        exec("\n".join(lines), names)
        if last.startswith("figures."):  # as a notebook does with a cell's last line
            shown.append(eval(last, names))
        else:
            exec(last, names)
    assert [type(figure).__name__ for figure in shown] == ["Figure"] * 3 and all(
        figure.data for figure in shown
    )


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(ValueError, match="no sweep here"):
        results.open(tmp_path)
    with pytest.raises(ValueError, match="cannot live on hdfs://"):
        results.open("hdfs://node/run")
    (tmp_path / "plan.yaml").write_text("space: [\x00")
    with pytest.raises(ValueError, match=r"plan.yaml: cannot be read"):
        results.open(tmp_path)
    (tmp_path / "plan.yaml").write_text("!!python/object/apply:os.system ['touch canary']")
    with pytest.raises(ValueError, match=r"plan.yaml: cannot be read"):
        results.open(tmp_path)
    (tmp_path / "plan.yaml").write_text("space: 3")
    with pytest.raises(ValueError, match="has no space"):
        results.open(tmp_path)


def test_a_folder_is_quoted_in_commands_to_paste(tmp_path):
    folder = tmp_path / "my runs"
    (folder / "points").mkdir(parents=True)
    (part := folder / "points/a.parquet").touch()
    with pytest.raises(ValueError, match=f"`sweep run PLAN --out '{folder}'`"):
        results.open(folder)
    part.unlink()
    (folder / "plan.yaml").write_text("space: {a: [1]}\nfit: {epochs: 1}")
    with pytest.raises(ValueError, match=f"`sweep run --out '{folder}'`"):
        results.open(folder).points  # noqa: B018


def test_the_package_hands_on_the_names_that_scripts_use():
    from results import curves, figures, importance, leaderboard

    assert results.open is sys.modules["results.run"].open and callable(importance.importance)
    assert callable(curves.bands) and callable(figures.curves_figure) and callable(leaderboard.leaderboard)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = results.nothing


def test_curves_may_have_some_columns_only(tmp_path):
    run = make_run(tmp_path / "run", {"units": [1, 2]}, [{"idx": 0}, {"idx": 1}])
    found = run.curves(columns=["val_loss", "val_nothing"])
    assert list(found) == ["idx", "epoch", "val_loss"] and len(found) == 6
    assert list(run.curves(1, ["loss"])["idx"]) == [1] * 3


def test_curves_can_be_read_while_the_sweep_stores_more_points(tmp_path, monkeypatch):
    axes = {"units": [1, 2]}
    run, read = make_run(tmp_path / "run", axes, [{"idx": 0}]), results.run.Run._read

    def read_and_store(*arguments):
        found = read(*arguments)
        Store(run.folder, Space(axes)).commit([finished(1)])
        return found

    monkeypatch.setattr(results.run.Run, "_read", read_and_store)
    assert set(run.curves()["idx"]) == {0}
