"""The commands that read a folder: top with its questions, importance, export; bad input is one message."""

import csv
import io
import json
import subprocess

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import results
from sweep.commands.main import main
from tests.help.sweeps import SWEEP


def sweep(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_top_answers_where_per_and_pareto(abalone_run):
    some = json.loads(sweep("top", abalone_run.path, "--where", "batch_size == 128", "--json").output)
    assert some and {row["batch_size"] for row in some} == {128}
    each = json.loads(sweep("top", abalone_run.path, "--per", "optimizers", "--json").output)
    assert len(each) == len({row["optimizers"] for row in each}) > 1
    front = json.loads(sweep("top", abalone_run.path, "--pareto", "epochs", "--json").output)
    assert len({row["epochs"] for row in front}) == len(front) > 0
    rows = list(csv.DictReader(io.StringIO(sweep("top", abalone_run.path, "-n", 3, "--csv").output)))
    assert len(rows) == 3 and rows[0]["idx"]
    assert "no such point" in sweep("top", abalone_run.path, "--where", "idx < 0").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "batch_sise == 1"], 'Did you mean "batch_size"'),
        (["--where", "exit()"], "--where: The condition"),
        (["--per", "optimizer"], 'Did you mean "optimizers"'),
        (["--pareto", "parms"], 'Did you mean "params"'),
        (["--pareto", "params", "--per", "optimizers"], "two different questions"),
        (["--pareto", "params", "--descending"], "Leave --descending out"),
    ],
)
def test_bad_questions_are_one_message(abalone_run, words, said):
    answer = sweep("top", abalone_run.path, *words)
    assert answer.exit_code == 2 and said in answer.output and "Traceback" not in answer.output


def test_importance_is_exact_on_a_grid(small_run):
    answer = sweep("importance", small_run, "--by", "loss_va")
    assert answer.exit_code == 0 and "exact, as the 8 points are a whole grid" in answer.output
    found = json.loads(sweep("importance", small_run, "--json").output)
    assert found["exact"] and sum(row["share"] for row in found["shares"]) <= 1 + 1e-9
    few = sweep("importance", small_run, "--where", "idx < 3")
    assert few.exit_code == 2 and "needs 20 at least" in few.output


@pytest.mark.parametrize("kind", ["keras", "weights", pytest.param("savedmodel", marks=pytest.mark.slow)])
def test_an_exported_model_is_the_point_s(small_run, tmp_path, kind):
    run, name = (
        results.open(small_run),
        {"keras": "my.keras", "savedmodel": "my", "weights": "my.weights.h5"}[kind],
    )
    answer = sweep("export", small_run, 3, tmp_path / name, "--format", kind, "--json")
    assert answer.exit_code == 0, answer.output
    written = json.loads(answer.output.splitlines()[-1])
    assert written["metrics"]["MAE"] == pytest.approx(run.points.set_index("idx").loc[3, "MAE_te"], rel=1e-5)
    card = (tmp_path / f"{name}.card.md").read_text()
    assert "build_and_compile_model" in card and "| MAE |" in card and "sweep export" in card
    x = run_table().x_test[:9]
    expected = run.predict(3, x)
    if kind == "keras":
        found = keras.saving.load_model(tmp_path / name, safe_mode=True).predict(x, verbose=0)
    elif kind == "weights":
        model = run.model(3)
        model.set_weights([0 * weight for weight in model.get_weights()])
        model.load_weights(tmp_path / name)
        found = model.predict(x, verbose=0)
    else:
        found = keras.layers.TFSMLayer(tmp_path / name, call_endpoint="serve")(x)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    again = sweep("export", small_run, 3, tmp_path / name, "--format", kind)
    assert again.exit_code == 2 and "is there already" in again.output


def test_an_export_prints_what_it_did_and_nothing_of_tensorflow(small_run, tmp_path):
    command = [*SWEEP, "export", small_run, "3", tmp_path / "my.keras", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0 and json.loads(ran.stdout)["metrics"]["loss"] > 0
    assert ran.stderr.splitlines() == [
        "Point 3 is made by the builder trainables.abalone:build_and_compile_model."
    ]


def run_table():
    from sweep import Plan

    return Plan.load().table


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([99, "x.keras"], "Point 99 has no row"),
        ([0, "x.h5"], "has to end with .keras"),
        ([0, "nowhere/x.keras"], "there is no folder"),
    ],
)
def test_bad_exports_are_one_message_and_write_nothing(small_run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    answer = sweep("export", small_run, *words)
    assert answer.exit_code == 2 and said in answer.output and "Traceback" not in answer.output
    assert not list(tmp_path.iterdir())
