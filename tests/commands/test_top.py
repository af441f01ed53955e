"""`sweep top` and its questions: where, per, pareto."""

import csv
import io

import pyarrow.parquet as pq
import pytest

import results
from results import directions
from results.store import parquet
from tests.help.commands import answer, message, refused, sweep
from tests.help.exports import make_run


def test_top_answers_where_per_and_pareto(abalone_run):
    some = answer("top", abalone_run.path, "--where", "batch_size == 128")
    assert some and {row["batch_size"] for row in some} == {128}
    each = answer("top", abalone_run.path, "--per", "optimizers")
    assert len(each) == len({row["optimizers"] for row in each}) > 1
    front = answer("top", abalone_run.path, "--pareto", "epochs")
    assert len({row["epochs"] for row in front}) == len(front) > 0
    rows = list(csv.DictReader(io.StringIO(sweep("top", abalone_run.path, "-n", 3, "--csv").output)))
    assert len(rows) == 3 and rows[0]["idx"]
    assert sweep("top", abalone_run.path, "--where", "idx < 0").output.endswith("has no such point.\n")


def test_points_without_a_value_are_not_ranked_and_others_are_shown_with_their_status(ended_run):
    assert [row["idx"] for row in answer("top", ended_run)] == [1, 0, 3, 2]
    title, header, *rows = sweep("top", ended_run).output.splitlines()
    assert title.strip() == "The best 4 of 7 by loss_va"
    assert header.split() == [
        "idx",
        "units",
        "status",
        "epochs",
        "loss_tr",
        "loss_va",
        "loss_te",
        "has_weights",
    ]
    assert rows[0].split()[:6] == ["1", "2", "early_stopped", "3", *["0.5000"] * 2]
    assert [row.split()[2] for row in rows] == ["early_stopped", "completed", "completed", "pruned"]
    # Ranked by what every point has, those that diverged, failed or ran out of time are there, without losses.
    rows = sweep("top", ended_run, "--by", "epochs", "--mode", "max").output.splitlines()[2:]
    shown = {row.split()[2]: row.split()[3:6] for row in rows}
    assert len(rows) == 7 and shown["diverged"] == ["2", "-", "-"] and rows[4].split()[2] == "diverged"
    assert shown["timeout"] == shown["failed"] == ["0", "-", "-"]
    # Alone, they need no value.
    title, _, *rows = sweep("top", ended_run, "--where", "status == 'timeout'").output.splitlines()
    assert title.strip() == "Points without loss_va" and [row.split()[2] for row in rows] == ["timeout"]


def test_an_axis_that_is_called_like_a_metric_is_shown_and_not_rounded(tmp_path):
    run = make_run(tmp_path / "run", {"x_va": [2e-6, 1e-6]}, [{"idx": idx} for idx in range(2)])
    _, header, *rows = sweep("top", run.folder.path).output.splitlines()
    assert header.split()[:2] == ["idx", "x_va"]
    assert sorted(row.split()[1] for row in rows) == ["1e-06", "2e-06"]


def scored(folder, plan, modes):
    """Write a run with the metrics auc, which is better when higher, and mine, of which Keras cannot tell."""
    values = {"auc": [0.7, 0.9, 0.2, 0.8], "mine": [3.0, 1.0, 2.0, 4.0], "loss": [0.3, 0.4, 0.1, 0.2]}
    rows = [
        {"idx": idx, "params": 9 - idx, "weights": False, "metrics": ()}
        | {f"{name}_{split}": of[idx] for name, of in values.items() for split in ("tr", "va", "te")}
        for idx in range(4)
    ]
    run = make_run(folder, {"units": [1, 2, 3, 4]}, rows, **plan)
    if modes is not None:
        directions.add(run.folder, modes)
    return folder


@pytest.mark.parametrize("modes", [None, {"auc": "max", "loss": "min", "mine": None}])
def test_the_best_of_a_metric_are_the_highest_where_it_is_better_when_higher(tmp_path, modes):
    run = scored(tmp_path / "run", {}, modes)

    def top(*words):
        return [row["idx"] for row in answer("top", run, *words)]

    assert top() == [2, 3, 0, 1]
    assert top("--by", "auc_te") == top("--by", "auc_va") == [1, 3, 0, 2]
    assert top("--by", "auc_te", "--per", "epochs") == [1]
    assert top("--by", "auc_te", "--pareto", "params") == [3, 1]
    assert top("--by", "auc_te", "--mode", "min") == top("--by", "auc_te")[::-1]
    assert list(results.open(run).top(2, "auc_te")["idx"]) == [1, 3]
    assert list(results.open(run).top(1, "auc_te", mode="min")["idx"]) == [2]
    # Nothing says how `mine` is meant.
    assert top("--by", "mine_te") == [1, 2, 0, 3] and top("--by", "mine_te", "--mode", "max") == [3, 0, 2, 1]
    said = sweep("top", run, "--by", "mine_te").stderr
    assert "the lowest counts as the best" in said and "--mode max" in said
    assert not sweep("top", run, "--by", "mine_te", "--mode", "max").stderr
    assert not sweep("top", run, "--by", "auc_te").stderr


def test_the_plans_objective_ranks_in_its_mode(tmp_path):
    by_auc = scored(tmp_path / "auc", {"objective": "auc"}, {"auc": "max"})
    assert [row["idx"] for row in answer("top", by_auc)] == [1, 3, 0, 2]
    assert sweep("top", by_auc).output.splitlines()[0].strip() == "The best 4 of 4 by auc_va"
    by_mine = scored(tmp_path / "mine", {"objective": {"metric": "mine", "mode": "max"}}, {"mine": None})
    assert [row["idx"] for row in answer("top", by_mine)] == [3, 0, 2, 1]
    assert [row["idx"] for row in answer("top", by_mine, "--by", "mine_te")] == [3, 0, 2, 1]
    assert not sweep("top", by_mine).stderr


@pytest.mark.parametrize("content", [None, "{}", '{"modes": {"mine"'])
def test_the_worst_are_not_ranked_as_the_best_if_the_file_of_the_modes_is_lost(tmp_path, content):
    run = scored(tmp_path / "run", {"objective": "mine"}, {"mine": "max"})
    assert [row["idx"] for row in answer("top", run)] == [3, 0, 2, 1]
    if content is None:
        (run / "metrics.json").unlink()
    else:
        (run / "metrics.json").write_text(content)
    for words in (["top", run], ["report", run], ["curves", run], ["effects", run, "units"]):
        assert "metrics.json is " in message(*words)
    assert [row["idx"] for row in answer("top", run, "--mode", "max")] == [3, 0, 2, 1]
    assert [row["idx"] for row in answer("top", run, "--by", "loss_va")] == [2, 3, 0, 1]
    with pytest.raises(ValueError, match=r"metrics\.json is "):
        results.open(run).top()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "batch_sise == 1"], 'Did you mean "batch_size"'),
        (["--where", "exit()"], "--where: The condition"),
        (["--where", 'batch_size == "128"'], "which holds numbers, with the text '128'. Write a number"),
        (["--where", 'batch_size in ["128"]'], "which holds numbers"),
        (["--csv", "--json"], "both given"),
        (["--per", "optimizer"], 'Did you mean "optimizers"'),
        (["--by", "engine", "--pareto", "params"], 'The column "engine" holds no numbers'),
        (["--pareto", "parms"], 'Did you mean "params"'),
        (["--pareto", "params", "--per", "optimizers"], "only one can choose the points"),
    ],
)
def test_bad_questions_are_one_message(abalone_run, words, said):
    assert said in message("top", abalone_run.path, *words)


def test_the_best_of_each_value_is_one_at_which_the_axis_acts(layers_run):
    each = answer("top", layers_run, "--per", "width_3")
    assert sorted(row["width_3"] for row in each) == [2, 4] and {row["layers"] for row in each} == {3}
    said = sweep("top", layers_run, "--per", "width_3").output
    assert "3 points are left out, because width_3 acts only where layers >= 3." in said
    assert "left out" not in sweep("top", layers_run, "--per", "layers").output
    assert len(answer("top", layers_run, "--where", "width_2 == None")) == 1


def test_points_that_have_all_failed_are_shown_though_their_metric_is_unknown(tmp_path):
    rows = [{"idx": idx, "status": "failed", "epochs": 0, "error": "no"} for idx in (0, 1)]
    run = make_run(
        tmp_path / "run", {"units": [1, 2]}, rows, objective={"metric": "accuracy", "mode": "auto"}
    )
    lines = sweep("top", run.folder.path).output.splitlines()
    assert lines[0].strip() == "Points without accuracy_va" and len(lines) == 4


@pytest.mark.parametrize("repeats", [1, 2])
def test_every_command_reads_a_run_whose_points_have_all_failed(tmp_path, repeats):
    rows = [{"idx": idx, "status": "failed", "epochs": 0, "error": "no"} for idx in (0, 1)]
    run = make_run(tmp_path / "run", {"units": [1, 2]}, rows, objective="mae", repeats=repeats).folder.path
    assert sweep("curves", run).output == f"{run} has no point with a mae_va yet.\n"
    assert sweep("report", run, tmp_path / "a.html").exit_code == 0
    sent = sweep("export-to", "tensorboard", run, tmp_path / "logs", "--points", "all")
    assert sent.exit_code == 0 and "2 of 2 are in" in sent.output
    for name, *words in (("top",), ("curves",), ("importance",), ("effects", "units")):
        assert 'no column "mae_vaa"' in message(name, run, *words, "--by", "mae_vaa")


def test_a_plan_that_cannot_be_read_is_no_plan_without_objective(tmp_path):
    run = make_run(tmp_path / "run", {"units": [1, 2]}, [{"idx": 0}, {"idx": 1}])
    (run.folder.path / "plan.yaml").write_text("a: [1")
    assert "plan.yaml: cannot be read" in message("top", run.folder.path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mode": "up"}, "mode got 'up'"),
        ({"n": -1}, "n got -1"),
        ({"n": 2.5}, "n got 2.5"),
        ({"n": "a"}, "n got 'a'"),
    ],
)
def test_a_mode_or_a_number_that_there_is_not_is_refused_from_python(grid_run, given, said):
    with pytest.raises(ValueError, match=said):
        results.open(grid_run).top(**given)


@pytest.mark.parametrize("objective", ["loss", "r2"])
def test_a_run_that_has_no_row_yet_says_so(tmp_path, objective):
    run = make_run(tmp_path / "run", {"units": [1, 2]}, [{"idx": 0}], objective=objective)
    run.folder.metrics.unlink(missing_ok=True)
    [part] = run.folder.points.glob("*.parquet")
    rows = pq.read_table(part)
    left = rows.slice(0, 0).drop_columns([name for name in rows.column_names if name.startswith("loss_")])
    part.write_bytes(parquet.to_bytes(left))
    found = sweep("top", run.folder.path)
    assert found.exit_code == 0 and found.output.endswith(f"has no point with a {objective}_va yet.\n")
    assert answer("top", run.folder.path) == []


@pytest.mark.parametrize("command", ["top", "curves", "importance"])
def test_an_empty_column_is_no_column(grid_run, command):
    assert "the name of a column" in refused(command, grid_run, "--by", "")


def test_json_has_numbers_to_their_last_digit(tmp_path):
    losses = [0.12345678901234567, 3.21e-13]
    rows = [{"idx": idx, "loss_va": loss} for idx, loss in enumerate(losses)]
    path = make_run(tmp_path / "run", {"units": [1, 2]}, rows).folder.path
    found = answer("top", path)
    assert [row["loss_va"] for row in found] == losses[::-1] and found[0]["error"] is None
    assert [row["best"] for row in answer("effects", path, "units")["values"]] == losses[::-1]


def test_small_losses_are_shown_with_their_digits(tmp_path):
    rows = [{"idx": idx, "loss_va": loss} for idx, loss in enumerate([2e-6, 1.23456e-6])]
    shown = sweep("top", make_run(tmp_path / "run", {"units": [1, 2]}, rows).folder.path).output
    assert "1.235e-06" in shown and "0.0000" not in shown


def test_whole_numbers_are_whole_beside_points_that_failed(tmp_path):
    rows = [{"idx": 0, "params": 1234567}, {"idx": 1, "status": "failed", "epochs": 0, "error": "no"}]
    run = make_run(tmp_path / "run", {"units": [1, 2]}, rows)
    assert " 1234567" in sweep("top", run.folder.path, "--pareto", "params").output
